"""`pyftrace.record` and `pyftrace.open`."""

import asyncio
import contextlib
import gc
import inspect
import io
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from conftest import clean_environment, until

import pyftrace
from pyftrace import _engine


def leaf(n):
    return n


def twice(n):
    return leaf(n) + leaf(n)


def fails():
    raise ValueError("bad", 3)


def names(path: Path) -> list[tuple[str, str]]:
    return [(event.event, event.function) for event in pyftrace.open(path).events()]


@pytest.fixture
def where(tmp_path: Path, nothing_left_on) -> Path:
    return tmp_path / "run.data"


def test_a_block_is_recorded(where: Path):
    with pyftrace.record(where):
        assert twice(2) == 4
    assert names(where) == [
        ("start", "twice"),
        ("start", "leaf"),
        ("return", "leaf"),
        ("start", "leaf"),
        ("return", "leaf"),
        ("return", "twice"),
    ]


def test_events_have_what_was_recorded(where: Path):
    with pyftrace.record(where, args=True, values="safe", callers=True):
        twice(2)
        with pytest.raises(ValueError):
            fails()
    first, second, third, *_, last = list(pyftrace.open(where).events())
    line = inspect.getsourcelines(twice)[1]
    assert (first.function, first.module, first.file) == ("twice", __name__, __file__)
    assert (first.line, first.depth, first.args) == (line, 0, "n=2")
    assert (second.depth, second.call_line, second.args) == (1, line + 1, "n=2")
    assert (third.event, third.value, third.exception) == ("return", "2", None)
    assert (last.event, last.value, last.exception) == ("unwind", None, "ValueError: ('bad', 3)")
    assert (first.pid, first.tid) == (os.getpid(), threading.get_native_id())
    assert first.thread_name == "MainThread"
    assert 0 < first.t < second.t < third.t < last.t


def test_a_plain_recording_has_none_of_it(where: Path):
    with pyftrace.record(where):
        twice(2)
    event = next(pyftrace.open(where).events())
    assert (event.args, event.value, event.call_line, event.task) == (None, None, None, None)


def test_a_block_sees_its_own_thread_or_all(where: Path):
    def other():
        thread = threading.Thread(target=leaf, args=(1,), name="other")
        thread.start()
        thread.join()

    with pyftrace.record(where):
        other()
    assert "leaf" not in {name for _, name in names(where)}
    with pyftrace.record(where, threads="all"):
        other()
    assert ("start", "leaf") in names(where)
    assert [thread["name"] for thread in pyftrace.open(where).threads] == ["MainThread", "other"]


def test_a_decorated_function_is_recorded_call_by_call(where: Path, python):
    where.parent.joinpath("app.py").write_text(
        "import pyftrace\n"
        "def leaf(): pass\n"
        "@pyftrace.record('run.data')\n"
        "def f(): leaf()\n"
        "def g(): leaf()\n"
        "f(); g(); f()\n"
        "assert f.__name__ == 'f'\n"
    )
    done = python("app.py")
    assert (done.stdout, done.stderr) == ("", "")
    report = pyftrace.open(where).report()
    assert [(row.function, row.calls) for row in report.rows] == [("f", 2), ("leaf", 2)]
    assert pyftrace.open(where).info["state"] == "COMPLETE"


STOPPED = """\
import sys, threading, pyftrace
@pyftrace.record("run.data", threads="all", **eval(sys.argv[2]))
def down(n):
    if n == int(sys.argv[1]):
        pyftrace.stop()
    return n and down(n - 1)
def twice():
    down(2)
    down(1)
twice()
for _ in range(2):
    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
pyftrace.stop()
twice()
"""


@pytest.mark.parametrize("options", ["{}", "{'ring': '256k'}"])
@pytest.mark.parametrize("at", [9, 0])
def test_after_a_stop_a_decorated_function_goes_on_where_it_was(
    at: int, options: str, python, tmp_path: Path
):
    """Within calls their ends are missing, and so many are said to be."""
    (tmp_path / "stopped.py").write_text(STOPPED)
    assert python("stopped.py", str(at), options).stderr == ""
    t = pyftrace.open(tmp_path / "run.data")
    assert t.damage == []
    down = [e for e in t.events() if e.function == "down"]
    starts = [e for e in down if e.event == "start"]
    assert len(starts) == 4 * 5
    lost = sum(e.lost for e in t.events())
    assert lost == t.info["missing"]
    if at:  # nobody stopped within a call
        assert lost == 0 and len(down) == 2 * len(starts)
    else:
        assert lost > 0 and "events are missing" in t.why_incomplete()[0]


