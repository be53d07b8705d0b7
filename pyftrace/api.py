"""``trace``, ``report``, ``start`` and ``stop``: the command line's options as keywords."""

import functools
import inspect
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import CodeType, TracebackType
from typing import Any, Literal, ParamSpec, Protocol, Self, TypeVar, cast, overload

from pyftrace import _boot
from pyftrace.options import DEFAULTS, Options, nearest
from pyftrace.totals import Report

try:
    from pyftrace import _engine
except ImportError:
    raise ImportError(
        "pyftrace is not built here: this is its source folder; run 'pip install .' in it, or start"
        " Python from another directory"
    ) from None

P = ParamSpec("P")
R = TypeVar("R")

_engine.set_paths(_boot.library_folders(), _boot.own_folders())

_NOT_FOR_CODE = (
    "launcher_pid", "package", "report", "quiet", "color", "output", "format",
    "record", "run_id",
)  # fmt: skip


def _options(keywords: dict[str, Any], **fixed: Any) -> Options:
    for name in keywords:
        if name in _NOT_FOR_CODE:
            raise TypeError(f"'{name}' is an option of the command line only")
        if name not in DEFAULTS:
            close = nearest(name, DEFAULTS)
            raise TypeError(
                f"unknown option '{name}'" + (f"; did you mean {close}?" if close else "")
            )
    return Options(**keywords, **fixed)


def new_tap(kind: Literal["text", "report"], options: Options, file: Any) -> _engine.Tap:
    """A tap whose lines go to ``file``: a path, a stream, or None for sys.stdout as it is now."""
    keywords = options.tap_keywords()
    if kind == "report":
        return _engine.Tap(kind, **keywords | {"callers": True})
    if file is None:
        file = sys.stdout
    if isinstance(file, str) or hasattr(file, "__fspath__"):
        return _engine.Tap(kind, file=str(file), **keywords)
    if not hasattr(file, "write"):
        raise TypeError("file must be a path or have a write method")
    return _engine.Tap(kind, stream=file, **keywords)


def _check_threads(threads: str | None) -> None:
    if threads not in (None, "all"):
        raise ValueError(f"threads is 'all' or not given, not {threads!r}")


# ---- taps of decorated functions -----------------------------------------------------------------


class _Shared:
    """One tap for all functions decorated with equal options whose output goes to one place: a
    function that calls another is one tree, not two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taps: dict[tuple[Options, int], tuple[_engine.Tap, Any]] = {}

    def get(self, options: Options, file: Any) -> _engine.Tap:
        stream = sys.stdout if file is None else file
        key = (options, id(stream))
        with self._lock:
            known = self._taps.get(key)
            if known is not None:
                return known[0]
            if len(self._taps) >= 64:  # streams come and go; a tap in use lives on by its users
                self._taps.pop(next(iter(self._taps)))
            tap = new_tap("text", options, stream)
            self._taps[key] = (tap, stream)
            return tap

    def clear(self) -> None:
        with self._lock:
            self._taps.clear()


_shared = _Shared()


class _Entered(Protocol):
    """A tap, most often."""

    def leave(self) -> None:
        """Once for each time that it was entered."""


class _Entering(Protocol):
    """What a decorated function's wrapper holds: a way into its tap, around what runs of it."""

    def enter(self) -> _Entered:
        """The tap, entered."""


class _Switch:
    """Enters the tap that prints one decorated function's tree."""

    __slots__ = ("all_threads", "file", "options", "stream", "tap")

    def __init__(self, options: Options, file: Any, all_threads: bool) -> None:
        self.options = options
        self.file = file
        self.all_threads = all_threads
        self.stream: Any = None
        self.tap: _engine.Tap | None = None

    def enter(self) -> _engine.Tap:
        """The tap, entered; sys.stdout is looked at anew, as each outermost call may find
        another."""
        stream = sys.stdout if self.file is None else self.file
        tap = self.tap
        if tap is None or stream is not self.stream:
            tap = _shared.get(self.options, self.file)
            self.tap, self.stream = tap, stream
        if self.all_threads:
            tap.watch_all()
        tap.enter()
        return tap


