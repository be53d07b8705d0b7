"""Tracers in pure Python, written as well as one can: what pyftrace is measured against. On
sys.monitoring: f-strings, one buffered file, sys._getframe for the caller's line. On sys.settrace
and sys.setprofile: no line events, locals in closures."""

import sys
import threading
import time
from collections import Counter

EVENTS = sys.monitoring.events
TOOL = 4


class TextTracer:
    """Lines into a file, as pyftrace -o FILE --values none prints them."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "w", buffering=1 << 16)  # noqa: SIM115 (lives as long as the tracer)

    def start(self) -> None:
        """Switch the events on."""
        write = self.file.write
        getframe = sys._getframe
        depth = 0

        def on_start(code, offset, exc=None):
            nonlocal depth
            try:  # costs nothing while nothing is raised
                line = getframe(2).f_lineno
            except ValueError:  # a thread's first function has no caller
                line = 0
            indent = "    " * depth
            write(f"{indent}Called {code.co_qualname}:{code.co_firstlineno} from line {line}\n")
            depth += 1

        def on_return(code, offset, value):
            nonlocal depth
            depth -= 1
            write(f"{'    ' * depth}Returning {code.co_qualname}\n")

        def on_unwind(code, offset, exc):
            nonlocal depth
            depth -= 1
            write(f"{'    ' * depth}Raising {code.co_qualname}\n")

        _switch_on(on_start, on_return, on_unwind)

    def stop(self) -> None:
        """Switch off and close the file."""
        _switch_off()
        self.file.close()


class ReportTracer:
    """Calls and total time per function."""

    def __init__(self) -> None:
        self.totals: dict = {}

    def start(self) -> None:
        """Switch the events on."""
        clock = time.perf_counter_ns
        totals, stack = self.totals, []

        def on_start(code, offset, exc=None):
            stack.append(clock())

        def on_return(code, offset, value):
            if not stack:
                return None  # began before we looked
            took = clock() - stack.pop()
            entry = totals.get(code)
            if entry is None:
                totals[code] = [1, took]
            else:
                entry[0] += 1
                entry[1] += took

        def on_unwind(code, offset, exc):
            on_return(code, offset, exc)

        _switch_on(on_start, on_return, on_unwind)

    def stop(self) -> None:
        """Switch off."""
        _switch_off()


class Settrace:
    """Calls and total time per function, by sys.settrace without the lines' events."""

    switch, switch_threads = staticmethod(sys.settrace), staticmethod(threading.settrace)

    def __init__(self) -> None:
        self.totals: dict = {}

    def callback(self):
        """What sys.settrace is given."""
        clock, totals, stack = time.perf_counter_ns, self.totals, []

        def end(code):
            took = clock() - stack.pop()
            entry = totals.get(code)
            if entry is None:
                totals[code] = [1, took]
            else:
                entry[0] += 1
                entry[1] += took

        def inside(frame, event, arg):
            if event == "return":
                end(frame.f_code)
            return inside

        def begin(frame, event, arg):
            frame.f_trace_lines = False
            stack.append(clock())
            return inside

        return begin

    def start(self) -> None:
        """In this thread, and in those that begin from now on."""
        self.switch_threads(lambda *args: (self.switch(own := self.callback()), own(*args))[1])
        self.switch(self.callback())

    def stop(self) -> None:
        """The opposite."""
        self.switch(None)
        self.switch_threads(None)


class Setprofile(Settrace):
    """The same by sys.setprofile, which cannot leave the C calls out."""

    switch, switch_threads = staticmethod(sys.setprofile), staticmethod(threading.setprofile)

    def callback(self):
        """What sys.setprofile is given."""
        clock, totals, stack = time.perf_counter_ns, self.totals, []

        def profile(frame, event, arg):
            if event == "call":
                stack.append(clock())
            elif event == "return" and stack:
                took = clock() - stack.pop()
                entry = totals.get(frame.f_code)
                if entry is None:
                    totals[frame.f_code] = [1, took]
                else:
                    entry[0] += 1
                    entry[1] += took

        return profile


class Count(Settrace):
    """How often each event of sys.setprofile comes."""

    switch, switch_threads = staticmethod(sys.setprofile), staticmethod(threading.setprofile)

    def __init__(self) -> None:
        super().__init__()
        self.events: Counter[str] = Counter()

    def callback(self):
        """What sys.setprofile is given."""
        events = self.events

        def profile(frame, event, arg):
            events[event] += 1

        return profile


class CountLines(Count):
    """How often sys.settrace calls, lines and all: as the talk had it."""

    switch, switch_threads = staticmethod(sys.settrace), staticmethod(threading.settrace)

    def callback(self):
        """What sys.settrace is given."""
        events = self.events

        def trace(frame, event, arg):
            events[event] += 1
            return trace

        return trace


class CountMonitoring:
    """How often sys.monitoring calls a tool that wants Python functions, or C functions too."""

    def __init__(self, c_calls: bool) -> None:
        self.calls = 0
        names = "PY_START PY_RESUME PY_THROW PY_RETURN PY_YIELD PY_UNWIND"
        self.asked = [*names.split(), *["CALL"] * c_calls]
        self.implied = ["C_RETURN", "C_RAISE"] * c_calls

    def start(self) -> None:
        """Switch the events on."""

        def count(*args: object) -> None:
            self.calls += 1

        sys.monitoring.use_tool_id(TOOL, "count")
        for name in (*self.asked, *self.implied):
            sys.monitoring.register_callback(TOOL, getattr(EVENTS, name), count)
        sys.monitoring.set_events(TOOL, sum(getattr(EVENTS, name) for name in self.asked))

    def stop(self) -> None:
        """Switch off."""
        _switch_off()


def _switch_on(on_start, on_return, on_unwind) -> None:
    sys.monitoring.use_tool_id(TOOL, "baseline")
    mask = 0
    for names, callback in (
        (("PY_START", "PY_RESUME", "PY_THROW"), on_start),
        (("PY_RETURN", "PY_YIELD"), on_return),
        (("PY_UNWIND",), on_unwind),
    ):
        for name in names:
            event = getattr(EVENTS, name)
            sys.monitoring.register_callback(TOOL, event, callback)
            mask |= event
    sys.monitoring.set_events(TOOL, mask)


def _switch_off() -> None:
    sys.monitoring.set_events(TOOL, 0)
    sys.monitoring.free_tool_id(TOOL)
