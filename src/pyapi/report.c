/* What a Tap can be asked about what it saw: totals as rows or text, what matched nothing, what
 * was left out. GIL held. */
#include <stdlib.h>

#include "pyapi/recording.h"

#define SELF(op) ((struct ft_tap_object *)(op))

/* ---- totals ---------------------------------------------------------------------------------- */

static int
collect(PyObject *op, struct ft_table_rows *rows)
{
    if (!SELF(op)->report) {
        PyErr_SetString(PyExc_TypeError, "only a report has totals");
        return -1;
    }
    if (ft_table_collect(SELF(op)->sink, rows) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *
row_tuple(const struct ft_table_row *r, bool percentiles)
{
    PyObject *spread = percentiles ? Py_BuildValue("(KKK)", r->p50, r->p95, r->p99)
                                   : Py_BuildValue("(OOO)", Py_None, Py_None, Py_None);
    PyObject *row = Py_BuildValue("(NNNIIIKKKKKK)", ft_name_to_str(r->func->name),
                                  ft_name_to_str(r->func->module), ft_name_to_str(r->func->file),
                                  r->func->line, r->func->column, r->ordinal, r->calls, r->resumes,
                                  r->total, r->self, r->min, r->max);
    PyObject *whole = spread && row ? PySequence_Concat(row, spread) : NULL;
    Py_XDECREF(spread);
    Py_XDECREF(row);
    return whole;
}

PyObject *
ft_tap_rows(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct ft_table_rows rows;
    if (collect(self, &rows) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New((Py_ssize_t)rows.n);
    for (size_t i = 0; list != NULL && i < rows.n; i++) {
        PyObject *row = row_tuple(&rows.rows[i], rows.percentiles);
        if (row == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, row);
    }
    ft_table_rows_free(&rows);
    return list;
}

/* The list, until a row could not be made. */
static void
add_caller(void *ctx, const struct ft_func *caller, const struct ft_func *func, uint64_t calls)
{
    PyObject **list = ctx;
    PyObject *by = *list == NULL ? NULL
                   : caller      ? Py_BuildValue("(NN)", ft_name_to_str(caller->name),
                                                 ft_name_to_str(caller->module))
                                 : Py_NewRef(Py_None);
    PyObject *row =
        by == NULL ? NULL
                   : Py_BuildValue("(NNNNK)", by, ft_name_to_str(func->name),
                                   ft_name_to_str(func->module), ft_name_to_str(func->file), calls);
    if (row == NULL || PyList_Append(*list, row) < 0) {
        Py_CLEAR(*list);
    }
    Py_XDECREF(row);
}

PyObject *
ft_tap_callers(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (!SELF(self)->report) {
        PyErr_SetString(PyExc_TypeError, "only a report has callers");
        return NULL;
    }
    PyObject *list = PyList_New(0);
    ft_table_callers(SELF(self)->sink, add_caller, &list);
    return list;
}

PyObject *
ft_tap_render(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", "sort", "columns", "limit", "footer", NULL};
    const char *format = "table";
    PyObject *sort = NULL, *columns = NULL;
    unsigned long long limit = 0;
    int footer = 1;
    struct ft_table_style style;
    struct ft_table_rows rows;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s$O!O!Kp:render", names, &format,
                                     &PyTuple_Type, &sort, &PyTuple_Type, &columns, &limit, &footer)
        || ft_style_parse(format, sort, columns, limit, footer, &style) < 0
        || collect(self, &rows) < 0) {
        return NULL;
    }
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_table_sort(&rows, &style);
    ft_table_render(&rows, &style, &b, NULL, NULL);
    PyObject *text =
        b.failed ? PyErr_NoMemory() : ft_name_to_str((struct ft_str){b.data ? b.data : "", b.len});
    ft_strbuf_fini(&b);
    ft_table_rows_free(&rows);
    return text;
}

static PyObject *
one_number(PyObject *self, uint64_t (*pick)(const struct ft_table_rows *rows))
{
    struct ft_table_rows rows;
    if (collect(self, &rows) < 0) {
        return NULL;
    }
    PyObject *number = PyLong_FromUnsignedLongLong(pick(&rows));
    ft_table_rows_free(&rows);
    return number;
}

static uint64_t
pick_calls(const struct ft_table_rows *rows)
{
    return rows->calls;
}

static uint64_t
pick_wall(const struct ft_table_rows *rows)
{
    return rows->wall;
}

static uint64_t
pick_threads(const struct ft_table_rows *rows)
{
    return rows->threads;
}

PyObject *
ft_tap_calls(PyObject *self, void *Py_UNUSED(unused))
{
    return one_number(self, pick_calls);
}

PyObject *
ft_tap_wall(PyObject *self, void *Py_UNUSED(unused))
{
    return one_number(self, pick_wall);
}

PyObject *
ft_tap_threads(PyObject *self, void *Py_UNUSED(unused))
{
    return one_number(self, pick_threads);
}

/* ---- patterns that matched nothing ----------------------------------------------------------- */

static int
add_unmatched(PyObject *list, const struct ft_patterns *p)
{
    for (size_t i = 0; i < p->n; i++) {
        PyObject *pattern = p->matched[i] ? NULL : ft_name_to_str(p->items[i]);
        if (!p->matched[i] && (pattern == NULL || PyList_Append(list, pattern) < 0)) {
            Py_XDECREF(pattern);
            return -1;
        }
        Py_XDECREF(pattern);
    }
    return 0;
}

PyObject *
ft_tap_unmatched(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const struct ft_filter *f = &SELF(self)->filter;
    PyObject *list = PyList_New(0);
    if (list == NULL || add_unmatched(list, &f->function) || add_unmatched(list, &f->exclude)
        || add_unmatched(list, &f->hide) || add_unmatched(list, &f->include)
        || add_unmatched(list, &f->only)) {
        Py_XDECREF(list);
        return NULL;
    }
    return list;
}

/* ---- what was left out ----------------------------------------------------------------------- */

struct left_out {
    struct ft_code **codes;              /* owned */
    size_t n, cap;
};

static void
collect_left_out(void *ctx, struct ft_code *c)
{
    struct left_out *l = ctx;
    if (!c->called || (c->func.flags & FT_FUNC_MODULE) || c->origin == FT_ORIGIN_PYFTRACE
        || c->origin == FT_ORIGIN_IMPORT || c->func.module.len == 0) {
        return;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 256;
        struct ft_code **codes = realloc(l->codes, cap * sizeof(*codes));
        if (codes == NULL) {
            return;
        }
        l->codes = codes;
        l->cap = cap;
    }
    l->codes[l->n++] = c;
}

static int
by_order(const void *a, const void *b)
{
    const struct ft_code *x = *(struct ft_code *const *)a, *y = *(struct ft_code *const *)b;
    if (x->from_user != y->from_user) {
        return x->from_user ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

static PyObject *
top_level(struct ft_str module)
{
    const char *dot = memchr(module.s, '.', module.len);
    return ft_name_to_str((struct ft_str){module.s, dot ? (size_t)(dot - module.s) : module.len});
}

/* Counts by package in a dict, whose order is that of first call; a package not there yet is added
 * only if `add`. */
static int
count_in(PyObject *counts, PyObject *package, bool add)
{
    PyObject *known = NULL;
    if (package == NULL || PyDict_GetItemRef(counts, package, &known) < 0) {
        return -1;
    }
    if (known == NULL && !add) {
        return 0;
    }
    PyObject *count = PyLong_FromLong((known ? PyLong_AsLong(known) : 0) + 1);
    Py_XDECREF(known);
    int failed = count == NULL ? -1 : PyDict_SetItem(counts, package, count);
    Py_XDECREF(count);
    return failed;
}

PyObject *
ft_tap_left_out(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct left_out l = {NULL, 0, 0};
    PyObject *counts = PyDict_New();
    ft_codes_each(SELF(self)->engine->codes, collect_left_out, &l);
    if (l.n > 0) {
        qsort(l.codes, l.n, sizeof(l.codes[0]), by_order);
    }
    /* Those called directly from user code come first: if there are any, packages that only they
     * called say little. */
    bool direct = l.n > 0 && l.codes[0]->from_user;
    for (size_t i = 0; counts != NULL && i < l.n; i++) {
        PyObject *package = top_level(l.codes[i]->func.module);
        if (count_in(counts, package, !direct || l.codes[i]->from_user) < 0) {
            Py_CLEAR(counts);
        }
        Py_XDECREF(package);
    }
    free(l.codes);
    PyObject *items = counts ? PyDict_Items(counts) : NULL;
    Py_XDECREF(counts);
    return items;
}
