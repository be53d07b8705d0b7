"""Functions as the exporters of Python tell them apart, and who calls whom."""

from collections.abc import Hashable
from typing import NamedTuple

from pyftrace.recording import Place, is_unnamed, naming, place

Described = tuple[str, str, str, int, int]  # name, module, file, line, column


class Function(NamedTuple):
    """``name`` has an ordinal, ``#2``, among lambdas of one line; ``file`` is empty and ``line`` 0
    for what is written in C."""

    name: str
    module: str
    file: str
    line: int

    @property
    def full(self) -> str:
        """``module.name``"""
        return f"{self.module}.{self.name}" if self.module else self.name


class Functions:
    """Numbers them from 0, those of one identity alike: file, name and line; of what has no name
    of its own, a lambda, also the column; of what is in C, the module in place of the file."""

    def __init__(self) -> None:
        self._ids: dict[Described, int] = {}
        self._seen: list[Described] = []
        self._known: dict[tuple[Place, int], int] = {}

    def number(self, function: Described) -> int:
        """That of one as the engine describes it."""
        found = self._ids.get(function)
        if found is None:
            name, module, file, line, column = function
            identity = place(module, name, file, line), column if is_unnamed(name) else 0
            found = self._known.setdefault(identity, len(self._seen))
            if found == len(self._seen):
                self._seen.append(function)
            self._ids[function] = found
        return found

    def all(self) -> list[Function]:
        """By number."""
        named = naming((name, file, line, column) for name, _, file, line, column in self._seen)
        return [
            Function(named(name, file, line, column), module, file, line)
            for name, module, file, line, column in self._seen
        ]


class Edge(NamedTuple):
    """A pair of a caller (None: an outermost call) and a function. ``calls`` are starts, of a
    generator or coroutine one a run; its time is that of all its stays, with whoever resumes it.
    Recursion is counted once: ``first`` of the calls lie within no other call of the function, and
    ``total_ns`` is their time; so what leads to a function adds up to its calls and its total."""

    caller: int | None
    function: int
    calls: int
    first: int
    total_ns: int
    self_ns: int

    def plus(self, calls: int, first: int, total_ns: int, self_ns: int) -> "Edge":
        """With more of them."""
        return self._replace(
            calls=self.calls + calls,
            first=self.first + first,
            total_ns=self.total_ns + total_ns,
            self_ns=self.self_ns + self_ns,
        )


class Graph:
    """Who calls whom: ``functions``, and ``edges`` by their numbers."""

    def __init__(self, rows: list[tuple[Described | None, Described, int, int, int, int]]) -> None:
        functions = Functions()
        edges = [
            Edge(None if caller is None else functions.number(caller), functions.number(function),
                 *figures)
            for caller, function, *figures in rows
        ]  # fmt: skip
        self.functions = functions.all()
        self.edges = sorted(edges, key=lambda e: (-e.total_ns, -e.calls))

    def totals(self) -> list[Edge]:
        """Of each function, whoever calls it."""
        found = [Edge(None, number, 0, 0, 0, 0) for number in range(len(self.functions))]
        for e in self.edges:
            found[e.function] = found[e.function].plus(e.calls, e.first, e.total_ns, e.self_ns)
        return found


def distinct[Where: Hashable](places: list[tuple[Where, str]]) -> list[str]:
    """The names; one that is there already in its place has a number: what knows functions by
    their text would add them up."""
    seen: dict[tuple[Where, str], int] = {}
    found = []
    for where, name in places:
        while (n := seen.get((where, name), 0)) > 0:
            seen[where, name] = n + 1
            name = f"{name}#{n + 1}"
        seen[where, name] = 1
        found.append(name)
    return found
