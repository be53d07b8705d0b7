"""Lets memory, mappings, files and writes fail, one by one and from one on, and looks that nobody
notices.

Two ways. CPython's own allocators are made to fail by `_testcapi.set_nomemory`: the program may see
its own MemoryErrors, and nothing else. Calls of pyftrace's extension alone are made to fail by a
library that is preloaded (shim.c): the program must see nothing at all. Never a signal, never a
hang; a recording can be read; what is missing is said."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from common import (
    Done,
    Failure,
    Figures,
    arguments,
    as_untraced,
    expect,
    folder,
    our_lines,
    python,
    say_status,
    spread,
)
from common import pyftrace as command

import pyftrace
from pyftrace.exports import FORMATS

HERE = Path(__file__).resolve().parent

# What a tracer has to keep in mind, in a few hundred calls.
STEPS = """\
import sys, threading

def plain(n): return n + 1
def fails(n): raise ValueError(f"no {n}")
def gen(n):
    try:
        for k in range(n): yield plain(k)
    finally:
        plain(n)
def nested(n): yield from gen(n)
def down(n): return down(n - 1) + 1 if n else 0
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
    @property
    def double(self): return plain(self.x) * 2
async def wait(n):
    return plain(n)
async def waits(n):
    return await wait(n) + await wait(n)
def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value

def calls(): return [plain(n) for n in range(5)]
def raises():
    try:
        fails(1)
    except ValueError as error:
        return str(error)
def generators(): return list(nested(4))
def closed():
    made = gen(9)
    first = next(made)
    made.close()
    return first
def thrown():
    made = gen(9)
    next(made)
    try:
        made.throw(KeyError("k"))
    except KeyError as error:
        return error.args
def deep(): return down(150)
def objects(): return Point(2) == Point(2), Point(4).double
def falling(n): return -n
def sorts(): return sorted([3, 1, 2], key=falling)
def coroutines(): return drive(waits(3))
def threads():
    found = []
    made = [threading.Thread(target=lambda: found.append(plain(1))) for _ in range(3)]
    for t in made: t.start()
    for t in made: t.join()
    return found
# Made before: CPython 3.13 drops a code object twice where a function cannot be made of it.
MADE = {}
for n in range(80):
    exec(compile("\\n" * n + f"def made_{n}(n): return n", __file__, "exec"), MADE)
def functions():
    there = seen[0]
    seen[0] += 40
    return sum([MADE[f"made_{there + n}"](n) for n in range(40)])
seen = [0]
def argument_texts(): return plain(10 ** 50), plain(1.5), str(Point)[:6], len(repr([1, "a", (2,)]))
ALL = {
    calls: [1, 2, 3, 4, 5], raises: "no 1", generators: [1, 2, 3, 4], closed: 1, thrown: ("k",),
    deep: 150, objects: (True, 10), sorts: [3, 2, 1], coroutines: 8, threads: [2, 2, 2],
    functions: 780, argument_texts: (10 ** 50 + 1, 2.5, "<class", 14),
}
"""
UNSEEN = (
    STEPS
    + """\
import os, warnings
for step, wanted in ALL.items():
    assert step() == wanted, step
warnings.simplefilter("ignore")  # CPython counts threads that the system has yet to end
if os.fork() == 0:
    calls()
    sys.exit(0)
os.wait()
print("ran")
print("this too", file=sys.stderr)
sys.exit(7)
"""
)
# No thread: without memory one that does not begin is CPython's own affair.
SEEN = (
    STEPS
    + """\
import os, _testcapi
del ALL[threads]
for step in ALL: step()  # the functions of the second round are new
first, last = int(sys.argv[1]), int(sys.argv[2])
before, verdict = b"", b"as it should be"
def run():
    global verdict
    for step, wanted in ALL.items():
        try:
            found = step()
        except MemoryError:
            verdict = b"MemoryError"
            continue
        if found != wanted:
            verdict = b"WRONG"
            return
# A short function: an event carries its place in the code, a number that beyond 256 needs memory.
def without_memory():
    global verdict
    try:
        _testcapi.set_nomemory(first, last)
        run()
    except MemoryError:
        verdict = b"MemoryError"
    _testcapi.remove_mem_hooks()
