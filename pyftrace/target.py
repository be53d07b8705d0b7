"""What there is to run: from the words of the command line to the words python is given."""

import os
import stat
import sys


class Refusal(Exception):
    """Why nothing is run, as one line."""


class Target:
    """``words`` for the interpreter (``python``: another one than ours), and how it is
    announced."""

    __slots__ = ("announce", "foreign", "package", "python", "words")

    def __init__(
        self,
        words: "list[str]",
        announce: str,
        package: str | None = None,
        python: str | None = None,
    ) -> None:
        self.words = words
        self.announce = announce
        self.package = package
        self.python = python
        self.foreign = False  # no Python script: only what it starts can be recorded


def resolve(words: "list[str]", file_only: bool = False, any_command: bool = False) -> Target:
    """The target that the words name; Refusal when there is none. ``any_command``: also commands
    that are no Python scripts."""
    first = words[0]
    if not file_only:
        if first[:2] == "-m":
            return _module(words)
        if first[:2] == "-c":
            if first == "-c" and len(words) < 2:
                raise Refusal("-c needs code: -c CODE")
            return Target(words, "Running command")
        if first == "-":
            return Target(words, "Running script: -")
    if os.path.isdir(first):
        if _has_main(first):
            return Target(_as_file(words), f"Running script: {first}")
        found = None if file_only else _on_path(first)
        if found is None:
            raise Refusal(f"{first} is a directory without __main__.py")
        return _console_script(found, words, any_command)
    if os.path.exists(first):
        if any_command and not file_only and _is_command(first):
            return _console_script(os.path.abspath(first), words, any_command)
        _check_readable(first)
        return Target(_as_file(words), f"Running script: {first}")
    found = None if file_only or os.sep in first else _on_path(first)
    if found is None:
        raise Refusal(f"no such script: {first}")
    return _console_script(found, words, any_command)


def _module(words: "list[str]") -> Target:
    name = words[0][2:] or (words[1] if len(words) > 1 else "")
    if not name:
        raise Refusal("-m needs a module: -m MODULE")
    return Target(words, f"Running module: {name}", package=name.partition(".")[0])


def _as_file(words: "list[str]") -> "list[str]":
    # A file whose name begins with a dash would be python's option.
    first = words[0]
    return [os.path.join(".", first) if first.startswith("-") else first, *words[1:]]


def _has_main(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, "__main__" + end)) for end in (".py", ".pyc"))


def _check_readable(path: str) -> None:
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb"):
                pass
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from None


def _is_command(path: str) -> bool:
    """An executable file that is no Python program: of machine code, or of another interpreter."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or not os.access(path, os.X_OK):
            return False
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError:
        return False
    return head == b"\x7fELF" or (head[:2] == b"#!" and _interpreter_of(path) is None)


def _on_path(name: str) -> str | None:
    from shutil import which

    return which(name)


# ---- console scripts -----------------------------------------------------------------------------


def _console_script(path: str, words: "list[str]", any_command: bool) -> Target:
    """A command found on PATH: run by this Python if it is its own."""
    interpreter = _interpreter_of(path)
    if any_command and (interpreter is None or not _same_python(interpreter)):
        target = Target([path, *words[1:]], "")
        target.foreign = True
        return target
    if interpreter is None:
        raise Refusal(
            f"{words[0]} ({path}) is not a Python script; the tree and the report trace one Python"
        )
    target = Target([path, *words[1:]], f"Running script: {words[0]}")
    if not _same_python(interpreter):
        if not _has_hook(interpreter):
            raise Refusal(
                f"{words[0]} is run by {interpreter}, which has no pyftrace; install it there"
            )
        target.python = interpreter
    return target


def _interpreter_of(path: str) -> str | None:
    """The Python that a script names in its first line, also in pip's form for long paths."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from None
    if not head.startswith(b"#!"):
        return None
    lines = os.fsdecode(head).splitlines()
    words = lines[0][2:].split()
    if words and os.path.basename(words[0]) == "env":
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        found = _on_path(rest[0]) if rest else None
        words = [found] if found else []
    elif words and os.path.basename(words[0]) == "sh" and len(lines) > 1:
        _, quote, rest_of_line = lines[1].partition("'''exec' ")
        if quote:
            words = (
                [rest_of_line.strip().split('"')[1]]
                if '"' in rest_of_line
                else rest_of_line.split()
            )
    if not words or "python" not in os.path.basename(words[0]):
        return None
    return words[0]


def _same_python(interpreter: str) -> bool:
    """Whether it is this environment's: same folder, since a venv's pythons are links to one
    file."""
    ours = (sys.executable, os.path.join(sys.prefix, "bin", os.path.basename(interpreter)))
    try:
        there = os.path.join(os.path.realpath(os.path.dirname(interpreter)), "")
        return any(
            there == os.path.join(os.path.realpath(os.path.dirname(path)), "")
            and os.path.samefile(interpreter, sys.executable)
            for path in ours
        )
    except OSError:
        return False


def _has_hook(interpreter: str) -> bool:
    import subprocess

    code = "import sys, importlib.util as u; sys.exit(u.find_spec('pyftrace._boot') is None)"
    try:
        done = subprocess.run([interpreter, "-c", code], capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
