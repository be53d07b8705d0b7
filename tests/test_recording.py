"""What a recording shows is what the live tool shows: `record -a --values safe --callers`, then
`replay`, is `pyftrace -a -t` without its first line, durations aside; a plain recording is that
with those parts taken away; both reports count alike."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import Run, clean_environment

import pyftrace as api
from pyftrace.recording import Recording

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [
    path
    for path in [*sorted((ROOT / "examples").glob("*.py")), ROOT / "examples/modules/main.py"]
    if path.stem != "threads"  # which thread goes first is free: see test_threads_are_alike
]
PAYLOADS = ["-a", "--values", "safe", "--callers"]


def stable(text: str) -> list[str]:
    """Lines without what no two runs have alike: durations, addresses, thread ids."""
    text = re.sub(r"\[\d[\d.]* (ns|us|ms|s)\]", "[TIME]", text)
    return re.sub(r"0x[0-9a-f]{6,}|\b\d{12,}\b", "NUMBER", text).splitlines()


def without_payloads(lines: list[str]) -> list[str]:
    """What a plain recording has no room for: arguments, values but those of exceptions, lines of
    calls."""
    plain = []
    for line in lines:
        head = re.match(r"(\[[^\]]*\] )?( *)(Called|Resuming|Returning|Yielding) ", line)
        if head and head[3] in ("Called", "Resuming"):
            line = re.sub(r" from [^ ]*(:\d+| \d+)$", "", line)
            line = re.sub(r"(:\d+)\(.*\)$", r"\1", line)
        elif head:
            line = re.sub(r"-> .*(  \[TIME\])$", r"\1", line)
        plain.append(line)
    return plain


@pytest.fixture
def live(pyftrace: Run, tmp_path: Path):
    def run(program: Path, *options: str) -> list[str]:
        out = tmp_path / "live.txt"
        done = pyftrace(
            *options, "-q", "-a", "-t", "-o", str(out), program.name, cwd=program.parent
        )
        assert done.returncode == 0, done.stderr
        return stable(out.read_text())

    return run


@pytest.fixture
def replayed(pyftrace: Run, tmp_path: Path):
    def run(program: Path, *options: str) -> list[str]:
        where = str(tmp_path / "data")
        done = pyftrace("record", *options, "-o", where, program.name, cwd=program.parent)
        assert done.returncode == 0, done.stderr
        replay = pyftrace("replay", where)
        assert (replay.stderr, replay.returncode) == ("", 0)
        return stable(replay.stdout)

    return run


@pytest.mark.parametrize("scope", [[], ["-v"]], ids=["own", "verbose"])
@pytest.mark.parametrize("program", EXAMPLES, ids=lambda path: path.stem)
def test_replay_is_the_live_tree(program: Path, scope: list[str], live, replayed):
    tree = live(program, *scope)
    assert tree
    assert replayed(program, *scope, *PAYLOADS) == tree
    assert replayed(program, *scope) == without_payloads(tree)


def test_threads_are_alike(live, replayed):
    program = ROOT / "examples/threads.py"
    assert sorted(replayed(program, *PAYLOADS)) == sorted(live(program))


@pytest.mark.parametrize("scope", [[], ["-v"]], ids=["own", "verbose"])
@pytest.mark.parametrize("program", EXAMPLES, ids=lambda path: path.stem)
def test_both_reports_count_alike(program: Path, scope: list[str], pyftrace: Run, tmp_path: Path):
    def counts(text: str) -> "dict[tuple[str, str, int], tuple[int, int]]":
        return {
            (row["function"], row["file"], row["line"]): (row["calls"], row["resumes"])
            for row in json.loads(text)
        }

    where, table = str(tmp_path / "data"), tmp_path / "live.json"
    words = ["--report", "--format", "json", "-o", str(table), *scope, program.name]
    pyftrace(*words, cwd=program.parent)
    pyftrace("record", "-o", where, *scope, program.name, cwd=program.parent)
    recorded = counts(pyftrace("report", "--format", "json", where).stdout)
    assert recorded and recorded == counts(table.read_text())


# ---- the command line ----------------------------------------------------------------------------

PROGRAM = """\
import sys