without_memory()
os.write(2, b"verdict: " + verdict + b"\\n")
"""
)

# 3.15 itself crashes when it finds no memory to switch an event off, also for a tool in Python:
# that is in its own function that called the callback, and none of ours is on the C stack.
CRASHES = sys.version_info >= (3, 15)
CRASH = re.compile(
    r"libc\.so[^\n]*\n[^\n]*python\S*[^\n]*\n[^\n]* at _Py_call_instrumentation"
    r"(?![\s\S]*Binary file [^\n]*_engine)"
)

# CPython's own, untraced too: a frame that outlives its call loses the exception where its caller's
# frame object cannot be made (take_ownership). A callback of ours would be named. The second is how
# a call that is told to any tool says it.
NOTHING_SET = (
    "SystemError: error return without exception set",
    "SystemError: <method 'throw' of 'generator' objects> returned NULL without setting an excep",
)

MODES = {
    "tree": "-a -t -o out",
    "everything": "-vv -a -t -p --values=str -o out",
    "report": "--report -v -o out",
    "record": "record -q -o data",
    "record all": "record -q -vv -a --values=safe --callers -o data",
    "ring": "record -q --ring 256k -o data",
}
KINDS = ("malloc", "mmap", "fallocate", "open", "write", "ftruncate", "folder")
VERBS = {
    "replay": ["replay"],
    "report": ["report", "--columns", "all"],
    "graph": ["graph"],
    "info": ["info"],
    "tui": ["tui"],
    "html": ["html", "-o", "out"],
    **{f"dump --format {name}": ["dump", "--format", name, "-o", "out"] for name in FORMATS},
}
# All that `pyftrace tui` reads, without its screen.
LOOK = """\
import sys

