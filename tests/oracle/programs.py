"""Seeded Python programs that run, end, and do the same each time: statements drawn from the
tables below, in functions that call only functions with a higher number. Nothing in them looks at
the time, at addresses or at the order of a set."""

import random
import re
from types import CodeType

FILE = "<oracle>"

PRELUDE = """
import asyncio
import contextlib
import functools
import threading

class Ctx:
    def __init__(self, swallow):
        self.swallow = swallow
    def __enter__(self):
        return self
    def __exit__(self, *exc):
        return self.swallow

class ACtx:
    async def __aenter__(self):
        await Await()
        return self
    async def __aexit__(self, *exc):
        await Await()
        return exc[0] is KeyError

class Field:
    def __set_name__(self, owner, name):
        self.name = "_" + name
    def __get__(self, instance, owner):
        return getattr(instance, self.name)
    def __set__(self, instance, value):
        setattr(instance, self.name, value)

class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)

class Base:
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
    def __init__(self, n):
        if n % 7 == 3:
            raise ValueError(n)
        self.n = n

class Node(Base):
    field = Field()
    def __init__(self, n):
        super().__init__(n)
        self.field = n
    @property
    def prop(self):
        return self.field
    @classmethod
    def make(cls, n):
        return cls(n)
    @staticmethod
    def double(n):
        return 2 * n
    def __lt__(self, other):
        return self.n < other.n
    def __eq__(self, other):
        return self.n == other.n
    def __hash__(self):
        return self.n
    def __add__(self, other):
        return NotImplemented
    def __radd__(self, other):
        return self.n + other
    def __call__(self, x):
        return x + self.n
    def __getattr__(self, name):
        if name == "missing":
            raise AttributeError(name)
        return self.n
    def __getitem__(self, i):
        if i > 2:
            raise IndexError(i)
        return i
    def __len__(self):
        return 2
    def __bool__(self):
        return self.n > 2
    def __contains__(self, x):
        return x == self.n
    def __iter__(self):
        yield self.n
        yield self.n + 1
    def __del__(self):
        self.n = 0

class Plain(metaclass=Meta):
    pass

class Counter:
    def __init__(self, n):
        self.n = n
    def __iter__(self):
        return self
    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n

class Await:
    def __await__(self):
        got = yield "tick"
        return got

@contextlib.contextmanager
def managed(n):
    try:
        yield n
    except KeyError:
        pass

@contextlib.contextmanager
def careless(n):
    yield n

@contextlib.asynccontextmanager
async def amanaged(n):
    try:
        yield n
    except KeyError:
        await Await()

@functools.lru_cache(maxsize=None)
def cached(n):
    if n == 5:
        raise ValueError(n)
    return n

def wrapped(func):
    @functools.wraps(func)
    def wrapper(*args):
        return func(*args)
    return wrapper

def bare(func):
    def inner(*args):
        return func(*args)
    return inner

def two(a, b):
    return a

def recurse(n, func):
    if n <= 0:
        return func(n + 1)
    return recurse(n - 1, func)

def deep(n):
    if n:
        yield n
        yield from deep(n - 1)

def stubborn(n):
    while n:
        try:
            n -= 1
            yield n
        except GeneratorExit:
            yield -1

def stopping(n):
    yield n
    raise StopIteration(n)

def raising(x):
    raise KeyError(x)

async def awaiting(n):
    for i in range(n):
        await Await()
    return n

def run(coro):
    steps = 0
    try:
        while True:
            coro.send(None)
            steps += 1
            if steps == 5:
                coro.throw(KeyError("late"))
            if steps == 9:
                coro.close()
                return -1
    except StopIteration as stop:
        return stop.value
    except KeyError:
        return -2

def evaluated(text):
    x = eval(text)
    return two(x, text)
def quietly(func, n):
    try:
        return func(n)
    except Exception:
        return -1
"""

