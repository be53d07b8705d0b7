"""The file of the standard library's profilers, for ``pstats.Stats(FILE)`` and snakeviz: functions
as (file, line, name) with calls, times in seconds, and the same by caller. What a call is, and how
recursion counts, says :class:`pyftrace.exports._functions.Edge`."""

import marshal
from typing import BinaryIO

from pyftrace.exports import Source
from pyftrace.exports._functions import Function, Graph, distinct
from pyftrace.options import printable

VERSION = 4  # of marshal: the oldest Python that may read it knows no later one
Key = tuple[str, int, str]
Caller = tuple[int, int, float, float]  # calls come first here, and second in Row
Row = tuple[int, int, float, float, dict[Key, Caller]]


def write(source: Source, out: BinaryIO) -> None:
    out.write(marshal.dumps(table(source.graph()), VERSION))


def table(graph: Graph) -> dict[Key, Row]:
    """What ``pstats.Stats.stats`` holds."""
    keys = _keys(graph.functions)
    callers: list[dict[Key, Caller]] = [{} for _ in keys]
    for e in graph.edges:
        if e.caller is not None:
            by = (e.calls, e.first, e.self_ns / 1e9, e.total_ns / 1e9)
            callers[e.function][keys[e.caller]] = by
    return {
        keys[e.function]: (e.first, e.calls, e.self_ns / 1e9, e.total_ns / 1e9, callers[e.function])
        for e in graph.totals()
    }


def _keys(functions: list[Function]) -> list[Key]:
    places = [(printable(f.file) or "~", f.line) for f in functions]  # "~": it is in C
    names = [printable(f.name if f.file else f.full) for f in functions]
    unique = distinct(list(zip(places, names, strict=True)))
    return [(*place, name) for place, name in zip(places, unique, strict=True)]