def _adopt(func: Callable[..., Any]) -> str | None:
    """Make a function's own code user code wherever it lies; its top-level package, if that is not
    user code by itself."""
    inner: Any = inspect.unwrap(func)
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = getattr(inner, "__func__", inner)
    code = getattr(inner, "__code__", None)
    if not isinstance(code, CodeType) or not _engine.is_library(code.co_filename):
        return None
    _engine.own(code)
    package = (getattr(inner, "__module__", None) or "").partition(".")[0]
    return package if package != "__main__" else None


def _wrap(
    func: Callable[P, R], options: Options, switch_of: Callable[[Options], _Entering]
) -> Callable[P, R]:
    package = _adopt(func)
    if package and not options.only:
        options = options.replace(include=(*options.include, package))
    switch = switch_of(options)
    wrapper: Any
    if inspect.iscoroutinefunction(func):
        wrapper = _coroutine_wrapper(func, switch)
    elif inspect.isasyncgenfunction(func):
        wrapper = _asyncgen_wrapper(func, switch)
    elif inspect.isgeneratorfunction(func):
        wrapper = _generator_wrapper(func, switch)
    else:
        wrapper = _function_wrapper(func, switch)
    try:
        functools.update_wrapper(wrapper, func)
    except (AttributeError, TypeError):
        pass  # a callable without a name: a partial, an instance
    return cast("Callable[P, R]", wrapper)


def _function_wrapper(func: Callable[..., R], switch: _Entering) -> Callable[..., R]:
    enter = switch.enter

    def wrapper(*args: Any, **kwargs: Any) -> R:
        tap = enter()
        try:
            return func(*args, **kwargs)
        finally:
            tap.leave()

    return wrapper


class _Steps:
    """Drives a generator or coroutine and watches only while it runs: other tasks' steps, which run
    while it waits, are not its own."""

    __slots__ = ("_inner", "_switch")

    def __init__(self, inner: Any, switch: _Entering) -> None:
        self._inner = inner
        self._switch = switch

    def __iter__(self) -> "_Steps":
        return self

    __await__ = __iter__

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        tap = self._switch.enter()
        try:
            return self._inner.send(value)
        finally:
            tap.leave()

    def throw(self, *exc: Any) -> Any:
        tap = self._switch.enter()
        try:
            return self._inner.throw(*exc)
        finally:
            tap.leave()

    def close(self) -> None:
        tap = self._switch.enter()
        try:
            self._inner.close()
        finally:
            tap.leave()


def _generator_wrapper(
    func: Callable[..., Generator[Any, Any, Any]], switch: _Entering
) -> Callable[..., Generator[Any, Any, Any]]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from cast("Any", _Steps(func(*args, **kwargs), switch)))

    return wrapper


def _coroutine_wrapper(
    func: Callable[..., Awaitable[Any]], switch: _Entering
) -> Callable[..., Awaitable[Any]]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await cast("Any", _Steps(func(*args, **kwargs), switch))

    return wrapper


