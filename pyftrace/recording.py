"""A recording, opened for reading: what ``pyftrace.open()`` gives."""

import errno
import operator
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pyftrace import _engine, folder
from pyftrace import options as opts
from pyftrace.options import OptionError, Options
from pyftrace.totals import Report, Row, like_function

if TYPE_CHECKING:
    from os import PathLike


Place = tuple[str, str, str, int]  # see place()
FILTERS = ("function", "exclude", "hide", "depth")
# A recording has more to sort by and to show than what is counted live.
_PERCENTILES = ("p50", "p95", "p99")
SORT = opts.Row("--sort", "sort", "words", opts.REPORT, "",
                choices=(*opts.SORT_KEYS[:-1], *_PERCENTILES, "name"))  # fmt: skip
COLUMNS = opts.Row("--columns", "columns", "columns", opts.REPORT, "",
                   choices=(*opts.COLUMNS[:4], *_PERCENTILES, *opts.COLUMNS[4:]))  # fmt: skip


def _time(name: str, value: int | str | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        return opts.checked_duration(value)
    try:
        ns = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} takes ns as an int or a text like '2s', not {type(value).__name__}"
        ) from None
    if not 0 <= ns < 1 << 62:
        raise OptionError(f"{name}: {ns} is out of range")
    return ns


def _checked_ids(part: dict[str, Any]) -> dict[str, Any]:
    """The part of a walk with the numbers that it names known to be such."""
    for name in ("pid", "tid", "thread"):
        number = operator.index(part.get(name, 0))
        if not 0 <= number < 1 << 63:
            raise OptionError(f"{name}: {number} is out of range")
    return part


def checked_span(since: int | str | None, until: int | str | None) -> tuple[int, int]:
    """What a walk takes, in ns: 0 is from the beginning, or to the end."""
    since, until = _time("since", since), _time("until", until)
    if until == 0:
        raise OptionError("--until: 0 is before everything")
    if until and since and since > until:
        raise OptionError("--since is after --until")
    return since or 0, until or 0


def _filters(of: str, options: dict[str, Any], more: tuple[str, ...] = ()) -> Options:
    """The options that a recording can be looked at with; TypeError for another."""
    known = (*FILTERS, *more)
    for name in options:
        if name not in known:
            raise TypeError(f"'{name}' is no option of {of}(){opts.did_you_mean(name, known)}")
    return Options(report=True, **options)


def naming(places: Iterable[tuple[str, str, int, int]]) -> Callable[[str, str, int, int], str]:
    """What gives each of these (name, file, line, column) its name as a report has it: with ``#1``,
    ``#2``, ... by column, where a line has several lambdas."""
    lines: dict[tuple[str, str, int], set[int]] = {}
    for name, file, line, column in places:
        if is_unnamed(name):
            lines.setdefault((name, file, line), set()).add(column)
    numbers = {
        (*place, column): f"#{i}"
        for place, columns in lines.items()
        if len(columns) > 1
        for i, column in enumerate(sorted(columns), 1)
    }
    return lambda name, *where: name + numbers.get((name, *where), "")


def is_unnamed(name: str) -> bool:
    """Lambdas and generator expressions have no name of their own."""
    return name.endswith(">") and name != "<module>"


def place(module: str, function: str, file: str, line: int) -> Place:
    """What a function is known by within a recording; a file's module may be ``__main__`` as well
    as what it is imported by."""
    return "" if file else module, function, file, line


def place_of(item: "Row | Node") -> Place:
    """The same of a row or a node."""
    return place(item.module, item.function, item.file, item.line)


class Event(NamedTuple):
    """One event. ``t`` is in ns since the recording began; ``thread`` a serial that is never
    reused, ``tid`` the system's; ``depth`` 0 at a thread's outermost traced call.

    ``event`` is one of start resume throw return yield unwind c_call c_return c_raise lost;
    ``activation`` a serial for the runs of generators and coroutines, else 0. ``task``,
    ``call_line``, ``args``, ``value`` and ``exception`` are None where they were not recorded.
    ``lost`` counts the events that are missing at this place (event ``lost``). ``column``, that of
    the code's first instruction, tells lambdas of one line apart."""

    t: int
    pid: int
    tid: int
    thread: int
    thread_name: str
    depth: int
    event: str
    function: str | None
    module: str | None
    file: str | None
    line: int
    activation: int
    task: str | None
    call_line: int | None
    args: str | None
    value: str | None
    exception: str | None
    lost: int
    column: int