def parse(text):
    return [word(part) for part in text.split()]

def word(part):
    return int(part)

def main():
    parse("1 2 3")
    try:
        parse("4 five")
    except ValueError:
        print("five?", file=sys.stderr)
    print("done")

main()
"""


@pytest.fixture
def recorded(pyftrace: Run, tmp_path: Path) -> Path:
    """pyftrace.data of PROGRAM, in the folder where pyftrace runs."""
    (tmp_path / "app.py").write_text(PROGRAM)
    done = pyftrace("record", "app.py")
    assert (done.stdout, done.returncode) == ("done\n", 0)
    assert done.stderr == (
        "five?\npyftrace: 8 calls recorded in pyftrace.data; to see them: pyftrace replay\n"
    )
    return tmp_path / "pyftrace.data"


def tree_of(text: str) -> str:
    return re.sub(r"  \[\d[\d.]* (ns|us|ms|s)\]", "", text)


def test_replay_shows_the_tree_with_durations(recorded: Path, pyftrace: Run):
    done = pyftrace("replay")
    assert (
        tree_of(done.stdout)
        == """\
Called main:9
    Called parse:3
        Called word:6
        Returning word
        Called word:6
        Returning word
        Called word:6
        Returning word
    Returning parse
    Called parse:3
        Called word:6
        Returning word
        Called word:6
        Raising word-> ValueError: invalid literal for int() with base 10: 'five'
    Raising parse-> ValueError: invalid literal for int() with base 10: 'five'
Returning main
"""
    )
    assert len(re.findall(r"\[\d[\d.]* (?:ns|us|ms|s)\]$", done.stdout, re.M)) == 8


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-f", "word"], ["Called word:6", "Returning word"] * 4),
        (["-d", "1"], ["Called main:9", "Returning main"]),
        (["-e", "parse"], ["Called main:9", "Returning main"]),
        (["-H", "parse", "-H", "word"], ["Called main:9", "Returning main"]),
        (["--min-time", "1h"], None),
        (["--min-time", "60m"], []),
        (["--since", "60m"], []),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("-") else "",
)
def test_replay_shows_a_part(options, expected, recorded: Path, pyftrace: Run):
    done = pyftrace("replay", *options)
    if expected is None:
        assert (done.stdout, done.returncode) == ("", 2)
        assert "'1h' is no time" in done.stderr
        return
    lines = [line for line in tree_of(done.stdout).splitlines() if "Raising" not in line]
    assert lines[: len(expected)] == expected
    assert (not lines) == (not expected)
    assert done.returncode == 0


def test_report_is_the_live_table(recorded: Path, pyftrace: Run):
    rows = pyftrace("report", "--sort", "calls").stdout.splitlines()[3:]
    found = [[cell.strip() for cell in row.split("|")] for row in rows if "|" in row]
    assert [(row[0], row[2], row[5]) for row in found] == [
        ("word", "5", "app.py:6"),
        ("parse", "2", "app.py:3"),
        ("main", "1", "app.py:9"),
    ]
    assert rows[-1].startswith("3 functions, 8 calls, 1 thread, ")


def test_report_has_percentiles(recorded: Path, pyftrace: Run):
    words = ["report", "--columns", "p50,p95,p99", "--sort", "p99", "--format", "json"]
    rows = json.loads(pyftrace(*words).stdout)
    assert [row["function"] for row in rows] == ["main", "parse", "word"]
    for row in rows:
        assert 0 < row["min_ns"] <= row["p50_ns"] * 1.02
        assert row["p50_ns"] <= row["p95_ns"] <= row["p99_ns"] <= row["max_ns"] * 1.02


def test_report_per_thread(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import threading\n"
        "def work(): pass\n"
        "for n in (1, 2):\n"
        "    t = threading.Thread(target=lambda: [work() for _ in range(n)], name=f'w{n}')\n"
        "    t.start(); t.join()\n"
    )
    pyftrace("record", "app.py")
    out = pyftrace("report", "--per-thread").stdout
    tables = re.split(r"\n\[\d+ (\w+)\] tid \d+\n", out)[1:]
    assert tables[::2] == ["w1", "w2"]
    assert [re.search(r"^work +\|[^|]*\| (\d+)", table, re.M)[1] for table in tables[1::2]] == [
        "1",
        "2",
    ]


def test_graph_adds_the_calls_up(recorded: Path, pyftrace: Run):
    lines = pyftrace("graph").stdout.splitlines()
    assert [re.sub(r"^ *\S+ \w+ +\S+ \w+ +", "", line) for line in lines[1:]] == [
        "1  main",
        "2    parse",
        "5      word",
    ]


def test_graph_of_one_function(recorded: Path, pyftrace: Run):
    out = pyftrace("graph", "--func", "parse").stdout
    assert out.startswith("parse: 2 calls by 1 way\n\n        2 calls, ")
    assert "\n           main\n             parse\n" in out
    assert out.splitlines()[-1].endswith("5    word")


def test_graph_counts_the_levels_of_a_function_from_it_on(recorded: Path, pyftrace: Run):
    def rows(*words: str) -> list[str]:
        lines = pyftrace("graph", *words).stdout.splitlines()
        tree = lines[lines.index(next(line for line in lines if line.endswith("  function"))) :]
        return tree[1:]

    whole, two, one = (rows("--func", "parse", *words) for words in ([], ["-d", "2"], ["-d", "1"]))
    assert whole == two and len(two) == 2 and len(one) == 1
    assert one == rows("-f", "parse", "-d", "1")


RECURSIVE = """\
import sys
sys.setrecursionlimit(5000)
def down(n):
    return n and down(n - 1)
