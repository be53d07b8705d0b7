"""A database of calls, asked as its users would; sqlite3's own command line reads it in
tests/viewers."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hostile
import pytest
import recorded
from conftest import clean_environment

import pyftrace as api

LEAVES = ("return", "yield", "unwind", "c_return", "c_raise")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    recorded.record(folder, recorded.PROGRAM, "--args", "--values=safe", "--callers")
    recorded.dump(folder, "sqlite")
    return folder


@pytest.fixture
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "out.sqlite")) as database:
        database.row_factory = sqlite3.Row
        yield database


@pytest.fixture
def recording(folder: Path) -> "api.Recording":
    return api.open(folder / "pyftrace.data")


def test_totals_are_those_of_the_report(database: sqlite3.Connection, recording: "api.Recording"):
    rows = recording.report().rows
    found = [tuple(row) for row in database.execute("SELECT * FROM totals")]
    raised = Counter((e.function, e.line) for e in recording.events() if e.event == "unwind")
    assert sorted(found) == sorted(
        (
            r.function, r.module, r.file, r.line, r.calls, r.resumes, r.total_ns, r.self_ns,
            raised[r.function, r.line],
        )
        for r in rows
    )  # fmt: skip
    assert [row[6] for row in found] == sorted((row[6] for row in found), reverse=True)


def test_callers_are_those_of_the_events(database: sqlite3.Connection, recording: "api.Recording"):
    found = {
        (
            None if row["caller"] is None else (row["caller"], row["caller_line"]),
            (row["name"], row["line"]),
        ): [row["calls"], row["total_ns"], row["self_ns"]]
        for row in database.execute("SELECT * FROM callers")
    }
    assert found == {
        pair: [calls, total, own]
        for pair, (calls, _, total, own) in recorded.by_caller(recording).items()
    }


def test_a_row_has_what_its_two_events_have(
    database: sqlite3.Connection, recording: "api.Recording"
):
    stacks: dict[int, list] = {}
    expected = []
    for e in recording.events():
        stack = stacks.setdefault(e.thread, [])
        if e.event not in LEAVES:
            stack.append(e)
            continue
        begin = stack.pop()
        expected.append(
            (
                e.thread, begin.event, e.event, begin.t, e.t, e.t - begin.t, e.depth,
                e.activation or None, begin.task, begin.call_line, begin.args, e.value, e.exception,
                e.line,
            )
        )  # fmt: skip
    found = database.execute(
        "SELECT thread, entered, left, begin_ns, end_ns, duration_ns, depth, activation, task,"
        " call_line, args, value, exception, line FROM named"
    )
    assert Counter(map(tuple, found)) == Counter(expected)


def test_parents_are_the_calls_around(database: sqlite3.Connection):
    def count(question: str) -> int:
        return database.execute(f"SELECT COUNT(*) FROM calls c {question}").fetchone()[0]

    around = "p.begin_ns <= c.begin_ns AND p.end_ns >= c.end_ns AND p.thread = c.thread"
    joined = count(f"JOIN calls p ON p.id = c.parent WHERE p.depth = c.depth - 1 AND {around}")
    assert joined == count("WHERE parent IS NOT NULL") == count("WHERE depth > 0") > 0
    assert count("WHERE self_ns <> duration_ns - (SELECT COALESCE(SUM(duration_ns), 0)"
                 " FROM calls WHERE parent = c.id)") == 0  # fmt: skip


def test_exceptions_are_rows_in_order_of_their_calls(database: sqlite3.Connection):
    rows = database.execute("SELECT name, exception, depth FROM exceptions").fetchall()
    assert [(row["name"], row["depth"]) for row in rows] == [("fail", n) for n in (0, 1, 2, 3)]
    assert {row["exception"] for row in rows} == {"ValueError: =bad; \\x1b"}


def test_runs_of_generators_and_coroutines(database: sqlite3.Connection):
    runs = [tuple(row) for row in database.execute("SELECT name, task, stays, left FROM runs")]
    assert Counter(runs) == Counter(
        {
            ("gen", None, 6, "return"): 1,
            ("tasks", "Task-1", 2, "return"): 1,
            **{("step", f"t{i}", 2, "return"): 1 for i in range(3)},
        }
    )
    spans = database.execute("SELECT running_ns, end_ns - begin_ns AS all_ns FROM runs").fetchall()
    assert all(0 < row["running_ns"] < row["all_ns"] for row in spans)


def test_the_slowest_come_first(database: sqlite3.Connection, recording: "api.Recording"):
    names = [row[0] for row in database.execute("SELECT name FROM slowest WHERE started LIMIT 1")]
    longest = max(recording.report().rows, key=lambda row: row.max_ns)
    durations = [row[0] for row in database.execute("SELECT duration_ns FROM slowest")]
    assert durations == sorted(durations, reverse=True)
    assert names == [longest.function]


def test_calls_of_each_thread_over_time(database: sqlite3.Connection):
    rows = database.execute(
        "SELECT thread_name, SUM(calls) FROM calls_per_second GROUP BY thread_name"
    )
    assert dict(map(tuple, rows)) == {  # type: ignore[arg-type]
        "MainThread": sum(recorded.CALLS.values()) - 18, "w0": 9, "w1": 9,
    }  # fmt: skip


def test_facts_processes_and_threads(database: sqlite3.Connection, recording: "api.Recording"):
    about = dict(map(tuple, database.execute("SELECT * FROM about")))  # type: ignore[arg-type]
    assert about["state"] == "COMPLETE" and about["missing"] == 0
    assert about["began_unix_ns"] == recording.run["wall_ns"]
    assert [row[0] for row in database.execute("SELECT pid FROM processes")] == [
        recording.run["pid"]
    ]
    assert [tuple(row) for row in database.execute("SELECT id, tid, name FROM threads")] == [
        (t["serial"], t["tid"], t["name"]) for t in recording.threads
    ]


def test_types_are_strict_and_questions_use_the_indexes(database: sqlite3.Connection):
    tables = database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'"
                              " AND type = 'table' AND name NOT LIKE 'sqlite%'")  # fmt: skip
    assert {tuple(row) for row in tables} == {
        (name, 1) for name in ("calls", "functions", "threads", "processes", "about")
    }
    for question, index in (
        ("SELECT * FROM slowest LIMIT 3", "calls_by_duration"),
        ("SELECT * FROM exceptions", "calls_by_exception"),
        ("SELECT * FROM calls WHERE parent = 1", "calls_by_parent"),
        ("SELECT * FROM calls WHERE function = 1", "calls_by_function"),
        ("SELECT * FROM calls WHERE thread = 1 AND begin_ns < 5", "calls_by_begin"),
    ):
        plan = database.execute(f"EXPLAIN QUERY PLAN {question}").fetchall()
        assert index in str([tuple(row) for row in plan]), question
    assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_processes_keep_their_calls_apart(tmp_path: Path):
    program = "import os\ndef f(): pass\nf()\npid = os.fork()\nf()\npid and os.waitpid(pid, 0)\n"
    recorded.record(tmp_path, program)
    with closing(sqlite3.connect(recorded.dump(tmp_path, "sqlite"))) as database:
        rows = database.execute("SELECT pid, COUNT(*) FROM named WHERE name = 'f' GROUP BY pid")
        assert sorted(count for _, count in rows) == [1, 2]
        assert database.execute("SELECT COUNT(*) FROM functions").fetchone() == (1,)


def test_a_ring_has_the_calls_that_were_open(tmp_path: Path):
    program = """\
