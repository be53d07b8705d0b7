/* A recording walked into taps, or read event by event. GIL held throughout; a walk looks for
 * signals now and then. */
#include <string.h>

#include "base/ptrmap.h"
#include "pyapi/batch.h"
#include "pyapi/recording.h"
#include "sink/select.h"
#include "sink/spans.h"
#include "sink/sums.h"
#include "trace/walker.h"

/* ---- walking --------------------------------------------------------------------------------- */

struct watch {
    PyObject *progress; /* borrowed; NULL: none */
    struct ft_output *out; /* borrowed; NULL: none */
};

static bool
go_on(void *ctx, uint64_t events)
{
    const struct watch *watch = ctx;
    if (PyErr_Occurred()) { /* of a sink that calls Python */
        return false;
    }
    if (PyErr_CheckSignals() < 0 || (watch->out != NULL && watch->out->error != 0)) {
        return false;
    }
    PyObject *r = watch->progress ? PyObject_CallFunction(watch->progress, "K", events) : NULL;
    Py_XDECREF(r);
    return watch->progress == NULL || r != NULL;
}

static PyObject *
walk(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tap",    "pid",    "tid",      "thread", "since",   "until",
                            "min_ns", "merged", "progress", "anew",   "workers", NULL};
    struct ft_recording_object *self = (struct ft_recording_object *)op;
    unsigned long long pid = 0, tid = 0, thread = 0, since = 0, until = 0, least = 0;
    int merged = 0, anew = 0;
    unsigned workers = 0;
    PyObject *tap_object, *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$KKKKKKpOpI:walk", names,
                                     ft_state_of(self->module)->tap_type, &tap_object, &pid, &tid,
                                     &thread, &since, &until, &least, &merged, &progress, &anew,
                                     &workers)) {
        return NULL;
    }
    struct ft_tap_object *tap = (struct ft_tap_object *)tap_object;
    if (tap->sink == NULL || tap->kind == FT_TAP_RECORD || tap->tap.slot >= 0) {
        PyErr_SetString(PyExc_ValueError, "a recording is walked into a tap that is not attached");
        return NULL;
    }
    if (tap->walked == NULL && (tap->walked = PyList_New(0)) == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyList_GET_SIZE(tap->walked);
    if ((n == 0 || PyList_GET_ITEM(tap->walked, n - 1) != op)
        && PyList_Append(tap->walked, op) < 0) {
        return NULL;
    }
    struct ft_filter *f = &tap->filter;
    struct ft_select select = {
        .function = f->function.items,
        .function_matched = f->function.matched,
        .nfunction = f->function.n,
        .exclude = f->exclude.items,
        .exclude_matched = f->exclude.matched,
        .nexclude = f->exclude.n,
        .hide = f->hide.items,
        .hide_matched = f->hide.matched,
        .nhide = f->hide.n,
        .depth = f->depth,
        .least = least,
    };
    struct watch watch = {progress == Py_None ? NULL : progress, tap->out};
    struct ft_walk walk = {.since = since,
                           .until = until,
                           .pid = pid,
                           .tid = tid,
                           .thread = thread,
                           .workers = workers,
                           .merged = merged,
                           .go_on = go_on,
                           .ctx = &watch};
    struct ft_sink *whole = tap->sink;
    if (tap->tail != NULL) {
        whole = ft_tail_sink(tap->tail, tap->sink, anew ? since : 0, anew != 0);
    }
    struct ft_sink *sink = ft_select_is_all(&select) ? whole : ft_select_new(&select, whole);
    int error = sink ? ft_walk(self->trace, sink, &walk) : ENOMEM;
    if (sink != NULL && sink != whole) {
        sink->ops->close(sink);
    }
    if (tap->report && walk.first <= walk.last) {
        ft_table_set_span(tap->sink, walk.first, walk.last);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (error == ENOMEM) {
        return PyErr_NoMemory();
    }
    return Py_BuildValue("KK", walk.events, walk.lost);
}

/* What is found damaged is written down in the recording: by one thread at a time. */
PyObject *
ft_recording_walk(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *result;
    FT_BEGIN_CRITICAL_SECTION(op);
    result = walk(op, args, kwargs);
    FT_END_CRITICAL_SECTION();
    return result;
}

/* ---- event by event -------------------------------------------------------------------------- */

struct events {
    PyObject ob_base;
    PyObject *recording; /* owned: holds the trace */
    struct ft_merge *merge; /* owned; NULL: exhausted */
};

PyObject *
ft_recording_events(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"pid", "tid", "thread", "since", "until", NULL};
    struct ft_recording_object *self = (struct ft_recording_object *)op;
    unsigned long long pid = 0, tid = 0, thread = 0, since = 0, until = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$KKKKK:events", names, &pid, &tid, &thread,
                                     &since, &until)) {
        return NULL;
    }
    struct ft_walk walk = {
        .since = since, .until = until, .pid = pid, .tid = tid, .thread = thread};
    PyTypeObject *type = (PyTypeObject *)ft_state_of(self->module)->events_type;
    struct events *events = (struct events *)type->tp_alloc(type, 0);
    if (events == NULL) {
        return NULL;
    }
    events->recording = Py_NewRef(op);
    FT_BEGIN_CRITICAL_SECTION(op);
    events->merge = ft_merge_new(self->trace, &walk);
    FT_END_CRITICAL_SECTION();
    if (events->merge == NULL) {
        Py_DECREF(events);
        return PyErr_NoMemory();
    }
    return (PyObject *)events;
}

