"""The pytest plugin at work: a ring for the session, what is told of it under a failing test,
recordings of tests, and what is said at the end.

Nothing here may break a test run: what fails is said in one line at its end. With xdist each worker
has its own ring, in a directory of the controller's, which tells what a worker that crashed did."""

import os
import shutil
import tempfile
from collections.abc import Generator
from typing import Any

import pytest

from pyftrace.options import shell_word
from pyftrace.testing.settings import Settings, read

SHOWN = 5  # recordings named at the end
Wrapping = Generator[None, Any, Any]


def register(config: pytest.Config) -> None:
    """The plugin that fits this process: where tests run, or xdist's controller."""
    settings = read(config)
    try:
        from pyftrace import api  # noqa: F401  (loads the engine)
        from pyftrace.testing import kept
    except ImportError as error:
        raise pytest.UsageError(f"--pyftrace: {error}") from None
    worker = getattr(config, "workerinput", None)
    if settings.record is not None and worker is None:
        kept.prepare(settings)
    notes = Notes(config, settings)
    # As xdist decides whether to distribute.
    spread = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    if worker is None and spread:
        config.pluginmanager.register(Controller(notes), "pyftrace-controller")
    else:
        config.pluginmanager.register(Session(notes, worker), "pyftrace-session")
    config.pluginmanager.register(notes, "pyftrace-notes")


class Notes:
    """What is said at the end, from all processes."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.kept: list[tuple[str, str]] = []  # path, why
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        """A line, once."""
        if line not in self.lines:
            self.lines.append(line)

    def pytest_sessionfinish(self) -> None:
        """A worker's go home."""
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["pyftrace"] = [[list(k) for k in self.kept], self.lines]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """xdist: a worker has ended."""
        kept, lines = getattr(node, "workeroutput", {}).get("pyftrace", ((), ()))
        self.kept += [(path, why) for path, why in kept]
        for line in lines:
            self.note(line)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> Wrapping:
        """Colours for what is about to be printed; then the notes."""
        from pyftrace.testing import explain

        for how in ("failed", "error", "rerun"):
            for report in terminalreporter.stats.get(how, ()):
                explain.color(report, terminalreporter)
        found = yield
        if self.kept or self.lines:
            terminalreporter.section("pyftrace")
            for line in (*self.lines, *self._recordings()):
                terminalreporter.write_line(line)
        return found

    def _recordings(self) -> list[str]:
        if not self.kept:
            return []
        found = sorted(self.kept)
        n = len(found)
        reasons: dict[str, int] = {}
        for _, why in found:
            reasons[why] = reasons.get(why, 0) + 1
        counts = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
        where = _near(os.path.dirname(found[0][0]))
        lines = [
            f"{n} recording{'s' if n != 1 else ''} in {where} ({counts}); to see"
            f" {'one' if n > 1 else 'it'}:"
        ]
        lines += [f"  pyftrace replay {shell_word(_near(path))}" for path, _ in found[:SHOWN]]
        return lines + ([f"  ... {n - SHOWN} more"] if n > SHOWN else [])


def _near(path: str) -> str:
    near = os.path.relpath(path)
    return path if near.startswith("..") else near


# ---- where tests run -----------------------------------------------------------------------------


