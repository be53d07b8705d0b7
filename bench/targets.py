"""What is promised of speed, and what came: ratios of one run."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import modes
from measure import Measured
from processes import PLAIN, PROFILED, STARTED, UNTRACED, Whole
from programs import CALL_HEAVY

OLD = sys.version_info < (3, 13)
ON = ("fib", "methods", *CALL_HEAVY, "sqlglot")  # where most of the cost is that of calls
LINES = 2  # of a call in the tree


@dataclass(frozen=True)
class Row:
    """One ratio; ``floor``: what the floor itself comes to, where that is worse than the limit."""

    what: str
    on: str
    value: float
    limit: float
    floor: float = 0.0

    @property
    def missed(self) -> bool:
        return self.value > self.limit

    def __str__(self) -> str:
        verdict = "MISSED" if self.missed else ""
        if self.missed and self.floor > self.limit:
            verdict = f"the floor: {self.floor:.2f}"
        said = f"{self.value:8.2f}  (at most {self.limit:.4g}) {verdict}"
        return f"  {self.what:<34} {self.on:<12} {said}".rstrip()


def of_calls(measured: Mapping[str, Measured]) -> Iterator[Row]:
    """Recording and the report, in process."""
    others = {
        modes.CPROFILE: (0.55 if OLD else 0.4, 0.55 if OLD else 0.45),
        modes.VIZTRACER: (0.6, None),
        modes.TRACE0: (1.0, None),
    }
    for name in (name for name in ON if name in measured):
        found = measured[name]
        floor = found.added_ns(modes.CLOCK)
        record, report = found.added_ns(modes.RECORD), found.added_ns(modes.REPORT)
        yield Row("record, of the floor", name, record / floor, 1.25)
        yield Row("report, of the floor", name, report / floor, 1.4)
        for other, limits in others.items():
            if other in found.seconds:
                theirs = found.added_ns(other)
                for what, ours, limit in zip(
                    ("record", "report"), (record, report), limits, strict=True
                ):
                    if limit is not None:
                        yield Row(f"{what}, of {other}", name, ours / theirs, limit, floor / theirs)
        if modes.MONITORING_TEXT in found.seconds:
            line = found.added_ns(modes.TEXT) / LINES
            python = found.added_ns(modes.MONITORING_TEXT) / LINES
            if name == "fib":
                limit = 150 if sys.version_info < (3, 14) else 120
                yield Row("a line into a file, ns", name, line, limit)
            yield Row("a line, of pure Python's", name, line / python, 0.4)


def of_programs(slowdowns: Mapping[str, Measured]) -> Iterator[Row]:
    """Over pyperformance's programs."""
    if not slowdowns:
        return
    for mode, other in ((modes.RECORD, modes.TRACE0), (modes.RECORD, modes.CPROFILE)):
        if all(other in found.seconds for found in slowdowns.values()):
            ours = median(found.slowdown(mode) for found in slowdowns.values())
            theirs = median(found.slowdown(other) for found in slowdowns.values())
            yield Row(f"median slowdown, {other}'s {theirs:.2f}", "programs", ours, theirs)
    worst = max(slowdowns, key=lambda name: slowdowns[name].slowdown(modes.EXCLUDED))
    excluded = [found.slowdown(modes.EXCLUDED) for found in slowdowns.values()]
    yield Row("nothing in scope, median", "programs", median(excluded), 1.01)
    yield Row("nothing in scope, worst", worst, max(excluded), 1.01)


def of_processes(whole: Mapping[str, Mapping[str, Whole]]) -> Iterator[Row]:
    """Whole processes, to a finished recording."""
    limits = {
        modes.CPROFILE: (("wall", 0.4),),
        modes.TRACE0: (("wall", 0.7), ("cpu", 0.4)),
        modes.VIZTRACER: (("wall", 0.05),),
    }
    for name, tools in whole.items():
        for other, rows in limits.items():
            for what, limit in rows if other in tools else ():
                base = tools[UNTRACED].median(what)
                ours = tools[modes.RECORD].median(what) - base
                theirs = tools[other].median(what) - base
                yield Row(f"process, {what}, of {other}", name, ours / theirs, limit)


def of_start_up(milliseconds: Mapping[str, float]) -> Iterator[Row]:
    """Over an empty program."""
    base = milliseconds[PLAIN]
    ratio = (milliseconds[STARTED] - base) / (milliseconds[PROFILED] - base)
    yield Row("start-up, of cProfile's", "empty", ratio, 1.0)
