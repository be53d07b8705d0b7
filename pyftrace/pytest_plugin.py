"""The pytest plugin's door: its options and its fixture. What does the work is imported when one
of them is asked for; until then a test run has two functions and nothing of the engine."""

from argparse import BooleanOptionalAction
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyftrace.testing.calls import CallsFixture

TITLE = "what a failing test did, as a tree of calls (pyftrace)"

# Name, how its value is read, the name of the value, help.
OPTIONS = (
    ("pyftrace", "flag", "",
     "under each failing test, print the calls that led to the failure; as an ini option:"
     " pyftrace = true, and so the others. Example: pytest --pyftrace --pyftrace-include attr"),
    ("pyftrace-lines", "one", "N", "in at most N lines (40)"),
    ("pyftrace-args", "switch", "",
     "the arguments of calls, and the lines that they come from (default), or not"),
    ("pyftrace-path", "flag", "", "the files of calls and of callers: f@app.py:12 from main.py:3"),
    ("pyftrace-values", "one", "MODE",
     "arguments and what calls return: safe: built-in values, never running your code (the"
     " default); str: by str(); none"),
    ("pyftrace-include", "many", "PKG|GLOB",
     "count a package, a module or a path as your code, wherever it lies: the package under"
     " test, if it is installed"),
    ("pyftrace-only", "many", "PKG", "your code is this package alone"),
    ("pyftrace-record", "one", "DIR",
     "keep a recording, for pyftrace replay, of each test that fails or is marked"
     " pyftrace_record, in DIR/NAME-OF-THE-TEST. Example: pytest --pyftrace-record build/traces"
     " --pyftrace-slower-than 500ms"),
    ("pyftrace-slower-than", "one", "TIME",
     "with --pyftrace-record: of each that takes longer, too: 500ms, 2s"),
)  # fmt: skip
UPDATE = "write what calls.same_as() compares with, instead of comparing"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, each also as an ini option."""
    group = parser.getgroup("pyftrace", TITLE)
    for name, kind, metavar, text in OPTIONS:
        dest = name.replace("-", "_")
        if kind == "flag":
            group.addoption(f"--{name}", dest=dest, action="store_true", help=text)
            parser.addini(dest, f"--{name}", type="bool", default=False)
            continue
        if kind == "switch":
            group.addoption(f"--{name}", dest=dest, action=BooleanOptionalAction, help=text)
            parser.addini(dest, f"--{name}", type="bool", default=True)
            continue
        if kind == "many":
            group.addoption(f"--{name}", dest=dest, action="append", metavar=metavar, help=text)
            parser.addini(dest, f"--{name} {metavar}", type="args")
            continue
        group.addoption(f"--{name}", dest=dest, metavar=metavar, help=text)
        parser.addini(dest, f"--{name} {metavar}", default="")
    group.addoption("--pyftrace-update", action="store_true", help=UPDATE)


def pytest_configure(config: pytest.Config) -> None:
    """What does the work, if it was asked for."""
    config.addinivalue_line(
        "markers", "pyftrace_record: keep a recording of this test (with --pyftrace-record)"
    )
    if any(
        config.getoption(name) or config.getini(name) for name in ("pyftrace", "pyftrace_record")
    ):
        from pyftrace.testing import plugin

        plugin.register(config)
    elif config.getoption("pyftrace_slower_than"):
        raise pytest.UsageError("--pyftrace-slower-than goes with --pyftrace-record DIR")


@pytest.fixture
def calls(request: pytest.FixtureRequest) -> "Iterator[CallsFixture]":
    """What the test calls: ``assert calls.count("app.db.query") == 1``."""
    from pyftrace.testing import calls

    yield from calls.fixture(request)
