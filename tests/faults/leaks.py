"""Runs every entry of the API again and again and looks for what grows.

Rounds of each case, the first ones for warming up; a leak is what every later round leaves behind:
references (a debug build counts them), CPython's blocks, malloc's bytes, descriptors, mappings."""

import contextlib
import ctypes
import gc
import io
import os
import shutil
import sys
import weakref
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import leaks_reading  # noqa: F401  (its cases)
import pytest
from common import Failure, Figures, expect, folder, how_many
from leaks_traced import CASES, Case, busy, case, failing, gen, plain, waits

import pyftrace
from pyftrace import _engine
from pyftrace.testing.calls import CallsFixture

WARM_UPS, INNER = (4, 40, 400), 5


def drive(coroutine):  # type: ignore[no-untyped-def]
    """Without an event loop's own growth."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


# ---- trace ---------------------------------------------------------------------------------------


@case
def trace_a_block(place: Path) -> None:
    with pyftrace.trace(file=io.StringIO(), args=True, time=True):
        busy()


@case
def trace_all_threads_verbosely(place: Path) -> None:
    options = {"libs": "all", "builtins": "all", "values": "str", "path": True}
    with pyftrace.trace(file=io.StringIO(), threads="all", **options):
        busy()


@case
def trace_into_a_file(place: Path) -> None:
    with pyftrace.trace(file=place / "out"):
        busy()
    (place / "out").unlink()


@case
def trace_functions(place: Path) -> None:
    out = io.StringIO()
    pyftrace.trace(busy, file=out)()
    pyftrace.trace(plain, file=out, args=True)(1)
    list(pyftrace.trace(gen, file=out)(3))
    drive(pyftrace.trace(waits, file=out)(1))
    pyftrace.trace(file=out, depth=1)(staticmethod(plain))(1)
    pyftrace.stop()


@case
def trace_a_generator_left_open(place: Path) -> None:
    left = pyftrace.trace(gen, file=io.StringIO())(3)
    next(left)
    del left
    pyftrace.stop()


@case
def trace_errors(place: Path) -> None:
    for words in ({"bogus": 1}, {"values": "all"}, {"depth": -1}, {"function": "[a"},
                  {"file": 3}, {"file": place / "no" / "such"}, {"threads": "some"}):  # fmt: skip
        with contextlib.suppress(TypeError, ValueError, OSError), pyftrace.trace(**words):
            raise Failure(f"{words} is taken")
    with contextlib.suppress(ValueError), pyftrace.trace(file=io.StringIO()):
        failing(2)
    tracing = pyftrace.trace(file=io.StringIO())
    with tracing, contextlib.suppress(RuntimeError), tracing:
        raise Failure("entered twice")
    with contextlib.suppress(TypeError):
        pyftrace.trace(3)  # type: ignore[call-overload]


@case
def trace_into_a_stream_that_fails(place: Path) -> None:
    class Broken:
        def write(self, text: str) -> None:
            raise OSError(28, "no room")

    with pyftrace.trace(file=Broken()):
        busy()


@case
def start_and_stop(place: Path) -> None:
    pyftrace.start(file=io.StringIO(), args=True)
    with contextlib.suppress(RuntimeError):
        pyftrace.start()
    busy()
    pyftrace.stop()
    pyftrace.stop()


# ---- report --------------------------------------------------------------------------------------


@case
def report_a_block(place: Path) -> None:
    with pyftrace.report() as counted:
        busy()
    expect(counted.calls("plain") > 0, "nothing was counted")
    str(counted), counted.rows, counted._repr_html_()


@case
def report_all_threads_verbosely(place: Path) -> None:
    with pyftrace.report(threads="all", libs="all", builtins="all", columns="all") as counted:
        busy()
    str(counted)


@case
def report_in_trace_in_record(place: Path) -> None:
    with (
        pyftrace.record(place / "data"),
        pyftrace.trace(file=io.StringIO()),
        pyftrace.report() as counted,
    ):
        busy()
    expect(counted.calls("plain") > 0, "nothing was counted")
    shutil.rmtree(place / "data")


@case
def report_errors(place: Path) -> None:
    with contextlib.suppress(LookupError), pyftrace.report() as counted:
        counted.calls("no such function")
    with contextlib.suppress(TypeError, ValueError), pyftrace.report(sort="size"):
        raise Failure("sort by size")
    with contextlib.suppress(ValueError), pyftrace.report():
        failing(1)


# ---- record --------------------------------------------------------------------------------------


@case
def record_a_block(place: Path) -> None:
    with pyftrace.record(place / "data"):
        busy()


@case
def record_all_threads_with_texts(place: Path) -> None:
    options = {"args": True, "values": "safe", "callers": True, "libs": "all", "builtins": "all"}
    with pyftrace.record(place / "data", threads="all", **options):
        busy()


@case
def record_a_ring(place: Path) -> None:
    with pyftrace.record(place / "data", ring="256k"):
        busy()


RECORDED: list[Callable[[], int]] = []


@case
def record_a_decorated_function(place: Path) -> None:
    # The recording ends with the process, and knows each function it has seen until then: none that
    # is made anew.
    if not RECORDED:
        RECORDED.append(pyftrace.record(place / "decorated")(lambda: sum(gen(4))))
    RECORDED[0]()


@case
def record_errors(place: Path) -> None:
    (place / "in the way").touch()
    for path in (place / "in the way", place / "no" / "such", "/proc/self/nothing"):
        with contextlib.suppress(OSError), pyftrace.record(path):
            raise Failure(f"{path} is taken")
    with contextlib.suppress(ValueError), pyftrace.record(place / "data", max_size="64k"):
        failing(1)
    recording = pyftrace.record(place / "data")
    with recording, contextlib.suppress(RuntimeError), recording:
        raise Failure("entered twice")
    with contextlib.suppress(TypeError):
        pyftrace.record(place / "data", time=True)


# ---- flight recorders ----------------------------------------------------------------------------


@case
def flight_recorder(place: Path) -> None:
    home = place / "flight"
    options = {
        "ring": "256k",
        "dump_on": ("exception:ValueError", "slow:plain:0ns"),
        "max_dumps": 3,
    }
    flight = pyftrace.record(home, **options)
    with contextlib.suppress(ValueError), flight:
        busy()
        flight.dump()
        failing(3)
    expect(len(list(home.glob("dump-*"))) > 1, "few dumps", *os.listdir(home))
    shutil.rmtree(home)


@case
def flight_errors(place: Path) -> None:
    for words in ({"dump_on": ["bogus"]}, {"dump_on": ["slow:f"]}, {"dump_on": ["exception:[a"]}):
        with contextlib.suppress(TypeError, ValueError), pyftrace.record(place / "no", **words):
            raise Failure(f"{words} is taken")
    for triggers in ((("exception", "[a", 0),), (("exception", "", 0),) * 99, ((1, 2),)):
        with contextlib.suppress(TypeError, ValueError, OSError):
            _engine.Tap("record", folder=str(place / "no"), dump_on=triggers, max_dumps=1)
            raise Failure(f"{triggers} is taken")


# ---- the pytest plugin's fixture -----------------------------------------------------------------


class Item:
    """What CallsFixture asks of a test."""

    name = "test"

    def __init__(self, place: Path) -> None:
        self.path = place / "test.py"
        self.config = self

    def getoption(self, name: str) -> bool:
        return False


@case
def calls_of_a_test(place: Path) -> None:
    counted = CallsFixture(Item(place))  # type: ignore[arg-type]
    counted.begin()
    with counted.at_most(99, "failing"), counted.none("waits"):
        busy()
    counted.exactly(5, "plain")
    repr(counted.count("plain"))
    with contextlib.suppress(LookupError):
        counted.count("no such function")
    with contextlib.suppress(pytest.fail.Exception), counted.none("plain"):
        plain(1)
    with contextlib.suppress(pytest.fail.Exception):
        counted.check()
        raise Failure("a limit is forgotten")
    counted.end()


# ---- measuring -----------------------------------------------------------------------------------


class Mallinfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]  # fmt: skip


def malloc_bytes() -> int:
    """In use, of malloc's; 0 where it does not say."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    mallinfo2.restype = Mallinfo
    return int(mallinfo2().uordblks)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def mappings() -> int:
    """Of files of recordings, deleted ones too: CPython's own come and go."""
    ours = (".lane", ".defs", "/run")
    with open("/proc/self/maps") as file:
        return sum(line.rstrip().removesuffix(" (deleted)").endswith(ours) for line in file)