def _asyncgen_wrapper(
    func: Callable[..., AsyncGenerator[Any, Any]], switch: _Entering
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        agen = func(*args, **kwargs)
        step: Any = agen.__anext__()
        while True:
            try:
                value = await cast("Any", _Steps(step, switch))
            except StopAsyncIteration:
                return
            try:
                sent = yield value
            except GeneratorExit:
                await cast("Any", _Steps(agen.aclose(), switch))
                raise
            except BaseException as error:
                step = agen.athrow(error)
            else:
                step = agen.asend(sent)

    return wrapper


# ---- trace ---------------------------------------------------------------------------------------


class _Trace:
    """What ``trace(...)`` with options gives: a decorator, and a context manager once."""

    def __init__(self, options: Options, file: Any, threads: str | None) -> None:
        self._options = options
        self._file = file
        self._all = threads == "all"
        self._tap: _engine.Tap | None = None

    def _switch(self, options: Options) -> _Switch:
        return _Switch(options, self._file, self._all)

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        if not callable(func):
            raise TypeError(f"trace() takes a function, not {type(func).__name__}")
        wrapped: Callable[P, R] = _decorate(func, self._options, self._switch)
        return wrapped

    def __enter__(self) -> Self:
        if self._tap is not None:
            raise RuntimeError("this trace is entered already; make another with pyftrace.trace()")
        tap = new_tap("text", self._options, self._file)
        if self._all:
            tap.attach()
        else:
            tap.enter()
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
            tap.close()


def _decorate(func: Any, options: Options, switch_of: Callable[[Options], _Entering]) -> Any:
    # A static or class method given before it is bound: what it holds is wrapped.
    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(_wrap(func.__func__, options, switch_of))
    return _wrap(func, options, switch_of)


@overload
def trace(func: Callable[P, R], /, **options: Any) -> Callable[P, R]: ...
@overload
def trace(func: None = None, /, **options: Any) -> _Trace: ...
def trace(
    func: Callable[P, R] | None = None,
    /,
    *,
    file: Any = None,
    threads: str | None = None,
    **options: Any,
) -> Callable[P, R] | _Trace:
    """Print the tree of calls: of a function (decorator, wrapper) or of a ``with`` block.

    ``trace(func)`` keeps the function's signature, name, docstring and async or generator nature.
    It sees its own call's thread or task, a ``with`` block the calling thread; ``threads="all"``
    sees all. The tree goes to ``sys.stdout`` as it is when a call or block begins, or to ``file``:
    a path or a stream. Other keywords are the command line's options: ``depth=3, args=True,
    function="parse*"``.

    TypeError for what is no keyword or no function, ValueError for a value that an option cannot
    have, OSError when the path cannot be written; RuntimeError when a block is entered again before
    its end, or other tools hold every id of ``sys.monitoring``.

    >>> import sys, pyftrace
    >>> def double(x):
    ...     return 2 * x
    >>> pyftrace.trace(double)(4)
    Called double:1 from ...
    Returning double-> 8
    8
    """
    _check_threads(threads)
    checked = _options(options)
    tracing = _Trace(checked, file, threads)
    return tracing if func is None else tracing(func)


# ---- report --------------------------------------------------------------------------------------


class _Counting(Report):
    """A report that is also its own context manager."""

    def __init__(self, options: Options, threads: str | None) -> None:
        super().__init__(new_tap("report", options, None), options)
        self._all = threads == "all"
        self._entered = False

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "this report is entered already; make another with pyftrace.report()"
            )
        self._entered = True
        if self._all:
            self._tap.attach()
        else:
            self._tap.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tap.close()


def report(*, threads: str | None = None, **options: Any) -> _Counting:
    """Count calls and times in a ``with`` block; the report can be read inside it and after.

    Keywords and errors as for :func:`trace`, and ``sort``, ``columns``, ``limit`` of the command
    line. A block sees the calling thread, ``threads="all"`` all of them. What it gives is a
    :class:`Report` that can be entered once.

    >>> import pyftrace
    >>> with pyftrace.report() as r:
    ...     pass
    >>> r.rows
    []
    """
    _check_threads(threads)
    return _Counting(_options(options, report=True), threads)


# ---- start and stop ------------------------------------------------------------------------------

_started: _engine.Tap | None = None


def start(*, file: Any = None, **options: Any) -> None:
    """Print the tree of every thread from now until :func:`stop`, to ``sys.stdout`` as it is now or
    to ``file``. Keywords and errors as for :func:`trace`; RuntimeError when started already."""
    global _started
    if _started is not None:
        raise RuntimeError("tracing is started already; pyftrace.stop() ends it")
    tap = new_tap("text", _options(options), file)
    tap.attach()
    _started = tap


def stop() -> None:
    """End what :func:`start` began and switch everything off, also what decorated functions left
    on: their next call switches it on again. No error when nothing was started."""
    global _started
    tap, _started = _started, None
    if tap is not None:
        tap.close()
    _shared.clear()
    _engine.release()