import os
def f(): pass
def outer():
    for _ in range(300_000): f()
    os._exit(0)
outer()
"""
    recording = recorded.record(tmp_path, program, "--ring", "256k")
    out = recorded.dump(tmp_path, "sqlite", message=recorded.INCOMPLETE)
    with closing(sqlite3.connect(out)) as database:
        (outer,) = database.execute("SELECT id, entered, left FROM named WHERE name = 'outer'")
        assert outer[1:] == ("open", "end")
        assert database.execute(
            "SELECT DISTINCT parent FROM named WHERE name = 'f'"
        ).fetchall() == [outer[:1]]
        found = database.execute("SELECT name, calls, total_ns, self_ns FROM totals").fetchall()
        assert sorted(found) == sorted(
            (row.function, row.calls, row.total_ns, row.self_ns) for row in recording.report().rows
        )


def test_hostile_names_and_values(tmp_path: Path):
    hostile.write(tmp_path)
    program = (tmp_path / "app.py").read_text().replace("sys.exit(3)", "")
    recorded.record(tmp_path, program, "--args", "--values=safe")
    with closing(sqlite3.connect(recorded.dump(tmp_path, "sqlite"))) as database:
        functions = database.execute("SELECT name, module, file FROM functions").fetchall()
        texts = database.execute("SELECT args, value, exception, task FROM calls").fetchall()
        texts += database.execute("SELECT name, name, name, name FROM threads").fetchall()
    assert len(functions) == hostile.ROWS
    assert {hostile.shown(name) for name in hostile.NAMES} <= {name for name, _, _ in functions}
    cells = [cell for row in [*functions, *texts] for cell in row if cell is not None]
    assert not [cell for cell in cells if hostile.HOSTILE.search(cell)]


# ---- the file ------------------------------------------------------------------------------------


def refused(folder: Path, out: str) -> str:
    words = [sys.executable, "-m", "pyftrace", "dump", "--format", "sqlite", "-o", out]
    done = subprocess.run(
        words, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    return done.stderr


def test_its_own_database_is_replaced_whole(tmp_path: Path):
    recorded.record(tmp_path, "def f(): pass\nf()\n")
    first = recorded.dump(tmp_path, "sqlite").read_bytes()
    assert len(recorded.dump(tmp_path, "sqlite", "-e", "f").read_bytes()) <= len(first)
    with closing(sqlite3.connect(tmp_path / "out.sqlite")) as database:
        assert database.execute("SELECT COUNT(*) FROM calls").fetchone() == (0,)
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "out.sqlite", "pyftrace.data"}


def test_another_file_is_refused_and_stays(tmp_path: Path):
    recorded.record(tmp_path, "def f(): pass\nf()\n")
    (tmp_path / "text").write_text("mine")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    with closing(sqlite3.connect(tmp_path / "db")) as database:
        database.execute("CREATE TABLE mine (x)")
    for name in ("text", "empty", "db"):
        before = (tmp_path / name).read_bytes()
        message = f"pyftrace: cannot write {name}: it is there, and no database of pyftrace\n"
        assert refused(tmp_path, name) == message
        assert (tmp_path / name).read_bytes() == before
    assert refused(tmp_path, "folder") == "pyftrace: cannot write folder: Is a directory\n"


def limited(folder: Path, size: int) -> "subprocess.CompletedProcess[str]":
    """Where files may not be larger."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "from pyftrace.__main__ import main; import sys; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "dump", "--format", "sqlite", "-o", "out.db"]
    return subprocess.run(
        words, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )


def test_no_room_is_a_line_and_leaves_nothing_half(tmp_path: Path):
    recorded.record(tmp_path, "def f(): pass\nfor _ in range(100_000): f()\n")
    done = limited(tmp_path, 1 << 20)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pyftrace: cannot write") and done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "pyftrace.data"}


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_nothing_half(number: str, tmp_path: Path):
    """It comes while rows are written: the process sends it to itself, after the first of them."""
    recorded.record(tmp_path, "def f(): pass\nfor _ in range(100_000): f()\n")
    code = (
        "import os, signal, sys; from pyftrace.exports import _calls;"
        # Where the suite runs under nohup it is ignored.
        f"signal.signal(signal.{number}, signal.SIG_DFL);"
        "feed = _calls.Calls.feed;"
        f"_calls.Calls.feed = lambda *a: (feed(*a), os.kill(os.getpid(), signal.{number}));"
        "from pyftrace.__main__ import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "dump", "--format", "sqlite", "-o", "out.db"]
    done = subprocess.run(words, cwd=tmp_path, env=clean_environment(), capture_output=True)
    assert done.returncode == -getattr(signal, number)
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "pyftrace.data"}


def test_a_number_that_is_made_up_is_a_line(tmp_path: Path):
    recorded.record(tmp_path, "def f(): pass\nf()\n")
    code = (
        "import sys; from pyftrace.exports import _calls;"
        "_calls.Calls.feed = lambda self, _: self._take([(1 << 63, *[0] * 12, *[None] * 4)]);"
        "from pyftrace.__main__ import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "dump", "--format", "sqlite", "-o", "out.db"]
    done = subprocess.run(
        words, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "pyftrace: cannot write: a number is too large for SQLite\n"
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "pyftrace.data"}


def test_a_link_stays_one(tmp_path: Path):
    recorded.record(tmp_path, "def f(): pass\nf()\n")
    os.symlink("elsewhere.db", tmp_path / "out.sqlite")
    recorded.dump(tmp_path, "sqlite")
    assert (tmp_path / "out.sqlite").is_symlink() and (tmp_path / "elsewhere.db").exists()
