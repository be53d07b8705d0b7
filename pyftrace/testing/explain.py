"""What is printed under a failing test, and how it looks."""

import os
import re
import sys
from collections.abc import Iterator
from types import TracebackType

import pytest

from pyftrace._engine import is_library
from pyftrace.options import printable
from pyftrace.testing.ring import Told

TITLE = "pyftrace: "
MOST_CAUSES = 4
MOST_INDENT = 16  # levels: deeper ones are told as a number

# The words that lines of a tree begin with, behind a thread's or a task's label: sink/text.c.
_LINE = re.compile(
    r"^((?:\[[^\]]*\] )?(?: {4})*(?:\[\+\d+\] )?)"
    r"(Called|Returning|Yielding|Resuming|Suspending|Raising) ([^\s(:@]+?)(?=[:@]|->|$| )(.*)$"
)
_FROM = re.compile(r"^((?:\[[^\]]*\] )?(?:Called|Resuming) .*) from \S+:\d+$")  # an outermost call
_ASSERT = re.compile(
    r"( *Raising .*?-> AssertionError: .*?)\\n.*?((?: @ \S+)?(?:  \[[\d.]+ [num]?s\])?)$"
)
_DEEP = re.compile(rf"^(\[[^\]+]*\] )?((?: {{4}}){{{MOST_INDENT + 1},}})(?:\[\+(\d+)\] )?")
_REST = re.compile(r"( from \S+(?: \d+)?)$|(  \[[\d.]+ [num]?s\])$")


def title(told: Told, lines: int) -> str:
    """``pyftrace: 1,234 calls, in 40 lines``"""
    calls = f"{told.calls:,} call" + ("s" if told.calls != 1 else "")
    if told.lines > lines:
        return f"{TITLE}{calls}, in {lines:,} line{'s' if lines != 1 else ''}"
    return f"{TITLE}all {calls}" if told.calls > 1 else TITLE + calls


def plain(text: str) -> str:
    """The tree without what says nothing here: that pytest calls the test, the explanation that
    pytest gives a failing assert, which stands in full above, and indents wider than a screen."""
    lines = (_DEEP.sub(_shallower, line) for line in text.split("\n"))
    return "\n".join(_ASSERT.sub(r"\1\2", _FROM.sub(r"\1", line)) for line in lines)


def _shallower(found: re.Match[str]) -> str:
    depth = len(found[2]) // 4 + int(found[3] or 0)
    return f"{found[1] or ''}{' ' * 4 * MOST_INDENT}[+{depth - MOST_INDENT}] "


def unfinished(text: str) -> str:
    """What was going on at the end: from behind the last outermost call that was over."""
    lines = text.splitlines()
    over = (i for i, line in enumerate(lines, 1) if line.startswith(("Returning ", "Raising ")))
    return "\n".join(lines[max(over, default=0) :])


def places(error: BaseException, folder: "os.PathLike[str]") -> str:
    """Where an exception was raised, and before it those that led to it, a line each."""
    chain = [error, *_causes(error)][:MOST_CAUSES]
    lines = []
    for item in reversed(chain):
        place = _place(item.__traceback__, folder)
        if place:
            kind = f"{type(item).__name__} " if len(chain) > 1 else ""
            lines.append(printable(f"{kind}raised at {place}"))
    return "\n".join(lines)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    while True:
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield cause
        error = cause


def _place(traceback: TracebackType | None, folder: "os.PathLike[str]") -> str:
    frames: list[tuple[str, int | None, str]] = []
    while traceback is not None:
        frame, code = traceback.tb_frame, traceback.tb_frame.f_code
        hidden = frame.f_locals.get("__tracebackhide__", "__unittest" in frame.f_globals)
        if not hidden or not frames:  # pytest.fail() and assertEqual() themselves explain nothing
            frames.append((code.co_filename, traceback.tb_lineno, code.co_qualname))
        traceback = traceback.tb_next
    if not frames:
        return ""
    text = _one(frames[-1], folder)
    if is_library(frames[-1][0]):
        called = next((frame for frame in reversed(frames) if not is_library(frame[0])), None)
        if called is not None:
            text += f", called from {_one(called, folder)}"
    return text


def _one(frame: tuple[str, int | None, str], folder: "os.PathLike[str]") -> str:
    file, line, name = frame
    near = os.path.relpath(file, folder) if os.path.isabs(file) else file
    if near.startswith(".."):
        roots = [root + os.sep for root in map(os.path.abspath, sys.path) if file.startswith(root)]
        near = file.removeprefix(max(roots, key=len, default=""))
    return f"{near}:{line}, in {name}"


def add(report: pytest.TestReport, heading: str, text: str) -> None:
    """Directly below the traceback, where ``--show-capture`` does not hide it, junitxml takes it
    along and xdist sends it home. What has no traceback of pytest's own gets it behind that."""
    addsection = getattr(report.longrepr, "addsection", None)
    if addsection is not None:
        addsection(heading, text, "-")
    else:
        report.sections.append((heading, text))


def color(report: object, writer: "pytest.TerminalReporter") -> None:
    """Colours, where pytest wants them: put on when it prints, so that a file has none."""
    sections = getattr(getattr(report, "longrepr", None), "sections", None)
    if not isinstance(sections, list) or not writer.hasmarkup:
        return
    for i, (name, text, *rest) in enumerate(sections):
        if name.startswith(TITLE):
            lines = (_colored(line, writer) for line in text.split("\n"))
            sections[i] = (name, "\n".join(lines), *rest)


def _colored(line: str, writer: "pytest.TerminalReporter") -> str:
    def mark(text: str, **how: bool) -> str:
        return writer._tw.markup(text, **how)

    found = _LINE.match(line)
    if found is None:
        return mark(line, bold=True) if "raised at " in line else mark(line, light=True)
    indent, verb, name, rest = found.groups()
    rest = _REST.sub(lambda m: mark(m[0], yellow=True) if m[2] else mark(m[0], light=True), rest)
    way = mark(verb, red=True, bold=True) if verb == "Raising" else mark(verb, light=True)
    return f"{indent}{way} {mark(name, cyan=True)}{rest}"
