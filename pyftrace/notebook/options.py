"""The line of a magic: options, as the command line has them, and a statement."""

import re

from IPython.core.error import UsageError

from pyftrace import options as opts
from pyftrace._version import __version__
from pyftrace.cli import option_lines

TREE_LIMIT = 1000  # lines: a browser bears that, and so does who scrolls
REPORT_LIMIT = 50  # rows, as on a terminal

EXAMPLES = """\
Examples:
  %pyftrace f(3)              the tree of calls; the value is the cell's, as without
  x = %pyftrace -a await g()  with arguments
  %pyftrace --report f(3)     times per function, as a table
  %%pyftrace -d 2             on the first line of a cell: all of the cell, at most 2 levels
"""


def help_text() -> str:
    """What ``%pyftrace -h`` prints."""
    groups = (opts.SCOPE, opts.TREE, opts.REPORT, opts.OUTPUT)
    lines = [
        "%pyftrace [options] STATEMENT: run it, and show the calls of your own code.",
        "%%pyftrace [options], first line of a cell: the same for the cell.",
        "",
        EXAMPLES.rstrip(),
        *option_lines(
            (group, row, WORDS.get(row.dest, row.help))
            for group in groups
            for row in opts.TABLE
            if row.group == group
        ),
        "",
        "-o FILE keeps the output out of the notebook. Options end where the statement begins, or",
        "at --. %unload_ext pyftrace takes the magics away.",
    ]
    return "\n".join(lines) + "\n"


# What an option does in a notebook, where that differs.
WORDS = {
    "limit": f"at most N rows, or lines of the tree (0: all; {REPORT_LIMIT}, {TREE_LIMIT})",
    "quiet": "no notes, no warnings",
    "color": "always: the tree in colours",
}

_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|\\.|[^\s])+?(?=\s|$)""", re.S)
_PIECE = re.compile(r"""'([^']*)'|"([^"]*)"|\\(.)|(.)""", re.S)


def _unquoted(word: str) -> str:
    return "".join("".join(filter(None, piece)) for piece in _PIECE.findall(word))


def split_line(line: str) -> tuple[opts.Options, str, str | None]:
    """The options before the statement, the statement, and ``-h`` or ``-V`` if that was asked for.
    OptionError."""
    found = list(_WORD.finditer(line))
    fields, rest, ended = opts.parse([_unquoted(word[0]) for word in found])
    code = line[found[-len(rest)].start() :] if rest else ""
    if ended != "--" and code[:2] in ("-m", "-c"):
        raise opts.OptionError(f"{code[:2]} is of the command line: here a statement follows")
    return opts.Options(**fields), code.strip(), ended if ended != "--" else None


def runnable(line: str, in_cell: bool) -> tuple[opts.Options, str] | None:
    """The options and the statement; None when there is nothing to run, but something to say."""
    try:
        options, code, ended = split_line(line)
    except opts.OptionError:
        return None
    return None if ended or bool(code) == in_cell else (options, code)


def say_why_not(line: str, in_cell: bool) -> opts.Options | None:
    """Say what ``runnable`` kept quiet about: help, version, or a UsageError of one line."""
    try:
        options, code, ended = split_line(line)
    except opts.OptionError as error:
        raise UsageError(f"pyftrace: {opts.printable(str(error))}") from None
    if ended:
        print(help_text() if ended == "-h" else f"pyftrace version {__version__}\n", end="")
        return None
    if in_cell and code:
        raise UsageError(f"%%pyftrace: options alone stand beside it, not {opts.printable(code)!r}")
    if not in_cell and not code:
        raise UsageError("%pyftrace: nothing to trace: name a statement (%pyftrace -h tells more)")
    return options
