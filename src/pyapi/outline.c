/* pyftrace._engine.Outline: one thread's calls as a tree, read where it is looked at. GIL held; the
 * recording's critical section where there is none. */
#include <stdlib.h>

#include "pyapi/recording.h"
#include "sink/dump.h"
#include "trace/outline.h"

struct outline {
    PyObject ob_base;
    PyObject *recording; /* owned: holds the trace */
    struct ft_outline *outline; /* owned */
};

#define OUTLINE(op) (((struct outline *)(op))->outline)

struct rows {
    PyObject *list; /* owned */
    Py_ssize_t most;
    bool failed;
};

static const char *
word_of(const struct ft_outline_row *row)
{
    return !row->over ? NULL : row->left.way == FT_LEFT ? "left" : ft_dump_event(row->left.way);
}

static PyObject *
row_tuple(const struct ft_outline_row *row)
{
    const struct ft_call *in = &row->entered, *out = &row->left;
    struct ft_str none = {NULL, 0};
    if (row->lost > 0) {
        return Py_BuildValue("KKIsKOKKOOIOOOK", row->at, row->end, 0, "lost", 0ULL, Py_None, 0ULL,
                             0ULL, Py_None, Py_None, 0, Py_None, Py_None, Py_False, row->lost);
    }
    return Py_BuildValue("KKIsKzKKNNINNNK", row->at, row->end, in->func->id,
                         row->before ? "open" : ft_dump_event(in->way), in->time, word_of(row),
                         out->time, in->activation,
                         ft_text_or_none(in->task ? in->task->name : none),
                         in->caller ? PyLong_FromUnsignedLong(in->call_line) : Py_NewRef(Py_None),
                         in->caller ? in->caller->id : 0, ft_text_or_none(in->args),
                         ft_text_or_none(out->value), PyBool_FromLong(out->awaits), 0ULL);
}

static bool
take_row(void *ctx, const struct ft_outline_row *row)
{
    struct rows *rows = ctx;
    if (rows->failed) {
        return false;
    }
    PyObject *tuple = row_tuple(row);
    rows->failed = tuple == NULL || PyList_Append(rows->list, tuple) < 0;
    Py_XDECREF(tuple);
    return !rows->failed && PyList_GET_SIZE(rows->list) < rows->most;
}

static PyObject *
rows(PyObject *op, PyObject *args)
{
    unsigned int depth;
    unsigned long long from, budget;
    struct rows found = {0};
    if (!PyArg_ParseTuple(args, "IKnK:rows", &depth, &from, &found.most, &budget)
        || (found.list = PyList_New(0)) == NULL) {
        return NULL;
    }
    bool over = ft_outline_rows(OUTLINE(op), depth, from, budget, take_row, &found);
    if (found.failed) {
        Py_DECREF(found.list);
        return NULL;
    }
    return Py_BuildValue("NN", found.list, PyBool_FromLong(over));
}

static PyObject *
back(PyObject *op, PyObject *args)
{
    unsigned int depth, most;
    unsigned long long first, upto;
    if (!PyArg_ParseTuple(args, "IKKI:back", &depth, &first, &upto, &most)) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(ft_outline_back(OUTLINE(op), depth, first, upto, most));
}

static PyObject *
stack(PyObject *op, PyObject *args)
{
    unsigned long long upto;
    uint32_t n;
    if (!PyArg_ParseTuple(args, "K:stack", &upto)) {
        return NULL;
    }
    uint64_t *places = ft_outline_stack(OUTLINE(op), upto, &n);
    PyObject *list = places ? PyList_New(n) : PyErr_NoMemory();
    for (uint32_t i = 0; list != NULL && i < n; i++) {
        PyObject *place = PyLong_FromUnsignedLongLong(places[i]);
        if (place == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, place);
    }
    free(places);
    return list;
}

static PyObject *
place(PyObject *op, PyObject *args)
{
    unsigned long long ns;
    if (!PyArg_ParseTuple(args, "K:place", &ns)) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(ft_outline_place(OUTLINE(op), ns));
}

/* What is looked for, by its type: functions, a text, a task. */
static bool
wanted_of(PyObject *object, struct ft_outline_wanted *wanted)
{
    *wanted = (struct ft_outline_wanted){0};
    Py_ssize_t len;
    if (PyUnicode_Check(object)) {
        wanted->text.s = PyUnicode_AsUTF8AndSize(object, &len);
        wanted->text.len = wanted->text.s ? (size_t)len : 0;
    }
    else if (PyLong_Check(object)) {
        wanted->task = PyLong_AsUnsignedLongLong(object);
    }
    else if (PyBytes_Check(object)) {
        wanted->funcs = (const uint8_t *)PyBytes_AS_STRING(object);
        wanted->nfuncs = (size_t)PyBytes_GET_SIZE(object);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "bytes of functions, a text or a task's number");
    }
    return !PyErr_Occurred();
}

static PyObject *
find(PyObject *op, PyObject *args)
{
    PyObject *object;
    struct ft_outline_wanted wanted;
    unsigned long long from, upto, budget;
    int backward;
    uint64_t reached;
    if (!PyArg_ParseTuple(args, "OKKpK:find", &object, &from, &upto, &backward, &budget)
        || !wanted_of(object, &wanted)) {
        return NULL;
    }
    uint64_t found =
        ft_outline_find(OUTLINE(op), &wanted, from, upto, backward != 0, budget, &reached);
    PyObject *where = found == UINT64_MAX ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(found);
    return Py_BuildValue("NK", where, reached);
}

