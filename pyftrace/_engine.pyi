"""The C engine: one per interpreter, on ``sys.monitoring``.

Not for direct use: :mod:`pyftrace` is the public API. A :class:`Tap` is one consumer of the call
stream, a filter and a sink. Taps attach to the engine, several at once; the engine takes a tool id
when the first one attaches and gives it back in :func:`stop`.
"""

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Literal, Protocol

__version__: str

class Writable(Protocol):
    def write(self, text: str, /) -> object: ...

_Reach = Literal["none", "direct", "all"]
_Function = tuple[str, str, str, int, int]  # name, module, file, line, column

class Tap:
    """A filter and a sink: ``"text"`` the tree, ``"report"`` the table of totals, ``"record"`` the
    recorder, ``"tree"`` the aggregated tree; for recordings ``"events"``, which calls ``take`` with
    lists of what ``Recording.events()`` gives, ``"spans"``, which keeps when one thread ran what,
    at most ``most`` spans of it, and the formats of ``dump`` that have a sink.

    ``libs`` and ``builtins`` say which library and C functions are shown: none, those called
    directly from user code, all. ``include``, ``only``, ``function``, ``exclude``, ``hide`` are
    patterns (``ValueError`` names a bad one). ``depth`` limits the shown depth (0: no limit).
    ``file`` is opened here (``OSError``); else lines go to ``stream.write``, bound now.
    A stream is the caller's: a tap never flushes or closes it; nor does it close ``fd``, a
    descriptor to write to.

    A recorder writes into the directory ``folder`` (``OSError``), which must belong to the run
    ``run`` if that is given (``RuntimeError``). ``callers`` records the lines of calls, and a
    report counts by caller then; ``ring`` keeps the last bytes of each thread (0: all), ``facts``
    are keys and values by turns, as UTF-8, that are kept of the process. With ``one_process`` a
    forked child leaves it. With ``dump_on`` it is a flight recorder: its rings lie in ``folder``
    and become dumps there, at most ``max_dumps``, when an exception goes where nothing is recorded
    (``("exception", GLOB, 0)``, every mistake if GLOB is empty) or a function's call takes longer
    than ns (``("slow", PATTERN, ns)``).

    A tree into which a recording is walked holds its lines back until flush() when ``last`` is
    given, and writes that many of them, below the lines of the calls that they lie in; at least
    half are those of the thread with the native id ``own``, if that has as many.

    ``"events"`` calls ``take`` with lists of tuples, as :class:`pyftrace.recording.Event` names
    them; with ``bounds`` also of calls that began before what is told of their thread (event
    ``open``), and of threads' ends (event ``end``, at their last event, shown or not).
    """

    def __init__(
        self,
        kind: str,
        *,
        libs: _Reach = "none",
        builtins: _Reach = "none",
        include: tuple[str, ...] = (),
        only: tuple[str, ...] = (),
        function: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        hide: tuple[str, ...] = (),
        depth: int = 0,
        args: bool = False,
        values: Literal["safe", "str", "none"] = "safe",
        value_length: int = 120,
        time: bool = False,
        path: bool = False,
        color: bool = False,
        stream: Writable | None = None,
        file: str | None = None,
        fd: int = -1,
        folder: str | None = None,
        run: str | None = None,
        callers: bool = False,
        dump_on: tuple[tuple[str, str, int], ...] = ...,
        max_dumps: int = 0,
        ring: int = 0,
        facts: tuple[bytes, ...] = (),
        percentiles: bool = False,
        one_process: bool = False,
        last: int = 0,
        own: int = 0,
        take: Callable[[list[tuple[Any, ...]]], object] = ...,
        most: int = 0,
        bounds: bool = False,
    ) -> None: ...
    def attach(self) -> None:
        """Watch all threads from now on. ``RuntimeError`` when no tool id is free (it names the
        holders), when the events are refused, when 32 other taps are active, or when it is attached
        already. ``ValueError`` for a kind that is for recordings, or with ``last``."""
    def watch_all(self) -> None:
        """As attach(), but no error when it is attached already."""
    def watch_others(self, but: tuple[int, ...]) -> None:
        """Watch all threads from now on but those of these native ids, which enter() and leave() as
        they like: what runs for the program and is no part of it. Errors as attach(); ``TypeError``
        the second time."""
    def detach(self) -> None:
        """The opposite of attach(); no error when not attached. What was collected stays."""
    def enter(self) -> None:
        """Watch the calling thread until the matching leave(); nests, and costs little after the
        first time: the events stay on until stop(). Errors as attach()."""
    def leave(self) -> None: ...
    def release(self) -> None:
        """After the last leave(): give up the place in the engine and, if no other tap wants them,
        switch the events off (what a context manager does at its end)."""
    def write(self, text: str) -> None:
        """Send ``text`` where the tap's own lines go, in order with them."""
    def flush(self) -> None:
        """Write out the buffer of ``file``; nothing for a stream."""
    def close(self) -> None:
        """Detach, flush and close ``file``; a recorder writes its end mark. Collected rows can
        still be read."""
    def dump(self, reason: str) -> int:
        """Make what a flight recorder's ring holds a dump: its number; 0 when it is not made:
        nothing was called since the last, there are enough, or no room."""
    def dump_exception(self, error: BaseException, type: str, where: str, /) -> None:
        """The same for an exception of that type, if it is one of the reasons and was not dumped on
        its way; ``where`` says what it did: "ended the program"."""
    def ending(self) -> None:
        """Write a recorder's end mark now: what kills the process later ends nothing more."""
    def rows(self) -> list[tuple[Any, ...]]:
        """Unsorted ``(name, module, file, line, column, ordinal, calls, resumes, total_ns, self_ns,
        min_ns, max_ns, p50_ns, p95_ns, p99_ns)``; ordinal is 0, or 1, 2, ... among lambdas of one
        line; the percentiles are None without ``percentiles``."""
    def callers(self) -> list[tuple[tuple[str, str] | None, str, str, str, int]]:
        """Of a report that counts ``callers``: ``((name, module) of the caller or None, name,
        module, file, calls)``; in no order, and a pair may come more than once."""
    def render(
        self,
        format: Literal["table", "json", "csv"] = "table",
        *,
        sort: tuple[str, ...] = ("total",),
        columns: tuple[str, ...] = ("self", "avg", "where"),
        limit: int = 0,
        footer: bool = True,
    ) -> str:
        """The table as text, with its final newline."""
    def unmatched(self) -> list[str]:
        """Patterns of function, exclude, hide, include and only that matched nothing so far."""
    def left_out(self) -> list[tuple[str, int]]:
        """(top-level package, functions) called and out of scope: those that user code called
        directly, or if there are none all, in order of first call."""
    @property
    def flight(self) -> tuple[str, int, int, str, list[str]] | None:
        """Of a flight recorder that is not closed: (folder of its ring, dumps made by this process,
        dumps that could not be made, why: "" because there are ``max_dumps``, patterns of ``slow``
        that matched nothing so far)."""
    @property
    def attached(self) -> bool:
        """Whether it has a place in the engine: from attach() or enter() on until it is detached,
        which stop() and release() do as well."""
    @property
    def lines(self) -> int:
        """Tree lines written so far."""
    @property
    def lost_lines(self) -> int:
        """Lines that could not be written."""
    @property
    def unkept(self) -> int:
        """Events that found no memory, or whose figures found none ("report", "graph")."""
    @property
    def deeper(self) -> int:
        """Calls left out because what is written knows no such depth ("uftrace")."""
    @property
    def error(self) -> OSError | None:
        """The first failure to write, if any; a broken pipe counts."""
    @property
    def calls(self) -> int:
        """Calls counted so far ("report")."""
    @property
    def wall_ns(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def recorded(self) -> tuple[int, int, int, str, int]:
        """Of a recorder: (calls seen, events lost, errno of what stopped it or 0, that in words,
        events that a ring has let go of)."""
    def nodes(self) -> list[tuple[int, str, str, str, int, int, int, int, int, bool]]:
        """The nodes of a ``"tree"``, parents first: ``(parent, name, module, file, line, column,
        calls, total_ns, self_ns, cut)``; parent is 0 for an outermost call, else 1 + the index of
        its row; ``cut``: deeper calls are counted here too."""
    def spans(
        self,
    ) -> tuple[
        int,
        int,
        list[tuple[str, str, str, int, int]],
        list[tuple[int, int, int, int, int, int, bool]],
    ]:
        """Of ``"spans"``: ``(limit, deeper, functions, spans)``. Calls shorter than ``limit`` ns
        may be added up; ``deeper`` calls have no span because 128 levels do. ``functions`` are
        ``(name, module, file, line, column)``; a span is ``(depth, begin, end, busy, calls,
        function, mixed)``: times in ns, ``busy`` those in which one of its calls ran, an index into
        ``functions``, and whether there are others; those of a depth are in order of time."""

    def edges(self) -> list[tuple[_Function | None, _Function, int, int, int, int]]:
        """Who calls whom, of ``"edges"``: ``(caller, function, calls, calls within no other call of
        the function, their ns, self_ns)``; the caller is None for outermost calls."""

class Recording:
    """A recording's directory opened for reading (``OSError``; EINVAL: damaged, or of another
    version of the format). A recording that is still being written is read as far as it is."""

    def __init__(self, folder: str) -> None: ...
    @property
    def run(self) -> dict[str, Any]:
        """``id``, ``pid`` of the first process, format ``version``, ``wall_ns`` since the epoch of
        the beginning, ``max_size``, ``bytes`` in all files, ``foreign`` (recorded around a command
        that is not Python), ``facts``."""
    @property
    def processes(self) -> list[dict[str, Any]]:
        """Oldest first, a sub-interpreter being an entry of its own: ``pid``, ``parent``,
        ``interpreter``, ``forked``, ``ring``, ``prewritten``, ``began_ns`` and ``ended_ns`` (0: no
        end mark) since the recording began, ``signal`` that ended it, ``error`` that stopped its
        recording, events ``lost`` by that, ``dropped`` by a ring, ``bytes``, ``lanes``,
        ``functions``, ``facts``."""
    @property
    def failures(self) -> list[str]:
        """Processes that could not record: "PID: reason"."""
    @property
    def damage(self) -> str:
        """What was found wrong so far, a line each."""
    def time_of(self, ticks: int) -> int:
        """A moment of :func:`ticks` as the time that an event of this process at that moment has:
        ns since the recording began. ``LookupError`` when this process does not write it."""
    def threads(self) -> list[dict[str, Any]]:
        """``serial``, ``pid``, ``tid``, ``name``, ``process`` (its index), ``events``,
        ``missing``."""
    def walk(
        self,
        tap: Tap,
        *,
        pid: int = 0,
        tid: int = 0,
        thread: int = 0,
        since: int = 0,
        until: int = 0,
        min_ns: int = 0,
        merged: bool = False,
        progress: Callable[[int], None] | None = None,
        anew: bool = False,
        workers: int = 0,
    ) -> tuple[int, int]:
        """Tell a tap that is not attached what happened: (events, events missing). ``merged``: all
        threads by time, else thread by thread. ``min_ns`` leaves out calls that were shorter. With
        ``anew`` a tap with ``last`` writes nothing of calls begun before ``since``, and not the
        last lines but those that tell most of how it ended: the calls on the way to a failure, then
        what they called, then what that called, the latest first. ``workers``: how many cores walk
        the threads for a report, a tree or edges, the same to the byte; 0: all, if it pays."""
    def functions(self) -> dict[int, tuple[str, str, str, int, int]]:
        """(name, module, file, line, column) by the id that an outline's rows have; 0 is the
        function of which nothing is known."""
    def outline(self, thread: int, /) -> Outline:
        """The calls of the thread of that serial as a tree (``LookupError``)."""
    def events(
        self, *, pid: int = 0, tid: int = 0, thread: int = 0, since: int = 0, until: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """All events by time, as the fields of :class:`pyftrace.Event`."""

_OutlineRow = tuple[int, int, int, str, int, str | None, int, int, str | None, int | None, int,
                    str | None, str | None, bool, int]  # fmt: skip

class Outline:
    """The calls of one thread, read where they are looked at. A place is an event's number among
    the thread's, those missing included; a call is known by the place of its entering event, or,
    if it was open already when what is kept begins, of the first event behind."""

    def rows(
        self, depth: int, begin: int, most: int, budget: int, /
    ) -> tuple[list[_OutlineRow], bool]:
        """The calls at ``depth`` from the place ``begin`` on, which lies within the call around
        them: at least one, at most ``most`` (one more where events are missing), fewer once
        ``budget`` events were read; and whether these are the last. Each is ``(at, end, function
        id, how entered, begin ns, how left, end ns, activation, task, call line, calling
        function's id, args, value, awaits, lost)``. How entered is an event's name, ``open``
        (before what is kept) or ``lost`` (no call: events missing from ``at`` to ``end``); how left
        is None while it is not over and ``left`` when that was lost. What follows begins at ``end``
        + 1, after ``lost`` at ``end``."""
    def back(self, depth: int, first: int, upto: int, most: int, /) -> int:
        """From where rows() tells the last ``most`` calls before ``upto``, or some more; ``first``
        is the first place within the call around them."""
    def stack(self, upto: int, /) -> list[int]:
        """The places of the calls open just before ``upto``, outermost first."""
    def place(self, ns: int, /) -> int:
        """The place of the first event at that time or later."""
    def find(
        self, wanted: bytes | str | int, begin: int, upto: int, backward: bool, budget: int, /
    ) -> tuple[int | None, int]:
        """The place of the first event in [begin, upto), backward the last, that is wanted, and how
        far it looked after about ``budget`` events. Bytes: a function at whose id is not 0 is
        entered; a text: a call is entered with it in its arguments, or left with it in its value or
        exception; a number: the task of that number begins to run, or runs on."""
    def tasks(self, found: dict[int, tuple[str, int, int]], begin: int, upto: int, budget: int, /
    ) -> int:  # fmt: skip
        """Adds to ``found`` the tasks that run in [begin, upto), by number: (name, runs, place of
        the first run). How far it came after about ``budget`` events."""
    def extent(self) -> tuple[int, int, int]:
        """(events, those missing included; ns of the first, of the last)."""

def create_run(
    folder: str,
    pid: int,
    *,
    max_size: int = 0,
    foreign: bool = False,
    rotated: bool = False,
    facts: tuple[bytes, ...] = (),
    run_id: bytes = b"",
) -> str:
    """Make the directory of a recording, with its file ``run``: the run's id in hexadecimal
    digits, a new one unless ``run_id`` gives its 16 bytes. ``rotated``: an older recording made
    way. ``FileExistsError`` when it is there already, ``OSError``."""

def read_run(folder: str) -> tuple[str, int, bool, bool, bool]:
    """(id, pid of the first process, whether that lives, whether it is no Python of ours, whether
    an older recording made way) of a recording's directory. ``OSError`` when it is none."""

def is_written(folder: str) -> bool:
    """Whether a process that began to record in that folder, and has not ended, lives."""

def leave_run(folder: str) -> None:
    """This process has come to its end there, and does not count as alive any more; nothing unless
    it is the run's first. ``OSError``."""

def lock_run(folder: str) -> object:
    """While what this gives is kept, nobody else makes, moves or takes along that folder:
    ``.FOLDER.pyftrace-lock`` beside it is there, and locked. None when the lock cannot be had, or
    not within a second."""

def arm(
    tap: Tap,
    *,
    package: str | None = None,
    style: tuple[str, tuple[str, ...], tuple[str, ...], int, bool] | None = None,
    spawned: bool = False,
) -> None:
    """Attach ``tap`` as a whole program's: tracing begins at the first frame without a Python
    caller on this thread (start-up is over), and until ``__main__``'s own code only user code is
    kept. ``package`` is the top-level package of ``-m``; ``spawned``: ``__main__`` is
    multiprocessing's, and the program ``__mp_main__``. SIGTERM and SIGHUP, if at their default,
    write out the tap's file, or the table in ``style`` (format, sort, columns, limit, footer), and
    then kill as before."""

def disarm() -> None:
    """Detach the armed tap and give SIGTERM and SIGHUP back."""

def stop() -> None:
    """Detach every tap, switch all events off and give the tool id back."""

def own(code: CodeType, /) -> None:
    """Count a code object and those nested in it as user code wherever they lie, from now on."""

def release() -> None:
    """Detach every tap but the armed program's; with none left, as stop()."""

def forked() -> bool:
    """Whether this process is a forked child of the one that armed."""

def children() -> tuple[int, int]:
    """(started, forked): processes since arm(), by subprocess or multiprocessing, and by fork."""

def is_main() -> bool:
    """Whether this is the main interpreter of its process."""

def interpreters() -> bool:
    """Whether a sub-interpreter has been seen since arm()."""

def set_paths(stdlib: tuple[str, ...], own: tuple[str, ...]) -> None:
    """Absolute folders of the standard library and of pyftrace itself: code below is not user
    code. Folders named site-packages or dist-packages are known."""

def is_library(file: str, /) -> bool:
    """Whether code of that file is the standard library's, of site-packages, made of a text or
    pyftrace's own, as far as its name says; what is typed at a prompt is the user's."""

def tool_id() -> int:
    """The tool id held, -1: none."""

def events() -> int:
    """The events switched on for the tool id held (``sys.monitoring.events`` bits), 0: none."""

def ticks() -> int:
    """The clock that events are stamped with, in its own unit."""

def started() -> bool:
    """Whether the armed program's tracing has begun."""
