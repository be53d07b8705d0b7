"""The command line: help, version, verbs, and otherwise a target to trace."""

import sys

from pyftrace import options as opts
from pyftrace._version import __version__

# Verbs to come: a first word equal to one of them is refused, so that scripts do not begin to
# depend on what will change its meaning.
RESERVED = (
    "record", "replay", "report", "graph", "info", "dump", "diff", "html", "tui", "completion",
    "merge",
)  # fmt: skip

EXAMPLES = """\
Examples:
  pyftrace script.py            the tree of calls of your own code
  pyftrace -v script.py         and the library and C functions it calls
  pyftrace -f parse -a app.py   only parse and what it calls, with arguments
  pyftrace --report app.py      times per function
  pyftrace -m package           a module, as python -m runs it
  pyftrace -o tree.txt pytest   a console script; the tree to a file
"""


def refuse(message: str) -> int:
    """One line on standard error; the status of a refusal."""
    print(f"pyftrace: {message}", file=sys.stderr)
    return 2


def help_text() -> str:
    """What ``-h`` prints, made from the table of options."""
    lines = [
        "pyftrace: Python function tracing tool.",
        "",
        "Usage: pyftrace [options] TARGET [args...]",
        "",
        "TARGET: a script, a directory or zip with __main__.py, -m MODULE, -c CODE, - (standard",
        "input), or a Python console script on PATH. Everything after it belongs to it.",
    ]
    group = ""
    for row in opts.TABLE:
        if not row.group:
            continue
        if row.group != group:
            group = row.group
            lines += ["", f"{group}:"]
        names = ", ".join(row.names) + (f" {row.metavar}" if row.metavar else "")
        lines.append(f"  {names:<32}  {row.help}" if len(names) <= 32 else f"  {names}")
        if len(names) > 32:
            lines.append(f"  {'':<32}  {row.help}")
    lines += [
        f"  {'-V, --version':<32}  print the version",
        f"  {'-h, --help':<32}  print this help",
        "",
        "Patterns are globs over a function's name, module:name or module.name; with a '/' over",
        "its file. PYFTRACE='OPTIONS' in the environment traces a python started without pyftrace.",
        "",
        EXAMPLES,
    ]
    return "\n".join(lines).rstrip() + "\n"


def run(words: "list[str]") -> int:
    """The exit status; does not return when a target is run (exec)."""
    if words and words[0] in RESERVED:
        return refuse(
            f"'{words[0]}' is a verb of a coming version;"
            f" to trace a file of that name: ./{words[0]}"
        )
    try:
        fields, target, ended = opts.parse(words)
        if ended == "-h":
            print(help_text(), end="")
            return 0
        if ended == "-V":
            print(f"pyftrace version {__version__}")
            return 0
        options = opts.Options(**fields)
    except opts.OptionError as error:
        return refuse(str(error))
    if not target:
        return refuse("nothing to trace: name a script, -m MODULE or -c CODE (pyftrace -h)")
    from pyftrace.launcher import Refusal, launch

    try:
        launch(options, target, file_only=ended == "--")
    except Refusal as refusal:
        return refuse(str(refusal))
    return 2
