/* Values as one bounded, printable line, without running the program's code: exact built-in types
 * are read here, exact value types of the standard library in value_std.c, exceptions in
 * value_exc.c, all else is its type.
 * With --values str the program's own __str__ runs, guarded. GIL held. */
#include "engine/lock.h"
#include "engine/value.h"

#include "engine/codes.h"

#define MAX_NESTING 4

/* ---- text ------------------------------------------------------------------------------------ */

static void
add_escape(struct ft_strbuf *b, Py_UCS4 ch)
{
    static const char hex[] = "0123456789abcdef";
    int digits = ch <= 0xff ? 2 : ch <= 0xffff ? 4 : 8;
    ft_strbuf_add_char(b, '\\');
    ft_strbuf_add_char(b, digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    while (digits-- > 0) {
        ft_strbuf_add_char(b, hex[(ch >> (4 * digits)) & 15]);
    }
}

static void
add_utf8(struct ft_strbuf *b, Py_UCS4 ch)
{
    if (ch < 0x800) {
        ft_strbuf_add_char(b, (char)(0xc0 | ch >> 6));
    }
    else {
        if (ch < 0x10000) {
            ft_strbuf_add_char(b, (char)(0xe0 | ch >> 12));
        }
        else {
            ft_strbuf_add_char(b, (char)(0xf0 | ch >> 18));
            ft_strbuf_add_char(b, (char)(0x80 | (ch >> 12 & 0x3f)));
        }
        ft_strbuf_add_char(b, (char)(0x80 | (ch >> 6 & 0x3f)));
    }
    ft_strbuf_add_char(b, (char)(0x80 | (ch & 0x3f)));
}

static void
add_char(struct ft_strbuf *b, Py_UCS4 ch, char quote)
{
    if (ch == (Py_UCS4)quote || ch == '\\') {
        ft_strbuf_add_char(b, '\\');
        ft_strbuf_add_char(b, (char)ch);
    }
    else if (ch == '\n' || ch == '\r' || ch == '\t') {
        ft_strbuf_add_char(b, '\\');
        ft_strbuf_add_char(b, ch == '\n' ? 'n' : ch == '\r' ? 'r' : 't');
    }
    else if (ch < 0x7f && ch >= 0x20) {
        ft_strbuf_add_char(b, (char)ch);
    }
    else if (ch < 0x80 || !Py_UNICODE_ISPRINTABLE(ch)) {
        add_escape(b, ch);
    }
    else {
        add_utf8(b, ch);
    }
}

void
ft_value_quoted(struct ft_valuer *v, PyObject *str)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    int kind = PyUnicode_KIND(str);
    const void *data = PyUnicode_DATA(str);
    char quote = '\'';
    Py_ssize_t look = n < (Py_ssize_t)v->style->length ? n : (Py_ssize_t)v->style->length;
    if (PyUnicode_FindChar(str, '\'', 0, look, 1) >= 0
        && PyUnicode_FindChar(str, '"', 0, look, 1) < 0) {
        quote = '"';
    }
    ft_strbuf_add_char(v->b, quote);
    for (Py_ssize_t i = 0; i < n && !ft_value_full(v); i++) {
        add_char(v->b, PyUnicode_READ(kind, data, i), quote);
    }
    ft_strbuf_add_char(v->b, quote);
}

static void
add_bytes(struct ft_valuer *v, const char *s, Py_ssize_t n)
{
    bool single = memchr(s, '\'', (size_t)n) && !memchr(s, '"', (size_t)n);
    char quote = single ? '"' : '\'';
    ft_strbuf_add_char(v->b, 'b');
    ft_strbuf_add_char(v->b, quote);
    for (Py_ssize_t i = 0; i < n && !ft_value_full(v); i++) {
        unsigned char ch = (unsigned char)s[i];
        if (ch < 0x80) {
            add_char(v->b, ch, quote);
        }
        else {
            add_escape(v->b, ch);
        }
    }
    ft_strbuf_add_char(v->b, quote);
}

/* What a C function of CPython says of a value. New or NULL. Many of them run the handlers of
 * signals that wait, PyObject_Str() for one; what a handler raises is the program's: it is kept. */
