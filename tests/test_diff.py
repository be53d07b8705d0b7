"""`pyftrace diff` finds what is called more often, by function and by call path, however the code
has moved, and its limits end with status 3."""

import json
import re
from pathlib import Path

import pytest
from conftest import Run

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
        "Function Name": "Calls", "fresh": "new: 1", "old": "gone: 1", "query": "8 -> 9 (+1)",
        "index": "1", "show": "4",
    }  # fmt: skip
    assert list(rows_of(done.stdout))[4:] in (["index", "show"], ["show", "index"])  # by time
    assert done.stdout.splitlines()[-1].startswith(
        "functions: 1 new, 1 gone, 1 called more or less often, 2 alike; calls: 14 -> 15 (+1);"
    )


def test_by_call_path_only_what_changed_is_shown(both: tuple[str, str], pyftrace: Run):
    lines = pyftrace("diff", "--paths", *both).stdout.splitlines()
    at = lines[0].index("Function")
    found = [(line.split("  ")[0], line[at:]) for line in lines[1:-2]]
    assert found == [
        ("1", "index"), ("4", "  show"), ("new: 1", "    fresh"), ("new: 1", "      query"),
        ("gone: 1", "old"),
    ]  # fmt: skip


def test_a_recording_is_like_itself(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", "--max-calls", "+0", "--max-total", "+0%", "--paths", both[0], both[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Every call path has as many calls as before.\n")


@pytest.mark.parametrize(
    "limit, said",
    [
        ("+0", ["app.fresh is called more often: 0 -> 1 (+1); by show 0 -> 1 (+1)",
                "app.query is called more often: 8 -> 9 (+1); by fresh 0 -> 1 (+1)"]),
        ("+10%", ["app.fresh is called more often: 0 -> 1 (+1); by show 0 -> 1 (+1)",
                  "app.query is called more often: 8 -> 9 (+1); by fresh 0 -> 1 (+1)"]),
        ("+13%", ["app.fresh is called more often: 0 -> 1 (+1); by show 0 -> 1 (+1)"]),
        ("+1", []),
    ],
)  # fmt: skip
def test_a_limit_of_calls_is_status_3_and_says_who_calls(
    limit: str, said: list[str], both: tuple[str, str], pyftrace: Run
):
    done = pyftrace("diff", "--max-calls", limit, *both)
    assert done.stderr.splitlines() == [f"pyftrace: {line}" for line in said]
    assert done.returncode == (3 if said else 0)


def test_a_limit_of_time(pyftrace: Run, tmp_path: Path):
    """A thousand times the work takes longer, by any clock."""
    text = "def work(n):\n    for _ in range(n): pass\nwork({})\n"
    a = record(pyftrace, tmp_path, "a", text.format(1000))
    b = record(pyftrace, tmp_path, "b", text.format(1000_000))
    done = pyftrace("diff", "--max-total", "+100%", a, b)
    assert re.fullmatch(r"pyftrace: it takes longer: .* -> .* \(\+\d+%\)\n", done.stderr)
    assert done.returncode == 3
    assert pyftrace("diff", "--max-total", "+100s", a, b).returncode == 0


def test_filters_choose_what_is_compared(both: tuple[str, str], pyftrace: Run):
    done = pyftrace("diff", "--max-calls", "+0", "-f", "index", "-e", "query", *both)
    assert set(rows_of(done.stdout)) == {"Function Name", "index", "show", "fresh"}
    assert done.stderr.splitlines() == [
        "pyftrace: app.fresh is called more often: 0 -> 1 (+1); by show 0 -> 1 (+1)"
    ]


def test_several_runs_a_side_are_their_medians(pyftrace: Run, tmp_path: Path):
    text = "def f(): pass\nfor _ in range({}): f()\n"
    a = [record(pyftrace, tmp_path, f"a{n}", text.format(n)) for n in (3, 3, 3)]
    b = [record(pyftrace, tmp_path, f"b{n}", text.format(n)) for n in (2, 9, 4)]
    done = pyftrace("diff", *a, "--", *b)
    assert rows_of(done.stdout)["f"] == "3 -> 4 (+1), differ in B"
    assert " +-" in done.stdout


