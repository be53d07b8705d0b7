/* Events as Python sees them: as tuples, singly for Recording.events(), or some thousands at a time
 * handed to a function. GIL held. */
#include <stdlib.h>
#include <string.h>

#include "pyapi/batch.h"
#include "sink/dump.h"

#define BATCH 4096

static PyObject *
call_tuple(const struct ft_event_thread *thread, const struct ft_call *call, uint64_t time,
           const char *event)
{
    bool raised = call->way == FT_UNWIND || call->way == FT_C_RAISE;
    struct ft_str none = {NULL, 0};
    return Py_BuildValue(
        "KKKKNIsNNNIKNNNNNKI", time, thread->pid, thread->native, thread->serial,
        ft_name_to_str(thread->name), call->depth, event, ft_name_to_str(call->func->name),
        ft_name_to_str(call->func->module), ft_name_to_str(call->func->file), call->func->line,
        call->activation, ft_text_or_none(call->task ? call->task->name : none),
        call->caller ? PyLong_FromUnsignedLong(call->call_line) : Py_NewRef(Py_None),
        ft_text_or_none(call->args), ft_text_or_none(raised ? none : call->value),
        ft_text_or_none(raised ? call->value : none), 0ULL, call->func->column);
}

PyObject *
ft_event_tuple(const struct ft_event_thread *thread, const struct ft_call *call)
{
    return call_tuple(thread, call, call->time, ft_dump_event(call->way));
}

static PyObject *
thread_tuple(const struct ft_event_thread *thread, uint64_t time, const char *event, uint64_t lost)
{
    return Py_BuildValue("KKKKNIsOOOiKOOOOOKi", time, thread->pid, thread->native, thread->serial,
                         ft_name_to_str(thread->name), 0, event, Py_None, Py_None, Py_None, 0, 0ULL,
                         Py_None, Py_None, Py_None, Py_None, Py_None, lost, 0);
}

PyObject *
ft_lost_tuple(const struct ft_event_thread *thread, uint64_t time, uint64_t lost)
{
    return thread_tuple(thread, time, "lost", lost);
}

/* ---- the sink -------------------------------------------------------------------------------- */

struct lane {
    struct ft_event_thread thread;
    char name[FT_LABEL_MAX];
};

struct batch {
    struct ft_sink base; /* first */
    PyObject *take; /* borrowed from the tap: called with a list */
    PyObject *list; /* owned; NULL: empty */
    bool bounds;
};

static void
send(struct batch *b)
{
    PyObject *list = b->list;
    b->list = NULL;
    if (list != NULL) {
        Py_XDECREF(PyObject_CallOneArg(b->take, list));
        Py_DECREF(list);
    }
}

/* Steals the tuple. After an exception no more is kept: whoever walks sees it, and ends. */
static void
add(struct batch *b, PyObject *tuple)
{
    if (tuple != NULL && b->list == NULL) {
        b->list = PyList_New(0);
    }
    if (tuple != NULL && b->list != NULL && PyList_Append(b->list, tuple) == 0
        && PyList_GET_SIZE(b->list) >= BATCH) {
        send(b);
    }
    Py_XDECREF(tuple);
}

static void
on_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    if (!PyErr_Occurred()) {
        add((struct batch *)sink, ft_event_tuple(&((struct lane *)lane)->thread, call));
    }
}

static void
lost(struct ft_sink *sink, void *lane, uint64_t n)
{
    if (!PyErr_Occurred()) {
        add((struct batch *)sink, ft_lost_tuple(&((struct lane *)lane)->thread, sink->now, n));
    }
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct lane *lane = malloc(sizeof(*lane));
    (void)sink;
    if (lane != NULL) {
        size_t len = info->name.len < sizeof(lane->name) ? info->name.len : sizeof(lane->name);
        memcpy(lane->name, info->name.s, len);
        lane->thread =
            (struct ft_event_thread){info->pid, info->native_id, info->serial, {lane->name, len}};
    }
    return lane;
}

/* Of which a walker tells the function, and what it is not: an event. */
static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    if (((struct batch *)sink)->bounds && !PyErr_Occurred()) {
        const struct ft_call open = {.func = call->func,
                                     .way = call->way,
                                     .depth = call->depth,
                                     .activation = call->activation};
        add((struct batch *)sink,
            call_tuple(&((struct lane *)lane)->thread, &open, sink->now, "open"));
    }
}

static void
thread_end(struct ft_sink *sink, void *lane)
{
    if (((struct batch *)sink)->bounds && !PyErr_Occurred()) {
        add((struct batch *)sink,
            thread_tuple(&((struct lane *)lane)->thread, sink->now, "end", 0));
    }
    free(lane);
}

static void
flush(struct ft_sink *sink)
{
    if (!PyErr_Occurred()) {
        send((struct batch *)sink);
    }
}

static void
close_sink(struct ft_sink *sink)
{
    struct batch *b = (struct batch *)sink;
    Py_XDECREF(b->list);
    free(b);
}

static const struct ft_sink_ops ops = {
    .name = "batch",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = on_call,
    .leave = on_call,
    .open = open_call,
    .lost = lost,
    .flush = flush,
    .close = close_sink,
};

struct ft_sink *
ft_batch_new(PyObject *take, bool bounds)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    b->base.ops = &ops;
    b->base.needs = FT_NEED_TIME | FT_NEED_CCALLS | FT_NEED_ACTIVATION;
    b->take = take;
    b->bounds = bounds;
    return &b->base;
}
