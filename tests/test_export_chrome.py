"""Trace Event JSON against the recording's own events."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import hostile
import pytest
import timeline
from conftest import clean_environment
from timeline import Slice


def read(text: str) -> dict:
    document = hostile.strict(text)
    assert document.keys() == {"displayTimeUnit", "traceEvents"}
    assert document["displayTimeUnit"] == "ns"
    return document


def names(events: list[dict], what: str) -> dict[tuple[int, int], str]:
    found = [e for e in events if e["ph"] == "M" and e["name"] == what]
    table = {(e["pid"], e["tid"]): e["args"]["name"] for e in found}
    assert len(table) == len(found)  # a track is named once
    return table


def ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def slices(text: str) -> list[Slice]:
    """As a viewer stacks them: in order of time, the longer of two that begin together first, and
    else as they come."""
    events = read(text)["traceEvents"]
    threads = names(events, "thread_name")
    tracks = defaultdict(list)
    for e in events:
        if e["ph"] in "XBE":
            tracks[e["pid"], e["tid"]].append(e)
    found = []
    for (pid, tid), on_track in tracks.items():
        stack: list[tuple[dict, int | None]] = []  # the end is known, of "X"
        for e in sorted(on_track, key=lambda e: (ns(e["ts"]), -ns(e.get("dur", 0)))):
            begin = ns(e["ts"])
            while stack and (stack[-1][1] or begin + 1) <= begin:
                stack.pop()
            if e["ph"] == "E":
                e, end = stack.pop()[0], begin
                assert e["ph"] == "B"
            else:
                end = begin + ns(e["dur"]) if e["ph"] == "X" else None
                assert end is None or not stack or end <= (stack[-1][1] or end), "overlapping"
                stack.append((e, end))
            if end is not None:
                depth = len(stack) - (e["ph"] == "X")
                place = (pid, threads[pid, tid], e["name"], e["cat"], ns(e["ts"]), end, depth)
                found.append(Slice(*place, e["args"]))
        assert all(end is not None for _, end in stack), "begun and not ended"
    return found


def dumped(pyftrace, *words: str) -> str:
    done = pyftrace("dump", "--format", "chrome", *words)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("options", [[], ["-v", "--args", "--values=safe", "--callers"]])
def test_slices_are_the_calls_of_the_recording(options, pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.PROGRAM)
    pyftrace("record", "-q", *options, "app.py")
    found = slices(dumped(pyftrace))
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    assert {s.track for s in found} == {
        *("MainThread", "worker"),
        *(f"Task-{i}" for i in range(1, 5)),
    }
    froms = {s.args.get("from") for s in found if s.name == "outer (__main__)"}
    assert froms == {f"{tmp_path / 'app.py'}:20" if options else None}


def test_threads_of_one_name_and_processes_have_their_own_tracks(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.PROGRAM)
    pyftrace("record", "-q", "app.py")
    events = read(dumped(pyftrace))["traceEvents"]
    threads = names(events, "thread_name")
    assert sorted(threads.values()).count("worker") == 3
    processes = {pid: name for (pid, _), name in names(events, "process_name").items()}
    assert len(processes) == 2 and processes.keys() == {pid for pid, _ in threads}
    assert all(name.endswith(" app.py") for name in processes.values())


def test_what_was_open_when_it_was_killed_is_unfinished(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.KILLED)
    pyftrace("record", "-q", "app.py")
    found = slices(dumped(pyftrace))
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    assert [(s.name, s.args.get("leave")) for s in found] == [
        ("ordinary (__main__)", None),
        ("inner (__main__)", "unfinished"),
        ("outer (__main__)", "unfinished"),
    ]


def test_a_ring_begins_within_open_calls_and_says_what_it_lost(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.RING)
    pyftrace("record", "-q", "--ring", "256k", "app.py")
    text = dumped(pyftrace)
    found = slices(text)
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    trunk = next(s for s in found if s.name == "trunk (__main__)")
    assert trunk.args["enter"] == "open"
    assert trunk.begin is not None and trunk.begin <= min(s.begin or 0 for s in found)
    (lost,) = (e for e in read(text)["traceEvents"] if e["ph"] == "i")
    opened = [s for s in found if s.args.get("enter") == "open"]
    assert lost["args"]["events"] + 2 * len(found) - len(opened) == timeline.RING_EVENTS


def test_a_part_begins_within_open_calls(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.RING.replace("20000", "50"))
    pyftrace("record", "-q", "app.py")
    every = timeline.expected(tmp_path / "pyftrace.data")
    middle = every[len(every) // 2].end
    found = slices(dumped(pyftrace, "--since", f"{middle}ns"))
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data", since=middle))


def test_hostile_names_stay_in_their_strings(pyftrace, tmp_path: Path):
    hostile.write(tmp_path)
    pyftrace("record", "-q", "--args", "--values=safe", "app.py")
    found = slices(dumped(pyftrace))
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    assert {f"{hostile.shown(name)} (__main__)" for name in hostile.NAMES} <= {
        s.name for s in found
    }


def test_a_recording_without_calls_is_a_document(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    pyftrace("record", "-q", "app.py")
    assert read(dumped(pyftrace))["traceEvents"] == []


def test_ctrl_c_leaves_a_document(pyftrace, tmp_path: Path):
    """A walk is interrupted where it looks for signals: after some 260,000 events."""
    (tmp_path / "app.py").write_text(timeline.RING)
    pyftrace("record", "-q", "app.py")
    words = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(words, cwd=tmp_path, env=clean_environment(), capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"KeyboardInterrupt\n"), done.stderr
    cut = slices((tmp_path / "out").read_text())
    assert 0 < 2 * len(cut) < timeline.RING_EVENTS
    unfinished = [s.name for s in cut if s.args.get("leave") == "unfinished"]
    assert unfinished[-1:] == ["trunk (__main__)"]


INTERRUPTED = """\
import os
import pyftrace
from pyftrace.exports import Source
from pyftrace import _engine
def interrupt(events):
    if events: raise KeyboardInterrupt
fd = os.open("out", os.O_WRONLY | os.O_CREAT)
source = Source(pyftrace.open("pyftrace.data"), {}, {}, interrupt)
try:
    source.walk(_engine.Tap("chrome", fd=fd))
except KeyboardInterrupt:
    print("KeyboardInterrupt")
os.close(fd)
"""
