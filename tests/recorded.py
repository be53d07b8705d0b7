"""A program with all that is hard to add up, recorded once for the tests of exports."""

import subprocess
import sys
from pathlib import Path

from conftest import clean_environment

import pyftrace as api

INCOMPLETE = "pyftrace: the recording is INCOMPLETE: a ring: "

PROGRAM = """\
import asyncio, sys, threading
sys.setrecursionlimit(5000)
def leaf(n): return n
def fact(n):
    leaf(n)
    return 1 if n < 2 else n * fact(n - 1)
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
def gen(n):
    for i in range(n):
        leaf(i)
        yield i
def first(g): return next(g)
def rest(g): return list(g)
def fail(n):
    if n == 0: raise ValueError("=bad; \\x1b")
    fail(n - 1)
class Box:
    @property
    def size(self): return leaf(1)
    @size.setter
    def size(self, n): leaf(n)
async def step(n):
    await asyncio.sleep(0)
    return leaf(n)
async def tasks():
    await asyncio.gather(*[asyncio.create_task(step(n), name=f"t{n}") for n in range(3)])
def work(): fact(4)
pair = (lambda n: leaf(n)), (lambda n: leaf(n) + 1)
pair[0](1); pair[1](2); pair[1](3)
fact(5); even(6); odd(3); even(1300)
g = gen(5); first(g); first(g); rest(g)
try: fail(3)
except ValueError: pass
box = Box(); box.size; box.size = 2
asyncio.run(tasks())
for i in range(2):
    t = threading.Thread(target=work, name=f"w{i}"); t.start(); t.join()
exec(compile("def leaf(n): return n\\nleaf(1)", "other.py", "exec"), {"__name__": "other"})
"""
# What must be seen of it, by name and line.
CALLS = {
    ("leaf", 3): 26, ("fact", 4): 13, ("even", 7): 657, ("odd", 8): 655, ("gen", 9): 1,
    ("first", 13): 2, ("rest", 14): 1, ("fail", 15): 4, ("Box", 18): 1, ("Box.size", 19): 1,
    ("Box.size", 21): 1, ("step", 23): 3, ("tasks", 26): 1, ("work", 28): 2,
    ("<lambda>#1", 29): 1, ("<lambda>#2", 29): 2, ("leaf", 1): 1,
}  # fmt: skip
Function = tuple[str, int]  # name and line
Figures = tuple[int, int, int]  # calls, total_ns, self_ns


def record(folder: Path, program: str = PROGRAM, *options: str) -> "api.Recording":
    """A recording of the program, in folder/pyftrace.data."""
    (folder / "app.py").write_text(program)
    words = [sys.executable, "-m", "pyftrace", "record", "-q", *options, "app.py"]
    subprocess.run(words, cwd=folder, env=clean_environment(), check=True, capture_output=True)
    return api.open(folder / "pyftrace.data")


def dump(folder: Path, name: str, *words: str, message: str = "") -> Path:
    """The export; what is said of it begins with the message."""
    out = folder / f"out.{name}"
    command = [sys.executable, "-m", "pyftrace", "dump", "--format", name, "-o", str(out), *words]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr[: len(message) or None]) == (0, "", message)
    return out


def totals(recording: "api.Recording") -> dict[Function, Figures]:
    """Of each function, as the report has them."""
    rows = recording.report().rows
    found = {(row.function, row.line): (row.calls, row.total_ns, row.self_ns) for row in rows}
    assert len(found) == len(rows)
    return found


def by_caller(recording: "api.Recording") -> dict[tuple[Function | None, Function], list[int]]:
    """[calls, those within no other of the function, their ns, self_ns], counted from the events
    with nothing of the exporters: a lambda is known by its column."""
    found: dict[tuple[Function | None, Function], list[int]] = {}
    columns = sorted({e.column for e in recording.events() if e.function == "<lambda>"})
    stacks: dict[int, list[list]] = {}
    for e in recording.events():
        assert e.function is not None
        stack = stacks.setdefault(e.thread, [])
        unnamed = e.function == "<lambda>"
        name = f"<lambda>#{columns.index(e.column) + 1}" if unnamed else e.function
        if e.event in ("start", "resume", "throw"):
            stack.append([(name, e.line), e.t, 0, e.event == "start"])
            continue
        function, begin, below, started = stack.pop()
        outermost = function not in [entry[0] for entry in stack]
        edge = found.setdefault((stack[-1][0] if stack else None, function), [0, 0, 0, 0])
        edge[0] += started
        edge[1] += started and outermost
        edge[2] += (e.t - begin) * outermost
        edge[3] += e.t - begin - below
        if stack:
            stack[-1][2] += e.t - begin
    assert not any(stacks.values())
    return found
