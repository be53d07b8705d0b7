"""What a picture of who calls whom shows: no more than an eye can follow, the biggest first."""

from typing import NamedTuple

from pyftrace.commands.graph import time_text
from pyftrace.exports._functions import Edge, Function, Graph
from pyftrace.options import printable

FUNCTIONS_MAX = 40
EDGES_MAX = 120
LABEL_MAX = 60


class Box(NamedTuple):
    """A function; ``lines`` are printable."""

    number: int
    lines: list[str]
    totals: Edge


class Arrow(NamedTuple):
    """A caller and a function by their numbers."""

    caller: int
    function: int
    label: str
    total_ns: int


class Picture(NamedTuple):
    """``note`` says what is not shown; empty: nothing."""

    boxes: list[Box]
    arrows: list[Arrow]
    note: str


def picture(graph: Graph) -> Picture:
    """The functions that take longest, and what calls whom among them."""
    totals = sorted(graph.totals(), key=lambda e: (-e.total_ns, -e.calls))
    boxes = [
        Box(e.function, _lines(graph.functions[e.function], e), e) for e in totals[:FUNCTIONS_MAX]
    ]
    shown = {box.number for box in boxes}
    edges = [e for e in graph.edges if e.caller is not None]
    arrows = [
        Arrow(e.caller, e.function, _label(e), e.total_ns)
        for e in edges
        if e.caller in shown and e.function in shown
    ][:EDGES_MAX]
    note = ""
    if len(arrows) < len(edges) or len(boxes) < len(totals):
        note = (
            f"{len(totals) - len(boxes)} of {len(totals)} functions and"
            f" {len(edges) - len(arrows)} of {len(edges)} edges are left out: those that take least"
        )
    return Picture(boxes, arrows, note)


def _lines(function: Function, e: Edge) -> list[str]:
    place = f"{function.file.rpartition('/')[2]}:{function.line}" if function.file else ""
    calls = f"{e.calls} call{'s' if e.calls != 1 else ''}"
    times = f"{time_text(e.total_ns)}, self {time_text(e.self_ns)}"
    return [short(line) for line in (function.full, place, calls, times) if line]


def _label(e: Edge) -> str:
    """Resumed, and started elsewhere: no calls; all within another call of it: no time."""
    parts = [f"{e.calls}x"] * (e.calls > 0) + [time_text(e.total_ns)] * (e.total_ns > 0)
    return " ".join(parts)


def short(text: str) -> str:
    """Printable, with its end, which tells more than its beginning."""
    shown = printable(text[-4 * LABEL_MAX :])
    return shown if len(shown) <= LABEL_MAX else f"...{shown[3 - LABEL_MAX :]}"
