"""Events to calls: what stands on a thread's stack from an entering event to the leaving one."""

from collections.abc import Callable
from typing import Any

from pyftrace.exports._functions import Functions

# Of a call, which is a tuple. begin_ns and end_ns count from when the recording began, self_ns is
# without the calls below; parent is the id of the call that it was made in, None: an outermost one.
#
# `entered` is start, resume, throw or c_call, or open: it began before what is known. `left` is
# return, yield, unwind, c_return or c_raise, or left or lost: how it ended is not known, or end:
# the thread's last event came first. A run of a generator or coroutine is a call for each of its
# stays on a stack, with one `activation`. `recursive`: within another call of its function, whose
# time has this one's in it.
FIELDS = (
    "id", "parent", "thread", "function", "entered", "left", "begin_ns", "end_ns", "self_ns",
    "depth", "recursive", "activation", "call_line", "task", "args", "value", "exception",
)  # fmt: skip
Call = tuple[Any, ...]
TEXTS = 13  # the first of those that are the program's


class Calls:
    """Takes the events of one thread after another, with bounds, and hands on calls as they end:
    what is held are the open ones."""

    def __init__(self, take: Callable[[list[Call]], object]) -> None:
        self.functions = Functions()
        self._take = take
        self._ended: list[Call] = []
        self._stack: list[list[Any]] = []  # id, function, time below, the event it was entered by
        self._open: dict[int, int] = {}  # how many of a function
        self._last = 0

    def feed(self, events: list[tuple[Any, ...]]) -> None:
        """Some more events, as :meth:`Source.each` hands them on."""
        number, stack, opened = self.functions.number, self._stack, self._open
        for event in events:
            what = event[6]
            if what in ("start", "c_call", "resume", "throw", "open"):
                function = number((*event[7:11], event[18]))
                opened[function] = opened.get(function, 0) + 1
                self._last += 1
                stack.append([self._last, function, 0, event])
            elif what in ("lost", "end"):
                while stack:
                    self._leave(event)
            elif stack:  # else it was entered before all that is known
                self._leave(event)
        self._take(self._ended)
        self._ended = []

    def _leave(self, event: tuple[Any, ...]) -> None:
        id, function, below, entered = self._stack.pop()
        self._open[function] -= 1
        ns = max(event[0] - entered[0], 0)
        parent = None
        if self._stack:
            parent = self._stack[-1][0]
            self._stack[-1][2] += ns
        self._ended.append(
            (
                id, parent, event[3], function, entered[6], event[6], entered[0], entered[0] + ns,
                max(ns - below, 0), entered[5], self._open[function] > 0, entered[11] or None,
                entered[13], entered[12], entered[14], event[15], event[16],
            )
        )  # fmt: skip
