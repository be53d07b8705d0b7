"""The calls of one thread as rows of a tree that folds: what is on the screen is read, and kept
around what was looked at; nothing is read whole."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pyftrace import _engine
from pyftrace.options import printable
from pyftrace.recording import naming
from pyftrace.totals import Report
from pyftrace.totals import Row as Total

ALL = 1 << 30  # levels: unfold everything below
BATCH = 64  # rows read at once
BUDGET = 300_000  # events after which a read ends with its next row: some milliseconds
KEPT = 20_000  # rows, besides those that are on the screen and what they lie in
LARGE = 20_000  # events of a call of which few are read at once
HUGE = 200_000  # of which one is

# What is looked for: functions (a byte at their ids), a text, a task.
Wanted = bytes | str | int
Tasks = dict[int, tuple[str, int, int]]  # by number: name, runs, place of the first


class Function(NamedTuple):
    """Texts are printable."""

    name: str
    module: str
    file: str
    line: int
    path: str  # as it is, to be opened


class Row:
    """A call, or a place where events are missing."""

    __slots__ = ("activation", "args", "at", "awaits", "begin_ns", "caller", "depth", "end",
                 "end_ns", "entered", "function", "left", "levels", "line", "lost", "parent",
                 "rows", "task", "value")  # fmt: skip

    at: int
    end: int
    function: int
    entered: str
    begin_ns: int
    left: str | None
    end_ns: int
    activation: int
    task: str | None
    line: int | None  # of the call, in ``caller``
    caller: int
    args: str | None
    value: str | None
    awaits: bool
    lost: int

    def __init__(self, found: tuple[Any, ...], parent: "Row | None", depth: int) -> None:
        (
            self.at,
            self.end,
            self.function,
            self.entered,
            self.begin_ns,
            self.left,
            self.end_ns,
            self.activation,
            self.task,
            self.line,
            self.caller,
            self.args,
            self.value,
            self.awaits,
            self.lost,
        ) = found
        self.parent = parent
        self.depth = depth
        self.levels = 0  # unfolded below it
        self.rows: _Rows | None = None

    @property
    def first(self) -> int:
        """The place of the first event within it."""
        return self.at if self.entered == "open" else self.at + 1

    @property
    def after(self) -> int:
        """The place behind it."""
        return self.end if self.lost else self.end + 1

    @property
    def has_calls(self) -> bool:
        """Whether something lies in it."""
        return not self.lost and self.end > self.first

    @property
    def duration(self) -> int | None:
        """In ns; None where its end, or its beginning, is not known."""
        if self.lost or self.left in (None, "left") or not self.begin_ns:
            return None
        return self.end_ns - self.begin_ns


class _Rows:
    """Some of a call's rows, one behind the other."""

    def __init__(self, tree: "Tree", parent: Row, begin: int) -> None:
        self._tree = tree
        self.parent = parent
        self.rows: list[Row] = []
        self._from = self._next = begin
        self._over = False

    def _made(self, found: Sequence[tuple[Any, ...]]) -> list[Row]:
        return [self._tree.row(one, self.parent) for one in found]

    def more(self, most: int = BATCH) -> bool:
        """Read on; whether there was something."""
        if self._over or self._next >= self._tree.until:
            return False
        self._tree.reads += 1
        found, self._over = self._tree.outline.rows(self.parent.depth + 1, self._next, most, BUDGET)
        rows = [row for row in self._made(found) if row.at < self._tree.until]
        self.rows += rows
        if rows:
            self._next = rows[-1].after
        if len(rows) < len(found):
            self._over = True
        return bool(rows)

    def less(self) -> bool:
        """Read what is before the first; whether there was something."""
        first = self._tree.begin_of(self.parent)
        if self._from <= first:
            return False
        events = self.rows[0].after - self.rows[0].at if self.rows else 0
        most = 1 if events > HUGE else 4 if events > LARGE else BATCH  # the end of each is read
        begin = self._tree.outline.back(self.parent.depth + 1, first, self._from, most)
        earlier = _Rows(self._tree, self.parent, begin)
        while not (earlier.rows and earlier.rows[-1].after >= self._from) and earlier.more():
            pass
        rows = [row for row in earlier.rows if row.at < self._from][-KEPT:]
        self._from = rows[0].at if rows else first
        self.rows[:0] = rows
        return bool(rows)

    def keep(self, kept: set[Row]) -> None:
        """Only these, what lies between them, and of that nothing that lies in it."""
        at = [i for i, row in enumerate(self.rows) if row in kept]
        if not at:
            return
        first, behind = at[0], at[-1] + 1
        if behind < len(self.rows):
            self._next, self._over = self.rows[behind - 1].after, False
        if first > 0:
            self._from = self.rows[first].at
        self.rows = self.rows[first:behind]
        for row in self.rows:
            if row not in kept:
                row.rows = None

    def around(self, row: Row, step: int) -> Row | None:
        """The one before it or behind it."""
        i = self._place(row) + step
        if i < 0:
            had = len(self.rows)
            return self.rows[len(self.rows) - had - 1] if self.less() else None
        if i == len(self.rows) and not self.more():
            return None
        return self.rows[i]

    def _place(self, row: Row) -> int:
        return bisect_left(self.rows, (row.at, row.lost), key=lambda r: (r.at, r.lost))


