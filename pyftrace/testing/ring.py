"""The session's tap: it keeps the last calls of each thread in a temporary directory, and tells
those between two moments."""

import os
import shutil
import sys
import tempfile
import threading
from typing import Any, NamedTuple

from pyftrace import _engine, folder
from pyftrace._boot import process_facts, run_facts
from pyftrace.options import join
from pyftrace.testing.settings import RING, Settings

NAME = "ring"  # of its directory, in one of its own


class Moment(NamedTuple):
    """When something began or ended, by the clock of events, and the calls until then."""

    ticks: int
    calls: int


class Told(NamedTuple):
    """The end of what was called."""

    text: str
    lines: int  # of calls, left out or not
    calls: int


class Lines:
    """A stream for a tap: it collects."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def write(self, text: str) -> None:
        """Some whole lines."""
        self.found.append(text)


def make(where: str, facts: tuple[str, ...] = (), /, **keywords: Any) -> _engine.Tap:
    """A recorder of this process alone into a new directory; OSError."""
    everything = (*run_facts(join(sys.orig_argv)), *facts)
    try:
        with folder.Alone(_engine, where):
            path, run, _ = folder.prepare(_engine, where, os.getpid(), 0, False, everything)
    except folder.FolderError as error:
        raise OSError(str(error)) from None
    return _engine.Tap(
        "record", folder=path, run=run, facts=folder.clean(process_facts()), one_process=True,
        **keywords,
    )  # fmt: skip


def _is_heard(tap: _engine.Tap) -> bool:
    """Whether events still arrive: a test may have called ``pyftrace.stop()``, freed our tool id or
    cleared its events."""
    tool = _engine.tool_id()
    return (
        tap.attached
        and sys.monitoring.get_tool(tool) == "pyftrace"
        and sys.monitoring.get_events(tool) & _engine.events() == _engine.events()
    )


class Ring:
    """OSError or RuntimeError when it cannot be made."""

    def __init__(self, settings: Settings, include: tuple[str, ...], base: str | None) -> None:
        self._pid = os.getpid()
        self._settings = settings
        self._keywords = settings.tap_keywords(RING, include)
        self._folder = base or tempfile.mkdtemp(prefix="pyftrace-")
        self._path = os.path.join(self._folder, NAME)
        try:
            self._tap = self._make()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _make(self) -> _engine.Tap:
        tap = make(self._path, **self._keywords)
        tap.attach()
        return tap

    @property
    def here(self) -> bool:
        """False in a forked child, which has no ring."""
        return os.getpid() == self._pid

    def go_on(self) -> None:
        """A new one, if what ran meanwhile switched it off. RuntimeError when it cannot be."""
        if not self.here or _is_heard(self._tap):
            return
        tool = _engine.tool_id()
        if tool >= 0 and sys.monitoring.get_tool(tool) not in ("pyftrace", None):
            raise RuntimeError("another tool has taken pyftrace's sys.monitoring id")
        if self._tap.attached:
            if sys.monitoring.get_tool(tool) is None:
                sys.monitoring.use_tool_id(tool, "pyftrace")
            _engine.stop()  # from the beginning: what it believes to hold was taken from it
        self._tap.close()
        shutil.rmtree(self._path, ignore_errors=True)
        self._tap = self._make()

    def now(self) -> Moment:
        """This moment."""
        return Moment(_engine.ticks(), self._tap.recorded[0])

    def tell(self, since: Moment, until: Moment) -> Told:
        """The last calls between two moments, those of the calling thread before others."""
        recording = _engine.Recording(self._path)
        text, lines = last_lines(
            recording, self._settings, threading.get_native_id(),
            since=recording.time_of(since.ticks), until=recording.time_of(until.ticks), anew=True,
        )  # fmt: skip
        return Told(text, lines, until.calls - since.calls)

    def left_out(self) -> list[tuple[str, int]]:
        """(package, functions) that were called and are out of scope."""
        return self._tap.left_out()

    def close(self) -> None:
        """Its directory goes too, but in a forked child."""
        if self.here:
            self._tap.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def last_lines(
    recording: _engine.Recording, settings: Settings, thread: int = 0, **part: Any
) -> tuple[str, int]:
    """The last lines of the tree, and how many there are in all."""
    stream = Lines()
    tap = _engine.Tap(
        "text", stream=stream, args=True, values="safe", time=True, path=settings.path,
        last=settings.lines, own=thread,
    )  # fmt: skip
    recording.walk(tap, merged=True, **part)
    tap.flush()
    return "".join(stream.found), tap.lines