class Node:
    """A chain of callers in the aggregated call tree: ``function``, ``module``, ``file`` and
    ``line`` of the last of them, ``calls`` made there, ``total_ns`` and ``self_ns`` (in it, and in
    it but in nothing that it called), and ``children``, nodes of what it called, most total first.

    Threads and processes are added up. A generator's suspended time is not its own; recursion makes
    a chain of its own, so the times of a function's nodes overlap there. ``cut``: deeper chains
    than are kept apart (1000) are counted here too."""

    __slots__ = ("calls", "children", "cut", "file", "function", "line", "module", "self_ns",
                 "total_ns")  # fmt: skip

    def __init__(
        self,
        function: str,
        module: str,
        file: str,
        line: int,
        calls: int,
        total: int,
        own: int,
        cut: bool = False,
    ) -> None:
        self.function = function
        self.module = module
        self.file = file
        self.line = line
        self.calls = calls
        self.total_ns = total
        self.self_ns = own
        self.cut = cut
        self.children: list[Node] = []

    def __repr__(self) -> str:
        if not self.function:
            return f"<Node of all: {len(self.children)} outermost, {self.total_ns} ns>"
        s = "s" if self.calls != 1 else ""
        return f"<Node {opts.printable(self.function)}: {self.calls} call{s}, {self.total_ns} ns>"

    def walk(self) -> "Iterator[tuple[int, Node]]":
        """(depth, node) of this node and all below it, callers first."""
        stack = [(0, self)]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            stack += [(depth + 1, child) for child in reversed(node.children)]


def tree_of(tap: "_engine.Tap") -> Node:
    """What a ``tree`` tap was told, as :meth:`Recording.tree` gives it."""
    root = Node("", "", "", 0, 0, 0, 0)
    nodes = [root]
    rows = tap.nodes()
    named = naming((name, file, line, column) for _, name, _, file, line, column, *_ in rows)
    for parent, name, module, file, line, column, calls, total, own, cut in rows:
        name = named(name, file, line, column)
        node = Node(name, module, file, line, calls, total, own, cut)
        nodes[parent].children.append(node)
        nodes.append(node)
    for node in nodes:
        node.children.sort(key=lambda child: -child.total_ns)
    root.total_ns = sum(child.total_ns for child in root.children)
    root.calls = 1
    return root


