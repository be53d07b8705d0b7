"""What the page of ``pyftrace html`` shows, as columns of numbers and one table of strings. Names
are printable here; a function is known by its place in ``functions``."""

import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from pyftrace import _engine
from pyftrace._version import __version__
from pyftrace.commands.info import command_line, process_lines, state_rows
from pyftrace.compare import Comparison, Figures
from pyftrace.options import printable
from pyftrace.recording import Node, Place, Recording, naming, place

NODES = 200_000  # of the tree, at most
SPANS = 60_000  # of all threads together, at most
THREADS = 16  # in the timeline, at most
FIGURES = ("calls", "resumes", "total_ns", "self_ns", "min_ns", "max_ns", "p50_ns", "p95_ns",
           "p99_ns")  # fmt: skip

Progress = Callable[[int], None]


class Functions:
    """Those of the page, numbered at first sight, and their strings."""

    def __init__(self) -> None:
        self._strings: dict[str, int] = {}
        self._known: dict[Place, tuple[int, str]] = {}  # number, the module that was seen first

    def number(self, module: str, name: str, file: str, line: int) -> int:
        new = len(self._known), module
        return self._known.setdefault(place(module, name, file, line), new)[0]

    def columns(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {"module": [], "name": [], "file": [], "line": []}
        for (_, name, file, line), (_, module) in self._known.items():
            for key, text in (("module", module), ("name", name), ("file", file)):
                found[key].append(self._string(printable(text)))
            found["line"].append(line)
        return found

    def strings(self) -> list[str]:
        """Once :meth:`columns` was asked for."""
        return list(self._strings)

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))


# ---- one recording -------------------------------------------------------------------------------


