"""Deliberate faults of the engine. Each is an exact text and what stands in its place; a text that
is not there exactly once is an error, so that a fault cannot be lost when the engine changes.

Most are written around a callback of the table of events, which is the steadiest place: the row
then names ``mutant``, a function put in front of the table."""

from pathlib import Path
from typing import NamedTuple

EVENTS = "engine/events.c"
SHORT_WAY = "engine/short_way.h"
STACK = "engine/stack.c"
TOTALS = "sink/table.c"
TOTALS_SHORT = "sink/table_short.h"
RECORD_SHORT = "sink/record_short.h"
QUICK = "pyapi/quick.c"
TABLE = "const struct ft_event_row ft_event_table["


class Fault(NamedTuple):
    """``least``: how many of 100 programs must fail. ``clock``: it is one of times, for programs
    that are known by construction and an engine whose clock they move. ``suite``: tests, of which
    one must fail, judge it instead of programs. ``units``: of a header, the files that have it."""

    name: str
    file: str
    replacements: tuple[tuple[str, str], ...]
    least: int = 95
    clock: bool = False
    suite: str = ""
    units: tuple[str, ...] = ()

    def apply(self, source: Path, to: Path) -> None:
        """The file with the fault; ValueError when a text does not stand there exactly once."""
        text = (source / self.file).read_text()
        for old, new in self.replacements:
            if text.count(old) != 1:
                raise ValueError(
                    f"fault '{self.name}': {self.file} has {text.count(old)} times, not once: {old}"
                )
            text = text.replace(old, new)
        to.write_text(text)


def around(name: str, event: str, callback: str, body: str, least: int = 95) -> Fault:
    """A fault in the callback of one event; ``ON(callback)`` calls one with the arguments."""
    mutant = (
        "#define ON(callback) callback(self, args, nargsf, kw)\n"
        "static PyObject *\nmutant(PyObject *self, PyObject *const *args, size_t nargsf,"
        f" PyObject *kw)\n{{\n    (void)self, (void)args, (void)nargsf, (void)kw;\n    {body}\n}}\n"
    )
    row = f'{{"{event}", {callback},'
    return Fault(
        name,
        EVENTS,
        ((TABLE, mutant + TABLE), (row, row.replace(f" {callback},", " mutant,"))),
        least,
    )


def drop(event: str, callback: str, least: int = 95) -> Fault:
    return around(f"drop {event}", event, callback, "Py_RETURN_NONE;", least)


DEPTH_STAYS = """
    struct ft_thread *t = ft_thread_current;
    const struct ft_frame *before = t ? t->top : NULL;
    PyObject *result = ON(on_unwind);
    for (int slot = 0; t != NULL && t->top < before && slot < FT_MAX_TAPS; slot++) {
        t->views[slot].depth++;
    }
    return result;"""

PUSH_ON_CALL = """
    if (PyFunction_Check(args[2])) {
        PyObject *called[] = {PyFunction_GetCode(args[2]), args[1]};
        Py_XDECREF(on_start(self, called, 2, NULL));
        Py_RETURN_NONE;
    }
    return ON(on_call);"""

EVERY_NINTH = "static unsigned n; if (++n %% 9 == 0) { Py_RETURN_NONE; } return ON(%s);"