def test_json_has_both_sides(both: tuple[str, str], pyftrace: Run):
    whole = json.loads(pyftrace("diff", "--format", "json", *both).stdout)
    found = {
        row["function"]: tuple(row[side] and row[side]["calls"] for side in "ab")
        for row in whole["rows"]
    }
    assert found == COUNTS
    for row in whole["rows"]:
        assert row["path"] == [row["function"]] and row["module"] == "app"
    whole = json.loads(pyftrace("diff", "--format", "json", "--paths", *both).stdout)
    paths = {tuple(row["path"]): row["calls"] for row in whole["rows"]}
    assert paths["index", "show", "query"] == 0
    assert paths["index", "show", "fresh", "query"] == 1
    assert paths["old",] == -1


def test_without_names_it_is_the_last_two(pyftrace: Run, tmp_path: Path):
    for text in (BEFORE, AFTER):
        (tmp_path / "app.py").write_text(text)
        pyftrace("record", "-q", "app.py")
    done = pyftrace("diff")
    assert rows_of(done.stdout)["query"] == "8 -> 9 (+1)"
    assert rows_of(pyftrace("diff", "pyftrace.data").stdout)["query"] == "9"


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


def test_functions_of_one_name_are_told_apart(pyftrace: Run, tmp_path: Path):
    text = "def f(): return 1\nf()\n{}def f(): return 2\nf(); f()\n"
    a = record(pyftrace, tmp_path, "a", text.format(""))
    b = record(pyftrace, tmp_path, "b", text.format("\n\n"))
    rows = json.loads(pyftrace("diff", "--format", "json", a, b).stdout)["rows"]
    assert sorted((row["a"]["calls"], row["b"]["calls"]) for row in rows) == [(1, 1), (2, 2)]


def test_deep_recursion_is_no_trouble(pyftrace: Run, tmp_path: Path):
    text = "import sys\nsys.setrecursionlimit(9000)\ndef f(n): return n and f(n - 1)\nf({})\n"
    a = record(pyftrace, tmp_path, "a", text.format(3000))
    b = record(pyftrace, tmp_path, "b", text.format(3001))
    done = pyftrace("diff", "--paths", "--max-calls", "+0", a, b)
    assert done.stderr == (
        "pyftrace: app.f is called more often: 3001 -> 3002 (+1); by f 3000 -> 3001 (+1)\n"
    )


@pytest.mark.parametrize(
    "words, said",
    [
        ("a.data nowhere", "cannot read nowhere: No such file or directory"),
        ("a.data a.data a.data", "3 recordings: put -- between those of A and those of B"),
        ("-- a.data", "-- stands between the recordings of A and those of B"),
        ("--max-calls 0 a.data a.data", "--max-calls takes +N or +N%, not '0'"),
        ("--max-calls +1ms a.data a.data", "--max-calls takes +N or +N%, not '+1ms'"),
        ("--max-total 5 a.data a.data", "--max-total takes +TIME or +N%, not '5'"),
        ("--max-total +5apples a.data a.data", None),
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


def test_what_lost_events_is_not_judged(pyftrace: Run, tmp_path: Path):
    text = "def f(): pass\nfor _ in range(400_000): f()\n"
    (tmp_path / "app.py").write_text(text)
    pyftrace("record", "-q", "--ring", "256k", "-o", "ring.data", "app.py")
    done = pyftrace("diff", "ring.data", "ring.data")
    assert done.returncode == 0 and "ring.data is INCOMPLETE" in done.stderr
    done = pyftrace("diff", "--max-calls", "+0", "ring.data", "ring.data")
    assert done.returncode == 1 and "cannot judge: events of ring.data are missing" in done.stderr


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

    sides = [compare.Side([api.open(tmp_path / name)], {}) for name in both]
    changes = {change.function: change for change in compare.functions(*sides)}
    assert {name: change.calls for name, change in changes.items()} == {
        "index": 0, "show": 0, "query": 1, "fresh": 1, "old": -1,
    }  # fmt: skip
    assert changes["query"].line == 5  # where it is now