class Session:
    """One process that runs tests."""

    def __init__(self, notes: Notes, worker: dict[str, Any] | None) -> None:
        self._notes = notes
        self._settings = notes.settings
        self._worker = worker
        self._ring: Any = None  # pyftrace.testing.ring.Ring
        self._recorder: Any = None  # pyftrace.testing.kept.Recorder
        self._began: Any = None
        self._ended: Any = None
        self._pid = os.getpid()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Wrapping:
        """The ring is there while tests run; what they are is known by then."""
        from pyftrace.testing.kept import Recorder
        from pyftrace.testing.ring import Ring
        from pyftrace.testing.scope import under_test

        if session.config.option.collectonly:
            return (yield)
        include = under_test(session)
        try:
            if self._settings.show:
                self._ring = Ring(self._settings, include, (self._worker or {}).get("pyftrace"))
        except (OSError, RuntimeError) as error:
            self._notes.note(f"no calls are shown: {_said(error)}")
        if self._settings.record is not None:
            self._recorder = Recorder(self._settings, include, self._worker)
            self._notes.kept = self._recorder.kept
        try:
            return (yield)
        finally:
            if self._ring is not None:
                self._ring.close()

    # ---- one test ----

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapping:
        """All of one test, its repetitions too."""
        if self._recorder is None:
            return (yield)
        self._try("nothing is recorded", self._recorder.begin, item)
        try:
            return (yield)
        finally:
            self._try("a recording is not kept", self._recorder.end, item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Wrapping:
        """The test begins here, and what is told of its call begins here, too: fixtures make what
        it works on."""
        self._begin()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Wrapping:
        """What a failing teardown did is its own."""
        self._begin()
        return (yield)

    def _begin(self) -> None:
        if self._ring is not None:
            self._try("calls are not shown any more", self._ring.go_on)
            self._began, self._ended = self._ring.now(), None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Wrapping:
        """What other hooks do behind the test is not told."""
        self._ended = None
        try:
            return (yield)
        except BaseException:
            if self._ring is not None:
                self._ended = self._ring.now()
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Behind all others: a failure that was expected is none any more."""
        report = yield
        if self._recorder is not None:
            self._recorder.hear(report)
        if report.outcome == "failed" and call.excinfo is not None and self._began is not None:
            self._try("some calls are not shown", self._explain, item, call.excinfo.value, report)
        return report

    def _explain(self, item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
        from pyftrace.testing import explain

        if not self._ring.here:
            return
        told = self._ring.tell(self._began, self._ended or self._ring.now())
        if told.lines > 0:
            where = explain.places(error, item.config.invocation_params.dir)
            heading = explain.title(told, self._settings.lines)
            explain.add(report, heading, explain.plain(told.text) + where)

    def _try(self, what: str, work: Any, *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:
            if os.getpid() == self._pid:
                self._notes.note(f"{what}: {_said(error)}")


def _said(error: BaseException) -> str:
    from pyftrace.options import printable

    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return printable(f"{where}{error.strerror}")
    return printable(str(error) or type(error).__name__)


# ---- xdist's controller --------------------------------------------------------------------------


class Controller:
    """Gives each worker a directory, and looks into that of one that crashed."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._settings = notes.settings
        self._base = tempfile.mkdtemp(prefix="pyftrace-") if self._settings.show else None
        self._pid = os.getpid()
        self._crashed: list[tuple[dict[str, Any], str]] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """xdist: a worker is about to start."""
        if self._base is not None:
            node.workerinput["pyftrace"] = os.path.join(self._base, node.gateway.id)
            os.mkdir(node.workerinput["pyftrace"])

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """xdist: a worker has died in this test: its ring is there all the same."""
        from pyftrace import _engine
        from pyftrace.testing import explain, ring

        node = report.node
        try:
            if self._base is not None:
                path = os.path.join(self._base, node.gateway.id, ring.NAME)
                text, _ = ring.last_lines(_engine.Recording(path), self._settings)
                text = explain.unfinished(explain.plain(text))
                if text:
                    explain.add(report, explain.TITLE + "the last calls before the crash", text)
        except OSError as error:
            self._notes.note(f"what a crashed worker called is not shown: {_said(error)}")
        self._crashed.append((node.workerinput, crashitem))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """xdist has waited for its workers: those that crashed record no more."""
        from pyftrace.folder import FolderError
        from pyftrace.testing import kept

        where = self._settings.record
        for worker, nodeid in self._crashed:
            try:
                if where is not None:
                    self._notes.kept.append(kept.of_crashed(where, worker, nodeid))
            except FolderError as error:
                self._notes.note(f"a recording is not kept: {_said(error)}")

    def pytest_unconfigure(self) -> None:
        """The workers have ended."""
        if self._base is not None and os.getpid() == self._pid:
            shutil.rmtree(self._base, ignore_errors=True)