PyObject *
ft_value_said(struct ft_valuer *v, reprfunc say, PyObject *value)
{
    unsigned lock = ft_lock_let_go();
    if (v->raised == NULL && PyErr_CheckSignals() < 0) {
        v->raised = PyErr_GetRaisedException();
    }
    PyObject *str = say(value);
    ft_lock_take_back(lock);
    if (str == NULL && v->raised == NULL && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        v->raised = PyErr_GetRaisedException();
    }
    PyErr_Clear();
    return str;
}

void
ft_value_restore(struct ft_valuer *v, PyObject *saved)
{
    if (v->raised != NULL) {
        Py_XSETREF(saved, v->raised);
    }
    PyErr_SetRaisedException(saved);
}

void
ft_value_str(struct ft_valuer *v, PyObject *str)
{
    PyObject *keep;
    if (str == NULL) {
        PyErr_Clear();
        ft_strbuf_add_char(v->b, '?');
        return;
    }
    struct ft_str s = ft_utf8(str, &keep);
    ft_strbuf_add_printable(v->b, s);
    Py_XDECREF(keep);
    Py_DECREF(str);
}

void
ft_value_int(struct ft_valuer *v, PyObject *value)
{
    int overflow;
    long small = PyLong_AsLongAndOverflow(value, &overflow);
    if (!overflow) {
        ft_strbuf_add_i64(v->b, small);
    }
    else if (FT_LONG_DIGITS(value) <= FT_VALUE_INT_DIGITS) {
        ft_value_str(v, ft_value_said(v, PyLong_Type.tp_repr, value));
    }
    else {
        ft_strbuf_add_cstr(v->b, "<int of about ");
        ft_strbuf_add_u64(v->b, FT_LONG_DIGITS(value) * 30);
        ft_strbuf_add_cstr(v->b, " bits>");
    }
}

/* ---- types and functions --------------------------------------------------------------------- */

void
ft_value_type_name(struct ft_valuer *v, PyTypeObject *type, bool with_module)
{
    const char *dot = strrchr(type->tp_name, '.');
    PyObject *module = with_module ? ft_type_module(type) : NULL, *keep;
    if (module != NULL) {
        struct ft_str s = ft_utf8(module, &keep);
        ft_strbuf_add_printable(v->b, s);
        ft_strbuf_add_char(v->b, '.');
        Py_XDECREF(keep);
        Py_DECREF(module);
    }
    else if (with_module && dot != NULL && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        ft_strbuf_add_printable(v->b,
                                (struct ft_str){type->tp_name, (size_t)(dot + 1 - type->tp_name)});
    }
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        const char *own = dot ? dot + 1 : type->tp_name;
        ft_strbuf_add_printable(v->b, (struct ft_str){own, strlen(own)});
        return;
    }
    PyObject *name = PyType_GetQualName(type);
    if (name != NULL) {
        ft_value_str(v, name);
    }
    PyErr_Clear();
}

static void
add_named(struct ft_valuer *v, const char *what, PyObject *name)
{
    ft_strbuf_add_char(v->b, '<');
    ft_strbuf_add_cstr(v->b, what);
    ft_value_str(v, Py_XNewRef(name));
    ft_strbuf_add_char(v->b, '>');
}

static bool
add_callable(struct ft_valuer *v, PyObject *value)
{
    if (PyType_Check(value)) {
        ft_strbuf_add_cstr(v->b, "<class '");
        ft_value_type_name(v, (PyTypeObject *)value,
                           PyType_HasFeature((PyTypeObject *)value, Py_TPFLAGS_HEAPTYPE));
        ft_strbuf_add_cstr(v->b, "'>");
        return true;
    }
    if (PyFunction_Check(value)) {
        add_named(v, "function ", ((PyFunctionObject *)value)->func_qualname);
        return true;
    }
    if (Py_IS_TYPE(value, &PyMethod_Type) && PyFunction_Check(PyMethod_GET_FUNCTION(value))) {
        add_named(v, "method ", ((PyFunctionObject *)PyMethod_GET_FUNCTION(value))->func_qualname);
        return true;
    }
    if (Py_IS_TYPE(value, &PyCFunction_Type)) {
        ft_strbuf_add_cstr(v->b, "<built-in function ");
        const char *name = ((PyCFunctionObject *)value)->m_ml->ml_name;
        ft_strbuf_add_printable(v->b, (struct ft_str){name, strlen(name)});
        ft_strbuf_add_char(v->b, '>');
        return true;
    }
    return false;
}

