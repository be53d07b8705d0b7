/* pyftrace._engine.Recording: a recording opened for reading, and what is known of it. GIL held. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "pyapi/recording.h"
#include "trace/cursor.h"

#define TRACE(op) (((struct ft_recording_object *)(op))->trace)

PyObject *
ft_text_to_str(struct ft_str s)
{
    return PyUnicode_DecodeUTF8(s.s, (Py_ssize_t)s.len, "surrogateescape");
}

/* What Python has as "surrogatepass" and what files may hold instead. */
PyObject *
ft_name_to_str(struct ft_str s)
{
    PyObject *text = PyUnicode_DecodeUTF8(s.s, (Py_ssize_t)s.len, "surrogatepass");
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        text = PyUnicode_DecodeUTF8(s.s, (Py_ssize_t)s.len, "replace");
    }
    return text;
}

PyObject *
ft_text_or_none(struct ft_str s)
{
    return s.s ? ft_name_to_str(s) : Py_NewRef(Py_None);
}

PyObject *
ft_func_to_tuple(const struct ft_func *f)
{
    if (f == NULL) {
        return Py_NewRef(Py_None);
    }
    return Py_BuildValue("NNNII", ft_name_to_str(f->name), ft_name_to_str(f->module),
                         ft_name_to_str(f->file), f->line, f->column);
}

PyObject *
ft_raise_errno(int error, PyObject *path)
{
    if (error == ENOMEM) {
        return PyErr_NoMemory();
    }
    PyObject *name = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path));
    if (name != NULL) {
        errno = error;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, name);
        Py_DECREF(name);
    }
    return NULL;
}

