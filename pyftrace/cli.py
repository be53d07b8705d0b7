"""The command line: help, version, verbs, and otherwise a target to trace."""

import errno
import os
import sys

from pyftrace import options as opts
from pyftrace._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Verbs to come: a first word equal to one of them is refused, so that scripts do not begin to
# depend on what will change its meaning.
RESERVED = (
    "merge",
)  # fmt: skip

TARGETED = ("record", "tui")  # verbs that take a TARGET, and the options of record

VERBS = {
    "record": "write a recording of TARGET, complete whatever kills it",
    "replay": "the tree of a recording, with durations",
    "report": "times per function of a recording",
    "graph": "the calls of a recording, added up",
    "diff": "what is called more often, or takes longer, than in another recording",
    "tui": "a recording in the terminal: a tree that folds, functions, source",
    "info": "what a recording holds, and whether all",
    "html": "a recording, or what differs between two, as a page for a browser",
    "dump": "a recording as other programs read it: JSON lines, timelines, tables and others",
    "completion": "a script for the shell, which completes all this: bash, zsh or fish",
}

EXAMPLES = """\
Examples:
  pyftrace script.py            the tree of calls of your own code
  pyftrace -v script.py         and the library and C functions it calls
  pyftrace -f parse -a app.py   only parse and what it calls, with arguments
  pyftrace --report app.py      times per function
  pyftrace -m package           a module, as python -m runs it
  pyftrace -o tree.txt pytest   a console script; the tree to a file
  pyftrace record app.py        record it, then: pyftrace replay, report, graph, info
"""

RECORD_EXAMPLES = """\
Examples:
  pyftrace record app.py                        into pyftrace.data; then: pyftrace replay
  pyftrace record -a --values safe -o run.data -m package
  pyftrace record --ring 16M server.py          the last 16 MiB of each thread
  pyftrace record --dump-on exception server.py the same, kept when an exception leaves your code
  pyftrace record make test                     every Python that a command starts
  PYFTRACE='record -o /tmp/run.data' ./run.sh   the same without pyftrace in front
"""


def refuse(message: str) -> int:
    """One line on standard error; the status of a refusal."""
    print(f"pyftrace: {opts.printable(message)}", file=sys.stderr)
    return 2


def help_text() -> str:
    """What ``-h`` prints, made from the table of options."""
    lines = [
        "pyftrace: Python function tracing tool.",
        "",
        "Usage: pyftrace [options] TARGET [args...]",
        "       pyftrace record [options] TARGET [args...]",
        "       pyftrace VERB [options] [DIR]",
        "",
        "TARGET: a script, a directory or zip with __main__.py, -m MODULE, -c CODE, - (standard",
        "input), or a Python console script on PATH. Everything after it belongs to it.",
    ]
    lines += option_lines((row.group, row, row.help) for row in rows())
    lines += [
        "",
        "Verbs (pyftrace VERB -h tells more; DIR is pyftrace.data unless given):",
        *(f"  {verb:<32}  {what}" for verb, what in VERBS.items()),
        "",
        "Patterns are globs over a function's name, module:name or module.name; with a '/' over",
        "its file. PYFTRACE='OPTIONS' in the environment traces a python started without pyftrace.",
        "",
        EXAMPLES,
    ]
    return "\n".join(lines).rstrip() + "\n"


def rows(record: bool = False) -> "list[opts.Row]":
    """The options of pyftrace itself, or of its verb record, that help shows, group by group."""
    if not record:
        hidden = (opts.HIDDEN, opts.RECORD)
        return [*(row for row in opts.TABLE if row.group not in hidden), *opts.ENDS]
    scope = [row for row in opts.TABLE if row.group == opts.SCOPE]
    own = [row for row in opts.TABLE if row.group == opts.RECORD or row.dest in RECORD_ALSO]
    return [
        *(_of_record(row, opts.SCOPE) for row in scope),
        *(_of_record(row, opts.RECORD) for row in [*own, opts.ENDS[-1]]),
    ]


