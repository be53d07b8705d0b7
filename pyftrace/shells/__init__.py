"""What the command line takes, as data, and files that make of it a script for a shell each.

It is gathered from the table of options and the verbs' own parsers, so that what a shell offers, and
the manual page, are what is read."""

import argparse
from importlib import import_module
from typing import NamedTuple

from pyftrace import cli
from pyftrace import options as opts
from pyftrace.commands import _common as common

SHELLS = ("bash", "zsh", "fish")
TARGET, FILES, FOLDERS = "target", "files", "folders"
_KINDS = {"FILE": FILES, "DIR": FOLDERS, "PKG|GLOB": FILES}  # by metavar; others are not known


class Value(NamedTuple):
    """What an option or an operand takes. ``kind``: ``words`` (one of them), ``list`` (some, commas
    between), ``files``, ``folders``, ``target`` (a program and all that follows), or empty: a
    number, a pattern."""

    kind: str
    name: str
    words: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The words that stand beside others in a list."""
        return tuple(word for word in self.words if word not in opts.ALONE)


class Option(NamedTuple):
    """``value`` is None for a switch; ``often``: once more means more."""

    names: tuple[str, ...]
    value: Value | None
    what: str
    group: str
    often: bool


class Command(NamedTuple):
    """pyftrace itself (``name`` is empty) or a verb."""

    name: str
    what: str
    about: str
    options: list[Option]
    operand: Value
    examples: str

    @property
    def names(self) -> list[str]:
        """All words that begin with a dash."""
        targets = opts.TARGETS if self.operand.kind == TARGET else ()
        return [name for each in (*self.options, *targets) for name in each.names]


def commands() -> list[Command]:
    """All there are, pyftrace itself first."""
    return [_traced("", "the tree of a program's calls"), *map(_verb, cli.VERBS)]


def fill(script: str, **parts: "str | list[str]") -> str:
    """The script with each @NAME@ replaced, by lines or by a text."""
    for name, part in parts.items():
        script = script.replace(f"@{name}@", part if isinstance(part, str) else "\n".join(part))
    return script


def _value(metavar: str, words: tuple[str, ...]) -> Value:
    if words:
        return Value("list" if "[," in metavar else "words", metavar, words)
    return Value(_KINDS.get(metavar, ""), metavar)


# ---- from the table ------------------------------------------------------------------------------


def _traced(name: str, what: str) -> Command:
    record = name == "record"
    text = cli.record_help() if record else cli.help_text()
    about, examples = text.split("\n\n")[1], text.partition("Examples:\n")[2]
    options = [_of_row(row) for row in cli.rows(record)]
    return Command(name, what, about, options, Value(TARGET, "TARGET"), examples)


def _of_row(row: opts.Row) -> Option:
    value = _value(row.metavar, row.words) if row.takes_value else None
    often = row.kind in ("count", "append", "reason")
    return Option(row.names, value, row.help, row.group, often)


# ---- from parsers --------------------------------------------------------------------------------


def _verb(name: str) -> Command:
    if name == "record":
        return _traced(name, cli.VERBS[name])
    parser: common.Parser = import_module(f"pyftrace.commands.{name}").parser()
    options, operand = [], Value("", "")
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.option_strings:
                options.append(_of_action(parser, action, group.title or ""))
            else:
                operand = _value_of(parser, action)
    about, examples = parser.description or "", parser.epilog or ""
    return Command(name, cli.VERBS[name], about, options, operand, examples)


def _value_of(parser: common.Parser, action: argparse.Action) -> Value:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    words = tuple(action.choices or parser.words.get(action.dest, ()))
    return _value(metavar, words)


def _of_action(parser: common.Parser, action: argparse.Action, group: str) -> Option:
    value = _value_of(parser, action) if action.nargs != 0 else None
    often = isinstance(action, argparse._AppendAction)
    return Option(tuple(action.option_strings), value, action.help or "", group, often)
