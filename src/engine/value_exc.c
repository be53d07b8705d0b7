/* Exceptions as one bounded, printable line, without running the program's code. One that leaves a
 * call is shown as a traceback ends: the type, and what a built-in __str__ says of exact built-in
 * arguments. One that is a value is shown as its repr() would. GIL held. */
#include "engine/value.h"

#include "engine/codes.h"

/* Characters of what the text is put together from, each and all arguments: str() makes all of it,
 * to show 120. */
#define MAX_EXCEPTION_ARG 4096
#define MAX_EXCEPTION_ARGS (4 * MAX_EXCEPTION_ARG)

/* How much it adds to a text, about; more than MAX_EXCEPTION_ARG: too much, or code of the program
 * may run for it. */
static Py_ssize_t
text_of(PyObject *value)
{
    if (value == NULL || value == Py_None || PyBool_Check(value) || PyFloat_CheckExact(value)) {
        return 1;
    }
    if (PyUnicode_CheckExact(value)) {
        return PyUnicode_GET_LENGTH(value);
    }
    if (PyBytes_CheckExact(value)) {
        return PyBytes_GET_SIZE(value);
    }
    bool number = PyLong_CheckExact(value) && FT_LONG_DIGITS(value) <= FT_VALUE_INT_DIGITS;
    return number ? (Py_ssize_t)FT_LONG_DIGITS(value) * 10 : MAX_EXCEPTION_ARG + 1;
}

static bool
is_plain(PyObject *value)
{
    return text_of(value) <= MAX_EXCEPTION_ARG;
}

static bool
has_plain_args(PyObject *exc)
{
    PyObject *args = ((PyBaseExceptionObject *)exc)->args;
    Py_ssize_t room = MAX_EXCEPTION_ARGS;
    if (args == NULL || !PyTuple_CheckExact(args)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        Py_ssize_t more = text_of(PyTuple_GET_ITEM(args, i));
        room -= 1 + more;
        if (room < 0 || more > MAX_EXCEPTION_ARG) {
            return false;
        }
    }
    return true;
}

/* Its __str__ trusts that the fields fit together, which any program may change: it reads what lies
 * at `start` in `object` whatever they are. */
static bool
is_sound(const PyUnicodeErrorObject *error, bool decodes)
{
    PyObject *object = error->object;
    bool fits =
        object == NULL || (decodes ? PyBytes_CheckExact(object) : PyUnicode_CheckExact(object));
    return fits && is_plain(object) && error->start >= 0 && is_plain(error->encoding)
           && is_plain(error->reason);
}

/* Whether str(exc) runs no code of the program: a built-in __str__ that is known to read exact
 * built-in values only. That of groups is not: their message may be of a subclass of str. */
static bool
is_readable(PyObject *exc)
{
    reprfunc say = Py_TYPE(exc)->tp_str;
#define IS_OF(type) (say == ((PyTypeObject *)PyExc_##type)->tp_str)
    if (!has_plain_args(exc)) {
        return false;
    }
    if (IS_OF(BaseException) || IS_OF(KeyError) || IS_OF(ImportError)) {
        return true; /* the last looks at msg only if it is a str, and exactly one */
    }
    if (IS_OF(OSError)) {
        PyOSErrorObject *os = (PyOSErrorObject *)exc;
        return is_plain(os->myerrno) && is_plain(os->strerror) && is_plain(os->filename)
               && is_plain(os->filename2);
    }
    if (IS_OF(UnicodeDecodeError) || IS_OF(UnicodeEncodeError) || IS_OF(UnicodeTranslateError)) {
        return is_sound((PyUnicodeErrorObject *)exc, IS_OF(UnicodeDecodeError));
    }
    if (IS_OF(SyntaxError)) {
        PySyntaxErrorObject *syntax = (PySyntaxErrorObject *)exc;
        return is_plain(syntax->msg) && is_plain(syntax->filename) && is_plain(syntax->lineno);
    }
    return false;
#undef IS_OF
}

static bool
needs_module(PyTypeObject *type)
{
    PyObject *module = ft_type_module(type);
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