# What stands between braces is chosen anew each time: {f} {g} {c} {a} are calls of a function, a
# generator function, a coroutine function, an asynchronous generator function, {fn} the name of a
# function, {n} a small number, {E} an exception, {w} the name of a thread.
ANYWHERE = """
x = {f}
---
x = {f}
---
try:
    x = {f}
except {E}:
    x = 1
---
try:
    x = {f}
finally:
    x = 2
---
try:
    x = {f}
except {E} as error:
    raise {E}(x) from error
else:
    {f}
finally:
    {f}
---
for y in {g}:
    x += 1
---
for y in {g}:
    break
---
for y in {g}:
    {f}
---
it = {g}
next(it, None)
it.close()
it.close()
---
it = {g}
it.close()
---
it = {g}
next(it, None)
try:
    it.throw({E}("thrown"))
except (ValueError, KeyError, StopIteration, RuntimeError):
    pass
next(it, None)
---
it = {g}
try:
    it.throw({E}("unstarted"))
except {E}:
    pass
---
it = {g}
next(it, None)
del it
---
it = {g}
try:
    next(it)
    it.send({n})
    it.send({n})
except StopIteration:
    pass
---
it = {g}
next(it, None)
next(it, None)
it = None
---
x = sum(y for y in {g})
---
x = any(y > {n} for y in {g})
---
x = sum(deep({n}))
---
it = deep(4)
next(it), next(it)
try:
    it.throw({E}({n}))
except {E}:
    pass
---
it = deep(3)
next(it), next(it)
it.close()
---
it = stubborn(2)
next(it)
try:
    it.close()
except RuntimeError:
    pass
---
it = stubborn(3)
next(it)
del it
---
try:
    x = list(stopping({n}))[0]
except RuntimeError:
    x = 5
---
x = sorted([3, 1, 2], key=lambda v: {fn}(v) or v)[0]
---
try:
    x = sorted([{n}, 8, 2], key={fn})[0] or 1
except TypeError:
    x = 0
---
x = max([Node(1), Node(2)])({n})
---
x = list(map({fn}, [{n}, 1]))[0]
---
x = sum(1 for y in filter({fn}, [{n}, 0]))
---
x = functools.reduce(lambda p, q: p + ({fn}(q) or 0), [1, 2, {n}])
---
x = functools.partial({fn}, {n})()
---
x = functools.partial(two, 1)({n})
---
x = [{fn}(v) for v in range(2)][0]
---
x = len(set([{fn}({n}) for v in range(2)]))
---
with Ctx({b}):
    x = {f}
---
try:
    with Ctx(False), contextlib.suppress(KeyError):
        x = {f}
except ValueError:
    x = 3
---
with managed({n}) as x:
    {f}
    if x == {n}:
        raise KeyError(x)
---
try:
    with careless({n}) as x:
        {f}
        raise {E}(x)
except {E}:
    x = 4
---
with contextlib.ExitStack() as stack:
    stack.enter_context(managed({n}))
    stack.callback({fn}, {n})
    stack.push(Ctx({b}))
    {f}
---
with contextlib.closing({g}) as it:
    next(it, None)
---
try:
    x = Node({n}).prop
except ValueError:
    x = 4
---
try:
    node = Node.make({n})
    node.field = Node.double({n})
    x = node.field + node.absent + len(node) + node[1]
    x += sum(node) + (3 in node) + (1 + node)
    x += node == Node(1)
    node.missing
except (ValueError, AttributeError):
    x = 5
---
x = sum(Counter({n}))
---
for y in Counter(2):
    x = {f}
---
try:
    two({n})
except TypeError:
    x = 6
---
try:
    Node(1, 2)
except TypeError:
    x = 7
---
for y in range(12):
    try:
        Node(y)
    except ValueError:
        pass
---
Plain()
---
x = quietly(cached, {n}) + quietly(cached, {n})
---
x = wrapped({fn})({n})
---
x = bare(bare({fn}))({n})
---
x = recurse({n}, {fn})
---
x = eval("{f}")
---
exec("for q in {g}: pass")
---
class Local(Base):
    kept = {n}
    field = Field()
    def method(self, n):
        return {fn}(n)
try:
    x = Local({n}).method(1)
except (ValueError, AttributeError):
    x = 8
---
x = (lambda v: {fn}(v))({n})
---
x = run({c})
---
co = {c}
co.close()
---
co = {c}
try:
    co.send(None)
except StopIteration:
    pass
co.close()
---
co = {c}
try:
    co.send(None)
    co.throw({E}("into"))
except (StopIteration, {E}):
    pass
del co
---
it = iter(lambda: {fn}(1), {n})
for y, z in zip(it, range(2)):
    x = z
---
x = "%s" % len([v for v in "abc" if {f} or v])
x = 1
"""

