"""``pyftrace tui``: a recording in the terminal, call by call."""

import os
import subprocess
import sys
from importlib.util import find_spec

from pyftrace import folder
from pyftrace._version import __version__
from pyftrace.cli import say
from pyftrace.commands import _common as common
from pyftrace.options import OptionError, Options, parse

HELP = """\
Usage: pyftrace tui [options] [DIR | TARGET [args...]]

The calls of a recording as a tree that folds, thread by thread, with search by name and
by value, tasks, source and a table of functions; ? shows the keys. DIR is pyftrace.data
unless given; a TARGET is recorded first, by pyftrace record, whose options these are, and
stays where -o says.

  -h, --help                        print this help

Examples:
  pyftrace tui                         what was recorded last
  pyftrace tui run.data                another recording
  pyftrace tui app.py                  record app.py, then look
  pyftrace tui -a --values safe app.py with arguments and values
  pyftrace tui -m package              a module
"""


def main(words: list[str]) -> int:
    """The exit status."""
    return common.run(lambda: _tui(words))


def _tui(words: list[str]) -> int:
    fields, target, ended = parse(words)
    if ended in ("-h", "-V"):
        say(HELP if ended == "-h" else f"pyftrace version {__version__}\n")
        return 0
    Options(**fields, record=True)  # refused as record refuses them
    if find_spec("textual") is None:
        return common.refuse("tui needs textual: pip install 'pyftrace[tui]'", 2)
    if not all(s is not None and s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)):
        return common.refuse("tui needs a terminal", 2)
    path = str(fields.get("output") or folder.DEFAULT)
    if not target or _is_recording(target[0]):
        if fields:
            raise OptionError("options are for a TARGET, which is recorded first")
        if len(target) > 1:
            raise OptionError(f"one recording at a time: what is '{target[1]}'?")
        path = target[0] if target else path
    elif os.path.isdir(target[0]) and not os.path.exists(os.path.join(target[0], "__main__.py")):
        return common.refuse(f"cannot read {target[0]}: not a recording", 1)
    else:
        before = _inode(path)
        done = subprocess.run([sys.executable, "-m", "pyftrace", "record", *words])
        if done.returncode == 2 and _inode(path) == before:  # refused: it said why
            return 2
    recording = common.opened(path)
    from pyftrace.tui.app import Pyftrace

    app = Pyftrace(recording)
    app.run()
    return app.return_code or common.status_of(recording)


def _inode(path: str) -> int:
    """Which recording lies there; 0: none."""
    try:
        return os.stat(os.path.join(path, "run")).st_ino
    except OSError:
        return 0


def _is_recording(path: str) -> bool:
    """A directory of ours."""
    return os.path.isfile(os.path.join(path, "run")) or bool(folder.parts(path))