PyObject *
ft_id_to_str(const uint8_t id[16])
{
    char text[33];
    for (int i = 0; i < 16; i++) {
        PyOS_snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
    return PyUnicode_FromString(text);
}

/* ---- what is known of it --------------------------------------------------------------------- */

static PyObject *
facts_of(const char *text, size_t len)
{
    PyObject *dict = PyDict_New();
    const char *at = text, *end = text + len;
    while (dict != NULL && at < end) {
        const char *value = memchr(at, '\0', (size_t)(end - at));
        const char *stop = value ? memchr(value + 1, '\0', (size_t)(end - value - 1)) : NULL;
        if (stop == NULL) {
            break;
        }
        PyObject *v = ft_name_to_str((struct ft_str){value + 1, (size_t)(stop - value - 1)});
        PyObject *k = ft_name_to_str((struct ft_str){at, (size_t)(value - at)});
        if (v == NULL || k == NULL || PyDict_SetItem(dict, k, v) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(v);
        Py_XDECREF(k);
        at = stop + 1;
    }
    return dict;
}

static PyObject *
recording_run(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_trace *t = TRACE(op);
    const struct ft_run_head *h = &t->run.head;
    return Py_BuildValue("{s:N,s:K,s:I,s:K,s:K,s:K,s:N,s:N}", "id", ft_id_to_str(h->id), "pid",
                         h->pid, "version", h->file.version, "wall_ns", h->anchor.wall, "max_size",
                         h->max_size, "bytes", t->bytes, "foreign",
                         PyBool_FromLong((h->file.flags & FT_TRACE_FOREIGN) != 0), "facts",
                         facts_of(t->run.text, h->text));
}

static PyObject *
process_dict(const struct ft_trace *t, const struct ft_trace_process *p)
{
    const struct ft_defs_head *h = &p->head;
    uint64_t zero = t->run.head.anchor.monotonic;
    size_t nfuncs = 0;
    for (size_t i = 0; i < p->nfuncs; i++) {
        nfuncs += p->funcs[i] != NULL;
    }
    const char *why = h->error == 0                  ? ""
                      : h->error == FT_STOP_MAX_SIZE ? "--max-size is reached"
                                                     : strerror((int)h->error);
    return Py_BuildValue("{s:K,s:K,s:K,s:N,s:N,s:N,s:K,s:K,s:I,s:s,s:K,s:K,s:K,s:n,s:n,s:N}", "pid",
                         h->pid, "parent", h->parent, "interpreter", h->interpreter, "forked",
                         PyBool_FromLong((h->file.flags & FT_TRACE_FORKED) != 0), "ring",
                         PyBool_FromLong((h->file.flags & FT_TRACE_RING) != 0), "prewritten",
                         PyBool_FromLong((h->file.flags & FT_TRACE_PREWRITTEN) != 0), "began_ns",
                         h->first.monotonic > zero ? h->first.monotonic - zero : 0, "ended_ns",
                         h->ended > zero ? h->ended - zero : 0, "signal", h->end_signal, "error",
                         why, "lost", h->lost, "dropped", h->dropped, "bytes", p->bytes, "lanes",
                         (Py_ssize_t)p->nlanes, "functions", (Py_ssize_t)nfuncs, "facts",
                         facts_of(p->facts.data ? p->facts.data : "", p->facts.len));
}

static PyObject *
recording_processes(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_trace *t = TRACE(op);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < t->nprocesses; i++) {
        PyObject *p = process_dict(t, &t->processes[i]);
        if (p == NULL || PyList_Append(list, p) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(p);
    }
    return list;
}

/* Events in the thread's files; only what its writer did not close is decoded. */
static int
count_events(struct ft_trace *t, const struct ft_trace_thread *thread, uint64_t *events,
             uint64_t *missing)
{
    const struct ft_trace_segment *last =
        thread->nsegments ? &thread->segments[thread->nsegments - 1] : NULL;
    *events = *missing = 0;
    if (last == NULL) {
        return 0;
    }
    uint64_t kept = 0, end = last->head.before;
    for (size_t i = 0; i < thread->nsegments; i++) {
        const struct ft_segment *s = &thread->segments[i].head;
        if (s->flags & FT_SEGMENT_CLOSED) {
            uint64_t n = 2 * s->starts + s->depth - s->end_depth;
            kept += n;
            end = s->before + n > end ? s->before + n : end;
        }
    }
    if (!(last->head.flags & FT_SEGMENT_CLOSED)) {
        struct ft_trace_thread one = *thread;
        one.segments = &thread->segments[thread->nsegments - 1];
        one.nsegments = 1;
        one.total = UINT64_MAX;
        struct ft_cursor *c = ft_cursor_new(t, &one, 0);
        if (c == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        uint64_t n = 0;
        for (enum ft_step step; (step = ft_cursor_step(c)) != FT_STEP_END;) {
            n += step == FT_STEP_ENTER || step == FT_STEP_LEAVE;
        }
        ft_cursor_free(c);
        kept += n;
        end = last->head.before + n;
    }
    if (thread->total != UINT64_MAX && thread->total > end) {
        end = thread->total;
    }
    *events = kept;
    *missing = end > kept ? end - kept : 0;
    return 0;
}

static PyObject *
threads_list(struct ft_trace *t)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < t->nthreads; i++) {
        const struct ft_trace_thread *thread = &t->threads[i];
        uint64_t events, missing;
        if (count_events(t, thread, &events, &missing) < 0) {
            Py_CLEAR(list);
            break;
        }
        struct ft_str name = {thread->name, strlen(thread->name)};
        PyObject *row = Py_BuildValue("{s:K,s:K,s:K,s:N,s:n,s:K,s:K}", "serial", thread->serial,
                                      "pid", thread->process->head.pid, "tid", thread->native,
                                      "name", ft_name_to_str(name), "process",
                                      (Py_ssize_t)(thread->process - t->processes), "events",
                                      events, "missing", missing);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *
recording_threads(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *list;
    FT_BEGIN_CRITICAL_SECTION(op); /* what is found damaged is written down */
    list = threads_list(TRACE(op));
    FT_END_CRITICAL_SECTION();
    return list;
}

static PyObject *
recording_failures(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_trace *t = TRACE(op);
    PyObject *list = PyList_New((Py_ssize_t)t->nfailures);
    for (size_t i = 0; list != NULL && i < t->nfailures; i++) {
        PyObject *s = ft_text_to_str((struct ft_str){t->failures[i], strlen(t->failures[i])});
        if (s == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, s);
    }
    return list;
}

static PyObject *
recording_damage(PyObject *op, void *Py_UNUSED(unused))
{
    const struct ft_strbuf *b = &TRACE(op)->damage;
    PyObject *text;
    FT_BEGIN_CRITICAL_SECTION(op);
    text = TRACE(op)->untold
               ? PyUnicode_FromString("out of memory: more is wrong than can be told\n")
               : ft_text_to_str((struct ft_str){b->data ? b->data : "", b->len});
    FT_END_CRITICAL_SECTION();
    return text;
}

/* Of what this process writes itself: by the anchors that its events are read with. */
static PyObject *
recording_time_of(PyObject *op, PyObject *number)
{
    const struct ft_trace *t = TRACE(op);
    uint64_t interpreter = 0;
    unsigned long long ticks = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        interpreter = (uint64_t)PyInterpreterState_GetID(PyInterpreterState_Get());
    }
    for (size_t i = t->nprocesses; i-- > 0;) {
        const struct ft_trace_process *p = &t->processes[i];
        if (p->head.pid == (uint64_t)getpid() && p->head.interpreter == interpreter) {
            return PyLong_FromUnsignedLongLong(ft_trace_ns(t, p, ticks >> p->head.shift));
        }
    }
    PyErr_SetString(PyExc_LookupError, "this process does not write the recording");
    return NULL;
}

/* ---- the type -------------------------------------------------------------------------------- */

static PyObject *
recording_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"folder", NULL};
    PyObject *path;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:Recording", names, PyUnicode_FSConverter,
                                     &path)) {
        return NULL;
    }
    struct ft_recording_object *self = (struct ft_recording_object *)type->tp_alloc(type, 0);
    int error = self ? ft_trace_open(PyBytes_AS_STRING(path), &self->trace) : 0;
    if (self != NULL) {
        self->module = Py_NewRef(PyType_GetModule(type));
    }
    if (error) {
        Py_CLEAR(self);
        ft_raise_errno(error, path);
    }
    Py_DECREF(path);
    return (PyObject *)self;
}