def test_a_decorated_coroutine(where: Path, python):
    where.parent.joinpath("app.py").write_text(
        "import asyncio, pyftrace\n"
        "@pyftrace.record('run.data')\n"
        "async def f(n):\n"
        "    await asyncio.sleep(0)\n"
        "    return n\n"
        "async def main():\n"
        "    assert await asyncio.gather(f(1), f(2)) == [1, 2]\n"
        "asyncio.run(main())\n"
    )
    done = python("app.py")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert pyftrace.open(where).report().calls("f") == 2
    assert pyftrace.open(where).report().calls("main", missing_ok=True) == 0


def test_an_older_recording_of_this_process_is_rotated(where: Path):
    for _ in range(3):
        with pyftrace.record(where):
            leaf(1)
    assert names(where) == [("start", "leaf"), ("return", "leaf")]
    assert sorted(path.name for path in where.parent.iterdir()) == ["run.data", "run.data.old"]


@pytest.mark.parametrize("name", ["depth", "max_size", "ring", "value_length"])
def test_nothing_is_no_number_of_an_option(name: str, where: Path):
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')}: 0 is out of range"):
        pyftrace.record(where, **{name: 0})
    assert not where.exists()


def test_two_recordings_at_once(where: Path, tmp_path: Path):
    with pyftrace.record(where), pyftrace.record(tmp_path / "inner.data", function="leaf"):
        twice(1)
    assert len(names(where)) == 6
    assert len(names(tmp_path / "inner.data")) == 4


def test_a_recording_beside_a_trace_and_a_report(where: Path, capsys):
    with pyftrace.record(where), pyftrace.report() as report, pyftrace.trace():
        twice(1)
    assert "Called twice:" in capsys.readouterr().out
    assert report.calls("leaf") == pyftrace.open(where).report().calls("leaf") == 2


def test_an_exception_in_the_block_leaves_nothing_on(where: Path):
    with pytest.raises(ValueError), pyftrace.record(where):
        fails()
    recording = pyftrace.open(where)
    assert recording.info["state"] == "COMPLETE"
    assert [event.event for event in recording.events()] == ["start", "unwind"]


def test_mistakes(where: Path):
    with pytest.raises(TypeError, match="unknown option 'deepth'; did you mean depth"):
        pyftrace.record(where, deepth=2)
    with pytest.raises(TypeError, match="'no_children' is no option of record"):
        pyftrace.record(where, no_children=True)
    with pytest.raises(ValueError, match="--ring: 'x' is no size"):
        pyftrace.record(where, ring="x")
    with pytest.raises(TypeError, match="record\\(\\) decorates a function, not int"):
        pyftrace.record(where)(3)
    block = pyftrace.record(where)
    with block, pytest.raises(RuntimeError, match="entered already"):
        block.__enter__()
    where.with_name("mine").mkdir()
    with (
        pytest.raises(OSError, match="no recording of ours"),
        pyftrace.record(where.with_name("mine")),
    ):
        pass
    with pytest.raises(FileNotFoundError):
        pyftrace.open(where.with_name("nowhere"))


# ---- reading -------------------------------------------------------------------------------------


@pytest.fixture
def recording(where: Path) -> "pyftrace.Recording":
    with pyftrace.record(where):
        twice(1)
        twice(2)
        leaf(3)
    return pyftrace.open(where)


def test_info(recording: "pyftrace.Recording"):
    info = recording.info
    assert (info["state"], info["why"]) == ("COMPLETE", [])
    assert (info["events"], info["missing"]) == (14, 0)
    assert info["pid"] == os.getpid()
    assert info["bytes"] == sum(path.stat().st_size for path in Path(recording.path).iterdir())
    assert [thread["events"] for thread in info["threads"]] == [14]
    assert repr(recording) == f"<Recording {recording.path}: 14 events>"


def test_the_tree_adds_up(recording: "pyftrace.Recording"):
    root = recording.tree()
    shown = [(depth, node.function, node.calls) for depth, node in root.walk()]
    assert sorted(shown) == [(0, "", 1), (1, "leaf", 1), (1, "twice", 2), (2, "leaf", 4)]
    twice_node = next(node for _, node in root.walk() if node.function == "twice")
    assert twice_node.total_ns == twice_node.self_ns + twice_node.children[0].total_ns
    assert root.total_ns == sum(child.total_ns for child in root.children)


def test_the_report_has_percentiles(recording: "pyftrace.Recording"):
    rows = {row.function: row for row in recording.report().rows}
    assert rows["leaf"].calls == 5
    assert rows["leaf"].min_ns <= rows["leaf"].p50_ns * 1.02
    assert rows["leaf"].p50_ns <= rows["leaf"].p99_ns <= rows["leaf"].max_ns * 1.02
    assert "leaf" in str(recording.report())
    with pytest.raises(LookupError, match="laef"):
        recording.report().calls("laef")


