"""`pyftrace diff` finds what is called more often, by function and by call path, however the code
has moved, and its limits end with status 3."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, clean_environment

import pyftrace as api

BEFORE = """\
def query(n): return n
def show(n):
    query(n)
    query(n)
def index(n):
    for i in range(n): show(i)
def old(): return 1
index(4)
old()
"""
# One call of query more in show, a helper that is new, one that is gone; all lines have moved.
AFTER = """\
# moved



def query(n): return n
def fresh(n): return query(n)
def show(n):
    query(n)
    query(n)
    if n == 3: fresh(n)
def index(n):
    for i in range(n): show(i)
index(4)
"""
COUNTS = {"index": (1, 1), "show": (4, 4), "query": (8, 9), "fresh": (None, 1), "old": (1, None)}


def record(pyftrace: Run, folder: Path, name: str, text: str) -> str:
    (folder / "app.py").write_text(text)
    done = pyftrace("record", "-q", "-o", f"{name}.data", "app.py")
    assert done.returncode == 0, done.stderr
    return f"{name}.data"


@pytest.fixture
def both(pyftrace: Run, tmp_path: Path) -> tuple[str, str]:
    return record(pyftrace, tmp_path, "a", BEFORE), record(pyftrace, tmp_path, "b", AFTER)


def rows_of(text: str) -> dict[str, str]:
    """The cell of calls, by function."""
    lines = [line.split("  | ") for line in text.splitlines()]
    return {cells[0].strip(): cells[1].strip() for cells in lines if len(cells) == 5}


def test_what_is_called_more_often_comes_first(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", *both)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows_of(done.stdout) == {
        "Function Name": "Calls", "app.fresh": "new: 1", "app.old": "gone: 1",
        "app.query": "8 -> 9 (+1)", "app.index": "1", "app.show": "4",
    }  # fmt: skip
    last = list(rows_of(done.stdout))[4:]
    assert sorted(last) == ["app.index", "app.show"]  # by time
    assert done.stdout.splitlines()[-1].startswith(
        "functions: 1 new, 1 gone, 1 called more or less often, 2 alike; calls: 14 -> 15 (+1);"
    )


def test_by_call_path_only_what_changed_is_shown(both: tuple[str, str], pyftrace: Run):
    lines = pyftrace("diff", "--paths", *both).stdout.splitlines()
    at = lines[0].index("Function")
    found = [(line.split("  ")[0], line[at:]) for line in lines[1:-2]]
    assert found == [
        ("1", "app.index"), ("4", "  app.show"), ("new: 1", "    app.fresh"),
        ("new: 1", "      app.query"), ("gone: 1", "app.old"),
    ]  # fmt: skip


def test_a_recording_is_like_itself(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", "--max-calls", "+0", "--max-total", "+0%", "--paths", both[0], both[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Every call path has as many calls as before.\n")


@pytest.mark.parametrize(
    "limit, said",
    [("+0", 2), ("+10%", 2), ("+12.4%", 2), ("+13%", 1), ("+1", 0)],
)
def test_a_limit_of_calls_is_status_3_and_says_who_calls(
    limit: str, said: int, both: tuple[str, str], pyftrace: Run
):
    done = pyftrace("diff", "-q", "--max-calls", limit, *both)
    lines = [
        f"pyftrace: app.fresh is called more often: 0 -> 1 (+1), limit {limit};"
        " by app.show 0 -> 1 (+1)",
        f"pyftrace: app.query is called more often: 8 -> 9 (+1), limit {limit};"
        " by app.fresh 0 -> 1 (+1)",
    ]
    assert (done.stdout, done.stderr.splitlines()) == ("", lines[:said])
    assert done.returncode == (3 if said else 0)


def test_who_reads_no_further_still_gets_the_status(both: tuple[str, str], tmp_path: Path):
    for words in ([], ["--format", "json"], ["--paths"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-m", "pyftrace", "diff", *words, "--max-calls", "+0", *both],
            cwd=tmp_path, env=clean_environment(), stdout=write, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(write)
        assert done.returncode == 3
        assert done.stderr.count("is called more often") == 2


def test_a_limit_of_time(pyftrace: Run, tmp_path: Path):
    """A thousand times the work takes longer, by any clock."""
    text = "def work(n):\n    for _ in range(n): pass\nwork({})\n"
    a = record(pyftrace, tmp_path, "a", text.format(1000))
    b = record(pyftrace, tmp_path, "b", text.format(1000_000))
    done = pyftrace("diff", "--max-total", "+100%", a, b)
    assert re.fullmatch(
        r"pyftrace: it takes longer: .* -> .* \(\+\d+%\), limit \+100%\n", done.stderr
    )
    assert done.returncode == 3
    assert pyftrace("diff", "--max-total", "+100s", a, b).returncode == 0


def test_filters_choose_what_is_compared(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", "--max-calls", "+0", "-f", "app.index", "-e", "query", *both)
    assert set(rows_of(done.stdout)) == {"Function Name", "app.index", "app.show", "app.fresh"}
    assert done.stderr.splitlines() == [
        "pyftrace: app.fresh is called more often: 0 -> 1 (+1), limit +0; by app.show 0 -> 1 (+1)"
    ]
    done = pyftrace("diff", "-q", "--max-calls", "+0", "-f", "app:query", *both)
    assert done.stderr.splitlines() == [
        "pyftrace: app.query is called more often: 8 -> 9 (+1), limit +0;"
        " by what is not shown 8 -> 9 (+1)"
    ]


def test_a_pattern_that_matches_nothing_judges_nothing(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", "-f", "qeury", *both)
    assert (done.returncode, done.stderr) == (0, "pyftrace: warning: nothing matched 'qeury'\n")
    done = pyftrace("diff", "-f", "qeury", "--max-calls", "+0", *both)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "pyftrace: cannot judge: nothing matched 'qeury'"


def test_several_runs_a_side_are_their_medians(pyftrace: Run, tmp_path: Path):
    text = "def f(): pass\nfor _ in range({}): f()\n"
    a = [record(pyftrace, tmp_path, f"a{n}", text.format(n)) for n in (3, 3, 3)]
    b = [record(pyftrace, tmp_path, f"b{n}", text.format(n)) for n in (2, 9, 4)]
    done = pyftrace("diff", *a, "--", *b)
    assert rows_of(done.stdout)["app.f"] == "3 -> 4 (+1), differ in B"
    assert " +-" in done.stdout
    done = pyftrace("diff", "-q", "--max-calls", "+0", a[0], a[1], "--", a[0], b[2])
    assert done.returncode == 3  # of two the higher


def test_options_may_stand_anywhere(both: tuple[str, str], pyftrace: Run):
    for words in (
        [*both, "--max-calls", "+0"], [both[0], "--max-calls", "+0", both[1]],
        [both[0], "--", both[1], "--max-calls", "+0"], [both[0], "-q", "--", both[1]],
    ):  # fmt: skip
        assert pyftrace("diff", *words).returncode == (0 if "-q" in words else 3)


def test_json_has_both_sides(both: tuple[str, str], pyftrace: Run):
    whole = json.loads(pyftrace("diff", "--format", "json", *both).stdout)
    found = {
        row["function"]: tuple(row[side] and row[side]["calls"] for side in "ab")
        for row in whole["rows"]
    }
    assert found == COUNTS
    for row in whole["rows"]:
        assert row["path"] == ["app." + row["function"]] and row["module"] == "app"
    assert (whole["a"]["recordings"], whole["exceeded"]) == (["a.data"], [])
    whole = json.loads(pyftrace("diff", "--format", "json", "--paths", *both).stdout)
    paths = {"/".join(row["path"]): row["calls_more"] for row in whole["rows"]}
    assert paths["app.index/app.show/app.query"] == 0
    assert paths["app.index/app.show/app.fresh/app.query"] == 1
    assert paths["app.old"] == -1


def test_without_names_it_is_the_last_two(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(BEFORE)
    pyftrace("record", "-q", "app.py")
    done = pyftrace("diff")
    assert (done.returncode, done.stderr) == (
        2, "pyftrace: there is no earlier recording (pyftrace.data.old): record once more\n"
    )  # fmt: skip
    (tmp_path / "app.py").write_text(AFTER)
    pyftrace("record", "-q", "app.py")
    done = pyftrace("diff")
    assert rows_of(done.stdout)["app.query"] == "8 -> 9 (+1)"
    assert rows_of(pyftrace("diff", "pyftrace.data").stdout)["app.query"] == "9"


def test_a_script_is_known_as_the_module_that_it_is(pyftrace: Run, tmp_path: Path):
    """Run by its path, with -m, or imported."""
    (tmp_path / "app.py").write_text(BEFORE)
    pyftrace("record", "-q", "-o", "a.data", "app.py")
    pyftrace("record", "-q", "-o", "m.data", "-m", "app")
    pyftrace("record", "-q", "-o", "i.data", "-c", "import app")
    for other in ("m.data", "i.data"):
        done = pyftrace("diff", "--max-calls", "+0", "a.data", other)
        assert done.returncode == 0, done.stderr
        assert "functions: 0 new, 0 gone, 0 called more or less often, 4 alike" in done.stdout


def test_a_script_in_a_package_is_known_as_its_module(pyftrace: Run, tmp_path: Path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "app.py").write_text(BEFORE)
    pyftrace("record", "-q", "-o", "a.data", "shop/app.py")
    pyftrace("record", "-q", "-o", "b.data", "-m", "shop.app")
    done = pyftrace("diff", "--max-calls", "+0", "a.data", "b.data")
    assert done.returncode == 0, done.stderr
    assert rows_of(done.stdout)["shop.app.query"] == "8"


def test_recordings_with_other_options_are_noted(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("print(len('ab'))\n")
    pyftrace("record", "-q", "-o", "a.data", "app.py")
    pyftrace("record", "-q", "-v", "-o", "b.data", "app.py")
    done = pyftrace("diff", "a.data", "b.data")
    assert done.stderr == (
        "pyftrace: note: a.data was recorded with no options, b.data with --verbose:"
        " one may hold what the other leaves out\n"
    )


def test_the_programs_own_words_are_none_of_ours(pyftrace: Run, python: Run, tmp_path: Path):
    text = "import sys, pyftrace\ndef f(): pass\nif sys.argv[1:2] == ['--libs']:\n" \
        "    with pyftrace.record('b.data'): f()\nelse: f()\n"  # fmt: skip
    (tmp_path / "app.py").write_text(text)
    assert pyftrace("record", "-q", "-o", "a.data", "app.py", "it's", '"', "\\").returncode == 0
    assert python("app.py", "--libs").returncode == 0
    done = pyftrace("diff", "a.data", "b.data")
    assert (done.returncode, done.stderr) == (0, "")


def test_functions_of_one_name_are_told_apart(pyftrace: Run, tmp_path: Path):
    text = "def f(): return 1\nf()\n{}def f(): return 2\nf(); f()\n"
    a = record(pyftrace, tmp_path, "a", text.format(""))
    b = record(pyftrace, tmp_path, "b", text.format("\n\n"))
    rows = json.loads(pyftrace("diff", "--format", "json", a, b).stdout)["rows"]
    assert sorted((row["a"]["calls"], row["b"]["calls"]) for row in rows) == [(1, 1), (2, 2)]


def test_of_several_one_that_is_not_called_does_not_shift_the_others(pyftrace: Run, tmp_path: Path):
    text = "a = lambda: 1\nb = lambda: 2\nif {}: a()\nb(); b(); b()\n"
    a, b = (record(pyftrace, tmp_path, str(n), text.format(n)) for n in (1, 0))
    done = pyftrace("diff", "--max-calls", "+0", a, b)
    assert done.returncode == 0, done.stderr
    assert sorted(line.split("  | ")[1].strip() for line in done.stdout.splitlines()[2:4]) == [
        "3", "gone: 1"
    ]  # fmt: skip


def test_lambdas_of_one_line_are_told_apart(pyftrace: Run, tmp_path: Path):
    text = (
        "a, b = lambda: 1, lambda: 2\ndef f(g, n):\n    for _ in range(n): g()\n"
        "f(a, {})\nf(b, {})\n"
    )
    a = record(pyftrace, tmp_path, "a", text.format(2, 50))
    b = record(pyftrace, tmp_path, "b", text.format(50, 2))
    done = pyftrace("diff", "-q", "--max-calls", "+0", a, b)
    assert done.stderr == (
        "pyftrace: app.<lambda>#1 is called more often: 2 -> 50 (+48), limit +0;"
        " by app.f 2 -> 50 (+48)\n"
    )
    assert "50 -> 2 (-48)" in pyftrace("diff", "--paths", a, b).stdout


def test_a_limit_in_percent_is_exact(pyftrace: Run, tmp_path: Path):
    text = "def f(): pass\nfor _ in range({}): f()\n"
    a, b, c = (record(pyftrace, tmp_path, str(n), text.format(n)) for n in (100, 115, 116))
    assert pyftrace("diff", "-q", "--max-calls", "+15%", a, b).returncode == 0
    assert pyftrace("diff", "-q", "--max-calls", "+15%", a, c).returncode == 3


def test_deep_recursion_is_no_trouble(pyftrace: Run, tmp_path: Path):
    text = "import sys\nsys.setrecursionlimit(9000)\ndef f(n): return n and f(n - 1)\nf({})\n"
    a = record(pyftrace, tmp_path, "a", text.format(3000))
    b = record(pyftrace, tmp_path, "b", text.format(3001))
    done = pyftrace("diff", "--paths", "--max-calls", "+0", a, b)
    assert done.stderr == (
        "pyftrace: app.f is called more often: 3001 -> 3002 (+1), limit +0;"
        " by app.f 3000 -> 3001 (+1)\n"
    )


@pytest.mark.parametrize(
    "words, said",
    [
        ("a.data nowhere", "cannot read nowhere: No such file or directory"),
        ("a.data a.data a.data", "3 recordings: put -- between those of A and those of B"),
        ("-- a.data", "-- stands between the recordings of A and those of B"),
        ("--max-calls 0 a.data a.data", "--max-calls takes +N or +N%, not '0'"),
        ("--max-calls +1ms a.data a.data", "--max-calls takes +N or +N%, not '+1ms'"),
        ("--max-total 5 a.data a.data", "--max-total takes +TIME (ns, us, ms, s) or +N%, not '5'"),
        (
            "--max-total +5 a.data a.data",
            "--max-total takes +TIME (ns, us, ms, s) or +N%, not '+5'",
        ),
        ("--max-calls +\uff15 a.data a.data", None),
        ("--paths --limit 3 a.data a.data", "--limit does not go with --paths"),
        ("--paths --sort name a.data a.data", "--sort does not go with --paths"),
        ("--max-calls +" + "9" * 30 + "% a.data a.data", None),
        ("-- a.data -- a.data", "-- stands between the recordings of A and those of B"),
        ("--limit -1 a.data a.data", "--limit: -1 is out of range (at least 0)"),
        ("--sort size a.data a.data", None),
    ],
)
def test_mistakes_are_one_line(words: str, said: str | None, pyftrace: Run, tmp_path: Path):
    record(pyftrace, tmp_path, "a", BEFORE)
    done = pyftrace("diff", *words.split())
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert said is None or done.stderr == f"pyftrace: {said}\n"
    assert done.returncode == (1 if "nowhere" in words else 2)


def test_what_is_not_complete_is_not_judged(pyftrace: Run, tmp_path: Path):
    text = "def f(): pass\nfor _ in range(400_000): f()\n"
    (tmp_path / "app.py").write_text(text)
    pyftrace("record", "-q", "--ring", "256k", "-o", "ring.data", "app.py")
    done = pyftrace("diff", "ring.data", "ring.data")
    assert done.returncode == 0 and "ring.data is INCOMPLETE" in done.stderr
    done = pyftrace("diff", "--max-calls", "+0", "ring.data", "ring.data")
    assert done.returncode == 1 and "cannot judge: ring.data is not COMPLETE" in done.stderr
    (tmp_path / "app.py").write_text(text + "import os; os._exit(0)\n")
    pyftrace("record", "-q", "-o", "died.data", "app.py")
    assert pyftrace("diff", "died.data", "died.data").returncode == 0
    done = pyftrace("diff", "-q", "--max-calls", "+0", "died.data", "died.data")
    assert done.returncode == 1 and "cannot judge: died.data is not COMPLETE" in done.stderr


def test_hostile_names_reach_no_terminal(pyftrace: Run, tmp_path: Path):
    text = (
        "def f(): pass\nf.__code__ = f.__code__.replace(co_qualname='\\x1b[31m\\n<b>')\n"
        "for _ in range({}): f()\n"
    )
    a, b = (record(pyftrace, tmp_path, str(n), text.format(n)) for n in (1, 2))
    for words in ([], ["--paths"], ["--max-calls", "+0"]):
        done = pyftrace("diff", *words, a, b)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
        assert done.stdout.count("\n") < 8
    row = json.loads(pyftrace("diff", "--format", "json", a, b).stdout)["rows"][0]
    assert row["function"] == "\x1b[31m\n<b>"


def test_the_same_in_code(both: tuple[str, str], tmp_path: Path):
    from pyftrace import compare

    before, after = (api.open(tmp_path / name) for name in both)
    found = compare.Comparison([before], [after])
    changes = {change.function: change for change in found.functions()}
    assert {name: change.calls for name, change in changes.items()} == {
        "index": 0, "show": 0, "query": 1, "fresh": 1, "old": -1,
    }  # fmt: skip
    assert changes["query"].line == 5  # where it is now


def test_callers_on_one_side_are_told_of_moved_code(pyftrace: Run, tmp_path: Path):
    for name, text in (
        ("a", "def q(): pass\ndef x(): q()\nx()\n"),
        ("b", "\n\ndef q(): pass\ndef y(): q(); q()\ny()\n"),
    ):
        (tmp_path / "app.py").write_text(text)
        pyftrace("record", "-q", "-o", f"{name}.data", "app.py")
    done = pyftrace("diff", "-q", "--max-calls", "+0", "a.data", "b.data")
    assert done.stderr.splitlines()[0] == (
        "pyftrace: app.q is called more often: 1 -> 2 (+1), limit +0;"
        " by app.y 0 -> 2 (+2), app.x 1 -> 0 (-1)"
    )
