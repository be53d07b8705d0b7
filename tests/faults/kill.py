"""Kills recorded programs at random moments and reads back what they recorded.

Four threads write a byte into a pipe for every call that has returned. Whatever ends the program,
every call whose byte came through must be in the recording, and each thread's events must be a
prefix of what the program did (of a ring: the last of it)."""

import os
import random
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

from common import Failure, Figures, environment, expect, folder, how_many, say_status

import pyftrace

BUSY = 50  # calls to one byte, where the pipe would be what takes the time
PROGRAM = """\
import ctypes, os, signal, sys, threading

def outer(n):
    return inner(n)

def inner(n):
    return n

def new(n):
    space = {}
    exec(compile(f"def made_{n}(n): return n", __file__, "exec"), space)
    return space[f"made_{n}"]

def work(k):
    n = 0
    while True:
        for _ in range(BUSY if kind == "busy" else 1):
            outer(n)
        if kind == "many":
            new(n)(n)
        os.write(1, b"%d" % k)
        n += 1

moment, end, kind = float(sys.argv[1]), sys.argv[2], sys.argv[3]
for k in range(4):
    threading.Thread(target=work, args=(k,), name=f"worker-{k}", daemon=True).start()
threading.Event().wait(moment)
exec(end)
""".replace("BUSY", str(BUSY))

FOREVER = "threading.Event().wait()"
# A row: the options, what the program does, the row's share of all.
RECORDINGS = {
    "kill": ([], "plain", 4),
    "kill, all texts": (["--args", "--values=safe", "--callers"], "plain", 2),
    "kill, many functions": ([], "many", 2),
    "kill, ring": (["--ring", "256k"], "busy", 1),
    "kill from the start": ([], "plain", 1),
}
# A row: the program's last words, and how it ends.
ENDS = {
    "segv": ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "null pointer": ("ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("os.abort()", "SIGABRT"),
    "os._exit": ("os._exit(3)", "status 3"),
    "exec": ("os.execv('/bin/sh', ['sh', '-c', 'exit 4'])", "status 4"),
    "term": ("os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
}
Event = tuple[str, str]


def story(kind: str) -> list[Event]:
    """What one turn of a worker's loop is."""
    calls = [("start", "outer"), ("start", "inner"), ("return", "inner"), ("return", "outer")]
    if kind == "busy":
        calls *= BUSY
    if kind == "many":
        calls += [("start", "new"), ("return", "new"), ("start", "made_"), ("return", "made_")]
    return calls


def check_threads(where: Path, acknowledged: "Counter[int]", kind: str, ring: bool) -> int:
    """Each worker's events against the story, and the calls acknowledged against its turns; the
    number of events that a ring let go of."""
    recording = pyftrace.open(where)
    expect(not recording.damage, "damaged:", recording.damage)
    found: dict[str, list[Event]] = {}
    before: Counter[str] = Counter()
    for event in recording.events():
        if event.event == "lost":
            before[event.thread_name] += event.lost
            continue
        function = "made_" if event.function.startswith("made_") else event.function
        found.setdefault(event.thread_name, []).append((event.event, function))
    turn = story(kind)
    for k in range(4):
        name = f"worker-{k}"
        events = found.get(name, [])
        if before[name] == 0:
            expect(events[:1] in ([], [("start", "work")]), f"{name} begins with {events[:1]}")
            events, skip = events[1:], 0
        else:
            expect(ring, f"{name} lost {before[name]} events")
            skip = before[name] - 1
        wanted = list(islice(cycle(turn), skip % len(turn), skip % len(turn) + len(events)))
        expect(events == wanted, f"{name}: not a prefix of what the program did")
        turns = (skip + len(events)) // len(turn)
        expect(turns >= acknowledged[k], f"{name}: {turns} turns, acknowledged {acknowledged[k]}")
    return before.total()


def read_until(pipe: int, moment: float) -> bytes:
    """What comes through until then."""
    got = []
    while (left := moment - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            block = os.read(pipe, 1 << 16)
            if not block:
                break
            got.append(block)
    return b"".join(got)


def run(
    words: list[str], where: Path, end: str, kind: str, after: float | None, early: bool = False
) -> "tuple[str, Counter[int]]":
    """Runs the program, kills it `after` seconds (None: it ends itself): how it ended, and the
    calls acknowledged."""
    own = "60" if after is not None else repr(random.uniform(0.001, 0.25))
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "pyftrace", "record", "-q", "-o", str(where), *words,
         str(where.parent / "app.py"), own, end, kind],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=where.parent,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        got = b""
        if after is not None:
            if not early:
                got = os.read(pipe, 1)
                begun = time.monotonic()
            got += read_until(pipe, begun + after)
            process.kill()
        got += process.stdout.read()
    return say_status(process.returncode), Counter(byte - ord("0") for byte in got)


def check(where: Path, acknowledged: "Counter[int]", kind: str, ring: bool) -> "Counter[str]":
    """Figures of the recording. Without a byte acknowledged there may be none yet."""
    let_go = 0
    try:
        let_go = check_threads(where, acknowledged, kind, ring)
    except OSError as error:
        if acknowledged:
            raise Failure(str(error)) from None
    shutil.rmtree(where, ignore_errors=True)
    calls = acknowledged.total() * (BUSY if kind == "busy" else 1)
    return Counter({"calls acknowledged": calls, "events let go of": let_go})


def figures_of(total: "Counter[str]") -> str:
    return ", ".join(f"{number} {what}" for what, number in total.items() if number)


def main() -> int:
    times = how_many(__doc__, 20)
    figures = Figures("killed programs, their recordings read back")
    shares = sum(share for _, _, share in RECORDINGS.values())
    with folder() as place:
        (place / "app.py").write_text(PROGRAM)
        for row, (words, kind, share) in RECORDINGS.items():
            early, total = "start" in row, Counter[str]()
            for n in range(max(2, times * share // shares)):
                random.seed(f"{row} {n}")
                after = random.uniform(0.001, 0.25)
                where = place / f"{row.replace(' ', '-')}-{n}"
                with figures.one(row, f"{n}, after {after * 1000:.0f} ms"):
                    status, got = run(words, where, FOREVER, kind, after, early)
                    expect(status == "SIGKILL", status)
                    expect(got or early, "nothing was acknowledged")
                    total += check(where, got, kind, "--ring" in words)
            figures.note(row, figures_of(total))
        for row, (end, wanted) in ENDS.items():
            total = Counter[str]()
            for n in range(max(1, times // 20)):
                random.seed(f"{row} {n}")
                where = place / f"{row.replace(' ', '-')}-{n}"
                with figures.one(row, n):
                    status, got = run([], where, end, "plain", None)
                    expect(status == wanted, f"{status}, not {wanted}")
                    total += check(where, got, "plain", False)
            figures.note(row, figures_of(total))
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
