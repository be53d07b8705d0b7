"""The fixture ``calls``: what a test calls, counted, and limits that it must keep.

Functions are counted wherever they lie, of every thread. A limit (``at_most``, ``exactly``,
``none``, ``same_as``) holds in the ``with`` block that it begins; without one in the whole test,
and is then looked at when the test's own code is done. So none goes unnoticed."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from pyftrace import api
from pyftrace._engine import is_library
from pyftrace.options import OptionError, checked_pattern, printable
from pyftrace.testing import baseline
from pyftrace.totals import SHOWN_CALLERS, TOP_LEVEL, Calls, Report, Row, matches

Check = Callable[[Report, str], list[str]]  # what is wrong, in lines; who the outermost caller is

_matched: set[str] = set()  # patterns that matched a function


class CallsFixture:
    """What a test calls.

    >>> def test_index(calls, client):                               # doctest: +SKIP
    ...     client.get("/")
    ...     assert calls.count("app.db.query") == 1
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._report = _counter()
        self._checks: list[Limit] = []

    def __repr__(self) -> str:
        return f"<calls of {self._item.name}>"

    def count(self, pattern: str, *, missing_ok: bool = False) -> Calls:
        """How often the functions were called that ``pattern`` matches, since the test began: an
        int, whose repr says by whom. LookupError when no loaded function has that name, for a
        misspelt one must not pass; ``missing_ok=True`` gives 0 then.

        A pattern is a glob over ``name``, ``module:name`` or ``module.name``; without ``. : /``
        also over the last part of the name, with ``/`` over the file."""
        return count(self._report, _checked(pattern), missing_ok)

    def at_most(self, calls: int, *patterns: str) -> "Limit":
        """The functions of each pattern, together, so many times or less."""
        return self._limit(patterns, f"at most {calls}", lambda n: n <= calls)

    def exactly(self, calls: int, *patterns: str) -> "Limit":
        """As often as this, no more and no less."""
        return self._limit(patterns, f"exactly {calls}", lambda n: n == calls)

    def none(self, *patterns: str, missing_ok: bool = False) -> "Limit":
        """Not at all: ``calls.none("requests.*")``, nothing in this module and those below.
        ``missing_ok``: it need not even be loaded."""
        return self._limit(patterns, "0", lambda n: n == 0, missing_ok)

    def same_as(self, file: "str | os.PathLike[str]", *patterns: str) -> "Limit":
        """As often as ``file`` says, function by function: a JSON file beside the test's, which
        ``pytest --pyftrace-update`` writes. Of the user's code, or of what the patterns match."""
        checked = tuple(_checked(pattern) for pattern in patterns)
        path = Path(self._item.path).parent / file
        update = bool(self._item.config.getoption("--pyftrace-update"))

        def check(report: Report, outside: str) -> list[str]:
            __tracebackhide__ = True
            found = baseline.counts(_of_user(report, checked, self._item))
            if update:
                return baseline.write(path, found, self._item)
            return baseline.differences(path, found, lambda name: _by(report, name, outside))

        return self._added(Limit(check))

    def _limit(
        self,
        patterns: tuple[str, ...],
        what: str,
        holds: Callable[[int], bool],
        missing_ok: bool = False,
    ) -> "Limit":
        checked = [_checked(pattern) for pattern in patterns]
        if not checked:
            raise TypeError("a pattern is missing: calls.at_most(3, 'app.db.query')")

        def check(report: Report, outside: str) -> list[str]:
            __tracebackhide__ = True
            found = [(pattern, count(report, pattern, missing_ok)) for pattern in checked]
            return [
                f"{printable(p)}: {n:d} call{'s' if n != 1 else ''}, not {what}" + _who(n, outside)
                for p, n in found
                if not holds(n)
            ]

        return self._added(Limit(check))

    def _added(self, limit: "Limit") -> "Limit":
        self._checks.append(limit)
        return limit

    # ---- its life ----

    def begin(self) -> None:
        """From now on calls are counted."""
        self._report.__enter__()

    def check(self) -> None:
        """The limits that no block took over; the test's code is done."""
        problems = []
        for limit in self._checks:
            try:
                problems += [] if limit.taken else limit.check(self._report, "outside of the test")
            except LookupError as error:
                problems.append(str(error))
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)

    def end(self) -> None:
        """Nothing more is counted."""
        self._report.__exit__(None, None, None)


class Limit:
    """A limit of the whole test, or of the block that it begins."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.taken = False
        self._report: Any = None

    def __enter__(self) -> Self:
        if self.taken:
            raise RuntimeError("this limit has a block already; make another")
        self.taken = True
        self._report = _counter()
        self._report.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        self._report.__exit__(kind, error, traceback)
        problems = self.check(self._report, "the block") if error is None else []
        if problems:
            pytest.fail("\n".join(problems))


def _counter() -> Any:
    """Of all Python functions: one that is not the user's would not be seen, and pass as never
    called."""
    return api.report(threads="all", libs=True, verbose=2, builtins=False)


def _checked(pattern: str) -> str:
    try:
        return checked_pattern("calls", pattern)
    except OptionError as error:
        raise ValueError(str(error)) from None


def count(report: Report, pattern: str, missing_ok: bool = False) -> Calls:
    """The calls of a pattern. All loaded functions are looked through only until it is known that
    it matches one of them."""
    __tracebackhide__ = True
    found = report.calls(pattern, missing_ok=missing_ok or pattern in _matched)
    if not missing_ok:
        _matched.add(pattern)
    return found


def _who(calls: Calls, outside: str) -> str:
    callers = [
        f"{outside if name == TOP_LEVEL else printable(name)} {n}"
        for name, n in calls.callers[:SHOWN_CALLERS]
    ]
    more = [", ..."] if len(calls.callers) > SHOWN_CALLERS else []
    return "; by " + ", ".join(callers) + "".join(more) if callers else ""


def _by(report: Report, name: str, outside: str) -> str:
    """Who called the function of exactly that name."""
    literal = "".join(f"[{c}]" if c in "[*?" else c for c in name)
    return _who(report.calls(literal, missing_ok=True), outside)


def _of_user(report: Report, patterns: tuple[str, ...], item: pytest.Item) -> list[Row]:
    """The rows that a baseline is about. The test itself is not among them: it has as many calls as
    it is run."""
    rows = report.rows
    __tracebackhide__ = True
    for pattern in patterns:
        count(report, pattern)  # LookupError: a misspelt one must not pass
    if patterns:
        return [
            row for row in rows
            if any(matches(p, row.module, row.function, row.file) for p in patterns)
        ]  # fmt: skip
    own = getattr(getattr(item, "function", None), "__qualname__", None)
    file = str(item.path)
    return [
        row for row in rows
        if not is_library(row.file) and (row.file, row.function) != (file, own)
        and row.function != "<module>"
    ]  # fmt: skip


# ---- the fixture ---------------------------------------------------------------------------------

_KEY = pytest.StashKey["CallsFixture"]()


class _Checking:
    """Registered when the first test asks for the fixture."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """The limits of the whole test: behind the test's own code, and in its name."""
        result = yield
        found = item.stash.get(_KEY, None)
        if found is not None:
            found.check()
        return result


def fixture(request: pytest.FixtureRequest) -> Iterator[CallsFixture]:
    """The fixture of one test."""
    manager = request.config.pluginmanager
    if not manager.has_plugin("pyftrace-calls"):
        manager.register(_Checking(), "pyftrace-calls")
    item: pytest.Item = request.node
    found = CallsFixture(item)
    item.stash[_KEY] = found
    found.begin()
    try:
        yield found
    finally:
        found.end()
        del item.stash[_KEY]
