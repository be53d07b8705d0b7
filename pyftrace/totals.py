"""A table of times per function: what ``pyftrace.report()`` gives."""

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from pyftrace.options import Options, nearest, printable

TOP_LEVEL = "top level"  # the caller of an outermost call
SHOWN_CALLERS = 8

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from pyftrace._engine import Tap


class Row(NamedTuple):
    """One function. Times are in ns over whole activations; a generator's suspended time is not its
    own, recursion is counted once. ``calls`` counts PY_START, one per generator or coroutine
    run. The percentiles, within 2 %, are those of a recording; None when counted live."""

    function: str
    module: str
    file: str
    line: int
    calls: int
    resumes: int
    total_ns: int
    self_ns: int
    min_ns: int
    max_ns: int
    avg_ns: int
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None


class Calls(int):
    """How often functions were called. A number like any other; but its repr, which is what a
    failing assertion shows, also says who called."""

    _look: "Callable[[], list[tuple[str, int]]]"

    def __new__(cls, calls: int, look: "Callable[[], list[tuple[str, int]]]") -> "Self":
        self = super().__new__(cls, calls)
        self._look = look
        return self

    @property
    def callers(self) -> list[tuple[str, int]]:
        """(module.name of the caller or ``"top level"``, calls), most often first."""
        return self._look()

    def __repr__(self) -> str:
        callers = self.callers
        shown = [f"{printable(name)} {calls}" for name, calls in callers[:SHOWN_CALLERS]]
        if len(callers) > SHOWN_CALLERS:
            shown.append("...")
        return int.__repr__(self) + (f" (by {', '.join(shown)})" if shown else "")

    __str__ = int.__repr__

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class Report:
    """What was counted so far; it can be read while it is still counting, and after.

    ``print(report)`` is the command line's table, a notebook shows it as HTML.
    """

    def __init__(
        self,
        tap: "Tap",
        options: Options,
        sort: tuple[str, ...] | None = None,
        columns: tuple[str, ...] | None = None,
        recorded: bool = False,
        counted: "Callable[[], Tap] | None" = None,
    ) -> None:
        self._tap = tap
        self._options = options
        self._counted = counted  # makes a tap that counted the same by caller; None: this one did
        self._by_caller: Tap | None = None
        self._recorded = recorded  # elsewhere: what is loaded here tells nothing
        self._sort = options.sort if sort is None else sort
        self._columns = options.columns if columns is None else columns

    @property
    def rows(self) -> list[Row]:
        """One row per function, those with the largest total first (as ``sort=`` says).

        A RuntimeWarning when events are missing in it, because there was no memory for them."""
        rows = [row for row, *_ in self._placed()]
        if self.unkept:  # also for making them
            import warnings

            lacking = f"there was no memory for {self.unkept} events: figures are too low"
            warnings.warn(lacking, RuntimeWarning, stacklevel=2)
        rows.sort(key=lambda row: (row.function, row.file, row.line))
        for key in reversed(self._sort):
            if key == "name":
                rows.sort(key=lambda row: row.function)
            else:
                field = "calls" if key == "calls" else f"{key}_ns"
                rows.sort(key=lambda row: -int(getattr(row, field)))
        return rows

    def _placed(self) -> list[tuple[Row, str, int]]:
        """Unsorted, each with its name as Python has it and the column of its code: what another
        recording knows it by, where the lambdas of its line may have other numbers."""
        return [
            (Row(name + (f"#{ordinal}" if ordinal else ""), module, file, line, calls, resumes,
                 total, own, least, most, total // calls if calls else 0, *percentiles),
             name, column)
            for name, module, file, line, column, ordinal, calls, resumes, total, own, least, most,
            *percentiles in self._tap.rows()
        ]  # fmt: skip

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries, with the keys of ``--format json``."""
        return [
            {key: value for key, value in row._asdict().items() if value is not None}
            for row in self.rows
        ]

    def calls(self, pattern: str, *, missing_ok: bool = False) -> Calls:
        """How often the functions were called that ``pattern`` matches: an int, whose repr says
        by whom.

        The pattern is a glob over ``qualname``, ``module:qualname`` or ``module.qualname``; without
        ``. : /`` also over the last part of the name, with ``/`` over the file. LookupError when no
        loaded function has that name, or only libraries' that were out of scope; of a recording: no
        recorded one; a misspelt pattern must not pass a test. ``missing_ok=True`` gives 0 then.

        >>> import pyftrace
        >>> def query(): pass
        >>> with pyftrace.report(include="*") as r:
        ...     query()
        >>> r.calls("query")
        1 (by top level 1)
        >>> assert r.calls("query") <= 1
        """
        __tracebackhide__ = True  # pytest shows the test's line then
        found = [row for row in self.rows if matches(pattern, row.module, row.function, row.file)]
        if found or missing_ok:
            calls = sum(row.calls for row in found)
            if self._counted is not None:  # another walk over a recording: for who asks alone
                return Calls(calls, lambda: self._callers(pattern))
            callers = self._callers(pattern)  # of this moment, as the number is
            return Calls(calls, lambda: callers)
        if self._recorded:
            known = [(row.module, row.function, row.file) for row in self.rows]
            raise LookupError(
                f"no recorded function matches '{pattern}' (missing_ok=True gives 0)"
                + like_function(pattern, known)
            )
        from pyftrace._engine import is_library  # not at once: api says where it is not built

        names = loaded_functions()
        files = [file for module, name, file in names if matches(pattern, module, name, file)]
        if not files:
            meant = like_function(pattern, names)
            raise LookupError(f"no loaded function matches '{pattern}'{meant}")
        if self._is_own_code_only() and all(map(is_library, files)):
            raise LookupError(
                f"'{pattern}' is a library's or generated and was not counted; to count it:"
                f" pyftrace.report(function='{pattern}')"
            )
        return Calls(0, list)

    def _is_own_code_only(self) -> bool:
        o = self._options
        return not (o.verbose or o.libs or o.function or o.include or o.only)

    def unmatched(self) -> list[str]:
        """Patterns of ``function``, ``exclude``, ``hide``, ``include`` and ``only`` that matched
        nothing so far."""
        return self._tap.unmatched()

    @property
    def unkept(self) -> int:
        """Events that there was no memory for: figures are too low by them."""
        return self._tap.unkept

    def _callers(self, pattern: str) -> list[tuple[str, int]]:
        if self._by_caller is None:
            self._by_caller = self._counted() if self._counted is not None else self._tap
        found: dict[str, int] = {}
        for by, name, module, file, calls in self._by_caller.callers():
            if matches(pattern, module, name, file):
                who = f"{by[1]}.{by[0]}" if by is not None else TOP_LEVEL
                found[who] = found.get(who, 0) + calls
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))

    def render(self, format: str = "table") -> str:
        """The table as text, or as ``json`` or ``csv``, as the command line prints it."""
        _, _, _, limit, footer = self._options.style()
        return self._tap.render(
            format,  # type: ignore[arg-type]
            sort=self._sort,
            columns=self._columns,
            limit=limit,
            footer=footer,
        )

    def __str__(self) -> str:
        return self.render().strip("\n")

    def __repr__(self) -> str:
        """One line: a failing assertion shows it too."""
        functions, calls = len(self._tap.rows()), self._tap.calls
        return (f"<Report: {functions} function{'s' if functions != 1 else ''},"
                f" {calls} call{'s' if calls != 1 else ''}>")  # fmt: skip

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        rows = self.rows
        columns = ("function", "total", "calls", *(c for c in _TITLES if c in self._columns))
        head = "".join(_html_cell("th", name, _TITLES[name]) for name in columns)
        limit = self._options.limit or len(rows)
        body = "".join(
            f"<tr>{''.join(_html_cell('td', name, self._text(row, name)) for name in columns)}</tr>"
            for row in rows[:limit]
        )
        left_out = len(rows) - limit
        more = f"<p>... {left_out} more (--limit 0)</p>" if left_out > 0 else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}{more}{self._html_footer(len(rows))}"

    def _html_footer(self, functions: int) -> str:
        if self._options.quiet or self._recorded:
            return ""
        return f"<p>{escape(str(self).rpartition(chr(10))[2])}</p>" if functions else ""

    def _text(self, row: Row, name: str) -> str:
        if name in ("function", "module"):
            return str(getattr(row, name))
        if name == "where":
            return self._where(row)
        if name in ("calls", "resumes"):
            return str(getattr(row, name))
        value = getattr(row, f"{name}_ns")
        return "" if value is None else f"{value / 1e9:.{6 if name in _SUMS else 9}f} seconds"

    def _where(self, row: Row) -> str:
        return f"{row.file.rpartition('/')[2]}:{row.line}" if row.file else row.module


# As the table of text has them, and in its order.
_TITLES = {
    "function": "Function Name", "total": "Total Execution Time", "calls": "Call Count",
    "self": "Self Time", "avg": "Average", "min": "Min", "max": "Max", "p50": "P50", "p95": "P95",
    "p99": "P99", "resumes": "Resumes", "module": "Module", "where": "Where",
}  # fmt: skip


_SUMS = ("total", "self")  # the time of one call is often less than a microsecond


def _html_cell(tag: str, column: str, text: str) -> str:
    side = "left" if column in ("function", "module", "where") else "right"
    return f"<{tag} style='text-align:{side}'>{escape(printable(text))}</{tag}>"


def matches(pattern: str, module: str, name: str, file: str) -> bool:
    """The rule of -f, -e and -H."""
    if "/" in pattern:
        return any(
            fnmatchcase(file[at:], pattern) or fnmatchcase(file[at:], pattern + "/*")
            for at in range(len(file))
            if at == 0 or file[at - 1] == "/"
        )
    if any(fnmatchcase(text, pattern) for text in (name, f"{module}:{name}", f"{module}.{name}")):
        return True
    return not any(c in pattern for c in ".:") and fnmatchcase(name.rpartition(".")[2], pattern)


def loaded_functions() -> list[tuple[str, str, str]]:
    """(module, qualified name, file) of every Python function there is now; names are cut as those
    of calls are."""
    import gc
    from types import FunctionType

    objects = gc.get_objects()
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        # Once there are threads, 3.13 keeps functions and classes for good, and from the collector.
        objects += [item for module in [*sys.modules.values()] for item in _members(module)]
    return list(
        {
            (str(item.__module__), item.__qualname__[:4096], item.__code__.co_filename)
            for item in objects
            if type(item) is FunctionType
        }
    )


def _members(namespace: object) -> Iterator[object]:
    for item in [*getattr(namespace, "__dict__", {}).values()]:
        yield item
        if isinstance(item, type):
            yield from item.__dict__.values()


def like_function(pattern: str, names: list[tuple[str, str, str]]) -> str:
    """``; did you mean X?``, X of functions as :func:`loaded_functions` gives them."""
    known = {f"{module}.{name}" for module, name, _ in names} | {name for _, name, _ in names}
    close = nearest(pattern, known)
    return f"; did you mean {printable(close)}?" if close else ""
