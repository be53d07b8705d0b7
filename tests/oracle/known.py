"""L2 and L3: programs whose trace is known by construction. Each piece writes a few lines and says
what happens in them, from what the language means; nothing is asked of the interpreter. Between
the events the program moves the clock by ``tick(ns)``: with an engine built on such a clock, times
are known too."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from oracle.programs import FILE

# ("tick", nanoseconds), or (kind of event, function, number of the run; 0: a plain function).
Step = tuple[Any, ...]
Piece = tuple[list[str], list[Step]]
UNIT = 4000  # ns; a recording keeps times to a few ns
OPENS = ("start", "resume", "throw")

HEAD = """
import contextlib
def drive(coro):
    coro.send(None)
"""


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


class Known:
    """One program: ``text``, and ``steps`` of a call of its main(), which has every piece."""

    def __init__(self, seed: int, size: int = 20) -> None:
        self.random = random.Random(seed)
        self.left = size
        self.names = 0
        self.runs = 0
        self.functions: list[str] = []
        body, steps = self.tick()
        for piece in self.random.sample(PIECES, len(PIECES)):
            lines, happens = piece(self, 1)
            (after,), last = self.tick()
            body += [*lines, after]
            steps += [*happens, *last]
        self.functions += ["def main():", *indented(body)]
        self.text = HEAD + "\n".join(self.functions) + "\n"
        self.steps: list[Step] = [("start", "main", 0), *steps, ("return", "main", 0)]

    # ---- pieces ----------------------------------------------------------------------------------

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def run(self) -> int:
        self.runs += 1
        return self.runs

    def tick(self) -> Piece:
        ns = UNIT * self.random.randrange(1, 50)
        return [f"tick({ns})"], [("tick", ns)]

    def several(self, depth: int) -> Piece:
        """A few pieces, one after another."""
        lines, steps = self.tick()
        for _ in range(self.random.randrange(3)):
            if depth > 5 or self.left <= 0:
                break
            self.left -= 1
            more, happens = self.random.choice(PIECES)(self, depth + 1)
            lines += more
            steps += happens
            more, happens = self.tick()
            lines += more
            steps += happens
        return lines, steps

    def define(self, head: str, body: list[str]) -> None:
        self.functions += [head, *indented(body)]

    def call(self, depth: int) -> Piece:
        f = self.name("f")
        body, steps = self.several(depth)
        self.define(f"def {f}():", body)
        return [f"{f}()"], [("start", f, 0), *steps, ("return", f, 0)]

    def raising(self, depth: int) -> Piece:
        """Through two functions, into a third."""
        f, g = self.name("f"), self.name("f")
        first, a = self.several(depth)
        inner, b = self.several(depth)
        self.define(f"def {f}():", [*first, f"{g}()"])
        self.define(f"def {g}():", [*inner, "raise ValueError"])
        lines = ["try:", f"    {f}()", "except ValueError:", "    pass"]
        return lines, [
            ("start", f, 0), *a, ("start", g, 0), *b, ("unwind", g, 0), ("unwind", f, 0),
        ]  # fmt: skip

    def recursion(self, depth: int) -> Piece:
        f = self.name("r")
        n = self.random.randrange(1, 5)
        (before,), a = self.tick()
        (after,), b = self.tick()
        self.define(f"def {f}(n):", [before, f"if n: {f}(n - 1)", after])
        return [f"{f}({n})"], [("start", f, 0), *a] * (n + 1) + [*b, ("return", f, 0)] * (n + 1)

    def loop(self, depth: int) -> Piece:
        """A generator to its end, with other calls while it sleeps."""
        g, run = self.name("g"), self.run()
        body, a = self.several(depth)
        between, b = self.tick()
        call, c = self.call(depth)
        self.define(f"def {g}():", [*body, "yield 1", *between, "yield 2", *between])
        return [f"for _ in {g}():", *indented(call)], [
            ("start", g, run), *a, ("yield", g, run), *c,
            ("resume", g, run), *b, ("yield", g, run), *c,
            ("resume", g, run), *b, ("return", g, run),
        ]  # fmt: skip

    def closed(self, depth: int) -> Piece:
        """Closed, deleted, or thrown into, while it is suspended in a try."""
        g, run = self.name("g"), self.run()
        body, a = self.several(depth)
        last, b = self.several(depth)
        self.define(f"def {g}():", [*body, "try:", "    yield", "finally:", *indented(last)])
        end = self.random.choice(
            (["it.close()"], ["del it"], ["it = None"],
             ["try:", "    it.throw(ValueError)", "except ValueError:", "    pass"])
        )  # fmt: skip
        lines = [f"it = {g}()", "next(it)", *end]
        return lines, [
            ("start", g, run), *a, ("yield", g, run), ("throw", g, run), *b, ("unwind", g, run),
        ]  # fmt: skip

    def caught(self, depth: int) -> Piece:
        """Thrown into, caught, yields again, then its end."""
        g, run = self.name("g"), self.run()
        body, a = self.several(depth)
        last, b = self.tick()
        self.define(
            f"def {g}():",
            [*body, "try:", "    yield", "except KeyError:", *indented(last), "    yield", *last],
        )
        lines = [f"it = {g}()", "next(it)", "it.throw(KeyError)", "list(it)"]
        return lines, [
            ("start", g, run), *a, ("yield", g, run), ("throw", g, run), *b, ("yield", g, run),
            ("resume", g, run), *b, ("return", g, run),
        ]  # fmt: skip

    def unstarted(self, depth: int) -> Piece:
        g, run = self.name("g"), self.run()
        self.define(f"def {g}():", ["yield"])
        lines = [f"it = {g}()", "try:", "    it.throw(KeyError)", "except KeyError:", "    pass"]
        return lines, [("throw", g, run), ("unwind", g, run)]

    def stopping(self, depth: int) -> Piece:
        """StopIteration raised in a generator leaves it as a RuntimeError."""
        g, run = self.name("g"), self.run()
        body, a = self.several(depth)
        self.define(f"def {g}():", ["yield", *body, "raise StopIteration"])
        lines = ["try:", f"    list({g}())", "except RuntimeError:", "    pass"]
        return lines, [
            ("start", g, run), ("yield", g, run), ("resume", g, run), *a, ("unwind", g, run),
        ]  # fmt: skip

    def delegating(self, depth: int) -> Piece:
        """yield from, to the end; or an exception through both, the inner one first."""
        g, run = self.name("g"), self.run()
        h, inner = self.name("g"), self.run()
        body, a = self.several(depth)
        last, b = self.several(depth)
        self.define(f"def {g}():", [*body, f"yield from {h}()", *last])
        self.define(f"def {h}():", ["try:", "    yield", "finally:", *indented(last)])
        begun = [
            ("start", g, run), *a, ("start", h, inner), ("yield", h, inner), ("yield", g, run),
        ]  # fmt: skip
        if self.random.random() < 0.5:
            return [f"list({g}())"], [
                *begun, ("resume", g, run), ("resume", h, inner), *b, ("return", h, inner),
                *b, ("return", g, run),
            ]  # fmt: skip
        lines = [f"it = {g}()", "next(it)", "try:", "    it.throw(KeyError)"]
        lines += ["except KeyError:", "    pass"]
        return lines, [
            *begun, ("throw", h, inner), *b, ("unwind", h, inner),
            ("throw", g, run), ("unwind", g, run),
        ]  # fmt: skip

    def from_c(self, depth: int) -> Piece:
        """Called by C code, which an exception may cross."""
        f = self.name("f")
        body, a = self.several(depth)
        once = [("start", f, 0), *a, ("return", f, 0)]
        if self.random.random() < 0.4:
            self.define(f"def {f}(x=0):", [*body, "raise KeyError"])
            lines = ["try:", f"    sorted([2, 1], key={f})", "except KeyError:", "    pass"]
            return lines, [("start", f, 0), *a, ("unwind", f, 0)]
        self.define(f"def {f}(x=0):", [*body, "return x"])
        return self.random.choice(
            (
                ([f"sorted([2, 1], key={f})"], once * 2),
                ([f"list(map({f}, [1, 2, 3]))"], once * 3),
                ([f"max(1, 2, key={f})"], once * 2),
            )
        )

    def method(self, depth: int) -> Piece:
        """What the interpreter calls by itself: properties, operators, construction."""
        k = self.name("K")
        body, a = self.several(depth)
        how, first, uses = self.random.choice(
            (
                ("__init__", "def __init__(self):", [f"{k}()"]),
                ("prop", "@property\n    def prop(self):", [f"{k}().prop"]),
                ("__len__", "def __len__(self):", [f"len({k}())"]),
                ("__add__", "def __add__(self, other):", [f"{k}() + 1"]),
                ("__getattr__", "def __getattr__(self, name):", [f"{k}().absent"]),
                ("__del__", "def __del__(self):", [f"{k}()"]),
            )
        )
        result = ["return 1"] if how in ("prop", "__len__", "__add__", "__getattr__") else []
        self.functions += [f"class {k}:", "    " + first, *indented(indented([*body, *result]))]
        return uses, [("start", f"{k}.{how}", 0), *a, ("return", f"{k}.{how}", 0)]

    def broken_init(self, depth: int) -> Piece:
        k = self.name("K")
        body, a = self.several(depth)
        self.functions += [f"class {k}:", "    def __init__(self):"]
        self.functions += indented(indented([*body, "raise ValueError"]))
        lines = ["for _ in range(3):", "    try:", f"        {k}()", "    except ValueError:"]
        name = f"{k}.__init__"
        return [*lines, "        pass"], [("start", name, 0), *a, ("unwind", name, 0)] * 3

    def managed(self, depth: int) -> Piece:
        """contextlib.contextmanager, with a body that raises or not; the exception is taken."""
        m, run = self.name("m"), self.run()
        body, a = self.several(depth)
        last, b = self.several(depth)
        inner, c = self.several(depth)
        self.functions += ["@contextlib.contextmanager", f"def {m}():"]
        self.functions += indented(
            [*body, "try:", "    yield", "except ValueError:", "    pass", *last]
        )
        raises = self.random.random() < 0.5
        lines = [f"with {m}():", *indented([*inner, "raise ValueError" if raises else "pass"])]
        return lines, [
            ("start", m, run), *a, ("yield", m, run), *c,
            ("throw" if raises else "resume", m, run), *b, ("return", m, run),
        ]  # fmt: skip

    def coroutine(self, depth: int) -> Piece:
        """Awaits another, and an asynchronous generator, without being suspended."""
        c, run = self.name("c"), self.run()
        d, inner = self.name("c"), self.run()
        g, gen = self.name("a"), self.run()
        body, a = self.several(depth)
        last, b = self.several(depth)
        self.define(
            f"async def {c}():", [f"await {d}()", f"async for _ in {g}():", *indented(last)]
        )
        self.define(f"async def {d}():", body)
        self.define(f"async def {g}():", ["yield", *body])
        lines = ["try:", f"    drive({c}())", "except StopIteration:", "    pass"]
        return lines, [
            ("start", "drive", 0), ("start", c, run),
            ("start", d, inner), *a, ("return", d, inner),
            ("start", g, gen), ("yield", g, gen), *b, ("resume", g, gen), *a, ("return", g, gen),
            ("return", c, run), ("unwind", "drive", 0),
        ]  # fmt: skip


PIECES: tuple[Callable[[Known, int], Piece], ...] = (
    Known.call, Known.call, Known.raising, Known.recursion, Known.loop, Known.closed, Known.caught,
    Known.unstarted, Known.stopping, Known.delegating, Known.from_c, Known.method,
    Known.broken_init, Known.managed, Known.coroutine,
)  # fmt: skip


# ---- what follows from the steps -----------------------------------------------------------------


class Timed(NamedTuple):
    """One event: its kind, function, run, depth, and ns since main() began."""

    kind: str
    name: str
    run: int
    depth: int
    t: int


def timed(steps: list[Step]) -> list[Timed]:
    """The events. What a piece says may happen several times: each run gets a number of its own, in
    order of their beginnings."""
    events, now, depth, runs = [], 0, 0, 0
    numbers = {0: 0}
    for kind, what, *run in steps:
        if kind == "tick":
            now += what
            continue
        depth -= kind not in OPENS
        if run[0] not in numbers:
            runs += 1
            numbers[run[0]] = runs
        events.append(Timed(kind, what, numbers[run[0]], depth, now))
        if run[0] and kind in ("return", "unwind"):
            del numbers[run[0]]
        depth += kind in OPENS
    return events


class Row(NamedTuple):
    """What a report says of one function."""

    calls: int
    resumes: int
    total: int
    self: int
    least: int
    most: int


def report(events: list[Timed]) -> dict[str, Row]:
    """Times over whole runs, a suspended time not counted; recursion once in the total."""
    counts: dict[str, list[int]] = {}
    spans: dict[str, list[int]] = {}
    parts: dict[int, int] = {}
    stack: list[list[Any]] = []  # function, since, time of what it called
    for kind, name, run, _, t in events:
        row = counts.setdefault(name, [0, 0, 0, 0])
        if kind in OPENS:
            row[0] += kind == "start"
            row[1] += kind != "start"
            stack.append([name, t, 0])
            continue
        opened = stack.pop()
        lasted = t - opened[1]
        row[3] += lasted - opened[2]
        if stack:
            stack[-1][2] += lasted
        if not any(other[0] == name for other in stack):
            row[2] += lasted
        whole = lasted + (parts.pop(run, 0) if run else 0)
        if kind == "yield":
            parts[run] = whole
        else:
            spans.setdefault(name, []).append(whole)
    return {
        name: Row(*row, min(spans.get(name, [0])), max(spans.get(name, [0])))
        for name, row in counts.items()
    }


def compiled(program: Known, tick: Callable[[int], object]) -> Callable[[], object]:
    """Its main()."""
    space: dict = {"__name__": "generated", "tick": tick}
    exec(compile(program.text, FILE, "exec"), space)
    main: Callable[[], object] = space["main"]
    return main
