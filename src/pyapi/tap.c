/* pyftrace._engine.Tap: owns a filter, a sink and an output, and the engine's tap between them.
 * GIL held. */
#include <errno.h>
#include <stdlib.h>

#include "engine/lock.h"
#include "engine/process.h"
#include "pyapi/batch.h"
#include "pyapi/pyapi.h"
#include "sink/spans.h"
#include "sink/sums.h"

#define SELF(op) ((struct ft_tap_object *)(op))

/* ---- birth ----------------------------------------------------------------------------------- */

/* What is written to a descriptor is a recording's: the GIL is held, and no callback runs. */
static bool
signal_waits(void)
{
    return PyErr_CheckSignals() < 0;
}

/* Of a format that is written by name. */
static int
make_output(struct ft_tap_object *self, PyObject *folder)
{
    PyObject *path;
    if (folder == NULL) {
        PyErr_Format(PyExc_ValueError, "'%s' needs a folder", self->format->name);
        return -1;
    }
    if (!PyUnicode_FSConverter(folder, &path)) {
        return -1;
    }
    self->out = self->format->make(PyBytes_AS_STRING(path));
    self->fd = true;
    if (self->out == NULL) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, folder);
    }
    Py_DECREF(path);
    return self->out == NULL ? -1 : 0;
}

static int
open_output(struct ft_tap_object *self, const struct ft_tap_args *a)
{
    if (self->kind == FT_TAP_EXPORT && self->format->make != NULL) {
        return make_output(self, a->folder);
    }
    if (a->file != NULL && a->file != Py_None) {
        PyObject *path;
        if (!PyUnicode_FSConverter(a->file, &path)) {
            return -1;
        }
        self->out = ft_output_file(PyBytes_AS_STRING(path));
        Py_DECREF(path);
        self->file = true;
        if (self->out == NULL) {
            PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, a->file);
            return -1;
        }
    }
    else if (a->stream != NULL && a->stream != Py_None) {
        self->out = ft_output_stream(a->stream);
        return self->out == NULL ? -1 : 0;
    }
    else if (a->fd >= 0) {
        self->out = ft_output_fd(a->fd, signal_waits);
        if (self->out == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->fd = true;
    }
    else if (self->kind == FT_TAP_TEXT || self->kind == FT_TAP_EXPORT) {
        PyErr_Format(PyExc_ValueError, "'%s' needs a stream or a file", a->kind);
        return -1;
    }
    return 0;
}

