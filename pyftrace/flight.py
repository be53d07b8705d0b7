"""A flight recorder: rings that become dumps when something happens. What the reasons are, the
signals among them, and the directory that all lies in.

Imported into traced processes, and only where there is one.
"""

import _signal  # type: ignore[import-not-found]  # signal itself costs more than all of ours
import os
import sys

from pyftrace import folder
from pyftrace import options as opts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyftrace._engine import Tap


# ---- reasons -------------------------------------------------------------------------------------


def checked(name: str, text: str) -> "tuple[str, str, int]":
    """A reason: ("exception", GLOB or "", 0), ("signal", NAME, number), ("slow", PATTERN, ns)."""
    kind, _, rest = text.partition(":")
    if kind == "exception":
        if rest:
            opts.checked_pattern(name, rest)
        elif text != "exception":
            raise opts.OptionError(f"{name}: '{text}' names no type; exception or exception:GLOB")
        return kind, rest, 0
    if kind == "signal":
        return kind, rest, _signal_number(name, rest)
    if kind == "slow":
        pattern, _, limit = rest.rpartition(":")
        if not pattern or not limit:
            raise opts.OptionError(f"{name}: '{text}' is no slow:FUNC:TIME, as slow:handle:200ms")
        return kind, opts.checked_pattern(name, pattern), opts.checked_duration(limit)
    raise opts.OptionError(
        f"{name}: '{text}' is none of exception, exception:GLOB, signal:NAME, slow:FUNC:TIME"
    )


def _signal_number(name: str, text: str) -> int:
    text = text.upper().removeprefix("SIG")
    number = getattr(_signal, f"SIG{text}", None) if text.isalnum() else None
    if not isinstance(number, int):
        raise opts.OptionError(f"{name}: '{text}' is no signal; USR1 is")
    if number in (_signal.SIGKILL, _signal.SIGSTOP):
        raise opts.OptionError(f"{name}: no program is told of SIG{text}")
    return number


def tap_keywords(options: "opts.Options") -> "dict[str, Any]":
    """What the engine's Tap takes: the reasons that it looks for itself."""
    parts = (checked("--dump-on", text) for text in options.dump_on)
    return {
        "dump_on": tuple(part for part in parts if part[0] != "signal"),
        "max_dumps": options.max_dumps,
    }


def watch_signals(tap: "Tap", options: "opts.Options") -> "list[tuple[int, Any]]":
    """Handlers that dump, in place of the program's: numbers and what was there before, for
    :func:`unwatch_signals`. ValueError but in the main thread."""
    names = {n: text for kind, text, n in map(_parsed, options.dump_on) if kind == "signal"}

    def dump(number: int, frame: object) -> None:
        tap.dump(f"signal {names[number].upper().removeprefix('SIG')}")

    return [(number, _signal.signal(number, dump)) for number in names]


def unwatch_signals(before: "list[tuple[int, Any]]") -> None:
    """The handlers that were there before."""
    for number, handler in reversed(before):
        try:
            _signal.signal(number, handler if handler is not None else _signal.SIG_DFL)
        except ValueError:
            pass  # not the main thread: the handler of a tap that is closed does nothing


def _parsed(text: str) -> "tuple[str, str, int]":
    return checked("--dump-on", text)


def dump_exception(tap: "Tap", error: BaseException, where: str) -> None:
    """For one that ends the program or a block, if it is a reason; nothing when its way up was
    dumped already."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    tap.dump_exception(name, where)


# ---- the directory -------------------------------------------------------------------------------


def forget_before_exec(engine: "Any", path: str) -> None:
    """The rings of this very process, of what it was before it became this program: nothing
    happened there."""
    for name in folder.parts(path):
        ring = os.path.join(path, name)
        if name.startswith(f"{folder.RING}{os.getpid()}") and engine.read_run(ring)[2]:
            try:
                folder.delete(ring)
            except (OSError, folder.FolderError):
                pass  # it can be read


def end_in_children(engine: "Any", tap: "Tap", options: "opts.Options") -> None:
    """multiprocessing's forked children end without atexit: they are told to end in their own
    way."""

    def finish() -> None:
        end(engine, tap, options)

    def forked(_: object) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, finish, exitpriority=-(10**6))

    def in_child() -> None:
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # it forgets all that was to be done at the end, then asks these
            util.register_after_fork(forked, forked)

    os.register_at_fork(after_in_child=in_child)


def remove_ring(ring: str) -> None:
    """A ring that was closed, nothing having happened; and its directory once nothing is left there
    and no other process can come."""
    home = os.path.dirname(ring)
    try:
        folder.delete(ring)
        if set(os.listdir(home)) == {"run"}:
            from pyftrace import _engine

            _, first, alive = _engine.read_run(home)
            if first == os.getpid() or not alive:
                folder.delete(home)
    except (OSError, folder.FolderError):
        pass  # what is left there is a recording, and can be read


def closing_line(path: str, tap_state: "tuple[str, int, int, list[str]]", most: int) -> str:
    """What was dumped, for the end of the program."""
    shown = os.path.relpath(path) if path.startswith(os.getcwd() + os.sep) else path
    parts = folder.parts(path)
    found = [name for name in parts if name.startswith(folder.DUMP)]
    if not found:
        if parts:
            s = "s" if len(parts) > 1 else ""
            return (
                f"no dump; in {shown} are the ring{s} of {len(parts)} process"
                f"{'es' if s else ''} that did not end by exit: {', '.join(parts[:4])}"
            )
        return "nothing happened that --dump-on names: no dump, and nothing left"
    refused = tap_state[2]
    more = f"; {refused} more {'time' if refused == 1 else 'times'} after that" if refused else ""
    more += f" (--max-dumps {most})" if refused and len(found) >= most else ""
    word = "dump" if len(found) == 1 else "dumps"
    argument = "" if shown == folder.DEFAULT else " " + opts.shell_word(shown)
    return f"{len(found)} {word} in {shown}{more}; to see the last: pyftrace replay{argument}" + (
        f"; all: pyftrace info{argument}" if len(found) > 1 else ""
    )


def end(engine: "Any", tap: "Tap", options: "opts.Options") -> None:
    """At the end of a program: the exception that ends it, the ring, the last word."""
    error = getattr(sys, "last_exc", None)
    if error is not None:
        dump_exception(tap, error, "ended the program")
    from pyftrace._boot import say

    state = tap.flight
    forked = engine.forked()
    engine.disarm()
    tap.close()
    engine.stop()
    if state is None:
        return
    path = os.path.dirname(state[0])
    remove_ring(state[0])
    reason = tap.recorded[3]
    if reason:
        say(f"the recording stopped: {reason}")
    if options.quiet or forked or not engine.is_main():
        return
    for pattern in (*tap.unmatched(), *state[3]):
        say(f"warning: nothing matched '{pattern}'")
    say(closing_line(path, state, options.max_dumps))
