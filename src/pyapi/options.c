/* Keyword arguments of Tap() to a filter and styles; every refusal is a one-line ValueError.
 * GIL held. */
#include <stdlib.h>

#include "base/pattern.h"
#include "pyapi/pyapi.h"

int
ft_tap_parse(PyObject *args, PyObject *kwargs, struct ft_tap_args *a)
{
    static char *names[] = {"kind",     "libs",         "builtins", "include",     "only",
                            "function", "exclude",      "hide",     "depth",       "args",
                            "values",   "value_length", "time",     "path",        "color",
                            "stream",   "file",         "fd",       "folder",      "run",
                            "callers",  "ring",         "facts",    "percentiles", "one_process",
                            "dump_on",  "max_dumps",    "last",     "own",         "take",
                            "most",     "bounds",       NULL};
    *a = (struct ft_tap_args){
        .libs = "none", .builtins = "none", .values = "safe", .value_length = 120, .fd = -1};
    return PyArg_ParseTupleAndKeywords(
               args, kwargs, "s|$ssO!O!O!O!O!IpsIpppOOiOzpKO!ppO!IIKOIp:Tap", names, &a->kind,
               &a->libs, &a->builtins, &PyTuple_Type, &a->include, &PyTuple_Type, &a->only,
               &PyTuple_Type, &a->function, &PyTuple_Type, &a->exclude, &PyTuple_Type, &a->hide,
               &a->depth, &a->args, &a->values, &a->value_length, &a->time, &a->path, &a->color,
               &a->stream, &a->file, &a->fd, &a->folder, &a->run, &a->callers, &a->ring,
               &PyTuple_Type, &a->facts, &a->percentiles, &a->one_process, &PyTuple_Type,
               &a->dump_on, &a->max_dumps, &a->last, &a->own, &a->take, &a->most, &a->bounds)
               ? 0
               : -1;
}

int
ft_patterns_add(struct ft_patterns *p, PyObject *pattern, const char *option)
{
    Py_ssize_t len;
    const char *s = PyUnicode_Check(pattern) ? PyUnicode_AsUTF8AndSize(pattern, &len) : NULL;
    if (s == NULL || !ft_glob_valid((struct ft_str){s, (size_t)len})) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "bad pattern for %s: %R", option, pattern);
        return -1;
    }
    struct ft_str *items = realloc(p->items, (p->n + 1) * sizeof(*items));
    bool *matched = items ? realloc(p->matched, (p->n + 1) * sizeof(*matched)) : NULL;
    char *copy = malloc((size_t)len + 1);
    p->items = items ? items : p->items;
    p->matched = matched ? matched : p->matched;
    if (items == NULL || matched == NULL || copy == NULL) {
        free(copy);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, s, (size_t)len + 1);
    p->items[p->n] = (struct ft_str){copy, (size_t)len};
    p->matched[p->n] = false;
    p->n++;
    return 0;
}

static int
add_all(struct ft_patterns *p, PyObject *tuple, const char *option)
{
    for (Py_ssize_t i = 0; tuple != NULL && i < PyTuple_GET_SIZE(tuple); i++) {
        if (ft_patterns_add(p, PyTuple_GET_ITEM(tuple, i), option) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
choose(const char *option, const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "bad value for %s: '%s'", option, word);
    return -1;
}

static const char *const reaches[] = {"none", "direct", "all"};

int
ft_tap_fill_filter(struct ft_filter *filter, const struct ft_tap_args *a)
{
    int libs = choose("libs", a->libs, reaches, 3);
    int builtins = libs < 0 ? -1 : choose("builtins", a->builtins, reaches, 3);
    if (builtins < 0) {
        return -1;
    }
    filter->libs = (enum ft_reach)libs;
    filter->builtins = (enum ft_reach)builtins;
    filter->depth = a->depth;
    return add_all(&filter->include, a->include, "include")
                   || add_all(&filter->only, a->only, "only")
                   || add_all(&filter->function, a->function, "function")
                   || add_all(&filter->exclude, a->exclude, "exclude")
                   || add_all(&filter->hide, a->hide, "hide")
               ? -1
               : 0;
}

int
ft_tap_fill_values(struct ft_value_style *values, const struct ft_tap_args *a)
{
    static const char *const modes[] = {"none", "safe", "str"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(a->values, modes[i]) == 0) {
            values->mode = (enum ft_values)i;
            values->length = a->value_length < 4 ? 4 : a->value_length;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "bad value for values: '%s'", a->values);
    return -1;
}

static const char *const formats[] = {"table", "json", "csv"};
static const char *const keys[] = {"total", "self", "calls", "avg", "min",
                                   "max",   "p50",  "p95",   "p99", "name"};
#define NKEYS (int)(sizeof(keys) / sizeof(keys[0]))
static const char *const columns_known[] = {"self", "avg", "min",     "max",    "p50",
                                            "p95",  "p99", "resumes", "module", "where"};
#define NCOLUMNS (int)(sizeof(columns_known) / sizeof(columns_known[0]))

/* The words of a tuple as indexes into `words`; -1 with a ValueError. */
static int
choose_all(const char *option, PyObject *tuple, const char *const *words, int n, int *chosen)
{
    int count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple) && count < n; i++) {
        const char *word = PyUnicode_AsUTF8(PyTuple_GET_ITEM(tuple, i));
        chosen[count] = word ? choose(option, word, words, n) : -1;
        if (chosen[count++] < 0) {
            return -1;
        }
    }
    return count;
}

int
ft_style_parse(const char *format, PyObject *sort, PyObject *columns, unsigned long long limit,
               int footer, struct ft_table_style *style)
{
    int chosen[NKEYS > NCOLUMNS ? NKEYS : NCOLUMNS];
    memset(style, 0, sizeof(*style));
    int f = choose("format", format, formats, 3);
    if (f < 0) {
        return -1;
    }
    style->format = (enum ft_table_format)f;
    style->limit = limit;
    style->footer = footer != 0;
    style->sort[0] = FT_KEY_TOTAL;
    style->nsort = 1;
    if (sort != NULL) {
        style->nsort = choose_all("sort", sort, keys, NKEYS, chosen);
        for (int i = 0; i < style->nsort; i++) {
            style->sort[i] = (enum ft_table_key)chosen[i];
        }
    }
    style->columns = FT_COL_SELF | FT_COL_AVG | FT_COL_WHERE;
    int n = 0;
    if (columns != NULL) {
        n = choose_all("columns", columns, columns_known, NCOLUMNS, chosen);
        style->columns = 0;
        for (int i = 0; i < n; i++) {
            style->columns |= 1u << chosen[i];
        }
    }
    return style->nsort < 0 || n < 0 ? -1 : 0;
}