MEASURES: dict[str, Callable[[], int]] = {
    "references": getattr(sys, "gettotalrefcount", lambda: 0),
    "blocks": sys.getallocatedblocks,
    "malloc bytes": malloc_bytes,
    "descriptors": descriptors,
    "mappings": mappings,
}


def measure() -> list[int]:
    sys._clear_internal_caches() if hasattr(sys, "_clear_internal_caches") else None
    gc.collect()
    return [look() for look in MEASURES.values()]


def growth(run: Case, place: Path, warm_up: int, rounds: int) -> str:
    """What every round after the first ones left, if something."""
    kinds = len(MEASURES)
    seen = array("q", [0] * kinds * (warm_up + rounds))  # what is kept in it takes no memory
    for n in range(warm_up + rounds):
        for _ in range(INNER):
            run(place)
        for k, number in enumerate(measure()):
            seen[n * kinds + k] = number
    for k, what in enumerate(MEASURES):
        deltas = [after - before for before, after in pairwise(seen[k::kinds])][warm_up - 1 :]
        if all(delta > 0 for delta in deltas):
            return f"{what} grow: {deltas} in {INNER} runs"
    return ""


def check(run: Case, place: Path, rounds: int) -> None:
    """Failure when it grows for ever: CPython's own caches fill for up to a thousand runs."""
    grown = ""
    for warm_up in WARM_UPS:
        grown = growth(run, place, warm_up, rounds)
        if not grown:
            return
    raise Failure(grown)