GENERATOR = """
yield {n}
---
yield x
---
x = (yield {n}) or 1
---
yield from {g}
---
x = (yield from {g}) or 1
---
yield from [1, 2]
---
yield from Counter(2)
---
try:
    yield 1
except GeneratorExit:
    {f}
    raise
---
try:
    yield 2
except {E}:
    yield 3
---
try:
    yield 4
finally:
    {f}
---
try:
    yield from {g}
except {E}:
    yield {f}
---
with managed({n}):
    yield 5
---
with Ctx({b}):
    yield from {g}
"""

COROUTINE = """
await Await()
---
x = await {c}
---
try:
    x = await {c}
finally:
    x = 5
---
try:
    x = await {c}
except {E}:
    await Await()
---
async for y in {a}:
    x += 1
---
async for y in {a}:
    break
---
x = len([y async for y in {a}])
---
it = {a}
try:
    await it.__anext__()
except StopAsyncIteration:
    pass
await it.aclose()
---
it = {a}
try:
    await it.__anext__()
    await it.athrow({E}("into"))
except (StopAsyncIteration, {E}, RuntimeError):
    pass
---
it = {a}
try:
    await it.asend(None)
    await it.asend(1)
except StopAsyncIteration:
    pass
del it
---
async with ACtx():
    x = {f}
---
async with amanaged({n}) as x:
    {f}
    await Await()
    raise KeyError(x)
---
async with contextlib.AsyncExitStack() as stack:
    await stack.enter_async_context(ACtx())
    x = {f}
"""

ASYNCGEN = """
yield {n}
---
yield x
---
await Await()
yield {n}
---
try:
    yield 1
finally:
    {f}
---
try:
    yield 2
except {E}:
    await Await()
"""

ASYNCIO = """
x = await asyncio.gather(*[asyncio.create_task({c}) for _ in range(2)], return_exceptions=True)
---
task = asyncio.create_task({c})
await asyncio.sleep(0)
task.cancel()
try:
    await task
except (asyncio.CancelledError, ValueError, KeyError, RuntimeError):
    pass
---
task = asyncio.ensure_future(asyncio.shield(waiting({n}, {fn})))
await asyncio.sleep(0)
task.cancel()
await asyncio.gather(task, return_exceptions=True)
await asyncio.sleep(0)
---
try:
    async with asyncio.TaskGroup() as group:
        group.create_task(waiting({n}, {fn}))
        group.create_task(waiting({n}, {fn}))
except* (ValueError, KeyError, RuntimeError):
    pass
---
async for y in ticking({n}, {fn}):
    if y == {n}:
        break
---
it = ticking(3, {fn})
await it.__anext__()
del it
await asyncio.sleep(0)
---
it = ticking(3, {fn})
await it.__anext__()
try:
    await it.athrow({E}({n}))
except {E}:
    pass
---
loop = asyncio.get_running_loop()
loop.call_soon(quietly, {fn}, {n})
await asyncio.sleep(0)
---
event = asyncio.Event()
task = asyncio.create_task(event.wait())
await asyncio.sleep(0)
event.set()
await task
"""

ASYNCIO_PRELUDE = """
async def waiting(n, func):
    try:
        for i in range(n):
            await asyncio.sleep(0)
        return func(n)
    finally:
        await asyncio.sleep(0)

async def ticking(n, func):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        func(1)
"""

