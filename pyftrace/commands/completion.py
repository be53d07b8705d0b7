"""``pyftrace completion``: a script for a shell."""

from argparse import Namespace
from importlib import import_module

from pyftrace import shells
from pyftrace.cli import say
from pyftrace.commands import _common as common

EXAMPLES = """\
  source <(pyftrace completion bash)         in ~/.bashrc (bash 4.4 or later)
  source <(pyftrace completion zsh)          in ~/.zshrc, after compinit
  pyftrace completion fish | source          in ~/.config/fish/config.fish
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.bare_parser(
        "completion",
        "A script for a shell: with it, the tab key completes verbs, options and their values,\n"
        "files and recordings.",
        EXAMPLES,
        operands="SHELL",
    )
    p.add_argument("shell", choices=shells.SHELLS, metavar="SHELL", help="bash, zsh or fish")
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _completion(a))


def _completion(a: Namespace) -> int:
    say(import_module(f"pyftrace.shells.{a.shell}").script(shells.commands()))
    return 0