def _of_record(row: opts.Row, group: str) -> opts.Row:
    text, metavar = RECORD_WORDS.get(row.dest, (row.help, row.metavar))
    return opts.Row(" ".join(row.names), row.dest, row.kind, group, text, metavar, row.choices)


def option_lines(rows: "Iterable[tuple[str, opts.Row, str]]") -> "list[str]":
    """(group, row, what it does) as lines, a heading over each group."""
    lines: list[str] = []
    shown = ""
    for group, row, text in rows:
        if group != shown:
            shown = group
            lines += ["", f"{group}:"]
        names = ", ".join(row.names) + (f" {row.metavar}" if row.metavar else "")
        if len(names) > 32:
            lines.append(f"  {names}")
            names = ""
        lines.append(f"  {names:<32}  {text}")
    return lines


def record_help() -> str:
    """What ``pyftrace record -h`` prints."""
    lines = [
        "Usage: pyftrace record [options] TARGET [args...]",
        "",
        "Write a recording of TARGET, and of the processes it starts, into a directory. TARGET is",
        "as for pyftrace itself, or any command: what it starts that is Python is recorded.",
    ]
    lines += option_lines((row.group, row, row.help) for row in rows(record=True))
    return "\n".join([*lines, "", RECORD_EXAMPLES]).rstrip() + "\n"


RECORD_ALSO = ("args", "values", "value_length", "output", "quiet")
# What an option does to a recording, and what it takes, where that differs.
RECORD_WORDS = {
    "args": ("record arguments too", ""),
    "values": ("record values: safe, str, none (none)", "MODE"),
    "output": ("write into this directory (pyftrace.data)", "DIR"),
    "quiet": ("no closing line", ""),
    "depth": ("record at most N levels", "N"),
}


def say(text: str) -> None:
    """Text to standard output; OSError when it is closed, which print() would not mind."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    print(text, end="")


def _hush() -> None:
    # What is left in the stream has nowhere to go, and Python would say so at its end.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError:
        pass


def _verb(verb: str, words: "list[str]") -> int:
    import importlib

    module = importlib.import_module(f"pyftrace.commands.{verb}")
    try:
        status: int = module.main(words)
    except SystemExit as end:  # argparse's, after its help or its line
        status = end.code if isinstance(end.code, int) else 0
    return status


def _hint(target: "list[str]") -> str:
    """What a word that is no script was likely to mean."""
    if target == ["help"]:
        return "; did you mean pyftrace -h?"
    close = opts.nearest(target[0], VERBS) if target[0].isalpha() else None
    return f"; did you mean pyftrace {close}?" if close else ""


def run(words: "list[str]") -> int:
    """The exit status, once all is written; does not return when a target is run (exec)."""
    try:
        status = _run(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _hush()
        return 0
    except OSError as error:
        _hush()
        refuse(f"cannot {f'read {error.filename}' if error.filename else 'write'}:"
               f" {error.strerror or error}")  # fmt: skip
        return 1


def _run(words: "list[str]") -> int:
    if words and words[0] in RESERVED:
        return refuse(
            f"'{words[0]}' is a verb of a coming version;"
            f" to trace a file of that name: ./{words[0]}"
        )
    record = words[:1] == ["record"]
    if words and words[0] in VERBS and not record:
        return _verb(words[0], words[1:])
    try:
        fields, target, ended = opts.parse(words[1:] if record else words)
        if ended == "-h":
            say(record_help() if record else help_text())
            return 0
        if ended == "-V":
            say(f"pyftrace version {__version__}\n")
            return 0
        options = opts.Options(**fields, record=record)
        if options.limit is not None and not options.report:
            raise opts.OptionError("--limit goes with --report")
    except opts.OptionError as error:
        return refuse(str(error))
    if not target:
        verb = "pyftrace record" if record else "pyftrace"
        return refuse(f"nothing to trace: name a script, -m MODULE or -c CODE ({verb} -h)")
    from pyftrace.launcher import Refusal, launch

    try:
        launch(options, target, file_only=ended == "--")
    except Refusal as refusal:
        return refuse(str(refusal) + ("" if record or ended else _hint(target)))
    except MemoryError:
        return refuse("out of memory")
    return 2