def main():
    down(3000)
    down(2)
main()
"""


def test_recursion_is_one_way_and_its_time_counts_once(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(RECURSIVE)
    pyftrace("record", "app.py")
    lines = pyftrace("graph", "--func", "down").stdout.splitlines()
    assert lines[0] == "down: 3004 calls by 1 way"
    at = lines.index("")
    assert [line.strip() for line in lines[at + 2 : at + 5]] == ["main", "...", "down  (recursive)"]
    recording = Recording(tmp_path / "pyftrace.data")
    (main,) = recording.tree().children
    nodes = [node for _, node in main.walk()]
    assert len(nodes) == 1000
    assert [node.cut for node in nodes] == [False] * 999 + [True]
    # Each within the one above it, the last with 2001 calls of which one holds the others.
    assert [node.total_ns for node in nodes] == sorted((n.total_ns for n in nodes), reverse=True)
    assert sum(node.self_ns for node in nodes) == main.total_ns


def test_info_says_what_there_is(recorded: Path, pyftrace: Run):
    out = pyftrace("info").stdout
    for line in (
        r"state +COMPLETE",
        r"command +pyftrace record app.py",
        r"events +16, 0 missing",
        r"processes +1, threads 1",
        r"  pid \d+: 16 events in 1 thread; recorded for \d+\.\d+ s",
    ):
        assert re.search(f"^{line}$", out, re.M), line


def test_info_quotes_commands_as_a_shell_would(pyftrace: Run, tmp_path: Path):
    code = "print('a')\nprint('\\x1b[1m\x1b[2J')"
    pyftrace("record", "-c", code, "two words", "it's")
    out = pyftrace("info").stdout
    assert "\x1b" not in out
    assert out.count("\n") == len(out.splitlines()) == 11
    quoted = r"""-c $'print(\'a\')\nprint(\'\\x1b[1m\x1b[2J\')' 'two words' 'it'"'"'s'"""
    assert f"command      pyftrace record {quoted}\n" in out
    assert out.splitlines()[-1].endswith(quoted)


def test_info_of_a_run_that_goes_on_says_so(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys\n"
        "def f(): pass\n"
        "f()\n"
        "env = {k: v for k, v in os.environ.items() if k != 'PYFTRACE'}\n"
        "subprocess.run([sys.executable, '-m', 'pyftrace', 'info'], env=env)\n"
    )
    out = pyftrace("record", "app.py").stdout
    assert re.search(r"^began        [-\d]+ [:\d]+, still running$", out, re.M), out
    assert re.search(r"^  pid \d+: \d events in 1 thread; still running$", out, re.M), out
    assert re.search(
        r"^began        [-\d]+ [:\d]+, ended \d+\.\d{3} s later$", pyftrace("info").stdout, re.M
    )


def test_dump_is_strict_json(recorded: Path, pyftrace: Run):
    rows = [json.loads(line) for line in pyftrace("dump").stdout.splitlines()]
    assert [row["event"] for row in rows].count("start") == 8
    assert list(rows[0])[:11] == [
        *("t", "pid", "tid", "thread", "thread_name", "depth", "event"),
        *("function", "module", "file", "line"),
    ]
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)
    raised = [row for row in rows if row["event"] == "unwind"]
    assert {row["exception"] for row in raised} == {
        "ValueError: invalid literal for int() with base 10: 'five'"
    }
    assert rows[0] | {"t": 0, "pid": 0, "tid": 0} == {
        "t": 0, "pid": 0, "tid": 0, "thread": 1, "thread_name": "MainThread", "depth": 0,
        "event": "start", "function": "main", "module": "__main__",
        "file": os.path.realpath(recorded.parent / "app.py"), "line": 9,
    }  # fmt: skip


def test_dump_raw_is_a_line_an_event(recorded: Path, pyftrace: Run):
    lines = pyftrace("dump", "--format", "raw").stdout.splitlines()
    assert len(lines) == 16
    assert re.fullmatch(r"\d+\.\d{9} \d+/\d+ 0 start main \S+/app\.py:9", lines[0])


def test_dump_and_report_to_a_file_are_whole(recorded: Path, pyftrace: Run):
    for words in (["dump"], ["dump", "--format", "raw"], ["report"]):
        plain = pyftrace(*words).stdout
        assert pyftrace(*words, "-o", "out").stdout == ""
        assert (recorded.parent / "out").read_text() == plain and plain


# ---- the directory -------------------------------------------------------------------------------


def test_the_files_are_private(recorded: Path):
    assert oct(recorded.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in recorded.iterdir()} == {"0o600"}


def test_an_older_recording_is_kept_once(recorded: Path, pyftrace: Run):
    first = (recorded / "run").read_bytes()
    assert pyftrace("record", "-q", "app.py").returncode == 0
    assert (recorded.parent / "pyftrace.data.old" / "run").read_bytes() == first
    second = (recorded / "run").read_bytes()
    assert pyftrace("record", "-q", "app.py").returncode == 0
    assert (recorded.parent / "pyftrace.data.old" / "run").read_bytes() == second


VICTIMS = {
    "folder": (lambda path: (path.mkdir(), (path / "mine.txt").write_text("mine"))),
    "file": (lambda path: path.write_text("mine")),
    "fifo": (lambda path: os.mkfifo(path)),
    "link": (lambda path: ((path.parent / "t").mkdir(), path.symlink_to("t"))),
    "dangling": (lambda path: path.symlink_to("nowhere")),
}


def snapshot(folder: Path) -> list[tuple[str, int, bytes]]:
    return sorted(
        (str(path.relative_to(folder)), path.lstat().st_mode,
         path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
        for path in folder.rglob("*")
    )  # fmt: skip


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_not_ours_is_refused(victim: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("print('ran')\n")
    VICTIMS[victim](tmp_path / "out")
    before = snapshot(tmp_path)
    done = pyftrace("record", "-o", "out", "app.py")
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("pyftrace: ")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_stands_in_the_way_of_rotation_is_refused(
    victim: str, recorded: Path, pyftrace: Run, tmp_path: Path
):
    VICTIMS[victim](tmp_path / "pyftrace.data.old")
    before = snapshot(tmp_path)
    done = pyftrace("record", "app.py")
    assert (done.stdout, done.returncode) == ("", 2)
    assert "pyftrace.data.old is in the way" in done.stderr
    assert snapshot(tmp_path) == before


def test_a_recording_with_a_foreign_file_in_it_is_not_deleted(
    recorded: Path, pyftrace: Run, tmp_path: Path
):
    pyftrace("record", "-q", "app.py")
    (tmp_path / "pyftrace.data.old" / "thesis.txt").write_text("mine")
    done = pyftrace("record", "app.py")
    assert done.returncode == 2 and "thesis.txt" in done.stderr
    assert (tmp_path / "pyftrace.data.old" / "thesis.txt").read_text() == "mine"


def test_a_run_that_is_going_on_is_stepped_around(pyftrace: Run, tmp_path: Path):
    (tmp_path / "inner.py").write_text("def f(): pass\nf()\n")
    (tmp_path / "outer.py").write_text(
        "import subprocess, sys, os\n"
        "env = {k: v for k, v in os.environ.items() if k != 'PYFTRACE'}\n"
        "subprocess.run([sys.executable, '-m', 'pyftrace', 'record', 'inner.py'], env=env)\n"
    )
    done = pyftrace("record", "outer.py")
    match = re.search(
        r"pyftrace: .*/pyftrace\.data is being written by another run; this one goes to"
        r" (.*/pyftrace\.data\.\d+)\n",
        done.stderr,
    )
    assert match, done.stderr
    assert "Called f:1" in pyftrace("replay", match[1]).stdout
    assert pyftrace("info").stdout.count("COMPLETE") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay"], "cannot read pyftrace.data: No such file or directory"),
        (["info", "."], "cannot read .: not a recording"),
        (["report", "app.py"], "cannot read app.py: not a recording"),
        (["report", "--sort", "size"], "--sort: 'size' is none of total, "),
        (["dump", "--format", "xml"], "--format: 'xml' is none of jsonl, raw, "),
        (["graph", "--depth", "x"], "--depth: 'x' is not a whole number"),
        (["replay", "-d", "0"], "--depth: 0 is out of range (at least 1)"),
        (["dump", "--pid", "0"], "--pid: 0 is out of range (at least 1)"),
        (["report", "--tid", "me"], "--tid: 'me' is not a whole number"),
        (["replay", "--until", "0"], "--until: 0 is before everything"),
        (["replay", "--since", "5", "--until", "2"], "--since is after --until"),
        (["graph", "--func", "["], "--func: bad pattern '[': '[' is not closed"),
        (["replay", "-f", "[a"], "--function: bad pattern '[a'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(words: list[str], message: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    done = pyftrace(*words)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"pyftrace: {message}")
    assert done.returncode == (1 if message.startswith("cannot read") else 2)


def test_a_pattern_that_matches_nothing_is_said(recorded: Path, pyftrace: Run):
    done = pyftrace("replay", "-f", "wrod")
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr.startswith("pyftrace: warning: nothing matched 'wrod'")


@pytest.mark.parametrize("verb", ["replay", "report", "graph", "dump"])
def test_a_process_or_thread_that_is_not_there_is_said(verb: str, recorded: Path, pyftrace: Run):
    (thread,) = json.loads(pyftrace("info", "--json").stdout)["threads"]
    pid, tid = thread["pid"], thread["tid"]
    for words, said in (
        (["--pid", "1"], f"no process 1 in the recording; it has {pid}"),
        (["--tid", "1"], f"no thread 1 in the recording; it has {tid}"),
        (["--pid", str(pid), "--tid", "1"], f"no thread 1 in process {pid}; it has {tid}"),
    ):
        done = pyftrace(verb, *words)
        assert (done.stderr, done.returncode) == (f"pyftrace: {said}\n", 0)
        assert "main" not in done.stdout
    assert pyftrace(verb, "--pid", str(pid), "--tid", str(tid)).stderr == ""


def test_a_closed_pipe_is_no_trouble(recorded: Path, pyftrace: Run):
    import subprocess
    import sys

    command = f"{sys.executable} -m pyftrace dump | head -n 1"
    done = subprocess.run(command, shell=True, cwd=recorded.parent, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_a_verb_reads_a_directory_that_cannot_be_written(recorded: Path, pyftrace: Run):
    shutil.copytree(recorded, recorded.parent / "copy")
    for path in (recorded.parent / "copy").iterdir():
        path.chmod(0o400)
    assert pyftrace("replay", "copy").stdout == pyftrace("replay").stdout


def test_threads_that_follow_one_another_share_a_ring(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import threading\ndef handle(): pass\n"
        "def request():\n    for _ in range(5): handle()\n"
        "for _ in range(400):\n"
        "    t = threading.Thread(target=request); t.start(); t.join()\n"
    )
    assert "2400 calls recorded in" in pyftrace("record", "--ring", "1M", "app.py").stderr
    trace = api.open(tmp_path / "pyftrace.data")
    assert (trace.info["state"], trace.report().calls("handle")) == ("COMPLETE", 2000)
    # A thread ends for the system a little after it was joined: the next one may begin before.
    assert len(list((tmp_path / "pyftrace.data").glob("*.lane"))) < 20
    # A smaller one, and more threads: the last of them are there, whole.
    (tmp_path / "app.py").write_text(
        (tmp_path / "app.py").read_text().replace("range(5)", "range(5000)")
    )
    done = pyftrace("record", "--ring", "256k", "app.py")
    assert "2000400 calls, the last of them recorded in" in done.stderr
    trace = api.open(tmp_path / "pyftrace.data")
    info, kept = trace.info, trace.report().calls("handle")
    assert 50_000 < kept < 1_000_000
    assert info["events"] + info["missing"] == 2 * 2000400


def test_the_closing_line_counts_calls_not_resumes(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "def g():\n    for i in range(50): yield i\ndef f(): return sum(g())\nf()\nf()\n"
    )
    assert pyftrace("record", "app.py").stderr.startswith("pyftrace: 4 calls recorded in")


# ---- where it goes -------------------------------------------------------------------------------

VERBS = ["replay", "report", "graph", "dump", "info"]


def written_to(redirection: str, folder: Path, *words: str) -> tuple[int, str]:
    """The exit status and what stands on standard error."""
    import subprocess
    import sys

    command = f"exec '{sys.executable}' -m pyftrace {' '.join(words)} {redirection}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [*VERBS, "info --json", "--help", "-V", "record -h"])
def test_a_closed_standard_output_is_one_line(words: str, recorded: Path):
    status, said = written_to(">&-", recorded.parent, words)
    assert said.startswith("pyftrace: cannot write: standard output is closed")
    assert (status, said.count("\n")) == (1, 1)


@pytest.mark.parametrize("verb", VERBS[:-1])
def test_a_closed_standard_output_does_not_matter_to_a_file(verb: str, recorded: Path):
    assert written_to(">&-", recorded.parent, verb, "-o", "out") == (0, "")
    assert "main" in (recorded.parent / "out").read_text()


@pytest.mark.parametrize("words", [*VERBS, "--help", "-V", "record -h", "replay --help"])
def test_a_full_disk_is_one_line(words: str, recorded: Path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    said = written_to(">/dev/full", recorded.parent, words)
    assert said == (1, "pyftrace: cannot write: No space left on device\n")


@pytest.mark.parametrize("verb", ["replay", "help"])
def test_an_interrupt_while_importing_ends_it_as_others(
    verb: str, python: Run, recorded: Path, tmp_path: Path
):
    (tmp_path / "interrupted.py").write_text(
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pyftrace.cli' or name == 'argparse':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from pyftrace.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = python("interrupted.py", verb)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", -2)


def test_columns_may_be_empty_but_not_what_to_sort_by(recorded: Path, pyftrace: Run):
    assert pyftrace("report", "--columns", "").stdout.count("\n") > 3
    heading = pyftrace("report", "--columns", "").stdout.splitlines()[1]
    assert heading == pyftrace("report", "--columns", "none").stdout.splitlines()[1]
    done = pyftrace("report", "--sort", "")
    assert (done.stderr, done.returncode) == ("pyftrace: --sort: a name is missing\n", 2)