# ---- functions that come and go ------------------------------------------------------------------


def check_functions(ways: str, place: Path, functions: int) -> str:
    """Functions made, traced and dropped are freed, and so is what we knew of them."""

    def some(count: int) -> "list[weakref.ref[object]]":
        alive = []
        for n in range(count):
            space: dict[str, Callable[[int], int]] = {}
            exec(compile(f"def made_{n}(n): return n", __file__, "exec"), space)
            space[f"made_{n}"](n)
            alive.append(weakref.ref(space[f"made_{n}"].__code__))
        return alive

    def traced(count: int) -> "list[weakref.ref[object]]":
        if ways == "trace":
            with pyftrace.trace(file=place / "out"):
                return some(count)
        if ways == "report":
            with pyftrace.report():
                return some(count)
        with pyftrace.record(place / "data"):
            return some(count)

    traced(functions)
    pyftrace.stop()
    before = measure()
    alive = traced(functions)
    pyftrace.stop()
    gc.collect()
    expect(not any(ref() for ref in alive), "functions are still there")
    del alive
    after = measure()
    grown = dict(zip(MEASURES, (b - a for a, b in zip(before, after, strict=True)), strict=True))
    for what in ("references", "blocks", "malloc bytes"):
        # A hundredth for one each: what is kept for all of them together.
        expect(grown[what] < functions, f"{what}: {grown[what]} more after {functions} functions")
    return f"{functions} functions: {grown}"


# What malloc keeps for a thread counts as in use, until that is full.
TUNABLES = "glibc.malloc.tcache_count=0"


def main() -> int:
    if os.environ.get("GLIBC_TUNABLES") != TUNABLES:
        os.environ["GLIBC_TUNABLES"] = TUNABLES
        os.execv(sys.executable, [sys.executable, *sys.argv])
    rounds = how_many(__doc__, 5)
    counts = hasattr(sys, "gettotalrefcount")
    figures = Figures(f"leaks ({'debug build' if counts else 'references are not counted here'})")
    with folder() as place:
        for name, run in CASES.items():
            with figures.one(name, ""):
                check(run, place, rounds)
            # A decorated function leaves events on; what is known of functions that are gone is
            # given up a thousand at a time then, which would look like growth in what comes next.
            pyftrace.stop()
        for ways in ("trace", "report", "record"):
            row = f"functions freed after {ways}"
            with figures.one(row, ""):
                figures.note(row, check_functions(ways, place, 10_000))
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
