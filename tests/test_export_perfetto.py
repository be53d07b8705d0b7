"""Perfetto's format, read by a decoder written from its published .proto files, against the
recording's own events."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hostile
import pytest
import timeline
from timeline import Slice

Message = dict[int, list[int | bytes]]  # values by field number


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            assert at + value <= len(data)
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            assert tag & 7 == 0
            yield tag >> 3, value


def message(data: bytes) -> Message:
    found: Message = {}
    for field, value in fields(data):
        found.setdefault(field, []).append(value)
    return found


class Trace(NamedTuple):
    slices: list[Slice]
    lost: list[int]
    threads: list[str]
    processes: dict[int, str]
    parents: dict[str, str]  # of a task, the thread


class Reader:
    """The state of the one sequence: what is interned, what is open on each track."""

    def __init__(self) -> None:
        self.interned: dict[int, dict[int, str]] = {1: {}, 2: {}, 3: {}, 29: {}}
        self.tracks: dict[int, Message] = {}
        self.open: dict[int, list[tuple[int, str, str, dict[str, object]]]] = {}
        self.slices: list[Slice] = []
        self.lost: list[int] = []

    def packet(self, packet: Message) -> None:
        assert packet[10] == [1]  # trusted_packet_sequence_id
        for data in packet.get(12, []):  # interned_data
            for kind, entries in message(data).items():
                for entry in map(message, entries):
                    ((iid,), (text,)) = entry[1], entry[2]
                    assert iid not in self.interned[kind]
                    self.interned[kind][iid] = text.decode()
        for data in packet.get(60, []):  # track_descriptor
            descriptor = message(data)
            assert descriptor[1][0] not in self.tracks
            self.tracks[descriptor[1][0]] = descriptor
        for data in packet.get(11, []):  # track_event
            assert packet[13] == [2]  # SEQ_NEEDS_INCREMENTAL_STATE
            self.event(packet[8][0], message(data))

    def notes(self, event: Message) -> dict[str, object]:
        found: dict[str, object] = {}
        for note in map(message, event.get(4, [])):  # debug_annotations
            key = self.interned[3][note.pop(1)[0]]
            ((kind, (value,)),) = note.items()
            assert key not in found
            found[key] = {
                3: lambda v: v,
                6: lambda v: v.decode(),
                17: lambda v: self.interned[29][v],
            }[kind](value)
        return found

    def event(self, time: int, event: Message) -> None:
        (kind,), (uuid,) = event[9], event[11]
        stack = self.open.setdefault(uuid, [])
        if kind == 2:  # TYPE_SLICE_END
            begin, name, category, args = stack.pop()
            more = self.notes(event)
            assert not args.keys() & more.keys()
            pid, track = self.track(uuid)
            place = (pid, track, name, category, begin, time, len(stack))
            self.slices.append(Slice(*place, args | more))
            return
        name, category = self.interned[2][event[10][0]], self.interned[1][event[3][0]]
        if kind == 3:  # TYPE_INSTANT
            assert (name, category) == ("events lost", "lost")
            self.lost.append(self.notes(event)["events"])
            return
        assert kind == 1
        assert not stack or stack[-1][0] <= time
        stack.append((time, name, category, self.notes(event)))

    def track(self, uuid: int) -> tuple[int, str]:
        descriptor = self.tracks[uuid]
        thread = message(
            self.tracks[descriptor[5][0]][4][0] if 2 in descriptor else descriptor[4][0]
        )
        return thread[1][0], (descriptor[2] if 2 in descriptor else thread[5])[0].decode()


def read(data: bytes) -> Trace:
    reader = Reader()
    packets = [message(packet) for field, packet in fields(data) if field == 1]
    assert packets[0][13] == [1]  # SEQ_INCREMENTAL_STATE_CLEARED
    for packet in packets:
        reader.packet(packet)
    assert not any(reader.open.values())
    threads, processes, parents = [], {}, {}
    for uuid, descriptor in reader.tracks.items():
        if 3 in descriptor:
            process = message(descriptor[3][0])
            assert process[1][0] not in processes
            processes[process[1][0]] = process[6][0].decode()
            continue
        (parent,) = descriptor[5]
        if 2 in descriptor:
            parents[reader.track(uuid)[1]] = reader.track(parent)[1]
        else:
            assert message(reader.tracks[parent][3][0])[1] == [reader.track(uuid)[0]]
            threads.append(reader.track(uuid)[1])
    return Trace(reader.slices, reader.lost, threads, processes, parents)


def dumped(pyftrace, tmp_path: Path, *words: str) -> Trace:
    done = pyftrace("dump", "--format", "perfetto", "-o", "out", *words)
    assert (done.returncode, done.stdout) == (0, "")
    return read((tmp_path / "out").read_bytes())


@pytest.mark.parametrize("options", [[], ["-v", "--args", "--values=safe", "--callers"]])
def test_slices_are_the_calls_of_the_recording(options, pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.PROGRAM)
    pyftrace("record", "-q", *options, "app.py")
    trace = dumped(pyftrace, tmp_path)
    timeline.check(trace.slices, timeline.expected(tmp_path / "pyftrace.data"))
    froms = {s.args.get("from") for s in trace.slices if s.name == "outer (__main__)"}
    assert froms == {f"{tmp_path / 'app.py'}:20" if options else None}


def test_tracks_are_the_processes_threads_and_tasks(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.PROGRAM)
    pyftrace("record", "-q", "app.py")
    trace = dumped(pyftrace, tmp_path)
    assert sorted(trace.threads) == ["MainThread", "MainThread", "worker", "worker", "worker"]
    assert len(trace.processes) == 2
    assert all(name.endswith(" app.py") for name in trace.processes.values())
    assert trace.parents == {f"Task-{i}": "MainThread" for i in range(1, 5)}


def test_what_was_open_when_it_was_killed_is_unfinished(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.KILLED)
    pyftrace("record", "-q", "app.py")
    found = dumped(pyftrace, tmp_path).slices
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    assert [(s.name, s.args.get("leave")) for s in found] == [
        ("ordinary (__main__)", None),
        ("inner (__main__)", "unfinished"),
        ("outer (__main__)", "unfinished"),
    ]


def test_a_ring_begins_within_open_calls_and_says_what_it_lost(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(timeline.RING)
    pyftrace("record", "-q", "--ring", "256k", "app.py")
    trace = dumped(pyftrace, tmp_path)
    timeline.check(trace.slices, timeline.expected(tmp_path / "pyftrace.data"))
    opened = [s for s in trace.slices if s.args.get("enter") == "open"]
    assert "trunk (__main__)" in {s.name for s in opened}
    assert sum(trace.lost) + 2 * len(trace.slices) - len(opened) == timeline.RING_EVENTS


def test_hostile_names_stay_in_their_strings(pyftrace, tmp_path: Path):
    hostile.write(tmp_path)
    pyftrace("record", "-q", "--args", "--values=safe", "app.py")
    found = dumped(pyftrace, tmp_path).slices
    timeline.check(found, timeline.expected(tmp_path / "pyftrace.data"))
    assert {f"{hostile.shown(name)} (__main__)" for name in hostile.NAMES} <= {
        s.name for s in found
    }
    assert not any(hostile.HOSTILE.search(f"{s.name}{s.track}{s.args}") for s in found)


def test_a_recording_without_calls_is_a_trace(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    pyftrace("record", "-q", "app.py")
    assert dumped(pyftrace, tmp_path) == Trace([], [], [], {}, {})