class Recording:
    """A recording of ``pyftrace record``. OSError when the directory is none. A flight recorder's
    directory stands for its last dump or, without one, for the ring of a process; ``path`` says
    which.

    >>> import pyftrace
    >>> with pyftrace.record("run.data", include="*"):
    ...     print("...")
    ...
    >>> pyftrace.open("run.data").info["state"]
    'COMPLETE'
    """

    def __init__(self, path: "str | PathLike[str]" = "pyftrace.data") -> None:
        self.path = os.fsdecode(path)
        parts = folder.parts(self.path)
        if parts:
            self.path = os.path.join(self.path, folder.chosen(parts))
        try:
            self._folder = os.path.abspath(self.path)  # a program may go elsewhere meanwhile
            self._engine = _engine.Recording(self._folder)
        except OSError as error:
            why = error.strerror
            if error.errno == errno.EINVAL:
                why = "it is damaged or of another version of pyftrace"
            elif error.errno in (errno.ENOENT, errno.ENOTDIR) and os.path.exists(self.path):
                why = "not a recording"
            raise OSError(error.errno, why, self.path) from None
        self._threads: list[dict[str, Any]] | None = None

    def __repr__(self) -> str:
        return f"<Recording {opts.printable(self.path)}: {self.events_total()} events>"

    @property
    def run(self) -> dict[str, Any]:
        """What was recorded: ``id``, ``pid`` of the first process, ``wall_ns`` of the beginning (ns
        since 1970), ``bytes`` on disk, ``facts``: ``command``, ``cwd`` and others."""
        return self._engine.run

    @property
    def processes(self) -> list[dict[str, Any]]:
        """The processes (and sub-interpreters), oldest first, each with the fields that
        ``pyftrace info --json`` has."""
        return self._engine.processes

    @property
    def threads(self) -> list[dict[str, Any]]:
        """The threads: ``serial``, ``pid``, ``tid``, ``name``, ``events``, ``missing``."""
        if self._threads is None:
            self._threads = self._engine.threads()
        return self._threads

    @property
    def damage(self) -> list[str]:
        """What was found wrong in the files so far, in words."""
        self.threads  # noqa: B018  (decodes what its writer did not close)
        return self._engine.damage.splitlines()

    @property
    def dumped(self) -> str | None:
        """Of a flight recorder's dump, why it was made: ``"handle took 312 ms"``."""
        return next((p["facts"]["dump"] for p in self.processes if "dump" in p["facts"]), None)

    @property
    def failures(self) -> list[str]:
        """Processes that could not record: "PID: reason"."""
        return self._engine.failures

    def events_total(self) -> int:
        """Events in the files."""
        return sum(thread["events"] for thread in self.threads)

    def missing(self) -> int:
        """Events that happened and are in no file: let go of by a ring, or not written."""
        by_process = [0] * len(self.processes)
        for thread in self.threads:
            by_process[thread["process"]] += thread["missing"]
        # A full disk has no room for the threads' own counts, only for that of their process.
        return sum(
            max(missing, process["lost"] + process["dropped"])
            for missing, process in zip(by_process, self.processes, strict=True)
        )

    def why_incomplete(self) -> list[str]:
        """Why it is not COMPLETE; empty when it is: nothing is missing, and the first process wrote
        its end mark."""
        why = list(self.damage)
        for process in self.processes:
            if process["error"]:
                why.append(
                    f"pid {process['pid']} stopped recording: {process['error']};"
                    f" {process['lost']} events are missing"
                )
            elif process["lost"]:
                why.append(f"pid {process['pid']} had no memory for {process['lost']} events")
        why += [f"pid {failure}" for failure in self.failures]
        dropped = sum(process["dropped"] for process in self.processes)
        if dropped:
            why.append(f"a ring: {dropped} older events were let go of")
        missing = self.missing()
        if missing and not why:
            why.append(f"{missing} events are missing")
        run = self.run
        first = [p for p in self.processes if p["pid"] == run["pid"] and not p["interpreter"]]
        if not run["foreign"]:
            if not first:
                why.append(f"pid {run['pid']} recorded nothing")
            elif not first[-1]["ended_ns"]:
                alive = _engine.read_run(self._folder)[2]
                state = "it is still running" if alive else "os._exit, exec or killed"
                why.append(f"pid {run['pid']} wrote no end mark: {state}")
        return why

    @property
    def info(self) -> dict[str, Any]:
        """``state`` (COMPLETE or INCOMPLETE), ``why``, ``events``, ``missing``, ``bytes``,
        ``processes``, ``threads``, and what :attr:`run` has."""
        why = self.why_incomplete()
        return {
            "state": "INCOMPLETE" if why else "COMPLETE",
            "why": why,
            "events": self.events_total(),
            "missing": self.missing(),
            "processes": self.processes,
            "threads": self.threads,
        } | self.run

    def did_you_mean(self, pattern: str) -> str:
        """``; did you mean X?``, X a function that was recorded."""
        known = self._engine.functions().values()
        return like_function(pattern, [(module, name, file) for name, module, file, *_ in known])

    # ---- reading ---------------------------------------------------------------------------------

    def walk(
        self,
        tap: "_engine.Tap",
        *,
        since: int | str | None = None,
        until: int | str | None = None,
        **part: Any,
    ) -> tuple[int, int]:
        """Tell a tap the events; (events, missing among them)."""
        begin, end = checked_span(since, until)
        return self._engine.walk(tap, since=begin, until=end, **_checked_ids(part))

    def events(
        self,
        *,
        pid: int = 0,
        tid: int = 0,
        thread: int = 0,
        since: int | str | None = None,
        until: int | str | None = None,
    ) -> Iterator[Event]:
        """The events of all threads, or of one, in order of time; ``since`` and ``until`` in ns
        since the recording began, or as on the command line: ``"1.5s"``. ``pid`` and ``tid`` are
        the system's, ``thread`` is a serial of :attr:`threads`; 0: all. Memory does not grow with
        their number. ValueError for a time or a number that cannot be. What is damaged is passed
        over: :attr:`damage` tells of it."""
        begin, end = checked_span(since, until)
        ids = _checked_ids({"pid": pid, "tid": tid, "thread": thread})
        found = self._engine.events(**ids, since=begin, until=end)
        return map(Event._make, found)

    def report(
        self,
        *,
        progress: Callable[[int], None] | None = None,
        pid: int = 0,
        tid: int = 0,
        thread: int = 0,
        since: int | str | None = None,
        until: int | str | None = None,
        **options: Any,
    ) -> Report:
        """The totals per function, as :func:`pyftrace.report` counts them live, and percentiles.
        Keywords are those of the command line: ``function``, ``exclude``, ``hide``, ``depth``, and
        ``sort``, ``columns``, ``limit``; TypeError for another. The part is that of :meth:`events`.
        ``progress`` is called now and then with the number of events read."""
        sort = opts.checked(SORT, options.pop("sort", "total"))
        columns = opts.checked(COLUMNS, options.pop("columns", opts.DEFAULT_COLUMNS))
        checked = _filters("report", options, ("limit", "sort", "columns"))
        keywords = {n: getattr(checked, n) for n in FILTERS}
        tap = _engine.Tap("report", percentiles=True, **keywords)
        part = {"pid": pid, "tid": tid, "thread": thread, "since": since, "until": until}
        self.walk(tap, progress=progress, **part)

        def counted() -> _engine.Tap:
            """Only who asks how often something was called reads it once more."""
            by_caller = _engine.Tap("report", callers=True, **keywords)
            self.walk(by_caller, **part)
            return by_caller

        return Report(tap, checked, sort, columns, recorded=True, counted=counted)

    def tree(self, *, progress: Callable[[int], None] | None = None, **options: Any) -> Node:
        """The aggregated call tree: its root, whose children are the outermost calls. Keywords are
        those of :meth:`report` but for ``sort``, ``columns`` and ``limit``. MemoryError where it
        does not fit."""
        names = ("pid", "tid", "thread", "since", "until")
        part = {n: options.pop(n) for n in names if n in options}
        checked = _filters("tree", options, names)
        tap = _engine.Tap("tree", **{n: getattr(checked, n) for n in FILTERS})
        self.walk(tap, progress=progress, **part)
        return tree_of(tap)

    def to_dataframe(self, **part: Any) -> Any:
        """The events as a pandas DataFrame, one column per field of :class:`Event`; ``part`` as for
        :meth:`events`. ImportError when pandas is not installed; all events are held in memory."""
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return pandas.DataFrame(self.events(**part), columns=list(Event._fields))
