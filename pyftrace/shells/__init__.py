"""What the command line takes, as data, and files that make of it a script for a shell each.

It is gathered from the table of options and the verbs' own parsers, so that a shell offers
what is understood."""

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


class Option(NamedTuple):
    """``value`` is None for a switch; ``often``: once more means more."""

    names: tuple[str, ...]
    value: Value | None
    what: str
    often: bool


class Command(NamedTuple):
    """pyftrace itself (``name`` is empty) or a verb."""

    name: str
    what: str
    options: list[Option]
    operand: Value

    @property
    def names(self) -> list[str]:
        """All words that begin with a dash."""
        targets = opts.TARGETS if self.operand.kind == TARGET else ()
        return [name for each in (*self.options, *targets) for name in each.names]


def commands() -> list[Command]:
    """All there are, pyftrace itself first."""
    return [_traced(""), *(_traced(v) if v in cli.TARGETED else _verb(v) for v in cli.VERBS)]


def fill(script: str, **parts: "str | list[str]") -> str:
    """The script with each @NAME@ replaced, by lines or by a text."""
    for name, part in parts.items():
        script = script.replace(f"@{name}@", part if isinstance(part, str) else "\n".join(part))
    return script


def _traced(name: str) -> Command:
    record = name in cli.TARGETED
    options = [_option(row) for row in cli.rows(record)]
    return Command(name, cli.VERBS.get(name, ""), options, Value(TARGET, "TARGET"))


def _verb(name: str) -> Command:
    parser: common.Parser = import_module(f"pyftrace.commands.{name}").parser()
    options = [_option(row) for row in parser.rows()]
    operands = [_value(row) for row in parser.operands()]
    return Command(name, cli.VERBS[name], options, operands[0] if operands else Value("", ""))


def _option(row: opts.Row) -> Option:
    often = row.kind in ("count", "append", "reason")
    return Option(row.names, _value(row) if row.takes_value else None, row.help, often)


def _value(row: opts.Row) -> Value:
    if row.words:
        return Value("list" if "[," in row.metavar else "words", row.metavar, row.words)
    return Value(_KINDS.get(row.metavar, ""), row.metavar)