def look(recording):
    names = recording.functions()
    for thread in recording.threads():
        outline = recording.outline(thread["serial"])
        total = outline.extent()[0]
        tasks = {}
        print(thread["serial"], total, outline.tasks(tasks, 0, total, total), tasks)
        for wanted in (b"\\1" * 50, "n=1", 1):
            print(outline.find(wanted, 0, total, False, total))
            print(outline.find(wanted, 0, total, True, total))
        for place in range(0, total, total // 20 + 1):
            stack = outline.stack(place)
            print(stack, outline.place(place * 1000) >= 0)
            for depth, first in enumerate([0, *(at + 1 for at in stack)]):
                rows, over = outline.rows(depth, first, 9, total)
                print([(names[row[2]][0], row[0], row[1], row[10:]) for row in rows], over)
                print(outline.back(depth, first, max(first, place), 5))
try:
    from pyftrace import _engine
    recording = _engine.Recording("data")
    look(recording)
    why = recording.damage and "damaged: " + recording.damage.partition("\\n")[0]
except (MemoryError, OSError) as error:
    why = f"{type(error).__name__}: {error}"
if why:
    print("pyftrace: " + why, file=sys.stderr)
    sys.exit(1)
"""


def clear(place: Path) -> None:
    shutil.rmtree(place / "data", ignore_errors=True)
    (place / "out").unlink(missing_ok=True)
    (place / "aside" / "log").unlink(missing_ok=True)


# ---- CPython's allocators ------------------------------------------------------------------------


def sees(place: Path, mode: str, first: int, last: int) -> str:
    """The program's verdict; Failure when it is none that CPython alone could give."""
    clear(place)
    env = {"PYTHONFAULTHANDLER": "1"} if CRASHES else {}  # it shows the C stack
    env |= {"PYFTRACE": mode} if mode else {}
    done = python("seen.py", first, last, cwd=place, **env)
    if CRASHES and done.returncode == -signal.SIGSEGV and CRASH.search(done.stderr):
        return "crash"
    if any(text in done.stderr for text in NOTHING_SET):
        return "MemoryError"
    found = re.findall(r"^verdict: (.*)$", done.stderr, re.MULTILINE)
    status = say_status(done.returncode)
    expect(done.returncode == 0 and len(found) == 1, f"{status}: {done.stderr[-300:]!r}")
    expect(found[0] != "WRONG", "a call returned something else")
    for bad in ("SystemError", "Fatal", "pyftrace/"):
        expect(bad not in done.stderr, repr(done.stderr[-300:]))
    if mode.startswith("record"):
        recording = pyftrace.open(place / "data")
        expect(not recording.damage, "damaged:", recording.damage)
        calls = recording.report().calls("plain")
        expect(calls >= 5, f"{calls} calls of what was called before")
    elif mode:
        expect("plain" in (place / "out").read_text(), "nothing of what was called before")
    return found[0]


def last_allocation(place: Path, mode: str) -> int:
    """From how many allocations on the program needs no more."""
    low, high = 0, 1 << 15
    while low < high:
        middle = (low + high) // 2
        try:
            enough = sees(place, mode, middle, 0) == "as it should be"
        except Failure:
            enough = False
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def try_allocators(figures: Figures, place: Path, times: int) -> None:
    try:
        import _testcapi  # noqa: F401
    except ImportError:
        print("!!!! no _testcapi in this Python: its allocators do not fail !!!!", file=sys.stderr)
        return
    (place / "seen.py").write_text(SEEN)
    for name, mode in {"untraced": "", **MODES}.items():
        most = last_allocation(place, mode)
        for row, stops in ((f"one allocation, {name}", True), (f"all from one on, {name}", False)):
            seen: Counter[str] = Counter()
            for n in spread(range(most + 10), times):
                with figures.one(row, n):
                    seen[sees(place, mode, n, n + 1 if stops else 0)] += 1
            theirs = f"{seen['MemoryError']} MemoryErrors"
            theirs += f", {seen['crash']} crashes" if CRASHES else ""
            figures.note(row, f"of {most}; {theirs} of CPython's")


# ---- the extension's own calls -------------------------------------------------------------------


class Shim:
    """The preloaded library."""

    def __init__(self, place: Path) -> None:
        self.path = place / "shim.so"
        # Its log is not where the program looks for modules: a file more there is a listing more.
        (place / "aside").mkdir(exist_ok=True)
        compiler = os.environ.get("CC", "cc").split()
        words = [*compiler, "-O1", "-shared", "-fPIC", str(HERE / "shim.c"), "-o", str(self.path)]
        done = subprocess.run([*words, "-ldl"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"cannot build shim.c: {done.stderr}")

    def environment(self, place: Path, fail: str) -> dict[str, str]:
        told = str(place / "aside" / "log")
        return {"LD_PRELOAD": str(self.path), "FAIL": fail, "FAIL_LOG": told}


def log(place: Path) -> str:
    try:
        return (place / "aside" / "log").read_text()
    except FileNotFoundError:
        return ""


def unseen(shim: Shim, place: Path, mode: str, fail: str) -> Done:
    clear(place)
    return python("unseen.py", cwd=place, PYFTRACE=mode, **shim.environment(place, fail))


def counted(place: Path) -> int:
    """Calls of the process that made most."""
    return max((int(line) for line in log(place).split() if line.isdigit()), default=0)


def amount(place: Path, mode: str) -> int:
    """Events or lines, whatever the mode leaves."""
    if not mode.startswith("record"):
        return (place / "out").read_text().count("\n") if (place / "out").exists() else 0
    if not (place / "data" / "run").exists():
        return 0
    recording = pyftrace.open(place / "data")
    expect(not recording.damage, "damaged:", recording.damage)
    return sum(1 for event in recording.events() if event.event != "lost")


def check_unseen(done: Done, plain: Done, place: Path, mode: str, whole: int) -> None:
    as_untraced(done, plain)
    found = amount(place, mode)
    said = our_lines(done.stderr)
    if mode.startswith("record") and (place / "data" / "run").exists():
        info = pyftrace.open(place / "data").info
        # Where memory for events is all that was lacking, their count is exact, or above.
        if info["why"] and all("had no memory" in why for why in info["why"]):
            told = found + info["missing"]
            expect(told >= whole, f"{found} of {whole}, and {info['missing']} said to be missing")
        said = said or info["why"]
    expect(found == whole or said, f"{found} of {whole}, without a word")
    expect(len(said) <= 3, said)


def try_calls(figures: Figures, place: Path, times: int) -> None:
    shim = Shim(place)
    (place / "unseen.py").write_text(UNSEEN)
    plain = python("unseen.py", cwd=place)
    expect(plain.returncode == 7, plain.stderr)
    for name, mode in MODES.items():
        for kind in KINDS:
            done = unseen(shim, place, mode, f"{kind}:0")
            as_untraced(done, plain)
            most, whole = counted(place), amount(place, mode)
            row = f"{kind}, {name}"
            for n in spread(range(1, most + 1), times):
                for fail in (f"{kind}:{n}", f"{kind}:{n}+"):
                    with figures.one(row, fail):
                        done = unseen(shim, place, mode, fail)
                        check_unseen(done, plain, place, mode, whole)
            if most:
                figures.note(row, f"of {most}, one and all from it on")


def written(place: Path) -> dict[str, bytes]:
    """What a verb left: its file, or the files of its directory."""
    out = place / "out"
    files = out.rglob("*") if out.is_dir() else [out]
    return {str(file.relative_to(place)): content(file) for file in files if file.is_file()}


def content(file: Path) -> bytes:
    """Without what differs from run to run: a database keeps when it was changed, and by whom."""
    if file.read_bytes()[:15] != b"SQLite format 3":
        return file.read_bytes()
    with contextlib.closing(sqlite3.connect(file)) as base:
        return "\n".join(base.iterdump()).encode()


def run_verb(place: Path, words: Sequence[str], **more: str) -> tuple[Done, dict[str, bytes]]:
    """Where nothing was written before."""
    out = place / "out"
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    (place / "aside" / "log").unlink(missing_ok=True)
    if list(words) == ["tui"]:
        return python("look.py", cwd=place, **more), written(place)
    return command(*words, "data", cwd=place, **more), written(place)


def check_verb(
    done: Done, left: dict[str, bytes], whole: Done, whole_left: dict[str, bytes]
) -> None:
    status = say_status(done.returncode)
    # 2: what cannot be opened is refused
    expect(done.returncode in (0, 1, 2), f"{status}: {done.stderr[-200:]!r}")
    lines = done.stderr.splitlines()
    expect(lines == our_lines(done.stderr), repr(done.stderr[-200:]))
    same = (done.stdout, left) == (whole.stdout, whole_left)
    expect(same or lines, "less, without a word")
    expect(same or done.returncode, "less, and called done:", *lines[:1])


def try_verbs(figures: Figures, place: Path, times: int, kinds: Sequence[str]) -> None:
    shim = Shim(place)
    (place / "unseen.py").write_text(UNSEEN)
    clear(place)
    command("record", "-q", "-v", "-a", "-o", "data", "unseen.py", cwd=place)
    (place / "look.py").write_text(LOOK)

    for verb, words in VERBS.items():
        for kind in kinds:
            row = f"{kind}, pyftrace {verb}"
            whole, whole_left = run_verb(place, words, **shim.environment(place, f"{kind}:0"))
            expect(whole.returncode == 0, whole.stderr)
            most = counted(place)
            for n in spread(range(1, most + 1), times):
                for fail in (f"{kind}:{n}", f"{kind}:{n}+"):
                    with figures.one(row, fail):
                        done, left = run_verb(place, words, **shim.environment(place, fail))
                        check_verb(done, left, whole, whole_left)
            if most:
                figures.note(row, f"of {most}, one and all from it on")


def main() -> int:
    parser = arguments(__doc__, 6)
    parser.add_argument(
        "--verbs", action="store_true", help="only memory, of what reads recordings"
    )
    given = parser.parse_args()
    times = max(1, given.times)
    figures = Figures("without memory, mappings, files or writes")
    with folder() as place:
        if given.verbs:
            try_verbs(figures, place, times, ("malloc",))
            return figures.end()
        try_calls(figures, place, times)
        try_verbs(figures, place, times, ("malloc", "open", "read", "write"))
        try_allocators(figures, place, times)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
