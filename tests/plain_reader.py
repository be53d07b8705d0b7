"""A recording read with nothing but docs/trace-format.md: slow, simple, and a second opinion."""

import struct
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

HEAD = struct.Struct("=8sIIII")
RUN = struct.Struct("=16sQQ3QQQII")
DEFS = struct.Struct("=16sQQQII3Q6QQIIQQ")
LANE = struct.Struct("=QQ24x")
SEGMENT = struct.Struct("=IIQQQQQQQIIII3Q")
ENTERING = {1: "start", 2: "resume", 3: "throw"}
LEAVING = {4: "return", 5: "yield", 6: "yield", 7: "unwind", 8: "left"}
SHORT = {32: "yield", 33: "yield", 34: "resume", 35: "resume", 36: "start", 37: "unwind"}
IN_C = {"start": "c_call", "return": "c_return", "unwind": "c_raise"}


class Event(NamedTuple):
    """As pyftrace.Event, but for the serial of the thread and lost events, which are not told."""

    t: int
    pid: int
    tid: int
    thread_name: str
    depth: int
    event: str
    function: str
    module: str
    file: str
    line: int
    activation: int
    task: str | None
    call_line: int | None
    args: str | None
    value: str | None
    exception: str | None


class Bytes:
    """A place in bytes."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def text(self) -> str:
        return self.take(self.varint()).decode("utf-8", "surrogatepass")


class Function(NamedTuple):
    flags: int
    line: int
    name: str
    module: str
    file: str


def definitions(data: bytes, at: int) -> "tuple[dict[int, Function], dict[int, Any]]":
    """Functions by id, (native id, name) of threads by serial."""
    functions, threads = {}, {}
    b = Bytes(data, at)
    while b.at < len(data) and data[b.at] != 0:
        kind = b.take(1)[0]
        body = Bytes(b.take(b.varint()))
        if kind == 1:
            number, flags, line, _ = (body.varint() for _ in range(4))
            functions[number] = Function(flags, line, *(body.text() for _ in range(3)))
        elif kind == 2:
            serial = body.varint()
            threads[serial] = (body.varint(), body.text())
    return functions, threads


def fields(b: Bytes) -> dict[int, "int | str"]:
    found: dict[int, int | str] = {}
    while b.at < len(b.data):
        tag = b.varint()
        found[tag] = b.text() if tag & 1 else b.varint()
    return found


class Thread:
    """The open calls of one thread, from segment to segment."""

    def __init__(self) -> None:
        self.stack: list[tuple[int, int]] = []  # (function, activation)
        self.outside = 0  # open calls that no head lists
        self.seen = 0
        self.task: tuple[int, str] | None = None  # (depth, name)

    def events(self, b: Bytes, depth: int, before: int, time: int):
        """(time, kind of event, function, activation, depth, task, fields) of a segment."""
        calls = [(b.varint(), b.varint(), b.varint()) for _ in range(b.varint())]
        task = b.varint()
        begun = (b.varint(), b.text()) if task else None
        if before != self.seen or before == 0:
            self.stack = [(function, activation) for function, _, activation in calls]
            self.outside = depth - len(calls)
            self.task = begun
        self.seen = before
        likely: dict[int, int] = {}
        runs: dict[int, tuple[int, int]] = {}
        slot, run, started, raised = 255, 0, 0, ""
        untold = depth - len(calls)
        while b.at < len(b.data) and b.data[b.at] != 0:
            first = b.take(1)[0]
            code, low = first >> 6, first & 63
            more: dict[int, int | str] = {}
            function = None
            activation = 0
            if code == 0 and low >= 32:
                time += b.varint()
                event = SHORT[low]
                if low == 34:
                    function, activation = runs[run]
                elif low == 35:
                    function, activation = b.varint(), b.varint()
                elif low == 36:
                    function, n = b.varint(), b.varint()
                    started += -(n + 1) // 2 if n & 1 else n // 2
                    activation = started
                elif low == 37:
                    more[3] = raised
            elif code == 0:
                time += b.varint()
                body = Bytes(b.take(b.varint()))
                if low in ENTERING:
                    function = body.varint()
                more = fields(body)
                event = ENTERING.get(low) or LEAVING[low]
                activation = more.get(2, 0)
                raised = more.get(3, raised) if low == 7 else raised
            else:
                time += low + (b.varint() if low == 63 else 0)
                event = "return" if code == 1 else "start"
                function = b.varint() if code == 3 else None
            if code == 2:
                function = likely[slot]
            if function is not None:
                likely[slot] = function
                slot = function & 255
                if activation:
                    if event != "start":
                        runs[run] = (function, activation)
                    run = activation * 2 & 255
                at = self.outside + len(self.stack)
                self.stack.append((function, activation))
                if 4 in more:
                    self.task = (at + 1, more.get(5, "?"))
            else:
                function, activation = self.stack.pop()
                at = self.outside + len(self.stack)
                if event == "yield":
                    run = (activation * 2 if at >= untold else 0) + 1 & 255
                untold = min(untold, at)
            self.seen += 1
            yield time, event, function, activation, at, self.task and self.task[1], more
            if self.task and at < self.task[0] and event in LEAVING.values():
                self.task = None


def anchor(values: "tuple[int, ...]") -> tuple[int, int]:
    return values[0], values[1]


def read(folder: Path) -> list[Event]:
    """All events, thread by thread."""
    data = (folder / "run").read_bytes()
    flags = HEAD.unpack_from(data)[4]
    run = RUN.unpack_from(data, HEAD.size)
    return [
        event
        for path in sorted(folder.glob("*.defs"))
        for event in read_process(path, run[0], flags & 1, anchor(run[3:6]))
    ]


def read_process(path: Path, run: bytes, counter: int, began: tuple[int, int]) -> list[Event]:
    data = path.read_bytes()
    head_size, flags = HEAD.unpack_from(data)[3:]
    head = DEFS.unpack_from(data, HEAD.size)
    assert head[0] == run
    pid, shift, which = head[1], head[4], head[5] & 1
    first = anchor(head[6:9])
    last = max(first, anchor(head[9 + 3 * which : 12 + 3 * which]))
    functions, threads = definitions(data, head_size)
    segments = defaultdict(list)
    for lane in path.parent.glob(f"{path.stem}.*.lane"):
        for segment, rest in segments_of(lane.read_bytes()):
            segments[segment[4]].append((segment[7], segment, rest))
            last = max(last, anchor(segment[13:16]))
    start = min(first, began) if counter and flags & 1 else first

    def ns(time: int) -> int:
        apart = (time << shift) - first[0]
        if flags & 1 and last > start:
            apart = apart * (last[1] - start[1]) // (last[0] - start[0])
        return max(0, first[1] - began[1] + apart)

    events = []
    for serial, found in segments.items():
        thread = Thread()
        tid, name = threads[serial]
        for before, segment, rest in sorted(found, key=lambda item: item[0]):
            starts, least, end = 0, segment[9], segment[9]
            for time, event, number, activation, depth, task, more in thread.events(
                Bytes(rest), segment[9], before, segment[5]
            ):
                entering = event not in LEAVING.values()
                starts, end = starts + entering, depth + entering
                least = min(least, end)
                function = functions[number]
                raised = event == "unwind"
                shown = IN_C[event] if function.flags & 1 else event
                events.append(
                    Event(
                        ns(time),
                        pid,
                        tid,
                        name,
                        depth,
                        shown,
                        function.name,
                        function.module,
                        function.file,
                        function.line,
                        activation,
                        task,
                        more.get(8),
                        more.get(1),
                        None if raised else more.get(3),
                        more.get(3) if raised else None,
                    )
                )
            if segment[1] & 1:
                assert (starts, least, end) == (segment[8], segment[10], segment[11])
    return events


def segments_of(data: bytes) -> "list[tuple[tuple[int, ...], bytes]]":
    """(head, what stands behind it) of each segment of a lane."""
    segment_size = LANE.unpack_from(data, HEAD.size)[1]
    found = []
    places = [(HEAD.size + LANE.size, len(data))]
    if segment_size:
        places = [(4096 + i * segment_size, 4096 + (i + 1) * segment_size) for i in range(8)]
    for at, end in places:
        while at + SEGMENT.size <= min(end, len(data)):
            segment = SEGMENT.unpack_from(data, at)
            if segment[0] != 0x31474553:
                break
            size = segment[3] if segment[1] & 1 else segment[2]
            found.append((segment, data[at + SEGMENT.size : at + size]))
            at += segment[2]
    return found
