"""The last lines of a recording (``replay --last``), and a moment by the clock of events."""

import os
import threading
from pathlib import Path

import pytest

import pyftrace
from pyftrace import _engine

PROGRAM = """\
def leaf(n): return n
def mid(n):
    for i in range(n): leaf(i)
    deep(2)
def deep(n):
    if n == 0: raise ValueError("bad")
    deep(n - 1)
def top():
    leaf(100)
    mid(3)
try: top()
except ValueError: pass
"""


@pytest.fixture
def recorded(python, pyftrace, tmp_path: Path):
    """replay(*options) of PROGRAM's recording, without durations."""
    (tmp_path / "app.py").write_text(PROGRAM)
    assert pyftrace("record", "-q", "-a", "--callers", "app.py").returncode == 0

    def replay(*options: str) -> str:
        done = pyftrace("replay", *options)
        assert (done.stderr, done.returncode) == ("", 0)
        return "".join(
            line.partition("  [")[0].rstrip() + "\n" for line in done.stdout.splitlines()
        )

    return replay


def test_the_last_lines_stand_below_their_callers(recorded):
    assert (
        recorded("--last", "4")
        == """\
Called top:8() from line 11
    ... 2 lines left out
    Called mid:2(n=3) from line 10
        ... 6 lines left out
        Called deep:5(n=2) from line 4
            Called deep:5(n=1) from line 7
                ... 2 lines left out
            Raising deep-> ValueError: bad
        Raising deep-> ValueError: bad
    Raising mid-> ValueError: bad
Raising top-> ValueError: bad
"""
    )


def test_as_many_as_there_are_is_all(recorded):
    assert recorded("--last", "1000") == recorded() != recorded("--last", "15")


@pytest.mark.parametrize("n", range(1, 18))
def test_every_end_is_a_tree(recorded, n: int):
    """Lines kept and left out add up; each line stands below the call that it lies in."""
    lines = recorded("--last", str(n)).splitlines()
    left_out = sum(int(line.split()[1]) for line in lines if "left out" in line)
    shown = [line for line in lines if "left out" not in line]
    assert left_out + len(shown) == len(recorded().splitlines())
    assert shown[-n:] == recorded().splitlines()[-n:]
    stack: list[str] = []
    for line in shown:
        depth = (len(line) - len(line.lstrip())) // 4
        word, name = line.split()[:2]
        name = name.partition(":")[0].partition("->")[0]
        if word == "Called":
            assert len(stack) == depth
            stack.append(name)
        else:
            assert stack.pop() == name and len(stack) == depth


def test_it_goes_with_filters(recorded):
    assert recorded("--last", "1", "-f", "leaf") == (
        "... 6 lines left out\nCalled leaf:1(n=2) from line 3\nReturning leaf\n"
    )


def test_a_mistake_is_a_line(recorded, pyftrace):
    for word, why in (("0", "0 is out of range (at least 1)"), ("x", "'x' is not a whole number")):
        done = pyftrace("replay", "--last", word)
        assert (done.stderr, done.returncode) == (f"pyftrace: --last: {why}\n", 2)


# ---- in the process that records -----------------------------------------------------------------


def leaf(n):
    return n


def outer():
    moments = []
    for n in range(200):
        moments.append(_engine.ticks())
        leaf(n)
    return moments


class Lines(list):
    def write(self, text: str) -> None:
        self.append(text)


def test_a_moment_parts_the_events_exactly(tmp_path: Path, nothing_left_on):
    """Of a recording that is still being written, again and again: what came before a moment is
    before it, however the anchors have moved."""
    folder = str(tmp_path / "run.data")
    _engine.create_run(folder, os.getpid())
    tap = _engine.Tap(
        "record", folder=folder, function=("outer",), args=True, values="none", ring=1 << 18
    )
    tap.attach()
    for _ in range(20):
        moments = outer()
        recording = _engine.Recording(folder)
        for n in (0, 1, 100, 199):
            since = recording.time_of(moments[n])
            events = list(recording.events(since=since))
            assert events[0][14] == f"n={n}"
            stream = Lines()
            text = _engine.Tap("text", stream=stream, args=True, last=3)
            recording.walk(text, merged=True, since=since, anew=True)
            text.flush()
            assert text.lines == 2 * (200 - n) + 1  # and the return of outer, begun before
            assert stream[-3:] == [f"Called leaf:{leaf.__code__.co_firstlineno}(n=199)\n",
                                   "Returning leaf\n", "Returning outer\n"]  # fmt: skip
    tap.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork() beside xdist's thread
def test_a_moment_of_another_process_is_a_lookup_error(tmp_path: Path, nothing_left_on):
    with pyftrace.record(tmp_path / "run.data"):
        leaf(1)
    recording = _engine.Recording(str(tmp_path / "run.data"))
    assert recording.time_of(_engine.ticks()) > 0
    if (pid := os.fork()) == 0:
        try:
            recording.time_of(_engine.ticks())
        except LookupError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    with pytest.raises((TypeError, OverflowError)):
        recording.time_of(-1)


def test_one_threads_lines_come_before_others(tmp_path: Path, nothing_left_on):
    def work():
        for n in range(500):
            leaf(n)

    with pyftrace.record(tmp_path / "run.data", threads="all", args=True):
        leaf(-1)
        thread = threading.Thread(target=work, name="busy")
        thread.start()
        thread.join()
    stream = Lines()
    text = _engine.Tap("text", stream=stream, args=True, last=8, own=threading.get_native_id())
    _engine.Recording(str(tmp_path / "run.data")).walk(text, merged=True)
    text.flush()
    assert stream[0].startswith("Called leaf:") and "n=-1" in stream[0]
    assert any(line.startswith("[busy]     ... 99") for line in stream)
    assert "[busy]     Returning leaf\n" in stream


def test_only_a_recording_has_last_lines(nothing_left_on):
    tap = _engine.Tap("text", stream=Lines(), last=5)
    with pytest.raises(ValueError, match="a recording's"):
        tap.attach()
    assert not tap.attached


def test_a_tap_knows_whether_it_is_attached(nothing_left_on):
    tap = _engine.Tap("report")
    tap.attach()
    assert tap.attached
    pyftrace.stop()
    assert not tap.attached
