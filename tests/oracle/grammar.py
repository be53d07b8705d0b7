"""L0: what every recording obeys: per thread, opens and closes nest, a depth is the number of
calls open, times never run back, a leaf lies within its parent, nothing stays open."""

from pyftrace.recording import Event

ENTERS = ("start", "resume", "throw", "c_call")
LEAVES = {
    "start": ("return", "yield", "unwind"), "resume": ("return", "yield", "unwind"),
    "throw": ("return", "yield", "unwind"), "c_call": ("c_return", "c_raise"),
}  # fmt: skip


def broken(events: dict[str, list[Event]]) -> str | None:
    """The first rule that is not kept, in words."""
    for thread, seen in events.items():
        stack: list[Event] = []
        suspended: dict[int, bool] = {}  # of the activations that this thread has seen
        before = 0
        for i, event in enumerate(seen):
            place = f"{thread}, event {i} ({event.event} {event.function})"
            if event.t < before:
                return f"{place}: at {event.t}, after {before}"
            before = event.t
            if event.event in ENTERS:
                if event.depth != len(stack):
                    return f"{place}: depth {event.depth}, {len(stack)} are open"
                if event.event == "resume" and not suspended.get(event.activation, True):
                    return f"{place}: activation {event.activation} is not suspended"
                if event.event == "start" and event.activation in suspended:
                    return f"{place}: activation {event.activation} was begun before"
                stack.append(event)
            else:
                if not stack:
                    return f"{place}: nothing is open"
                opened = stack.pop()
                if event.depth != len(stack):
                    return f"{place}: depth {event.depth}, {len(stack)} are open"
                if (event.function, event.file, event.line, event.activation) != (
                    opened.function, opened.file, opened.line, opened.activation,
                ):  # fmt: skip
                    return f"{place}: closes {opened.event} {opened.function}"
                if event.event not in LEAVES[opened.event]:
                    return f"{place}: closes a {opened.event}"
                if event.activation:
                    suspended[event.activation] = event.event == "yield"
        if stack:
            return f"{thread}: {[event.function for event in stack]} stay open"
    return None
