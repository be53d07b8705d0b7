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
    from collections.abc import Callable
    from typing import Any

    from pyftrace._engine import Tap

RING_SIZE = 16 << 20


# ---- reasons -------------------------------------------------------------------------------------


def checked(name: str, text: str) -> "tuple[str, str, int]":
    """A reason: ("exception", GLOB or "", 0), ("signal", NAME, number), ("slow", PATTERN, ns)."""
    if not isinstance(text, str):
        raise opts.OptionError(f"{name}: {text!r} is no text")
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


# Their default ends the program at once, or what they tell happens again: a handler helps nobody.
_NEVER = ("KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "ABRT")
# Without a handler of the program's they mean nothing to it; others do what they do untraced.
_FREE = ("USR1", "USR2", "CHLD", "CONT", "URG", "WINCH")


def _signal_number(name: str, text: str) -> int:
    text = text.upper().removeprefix("SIG")
    number = getattr(_signal, f"SIG{text}", None) if text.isalnum() else None
    if not isinstance(number, int):
        raise opts.OptionError(f"{name}: '{text}' is no signal; USR1 is")
    if number in [getattr(_signal, f"SIG{never}") for never in _NEVER]:
        raise opts.OptionError(
            f"{name}: SIG{text} cannot be waited for; after a crash the ring is there"
        )
    return number


def tap_keywords(options: "opts.Options") -> "dict[str, Any]":
    """What the engine's Tap takes: the reasons that it looks for itself."""
    parts = (checked("--dump-on", text) for text in options.dump_on)
    return {
        "dump_on": tuple(part for part in parts if part[0] != "signal"),
        "max_dumps": options.max_dumps,
        "ring": options.ring or RING_SIZE,
    }


# ---- signals -------------------------------------------------------------------------------------


class Watch:
    """A handler that dumps and then does what would have been done without it. ValueError but in
    the main thread."""

    def __init__(self, tap: "Tap", number: int, name: str) -> None:
        self._tap = tap
        self._number = number
        self._name = name.upper().removeprefix("SIG")
        self._over = False
        self._before = _signal.signal(number, self)

    def __call__(self, number: int, frame: object) -> None:
        if not self._over:
            self._tap.dump(f"signal {self._name}")
        before = self._handler()
        if callable(before):
            before(number, frame)
        elif before == _signal.SIG_DFL and (self._over or self._name not in _FREE):
            _signal.signal(number, _signal.SIG_DFL)
            os.kill(os.getpid(), number)
            _signal.signal(number, self)  # it was not the end: a stop that is over, say

    def _handler(self) -> "Any":
        """The program's own."""
        before = self._before
        while isinstance(before, Watch) and before._over:
            before = before._before
        return before

    def end(self) -> None:
        """The program's own handler again, unless another has been set meanwhile: that one may
        hand on to this."""
        self._over = True
        before = self._handler()
        if _signal.getsignal(self._number) is self and before is not None:
            try:
                _signal.signal(self._number, before)
            except ValueError:
                pass  # not the main thread: this one stays, and hands on


def watch_signals(tap: "Tap", options: "opts.Options") -> "list[Watch]":
    """One for each signal that is a reason. ValueError but in the main thread."""
    reasons = [checked("--dump-on", text) for text in options.dump_on]
    signals = {number: name for kind, name, number in reasons if kind == "signal"}
    return [Watch(tap, number, name) for number, name in signals.items()]


def dump_exception(tap: "Tap", error: BaseException, where: str) -> None:
    """For one that ends the program or a block, if it is a reason; nothing when it was dumped on
    its way."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    tap.dump_exception(error, name.encode("utf-8", "backslashreplace").decode(), where)


# ---- the directory -------------------------------------------------------------------------------


def open_tap(
    engine: "Any", path: str, options: "opts.Options", any_run: bool
) -> "tuple[opts.Options, Tap]":
    """The recorder of this process. The directory is made again, as the same run's, when the
    processes before left nothing in it and took it along; nobody waits then for the last word of
    this one. When another recording has the name by then, the run goes on beside it; or joins
    that, if it may be ``any_run``."""
    from pyftrace._boot import open_recorder, run_facts, tell_children

    facts = run_facts(opts.join(sys.orig_argv))
    home = path
    with folder.Alone(engine, path):
        again = not os.path.lexists(path)
        found = _join(engine, path, options, facts)
        if any_run:
            options = options.replace(run_id=found)
            tell_children(options)
        elif found != options.run_id:
            home, again = folder.beside(path, options.run_id or ""), True
            _join(engine, home, options, facts)
        if engine.is_main():
            forget_before_exec(engine, home)
        tap = open_recorder(engine, home, options, options.run_id)
    _say_beside(engine, path, home)
    return options.replace(quiet=True) if again and not any_run else options, tap


def _join(engine: "Any", path: str, options: "opts.Options", facts: "tuple[str, ...]") -> str:
    return folder.join_alone(engine, path, os.getpid(), options.max_size, facts, options.run_id)


def _say_beside(engine: "Any", path: str, home: str) -> None:
    """By the one process that made it."""
    from pyftrace._boot import say

    if home != path and _first_pid(engine, home) == os.getpid():
        say(f"{path} is another recording by now; this one goes to {home}")


def forget_before_exec(engine: "Any", path: str) -> None:
    """The rings of this very process, of what it was before it became this program: nothing
    happened there."""
    for name in folder.rings(path, os.getpid()):
        ring = os.path.join(path, name)
        try:
            if engine.read_run(ring)[2]:
                folder.delete(ring)
        except (OSError, folder.FolderError):
            pass  # it can be read


_finishes: "dict[int, Callable[[], None]]" = {}
_hooked = False


def end_in_children(tap: "Tap", finish: "Callable[[], None]") -> None:
    """multiprocessing's forked children end without atexit: they are told to end in their own
    way, until :func:`forget_children` of the tap."""
    global _hooked
    _finishes[id(tap)] = finish
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_in_child)


def forget_children(tap: "Tap") -> None:
    """Its end has come."""
    _finishes.pop(id(tap), None)


def _finish_all(_: object = None) -> None:
    for finish in list(_finishes.values()):
        finish()


def _forked(_: object) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, _finish_all, exitpriority=-(10**6))


def _in_child() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # it forgets all that was to be done at the end, then asks these
        util.register_after_fork(_forked, _forked)


def remove_ring(ring: str) -> None:
    """A ring of this process that was closed, and its directory once nothing is left there: who
    comes later makes it again."""
    from pyftrace import _engine

    home = os.path.dirname(ring)
    try:
        if _engine.read_run(ring)[1] == os.getpid():  # not a parent's, which goes on
            folder.delete(ring)
        if _engine.is_main():
            _engine.leave_run(home)
        folder.take_along(_engine, home)
    except (OSError, folder.FolderError):
        pass  # what is left there is a recording, and can be read


def _dead_rings(engine: "Any", path: str) -> "list[str]":
    """Those of processes that did not come to their end. What a SIGTERM ended, as a pool does with
    its workers, did, and who was on the way out: those are removed."""
    found = []
    for name in folder.parts(path):
        ring = os.path.join(path, name)
        try:
            if name.startswith(folder.DUMP) or engine.read_run(ring)[2]:
                continue
            last = engine.Recording(ring).processes[-1:]
            gone = not last  # killed while it was being deleted
            if gone or (last[0]["ended_ns"] and last[0]["signal"] in (0, _signal.SIGTERM)):
                folder.delete(ring)
            else:
                found.append(name)
        except (OSError, folder.FolderError):
            pass
    return found


def _shown(path: str) -> str:
    try:
        here = os.getcwd() + os.sep
    except OSError:
        return path
    return path[len(here) :] if path.startswith(here) else path


def closing_line(
    path: str, rings: "list[str]", state: "tuple[str, int, int, str, list[str]]", most: int
) -> str:
    """What was dumped, for the end of the program."""
    shown = _shown(path)
    dumps = [name for name in folder.parts(path) if name.startswith(folder.DUMP)]
    _, _, refused, why, _ = state
    more = why or f"--max-dumps {most}"
    argument = "" if shown == folder.DEFAULT else " " + opts.shell_word(shown)
    if dumps:
        line = f"{_count(len(dumps), 'dump')} in {shown}"
        line += f", and {refused} more that could not be made ({more})" if refused else ""
        line += f"; to see the last: pyftrace replay{argument}"
        return line + (f"; all: pyftrace info{argument}" if len(dumps) > 1 else "")
    if refused:
        return f"no dump: {_count(refused, 'dump')} could not be made ({more})"
    if rings:
        return (
            f"no dump; {_count(len(rings), 'process')} left without an end, and"
            f" {'its ring' if len(rings) == 1 else 'their rings'}: pyftrace info{argument}"
        )
    return "no dump: nothing happened that --dump-on names"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}{'es' if what.endswith('s') else 's'}"


def end(engine: "Any", tap: "Tap", options: "opts.Options") -> None:
    """At the end of a program: the exception that ends it, the ring, the last word."""
    from pyftrace._boot import say

    forget_children(tap)
    forked = engine.forked()
    mine = not (forked and options.no_children)  # else the ring is the parent's
    error = getattr(sys, "last_exc", None)
    try:
        if error is not None and mine:
            dump_exception(tap, error, "ended the program")
        state = tap.flight
        if mine:
            tap.ending()
        engine.disarm()
        tap.close()
        engine.stop()
        if state is None or not mine:
            return
        path = os.path.dirname(state[0])
        first = _first_pid(engine, path)
        reason = tap.recorded[3]
        stopped = bool(reason) and not state[1]  # that is the last word then
        if reason:
            say(f"the recording stopped: {reason}")
        remove_ring(state[0])
        if forked:
            _say_beside(engine, options.output or path, path)
        if forked or first != os.getpid() or not engine.is_main():
            return
        rings = _dead_rings(engine, path)
        folder.take_along(engine, path)
        if options.quiet or stopped:
            return
        if not any(engine.children()) and not engine.interpreters():  # what others met is not known
            for pattern in (*tap.unmatched(), *state[4]):
                say(f"warning: nothing matched '{pattern}'")
        say(closing_line(path, rings, state, options.max_dumps))
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        say(f"could not finish the recording: {error}")


def _first_pid(engine: "Any", path: str) -> int:
    try:
        pid: int = engine.read_run(path)[1]
    except OSError:
        return os.getpid()
    return pid
