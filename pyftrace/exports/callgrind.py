"""Callgrind's profile format, for callgrind_annotate, KCachegrind and QCachegrind. Lines are those
of definitions. What a call is, and how recursion counts, says
:class:`pyftrace.exports._functions.Edge`.

These programs take the sum of what leads to a function for its inclusive cost, so that outermost
calls need a caller: TOP_LEVEL. A line of calls must have one: the time of a generator that somebody
resumes and never starts goes to who starts it (and shows in TOP_LEVEL twice, if that does).

Files below the current folder are written relative to it: callgrind_annotate does that to callers,
forgets it for what they call, and takes them for two functions each."""

import os
from collections import Counter
from typing import TextIO

from pyftrace._version import __version__
from pyftrace.exports import Source
from pyftrace.exports._functions import Edge, Function, distinct
from pyftrace.options import printable
from pyftrace.totals import TOP_LEVEL

HEAD = """\
# callgrind format
version: 1
creator: pyftrace {version}
cmd: {path}
positions: line
events: ns
summary: {total}
"""


def write(source: Source, out: TextIO) -> None:
    graph = source.graph()
    called = _with_calls(graph.edges)
    by_caller: dict[int | None, list[Edge]] = {}
    for e in called:
        by_caller.setdefault(e.caller, []).append(e)
    totals = graph.totals()
    own = sum(e.self_ns for e in totals)
    path = printable(source.recording.path)
    out.write(HEAD.format(version=__version__, path=path, total=own))
    names = _Names(graph.functions)
    for number in (None, *range(len(graph.functions))):
        line = names.line(number)
        self_ns = 0 if number is None else totals[number].self_ns
        out.write(f"\n{names.place(number)}{line} {self_ns}\n")
        for e in by_caller.get(number, []):
            out.write(names.called(e.function, number))
            out.write(f"calls={e.calls} {names.line(e.function)}\n{line} {e.total_ns}\n")


def _with_calls(edges: list[Edge]) -> list[Edge]:
    """Those of calls; and the time of those without."""
    found: dict[int, list[Edge]] = {}
    for e in edges:
        if e.calls > 0:
            found.setdefault(e.function, []).append(e)
    for e in edges:
        if e.calls == 0 and e.function in found:
            first, *others = found[e.function]
            found[e.function] = [first._replace(total_ns=first.total_ns + e.total_ns), *others]
    return [e for found_of_one in found.values() for e in found_of_one]


class _Names:
    """What is written whole once has a number from then on. Function None is TOP_LEVEL."""

    def __init__(self, functions: list[Function]) -> None:
        here = os.path.join(os.getcwd(), "")
        alike = Counter((f.file, f.name) for f in functions)  # a property's two functions, for one
        self._files = ["~", *(printable(f.file.removeprefix(here)) or "~" for f in functions)]
        self._lines = [0, *(f.line for f in functions)]
        names = [
            printable(f.full if alike[f.file, f.name] == 1 else f"{f.full}:{f.line}").strip() or "?"
            for f in functions
        ]
        self._names = distinct([*zip(self._files, [f"({TOP_LEVEL})", *names], strict=True)])
        self._numbers: dict[str, int] = {}  # of files that were written whole
        self._told: set[int] = set()

    def line(self, number: int | None) -> int:
        """That of its definition."""
        return self._lines[_at(number)]

    def place(self, number: int | None) -> str:
        """The lines that begin a function."""
        return f"fl={self._file(_at(number))}\nfn={self._name(_at(number))}\n"

    def called(self, number: int, caller: int | None) -> str:
        """The lines that begin a call."""
        at = _at(number)
        other = self._files[at] != self._files[_at(caller)]
        return (f"cfi={self._file(at)}\n" if other else "") + f"cfn={self._name(at)}\n"

    def _file(self, at: int) -> str:
        file = self._files[at]
        known = file in self._numbers
        number = self._numbers.setdefault(file, len(self._numbers) + 1)
        return f"({number})" if known else f"({number}) {file}"

    def _name(self, at: int) -> str:
        known = at in self._told
        self._told.add(at)
        return f"({at + 1})" if known else f"({at + 1}) {self._names[at]}"


def _at(number: int | None) -> int:
    return 0 if number is None else number + 1
