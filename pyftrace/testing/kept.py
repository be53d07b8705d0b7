"""Recordings of tests: each test is recorded, and its recording kept or deleted at its end."""

import hashlib
import os
import re
from typing import Any, NamedTuple

import pytest

from pyftrace import _engine, folder
from pyftrace.testing import ring
from pyftrace.testing.settings import Settings

WORKING = ".recording-"  # that of the test that runs, by process
MOST_NAME = 100


class Kept(NamedTuple):
    """A recording that was kept."""

    path: str
    why: str  # failed, slow, marked, crashed


def name_of(nodeid: str) -> str:
    """A test's id as a file's name: readable, and another for every id that is not as plain."""
    file, _, rest = nodeid.partition("::")
    rest = rest.replace("::", ".").replace("[", "-", 1).removesuffix("]")
    plain = file.replace("/", ".") + ("." + rest if rest else "")
    safe = re.sub(r"[^A-Za-z0-9._+=,-]", "_", plain).lstrip(".-")[:MOST_NAME]
    return safe if safe == plain else f"{safe}-{_digest(nodeid)}"


def _digest(nodeid: str) -> str:
    return hashlib.sha1(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def prepare(settings: Settings) -> None:
    """The directory of directories; what a session that was killed left there is deleted."""
    where = settings.record
    assert where is not None
    if os.path.lexists(os.path.join(where, "run")):
        raise pytest.UsageError(f"--pyftrace-record: {where} is a recording, not a directory of"
                                " recordings")  # fmt: skip
    try:
        os.makedirs(where, exist_ok=True)
        left = [name for name in os.listdir(where) if name.startswith(WORKING)]
    except OSError as error:
        raise pytest.UsageError(f"--pyftrace-record: {where}: {error.strerror}") from None
    for name in left:
        try:
            folder.discard(_engine, os.path.join(where, name))
        except folder.FolderError:
            pass  # of a session that goes on, or not ours


class Recorder:
    """One process's recordings of tests."""

    def __init__(
        self, settings: Settings, include: tuple[str, ...], worker: dict[str, Any] | None
    ) -> None:
        assert settings.record is not None
        self._where = settings.record
        self._slower_than = settings.slower_than
        self._keywords = settings.tap_keywords(0, include)
        self._pid = os.getpid()
        self._path = working_path(self._where, worker)
        self._tap: _engine.Tap | None = None
        self._ids: dict[str, str] = {}  # names of this session, and whose they are
        self.failed = False
        self.seconds = 0.0
        self.kept: list[Kept] = []

    def begin(self, item: pytest.Item) -> None:
        """The test's own recording begins. OSError, RuntimeError."""
        self.failed, self.seconds = False, 0.0
        if os.getpid() == self._pid:
            self._tap = ring.make(self._path, ("test", item.nodeid), **self._keywords)
            self._tap.attach()

    def hear(self, report: pytest.TestReport) -> None:
        """How a part of the test went."""
        self.failed |= report.outcome == "failed"
        self.seconds += report.duration

    def end(self, item: pytest.Item) -> None:
        """The recording is kept, if there is a reason, else deleted. OSError, FolderError."""
        tap, self._tap = self._tap, None
        if tap is None or os.getpid() != self._pid:
            return
        tap.close()
        why = self._why(item)
        if why is None:
            folder.discard(_engine, self._path)
            return
        name = name_of(item.nodeid)
        if self._ids.setdefault(name, item.nodeid) != item.nodeid:
            name += "-" + _digest(item.nodeid)
        path = os.path.join(self._where, name)
        try:
            folder.move(_engine, self._path, path)
        except folder.FolderError:
            folder.discard(_engine, self._path)
            raise
        self.kept.append(Kept(path, why))

    def _why(self, item: pytest.Item) -> str | None:
        if self.failed:
            return "failed"
        if item.get_closest_marker("pyftrace_record") is not None:
            return "marked"
        if self._slower_than is not None and self.seconds * 1e9 > self._slower_than:
            return "slow"
        return None


def working_path(where: str, worker: dict[str, Any] | None) -> str:
    """Where a process records the test that it runs; ``worker``: what xdist calls it."""
    who = f"{worker['testrunuid']}-{worker['workerid']}" if worker else str(os.getpid())
    return os.path.join(where, WORKING + who)


def of_crashed(where: str, worker: dict[str, Any], nodeid: str) -> Kept:
    """The recording of a worker that died in a test. FolderError."""
    path = os.path.join(where, name_of(nodeid))
    folder.move(_engine, working_path(where, worker), path)
    return Kept(path, "crashed")
