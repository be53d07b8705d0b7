"""Every tracer that is measured in process, in the mode nearest to ours."""

import cProfile
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import tracers
from measure import Mode, nothing

HERE = Path(__file__).resolve().parent
FLOOR_ID = 5  # pyftrace takes 3, tracers 4, cProfile and trace0 2
FLOOR = ("PY_START", "PY_RETURN", "PY_RESUME", "PY_YIELD", "PY_UNWIND", "PY_THROW")
ALL = ("*",)  # what a tracer without a scope sees

# Names of the modes that others refer to.
EMPTY, CLOCK = "empty callbacks", "floor: with a clock"
RECORD, REPORT, TEXT = "pyftrace record", "pyftrace --report", "pyftrace -o FILE --values none"
TEXT_SAFE = "pyftrace -o FILE"
OWN, EXCLUDED = "pyftrace record, own code", "pyftrace, nothing in scope"
CPROFILE, YAPPI, VIZTRACER, TRACE0 = "cProfile", "yappi", "viztracer", "trace0"
SETTRACE, SETPROFILE = "Python, settrace", "Python, setprofile"
MONITORING, MONITORING_TEXT = "Python, monitoring", "Python, monitoring, text"
CLOCK_C, RECORD_C, CPROFILE_C = "floor, C calls too", "pyftrace record -vv", "cProfile, C calls too"


def build_floor(folder: Path) -> None:
    """Build ft_floor into `folder` and make it importable."""
    subprocess.run(
        [sys.executable, HERE / "floor" / "setup.py", "-q", "build_ext", "--build-lib", folder,
         "--build-temp", folder / "tmp"],
        check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    sys.path.insert(0, str(folder))


def floor(name: str, kind: str, c_calls: bool = False) -> Mode:
    """What CPython takes to call a tool that does nothing, or but reads the clock."""
    import ft_floor

    events = sys.monitoring.events

    def start() -> None:
        wanted = FLOOR + ("CALL", "C_RETURN", "C_RAISE") * c_calls
        sys.monitoring.use_tool_id(FLOOR_ID, "floor")
        mask = 0
        for event in wanted:
            sys.monitoring.register_callback(FLOOR_ID, getattr(events, event), ft_floor.make(kind))
            if event not in ("C_RETURN", "C_RAISE"):  # they come with CALL
                mask |= getattr(events, event)
        sys.monitoring.set_events(FLOOR_ID, mask)

    def stop() -> None:
        sys.monitoring.set_events(FLOOR_ID, 0)
        sys.monitoring.free_tool_id(FLOOR_ID)

    return Mode(name, start, stop)


def ours(name: str, kind: str, file: Path | None = None, **options: object) -> Mode:
    """A tap; its file is cut back to nothing after each run: else the disk's speed is measured."""
    from pyftrace import _boot, _engine

    _engine.set_paths(_boot.library_folders(), _boot.own_folders())
    if file is not None:
        options |= {"file": str(file)}
    tap = _engine.Tap(kind, **options)  # type: ignore[arg-type]
    clear = (lambda: os.truncate(file, 0)) if file is not None else nothing
    return Mode(name, tap.attach, tap.detach, clear)


def recording(name: str, folder: Path, **options: object) -> Mode:
    """All runs go into one recording."""
    from pyftrace import _engine

    where = str(folder / f"{name}.data")
    run = _engine.create_run(where, os.getpid())
    return ours(name, "record", folder=where, run=run, values="none", **options)


def text(name: str, file: Path) -> Mode:
    """The tree in pure Python."""
    tracer = tracers.TextTracer(str(file))
    stop = tracers._switch_off  # tracer.stop would close the file
    return Mode(name, tracer.start, stop, lambda: os.truncate(file, 0), slow=True)


def yappi(name: str, c_calls: bool) -> Mode:
    import yappi

    yappi.set_clock_type("wall")
    return Mode(
        name, lambda: yappi.start(builtins=c_calls), yappi.stop, yappi.clear_stats, slow=True
    )


def viztracer(name: str, c_calls: bool) -> Mode:
    """Its ring in memory, of a million entries: nothing is saved."""
    from viztracer import VizTracer

    tracer = VizTracer(ignore_c_function=not c_calls, verbose=0)
    return Mode(name, tracer.start, tracer.stop, tracer.clear)


def trace0(name: str, file: Path) -> Mode:
    """Into a file, by a thread of its own; what it does when it is switched off is not timed."""
    from trace0 import Tracer

    current: list[Tracer] = []

    def start() -> None:
        current.append(Tracer(str(file), trace_subprocesses=False))
        current[0].__enter__()

    def stop() -> None:
        current.pop().__exit__(None, None, None)

    return Mode(name, start, stop, file.unlink)


def python_only(folder: Path) -> Iterator[Callable[[], Mode]]:
    """Those that see Python functions."""
    profile = cProfile.Profile(builtins=False)
    monitoring, trace, setprofile = (
        tracers.ReportTracer(), tracers.Settrace(), tracers.Setprofile()
    )  # fmt: skip
    yield lambda: floor(EMPTY, "empty")
    yield lambda: floor(CLOCK, "clock")
    yield lambda: recording(RECORD, folder, include=ALL)
    yield lambda: ours(REPORT, "report", include=ALL)
    yield lambda: ours(TEXT, "text", folder / "tree.txt", include=ALL, values="none")
    yield lambda: ours(TEXT_SAFE, "text", folder / "safe.txt", include=ALL)
    yield lambda: recording(OWN, folder)
    yield lambda: ours(EXCLUDED, "report", only=("no.such.package",))
    # From 3.14 on enable() by itself sees C functions, whatever the profile was made with.
    yield lambda: Mode(
        CPROFILE, partial(profile.enable, builtins=False), profile.disable, profile.clear
    )
    yield lambda: trace0(TRACE0, folder / "trace0.pb")
    yield lambda: viztracer(VIZTRACER, False)
    yield lambda: yappi(YAPPI, False)
    yield lambda: Mode(MONITORING, monitoring.start, monitoring.stop, slow=True)
    yield lambda: text(MONITORING_TEXT, folder / "python.txt")
    yield lambda: Mode(SETPROFILE, setprofile.start, setprofile.stop, slow=True)
    yield lambda: Mode(SETTRACE, trace.start, trace.stop, slow=True)


def with_c_calls(folder: Path) -> Iterator[Callable[[], Mode]]:
    """Those that see C functions too."""
    profile = cProfile.Profile(builtins=True)
    everything = {"include": ALL, "libs": "all", "builtins": "all"}
    yield lambda: floor(CLOCK_C, "clock", True)
    yield lambda: recording(RECORD_C, folder, **everything)
    yield lambda: Mode(
        CPROFILE_C, partial(profile.enable, builtins=True), profile.disable, profile.clear
    )
    yield lambda: viztracer("viztracer, C calls too", True)
    yield lambda: yappi("yappi, C calls too", True)


def modes(folder: Path) -> list[Mode]:
    """All that can be had here; what cannot is named."""
    found = []
    for make in (*python_only(folder), *with_c_calls(folder)):
        try:
            found.append(make())
        except ImportError as error:
            print(f"!!!! NOT RUN: {error} !!!!", file=sys.stderr)
    return found
