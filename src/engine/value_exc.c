/* Exceptions as one bounded, printable line, without running the program's code. One that leaves a
 * call is shown as a traceback ends: the type, and what a built-in __str__ says of exact built-in
 * arguments. One that is a value is shown as its repr() would. GIL held. */
#include "engine/value.h"

#include "engine/codes.h"

#define MAX_EXCEPTION_ARG 4096

static bool
is_plain(PyObject *value)
{
    if (value == NULL || value == Py_None || PyBool_Check(value) || PyFloat_CheckExact(value)) {
        return true;
    }
    if (PyUnicode_CheckExact(value)) {
        return PyUnicode_GET_LENGTH(value) <= MAX_EXCEPTION_ARG;
    }
    if (PyBytes_CheckExact(value)) {
        return PyBytes_GET_SIZE(value) <= MAX_EXCEPTION_ARG;
    }
    return PyLong_CheckExact(value) && FT_LONG_DIGITS(value) <= FT_VALUE_INT_DIGITS;
}

/* Whether str(exc) runs no code of the program: a built-in __str__ over exact built-in values. */
static bool
is_readable(PyObject *exc)
{
    PyTypeObject *type = Py_TYPE(exc), *base = type;
    while (PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE) && base->tp_base != NULL) {
        base = base->tp_base;
    }
    PyObject *args = ((PyBaseExceptionObject *)exc)->args;
    if (type->tp_str != base->tp_str || args == NULL || !PyTuple_CheckExact(args)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        if (!is_plain(PyTuple_GET_ITEM(args, i))) {
            return false;
        }
    }
    if (base->tp_basicsize == sizeof(PyBaseExceptionObject)) {
        return true; /* its text comes from nothing but its arguments */
    }
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_OSError)) {
        PyOSErrorObject *os = (PyOSErrorObject *)exc;
        return is_plain(os->myerrno) && is_plain(os->strerror) && is_plain(os->filename)
               && is_plain(os->filename2);
    }
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeError)) {
        PyUnicodeErrorObject *unicode = (PyUnicodeErrorObject *)exc;
        return is_plain(unicode->encoding) && is_plain(unicode->object)
               && is_plain(unicode->reason);
    }
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_SyntaxError)) {
        PySyntaxErrorObject *syntax = (PySyntaxErrorObject *)exc;
        return is_plain(syntax->msg) && is_plain(syntax->filename) && is_plain(syntax->lineno);
    }
    return true;
}

static bool
needs_module(PyTypeObject *type)
{
    PyObject *module = PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ? ft_type_module(type) : NULL;
    bool needs = module != NULL && PyUnicode_CompareWithASCIIString(module, "__main__") != 0
                 && PyUnicode_CompareWithASCIIString(module, "builtins") != 0;
    Py_XDECREF(module);
    return needs;
}

/* str(exc), most often without a call: a call may run the handlers of signals, which untraced
 * would have run later. */
static void
add_exception_text(struct ft_valuer *v, PyObject *exc)
{
    reprfunc say = Py_TYPE(exc)->tp_str;
    PyObject *args = ((PyBaseExceptionObject *)exc)->args;
    PyObject *only = PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    bool key = say == ((PyTypeObject *)PyExc_KeyError)->tp_str;
    bool base = say == ((PyTypeObject *)PyExc_BaseException)->tp_str;
    if (base && PyTuple_GET_SIZE(args) == 0) {
        return;
    }
    if (key && only != NULL && PyUnicode_CheckExact(only)) {
        ft_strbuf_add_cstr(v->b, ": ");
        ft_value_quoted(v, only);
        return;
    }
    if ((key || base) && only != NULL && PyLong_CheckExact(only)) {
        ft_strbuf_add_cstr(v->b, ": ");
        ft_value_int(v, only);
        return;
    }
    PyObject *text = base && only != NULL && PyUnicode_CheckExact(only)
                         ? Py_NewRef(only)
                         : ft_value_said(v, say, exc);
    if (text != NULL && PyUnicode_Check(text) && PyUnicode_GET_LENGTH(text) > 0) {
        ft_strbuf_add_cstr(v->b, ": ");
        ft_value_str(v, Py_NewRef(text));
    }
    Py_XDECREF(text);
}

/* As the last line of a traceback has it: "ValueError: bad", "app.Error: no such row". */
void
ft_exception_add(struct ft_strbuf *b, PyObject *exc, const struct ft_value_style *style)
{
    size_t start = b->len;
    struct ft_valuer v = {.b = b, .end = start + 4 * (size_t)style->length + 4, .style = style};
    PyObject *saved = PyErr_GetRaisedException();
    ft_value_type_name(&v, Py_TYPE(exc), needs_module(Py_TYPE(exc)));
    if (PyExceptionInstance_Check(exc) && is_readable(exc)) {
        add_exception_text(&v, exc);
    }
    ft_value_restore(&v, saved);
    ft_value_cut(b, start, style->length);
}

/* ---- as values ------------------------------------------------------------------------------- */

static void
add_exception_value(struct ft_valuer *v, PyObject *exc)
{
    PyObject *args;
    FT_BEGIN_CRITICAL_SECTION(exc);
    args = Py_XNewRef(((PyBaseExceptionObject *)exc)->args);
    FT_END_CRITICAL_SECTION();
    ft_value_type_name(v, Py_TYPE(exc), false);
    if (args == NULL || !PyTuple_CheckExact(args)) {
        ft_value_give_up(v);
    }
    else if (ft_value_open(v, exc, NULL, "(...)")) {
        if (PyTuple_GET_SIZE(args) == 1) {
            ft_strbuf_add_char(v->b, '(');
            ft_value_any(v, PyTuple_GET_ITEM(args, 0));
            ft_strbuf_add_char(v->b, ')');
        }
        else {
            ft_value_tuple(v, args);
        }
        ft_value_close(v);
    }
    Py_XDECREF(args);
}

/* "ValueError('bad')", of a built-in type whose repr() looks at nothing but the arguments. */
bool
ft_value_exception(struct ft_valuer *v, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    return PyType_HasFeature(type, Py_TPFLAGS_BASE_EXC_SUBCLASS)
           && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
           && type->tp_repr == ((PyTypeObject *)PyExc_BaseException)->tp_repr
           && ft_value_whole(v, value, add_exception_value);
}