/* ---- containers ------------------------------------------------------------------------------ */

/* Of containers that a signal's handler or another thread may change meanwhile: an item is held
 * while it is looked at, and no place in them is relied on. */

static void
add_separated(struct ft_valuer *v, PyObject *item, bool first)
{
    ft_strbuf_add_cstr(v->b, first ? "" : ", ");
    ft_value_any(v, item);
}

static bool
next_of_dict(PyObject *dict, Py_ssize_t *at, PyObject **key, PyObject **item)
{
    bool more;
    FT_BEGIN_CRITICAL_SECTION(dict);
    more = PyDict_Next(dict, at, key, item);
    if (more) {
        Py_INCREF(*key);
        Py_INCREF(*item);
    }
    FT_END_CRITICAL_SECTION();
    return more;
}

static void
add_dict(struct ft_valuer *v, PyObject *dict)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    bool first = true;
    ft_strbuf_add_char(v->b, '{');
    while (!ft_value_full(v) && next_of_dict(dict, &at, &key, &item)) {
        add_separated(v, key, first);
        first = false;
        ft_strbuf_add_cstr(v->b, ": ");
        ft_value_any(v, item);
        Py_DECREF(key);
        Py_DECREF(item);
    }
    ft_strbuf_add_char(v->b, '}');
}

static void
add_set(struct ft_valuer *v, PyObject *set)
{
    bool frozen = Py_IS_TYPE(set, &PyFrozenSet_Type);
    if (PySet_GET_SIZE(set) == 0) {
        ft_strbuf_add_cstr(v->b, frozen ? "frozenset()" : "set()");
        return;
    }
    ft_strbuf_add_cstr(v->b, frozen ? "frozenset({" : "{");
    PyObject *it = PyObject_GetIter(set), *item = NULL;
    bool first = true;
    while (it != NULL && !ft_value_full(v) && (item = PyIter_Next(it)) != NULL) {
        add_separated(v, item, first);
        first = false;
        Py_DECREF(item);
    }
    Py_XDECREF(it);
    PyErr_Clear();
    ft_strbuf_add_cstr(v->b, frozen ? "})" : "}");
}

static void
add_tuple(struct ft_valuer *v, PyObject *tuple)
{
    ft_strbuf_add_char(v->b, '(');
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple) && !ft_value_full(v); i++) {
        add_separated(v, PyTuple_GET_ITEM(tuple, i), i == 0);
    }
    ft_strbuf_add_cstr(v->b, PyTuple_GET_SIZE(tuple) == 1 ? ",)" : ")");
}

static void
add_list(struct ft_valuer *v, PyObject *list)
{
    ft_strbuf_add_char(v->b, '[');
    PyObject *item;
    for (Py_ssize_t i = 0; !ft_value_full(v) && i < PyList_GET_SIZE(list)
                           && (item = PyList_GetItemRef(list, i)) != NULL;
         i++) {
        add_separated(v, item, i == 0);
        Py_DECREF(item);
    }
    PyErr_Clear();
    ft_strbuf_add_char(v->b, ']');
}

static bool
add_container(struct ft_valuer *v, PyObject *value)
{
    static const struct {
        PyTypeObject *type;
        void (*add)(struct ft_valuer *v, PyObject *value);
        const char *deep;
    } containers[] = {
        {&PyTuple_Type, add_tuple, "(...)"},
        {&PyList_Type, add_list, "[...]"},
        {&PyDict_Type, add_dict, "{...}"},
        {&PySet_Type, add_set, "{...}"},
        {&PyFrozenSet_Type, add_set, "frozenset({...})"},
    };
    for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++) {
        if (Py_IS_TYPE(value, containers[i].type)) {
            if (v->depth >= MAX_NESTING) {
                ft_strbuf_add_cstr(v->b, containers[i].deep);
                return true;
            }
            v->depth++;
            containers[i].add(v, value);
            v->depth--;
            return true;
        }
    }
    return false;
}

/* ---- any value ------------------------------------------------------------------------------- */

