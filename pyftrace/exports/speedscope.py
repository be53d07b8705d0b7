"""speedscope's JSON. A profile for each thread, every call over time, as long as a browser can hold
them; else one profile of all calls added up: its time is that of the call tree, widest first."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

from pyftrace._version import __version__
from pyftrace.exports import Source
from pyftrace.exports._functions import Function, Functions

# 40 bytes each in the file, some hundred in the browser, which takes no more than 512 MiB of text.
EVENTS_MAX = 1_000_000
ENTER = frozenset(("start", "resume", "throw", "c_call", "open"))


class TooManyError(Exception):
    """More events than are drawn one by one."""


class Profile:
    """Nested calls over time; times are not less than the ones before."""

    def __init__(self, name: str, start: int) -> None:
        self.name = name
        self.start = self.now = start
        self.stack: list[int] = []
        self.events: list[str] = []

    def enter(self, frame: int, at: int) -> None:
        self.stack.append(frame)
        self._add("O", frame, at)

    def leave(self, at: int) -> None:
        if self.stack:  # else it began before all that is known
            self._add("C", self.stack.pop(), at)

    def leave_all(self, at: int, depth: int = 0) -> None:
        while len(self.stack) > depth:
            self.leave(at)

    def _add(self, kind: str, frame: int, at: int) -> None:
        self.now = max(self.now, at)
        self.events.append(f'{{"type":"{kind}","frame":{frame},"at":{self.now}}}')

    def parts(self) -> Iterator[str]:
        """Its JSON."""
        yield (
            f'{{"type":"evented","name":{json.dumps(self.name)},"unit":"nanoseconds",'
            f'"startValue":{self.start},"endValue":{self.now},"events":[\n'
        )
        for at in range(0, len(self.events), 4096):
            yield (",\n" if at else "") + ",\n".join(self.events[at : at + 4096])
        yield "]}"


def write(source: Source, out: TextIO) -> None:
    part = any((*source.patterns.values(), *source.part.values()))
    try:
        if source.recording.events_total() > EVENTS_MAX and not part:
            raise TooManyError
        profiles, frames = _by_thread(source)
    except TooManyError:
        profiles, frames = _added_up(source)
    head = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": f"pyftrace {__version__}",
        "name": source.recording.path,
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
    }
    out.write(json.dumps(head)[:-1] + ',"profiles":[\n')
    for i, profile in enumerate(profiles):
        out.write(",\n" if i else "")
        out.writelines(profile.parts())
    out.write("]}\n")


def _by_thread(source: Source) -> tuple[list[Profile], list[dict[str, Any]]]:
    profiles: list[Profile] = []
    functions = Functions()
    ended = True
    count = 0

    def take(events: list[tuple[Any, ...]]) -> None:
        nonlocal ended, count
        count += len(events)
        if count > EVENTS_MAX:
            raise TooManyError
        for event in events:
            at, pid, tid, _, name, _, what, *function = event[:11]
            if what == "end":
                if not ended:
                    profiles[-1].leave_all(at)
                ended = True
                continue
            if ended:
                profiles.append(Profile(f"{name} (pid {pid}, tid {tid})", at))
                ended = False
            if what in ENTER:
                profiles[-1].enter(functions.number((*function, event[18])), at)
            elif what == "lost":
                profiles[-1].leave_all(at)
            else:
                profiles[-1].leave(at)

    source.each(take, bounds=True)
    return profiles or [Profile("no calls", 0)], list(map(_frame, functions.all()))


def _added_up(source: Source) -> tuple[list[Profile], list[dict[str, Any]]]:
    profile = Profile("all calls added up: too many to show one by one", 0)
    numbers: dict[Function, int] = {}
    for depth, node in source.tree().walk():
        if depth > 0:
            function = Function(node.function, node.module, node.file, node.line)
            profile.leave_all(profile.now, depth - 1)
            profile.enter(numbers.setdefault(function, len(numbers)), profile.now)
            profile.now += node.self_ns
    profile.leave_all(profile.now)
    return [profile], list(map(_frame, numbers))


def _frame(f: Function) -> dict[str, Any]:
    return {"name": f.full} | ({"file": f.file, "line": f.line} if f.file else {})