THREADS = """
work = threading.Thread(target=quietly, args=({fn}, {n}), name="{w}")
work.start()
work.join()
---
works = [
    threading.Thread(target=quietly, args=({fn}, {n}), name="{w}"),
    threading.Thread(target=quietly, args=(sum, {g}), name="{w}"),
]
for work in works:
    work.start()
for work in works:
    work.join()
---
it = {g}
quietly(next, it)
work = threading.Thread(target=quietly, args=(next, it), name="{w}")
work.start()
work.join()
quietly(next, it)
---
local = threading.local()
work = threading.Timer(0, quietly, ({fn}, {n}))
work.name = "{w}"
work.start()
work.join()
"""


def table(text: str) -> list[list[str]]:
    return [block.strip("\n").split("\n") for block in text.split("\n---\n")]


PLACE = re.compile(r"\{(\w+)\}")
ANYWHERE_ROWS = table(ANYWHERE)
GENERATOR_ROWS = ANYWHERE_ROWS[::2] + table(GENERATOR) * 4
COROUTINE_ROWS = ANYWHERE_ROWS[::2] + table(COROUTINE) * 3
ASYNCGEN_ROWS = table(ASYNCGEN) * 3 + table(COROUTINE)
ASYNCIO_ROWS = table(ASYNCIO)
THREAD_ROWS = table(THREADS)


class Writer:
    """One program: functions of four kinds in ``levels`` levels, those of the last one leaves. Only
    what is called from above is written."""

    def __init__(self, seed: int, levels: int = 4) -> None:
        self.random = random.Random(seed)
        self.levels = levels
        self.lines: list[str] = []
        self.wanted: set[str] = {"f0"}
        self.threads = 0

    def placeholder(self, name: str, level: int) -> str:
        r = self.random
        callee = r.randrange(level + 1, self.levels + 1)
        if name in ("f", "g", "c", "a"):
            self.wanted.add(f"{name}{callee}")
            return f"{name}{callee}({r.randrange(9) if name == 'f' else r.randrange(4)})"
        if name == "fn":
            self.wanted.add(f"f{callee}")
            return f"f{callee}"
        if name == "n":
            return str(r.randrange(6))
        if name == "b":
            return r.choice(("True", "False"))
        if name == "w":
            self.threads += 1
            return f"w{self.threads}"
        if name in PLACES_OF_ESSENTIAL:
            return r.choice(PLACES_OF_ESSENTIAL[name])
        assert name == "E"
        return r.choice(("ValueError", "KeyError"))

    def statement(self, rows: list[list[str]], level: int, indent: str) -> None:
        for line in self.random.choice(rows):
            filled = PLACE.sub(lambda match: self.placeholder(match[1], level), line)
            self.lines.append(indent + filled)

    def function(self, kind: str, level: int) -> None:
        r = self.random
        head, rows, last = KINDS[kind]
        self.lines += [f"{head} {kind}{level}(a):", "    x = a"]
        for _ in range(r.randrange(3, 7) if level == 0 else r.randrange(1, 4)):
            self.statement(rows, level, "    ")
        if r.random() < 0.25:
            error = self.placeholder("E", level)
            self.lines.append(f"    if a == {r.randrange(6)}: raise {error}(a)")
        self.lines.append(last)

    def main(self) -> None:
        r = self.random
        self.lines += ["def body():", f"    for i in range({r.randrange(2, 5)}):"]
        self.lines += ["        quietly(f0, i)"]
        for rows in ESSENTIAL_ROWS:
            self.lines.append("    try:")
            self.statement(rows, 1, "        ")
            self.lines += ["    except (Exception, GeneratorExit):", "        pass"]
        kind = r.random()
        if kind < 0.1:
            self.lines += ["    async def amain():", "        x = 0"]
            for _ in range(r.randrange(1, 4)):
                self.statement(ASYNCIO_ROWS, 1, "        ")
            self.lines += ["    quietly(asyncio.run, amain())"]
        elif kind < 0.18:
            for _ in range(r.randrange(1, 3)):
                self.statement(THREAD_ROWS, 1, "    ")

    def text(self) -> str:
        self.main()
        for level in range(self.levels):
            for kind in KINDS:
                if f"{kind}{level}" in self.wanted:
                    self.function(kind, level)
        for kind, lines in LEAVES.items():
            if f"{kind}{self.levels}" in self.wanted:
                self.lines += [lines[0].format(self.levels), *lines[1:]]
        # What body() kept dies before main() ends, so that all happens within main().
        self.lines += ["def main():", "    body()"]
        return "\n".join(self.lines) + "\n"