class Tree:
    """One thread of a recording, between two places if a time range is given."""

    def __init__(
        self, recording: "_engine.Recording", serial: int, since: int = 0, until: int = 0
    ) -> None:
        self.serial = serial
        self.outline = recording.outline(serial)
        self.events, self.first_ns, self.last_ns = self.outline.extent()
        self.until = self.outline.place(until + 1) if until else self.events
        self.since = self.outline.place(since) if since else 0
        self._open = self.outline.stack(self.since) if since else []
        self.root = Row((-1, self.events, 0, "start", self.first_ns, None, self.last_ns,
                         0, None, None, 0, None, None, False, 0), None, -1)  # fmt: skip
        self.root.levels = 2
        self._folds: dict[tuple[int, int], int] = {}
        self.reads = 0  # so far
        self._made = 0  # rows since the last trim

    def row(self, found: tuple[Any, ...], parent: Row) -> Row:
        """A row below its parent, unfolded as it was left."""
        row = Row(found, parent, parent.depth + 1)
        self._made += 1
        inherited = parent.levels if parent.levels == ALL else max(parent.levels - 1, 0)
        row.levels = self._folds.get((row.at, row.depth), inherited)
        return row

    def begin_of(self, row: Row) -> int:
        """Where what is shown of a call begins."""
        if row.first >= self.since:
            return row.first
        depth = row.depth + 1
        around = row is self.root or self._open[row.depth : row.depth + 1] == [row.at]
        return self._open[depth] if around and depth < len(self._open) else self.since

    def below(self, row: Row) -> _Rows:
        """What it calls."""
        if row.rows is None:
            row.rows = _Rows(self, row, self.begin_of(row))
        return row.rows

    def fold(self, row: Row, levels: int) -> None:
        """Show so many levels below it; ALL forgets what was folded within."""
        if levels in (0, 1):
            self._folds[row.at, row.depth] = row.levels = levels
        else:
            self._folds = {key: n for key, n in self._folds.items()
                           if not row.at <= key[0] < row.end}  # fmt: skip
            self._folds[row.at, row.depth] = row.levels = levels
        row.rows = None

    def shown(self, row: Row) -> bool:
        """Whether it is unfolded."""
        return row.levels > 0 and (row is self.root or row.has_calls)

    def trim(self, shown: Iterable[Row]) -> None:
        """Forget, once there are many, all rows but these and what they lie in."""
        if self._made < KEPT:
            return
        self._made = 0
        kept: dict[Row, set[Row]] = {}  # by what they lie in
        for row in shown:
            at = row
            while at.parent is not None and at not in kept.setdefault(at.parent, set()):
                kept[at.parent].add(at)
                at = at.parent
        for rows in list(kept.values()):
            for row in rows - kept.keys():
                row.rows = None
        for parent, rows in kept.items():
            if parent.rows is not None:
                parent.rows.keep(rows)

    # ---- from row to row -------------------------------------------------------------------------

    def first(self) -> Row | None:
        """The first row of all."""
        return self.first_below(self.root)

    def first_below(self, row: Row) -> Row | None:
        """The first call in it."""
        rows = self.below(row)
        if rows._from > self.begin_of(row):
            rows = row.rows = _Rows(self, row, self.begin_of(row))
        return rows.rows[0] if rows.rows or rows.more() else None

    def last_below(self, row: Row) -> Row | None:
        """The last call in it, itself unfolded as it is."""
        upto = self.until if row is self.root else min(row.end, self.until)
        begin = self.outline.back(row.depth + 1, self.begin_of(row), upto, 1)
        rows = row.rows = _Rows(self, row, begin)
        while rows.more():
            if len(rows.rows) > KEPT:
                del rows.rows[:-BATCH]
                rows._from = rows.rows[0].at
        return rows.rows[-1] if rows.rows else None

    def last(self) -> Row | None:
        """The last row that can be seen."""
        return self._innermost_last(self.root)

    def _innermost_last(self, row: Row) -> Row | None:
        found: Row | None = None
        while self.shown(row) and (last := self.last_below(row)) is not None:
            found = row = last
        return found

    def sibling(self, row: Row, step: int) -> Row | None:
        """The call before it or behind it in the same call."""
        return self.below(row.parent).around(row, step) if row.parent is not None else None

    def after(self, row: Row) -> Row | None:
        """The row below it on the screen."""
        if self.shown(row) and (found := self.first_below(row)) is not None:
            return found
        at: Row | None = row
        while at is not None and at is not self.root:
            if (found := self.sibling(at, 1)) is not None:
                return found
            at = at.parent
        return None

    def before(self, row: Row) -> Row | None:
        """The row above it on the screen."""
        found = self.sibling(row, -1)
        if found is None:
            return row.parent if row.parent is not self.root else None
        return self._innermost_last(found) or found

    def reveal(self, place: int) -> Row | None:
        """The call that is entered at the place, or the innermost one there; all around it is
        unfolded."""
        row = self.root
        for at in self.outline.stack(min(place + 1, self.events)):
            if row is not self.root and row.levels == 0:
                self._folds[row.at, row.depth] = row.levels = 1
            if not (found := self._at(row, at)):
                break
            row = found
        return row if row is not self.root else self.first()

    def _at(self, parent: Row, place: int) -> Row | None:
        rows = parent.rows
        if rows is None or not (rows.rows and rows.rows[0].at <= place <= rows.rows[-1].at):
            rows = parent.rows = _Rows(self, parent, place)
            rows.more(1)
        return next((row for row in rows.rows if row.at == place and not row.lost), None)


