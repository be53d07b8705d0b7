"""What a timeline must show, whatever its format: the slices that a recording's events make, and
programs to record."""

from pathlib import Path
from typing import NamedTuple

import pyftrace as api
from pyftrace.options import printable
from pyftrace.recording import Event

PROGRAM = """\
import asyncio, os, sys, threading
def inner(n): return n * 2
def numbers():
    try:
        for i in range(3): yield inner(i)
    except KeyError: yield "caught"
def fail(): inner(0); raise ValueError("bad")
async def step(n):
    for _ in range(3):
        inner(n)
        await asyncio.sleep(0)
async def main(): await asyncio.gather(*[step(i) for i in range(3)])
def work():
    for _ in range(3): inner(1)
def outer():
    for x in numbers(): len([inner(x)])
    g = numbers(); next(g); g.throw(KeyError)
    try: fail()
    except ValueError: pass
outer()
asyncio.run(main())
for _ in range(3):
    t = threading.Thread(target=work, name="worker"); t.start(); t.join()
if (pid := os.fork()) == 0: work(); os._exit(0)
os.waitpid(pid, 0)
"""
KILLED = """\
import os, signal
def inner(): os.kill(os.getpid(), signal.SIGKILL)
def outer(): inner()
def ordinary(): pass
ordinary()
outer()
"""
RING = """\
def leaf(): pass
def branch():
    for _ in range(10): leaf()
def trunk():
    for _ in range(20000): branch()
trunk()
"""
RING_EVENTS = 2 * (1 + 20000 * 11)


class Slice(NamedTuple):
    """``track`` is the name of the thread or, where there is one, of the task; times in ns, None:
    before what is recorded."""

    pid: int
    track: str
    name: str
    category: str
    begin: int | None
    end: int
    depth: int  # on its track
    args: dict[str, object]


def expected(folder: Path, since: int = 0) -> list[Slice]:
    """The slices of a recording, in order of their end on each thread, those unfinished last."""
    recording = api.open(folder)
    slices = []
    for thread in recording.threads:
        slices += _of_thread(list(recording.events(thread=thread["serial"], since=since)))
    return slices


def _of_thread(events: list[Event]) -> list[Slice]:
    slices, stack = [], []
    for e in events:
        if e.event in ("start", "resume", "throw", "c_call"):
            stack.append(e)
        elif e.event != "lost":
            begun = stack.pop() if stack else None
            slices.append(_slice(begun, e, stack))
    while stack:
        begun = stack.pop()
        slices.append(_slice(begun, events[-1]._replace(event="unfinished"), stack))
    return slices


def _slice(begun, ended, below) -> Slice:
    e = begun or ended
    args: dict[str, object] = {"at": printable(f"{e.file}:{e.line}") if e.file else None}
    if e.activation or begun is None or begun.event not in ("start", "c_call"):
        args["enter"] = begun.event if begun else "open"
    if e.activation or ended.event not in ("return", "c_return"):
        args["leave"] = ended.event
    args["activation"] = e.activation or None
    args["args"] = begun.args if begun else None
    if ended.event != "unfinished":
        args["value"], args["exception"] = ended.value, ended.exception
    track = printable((begun.task if begun else None) or e.thread_name)
    depth = e.depth - sum((b.task or b.thread_name) != (e.task or e.thread_name) for b in below)
    return Slice(
        e.pid,
        track,
        printable(f"{e.function} ({e.module})" if e.module else e.function),
        "c" if e.event.startswith("c_") else "python",
        begun.t if begun else None,
        ended.t,
        depth,
        {key: value for key, value in args.items() if value is not None},
    )


def check(found: list[Slice], wanted: list[Slice]) -> None:
    """The same slices; of those found, "await" is events' "yield", and where a call is from is
    looked at elsewhere."""

    def plain(s: Slice) -> tuple[object, ...]:
        args = {k: v for k, v in s.args.items() if k != "from"}
        if args.get("leave") == "await":
            args["leave"] = "yield"
        begin = None if args.get("enter") == "open" else s.begin
        return (*s[:4], begin, s.end, s.depth, tuple(sorted(args.items())))

    assert sorted(map(plain, found), key=repr) == sorted(map(plain, wanted), key=repr)
