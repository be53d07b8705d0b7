"""A tracer in pure Python on the same events, written as well as one can: f-strings, one buffered
file, sys._getframe for the caller's line, DISABLE for code out of scope. What pyftrace is measured
against."""

import sys
import time

EVENTS = sys.monitoring.events
TOOL = 4


class TextTracer:
    """Lines into a file, as pyftrace -o FILE --values none prints them."""

    def __init__(self, path: str, root: str) -> None:
        self.file = open(path, "w", buffering=1 << 16)  # noqa: SIM115 (lives as long as the tracer)
        self.root = root

    def start(self) -> None:
        """Switch the events on."""
        write = self.file.write
        getframe = sys._getframe
        disable = sys.monitoring.DISABLE
        root = self.root
        depth = 0

        def on_start(code, offset):
            nonlocal depth
            if not code.co_filename.startswith(root):
                return disable
            caller = getframe(2)
            line = caller.f_lineno
            indent = "    " * depth
            write(f"{indent}Called {code.co_qualname}:{code.co_firstlineno} from line {line}\n")
            depth += 1

        def on_return(code, offset, value):
            nonlocal depth
            if not code.co_filename.startswith(root):
                return disable
            depth -= 1
            write(f"{'    ' * depth}Returning {code.co_qualname}\n")

        def on_unwind(code, offset, exc):
            nonlocal depth
            if code.co_filename.startswith(root):
                depth -= 1
                write(f"{'    ' * depth}Raising {code.co_qualname}\n")

        _switch_on(
            {
                "PY_START": on_start,
                "PY_RESUME": on_start,
                "PY_THROW": on_start,
                "PY_RETURN": on_return,
                "PY_YIELD": on_return,
                "PY_UNWIND": on_unwind,
            }
        )

    def stop(self) -> None:
        """Switch off and close the file."""
        _switch_off()
        self.file.close()


class ReportTracer:
    """Calls and total time per function."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.totals: dict = {}

    def start(self) -> None:
        """Switch the events on."""
        clock = time.perf_counter_ns
        disable = sys.monitoring.DISABLE
        root, totals, stack = self.root, self.totals, []

        def on_start(code, offset):
            if not code.co_filename.startswith(root):
                return disable
            stack.append(clock())

        def on_return(code, offset, value):
            if not code.co_filename.startswith(root):
                return disable
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
            if code.co_filename.startswith(root):
                on_return(code, offset, exc)

        _switch_on(
            {
                "PY_START": on_start,
                "PY_RESUME": on_start,
                "PY_THROW": on_start,
                "PY_RETURN": on_return,
                "PY_YIELD": on_return,
                "PY_UNWIND": on_unwind,
            }
        )

    def stop(self) -> None:
        """Switch off."""
        _switch_off()


def _switch_on(callbacks: dict) -> None:
    sys.monitoring.use_tool_id(TOOL, "baseline")
    mask = 0
    for name, callback in callbacks.items():
        event = getattr(EVENTS, name)
        sys.monitoring.register_callback(TOOL, event, callback)
        mask |= event
    sys.monitoring.set_events(TOOL, mask)


def _switch_off() -> None:
    sys.monitoring.set_events(TOOL, 0)
    sys.monitoring.free_tool_id(TOOL)
