/* Making a recording's directory, joining it, and the recorder that writes there. GIL held. */
#include <stdlib.h>
#include <string.h>

#include "pyapi/recording.h"
#include "trace/flight.h"

/* A tuple of bytes as borrowed texts; NULL with an exception. */
static struct ft_str *
texts_of(PyObject *tuple, size_t *n)
{
    *n = tuple ? (size_t)PyTuple_GET_SIZE(tuple) : 0;
    struct ft_str *texts = calloc(*n + 1, sizeof(*texts));
    for (size_t i = 0; texts != NULL && i < *n; i++) {
        Py_ssize_t len;
        char *s;
        if (PyBytes_AsStringAndSize(PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), &s, &len) < 0) {
            free(texts);
            return NULL;
        }
        texts[i] = (struct ft_str){s, (size_t)len};
    }
    if (texts == NULL) {
        PyErr_NoMemory();
    }
    return texts;
}

PyObject *
ft_recording_create(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"folder",  "pid",   "max_size", "foreign",
                            "rotated", "facts", "run_id",   NULL};
    PyObject *path, *facts = NULL;
    unsigned long long pid, max_size = 0;
    int foreign = 0, rotated = 0;
    Py_buffer given = {0};
    uint8_t id[16];
    size_t n;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&K|KppO!y*:create_run", names,
                                     PyUnicode_FSConverter, &path, &pid, &max_size, &foreign,
                                     &rotated, &PyTuple_Type, &facts, &given)) {
        return NULL;
    }
    struct ft_str *texts = NULL;
    PyObject *result = NULL;
    if (given.len != 0 && given.len != sizeof(id)) {
        PyErr_Format(PyExc_ValueError, "the id of a recording has 16 bytes, not %zd", given.len);
    }
    else if ((texts = texts_of(facts, &n)) != NULL) {
        struct ft_run_new new = {
            .id = given.len ? given.buf : NULL,
            .pid = pid,
            .flags = (foreign ? FT_TRACE_FOREIGN : 0u) | (rotated ? FT_TRACE_ROTATED : 0u),
            .max_size = max_size,
            .facts = texts,
            .nfacts = n,
        };
        int error = ft_run_create(PyBytes_AS_STRING(path), &new, id);
        result = error ? ft_raise_errno(error, path) : ft_id_to_str(id);
    }
    free(texts);
    PyBuffer_Release(&given);
    Py_DECREF(path);
    return result;
}

PyObject *
ft_recording_run(PyObject *Py_UNUSED(module), PyObject *arg)
{
    struct ft_run run;
    PyObject *path;
    if (!PyUnicode_FSConverter(arg, &path)) {
        return NULL;
    }
    int error = ft_run_read(PyBytes_AS_STRING(path), &run);
    PyObject *result = NULL;
    if (error) {
        ft_raise_errno(error, path);
    }
    else {
        const struct ft_run_head *h = &run.head;
        result =
            Py_BuildValue("(NKNNN)", ft_id_to_str(h->id), h->pid, PyBool_FromLong(ft_run_alive(h)),
                          PyBool_FromLong((h->file.flags & FT_TRACE_FOREIGN) != 0),
                          PyBool_FromLong((h->file.flags & FT_TRACE_ROTATED) != 0));
        ft_run_free(&run);
    }
    Py_DECREF(path);
    return result;
}

PyObject *
ft_recording_written(PyObject *Py_UNUSED(module), PyObject *arg)
{
    PyObject *path;
    if (!PyUnicode_FSConverter(arg, &path)) {
        return NULL;
    }
    bool written = ft_run_written(PyBytes_AS_STRING(path));
    Py_DECREF(path);
    return PyBool_FromLong(written);
}

PyObject *
ft_recording_leave(PyObject *Py_UNUSED(module), PyObject *arg)
{
    PyObject *path;
    if (!PyUnicode_FSConverter(arg, &path)) {
        return NULL;
    }
    int error = ft_run_leave(PyBytes_AS_STRING(path));
    PyObject *result = error ? ft_raise_errno(error, path) : Py_NewRef(Py_None);
    Py_DECREF(path);
    return result;
}

#define LOCK_NAME "pyftrace.lock"

static void
unlock(PyObject *capsule)
{
    ft_run_unlock(PyCapsule_GetPointer(capsule, LOCK_NAME));
}

