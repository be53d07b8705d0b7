"""``record``: a recording of a ``with`` block or of a function's calls."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from pyftrace import _engine, api, flight, folder
from pyftrace._boot import open_recorder, run_facts
from pyftrace.options import Options, join

if TYPE_CHECKING:
    from os import PathLike

P = ParamSpec("P")
R = TypeVar("R")

_ONLY_COMMAND = ("no_children", "time", "path")


class _Record:
    """What ``record(...)`` gives: a context manager once, or a decorator."""

    def __init__(self, path: str, options: dict[str, Any], threads: str | None) -> None:
        self._options = api._options(options, record=True)
        self._all = threads == "all"
        self._path = path
        self.path = path  # where it is, once it is entered
        self._tap: _engine.Tap | None = None
        self._over = False  # the process is ending
        self._watches: list[flight.Watch] = []
        self._lock = threading.Lock()

    def _open(self, options: Options, stacklevel: int) -> _engine.Tap:
        """The directory is made, an older recording of ours rotated; OSError when it cannot be."""
        facts = run_facts(join(sys.orig_argv))
        size = self._options.max_size
        try:
            with folder.Alone(_engine, self._path):  # to the end: another thread may come too
                self.path, run_id, note = folder.prepare(
                    _engine, self._path, os.getpid(), size, False, facts, inside=True
                )
                tap = open_recorder(_engine, self.path, options, run_id)
        except folder.FolderError as error:
            raise OSError(str(error)) from None
        try:
            if note is not None:
                _warn(note, stacklevel + 1)  # which may be an error
            if options.dump_on:
                self._watch(tap, options)
        except BaseException:
            self._close(tap)
            raise
        return tap

    def _watch(self, tap: _engine.Tap, options: Options) -> None:
        flight.end_in_children(tap, lambda: self._close(tap))
        try:
            self._watches = flight.watch_signals(tap, options)
        except ValueError:
            raise ValueError("a signal can be watched in the main thread only") from None

    def _close(self, tap: _engine.Tap) -> None:
        state = tap.flight
        flight.forget_children(tap)
        while self._watches:
            self._watches.pop().end()
        tap.close()
        if state is not None:
            flight.remove_ring(state[0])

    def dump(self, reason: str = "asked for") -> str | None:
        """Of a recording with ``dump_on``: what the ring holds becomes a dump now. Its directory;
        None when nothing was called since the last one, or there are ``max_dumps`` already.

        ``reason`` is what ``pyftrace info`` tells of it. RuntimeError when the recording is not
        entered or has no ``dump_on``."""
        tap = self._tap
        state = tap.flight if tap is not None else None
        if tap is None or state is None:
            raise RuntimeError("no recording with dump_on is entered")
        if not isinstance(reason, str):
            raise TypeError(f"reason is a text, not {type(reason).__name__}")
        number = tap.dump(reason.encode("utf-8", "backslashreplace").decode())
        home = os.path.dirname(state[0])
        return os.path.join(home, f"{folder.DUMP}{number}") if number else None

    # ---- with ------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._tap is not None:
            raise RuntimeError("this recording is entered already; make another")
        tap = self._open(self._options, 3)
        try:
            if self._all:
                tap.attach()
            else:
                tap.enter()
        except BaseException:
            self._close(tap)
            raise
        self._tap = tap
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tap, self._tap = self._tap, None
        if tap is not None:
            if error is not None and self._options.dump_on:
                flight.dump_exception(tap, error, "ended the block")
            self._close(tap)
            reason = tap.recorded[3]
            if reason:
                lost = tap.recorded[1]
                _warn(f"the recording stopped: {reason}; {lost} events are missing", 3)

    # ---- decorator -------------------------------------------------------------------------------

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        if not callable(func):
            raise TypeError(f"record() decorates a function, not {type(func).__name__}")
        atexit.register(self._end)  # now: what the program does at its end comes before
        wrapped: Callable[P, R] = api._decorate(func, self._options, lambda o: _Switch(self, o))
        return wrapped

    def _end(self) -> None:
        with self._lock:
            self._over = True
            if self._tap is not None:
                self._close(self._tap)


def _warn(message: str, stacklevel: int) -> None:
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)


class _Nothing:
    """In place of a tap where nothing is recorded any more."""

    def leave(self) -> None:
        """As a tap's."""


class _Switch:
    """Enters the recording around what runs of a decorated function; the first call opens it, the
    end of the process closes it."""

    def __init__(self, record: _Record, options: Options) -> None:
        self._record = record
        self._options = options

    def enter(self) -> api._Entered:
        """The tap, entered."""
        record = self._record
        if record._over:
            return _Nothing()
        tap = record._tap
        if tap is None:
            with record._lock:
                tap = record._tap
                if tap is None:
                    tap = record._tap = record._open(self._options, 4)
        if record._all:
            tap.watch_all()
        tap.enter()
        return tap


def record(
    path: "str | PathLike[str]" = folder.DEFAULT, *, threads: str | None = None, **options: Any
) -> _Record:
    """Write a recording: of a ``with`` block, or of the calls of a decorated function.

    ``path`` is a directory; an older recording there is renamed to ``path.old``, anything else is
    refused with OSError. Where another program is writing it goes to ``path.PID``, with a
    RuntimeWarning; ``path`` of what ``record()`` gives is where it is. A block sees the calling
    thread, a decorated function its own calls, ``threads="all"`` all threads. Other
    keywords are the command line's: ``args=True``, ``values="safe"``, ``callers=True``,
    ``function="parse*"``, ``ring="4M"``. Processes forked meanwhile join the recording; others are
    recorded by ``pyftrace record``.

    With ``dump_on`` it is a flight recorder: the ring is kept only when something happens, as
    ``path/dump-N``, at most ``max_dumps`` times: ``dump_on=["exception", "slow:handle:200ms",
    "signal:USR1"]``, or by hand with ``dump()`` of what ``record()`` gave. A signal can be watched
    in the main thread only: ValueError elsewhere.

    >>> import pyftrace
    >>> def double(x):
    ...     return 2 * x
    >>> with pyftrace.record("run.data", include="*"):
    ...     double(4)
    8
    >>> [event.event for event in pyftrace.open("run.data").events()]
    ['start', 'return']
    """
    api._check_threads(threads)
    for name in _ONLY_COMMAND:
        if name in options:
            raise TypeError(f"'{name}' is no option of record()")
    return _Record(os.fspath(path), options, threads)
