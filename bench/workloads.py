"""What is measured: each returns how many Python calls it made."""

import contextlib
import threading
import types

CALLS_OF_FIB = {15: 1973, 21: 35421}


def fib(n=21):
    def go(n):
        return n if n < 2 else go(n - 1) + go(n - 2)

    go(n)
    return CALLS_OF_FIB[n] + 1


class Point:
    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x

    def add(self, other):
        return Point(self.x + other.get())


def methods(n=6000):
    p = Point(0)
    one = Point(1)
    for _ in range(n):
        p = p.add(one)
    return 3 * n + 3


def ccalls(n=30000):
    items = []
    for i in range(n):
        items.append(len(str(i)))
    return 1


def numbers(n):
    for i in range(n):  # noqa: UP028 (the yield is what is measured)
        yield i


def generators(n=20000):
    total = 0
    for i in numbers(n):
        total += i
    return n + 1


@types.coroutine
def pause():
    yield


async def fetch(x):
    if x % 4 == 0:
        await pause()
    return x


async def total(n):
    found = 0
    for i in range(n):
        found += await fetch(i)
    return found


def coroutines(n=12000):
    run = total(n)
    paused = 0
    with contextlib.suppress(StopIteration):
        while True:
            run.send(None)
            paused += 1
    return n + 1 + 4 * paused  # each pause is a start, a resume, and two resumes of who awaits it


def raises(x):
    raise ValueError(x)


def exceptions(n=8000):
    for i in range(n):
        try:
            raises(i)
        except ValueError:
            pass
    return n + 1


def down(n):
    return n and down(n - 1)


def recursion(n=900, times=20):
    for _ in range(times):
        down(n)
    return (n + 1) * times + 1


def threads(n=8):
    workers = [threading.Thread(target=fib, args=(15,)) for _ in range(n)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return n * (CALLS_OF_FIB[15] + 1)


TEXT = "\n".join("    line " + str(i) for i in range(200))


def excluded(n=60):
    """Library code alone: wrap() calls some thousand functions a time."""
    import textwrap

    for _ in range(n):
        textwrap.fill(textwrap.dedent(TEXT), 60)
    return 1


def excluded_raises(n=20000):
    """The worst case out of scope: PY_UNWIND cannot be switched off before 3.15."""
    import json

    decode = json.JSONDecoder().decode
    for _ in range(n // 10):
        try:
            decode("{bad")
        except ValueError:
            pass
    return 1


ALL = {
    "fib": fib,
    "methods": methods,
    "c calls": ccalls,
    "generators": generators,
    "coroutines": coroutines,
    "exceptions": exceptions,
    "recursion": recursion,
    "8 threads": threads,
    "excluded": excluded,
    "excluded raises": excluded_raises,
}
