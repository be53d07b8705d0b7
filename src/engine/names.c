/* What a code object says of itself: its strings as UTF-8, its absolute file, its module, its kind;
 * a type's module. Called by codes.c at first sight; runs no code of the program. GIL held. */
#include "engine/codes.h"

/* A str as UTF-8; lone surrogates as three bytes each. `*keep` owns the bytes when they are not
 * the str's own. Anything else than a str gives "". */
struct ft_str
ft_utf8(PyObject *str, PyObject **keep)
{
    *keep = NULL;
    if (str == NULL || !PyUnicode_Check(str)) {
        return FT_STR("");
    }
    Py_ssize_t len;
    const char *s = PyUnicode_AsUTF8AndSize(str, &len);
    if (s != NULL) {
        return (struct ft_str){s, (size_t)len};
    }
    PyErr_Clear();
    *keep = PyUnicode_AsEncodedString(str, "utf-8", "surrogatepass");
    if (*keep == NULL) {
        PyErr_Clear();
        return FT_STR("");
    }
    return (struct ft_str){PyBytes_AS_STRING(*keep), (size_t)PyBytes_GET_SIZE(*keep)};
}

/* Joins a relative name to the working directory of the start and drops "." and ".." parts. */
void
ft_add_absolute(struct ft_strbuf *b, struct ft_str cwd, struct ft_str file)
{
    if (file.len > 0 && file.s[0] == '<') {
        ft_strbuf_add_str(b, file);
        return;
    }
    if (file.len == 0 || file.s[0] != '/') {
        ft_strbuf_add_str(b, cwd);
    }
    for (size_t at = 0; at < file.len;) {
        const char *slash = memchr(file.s + at, '/', file.len - at);
        size_t len = slash ? (size_t)(slash - file.s) - at : file.len - at;
        struct ft_str part = {file.s + at, len};
        at += len + 1;
        if (len == 0 || ft_str_equal(part, FT_STR("."))) {
            continue;
        }
        if (ft_str_equal(part, FT_STR(".."))) {
            while (b->len > 0 && b->data[--b->len] != '/') {
            }
            continue;
        }
        ft_strbuf_add_char(b, '/');
        ft_strbuf_add_str(b, part);
    }
}

PyObject *
ft_dict_get(PyObject *dict, const char *key)
{
    PyObject *value = NULL;
    if (dict != NULL && PyDict_CheckExact(dict) && PyDict_GetItemStringRef(dict, key, &value) < 0) {
        PyErr_Clear();
    }
    return value;
}

/* The same of a small dict that the program fills, with keys of its own perhaps: looking a name up
 * could ask one of them whether it is equal. New or NULL, as where there is no dict. */
PyObject *
ft_dict_find(PyObject *dict, const char *name)
{
    PyObject *key, *value, *found = NULL;
    Py_ssize_t at = 0;
    if (dict == NULL) {
        return NULL;
    }
    FT_BEGIN_CRITICAL_SECTION(dict);
    while (found == NULL && PyDict_Next(dict, &at, &key, &value)) {
        if (PyUnicode_CheckExact(key) && PyUnicode_CompareWithASCIIString(key, name) == 0) {
            found = Py_NewRef(value);
        }
    }
    FT_END_CRITICAL_SECTION();
    return found;
}

/* What a module that is loaded has by that name; never imported, no code of the program runs. New
 * reference or NULL, without an exception. */
PyObject *
ft_loaded(const char *module, const char *name)
{
    PyObject *modules = PySys_GetObject("modules");
    PyObject *m = modules && PyDict_CheckExact(modules) ? ft_dict_get(modules, module) : NULL;
    PyObject *dict = m && PyModule_Check(m) ? PyModule_GetDict(m) : NULL;
    PyObject *found = dict ? ft_dict_get(dict, name) : NULL;
    Py_XDECREF(m);
    return found;
}

/* What its dictionary says of its module, a str; a static type's says nothing. New or NULL. */
PyObject *
ft_type_module(PyTypeObject *type)
{
    PyObject *dict = PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ? PyType_GetDict(type) : NULL;
    PyObject *module = ft_dict_find(dict, "__module__");
    Py_XDECREF(dict);
    if (module != NULL && !PyUnicode_CheckExact(module)) {
        Py_CLEAR(module);
    }
    return module;
}

/* The module's dotted name; of __main__ and __mp_main__ the one its spec knows. New reference or
 * NULL. */
PyObject *
ft_module_name(PyObject *globals, bool *is_main)
{
    PyObject *name = ft_dict_get(globals, "__name__");
    *is_main = false;
    if (name == NULL || !PyUnicode_CheckExact(name)) {
        return name;
    }
    *is_main = PyUnicode_CompareWithASCIIString(name, "__main__") == 0
               || PyUnicode_CompareWithASCIIString(name, "__mp_main__") == 0;
    PyObject *spec = *is_main ? ft_dict_get(globals, "__spec__") : NULL;
    if (spec != NULL && spec != Py_None) {
        PyObject *key = PyUnicode_FromString("name");
        PyObject *real = key ? PyObject_GenericGetAttr(spec, key) : NULL;
        Py_XDECREF(key);
        if (real != NULL && PyUnicode_CheckExact(real)) {
            Py_SETREF(name, real);
        }
        else {
            PyErr_Clear();
            Py_XDECREF(real);
        }
    }
    Py_XDECREF(spec);
    return name;
}

uint32_t
ft_flags_of(PyCodeObject *code)
{
    uint32_t flags = 0;
    if (code->co_flags & CO_ASYNC_GENERATOR) {
        flags |= FT_FUNC_ASYNCGEN;
    }
    else if (code->co_flags & CO_COROUTINE) {
        flags |= FT_FUNC_COROUTINE;
    }
    else if (code->co_flags & CO_GENERATOR) {
        flags |= FT_FUNC_GENERATOR;
    }
    if (PyUnicode_CheckExact(code->co_name)
        && PyUnicode_CompareWithASCIIString(code->co_name, "<module>") == 0) {
        flags |= FT_FUNC_MODULE;
    }
    return flags;
}

uint32_t
ft_first_column(PyCodeObject *code)
{
    int line, column, end_line, end_column;
    int end = (int)Py_SIZE(code) * 2; /* bytes: an instruction unit has two */
    for (int at = 0; at < 12 && at < end; at += 2) {
        if (PyCode_Addr2Location(code, at, &line, &column, &end_line, &end_column) && column > 0) {
            return (uint32_t)column;
        }
    }
    return 0;
}

/* A lambda, a generator expression: told apart from others of its line by more than its name. */
bool
ft_is_unnamed(PyCodeObject *code)
{
    Py_ssize_t n = PyUnicode_Check(code->co_name) ? PyUnicode_GET_LENGTH(code->co_name) : 0;
    return n > 0 && PyUnicode_READ_CHAR(code->co_name, n - 1) == '>';
}
