"""Runs programs and brings what was seen of them: by sys.setprofile, by a recording, by the live
tree. A stream is a list of (sign, name): "+" a start, resume or throw, "-" a return, yield or
unwind; "(" a C call, ")" its return, "!" its end by an exception. One list for each thread, by the
thread's name."""

import contextlib
import gc
import logging
import shutil
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyftrace
from oracle.programs import FILE, Program
from pyftrace import _engine
from pyftrace.recording import Event

Stream = list[tuple[str, str]]
MAIN = "MainThread"
SCOPE = {"include": (FILE,), "only": (FILE,)}
UNSEEN = "<module>"  # the top level of eval'd and imported text: shown with -v only
SIGN = {
    "start": "+", "resume": "+", "throw": "+", "return": "-", "yield": "-", "unwind": "-",
    "c_call": "(", "c_return": ")", "c_raise": "!",
}  # fmt: skip
PROFILED = {"call": "+", "return": "-", "c_call": "(", "c_return": ")", "c_exception": "!"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed of exceptions that nobody takes, and the collector, whose time is not the
    program's to choose, waits."""
    hooks = sys.unraisablehook, threading.excepthook
    disabled = logging.root.manager.disable
    sys.unraisablehook = threading.excepthook = lambda *_: None
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gc.collect()
        sys.unraisablehook, threading.excepthook = hooks
        logging.disable(disabled)
        gc.enable()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    shared = Path("/dev/shm")
    path = tempfile.mkdtemp(dir=shared if shared.is_dir() else None, prefix="oracle")
    try:
        yield Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


# ---- sys.setprofile ------------------------------------------------------------------------------


def by_setprofile(program: Program, everything: bool = False) -> dict[str, Stream]:
    """Of a run under sys.setprofile, C calls included; of the program's own code, or of all."""
    streams: dict[str, Stream] = {}

    def observer() -> Any:
        stream = streams.setdefault(threading.current_thread().name, [])
        append = stream.append

        def profile(frame: Any, event: str, arg: Any) -> None:
            code = frame.f_code
            if everything or (code.co_filename == FILE and code.co_name != UNSEEN):
                named = arg.__name__ if event[0] == "c" and event != "call" else code.co_qualname
                append((PROFILED[event], named))

        return profile

    def begin(frame: Any, event: str, arg: Any) -> None:
        observe = observer()
        sys.setprofile(observe)
        observe(frame, event, arg)

    main = program.space()["main"]
    observe = observer()
    if program.threaded:
        threading.setprofile(begin)
    sys.setprofile(observe)
    try:
        main()
    finally:
        sys.setprofile(None)
        if program.threaded:
            threading.setprofile(None)
    if everything:
        stream = streams[MAIN]  # the switching off itself
        del stream[len(stream) - stream[::-1].index(("-", "main")) :]
    return {name: stream for name, stream in streams.items() if stream}


def without_c(streams: dict[str, Stream]) -> dict[str, Stream]:
    """Python functions alone."""
    plain = {name: [e for e in stream if e[0] in "+-"] for name, stream in streams.items()}
    return {name: stream for name, stream in plain.items() if stream}


# ---- recordings ----------------------------------------------------------------------------------


def record(programs: list[Program], path: Path, **options: Any) -> list[dict[str, list[Event]]]:
    """The events of each program, by thread, from one recording of them all."""
    mains = [program.space()["main"] for program in programs]
    with pyftrace.record(path, threads="all", **SCOPE, **options):
        for main in mains:
            main()
    found = split(pyftrace.open(path).events())
    assert len(found) == len(programs), f"{len(found)} programs of {len(programs)} in the recording"
    return found


def split(events: Iterator[Event]) -> list[dict[str, list[Event]]]:
    """By program: from the start of its main() to the end of that; by thread."""
    programs: list[dict[str, list[Event]]] = []
    current: dict[str, list[Event]] | None = None
    for event in events:
        outermost = event.depth == 0 and event.function == "main"
        if outermost and event.event == "start":
            current = {}
            programs.append(current)
        if current is not None:
            current.setdefault(event.thread_name, []).append(event)
        if outermost and event.event in ("return", "unwind"):
            current = None
    return programs


SEEN = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
)  # fmt: skip
_types: dict[tuple[str | None, str | None], bool] = {}


def is_seen_by_setprofile(event: Event) -> bool:
    """Not so: a type that is called, an object with tp_call, a slot bound or unbound."""
    key = event.module, event.function
    known = _types.get(key)
    if known is None:
        name = event.function or ""
        found: Any = sys.modules.get(event.module or "", sys)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:  # a type that no module shows, or a method of one
            owner, _, last = name.rpartition(".")
            known = owner != "" and "<locals>" not in name and not last.startswith("__")
        else:
            known = isinstance(found, SEEN)
        _types[key] = known
    return known


def stream_of(events: dict[str, list[Event]]) -> dict[str, Stream]:
    """What a recording shows, without what setprofile cannot see."""
    streams = {}
    for thread, seen in events.items():
        streams[thread] = [
            (SIGN[e.event], (e.function or "").rpartition(".")[2] if e.event[1] == "_" else
             e.function or "")
            for e in seen
            if e.event[1] != "_" or is_seen_by_setprofile(e)
        ]  # fmt: skip
    return {name: stream for name, stream in streams.items() if stream}


# ---- the live tree and the live report -----------------------------------------------------------

VERBS = {
    "Called": "+", "Resuming": "+", "Returning": "-", "Yielding": "-", "Suspending": "-",
    "Raising": "-",
}  # fmt: skip


class Lines:
    """Where a tree is written to."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> None:
        self.texts.append(text)


def tapped(kind: Any, programs: list[Program], **options: Any) -> _engine.Tap:
    """A tap that has seen the programs, closed."""
    mains = [program.space()["main"] for program in programs]
    tap = _engine.Tap(kind, **SCOPE, **options)
    tap.attach()
    try:
        for main in mains:
            main()
    finally:
        tap.close()
    return tap


def live_tree(programs: list[Program], **options: Any) -> list[str]:
    """The lines of the tree of all."""
    lines = Lines()
    tapped("text", programs, stream=lines, values="none", **options)
    return "".join(lines.texts).splitlines()


def read_line(line: str) -> tuple[str, str, str, int]:
    """(thread, sign, name, depth)."""
    thread = MAIN
    if line.startswith("["):
        prefix, _, line = line.partition("] ")
        words = prefix[1:].split(" ")
        thread = words[0] if not words[0].startswith("Task-") else MAIN
    text = line.lstrip(" ")
    verb, name = text.split(None, 2)[:2]
    name = name.partition(":")[0].partition("->")[0]
    return thread, VERBS[verb], name, (len(line) - len(text)) // 4


def read_tree(lines: list[str]) -> list[dict[str, Stream]]:
    """The streams of each program, as split() has them."""
    programs: list[dict[str, Stream]] = []
    current: dict[str, Stream] | None = None
    for line in lines:
        thread, sign, name, depth = read_line(line)
        outermost = depth == 0 and name == "main"
        if outermost and sign == "+":
            current = {}
            programs.append(current)
        if current is not None:
            current.setdefault(thread, []).append((sign, name))
        if outermost and sign == "-":
            current = None
    return programs