class Functions:
    """Those of a recording, lambdas of one line numbered alike in the tree and the table."""

    def __init__(self, recording: "_engine.Recording") -> None:
        found = recording.functions()
        self._named = naming(
            (name, file, line, column) for name, _, file, line, column in found.values()
        )
        self.by_id = {
            id: Function(printable(self._named(name, file, line, column)), printable(module),
                         printable(file), line, file)
            for id, (name, module, file, line, column) in found.items()
        }  # fmt: skip

    def totals(self, report: Report) -> list[Total]:
        """Its rows."""
        return [
            row._replace(function=self._named(name, row.file, row.line, column))
            for row, name, column in report._placed()
        ]


def search(
    outline: "_engine.Outline", wanted: Wanted, begin: int, upto: int, backward: bool
) -> Iterator[tuple[int | None, int]]:
    """(place of the event found or None, events that are left), a piece at a time until it is
    found."""
    found = None
    while begin < upto and found is None:
        found, reached = outline.find(wanted, begin, upto, backward, BUDGET)
        begin, upto = (begin, reached) if backward else (reached, upto)
        yield found, upto - begin


def call_at(outline: "_engine.Outline", place: int) -> int:
    """The place of the call that is entered or left at a place."""
    before, after = outline.stack(place), outline.stack(place + 1)
    return (max(before, after, key=len) or [place])[-1]


def tasks_of(outline: "_engine.Outline", begin: int, upto: int) -> Iterator[tuple[Tasks, int]]:
    """(the tasks so far, events that are left), a piece at a time."""
    found: Tasks = {}
    while begin < upto:
        begin = outline.tasks(found, begin, upto, BUDGET)
        yield found, upto - begin