static int
recording_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct ft_recording_object *)op)->module);
    return 0;
}

static void
recording_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (TRACE(op) != NULL) {
        ft_trace_free(TRACE(op));
    }
    Py_CLEAR(((struct ft_recording_object *)op)->module);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"walk", (PyCFunction)(void (*)(void))ft_recording_walk, METH_VARARGS | METH_KEYWORDS,
     "Tell a tap what the recording holds: (events, events missing)."},
    {"events", (PyCFunction)(void (*)(void))ft_recording_events, METH_VARARGS | METH_KEYWORDS,
     "The events of all threads, merged by time, as tuples."},
    {"threads", recording_threads, METH_NOARGS, "The threads, with their counts."},
    {"outline", ft_recording_outline, METH_O, "The calls of the thread of that serial."},
    {"functions", ft_recording_functions, METH_NOARGS, "The functions, by id."},
    {"time_of", recording_time_of, METH_O, "ticks() of this process as ns of the recording."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"run", recording_run, NULL, "What was recorded, when and by whom.", NULL},
    {"processes", recording_processes, NULL, "The processes, oldest first.", NULL},
    {"failures", recording_failures, NULL, "Processes that could not record.", NULL},
    {"damage", recording_damage, NULL, "What was found wrong so far, a line each.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, recording_new},
    {Py_tp_dealloc, recording_dealloc},
    {Py_tp_traverse, recording_traverse},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "A recording, opened for reading."},
    {0, NULL},
};

PyType_Spec ft_recording_spec = {
    .name = "pyftrace._engine.Recording",
    .basicsize = sizeof(struct ft_recording_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