static bool
add_scalar(struct ft_valuer *v, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (value == Py_None || value == Py_True || value == Py_False) {
        ft_strbuf_add_cstr(v->b, value == Py_None ? "None" : value == Py_True ? "True" : "False");
    }
    else if (type == &PyLong_Type) {
        ft_value_int(v, value);
    }
    else if (type == &PyUnicode_Type) {
        ft_value_quoted(v, value);
    }
    else if (type == &PyFloat_Type || type == &PyComplex_Type) {
        ft_value_str(v, ft_value_said(v, type->tp_repr, value));
    }
    else if (type == &PyBytes_Type) {
        add_bytes(v, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    }
    else if (type == &PyByteArray_Type) {
        ft_strbuf_add_cstr(v->b, "bytearray(");
        FT_BEGIN_CRITICAL_SECTION(value);
        add_bytes(v, PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value));
        FT_END_CRITICAL_SECTION();
        ft_strbuf_add_char(v->b, ')');
    }
    else if (value == Py_Ellipsis || value == Py_NotImplemented) {
        ft_strbuf_add_cstr(v->b, value == Py_Ellipsis ? "Ellipsis" : "NotImplemented");
    }
    else {
        return false;
    }
    return true;
}

static void
add_range(struct ft_valuer *v, PyObject *range)
{
    static const char *const fields[] = {"start", "stop", "step"};
    ft_strbuf_add_cstr(v->b, "range(");
    for (int i = 0; i < 3; i++) {
        PyObject *field = PyObject_GetAttrString(range, fields[i]);
        bool known = field != NULL && PyLong_CheckExact(field);
        bool default_step = known && i == 2 && PyLong_AsLong(field) == 1;
        if (known && !default_step) {
            ft_strbuf_add_cstr(v->b, i ? ", " : "");
            ft_value_int(v, field);
        }
        PyErr_Clear();
        Py_XDECREF(field);
    }
    ft_strbuf_add_char(v->b, ')');
}

void
ft_value_any(struct ft_valuer *v, PyObject *value)
{
    if (add_scalar(v, value) || add_container(v, value) || add_callable(v, value)) {
        return;
    }
    if (Py_IS_TYPE(value, &PyRange_Type)) {
        add_range(v, value);
        return;
    }
    if (ft_value_std(v, value)) {
        return;
    }
    ft_strbuf_add_char(v->b, '<');
    ft_value_type_name(v, Py_TYPE(value), true);
    ft_strbuf_add_cstr(v->b, " object>");
}

/* ---- the program's own words ----------------------------------------------------------------- */

/* Runs str(value). What it raises is said in its place, but for a KeyboardInterrupt, which is the
 * user's and stays set. */
static void
add_by_str(struct ft_valuer *v, PyObject *value)
{
    unsigned lock = ft_lock_let_go();
    PyObject *str = PyObject_Str(value);
    ft_lock_take_back(lock);
    if (str != NULL) {
        PyObject *cut = PyUnicode_Substring(str, 0, (Py_ssize_t)v->style->length + 1);
        Py_DECREF(str);
        ft_value_str(v, cut);
        return;
    }
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        ft_strbuf_add_cstr(v->b, "<interrupted>");
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    ft_strbuf_add_char(v->b, '<');
    ft_value_type_name(v, Py_TYPE(value), true);
    ft_strbuf_add_cstr(v->b, " object: __str__ raised ");
    ft_value_type_name(v, Py_TYPE(exc), false);
    ft_strbuf_add_char(v->b, '>');
    Py_DECREF(exc);
}

void
ft_value_cut(struct ft_strbuf *b, size_t start, size_t length)
{
    size_t chars = 0, keep = start, i = start;
    if (b->len - start <= length) {
        return; /* no more bytes than characters are allowed */
    }
    for (; i < b->len; i++) {
        if (((unsigned char)b->data[i] & 0xc0) != 0x80) {
            if (chars == (length > 3 ? length - 3 : 0)) {
                keep = i;
            }
            if (++chars > length) {
                b->len = keep;
                ft_strbuf_add_cstr(b, "...");
                return;
            }
        }
    }
}

void
ft_value_add(struct ft_strbuf *b, PyObject *value, const struct ft_value_style *style)
{
    size_t start = b->len;
    /* Four bytes a character at most: enough to know whether to cut. */
    struct ft_valuer v = {b, start + 4 * (size_t)style->length + 4, 0, style, NULL};
    if (style->mode == FT_VALUES_STR) {
        add_by_str(&v, value);
    }
    else {
        PyObject *exc = PyErr_GetRaisedException();
        ft_value_any(&v, value);
        ft_value_restore(&v, exc);
    }
    ft_value_cut(b, start, style->length);
}
