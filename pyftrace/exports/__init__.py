"""What ``pyftrace dump --format`` writes.

A format is a row of :data:`FORMATS` and a file here that is named as it, with ``write(source,
out)``; ``out`` is what the row's ``to`` says. Formats whose size is that of the events and that
must be fast have a sink of the engine instead, which is named as they are."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pyftrace import _engine
from pyftrace.exports._functions import Graph
from pyftrace.options import OptionError, printable
from pyftrace.recording import Node, Recording, tree_of


class Format(NamedTuple):
    """``to``: ``text`` and ``binary`` go to FILE or standard output (an open file in text or
    bytes), ``path`` is written by name, so that -o FILE is needed."""

    name: str
    what: str
    to: str = "text"
    sink: bool = False  # of the engine
    merged: bool = False  # in order of time over all threads, else thread by thread


FORMATS = {
    row.name: row
    for row in (
        Format("jsonl", "every event, a JSON object a line", sink=True, merged=True),
        Format("raw", "every event, a plain line, for grep and awk", sink=True, merged=True),
        Format("csv", "every event, a row each: spreadsheets", sink=True, merged=True),
        Format("sqlite", "every call, a row each, in a database: sqlite3", "path"),
        Format("folded", "stacks and their time, a line each: flamegraph.pl, speedscope, inferno"),
        Format("speedscope", "every call over time, or many added up: speedscope.app"),
        Format("chrome", "a timeline as JSON, as chrome://tracing had it: Perfetto", sink=True),
        Format("perfetto", "a timeline in Perfetto's own, smaller format", "binary", sink=True),
        Format("uftrace", "a directory for uftrace: replay, report, tui", to="path", sink=True),
        Format("pstats", "totals and callers as cProfile has them: pstats, snakeviz", "binary"),
        Format("callgrind", "totals and callers: callgrind_annotate, kcachegrind"),
        Format("mermaid", "who calls whom, a flowchart: GitHub, mermaid"),
        Format("graphviz", "who calls whom, a graph coloured by time: dot"),
    )
}


class Source:
    """A recording and the part of it that is exported: ``patterns`` as a Tap takes them, ``part``
    as :meth:`Recording.walk` does."""

    def __init__(
        self,
        recording: Recording,
        patterns: dict[str, Any],
        part: dict[str, Any],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.recording = recording
        self.patterns = patterns
        self.part = part
        self._progress = progress
        self.taps: list[_engine.Tap] = []  # what was walked: who exports asks what they lack

    def tree(self) -> Node:
        """The calls added up: the root of the aggregated call tree."""
        tap = _engine.Tap("tree", **self.patterns)
        self.walk(tap)
        return tree_of(tap)

    def graph(self) -> Graph:
        """Who calls whom, with calls and times."""
        tap = _engine.Tap("edges", **self.patterns)
        self.walk(tap)
        return Graph(tap.edges())

    def each(
        self,
        take: Callable[[list[tuple[Any, ...]]], None],
        merged: bool = False,
        bounds: bool = False,
    ) -> None:
        """Calls ``take`` with every event, some thousands at a time: tuples that
        :class:`pyftrace.recording.Event` names. Thread by thread unless ``merged``. With ``bounds``
        also events ``open``, of a call that began before what is told of its thread, and ``end``,
        of a thread."""
        self.walk(_engine.Tap("events", take=take, bounds=bounds, **self.patterns), merged)

    def walk(self, tap: _engine.Tap, merged: bool = False) -> None:
        """Tell a tap of the engine the events."""
        try:
            self.recording.walk(tap, merged=merged, progress=self._progress, **self.part)
        finally:  # also what was interrupted ends as its format wants it
            tap.flush()
        self.taps.append(tap)


def checked(name: str) -> Format:
    """The row of that name; OptionError for another."""
    if name not in FORMATS:
        raise OptionError(f"--format: '{printable(name)}' is none of {', '.join(FORMATS)}")
    return FORMATS[name]


__all__ = ["FORMATS", "Format", "Source", "checked"]
