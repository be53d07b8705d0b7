"""Arms the engine in a Python that starts with ``PYFTRACE`` in its environment, and prints what is
to be printed at its end. Runs inside the traced program: small imports only, and never a
traceback."""

import os
import sys

from pyftrace import options as opts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyftrace._engine import Tap


def say(message: str) -> None:
    """One line on standard error; where there is none, nothing."""
    try:
        print(f"pyftrace: {message}", file=sys.__stderr__, flush=True)
    except (AttributeError, OSError, ValueError, RuntimeError):
        pass


def start() -> None:
    """Arm, if ``PYFTRACE`` means this process. What goes wrong is one line; the program runs on."""
    text = os.environ.get("PYFTRACE", "off")
    if text == "off":
        return
    try:
        options = _read(text)
        if options is None:
            return
        del os.environ["PYFTRACE"]  # children would mix their lines into what is captured
        _arm(options)
    except opts.OptionError as error:
        os.environ.pop("PYFTRACE", None)
        say(f"PYFTRACE: {error}; running untraced")
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        say(f"{error}; running untraced")


def _read(text: str) -> opts.Options | None:
    """The options, None when another process is meant."""
    fields, rest, ended = opts.parse(opts.split(text))
    if rest or ended:
        word = rest[0] if rest else ended
        raise opts.OptionError(f"'{word}' is no option")
    options = opts.Options(**fields)
    if options.launcher_pid not in (0, os.getpid()):
        return None
    return options


def library_folders() -> tuple[str, ...]:
    """Where the standard library lies, without importing sysconfig (1.5 ms and 20 modules)."""
    pure = os.path.dirname(os.path.abspath(os.__file__))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    built = [
        os.path.join(p, sys.platlibdir, version) for p in (sys.base_prefix, sys.base_exec_prefix)
    ]
    return tuple(dict.fromkeys([pure, os.path.realpath(pure), *built]))


def own_folders() -> tuple[str, ...]:
    """Where pyftrace lies: never shown."""
    here = os.path.dirname(os.path.abspath(__file__))
    return tuple(dict.fromkeys([here, os.path.realpath(here)]))


def _arm(options: opts.Options) -> None:
    from pyftrace import _engine

    stream = None if options.output else sys.stdout
    if stream is None and not options.output:
        say("standard output is closed: nowhere to print to; use -o FILE")
        return
    _engine.set_paths(library_folders(), own_folders())
    try:
        tap = _engine.Tap(
            "report" if options.report else "text",
            stream=stream,
            file=options.output,
            **options.tap_keywords(),
        )
    except OSError as error:
        say(f"cannot write {options.output}: {error.strerror}; running untraced")
        return
    import atexit

    # The first to be registered is the last to run: after the program's own, and after its threads.
    atexit.register(_finish, _engine, tap, options)
    _engine.arm(tap, package=options.package, style=options.style())


# ---- the end -------------------------------------------------------------------------------------


def _finish(engine: "Any", tap: "Tap", options: opts.Options) -> None:
    forked = engine.forked()
    engine.disarm()  # first: nothing of what follows is the program's
    try:
        _print_end(engine, tap, options, forked)
    except (OSError, RuntimeError, ValueError, ImportError, MemoryError) as error:
        say(f"could not finish: {error}")


def _print_end(engine: "Any", tap: "Tap", options: opts.Options, forked: bool) -> None:
    if options.report and not forked:
        format, sort, columns, limit, footer = options.style()
        tap.write(
            tap.render(
                format,  # type: ignore[arg-type]
                sort=sort,
                columns=columns,
                limit=limit,
                footer=footer,
            )
        )
    tap.close()
    engine.stop()
    if not forked:
        if not options.quiet:
            _notes(engine, tap, options)
        _errors(tap, options)


def _errors(tap: "Tap", options: opts.Options) -> None:
    error = tap.error
    if tap.lost_lines and error is not None and not isinstance(error, BrokenPipeError):
        what = "report" if options.report else "tree"
        reason = getattr(error, "strerror", None) or error
        say(f"could not write the {what}: {reason}; {tap.lost_lines} lines lost")


def _notes(engine: "Any", tap: "Tap", options: opts.Options) -> None:
    if not (tap.calls if options.report else tap.lines):
        say(nothing_shown(tap.left_out()))
    for pattern in tap.unmatched():
        say(f"warning: nothing matched '{pattern}'{_nearest_name(pattern)}")
    children = engine.children()
    if children and options.report:
        word = "process" if children == 1 else "processes"
        say(f"{children} child {word} not counted; pyftrace record counts them")
    elif children:
        say("child processes are not shown; pyftrace record shows them")
    if engine.interpreters():
        say("sub-interpreters are not traced; pyftrace record traces them")


def nothing_shown(left_out: "list[tuple[str, int]]") -> str:
    """Why a tree or table is empty, and what to type: the packages that were called instead."""
    others = left_out
    if not others:
        return "no calls in scope: the program called no function of its own"
    parts = [f"{others[0][0]} ({others[0][1]} functions)" if others[0][1] != 1
             else f"{others[0][0]} (1 function)"]  # fmt: skip
    parts += [f"{name} ({count})" for name, count in others[1:4]]
    more = f" and {len(others) - 4} more" if len(others) > 4 else ""
    return f"no calls in scope; left out: {', '.join(parts)}{more}. Try --include {others[0][0]}"


def _nearest_name(pattern: str) -> str:
    """``; the nearest name is X``, of all functions now loaded, or nothing."""
    import gc  # built in

    function = type(say)
    names: set[str] = set()
    for item in gc.get_objects():
        if type(item) is function and not str(item.__module__).startswith("pyftrace."):
            names.add(item.__qualname__)
            names.add(item.__qualname__.rpartition(".")[2])
    close = opts.nearest(pattern.rpartition(":")[2], names)
    return f"; the nearest name is {close}" if close else ""
