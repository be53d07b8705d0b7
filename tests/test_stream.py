"""The oracle, level one: seeded, generated programs run once under sys.setprofile and once traced;
the streams of entries and exits must be equal, event by event (start, resume, throw = call; return,
yield, unwind = return). Programs are rich in generators, throw and close, exceptions through C,
context managers, recursion and coroutines."""

import random
import sys

import pytest

import pyftrace
from pyftrace import _engine

PRELUDE = """
import contextlib

class Ctx:
    def __init__(self, swallow):
        self.swallow = swallow
    def __enter__(self):
        return self
    def __exit__(self, *exc):
        return self.swallow

class Node:
    count = 0
    def __init__(self, n):
        if n % 7 == 3:
            raise ValueError(n)
        self.n = n
    @property
    def prop(self):
        return self.n
    def __lt__(self, other):
        return self.n < other.n
    def __call__(self, x):
        return x + self.n

class Await:
    def __await__(self):
        got = yield "tick"
        return got

def run(coro):
    steps = 0
    try:
        while True:
            coro.send(None)
            steps += 1
            if steps == 5:
                coro.throw(KeyError("late"))
    except StopIteration as stop:
        return stop.value
    except KeyError:
        return "late"
"""


class Writer:
    """One program: functions f0..fN, each calling only those after it, so that it ends."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []

    def choose(self, *items: str) -> str:
        return self.random.choice(items)

    def statement(self, i: int, n: int, inside_generator: bool) -> list[str]:
        r = self.random
        callee = r.randrange(i + 1, n + 1)
        call = f"f{callee}({r.randrange(9)})"
        gen = f"g{callee}({r.randrange(4)})"
        some = [
            [f"x = {call}"],
            ["try:", f"    x = {call}", f"except {self.choose('ValueError', 'KeyError')}:",
             "    x = 1"],
            ["try:", f"    x = {call}", "finally:", "    x = 2"],
            [f"for y in {gen}:", "    x += 1"],
            [f"for y in {gen}:", "    break"],
            [f"it = {gen}", "next(it, None)", "it.close()"],
            [f"it = {gen}", "next(it, None)", "try:", "    it.throw(ValueError('thrown'))",
             "except (ValueError, StopIteration, RuntimeError):", "    pass"],
            [f"it = {gen}", "try:", "    it.throw(KeyError('unstarted'))", "except KeyError:",
             "    pass"],
            [f"it = {gen}", "next(it, None)", "del it"],
            [f"x = sum(y for y in {gen})"],
            [f"x = sorted([3, 1, 2], key=lambda v: f{callee}(v) or v)[0]"],
            [f"with Ctx({self.choose('True', 'False')}):", f"    x = {call}"],
            ["try:", "    with Ctx(False), contextlib.suppress(KeyError):", f"        x = {call}",
             "except ValueError:", "    x = 3"],
            ["try:", f"    x = Node({r.randrange(9)}).prop", "except ValueError:", "    x = 4"],
            [f"x = max([Node(1), Node(2)])({r.randrange(5)})"],
            [f"run(c{callee}({r.randrange(4)}))"],
            [f"x = [f{callee}(v) for v in range(2)][0]"],
            [f"x = list(map(f{callee}, [1]))[0]"],
        ]  # fmt: skip
        if inside_generator:
            some += [[f"yield {r.randrange(9)}"]] * 6
            some += [[f"yield from {gen}"]] * 2
            some += [
                ["try:", "    yield 1", "except GeneratorExit:", f"    f{callee}(1)", "    raise"]
            ]
            some += [["try:", "    yield 2", "except ValueError:", "    yield 3"]]
        return r.choice(some)

    def body(self, i: int, n: int, inside_generator: bool) -> None:
        self.lines.append("    x = a")
        for _ in range(self.random.randrange(1, 4)):
            self.lines += ["    " + line for line in self.statement(i, n, inside_generator)]
        if self.random.random() < 0.2:
            kind = self.choose("ValueError", "KeyError")
            self.lines.append(f"    if a == {self.random.randrange(9)}: raise {kind}(a)")
        if inside_generator:
            self.lines.append("    yield x")
        self.lines.append("    return x if isinstance(x, int) else 0")

    def program(self, n: int = 5) -> str:
        for i in range(n):
            self.lines.append(f"def f{i}(a):")
            self.body(i, n, False)
            self.lines.append(f"def g{i}(a):")
            self.body(i, n, True)
            self.lines.append(f"async def c{i}(a):")
            self.lines += ["    await Await()", f"    x = f{min(i + 1, n)}(a)"]
            if self.random.random() < 0.5:
                self.lines += [
                    "    try:",
                    f"        await c{min(i + 1, n)}(a)",
                    "    finally:",
                    "        x = 5",
                ]
            self.lines.append("    return x")
        self.lines += [
            f"def f{n}(a):", "    if a == 8: raise ValueError(a)", "    return a",
            f"def g{n}(a):", "    for i in range(a): yield i",
            f"async def c{n}(a):", "    await Await()", "    return a",
            "def main():", "    for i in range(9):", "        try:", "            f0(i)",
            "        except (ValueError, KeyError):", "            pass",
        ]  # fmt: skip
        return PRELUDE + "\n".join(self.lines)


FILE = "<generated>"


def by_setprofile(main) -> list[str]:
    seen: list[str] = []

    def profile(frame, event, arg):
        if frame.f_code.co_filename == FILE and event in ("call", "return"):
            seen.append(("+" if event == "call" else "-") + frame.f_code.co_qualname)

    sys.setprofile(profile)
    try:
        main()
    finally:
        sys.setprofile(None)
    return seen


class Lines:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def write(self, text: str) -> None:
        verb, name = text.split(None, 2)[:2]
        sign = "+" if verb in ("Called", "Resuming") else "-"
        self.seen.append(sign + name.partition(":")[0].partition("->")[0])


def by_pyftrace(main) -> list[str]:
    lines = Lines()
    tap = _engine.Tap("text", include=(FILE,), only=(FILE,), values="none", stream=lines)
    tap.enter()
    try:
        main()
    finally:
        tap.leave()
        tap.close()
    return lines.seen


def events_of(seed: int) -> tuple[list[str], list[str]]:
    text = Writer(seed).program()
    streams = []
    for watch in (by_setprofile, by_pyftrace):
        space: dict = {"__name__": "generated"}
        exec(compile(text, FILE, "exec"), space)
        streams.append(watch(space["main"]))
    return streams[0], [line for line in streams[1]]


@pytest.mark.parametrize("block", range(8))
def test_streams_are_equal(block: int, nothing_left_on):
    events = 0
    for seed in range(block * 50, block * 50 + 50):
        expected, got = events_of(seed)
        names = [name for name in expected if name[1:].partition(":")[0]]
        assert got == names, f"seed {seed}: {first_difference(names, got)}"
        events += len(got)
    assert events > 1000


def first_difference(a: list[str], b: list[str]) -> str:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return f"event {i}: setprofile {a[i - 3 : i + 3]}, pyftrace {b[i - 3 : i + 3]}"
    return f"lengths {len(a)} and {len(b)}; {a[-3:]} {b[-3:]}"


def test_counts_of_the_report_agree_with_the_stream():
    for seed in range(40):
        text = Writer(seed).program()
        space: dict = {"__name__": "generated"}
        exec(compile(text, FILE, "exec"), space)
        expected = by_setprofile(space["main"])
        with pyftrace.report(only=FILE) as r:
            space["main"]()
        counted = {row.function: row.calls + row.resumes for row in r.rows}
        entered: dict[str, int] = {}
        for event in expected:
            if event[0] == "+":
                entered[event[1:]] = entered.get(event[1:], 0) + 1
        merged: dict[str, int] = {}
        for name, count in counted.items():
            name = name.partition("#")[0]
            merged[name] = merged.get(name, 0) + count
        assert merged == entered, seed
