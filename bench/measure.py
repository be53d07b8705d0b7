"""How a work is timed: every tracer and the untraced run alternate in one process, so that a
machine that changes its speed does not change the ratios; what is told are medians."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[], object]
LEAST = 0.03  # seconds of an untraced run: shorter ones are repeated
LONG = 0.2  # seconds of one that need not be run once before it is measured
SLOW = 5  # a slow mode takes part in every fifth round
SHARED = 4  # modes that share an untraced run


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Mode:
    """A tracer in this process: switched on, off, and what it kept thrown away. ``slow``: so slow
    that it is measured less often."""

    name: str
    start: Callable[[], object]
    stop: Callable[[], object]
    clear: Callable[[], object] = nothing
    slow: bool = False


@dataclass
class Measured:
    """Of one workload: seconds a run by mode (``""`` is the untraced one), Python calls a run, and
    how often each kind of tool is called back."""

    calls: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    callbacks: dict[str, int] = field(default_factory=dict)

    def median(self, mode: str = "") -> float:
        return statistics.median(self.seconds[mode])

    def slowdown(self, mode: str) -> float:
        """Times the untraced run."""
        return self.median(mode) / self.median()

    def added_ns(self, mode: str) -> float:
        """To a Python call."""
        return (self.median(mode) - self.median()) / self.calls * 1e9


def once(work: Work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def long_enough(work: Work) -> Work:
    """The work, repeated if it is a short one."""
    work()
    times = int(LEAST / max(once(work), 1e-9)) + 1

    def repeated() -> None:
        for _ in range(times):
            work()

    return work if times == 1 else repeated


def alike(work: Work, warm: Work) -> float:
    """As once(), the collector's turns at the same places: in rounds that are all alike its
    great ones fell upon the same modes each time, +20 % for those that do nothing."""
    warm()
    gc.collect()
    return once(work)


def interleaved(work: Work, modes: list[Mode], pairs: int, calls: int) -> Measured:
    """Rounds of all modes, with an untraced run before every few of them."""
    found = Measured(calls, {"": []})
    # The first run after each switch changes the code's instructions.
    warm = nothing if once(work) > LONG else work
    for turn in range(pairs):
        chosen = [mode for mode in modes if not mode.slow or turn % SLOW == 0]
        # By turns in the other order: none stands behind the same one always.
        for i, mode in enumerate(chosen if turn % 2 == 0 else chosen[::-1]):
            if i % SHARED == 0:
                found.seconds[""].append(alike(work, warm))
            mode.start()
            try:
                took = alike(work, warm)
            finally:
                mode.stop()
            mode.clear()
            found.seconds.setdefault(mode.name, []).append(took)
    return found


def table(rows: list[list[str]]) -> str:
    """Columns as wide as they must be, the first to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
