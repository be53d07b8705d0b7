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
        print(f"pyftrace: {opts.printable(message)}", file=sys.__stderr__, flush=True)
    except (AttributeError, OSError, ValueError, RuntimeError, MemoryError):
        pass


_started = False


def start() -> None:
    """Arm, if ``PYFTRACE`` means this process. What goes wrong is one line; the program runs on."""
    global _started
    text = os.environ.get("PYFTRACE", "off")
    if text == "off" or _started:
        return
    _started = True  # two folders of packages may both hold the hook
    try:
        options = _read(text)
        if options is None:
            return
        if not options.record or options.no_children:
            del os.environ["PYFTRACE"]  # children would mix their lines into what is captured
        if options.record:
            _arm_recorder(options)
        else:
            _arm(options)
    except opts.OptionError as error:
        os.environ.pop("PYFTRACE", None)
        say(f"PYFTRACE: {error}; running untraced")
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        say(f"{error}; running untraced")
    except MemoryError:
        say("out of memory; running untraced")


def _read(text: str) -> opts.Options | None:
    """The options, None when another process is meant."""
    words = opts.split(text)
    if words[:1] == ["record"]:
        words[0] = "--record"
    fields, rest, ended = opts.parse(words)
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
    _engine.arm(tap, package=options.package or _package(), style=options.style())


# ---- a recording ---------------------------------------------------------------------------------


def _command_text() -> str:
    """What ``-c`` was given, else nothing."""
    words = sys.orig_argv
    return words[words.index("-c") + 1] if "-c" in words[:-1] else ""


def _package() -> str | None:
    """The top-level package of ``-m``."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word in ("-X", "-W", "--check-hash-based-pycs"):
            next(words, None)
        elif word == "-m":
            return next(words, "").partition(".")[0] or None
        elif not word.startswith("-") or word in ("-", "-c"):
            break
    return None


def process_facts() -> "tuple[str, ...]":
    """What a recording keeps of a process: keys and values."""
    return (
        "command", opts.join(sys.orig_argv), "python", sys.version.split()[0],
        "executable", sys.executable,
    )  # fmt: skip


def run_facts(command: str) -> "tuple[str, ...]":
    """What a recording keeps of its run."""
    from pyftrace._version import __version__

    try:
        here = os.getcwd()
    except OSError:
        here = "?"
    return (
        "command", command, "cwd", here, "host", os.uname().nodename,
        "python", sys.version.split()[0], "pyftrace", __version__,
    )  # fmt: skip


def open_recorder(engine: "Any", path: str, options: opts.Options, run: str | None) -> "Tap":
    """A recorder of this process, of that run if it is given."""
    from pyftrace import folder

    tap: Tap = engine.Tap(
        "record",
        folder=path,
        run=run,
        facts=folder.clean(process_facts()),
        one_process=options.no_children,
        **options.tap_keywords(),
    )
    return tap


def tell_children(options: opts.Options) -> None:
    """Which recording a program's children join, when it was told by hand itself."""
    if not options.no_children:
        os.environ["PYFTRACE"] = opts.join(opts.words_of(options))