static PyObject *
event_tuple(const struct ft_cursor *c, enum ft_step step)
{
    const struct ft_trace_thread *thread = c->thread;
    const struct ft_event_thread who = {thread->process->head.pid,
                                        thread->native,
                                        thread->serial,
                                        {thread->name, strlen(thread->name)}};
    return step == FT_STEP_LOST
               ? ft_lost_tuple(&who, ft_trace_ns(c->trace, thread->process, c->time), c->lost)
               : ft_event_tuple(&who, &c->call);
}

static PyObject *
next_event(PyObject *op)
{
    struct events *self = (struct events *)op;
    enum ft_step step;
    while (self->merge != NULL) {
        const struct ft_cursor *c = ft_merge_step(self->merge, &step);
        if (c == NULL) {
            ft_merge_free(self->merge);
            self->merge = NULL;
            return step == FT_STEP_LOST ? PyErr_NoMemory() : NULL;
        }
        if (step != FT_STEP_END && step != FT_STEP_OPEN) {
            return event_tuple(c, step);
        }
    }
    return NULL;
}

static PyObject *
events_next(PyObject *op)
{
    PyObject *result;
    FT_BEGIN_CRITICAL_SECTION(((struct events *)op)->recording);
    result = next_event(op);
    FT_END_CRITICAL_SECTION();
    return result;
}

static void
events_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    ft_merge_free(((struct events *)op)->merge);
    Py_XDECREF(((struct events *)op)->recording);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot events_slots[] = {
    {Py_tp_dealloc, events_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, events_next},
    {0, NULL},
};

PyType_Spec ft_events_spec = {
    .name = "pyftrace._engine.Events",
    .basicsize = sizeof(struct events),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = events_slots,
};

/* ---- a tree's nodes, edges ------------------------------------------------------------------- */

PyObject *
ft_tap_nodes(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *tap = (struct ft_tap_object *)op;
    size_t n;
    if (tap->kind != FT_TAP_TREE) {
        PyErr_SetString(PyExc_TypeError, "only a tree has nodes");
        return NULL;
    }
    if (tap->sink->unkept > 0) {
        return PyErr_NoMemory();
    }
    const struct ft_sum *nodes = ft_sums_all(tap->sink, &n);
    PyObject *list = PyList_New((Py_ssize_t)n - 1);
    for (size_t i = 1; list != NULL && i < n; i++) {
        const struct ft_sum *node = &nodes[i];
        PyObject *row = Py_BuildValue(
            "INNNIIKKKN", node->parent, ft_name_to_str(node->func->name),
            ft_name_to_str(node->func->module), ft_name_to_str(node->func->file), node->func->line,
            node->func->column, node->calls, node->total, node->self, PyBool_FromLong(node->cut));
        if (row == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i - 1, row);
    }
    return list;
}

/* ---- spans of time --------------------------------------------------------------------------- */

/* The place of a function in `functions`, where it is put at its first; -1 with an exception. */
static Py_ssize_t
place_of(const struct ft_func *func, struct ft_ptrmap *places, PyObject *functions)
{
    uint64_t *known = ft_ptrmap_get(places, (uintptr_t)func);
    if (known != NULL) {
        return (Py_ssize_t)*known;
    }
    Py_ssize_t place = PyList_GET_SIZE(functions);
    PyObject *row = ft_func_to_tuple(func);
    int error = row == NULL ? -1 : PyList_Append(functions, row);
    Py_XDECREF(row);
    if (error == 0 && !ft_ptrmap_put(places, (uintptr_t)func, (uint64_t)place)) {
        PyErr_NoMemory();
        error = -1;
    }
    return error < 0 ? -1 : place;
}

/* (limit, deeper, functions, spans) */
PyObject *
ft_tap_spans(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *tap = (struct ft_tap_object *)op;
    if (tap->kind != FT_TAP_SPANS) {
        PyErr_SetString(PyExc_TypeError, "this tap keeps no spans");
        return NULL;
    }
    size_t n;
    struct ft_spans_state state;
    const struct ft_span *items = ft_spans_get(tap->sink, &n, &state);
    struct ft_ptrmap places;
    ft_ptrmap_init(&places);
    PyObject *functions = PyList_New(0), *spans = functions ? PyList_New((Py_ssize_t)n) : NULL;
    for (size_t i = 0; spans != NULL && i < n; i++) {
        const struct ft_span *span = &items[i];
        Py_ssize_t place = place_of(span->func, &places, functions);
        PyObject *row =
            place < 0 ? NULL
                      : Py_BuildValue("IKKKKnN", span->depth, span->begin, span->end, span->busy,
                                      span->calls, place, PyBool_FromLong(span->mixed));
        if (row == NULL) {
            Py_CLEAR(spans);
            break;
        }
        PyList_SET_ITEM(spans, (Py_ssize_t)i, row);
    }
    ft_ptrmap_fini(&places);
    if (spans == NULL) {
        Py_XDECREF(functions);
        return NULL;
    }
    return Py_BuildValue("KKNN", state.limit, state.deeper, functions, spans);
}

/* ---- who calls whom -------------------------------------------------------------------------- */

PyObject *
ft_tap_edges(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *tap = (struct ft_tap_object *)op;
    size_t n;
    if (tap->kind != FT_TAP_EDGES) {
        PyErr_SetString(PyExc_TypeError, "only a tap of edges has them");
        return NULL;
    }
    if (tap->sink->unkept > 0) {
        return PyErr_NoMemory();
    }
    const struct ft_sum *edges = ft_sums_all(tap->sink, &n);
    PyObject *list = PyList_New((Py_ssize_t)n - 1);
    for (size_t i = 1; list != NULL && i < n; i++) {
        const struct ft_sum *e = &edges[i];
        PyObject *row =
            Py_BuildValue("NNKKKK", ft_func_to_tuple(e->caller), ft_func_to_tuple(e->func),
                          e->calls, e->first, e->total, e->self);
        if (row == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i - 1, row);
    }
    return list;
}