/* Into the dict of tasks by number: (name, runs, place of the first). */
static bool
take_task(void *ctx, const struct ft_task *task, uint64_t place)
{
    PyObject *number = PyLong_FromUnsignedLongLong(task->serial), *was = NULL, *is = NULL;
    if (number != NULL && (was = PyDict_GetItemWithError(ctx, number)) != NULL) {
        unsigned long long runs = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(was, 1));
        is = Py_BuildValue("OKO", PyTuple_GET_ITEM(was, 0), runs + 1, PyTuple_GET_ITEM(was, 2));
    }
    else if (number != NULL && !PyErr_Occurred()) {
        is = Py_BuildValue("NKK", ft_name_to_str(task->name), 1ULL, place);
    }
    bool kept = is != NULL && PyDict_SetItem(ctx, number, is) == 0;
    Py_XDECREF(is);
    Py_XDECREF(number);
    return kept;
}

static PyObject *
tasks(PyObject *op, PyObject *args)
{
    PyObject *found;
    unsigned long long from, upto, budget;
    if (!PyArg_ParseTuple(args, "O!KKK:tasks", &PyDict_Type, &found, &from, &upto, &budget)) {
        return NULL;
    }
    from = ft_outline_tasks(OUTLINE(op), from, upto, budget, take_task, found);
    return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(from);
}

static PyObject *
extent(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_outline_extent e = ft_outline_extent(OUTLINE(op));
    return Py_BuildValue("KKK", e.events, e.first, e.last);
}

/* What is told is whole, or a MemoryError. */
static PyObject *
checked(PyObject *op, PyObject *result)
{
    if (ft_outline_take_unkept(OUTLINE(op)) && result != NULL) {
        Py_DECREF(result);
        return PyErr_NoMemory();
    }
    return result;
}

/* What is found damaged is written down in the recording: by one thread at a time. */
#define LOCKED(name)                                                                               \
    static PyObject *locked_##name(PyObject *op, PyObject *args)                                   \
    {                                                                                              \
        PyObject *result;                                                                          \
        FT_BEGIN_CRITICAL_SECTION(((struct outline *)op)->recording);                              \
        result = checked(op, name(op, args));                                                      \
        FT_END_CRITICAL_SECTION();                                                                 \
        return result;                                                                             \
    }

LOCKED(rows)
LOCKED(back)
LOCKED(stack)
LOCKED(place)
LOCKED(find)
LOCKED(tasks)

/* ---- made by a recording --------------------------------------------------------------------- */

PyObject *
ft_recording_outline(PyObject *op, PyObject *number)
{
    struct ft_recording_object *recording = (struct ft_recording_object *)op;
    const struct ft_trace *t = recording->trace;
    unsigned long long serial = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (serial == 0 || serial > t->nthreads) {
        PyErr_SetString(PyExc_LookupError, "the recording has no such thread");
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)ft_state_of(recording->module)->outline_type;
    struct outline *self = (struct outline *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->recording = Py_NewRef(op);
    FT_BEGIN_CRITICAL_SECTION(op);
    self->outline = ft_outline_new(recording->trace, &t->threads[serial - 1]);
    FT_END_CRITICAL_SECTION();
    if (self->outline == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* By the id that rows have; 0 is the one of which nothing is known. */
PyObject *
ft_recording_functions(PyObject *op, PyObject *Py_UNUSED(unused))
{
    const struct ft_trace *t = ((struct ft_recording_object *)op)->trace;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i <= t->nprocesses; i++) {
        size_t n = i < t->nprocesses ? t->processes[i].nfuncs : 1;
        for (size_t j = 0; dict != NULL && j < n; j++) {
            const struct ft_func *f = i < t->nprocesses ? t->processes[i].funcs[j] : t->unknown;
            PyObject *id = f ? PyLong_FromUnsignedLong(f->id) : NULL;
            PyObject *tuple = id ? ft_func_to_tuple(f) : NULL;
            if (f != NULL && (tuple == NULL || PyDict_SetItem(dict, id, tuple) < 0)) {
                Py_CLEAR(dict);
            }
            Py_XDECREF(tuple);
            Py_XDECREF(id);
        }
    }
    return dict;
}

static void
outline_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    ft_outline_free(OUTLINE(op));
    Py_XDECREF(((struct outline *)op)->recording);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"rows", locked_rows, METH_VARARGS, "Calls at a depth from a place on."},
    {"back", locked_back, METH_VARARGS, "From where the calls before a place are told."},
    {"stack", locked_stack, METH_VARARGS, "The places of the calls that are open at a place."},
    {"place", locked_place, METH_VARARGS, "The place of the first event at a time or later."},
    {"find", locked_find, METH_VARARGS, "The next or previous event that is wanted."},
    {"tasks", locked_tasks, METH_VARARGS, "The tasks that run, into a dict."},
    {"extent", extent, METH_NOARGS, "(events, first ns, last ns)."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, outline_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "One thread's calls as a tree, read where it is looked at."},
    {0, NULL},
};

PyType_Spec ft_outline_spec = {
    .name = "pyftrace._engine.Outline",
    .basicsize = sizeof(struct outline),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
