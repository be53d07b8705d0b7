"""Starts a traced program: checks everything first, then becomes the real interpreter (exec) with
``PYFTRACE`` in the environment. The start-up hook arms the engine from inside (``_boot``)."""

import os
import sys

from pyftrace import folder
from pyftrace import options as opts
from pyftrace._boot import run_facts, say
from pyftrace._version import __version__
from pyftrace.target import Refusal, Target, resolve

__all__ = ["Refusal", "launch"]

HOOK = "pyftrace.pth"


def launch(options: opts.Options, words: "list[str]", file_only: bool = False) -> None:
    """Run the target under the options. Returns never; Refusal when it is not run."""
    target = resolve(words, file_only, any_command=options.record)
    if not options.record:
        _check_output(options.output)
    flags = interpreter_flags()
    environment = dict(os.environ)
    if target.python is None or target.foreign:
        _prepare_hook(flags, environment)
    if options.record:
        options = _prepare_folder(options, target, words)
    else:
        options = options.replace(color=_color(options), limit=_limit(options))
    options = options.replace(
        output=os.path.abspath(options.output) if options.output else None,
        package=target.package,
        launcher_pid=os.getpid() if not options.record or options.no_children else 0,
    )
    environment["PYFTRACE"] = opts.join(opts.words_of(options))
    _announce(options, target)
    if target.foreign:
        if not options.quiet:
            _say_where(options, words[0])
        os.execve(target.words[0], [words[0], *target.words[1:]], environment)
    python = target.python or sys.executable
    os.execve(python, [python, *flags, *target.words], environment)


def _say_where(options: opts.Options, name: str) -> None:
    """At the end nobody is left to say it: the command takes our place."""
    path = options.output or folder.DEFAULT
    shown = os.path.relpath(path) if path.startswith(os.getcwd() + os.sep) else path
    argument = "" if shown == folder.DEFAULT else " " + opts.shell_word(shown)
    say(
        f"the Pythons that {os.path.basename(name)} starts are recorded in {shown};"
        f" to see them: pyftrace replay{argument}"
    )


def _announce(options: opts.Options, target: Target) -> None:
    if options.record or options.quiet or options.output or options.format in ("json", "csv"):
        return
    try:
        print(opts.printable(target.announce), flush=True)
    except UnicodeEncodeError:
        print(ascii(target.announce)[1:-1], flush=True)
    except (OSError, ValueError, AttributeError):
        pass  # closed: the program will be told in its own way


def _prepare_folder(options: opts.Options, target: Target, words: "list[str]") -> opts.Options:
    from pyftrace import _engine

    path = options.output or folder.DEFAULT
    own = [word for word in opts.words_of(options) if word != "--record"]
    command = opts.join(["pyftrace", "record", *own, *words])
    try:
        with folder.Alone(_engine, path):
            path, run_id, note = folder.prepare(
                _engine, path, os.getpid(), options.max_size, target.foreign, run_facts(command)
            )
    except (folder.FolderError, FileExistsError) as error:
        raise Refusal(str(error)) from None
    if note and not options.quiet:
        say(note)
    return options.replace(output=path, run_id=run_id)


def _check_output(path: str | None) -> None:
    if path is None:
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666))
    except OSError as error:
        raise Refusal(f"cannot write {path}: {error.strerror}") from None


def _is_terminal(options: opts.Options) -> bool:
    try:
        return not options.output and sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def _color(options: opts.Options) -> str:
    if options.color != "auto":
        return options.color
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return "always" if _is_terminal(options) and not plain else "never"


def _limit(options: opts.Options) -> int:
    if options.limit is not None:
        return options.limit
    table = options.format in (None, "table")
    return 50 if table and _is_terminal(options) else 0


# ---- the interpreter and its hook ----------------------------------------------------------------


def interpreter_flags() -> "list[str]":
    """The options this interpreter was itself started with, to be passed on."""
    flags: list[str] = []
    words = iter(sys.orig_argv[1:])
    for word in words:
        if not word.startswith("-") or word in ("-", "--") or word[:2] in ("-m", "-c"):
            break
        flags.append(word)
        if word in ("-X", "-W", "--check-hash-based-pycs"):
            flags.append(next(words, ""))
        elif not word.startswith("--") and word[-1] in "XW" and len(word) > 2:
            flags.append(next(words, ""))  # as in -IX dev
    return [flag for flag in flags if not (flag[:2] == "-i" and len(flag) == 2)]


def _site_folders() -> "list[str]":
    import site

    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return folders


def hook_installed() -> bool:
    """Whether this interpreter runs our hook at its start."""
    return any(os.path.exists(os.path.join(folder, HOOK)) for folder in _site_folders())


def _package_folders() -> "list[str]":
    """Where a built pyftrace lies: beside this file, or installed while a source folder hides
    it."""
    folders = [os.path.dirname(os.path.abspath(__file__))]
    folders += [os.path.join(folder, "pyftrace") for folder in (*_site_folders(), *sys.path)]
    return [folder for folder in folders if _is_built(folder)]


def _is_built(folder: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name.startswith("_engine.") and name.endswith(".so") for name in names)


def _prepare_hook(flags: "list[str]", environment: "dict[str, str]") -> None:
    if sys.flags.no_site:
        raise Refusal("python -S reads no start-up files, so nothing can be traced; leave -S out")
    if hook_installed():
        _check_version()
        return
    if sys.flags.isolated or sys.flags.ignore_environment:
        raise Refusal(
            f"{HOOK} is not in a site folder of {sys.executable}, and with -I or -E there is no"
            " other way in: install pyftrace there (pip install .)"
        )
    built = _package_folders()
    if not built:
        raise Refusal("pyftrace is not built for this Python: pip install . (or: make demo)")
    hook = os.path.join(built[0], "hook")
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (hook, os.environ.get("PYTHONPATH")) if part
    )
    environment["PYFTRACE_FALLBACK"] = "1"


def _check_version() -> None:
    """From the root of a clone this launcher may be another version than the one installed."""
    for site_folder in _site_folders():
        try:
            with open(os.path.join(site_folder, "pyftrace", "_version.py")) as file:
                text = file.read()
        except OSError:
            continue
        if f'"{__version__}"' not in text:
            raise Refusal(
                f"this is pyftrace {__version__}, but another version is installed in"
                f" {site_folder}; run pip install . again, or start from another directory"
            )
        return
