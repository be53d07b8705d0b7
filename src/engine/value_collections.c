/* Exact types of the standard library's collections: deque, defaultdict, Counter, and the classes
 * that namedtuple() makes. Called by value_std.c, which tells the first three. Like value.c's
 * containers they may be changed meanwhile by a signal's handler or another thread. GIL held. */
#include "engine/codes.h"
#include "engine/value.h"

/* ---- deque, defaultdict ---------------------------------------------------------------------- */

bool
ft_value_deque(struct ft_valuer *v, PyObject *value)
{
    PySequenceMethods *deque = Py_TYPE(value)->tp_as_sequence;
    PyObject *maxlen = ft_value_field(value, "maxlen"), *item;
    if (ft_value_open(v, value, "[...]", "deque([...])")) {
        ft_strbuf_add_cstr(v->b, "deque([");
        for (Py_ssize_t i = 0; !ft_value_full(v) && i < deque->sq_length(value)
                               && (item = deque->sq_item(value, i)) != NULL;
             i++) {
            ft_value_item(v, item, i == 0);
            Py_DECREF(item);
        }
        PyErr_Clear();
        ft_strbuf_add_char(v->b, ']');
        if (maxlen != NULL && PyLong_CheckExact(maxlen)) {
            ft_strbuf_add_cstr(v->b, ", maxlen=");
            ft_value_int(v, maxlen);
        }
        ft_strbuf_add_char(v->b, ')');
        ft_value_close(v);
    }
    Py_XDECREF(maxlen);
    return true;
}

bool
ft_value_defaultdict(struct ft_valuer *v, PyObject *value)
{
    struct ft_value_pairs pairs = {value, NULL, 0};
    PyObject *factory = ft_value_field(value, "default_factory");
    ft_strbuf_add_cstr(v->b, "defaultdict(");
    if (factory == NULL || PyCallable_Check(factory)) {
        ft_value_any(v, factory ? factory : Py_None);
    }
    else if (ft_value_open(v, factory, "...", "...")) { /* put there later: itself, for one */
        ft_value_any(v, factory);
        ft_value_close(v);
    }
    ft_strbuf_add_cstr(v->b, ", ");
    if (ft_value_open(v, value, "{...}", "{...}")) {
        ft_value_dict(v, &pairs);
        ft_value_close(v);
    }
    ft_strbuf_add_char(v->b, ')');
    Py_XDECREF(factory);
    return true;
}

/* ---- Counter --------------------------------------------------------------------------------- */

/* One with more is not sorted for a line that shows a few. */
#define MAX_COUNTED 1000

struct counted {
    PyObject *key; /* owned */
    long count;
    int at; /* its place in the dict, which equal counts keep */
};

static int
by_count(const void *left, const void *right)
{
    const struct counted *a = left, *b = right;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : a->at - b->at;
}

/* How many it is, or -1: too many, or counted in anything but small ints, whose order may be the
 * program's. `*counts` is to be freed in either case. */
static int
counts_of(PyObject *counter, struct counted **counts)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    int n = 0, overflow = 0;
    bool good = true;
    FT_BEGIN_CRITICAL_SECTION(counter);
    Py_ssize_t size = PyDict_GET_SIZE(counter);
    *counts = size <= MAX_COUNTED ? PyMem_RawMalloc((size_t)size * sizeof(**counts) + 1) : NULL;
    while (*counts != NULL && good && n < size && PyDict_Next(counter, &at, &key, &item)) {
        long count = PyLong_CheckExact(item) ? PyLong_AsLongAndOverflow(item, &overflow) : 0;
        good = PyLong_CheckExact(item) && !overflow;
        (*counts)[n] = (struct counted){Py_NewRef(key), count, n};
        n++;
    }
    FT_END_CRITICAL_SECTION();
    if (*counts != NULL && good) {
        qsort(*counts, (size_t)n, sizeof(**counts), by_count);
        return n;
    }
    while (n > 0) {
        Py_DECREF((*counts)[--n].key);
    }
    return -1;
}