/* An object that unlocks as it goes: an exception may come before anybody has it. */
PyObject *
ft_recording_lock(PyObject *Py_UNUSED(module), PyObject *arg)
{
    PyObject *path;
    struct ft_run_lock *lock;
    if (!PyUnicode_FSConverter(arg, &path)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS lock = ft_run_lock(PyBytes_AS_STRING(path));
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (lock == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *capsule = PyCapsule_New(lock, LOCK_NAME, unlock);
    if (capsule == NULL) {
        ft_run_unlock(lock);
    }
    return capsule;
}

/* As the options say, but in a ring of this process within their folder. */
static struct ft_sink *
flight_sink(struct ft_tap_object *self, const struct ft_tap_args *a,
            struct ft_record_options *options, int *error)
{
    char *folder = NULL;
    self->flight = ft_flight_new(a->dump_on, a->max_dumps);
    if (self->flight == NULL) {
        return NULL;
    }
    options->flight = ft_flight_options(self->flight);
    *error = ft_flight_begin(self->flight, options->folder, &folder, &options->run);
    if (*error) {
        return NULL;
    }
    options->folder = folder;
    struct ft_sink *sink = ft_record_new(options, error);
    if (sink == NULL) {
        ft_run_unmap(options->run);
        ft_flight_remove(folder);
    }
    free(folder);
    return sink;
}

struct ft_sink *
ft_tap_record_sink(struct ft_tap_object *self, const struct ft_tap_args *a)
{
    PyObject *path;
    size_t n;
    if (a->folder == NULL) {
        PyErr_SetString(PyExc_ValueError, "a recorder needs a folder");
        return NULL;
    }
    if (!PyUnicode_FSConverter(a->folder, &path)) {
        return NULL;
    }
    struct ft_str *facts = texts_of(a->facts, &n);
    struct ft_run_head *run = NULL;
    struct ft_sink *sink = NULL;
    int error = facts ? ft_run_map(PyBytes_AS_STRING(path), &run) : 0;
    if (facts != NULL && !error && a->run != NULL) {
        PyObject *id = ft_id_to_str(run->id);
        if (id != NULL && PyUnicode_CompareWithASCIIString(id, a->run) != 0) {
            PyErr_Format(PyExc_RuntimeError, "%s belongs to another recording now",
                         PyBytes_AS_STRING(path));
        }
        Py_XDECREF(id);
    }
    if (facts != NULL && !error && !PyErr_Occurred()) {
        struct ft_record_options options = {
            .folder = PyBytes_AS_STRING(path),
            .run = run,
            .unmap = ft_run_unmap,
            .args = a->args,
            .values = self->values.mode != FT_VALUES_NONE,
            .callers = a->callers,
            .ccalls = self->filter.builtins != FT_REACH_NONE,
            .ring = a->ring,
            .interpreter = (uint64_t)PyInterpreterState_GetID(PyInterpreterState_Get()),
            .facts = facts,
            .nfacts = n,
        };
        sink =
            a->dump_on ? flight_sink(self, a, &options, &error) : ft_record_new(&options, &error);
    }
    if (run != NULL && (sink == NULL || a->dump_on)) {
        ft_run_unmap(run);
    }
    if (error == FT_STOP_MAX_SIZE) {
        PyErr_SetString(PyExc_RuntimeError, "--max-size of the recording is reached");
    }
    else if (error) {
        ft_raise_errno(error, path);
    }
    free(facts);
    Py_DECREF(path);
    return sink;
}

/* (calls, events lost, error number, its text, events let go of) of a recorder. */
PyObject *
ft_tap_recorded(PyObject *op, void *Py_UNUSED(unused))
{
    struct ft_tap_object *self = (struct ft_tap_object *)op;
    struct ft_record_state state = self->recorded;
    if (self->kind != FT_TAP_RECORD) {
        PyErr_SetString(PyExc_TypeError, "only a recorder has recorded");
        return NULL;
    }
    if (self->sink != NULL) {
        ft_record_state(self->sink, &state);
    }
    const char *text = state.error == 0                  ? ""
                       : state.error == FT_STOP_MAX_SIZE ? "--max-size is reached"
                                                         : strerror(state.error);
    return Py_BuildValue("KKisK", state.calls, state.lost, state.error, text, state.dropped);
}
