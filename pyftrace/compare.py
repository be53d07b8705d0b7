"""Recordings compared, one or several a side, function by function and by call path: what
``pyftrace diff`` shows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pyftrace.recording import (
    FILTERS,
    Node,
    Place,
    Recording,
    is_unnamed,
    naming,
    place_of,
)
from pyftrace.totals import Row

# A function in any recording: its module, its name, and which it is where several have both alike.
Where = tuple[str, int, int]  # file, line and column
Key = tuple[str, str, "int | Where"]
Found = tuple[Row, str, int]  # of a function in one recording: Report._placed()
MAIN = ("__main__", "__mp_main__")


class Figures(NamedTuple):
    """Of one side: medians over its runs (of an even number of runs the higher of the two in the
    middle), times in ns as in a report; ``spread_ns`` from the least to the largest total of its
    runs, ``calls_differ`` when their calls are not equal."""

    calls: int
    total_ns: int
    self_ns: int
    spread_ns: int
    calls_differ: bool


class Change(NamedTuple):
    """A function, or a chain of callers, on both sides; None where it was not called.

    ``depth``: how many callers the chain has; ``caller``: the nearest one's (module, name), and
    its own caller, by twos, as chains may be long and share most. A function alone has neither."""

    function: str
    module: str
    file: str
    line: int
    a: Figures | None
    b: Figures | None
    depth: int = 0
    caller: "tuple[tuple[str, str], Any] | None" = None

    @property
    def path(self) -> list[str]:
        """``module.name`` of each, from the outermost caller on."""
        names, caller = [f"{self.module}.{self.function}"], self.caller
        while caller is not None:
            names.append(".".join(caller[0]))
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
        """Own time more on the second side."""
        return (self.b.self_ns if self.b else 0) - (self.a.self_ns if self.a else 0)


def stem(file: str) -> str:
    """The name by which a script could be imported."""
    return file.rpartition("/")[2].removesuffix(".py")


def median(values: list[int]) -> int:
    """One of them: of an even number the higher of the two in the middle."""
    return sorted(values)[len(values) // 2]


def figures(runs: list[Any], of: int) -> Figures | None:
    """Of the runs that called it; the others, of ``of`` in all, have nothing of it."""
    if not runs:
        return None
    nothing = [0] * (of - len(runs))
    calls = [run.calls for run in runs] + nothing
    totals = [run.total_ns for run in runs] + nothing
    own = [run.self_ns for run in runs] + nothing
    spread = max(totals) - min(totals)
    return Figures(median(calls), median(totals), median(own), spread, len(set(calls)) > 1)


class Comparison:
    """Recordings before and after, looked at with the same ``filters`` (those of
    :meth:`Recording.report`). ``progress`` as there. MemoryError where one does not fit."""

    def __init__(
        self,
        before: list[Recording],
        after: list[Recording],
        filters: dict[str, Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._count = len(before)
        self._runs = [*before, *after]
        self._filters = dict(filters or {})
        self._progress, self._read = progress, 0
        given = {name: self._filters.get(name) or () for name in FILTERS[:3]}
        self._patterns = {
            name: (patterns,) if isinstance(patterns, str) else tuple(patterns)
            for name, patterns in given.items()
        }
        self._reports = [
            run.report(progress=self._counted(run), **self._filters_for(run)) for run in self._runs
        ]
        runs = [report._placed() for report in self._reports]
        if any(report.unkept for report in self._reports):
            raise MemoryError  # figures that are too low compare nothing
        # By file: a script may be another's module.
        self._modules = {row.file: row.module for run in runs for row, *_ in run
                         if row.file and row.module not in MAIN}  # fmt: skip
        # Where a line has several lambdas in one run their columns tell; else the line is enough,
        # and surer: 3.12 knows no column of some.
        lines = [Counter((name, row.file, row.line) for row, name, _ in run) for run in runs]
        self._crowded = {line for run in lines for line, count in run.items() if count > 1}
        self._keys = self._known(runs)
        self._rows = [
            {known[place_of(row)]: row for row, *_ in run}
            for known, run in zip(self._keys, runs, strict=True)
        ]
        self._shown = self._described(runs)

    def _counted(self, run: Recording) -> Callable[[int], None] | None:
        """Told what was read of this recording, tells what was of all."""
        before, self._read = self._read, self._read + run.events_total()
        progress = self._progress
        return None if progress is None else lambda events: progress(before + events)

    # ---- patterns --------------------------------------------------------------------------------

    @staticmethod
    def _meant(recording: Recording, pattern: str) -> tuple[str, ...]:
        """The module of a script is __main__: a pattern may name it as it would be imported."""
        commands = (process["facts"].get("command", "") for process in recording.processes)
        names = {stem(word) for command in commands for word in command.split() if ".py" in word}
        return (pattern, *(
            f"__main__{pattern[len(name):]}"
            for name in names if pattern.startswith((f"{name}.", f"{name}:"))
        ))  # fmt: skip

    def _filters_for(self, recording: Recording) -> dict[str, Any]:
        return self._filters | {
            option: tuple(name for pattern in patterns for name in self._meant(recording, pattern))
            for option, patterns in self._patterns.items()
        }

    def unmatched(self) -> list[str]:
        """Patterns that match nothing in any recording."""
        runs = [(run, set(report.unmatched())) for run, report in zip(
            self._runs, self._reports, strict=True)]  # fmt: skip
        return [
            pattern
            for patterns in self._patterns.values()
            for pattern in patterns
            if all(without.issuperset(self._meant(run, pattern)) for run, without in runs)
        ]

    # ---- matching --------------------------------------------------------------------------------

    def module_of(self, module: str, file: str) -> str:
        """The name that it is, or would be, imported by."""
        if module in MAIN and file:
            return self._modules.get(file, stem(file))
        return module

    def _named(self, found: Found) -> tuple[tuple[str, str], Where]:
        """Its module and name, and where it is: of what has a name of its own by its line alone."""
        row, name, column = found
        told = is_unnamed(name) and (name, row.file, row.line) in self._crowded
        return (
            (self.module_of(row.module, row.file), name),
            (row.file, row.line, column if told else 0),
        )

    def _known(self, runs: list[list[Found]]) -> list[dict[Place, Key]]:
        """Of each run its functions' keys, by where they are. Lines are left out, so that code
        that was moved is known: of several that share a name the first in the file is the first,
        if every run has as many of them; else they are told apart by where they are."""
        places: list[dict[tuple[str, str], list[Where]]] = []
        for run in runs:
            by_name: dict[tuple[str, str], list[Where]] = {}
            for found in run:
                name, where = self._named(found)
                by_name.setdefault(name, []).append(where)
            places.append({name: sorted(wheres) for name, wheres in by_name.items()})
        keys = []
        for run, own in zip(runs, places, strict=True):
            known = {}
            for found in run:
                name, where = self._named(found)
                numbers = {len(each[name]) for each in places if name in each}
                which = own[name].index(where) if len(numbers) == 1 else where
                known[place_of(found[0])] = (*name, which)
            keys.append(known)
        return keys

    def _described(self, runs: list[list[Found]]) -> dict[Key, Change]:
        """Every function of any run, as the last that has it knows it; the lambdas of a line are
        numbered over all runs."""
        last = {
            known[place_of(found[0])]: found
            for known, run in zip(self._keys, runs, strict=True)
            for found in run
        }
        named = naming((name, row.file, row.line, column) for row, name, column in last.values())
        return {
            key: Change(named(name, row.file, row.line, column), key[0], row.file, row.line,
                        None, None)
            for key, (row, name, column) in last.items()
        }  # fmt: skip

    def _sides(self, runs: list[Any]) -> tuple[Figures | None, Figures | None]:
        """Of what each run has, or None."""
        halves = runs[: self._count], runs[self._count :]
        a, b = (figures([x for x in half if x is not None], len(half)) for half in halves)
        return a, b

    # ---- what there is ---------------------------------------------------------------------------

    def functions(self) -> list[Change]:
        """Every function of either side, once."""
        found = []
        for key, shown in self._shown.items():
            a, b = self._sides([run.get(key) for run in self._rows])
            found.append(shown._replace(a=a, b=b))
        return found

    def traced_ns(self) -> tuple[int, int]:
        """The time of all that is compared, on each side: the median of its runs."""
        sums = [sum(row.self_ns for row in run.values()) for run in self._rows]
        return median(sums[: self._count]), median(sums[self._count :])

    def paths(self) -> Iterator[Change]:
        """Every chain of callers of either side, once, callers before what they call; of those with
        the same caller the ones that take longest first."""
        trees: list[Node | None] = [
            run.tree(progress=self._counted(run), **self._filters_for(run)) for run in self._runs
        ]
        # A chain: how long it is, its callers, and of each run its node there or None.
        todo: list[tuple[int, Any, Key | None, list[Node | None]]] = [(-1, None, None, trees)]
        while todo:
            depth, caller, key, nodes = todo.pop()
            if key is not None:
                one = self._shown[key]
                a, b = self._sides(nodes)
                yield one._replace(a=a, b=b, depth=depth, caller=caller)
                caller = (one.module, one.function), caller
            below: dict[Key, list[Node | None]] = {}
            for i, node in enumerate(nodes):
                for child in node.children if node is not None else []:
                    key = self._keys[i][place_of(child)]
                    below.setdefault(key, [None] * len(nodes))[i] = child
            longest = sorted(below.items(), key=lambda x: max(n.total_ns for n in x[1] if n))
            todo += [(depth + 1, caller, key, found) for key, found in longest]


def callers(paths: Iterable[Change], function: Change) -> list[tuple[str, int, int]]:
    """(caller, calls before, calls after) of a function, from its chains: those that changed most
    first; an outermost call's caller is ``""``."""
    found: dict[str, tuple[int, int]] = {}
    of = function.function, function.module, function.file, function.line
    for change in paths:
        if (change.function, change.module, change.file, change.line) == of:
            who = ".".join(change.caller[0]) if change.caller else ""
            was, now = (side.calls if side else 0 for side in (change.a, change.b))
            before, after = found.get(who, (0, 0))
            found[who] = before + was, after + now
    rows = [(who, was, now) for who, (was, now) in found.items()]
    return sorted(rows, key=lambda row: (-abs(row[2] - row[1]), -row[2], row[0]))