def test_calls_of_a_recording_does_not_look_at_what_is_loaded(recording: "pyftrace.Recording"):
    report = recording.report()
    with pytest.raises(LookupError) as raised:
        report.calls("fails")
    assert str(raised.value) == "no recorded function matches 'fails' (missing_ok=True gives 0)"
    with pytest.raises(LookupError, match=r"'laef' \(missing_ok=True gives 0\); did you mean leaf"):
        report.calls("laef")
    assert report.calls("fails", missing_ok=True) == 0


def test_a_part_of_it(recording: "pyftrace.Recording"):
    events = list(recording.events())
    middle = events[6].t
    assert list(recording.events(since=middle)) == events[6:]
    assert list(recording.events(until=middle)) == [e for e in events if e.t <= middle]
    assert list(recording.events(tid=1)) == []
    assert recording.report(function=["leaf"]).calls("leaf") == 5
    assert recording.report(depth=1).calls("leaf") == 1
    assert [node.function for node in recording.tree(exclude="twice").children] == ["leaf"]


def test_times_as_the_command_line_has_them(recording: "pyftrace.Recording"):
    events = list(recording.events())
    middle = events[6].t
    assert list(recording.events(since=f"{middle}ns")) == events[6:]
    assert recording.report(since="60m").rows == []
    assert recording.tree(until="60m").total_ns > 0 == recording.tree(since="60m").total_ns
    for read in (recording.events, recording.report, recording.tree):
        with pytest.raises(TypeError, match="since takes ns as an int or a text like '2s', not fl"):
            read(since=1.5)
        with pytest.raises(ValueError, match=r"'soon' is no time; 5us, 1.5ms or 2s is"):
            read(until="soon")
        for wrong in ({"pid": -1}, {"tid": 1 << 70}, {"thread": 10**30}):
            with pytest.raises(ValueError, match=f"{next(iter(wrong))}: .* is out"):
                read(**wrong)
        with pytest.raises(ValueError, match="since: -1 is out of range"):
            read(since=-1)
        with pytest.raises(ValueError, match="--since is after --until"):
            read(since=5, until=2)


def test_the_report_sorts_and_shows_what_the_verb_does(
    recording: "pyftrace.Recording", where: Path, python
):
    report = recording.report(sort="p99", columns=("p50", "p99"), limit=1)
    assert [row.p99_ns for row in report.rows] == sorted(r.p99_ns for r in report.rows)[::-1]
    words = ["--sort", "p99", "--columns", "p50,p99", "--limit", "1"]
    done = python("-m", "pyftrace", "report", *words, str(where))
    assert str(report) == done.stdout.strip("\n")
    with pytest.raises(ValueError, match=r"--sort: 'size' is none of total, .*p99"):
        recording.report(sort="size")


def test_options_that_are_none(recording: "pyftrace.Recording", where: Path):
    with pytest.raises(TypeError, match="'bogus' is no option of tree"):
        recording.tree(bogus=1)
    with pytest.raises(TypeError, match="'depht' is no option of report\\(\\); did you mean depth"):
        recording.report(depht=1)
    with pytest.raises(TypeError, match="unknown option 'bogus'"):
        pyftrace.record(where, bogus=1)