FAULTS = (
    drop("PY_START", "on_start"),
    drop("PY_RESUME", "on_resume"),
    drop("PY_THROW", "on_throw"),
    drop("PY_RETURN", "on_return"),
    drop("PY_YIELD", "on_yield"),
    drop("PY_UNWIND", "on_unwind"),
    drop("CALL", "on_call"),
    drop("C_RETURN", "on_c_return"),
    drop("C_RAISE", "on_c_raise"),
    around("every 9th PY_START dropped", "PY_START", "on_start", EVERY_NINTH % "on_start"),
    around("every 9th PY_RETURN dropped", "PY_RETURN", "on_return", EVERY_NINTH % "on_return"),
    around("resume told as start", "PY_RESUME", "on_resume", "return ON(on_start);"),
    around("throw told as resume", "PY_THROW", "on_throw", "return ON(on_resume);"),
    around("yield told as return", "PY_YIELD", "on_yield", "return ON(on_return);"),
    around("unwind told as return", "PY_UNWIND", "on_unwind", "return ON(on_return);"),
    around("C_RAISE told as C_RETURN", "C_RAISE", "on_c_raise", "return ON(on_c_return);"),
    around("push on CALL", "CALL", "on_call", PUSH_ON_CALL),
    around("depth not restored on unwind", "PY_UNWIND", "on_unwind", DEPTH_STAYS),
    Fault(
        "verdict forgotten on unwind, frame not compared",
        EVENTS,
        (
            (
                "f->frame != frame || f->kind.c)",
                "t->top == t->stack || (way != FT_UNWIND && f->frame != frame))",
            ),
        ),
    ),
    Fault(
        "frame not compared on the short way",
        SHORT_WAY,
        (
            (
                "memcmp(&f->kind, &kind, sizeof(kind)) == 0\n"
                "                     && f->frame == FT_FRAME_ID(t->tstate)",
                "memcmp(&f->kind, &kind, sizeof(kind)) == 0",
            ),
        ),
        units=(EVENTS, QUICK),
    ),
    Fault(
        "no frame taken off on the quick way",
        QUICK,
        (("    t->top--;\n", ""),),
    ),
    Fault(
        "recorded as likely whatever it is",
        RECORD_SHORT,
        (("*lane->next != id ||", ""),),
        units=(QUICK,),
    ),
    Fault(
        "a new serial at each resume on the short way",
        SHORT_WAY,
        (("ft_stack_activation(e, f->frame, way)", "ft_stack_activation(e, f->frame, FT_START)"),),
        units=(EVENTS,),
    ),
    Fault(
        "the empty frame of a thread is of no frame",
        "engine/threads.c",
        (("    t->nothing.frame = &t->nothing;\n", ""),),
        suite="test_short_way.py",
    ),
    Fault(
        "a segment's least depth forgotten by returns of a byte",
        "sink/record_events.c",
        (("        ft_record_set_brake(lane);\n", "        lane->brake = UINT32_MAX;\n"),),
        suite="test_trace_format.py",
    ),
    Fault(
        "a watched call forgotten behind one within it",
        "sink/record_flight.c",
        (("].depth : 0;\n    ft_record_set_brake(lane);\n", "].depth : 0;\n"),),
        suite="test_flight.py",
    ),
    Fault(
        "activation serial reused",
        STACK,
        (("uint64_t serial = ++e->last_activation;", "uint64_t serial = 1;"),),
    ),
    Fault(
        "a new serial at each resume",
        STACK,
        (
            (
                "way == FT_START ? NULL : ft_ptrmap_get(",
                "way <= FT_RESUME ? NULL : ft_ptrmap_get(",
            ),
        ),
    ),
    Fault(
        "-H forgotten",
        STACK,
        (("view->excluded || (v & FT_V_HIDE) ||", "view->excluded ||"),),
    ),
    Fault(
        "-e goes on after its function",
        STACK,
        (("view->excluded -= (f.excluded & bit) != 0;", ""),),
    ),
    Fault(
        "-f goes on after its function",
        STACK,
        (("view->inside -= (f.inside & bit) != 0;", ""),),
    ),
    Fault(
        "-d shows one level more",
        STACK,
        (("view->depth >= filter->depth", "view->depth > filter->depth"),),
    ),
    Fault(
        "total: recursion counted at each level",
        TOTALS_SHORT,
        (("if (--s->open == 0) {", "if (--s->open < UINT32_MAX) {"),),
        clock=True,
        units=(TOTALS, QUICK),
    ),
    Fault(
        "self: what it called not taken off",
        TOTALS_SHORT,
        (("s->self += ticks > o->child ? ticks - o->child : 0;", "s->self += ticks;"),),
        clock=True,
        units=(TOTALS, QUICK),
    ),
    Fault(
        "min, max: a generator's earlier steps forgotten",
        TOTALS,
        (("ticks += o->kind & TABLE_GENERATOR ? o->before : 0;", ""),),
        clock=True,
    ),
    Fault(
        "min, max: what a generator took before it was suspended last forgotten",
        TOTALS,
        (("        return rest->before;", "        return 0;"),),
        clock=True,
    ),
    Fault(
        "time of a start forgotten on the quick way",
        QUICK,
        (("return enter(t, &c->func, time);", "return enter(t, &c->func, 1);"),),
        clock=True,
    ),
)  # fmt: skip