static int
open_sink(struct ft_tap_object *self, const struct ft_tap_args *a)
{
    bool ccalls = self->filter.builtins != FT_REACH_NONE;
    struct ft_text_options options = {
        .args = a->args,
        .values = self->values.mode != FT_VALUES_NONE,
        .time = a->time,
        .paths = a->path,
        .color = a->color,
        .ccalls = ccalls,
        .callers = true,
    };
    struct ft_output *out = self->out;
    if (a->last > 0 && self->kind == FT_TAP_TEXT) {
        self->tail = ft_tail_new(a->last, a->own);
        out = self->tail ? ft_tail_output(self->tail) : NULL;
        if (out == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    switch (self->kind) {
    case FT_TAP_TEXT:
        self->sink = ft_text_new(&options, out);
        break;
    case FT_TAP_REPORT:
        self->sink = ft_table_new(ccalls);
        break;
    case FT_TAP_RECORD:
        self->sink = ft_tap_record_sink(self, a);
        break;
    case FT_TAP_TREE:
        self->sink = ft_chains_new();
        break;
    case FT_TAP_EDGES:
        self->sink = ft_pairs_new();
        break;
    case FT_TAP_EVENTS:
        self->take = Py_NewRef(a->take);
        self->sink = ft_batch_new(self->take, a->bounds);
        break;
    case FT_TAP_SPANS:
        self->sink = ft_spans_new(a->most);
        break;
    case FT_TAP_EXPORT:
        self->sink = self->format->open(self->out);
        break;
    }
    if (self->sink != NULL && self->report && a->percentiles) {
        ft_table_want_percentiles(self->sink);
    }
    if (self->sink != NULL && self->report && a->callers) {
        ft_table_want_callers(self->sink);
    }
    if (self->sink == NULL && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    return self->sink == NULL ? -1 : 0;
}

/* `out` is a Python stream. */
static bool
to_stream(const struct ft_tap_object *self)
{
    return self->out != NULL && !self->file && !self->fd;
}

/* In a forked child, before its first event. */
static void
on_forked(struct ft_tap *tap)
{
    struct ft_tap_object *self = SELF(tap->owner);
    if (self->file) {
        ft_output_file_forked(self->out);
    }
    if (self->kind == FT_TAP_RECORD) {   /* an end by SIGTERM is written down here too */
        ft_process_rewatch();
    }
}

static void
wire(struct ft_tap_object *self, bool one_process)
{
    self->tap.sink = self->sink;
    self->tap.quick = ft_quick_of(self->kind, self->sink);
    self->tap.filter = &self->filter;
    self->tap.values = &self->values;
    self->tap.owner = (PyObject *)self;
    self->tap.one_process = self->report || one_process;
    /* Values of the program's making run its code, and so may a stream. */
    self->tap.may_raise = to_stream(self) || self->values.mode == FT_VALUES_STR;
    self->tap.forked = on_forked;
}

static int
choose_kind(struct ft_tap_object *self, const struct ft_tap_args *a)
{
    static const char *const kinds[] = {"text",  "report", "record", "tree",
                                        "edges", "events", "spans"};
    const char *kind = a->kind;
    if (strcmp(kind, "events") == 0 && (a->take == NULL || !PyCallable_Check(a->take))) {
        PyErr_SetString(PyExc_TypeError, "'events' needs take, to be called with them");
        return -1;
    }
    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            self->kind = (enum ft_tap_kind)i;
            self->report = self->kind == FT_TAP_REPORT;
            return 0;
        }
    }
    self->format = ft_export_find(kind);
    if (self->format != NULL) {
        self->kind = FT_TAP_EXPORT;
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "no kind of tap: '%s'", kind);
    return -1;
}

static PyObject *
tap_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct ft_tap_args a;
    if (ft_tap_parse(args, kwargs, &a) < 0) {
        return NULL;
    }
    struct ft_tap_object *self = SELF(type->tp_alloc(type, 0));
    if (self == NULL) {
        return NULL;
    }
    self->tap.slot = -1;
    self->module = Py_NewRef(PyType_GetModule(type));
    self->engine = &ft_state_of(self->module)->engine;
    if (choose_kind(self, &a) == 0 && ft_tap_fill_filter(&self->filter, &a) == 0
        && ft_tap_fill_values(&self->values, &a) == 0 && open_output(self, &a) == 0
        && open_sink(self, &a) == 0) {
        wire(self, a.one_process != 0);
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return NULL;
}

/* ---- end ------------------------------------------------------------------------------------- */

static void
tap_dealloc(PyObject *op)
{
    struct ft_tap_object *self = SELF(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject *exc = PyErr_GetRaisedException();
    ft_lock();
    ft_tap_detach(self->engine, &self->tap);
    PyErr_SetRaisedException(exc);
    if (self->sink != NULL) {
        self->sink->ops->close(self->sink);
    }
    if (self->tail != NULL) {
        ft_tail_free(self->tail);
    }
    if (self->out != NULL) {
        self->out->close(self->out);
    }
    if (self->flight != NULL) {
        ft_flight_free(self->flight);
    }
    ft_unlock();
    ft_filter_fini(&self->filter);
    PyMem_Free(self->but);
    Py_CLEAR(self->walked);
    Py_CLEAR(self->take);
    Py_CLEAR(self->module);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
tap_traverse(PyObject *op, visitproc visit, void *arg)
{
    const struct ft_tap_object *self = SELF(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->module);
    Py_VISIT(self->walked);
    Py_VISIT(self->take);
    return to_stream(self) ? ft_output_stream_traverse(self->out, visit, arg) : 0;
}

/* ---- methods --------------------------------------------------------------------------------- */

static int
refuse_closed(struct ft_tap_object *self)
{
    if (self->closed) {
        PyErr_SetString(PyExc_RuntimeError, "this tap is closed");
        return -1;
    }
    if (self->tail != NULL || self->kind >= FT_TAP_TREE) {
        PyErr_SetString(PyExc_ValueError, "this is a recording's: walk() tells it what happened");
        return -1;
    }
    return 0;
}

static PyObject *
tap_attach(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *self = SELF(op);
    if (refuse_closed(self) < 0) {
        return NULL;
    }
    if (self->tap.slot >= 0 && self->tap.all) {
        PyErr_SetString(PyExc_RuntimeError, "this tap is attached already");
        return NULL;
    }
    return ft_tap_watch_all(self->engine, &self->tap) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tap_watch_all(PyObject *op, PyObject *unused)
{
    return SELF(op)->tap.slot >= 0 && SELF(op)->tap.all ? Py_NewRef(Py_None)
                                                        : tap_attach(op, unused);
}

static PyObject *
tap_watch_others(PyObject *op, PyObject *ids)
{
    struct ft_tap_object *self = SELF(op);
    if (refuse_closed(self) < 0) {
        return NULL;
    }
    if (!PyTuple_Check(ids) || self->but != NULL) {
        PyErr_SetString(PyExc_TypeError, "watch_others() takes a tuple of native ids, once");
        return NULL;
    }
    size_t n = (size_t)PyTuple_GET_SIZE(ids);
    uint64_t *but = PyMem_New(uint64_t, n + 1);
    if (but == NULL) {
        return PyErr_NoMemory();
    }
    for (size_t i = 0; i < n; i++) {
        but[i] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(ids, (Py_ssize_t)i));
        if (PyErr_Occurred()) {
            PyMem_Free(but);
            return NULL;
        }
    }
    self->but = but;
    self->tap.but = but;
    self->tap.nbut = n;
    return ft_tap_watch_others(self->engine, &self->tap) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tap_detach(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_tap_detach(SELF(op)->engine, &SELF(op)->tap);
    if (SELF(op)->report) {
        ft_table_stop(SELF(op)->sink);
    }
    Py_RETURN_NONE;
}

static PyObject *
tap_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (refuse_closed(SELF(op)) < 0 || ft_tap_enter(SELF(op)->engine, &SELF(op)->tap) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
tap_leave(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_tap_leave(SELF(op)->engine, &SELF(op)->tap);
    Py_RETURN_NONE;
}

static PyObject *
tap_release(PyObject *op, PyObject *unused)
{
    if (SELF(op)->tap.entered == 0 && !SELF(op)->tap.all && !SELF(op)->tap.others) {
        return tap_detach(op, unused);
    }
    Py_RETURN_NONE;
}

static PyObject *
tap_write(PyObject *op, PyObject *text)
{
    struct ft_tap_object *self = SELF(op);
    Py_ssize_t len;
    PyObject *bytes =
        PyUnicode_Check(text) ? PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass") : NULL;
    if (bytes == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "write() takes a str");
        }
        return NULL;
    }
    len = PyBytes_GET_SIZE(bytes);
    if (self->out != NULL && !self->closed) {
        Py_INCREF(self);
        self->out->write(self->out, (struct ft_str){PyBytes_AS_STRING(bytes), (size_t)len});
        Py_DECREF(self);
    }
    Py_DECREF(bytes);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tap_flush(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *self = SELF(op);
    if (self->sink != NULL && self->sink->ops->flush != NULL && !self->closed) {
        self->sink->ops->flush(self->sink);
    }
    if (self->out != NULL && !self->closed) {
        if (self->tail != NULL) {
            ft_tail_write(self->tail, self->out);
        }
        self->out->flush(self->out);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tap_close(PyObject *op, PyObject *unused)
{
    PyObject *r = tap_detach(op, unused);
    Py_XDECREF(r);
    r = tap_flush(op, unused);
    SELF(op)->closed = true;
    if (SELF(op)->kind == FT_TAP_RECORD && SELF(op)->sink != NULL) {
        /* Now, not when the object goes: its end mark is written. */
        ft_record_state(SELF(op)->sink, &SELF(op)->recorded);
        SELF(op)->sink->ops->close(SELF(op)->sink);
        SELF(op)->sink = SELF(op)->tap.sink = NULL;
    }
    return r;
}

static PyObject *
tap_lines(PyObject *op, void *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLongLong(SELF(op)->kind == FT_TAP_TEXT ? ft_text_lines(SELF(op)->sink)
                                                                     : 0);
}

static PyObject *
tap_attached(PyObject *op, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(SELF(op)->tap.slot >= 0);
}

static PyObject *
tap_lost_lines(PyObject *op, void *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLongLong(SELF(op)->out ? SELF(op)->out->lost_lines : 0);
}

static PyObject *
tap_unkept(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_sink *sink = SELF(op)->sink;
    return PyLong_FromUnsignedLongLong(sink != NULL ? sink->unkept : 0);
}

static PyObject *
tap_deeper(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_sink *sink = SELF(op)->sink;
    return PyLong_FromUnsignedLongLong(sink != NULL ? sink->deeper : 0);
}

static PyObject *
tap_error(PyObject *op, void *Py_UNUSED(unused))
{
    struct ft_tap_object *self = SELF(op);
    PyObject *error = NULL;
    if (to_stream(self)) {
        error = ft_output_stream_error(self->out);
    }
    else if (self->out != NULL && self->out->error != 0) {
        error = PyObject_CallFunction(PyExc_OSError, "is", self->out->error,
                                      strerror(self->out->error));
        if (error == NULL) {
            return NULL;
        }
    }
    return error ? error : Py_NewRef(Py_None);
}

FT_LOCKED(tap_attach)
FT_LOCKED(tap_watch_all)
FT_LOCKED(tap_watch_others)
FT_LOCKED(tap_detach)
FT_LOCKED(tap_enter)
FT_LOCKED(tap_leave)
FT_LOCKED(tap_release)
FT_LOCKED(tap_write)
FT_LOCKED(tap_flush)
FT_LOCKED(tap_close)
FT_LOCKED(ft_tap_dump)
FT_LOCKED(ft_tap_dump_exception)
FT_LOCKED(ft_tap_ending)
FT_LOCKED(ft_tap_rows)
FT_LOCKED(ft_tap_callers)
FT_LOCKED(ft_tap_nodes)
FT_LOCKED(ft_tap_spans)
FT_LOCKED(ft_tap_edges)
FT_LOCKED(ft_tap_unmatched)
FT_LOCKED(ft_tap_left_out)
FT_LOCKED_KEYWORDS(ft_tap_render)
FT_LOCKED_GET(tap_lines)
FT_LOCKED_GET(tap_attached)
FT_LOCKED_GET(tap_lost_lines)
FT_LOCKED_GET(tap_unkept)
FT_LOCKED_GET(tap_deeper)
FT_LOCKED_GET(ft_tap_recorded)
FT_LOCKED_GET(ft_tap_flight)
FT_LOCKED_GET(tap_error)
FT_LOCKED_GET(ft_tap_calls)
FT_LOCKED_GET(ft_tap_wall)
FT_LOCKED_GET(ft_tap_threads)

static PyMethodDef methods[] = {
    {"attach", FT_LOCKED_NAME(tap_attach), METH_NOARGS, "Watch all threads from now on."},
    {"watch_all", FT_LOCKED_NAME(tap_watch_all), METH_NOARGS,
     "As attach(); no error when attached already."},
    {"watch_others", FT_LOCKED_NAME(tap_watch_others), METH_O,
     "Watch all threads but those of these native ids, which may enter()."},
    {"detach", FT_LOCKED_NAME(tap_detach), METH_NOARGS, "Stop watching; what was collected stays."},
    {"enter", FT_LOCKED_NAME(tap_enter), METH_NOARGS, "Watch the calling thread until leave()."},
    {"leave", FT_LOCKED_NAME(tap_leave), METH_NOARGS, "The opposite of enter()."},
    {"release", FT_LOCKED_NAME(tap_release), METH_NOARGS,
     "Give up the place in the engine after the last leave()."},
    {"write", FT_LOCKED_NAME(tap_write), METH_O, "Send text where the tap's lines go."},
    {"flush", FT_LOCKED_NAME(tap_flush), METH_NOARGS, "Write out the buffer of a file."},
    {"close", FT_LOCKED_NAME(tap_close), METH_NOARGS,
     "Detach and flush; collected rows can still be read."},
    {"dump", FT_LOCKED_NAME(ft_tap_dump), METH_O,
     "A flight recorder's ring becomes a dump, for the reason given: its number, 0: it does not."},
    {"dump_exception", FT_LOCKED_NAME(ft_tap_dump_exception), METH_VARARGS,
     "The same for an exception of that type, if it is one of the reasons, and where it went."},
    {"ending", FT_LOCKED_NAME(ft_tap_ending), METH_NOARGS, "Write a recorder's end mark now."},
    {"rows", FT_LOCKED_NAME(ft_tap_rows), METH_NOARGS, "The totals per function, unsorted."},
    {"callers", FT_LOCKED_NAME(ft_tap_callers), METH_NOARGS, "Calls by caller."},
    {"render", (PyCFunction)(void (*)(void))FT_LOCKED_NAME(ft_tap_render),
     METH_VARARGS | METH_KEYWORDS, "The table as text."},
    {"nodes", FT_LOCKED_NAME(ft_tap_nodes), METH_NOARGS, "The nodes of a tree."},
    {"spans", FT_LOCKED_NAME(ft_tap_spans), METH_NOARGS, "When what ran."},
    {"edges", FT_LOCKED_NAME(ft_tap_edges), METH_NOARGS, "Who calls whom."},
    {"unmatched", FT_LOCKED_NAME(ft_tap_unmatched), METH_NOARGS,
     "Patterns that matched nothing so far."},
    {"left_out", FT_LOCKED_NAME(ft_tap_left_out), METH_NOARGS,
     "(package, functions) called and out of scope."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"attached", FT_LOCKED_NAME(tap_attached), NULL, "Whether it has a place in the engine.", NULL},
    {"lines", FT_LOCKED_NAME(tap_lines), NULL, "Tree lines written so far.", NULL},
    {"lost_lines", FT_LOCKED_NAME(tap_lost_lines), NULL, "Lines that could not be written.", NULL},
    {"unkept", FT_LOCKED_NAME(tap_unkept), NULL, "Events that no memory was found for.", NULL},
    {"deeper", FT_LOCKED_NAME(tap_deeper), NULL, "Calls deeper than the format can say.", NULL},
    {"recorded", FT_LOCKED_NAME(ft_tap_recorded), NULL,
     "(calls, events lost, errno, reason) of a recorder.", NULL},
    {"flight", FT_LOCKED_NAME(ft_tap_flight), NULL,
     "(folder of the ring, dumps made, dumps refused, patterns that matched nothing); None: it is "
     "no"
     " flight recorder, or closed.",
     NULL},
    {"error", FT_LOCKED_NAME(tap_error), NULL, "The first failure to write, or None.", NULL},
    {"calls", FT_LOCKED_NAME(ft_tap_calls), NULL, "Calls counted so far.", NULL},
    {"wall_ns", FT_LOCKED_NAME(ft_tap_wall), NULL, "Wall time watched, ns.", NULL},
    {"threads", FT_LOCKED_NAME(ft_tap_threads), NULL, "Threads seen.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, tap_new},
    {Py_tp_dealloc, tap_dealloc},
    {Py_tp_traverse, tap_traverse},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "One consumer of the call stream: a filter and a sink."},
    {0, NULL},
};

PyType_Spec ft_tap_spec = {
    .name = "pyftrace._engine.Tap",
    .basicsize = sizeof(struct ft_tap_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