class Parts:
    """The walks over a recording that make a page, and what their taps say afterwards."""

    def __init__(
        self,
        recording: Recording,
        patterns: dict[str, Any],
        part: dict[str, Any],
    ) -> None:
        self._recording = recording
        self._patterns, self._part = patterns, part
        self._keywords = {**patterns, **part, "depth": patterns["depth"] or None}
        self._read = 0
        self.progress: Progress | None = None
        self.functions = Functions()
        self.taps: list[Any] = []  # and the report: who exports asks what they lack

    def walks(self) -> int:
        """Events that all walks together read."""
        recording = self._recording
        return 2 * recording.events_total() + sum(int(each["events"]) for each in self._busiest())

    def table(self) -> dict[str, list[int]]:
        """A column of each figure; a function's number is its row's."""
        progress = self._counted(self._recording.events_total())
        report = self._recording.report(progress=progress, **self._keywords)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it lacks is said at the end
            rows = report.rows
        for row in rows:
            self.functions.number(row.module, row.function, row.file, row.line)
        self.taps.append(report)
        return {name: [getattr(row, name) for row in rows] for name in FIGURES}

    def tree(self) -> dict[str, Any]:
        """Its nodes, callers first, of one caller those first that take longest."""
        progress = self._counted(self._recording.events_total())
        root = self._recording.tree(progress=progress, **self._keywords)
        nodes = [item for item in root.walk() if item[0]]
        kept, left_out = largest(nodes, lambda item: item[0], lambda item: item[1].total_ns)
        return tree_columns(kept, self.functions) | {"left_out": left_out}

    def threads(self) -> list[dict[str, Any]]:
        """The busiest ones with what they ran when, in the order in which they began."""
        busiest = self._busiest()
        found = [self._spans(thread, SPANS // len(busiest)) for thread in busiest]
        # Of all at once: lambdas of one line are numbered.
        named = naming(
            (name, file, line, column)
            for _, _, functions, _ in found
            for name, _, file, line, column in functions
        )
        return [
            self._columns(thread, named, *spans)
            for thread, spans in zip(busiest, found, strict=True)
        ]

    def _spans(self, thread: dict[str, Any], most: int) -> Any:
        tap = _engine.Tap("spans", most=most, **self._patterns)
        part = {**self._part, "thread": thread["serial"]}
        self._recording.walk(tap, progress=self._counted(thread["events"]), **part)
        self.taps.append(tap)
        return tap.spans()

    def _columns(
        self, thread: dict[str, Any], named: Any, limit: int, deeper: int, functions: Any,
        spans: Any,
    ) -> dict[str, Any]:  # fmt: skip
        numbers = [
            self.functions.number(module, named(name, file, line, column), file, line)
            for name, module, file, line, column in functions
        ]
        spans.sort(key=lambda span: span[:2])
        return {
            "name": printable(thread["name"]), "pid": thread["pid"], "tid": thread["tid"],
            "events": thread["events"], "limit": limit, "deeper": deeper,
            "depth": [span[0] for span in spans],
            "begin": _steps(span[1] for span in spans),
            "length": [span[2] - span[1] for span in spans],
            "busy": [span[3] for span in spans],
            "calls": [span[4] for span in spans],
            "function": [numbers[span[5]] for span in spans],
            "mixed": [i for i, span in enumerate(spans) if span[6]],
        }  # fmt: skip

    def threads_left_out(self) -> int:
        """Threads of the part that are too many for the timeline."""
        return max(0, len(self._threads()) - THREADS)

    def _busiest(self) -> list[dict[str, Any]]:
        busiest = sorted(self._threads(), key=lambda thread: -thread["events"])[:THREADS]
        return sorted(busiest, key=lambda thread: int(thread["serial"]))

    def _threads(self) -> list[dict[str, Any]]:
        pid, tid = self._part["pid"], self._part["tid"]
        return [
            thread
            for thread in self._recording.threads
            if thread["events"] and pid in (0, thread["pid"]) and tid in (0, thread["tid"])
        ]

    def _counted(self, events: int) -> Progress | None:
        """Told what was read in this walk, tells what was in all."""
        before, self._read = self._read, self._read + events
        progress = self.progress
        return None if progress is None else lambda events: progress(before + events)


def recorded(recording: Recording, parts: Parts, chosen: str) -> dict[str, Any]:
    """The page of a recording; ``chosen`` says which part of it that is."""
    table, tree, threads = parts.table(), parts.tree(), parts.threads()
    return {
        "kind": "recording",
        "title": title(recording),
        "version": __version__,
        "chosen": chosen,
        "runs": [run(recording)],
        "functions": parts.functions.columns() | table,
        "strings": parts.functions.strings(),
        "tree": tree,
        "threads": threads,
        "threads_left_out": parts.threads_left_out(),
    }


def title(recording: Recording) -> str:
    """The program as it was typed, without the folder of its Python."""
    first = next(iter(recording.processes), None)
    command = first["facts"].get("command", "") if first else ""
    words = command_line(command or recording.run["facts"].get("command", "")).split(" ")
    return printable(" ".join([words[0].rpartition("/")[2], *words[1:]])) or "recording"


def folder_name(recording: Recording) -> str:
    """What a recording is called where several are compared."""
    return printable(os.path.basename(os.path.abspath(recording.path)))


def run(recording: Recording) -> dict[str, Any]:
    """What ``pyftrace info`` says."""
    found = recording.info
    return {
        "state": found["state"],
        "why": [printable(reason) for reason in found["why"]],
        "rows": [[label, printable(text)] for label, text in state_rows(recording, found)],
        "processes": [printable(line) for line in process_lines(recording, found)],
        "events": found["events"],
        "missing": found["missing"],
    }


# ---- two -----------------------------------------------------------------------------------------


def compared(
    found: Comparison, sides: tuple[list[Recording], list[Recording]], chosen: str
) -> dict[str, Any]:
    """The page of a comparison: of each figure a column before and one after, -1 where there is
    none."""
    functions = Functions()
    changes = sorted(found.functions(), key=lambda c: (-abs(c.total_ns), c.module, c.function))
    for change in changes:
        functions.number(change.module, change.function, change.file, change.line)
    table = _both(changes)
    nodes, left_out = largest(
        list(found.paths()),
        lambda change: change.depth,
        lambda change: max(side.total_ns for side in (change.a, change.b) if side),
    )
    numbers = [functions.number(c.module, c.function, c.file, c.line) for c in nodes]
    tree = {"depth": [c.depth for c in nodes], "function": numbers, "left_out": left_out}
    return {
        "kind": "diff",
        "title": " -> ".join(", ".join(map(folder_name, side)) for side in sides),
        "version": __version__,
        "chosen": chosen,
        "runs": [run(recording) | {"side": "AB"[i]} for i in (0, 1) for recording in sides[i]],
        "functions": functions.columns() | table,
        "strings": functions.strings(),
        "tree": tree | _both(nodes),
        "threads": [],
        "threads_left_out": 0,
    }


def _both(changes: list[Any]) -> dict[str, dict[str, list[int]]]:
    def column(figures: Iterable[Figures | None], name: str) -> list[int]:
        return [-1 if one is None else getattr(one, name) for one in figures]

    return {
        side: {name: column((getattr(change, side) for change in changes), name)
               for name in ("calls", "total_ns", "self_ns")}
        for side in ("a", "b")
    }  # fmt: skip


# ---- trees ---------------------------------------------------------------------------------------


def tree_columns(nodes: list[tuple[int, Node]], functions: Functions) -> dict[str, Any]:
    """(depth, node) as columns; outermost calls have depth 0."""
    return {
        "depth": [depth - 1 for depth, _ in nodes],
        "function": [functions.number(n.module, n.function, n.file, n.line) for _, n in nodes],
        "calls": [node.calls for _, node in nodes],
        "total_ns": [node.total_ns for _, node in nodes],
        "self_ns": [node.self_ns for _, node in nodes],
        "cut": [i for i, (_, node) in enumerate(nodes) if node.cut],
    }


def largest(
    nodes: list[Any], depth: Callable[[Any], int], size: Callable[[Any], int], most: int = NODES
) -> tuple[list[Any], int]:
    """Of a tree's nodes, callers first, the largest, at most ``most``, and how many are left out;
    without a node those below it are left out too."""
    if len(nodes) <= most:
        return nodes, 0
    least = sorted(map(size, nodes), reverse=True)[most - 1]
    alike = most - sum(size(node) > least for node in nodes)  # those that still fit in
    kept: list[Any] = []
    skip = -1  # deeper than this is left out
    for node in nodes:
        if 0 <= skip < depth(node):
            continue
        alike -= size(node) == least
        small = size(node) < least or (size(node) == least and alike < 0)
        skip = depth(node) if small else -1
        if not small:
            kept.append(node)
    return kept, len(nodes) - len(kept)


def _steps(values: Iterable[int]) -> list[int]:
    """Differences: smaller numbers."""
    steps = []
    before = 0
    for value in values:
        steps.append(value - before)
        before = value
    return steps