# Each program has one of each of these in its body(), so that none is without the events that are
# rare: resumed, closed, thrown into, left by an exception in the library and in C, a Python call
# after a C call, a coroutine.
ESSENTIAL = (
    """
x = sum({g2})
---
x = sum(y for y in {g2})
---
x = list(map({fn}, deep({n1})))
---
x = sum(Node(2))
""",
    """
it = deep({n1})
next(it)
it.close()
---
it = stubborn({n1})
next(it)
next(it, None)
it.throw(GeneratorExit)
---
it = iter(Node(1))
next(it)
try:
    it.throw({E}({n}))
except {E}:
    pass
""",
    """
with contextlib.closing({n}):
    quietly({fn}, {n})
---
with contextlib.ExitStack() as stack:
    stack.callback(int, "no number")
    quietly({fn}, {n})
---
with careless({n}):
    with contextlib.closing({g}) as it:
        raise {E}({n})
---
contextlib.ExitStack().enter_context({n})
""",
    """
sorted([{n}, 2], key=int.bit_length, reverse="no")
---
sorted([3, 4], key=raising)
---
next(iter([]))
---
getattr(Node(1), "missing")
---
len({n})
---
next(deep(0))
""",
    """
x = len("ab")
x = {f}
---
x = abs({n})
for y in {g}:
    x += y
---
x = max({n}, 1)
x = Node.double(x)
""",
    # A frame ends that is not shown, above one that is; the first time it goes the long way.
    """
x = evaluated("{n}") + evaluated("{n}")
---
x = [evaluated("len('ab')"), evaluated("two({n}, 0)")]
""",
    """
run({c})
---
co = amanaged({n}).__aenter__()
try:
    co.send(None)
except StopIteration:
    x = 1
---
run(awaiting({n1}))
""",
)
PLACES_OF_ESSENTIAL = {
    "g2": ("deep(2)", "deep(3)", "iter(Node(2))", "stubborn(2)"),
    "n1": ("1", "2", "3"),
}


ESSENTIAL_ROWS = [table(text) for text in ESSENTIAL]
KINDS = {
    "f": ("def", ANYWHERE_ROWS, "    return x if isinstance(x, int) else 0"),
    "g": ("def", GENERATOR_ROWS, "    yield a"),
    "c": ("async def", COROUTINE_ROWS, "    return x if isinstance(x, int) else 0"),
    "a": ("async def", ASYNCGEN_ROWS, "    yield a"),
}
LEAVES = {
    "f": ("def f{}(a):", "    if a == 8: raise ValueError(a)", "    return a"),
    "g": ("def g{}(a):", "    for i in range(a): yield i"),
    "c": ("async def c{}(a):", "    await Await()", "    return a"),
    "a": ("async def a{}(a):", "    for i in range(a): yield i"),
}


class Program:
    """What runs: ``main()`` in a new namespace each time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.text = Writer(seed).text()
        self.threaded = "threading." in self.text
        self.asyncio = "asyncio." in self.text
        self._code: CodeType | None = None

    @property
    def code(self) -> CodeType:
        if self._code is None:
            self._code = compile(self.text, FILE, "exec")
        return self._code

    def space(self) -> dict:
        space: dict = {"__name__": "generated"}
        exec(PRELUDE_CODE, space)
        exec(self.code, space)
        return space

    def whole(self) -> str:
        """The text of a program that runs by itself."""
        return PRELUDE + ASYNCIO_PRELUDE + self.text + "main()\n"


PRELUDE_CODE = compile(PRELUDE + ASYNCIO_PRELUDE, FILE, "exec")