def test_what_is_no_recording_is_called_so(tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    for path in (tmp_path, tmp_path / "app.py"):
        with pytest.raises(OSError, match="not a recording") as raised:
            pyftrace.open(path)
        assert raised.value.filename == str(path)
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        pyftrace.open(tmp_path / "nowhere")


def test_nodes_say_what_they_are(recording: "pyftrace.Recording"):
    root = recording.tree()
    assert repr(root) == f"<Node of all: 2 outermost, {root.total_ns} ns>"
    leaf_node = next(node for node in root.children if node.function == "leaf")
    assert repr(leaf_node) == f"<Node leaf: 1 call, {leaf_node.total_ns} ns>"


def test_a_recording_that_is_going_on_can_be_read(where: Path):
    with pyftrace.record(where):
        leaf(1)
        reading = pyftrace.open(where)
        assert ("return", "leaf") in [(event.event, event.function) for event in reading.events()]
        assert reading.info["state"] == "INCOMPLETE"
        assert "still running" in reading.info["why"][0]


def test_as_a_dataframe(recording: "pyftrace.Recording"):
    pandas = pytest.importorskip("pandas")
    frame = recording.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(pyftrace.Event._fields)
    assert (frame["event"] == "start").sum() == 7


def test_tasks_have_names(where: Path):
    async def child():
        await asyncio.sleep(0)
        leaf(1)

    async def main():
        await asyncio.gather(
            asyncio.create_task(child(), name="a"), asyncio.create_task(child(), name="b")
        )

    with pyftrace.record(where):
        asyncio.run(main())
    leaves = [event for event in pyftrace.open(where).events() if event.function == "leaf"]
    assert [event.task for event in leaves] == ["a", "a", "b", "b"]
    assert {event.activation for event in leaves} == {0}


def test_a_generator_that_never_began_has_an_activation_of_its_own(tmp_path: Path):
    """CPython closes one without a handler in silence; its frame's place is used again."""

    def gen(n):
        yield n

    with pyftrace.record(tmp_path / "data"):
        for n in range(5):
            began = gen(n)
            next(began)
            del began
            with contextlib.suppress(KeyError):
                gen(n).throw(KeyError("never began"))
    events = [
        e for e in pyftrace.open(tmp_path / "data").events() if e.function == gen.__qualname__
    ]
    begun = {e.activation for e in events if e.event == "start"}
    thrown = [e.activation for e in events if e.event == "unwind" and "never" in e.exception]
    assert len(begun) == len(set(thrown)) == 5
    assert not begun & set(thrown)


# ---- taps that recordings are walked into --------------------------------------------------------


@pytest.mark.parametrize("kind", ["tree", "edges", "spans", "events", "chrome", "csv"])
def test_what_recordings_are_walked_into_is_not_attached(kind: str, nothing_left_on):
    tap = _engine.Tap(kind, take=print, stream=io.StringIO())
    for switch_on in (tap.attach, tap.watch_all, tap.enter, lambda: tap.watch_others(())):
        with pytest.raises(ValueError, match="a recording's"):
            switch_on()
    assert not tap.attached


@pytest.mark.parametrize("kind", ["events", "text"])
def test_a_tap_that_is_kept_by_what_it_tells_goes_with_it(kind: str):
    class Keeper(io.StringIO):
        tap: _engine.Tap

        def take(self, events: list[object]) -> None: ...

    keeper = Keeper()
    keeper.tap = _engine.Tap(kind, take=keeper.take, stream=keeper)
    gone = weakref.ref(keeper)
    del keeper
    gc.collect()
    assert gone() is None


def test_a_recording_is_found_wherever_the_program_goes(where: Path, tmp_path: Path, monkeypatch):
    with pyftrace.record(where):
        twice(1)
    monkeypatch.chdir(tmp_path)
    recording = pyftrace.open(where.name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [row.calls for row in recording.report(sort="calls").rows] == [2, 1]
    assert recording.damage == [] and recording.info["state"] == "COMPLETE"


def test_what_is_called_at_the_end_of_the_process_is_recorded_or_just_called(
    tmp_path: Path, python
):
    (tmp_path / "app.py").write_text(
        "import atexit\natexit.register(lambda: save('late'))\nimport pyftrace\n"
        "@pyftrace.record('run.data')\ndef save(when): print(when)\n"
        "atexit.register(lambda: save('at the end'))\nsave('now')\n"
    )
    done = python("app.py")
    assert (done.stdout, done.stderr) == ("now\nat the end\nlate\n", "")
    assert names(tmp_path / "run.data") == [("start", "save"), ("return", "save")] * 2


def test_where_another_writes_it_goes_elsewhere_and_says_so(where: Path):
    script = f"import pyftrace\nwith pyftrace.record({str(where)!r}): input(), print('over')\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=where.parent, env=clean_environment(),
    ) as other:  # fmt: skip
        assert other.stdin is not None
        until(lambda: bool(list(where.glob("*.defs"))))
        recording = pyftrace.record(where)
        there = rf"this one goes to .*{os.getpid()}"
        with pytest.warns(RuntimeWarning, match=there) as said, recording:
            twice(1)
        other.stdin.write(b"\n")
    assert said[0].filename == __file__
    assert recording.path == f"{where}.{os.getpid()}"
    assert names(recording.path)[0] == ("start", "twice")


def test_a_block_that_cannot_begin_leaves_nothing(where: Path):
    taken = [i for i in range(6) if sys.monitoring.get_tool(i) is None]
    before = signal.getsignal(signal.SIGUSR1)
    for i in taken:
        sys.monitoring.use_tool_id(i, "another")
    try:
        with pytest.raises(RuntimeError), pyftrace.record(where, dump_on="signal:USR1"):
            pass
    finally:
        for i in taken:
            sys.monitoring.free_tool_id(i)
    assert signal.getsignal(signal.SIGUSR1) is before
    assert not where.exists()
