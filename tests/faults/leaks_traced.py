"""What the rounds of leaks.py trace, and where its cases are kept."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pyftrace

Case = Callable[[Path], object]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """A case goes by its name."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


def plain(n: int) -> int:
    return n + 1


def failing(n: int) -> None:
    raise ValueError(f"no {n}")


def gen(n: int):  # type: ignore[no-untyped-def]
    for k in range(n):
        yield plain(k)


async def waits(n: int) -> int:
    await asyncio.sleep(0)
    return plain(n)


def busy() -> None:
    """Calls of all kinds."""
    sum(gen(4))
    left = gen(4)
    next(left)
    left.close()
    with contextlib.suppress(ValueError):
        failing(1)
    sorted([2, 1], key=lambda n: -n)
    space: dict[str, Callable[[int], int]] = {}
    exec(compile("def made(n): return n", __file__, "exec"), space)
    space["made"](1)
    thread = threading.Thread(target=plain, args=(1,))
    thread.start()
    thread.join()


def recorded(place: Path) -> Path:
    """A recording of them, made once."""
    if not (place / "kept").exists():
        with pyftrace.record(place / "kept", args=True, values="safe", callers=True):
            busy()
    return place / "kept"