static void
add_counts(struct ft_valuer *v, const struct counted *counts, int n)
{
    if (n == 0) {
        ft_strbuf_add_cstr(v->b, "Counter()");
        return;
    }
    ft_strbuf_add_cstr(v->b, "Counter({");
    for (int i = 0; i < n && !ft_value_full(v); i++) {
        ft_value_item(v, counts[i].key, i == 0);
        ft_strbuf_add_cstr(v->b, ": ");
        ft_strbuf_add_i64(v->b, counts[i].count);
    }
    ft_strbuf_add_cstr(v->b, "})");
}

bool
ft_value_counter(struct ft_valuer *v, PyObject *value)
{
    struct counted *counts = NULL;
    int n = PyDict_Check(value) ? counts_of(value, &counts) : -1;
    if (n >= 0 && ft_value_open(v, value, NULL, "Counter({...})")) {
        add_counts(v, counts, n);
        ft_value_close(v);
    }
    for (int i = 0; i < n; i++) {
        Py_DECREF(counts[i].key);
    }
    PyMem_RawFree(counts);
    return n >= 0;
}

/* ---- namedtuple ------------------------------------------------------------------------------ */

/* Whether a class's __repr__ is the one that namedtuple() made for it: a closure over code that
 * namedtuple()'s own code holds among its constants. */
static bool
is_made(PyObject *repr)
{
    PyObject *maker = ft_loaded("collections", "namedtuple");
    bool made = false;
    if (maker != NULL && PyFunction_Check(maker) && PyFunction_Check(repr)) {
        PyObject *consts = ((PyCodeObject *)PyFunction_GET_CODE(maker))->co_consts;
        for (Py_ssize_t i = 0; !made && i < PyTuple_GET_SIZE(consts); i++) {
            made = PyTuple_GET_ITEM(consts, i) == PyFunction_GET_CODE(repr);
        }
    }
    Py_XDECREF(maker);
    return made;
}

/* The names of its items, where its class is straight from namedtuple(): that of a subclass has
 * none of its own. New or NULL. */
static PyObject *
fields_of(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    PyObject *dict = PyType_GetDict(type);
    PyObject *repr = ft_dict_find(dict, "__repr__");
    PyObject *fields = repr != NULL && is_made(repr) ? ft_dict_find(dict, "_fields") : NULL;
    Py_XDECREF(repr);
    Py_XDECREF(dict);
    bool good = fields != NULL && PyTuple_CheckExact(fields)
                && PyTuple_GET_SIZE(fields) == PyTuple_GET_SIZE(value);
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(fields); i++) {
        good = PyUnicode_CheckExact(PyTuple_GET_ITEM(fields, i));
    }
    if (!good) {
        Py_CLEAR(fields);
    }
    return fields;
}

bool
ft_value_namedtuple(struct ft_valuer *v, PyObject *value)
{
    PyObject *fields =
        PyTuple_Check(value) && Py_TYPE(value)->tp_base == &PyTuple_Type ? fields_of(value) : NULL;
    if (fields == NULL) {
        return false;
    }
    ft_value_str(v, PyType_GetName(Py_TYPE(value)));
    if (ft_value_open(v, value, NULL, "(...)")) {
        ft_strbuf_add_char(v->b, '(');
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields) && !ft_value_full(v); i++) {
            ft_strbuf_add_cstr(v->b, i ? ", " : "");
            ft_value_str(v, Py_NewRef(PyTuple_GET_ITEM(fields, i)));
            ft_strbuf_add_char(v->b, '=');
            ft_value_any(v, PyTuple_GET_ITEM(value, i));
        }
        ft_strbuf_add_char(v->b, ')');
        ft_value_close(v);
    }
    Py_DECREF(fields);
    return true;
}