def _arm_recorder(options: opts.Options) -> None:
    text = _command_text()
    if text.startswith("from multiprocessing.resource_tracker"):
        return  # a process of its own, and no part of the program
    from pyftrace import _engine, folder

    path = os.path.abspath(options.output or folder.DEFAULT)
    _engine.set_paths(library_folders(), own_folders())
    try:
        by_hand = options.run_id is None  # this is the first process, or one that joins
        if by_hand:
            facts = run_facts(opts.join(sys.orig_argv))
            path, run_id = folder.join(_engine, path, os.getpid(), options.max_size, facts)
            options = options.replace(output=path, run_id=run_id)
            tell_children(options)
        if options.dump_on:
            from pyftrace import flight

            options, tap = flight.open_tap(_engine, path, options, any_run=by_hand)
        else:
            tap = open_recorder(_engine, path, options, options.run_id)
    except folder.FolderError as error:
        say(f"{error}; running untraced")
        return
    except (OSError, RuntimeError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "out of memory"
        note_failure(_engine, path, options.run_id, reason)
        say(f"cannot record to {path}: {reason}; running untraced")
        return
    import atexit

    finish = _finish_recorder
    if options.dump_on:
        finish = flight.end
        if _engine.is_main():
            flight.watch_signals(tap, options)
            flight.end_in_children(tap, lambda: flight.end(_engine, tap, options))
    atexit.register(finish, _engine, tap, options)
    try:
        _engine.arm(
            tap,
            package=options.package or _package(),
            spawned=text.startswith("from multiprocessing."),
        )
    except (RuntimeError, MemoryError) as error:
        reason = str(error) or "out of memory"
        atexit.unregister(finish)
        tap.close()
        note_failure(_engine, path, options.run_id, reason)
        say(f"{reason}; running untraced")


def note_failure(engine: "Any", path: str, run_id: str | None, reason: str) -> None:
    """Name this process in the recording, which it could not join; if it is not another by now."""
    import time

    name = os.path.join(path, f"{os.getpid()}-{time.monotonic_ns():x}.fail")
    try:
        if engine.read_run(path)[0] == run_id:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            os.write(fd, reason.encode("utf-8", "backslashreplace"))
            os.close(fd)
    except OSError:
        pass  # the directory cannot be written: then nobody can know


def _finish_recorder(engine: "Any", tap: "Tap", options: opts.Options) -> None:
    forked = engine.forked()
    engine.disarm()
    try:
        tap.close()
        engine.stop()
        calls, lost, _, reason, dropped = tap.recorded
        if forked and options.no_children:
            return
        path = options.output or ""
        if reason:
            say(f"the recording stopped: {reason}; {lost} events are missing")
        elif lost:
            say(f"the recording is not whole: out of memory for {lost} events")
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        say(f"could not finish the recording: {error}")
        return
    if options.quiet or forked or not engine.is_main():
        return
    try:
        if engine.read_run(path)[1] == os.getpid():
            _closing_line(path, calls, dropped, tap, options)
    except (OSError, MemoryError) as error:  # it is whole: there is no descriptor to look with
        say(f"cannot look into {path}: {getattr(error, 'strerror', None) or 'out of memory'}")


def _closing_line(path: str, calls: int, dropped: int, tap: "Tap", options: opts.Options) -> None:
    from pyftrace.folder import DEFAULT, is_subinterpreter

    mine = f"{os.getpid()}-"
    pids = [name.partition("-")[0] for name in os.listdir(path) if name.endswith(".defs")]
    processes = len({*pids, str(os.getpid())})
    shown = os.path.relpath(path) if path.startswith(os.getcwd()) else path
    others = f", and those of {processes - 1} more processes," if processes > 2 else ""
    others = ", and those of another process," if processes == 2 else others
    if processes == 1 and len(pids) > 1:
        own = [name for name in os.listdir(path) if name.startswith(mine) and name[-5:] == ".defs"]
        inner = any(is_subinterpreter(os.path.join(path, name)) for name in own)
        others = f", and those of {'sub-interpreters' if inner else 'what ran before exec'},"
    if not others:  # what they met is not known here
        if not calls:
            say(nothing_shown(tap, options))
        _say_unmatched(tap)
    word = "call" if calls == 1 else "calls"
    if dropped:
        word += ", the last of them"
        others = others.rstrip(",")
    argument = "" if shown == DEFAULT else " " + opts.shell_word(shown)
    look = f"; to see them: pyftrace replay{argument}" if calls or others else ""
    say(f"{calls} {word}{others} recorded in {shown}{look}")


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
    if tap.lost_lines and not isinstance(error, BrokenPipeError):
        what = "report" if options.report else "tree"
        reason = getattr(error, "strerror", None) or error or "out of memory"
        say(f"could not write the {what}: {reason}; {tap.lost_lines} lines lost")
    if tap.unkept:
        what = "report" if options.report else "tree"
        say(f"the {what} is not whole: out of memory for {tap.unkept} events")


def _notes(engine: "Any", tap: "Tap", options: opts.Options) -> None:
    if not (tap.calls if options.report else tap.lines):
        say(nothing_shown(tap, options))
    _say_unmatched(tap)
    started, forked = engine.children()
    children = started + forked
    if children and options.report:
        word = "process" if children == 1 else "processes"
        say(f"{children} child {word} not counted; pyftrace record counts them")
    elif started:
        say("child processes are not shown; pyftrace record shows them")
    elif forked:
        say("a forked child is shown until it runs another program; pyftrace record shows that too")
    if engine.interpreters():
        say("sub-interpreters are not traced; pyftrace record traces them")


def _say_unmatched(tap: "Tap") -> None:
    for pattern in tap.unmatched():
        say(f"warning: nothing matched '{pattern}'{_nearest_name(pattern)}")


def nothing_shown(tap: "Tap", options: opts.Options) -> str:
    """Why there are no calls, and what to type: the packages that were called instead."""
    if options.function or options.exclude or options.hide or options.only:
        return "no calls in scope"  # that was the user's choice; what matched nothing is told
    others = tap.left_out()
    if not others:
        return "no calls in scope: the program called no function of its own"
    parts = [f"{others[0][0]} ({others[0][1]} functions)" if others[0][1] != 1
             else f"{others[0][0]} (1 function)"]  # fmt: skip
    parts += [f"{name} ({count})" for name, count in others[1:4]]
    package = opts.shell_word(others[0][0])
    more = f" and {len(others) - 4} more" if len(others) > 4 else ""
    return f"no calls in scope; left out: {', '.join(parts)}{more}. Try --include {package}"


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
