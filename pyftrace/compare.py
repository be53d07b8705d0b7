"""Two recordings, or several a side, function by function: what ``pyftrace diff`` shows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pyftrace.recording import Node, Recording
from pyftrace.totals import Row

# A function in any recording: its module, its name, and which it is where two have both alike.
Key = tuple[str, str, int]
MAIN = ("__main__", "__mp_main__")


class Figures(NamedTuple):
    """Of one side: medians over its runs, times in ns as in a report; ``spread_ns`` between the
    least and the largest total of its runs, ``calls_differ`` when their calls are not equal."""

    calls: int
    total_ns: int
    self_ns: int
    spread_ns: int
    calls_differ: bool


class Change(NamedTuple):
    """A function, or a chain of callers, on both sides; None where it was not called.

    ``depth``: how many callers the chain has; ``caller``: its nearest one and those of that, by
    twos, as chains may be long and share most. A function alone has neither."""

    function: str
    module: str
    file: str
    line: int
    a: Figures | None
    b: Figures | None
    depth: int = 0
    caller: "tuple[str, Any] | None" = None

    @property
    def path(self) -> list[str]:
        """The names from the outermost caller on."""
        names, caller = [self.function], self.caller
        while caller is not None:
            names.append(caller[0])
            caller = caller[1]
        return names[::-1]

    @property
    def calls(self) -> int:
        """Calls more on the second side."""
        return (self.b.calls if self.b else 0) - (self.a.calls if self.a else 0)

    @property
    def total_ns(self) -> int:
        """Time more on the second side."""
        return (self.b.total_ns if self.b else 0) - (self.a.total_ns if self.a else 0)

    @property
    def self_ns(self) -> int:
        return (self.b.self_ns if self.b else 0) - (self.a.self_ns if self.a else 0)


def module_of(module: str, file: str) -> str:
    """The name that it would be imported by: a script's own is the file's."""
    if module in MAIN and file:
        return file.rpartition("/")[2].removesuffix(".py")
    return module


def keys(rows: Iterable[Row | Node]) -> list[Key]:
    """Of the functions of one recording: without lines, so that code that was moved is known; of
    several that share a name the first in the file is the first."""
    rows = list(rows)
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[int, Key] = {}
    for i in sorted(range(len(rows)), key=lambda i: (rows[i].file, rows[i].line)):
        name = module_of(rows[i].module, rows[i].file), rows[i].function
        found[i] = (*name, seen[name])
        seen[name] += 1
    return [found[i] for i in range(len(rows))]


def median(values: list[int]) -> int:
    """The middle one, or between the two."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) // 2


def figures(runs: list[Any], of: int) -> Figures | None:
    """Medians of what each run has of one function; a run without it has nothing of it."""
    if not runs:
        return None
    nothing = [0] * (of - len(runs))
    calls = [run.calls for run in runs] + nothing
    totals = [run.total_ns for run in runs] + nothing
    selves = [run.self_ns for run in runs] + nothing
    return Figures(
        median(calls),
        median(totals),
        median(selves),
        max(totals) - min(totals),
        len(set(calls)) > 1,
    )


class Side:
    """The recordings of one side, read with the same filters; ``progress`` as in
    :meth:`Recording.report`."""

    def __init__(
        self,
        recordings: list[Recording],
        filters: dict[str, Any],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.recordings = recordings
        self._filters = filters
        self._progress = progress

    def functions(self) -> list[dict[Key, Row]]:
        """Of each run the rows of its report."""
        found = []
        for recording in self.recordings:
            rows = recording.report(progress=self._progress, **self._filters).rows
            found.append(dict(zip(keys(rows), rows, strict=True)))
        return found

    def trees(self) -> list[Node]:
        """Of each run the aggregated call tree."""
        return [
            recording.tree(progress=self._progress, **self._filters)
            for recording in self.recordings
        ]


def functions(a: Side, b: Side) -> list[Change]:
    """Every function of either side, once."""
    before, after = a.functions(), b.functions()
    known: dict[Key, Row] = {}
    for run in (*before, *after):
        known.update(run)
    changes = []
    for key, row in known.items():
        a_side, b_side = (
            figures([run[key] for run in runs if key in run], len(runs)) for runs in (before, after)
        )
        changes.append(Change(row.function, key[0], row.file, row.line, a_side, b_side))
    return changes


def paths(a: Side, b: Side) -> Iterator[Change]:
    """Every chain of callers of either side, once, callers before what they call; of those with
    the same caller the ones that take longest first."""
    before, after = a.trees(), b.trees()
    runs = [*before, *after]
    # A chain: how long it is, its callers, and of each run its node there or None.
    todo: list[tuple[int, tuple[str, Any] | None, list[Node | None]]] = [(-1, None, list(runs))]
    while todo:
        depth, caller, nodes = todo.pop()
        one = next(node for node in reversed(nodes) if node is not None)
        if depth >= 0:
            halves = nodes[: len(before)], nodes[len(before) :]
            was, now = (figures([n for n in half if n is not None], len(half)) for half in halves)
            module = module_of(one.module, one.file)
            yield Change(one.function, module, one.file, one.line, was, now, depth, caller)
            caller = one.function, caller
        below: dict[Key, list[Node | None]] = {}
        for i, node in enumerate(nodes):
            children = node.children if node is not None else []
            for key, child in zip(keys(children), children, strict=True):
                below.setdefault(key, [None] * len(runs))[i] = child
        longest = sorted(below.items(), key=lambda x: max(n.total_ns for n in x[1] if n))
        todo += [(depth + 1, caller, found) for _, found in longest]


def callers(changes: Iterable[Change], function: Change) -> list[tuple[str, int, int]]:
    """(caller, calls before, calls after) of a function, from its chains: those that changed
    most first; an outermost call's caller is ``""``."""
    found: dict[str, tuple[int, int]] = {}
    for change in changes:
        if (change.function, change.module) == (function.function, function.module):
            who = change.caller[0] if change.caller else ""
            was, now = (side.calls if side else 0 for side in (change.a, change.b))
            before, after = found.get(who, (0, 0))
            found[who] = before + was, after + now
    rows = [(who, was, now) for who, (was, now) in found.items()]
    return sorted(rows, key=lambda row: (-abs(row[2] - row[1]), -row[2], row[0]))
