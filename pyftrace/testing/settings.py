"""The pytest plugin's options, checked: a mistake is pytest's usage error, in one line."""

import os
from typing import Any, NamedTuple

import pytest

from pyftrace import options as opts

RING = 1 << 20  # bytes kept of each thread: some ten thousand calls with their arguments


class Settings(NamedTuple):
    """What the user asked for."""

    show: bool  # under failing tests
    lines: int
    path: bool  # files in the tree
    args: bool
    values: str
    include: tuple[str, ...]
    only: tuple[str, ...]
    record: str | None  # absolute
    slower_than: int | None  # ns

    def tap_keywords(self, ring: int, include: tuple[str, ...]) -> dict[str, Any]:
        """What a Tap that records takes; ``include``: packages besides those asked for."""
        options = opts.Options(
            record=True, args=self.args, callers=self.args, values=self.values, ring=ring or None,
            include=(*self.include, *include), only=self.only,
        )  # fmt: skip
        return options.tap_keywords()


def read(config: pytest.Config) -> Settings:
    """From the command line, then the ini file; UsageError."""
    try:
        return _read(config)
    except opts.OptionError as error:
        raise pytest.UsageError(str(error)) from None


def _read(config: pytest.Config) -> Settings:
    def one(name: str, default: str = "") -> str:
        given = config.getoption(name)
        return str(default if given is None and not config.getini(name) else
                   config.getini(name) if given is None else given)  # fmt: skip

    def flag(name: str) -> bool:
        return bool(config.getoption(name) or config.getini(name))

    def many(name: str) -> tuple[str, ...]:
        words = (*config.getini(name), *(config.getoption(name) or ()))
        return tuple(opts.checked_pattern(_option(name), word) for word in words)

    def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
        word = one(name, default)
        if word not in choices:
            raise opts.OptionError(f"{_option(name)}: '{word}' is none of {', '.join(choices)}")
        return word

    args = config.getoption("pyftrace_args")
    record, slower = one("pyftrace_record"), one("pyftrace_slower_than")
    if slower and not record:
        raise opts.OptionError("--pyftrace-slower-than goes with --pyftrace-record DIR")
    return Settings(
        show=flag("pyftrace"),
        lines=opts.checked_int("--pyftrace-lines", one("pyftrace_lines", "40"), least=1),
        path=flag("pyftrace_path"),
        args=bool(config.getini("pyftrace_args") if args is None else args),
        values=choice("pyftrace_values", "safe", opts.VALUES),
        include=many("pyftrace_include"),
        only=many("pyftrace_only"),
        record=os.path.join(config.invocation_params.dir, record) if record else None,
        slower_than=_duration(slower) if slower else None,
    )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _duration(text: str) -> int:
    try:
        return opts.checked_duration(text)
    except opts.OptionError as error:
        raise opts.OptionError(f"--pyftrace-slower-than: {error}") from None
