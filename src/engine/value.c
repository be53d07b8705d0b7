/* Values as one bounded, printable line, without running the program's code: the common built-in
 * types are read here, the others in value_builtin.c, exceptions in value_exc.c, types of the
 * standard library in value_std.c and value_collections.c, exact ones only; all else is its type.
 * With --values str the program's own __str__ runs, guarded. GIL held. */
#include "engine/lock.h"
#include "engine/value.h"

#include "engine/codes.h"

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

/* How much of a text decides by which quotes it is shown: all that is shown at least. */
static Py_ssize_t
looked_at(const struct ft_valuer *v, Py_ssize_t n)
{
    Py_ssize_t shown = (Py_ssize_t)v->style->length;
    Py_ssize_t most = shown > FT_VALUE_QUOTED ? shown : FT_VALUE_QUOTED;
    return n < most ? n : most;
}

void
ft_value_quoted(struct ft_valuer *v, PyObject *str)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    int kind = PyUnicode_KIND(str);
    const void *data = PyUnicode_DATA(str);
    char quote = '\'';
    Py_ssize_t look = looked_at(v, n);
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

/* `escaped`: a quote that has a backslash before it whichever quotes are around; 0: none. */
static void
add_bytes(struct ft_valuer *v, const char *s, Py_ssize_t n, char escaped)
{
    size_t look = (size_t)looked_at(v, n);
    bool single = memchr(s, '\'', look) && !memchr(s, '"', look);
    char quote = single ? '"' : '\'';
    ft_strbuf_add_char(v->b, 'b');
    ft_strbuf_add_char(v->b, quote);
    for (Py_ssize_t i = 0; i < n && !ft_value_full(v); i++) {
        unsigned char ch = (unsigned char)s[i];
        if (ch < 0x80) {
            add_char(v->b, ch, escaped ? escaped : quote);
        }
        else {
            add_escape(v->b, ch);
        }
    }
    ft_strbuf_add_char(v->b, quote);
}

/* What a C function of CPython says of a value. New or NULL. For those that run the handlers of
 * signals that wait, as PyObject_Str() does, and long ints: what a handler raises is the program's:
 * it is kept. What runs none is called without this: a handler that runs here is not traced. */
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
    Py_ssize_t enough = (Py_ssize_t)v->style->length + 1;
    if (PyUnicode_GET_LENGTH(str)
        > enough) { /* names may be of any length, and str keeps its UTF-8 */
        Py_SETREF(str, PyUnicode_Substring(str, 0, enough));
    }
    struct ft_str s = ft_utf8(str, &keep);
    ft_strbuf_add_printable(v->b, s);
    PyErr_Clear();
    Py_XDECREF(keep);
    Py_XDECREF(str);
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
    PyObject *module = with_module ? ft_type_module(type) : NULL;
    if (module != NULL && PyUnicode_GET_LENGTH(module) == (Py_ssize_t)strlen("builtins")
        && PyUnicode_CompareWithASCIIString(module, "builtins") == 0) {
        Py_CLEAR(module); /* a few of its types are made on the heap: ExceptionGroup */
    }
    else if (module != NULL) {
        ft_value_str(v, module);
        ft_strbuf_add_char(v->b, '.');
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
        ft_value_type_name(v, (PyTypeObject *)value, true);
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

bool
ft_value_open(struct ft_valuer *v, PyObject *container, const char *again, const char *deep)
{
    for (int i = 0; again != NULL && i < v->depth; i++) {
        if (v->open[i] == container) {
            ft_strbuf_add_cstr(v->b, again);
            return false;
        }
    }
    if (v->depth >= FT_VALUE_NESTING) {
        ft_strbuf_add_cstr(v->b, deep);
        return false;
    }
    v->open[v->depth++] = again ? container : NULL;
    return true;
}

void
ft_value_close(struct ft_valuer *v)
{
    v->depth--;
}

void
ft_value_item(struct ft_valuer *v, PyObject *item, bool first)
{
    ft_strbuf_add_cstr(v->b, first ? "" : ", ");
    ft_value_any(v, item);
}

void
ft_value_give_up(struct ft_valuer *v)
{
    v->foreign = true;
    if (v->wholes > 0) {
        v->end = 0; /* else exceptions within exceptions are read again and again for nothing */
    }
}

bool
ft_value_whole(struct ft_valuer *v, PyObject *value,
               void (*add)(struct ft_valuer *v, PyObject *value))
{
    size_t start = v->b->len, end = v->end;
    bool before = v->foreign;
    v->foreign = false;
    v->wholes++;
    add(v, value);
    v->wholes--;
    bool whole = !v->foreign;
    v->foreign = before;
    v->end = end;
    if (!whole) {
        v->b->len = start;
    }
    return whole;
}

bool
ft_value_next_pair(struct ft_value_pairs *pairs, PyObject **key, PyObject **item)
{
    bool more;
    if (pairs->order != NULL) {
        more = pairs->at < PyTuple_GET_SIZE(pairs->order);
        if (more) {
            *key = Py_NewRef(PyTuple_GET_ITEM(pairs->order, pairs->at));
            *item = Py_NewRef(PyTuple_GET_ITEM(pairs->order, pairs->at + 1));
            pairs->at += 2;
        }
        return more;
    }
    FT_BEGIN_CRITICAL_SECTION(pairs->dict);
    more = PyDict_Next(pairs->dict, &pairs->at, key, item);
    if (more) {
        Py_INCREF(*key);
        Py_INCREF(*item);
    }
    FT_END_CRITICAL_SECTION();
    return more;
}

void
ft_value_dict(struct ft_valuer *v, struct ft_value_pairs *pairs)
{
    PyObject *key, *item;
    bool first = true;
    ft_strbuf_add_char(v->b, '{');
    while (!ft_value_full(v) && ft_value_next_pair(pairs, &key, &item)) {
        ft_value_item(v, key, first);
        first = false;
        ft_strbuf_add_cstr(v->b, ": ");
        ft_value_any(v, item);
        Py_DECREF(key);
        Py_DECREF(item);
    }
    ft_strbuf_add_char(v->b, '}');
}

static void
add_dict(struct ft_valuer *v, PyObject *dict)
{
    struct ft_value_pairs pairs = {dict, NULL, 0};
    ft_value_dict(v, &pairs);
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
        ft_value_item(v, item, first);
        first = false;
        Py_DECREF(item);
    }
    Py_XDECREF(it);
    PyErr_Clear();
    ft_strbuf_add_cstr(v->b, frozen ? "})" : "}");
}

void
ft_value_tuple(struct ft_valuer *v, PyObject *tuple)
{
    ft_strbuf_add_char(v->b, '(');
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple) && !ft_value_full(v); i++) {
        ft_value_item(v, PyTuple_GET_ITEM(tuple, i), i == 0);
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
        ft_value_item(v, item, i == 0);
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
        const char *again, *deep;
    } containers[] = {
        {&PyTuple_Type, ft_value_tuple, "(...)", "(...)"},
        {&PyList_Type, add_list, "[...]", "[...]"},
        {&PyDict_Type, add_dict, "{...}", "{...}"},
        {&PySet_Type, add_set, "set(...)", "{...}"},
        {&PyFrozenSet_Type, add_set, "frozenset(...)", "frozenset({...})"},
    };
    for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++) {
        if (Py_IS_TYPE(value, containers[i].type)) {
            if (ft_value_open(v, value, containers[i].again, containers[i].deep)) {
                containers[i].add(v, value);
                ft_value_close(v);
            }
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
        ft_value_str(v, type->tp_repr(value));
    }
    else if (type == &PyBytes_Type) {
        add_bytes(v, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), 0);
    }
    else if (type == &PyByteArray_Type) {
        ft_strbuf_add_cstr(v->b, "bytearray(");
        FT_BEGIN_CRITICAL_SECTION(value);
        add_bytes(v, PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value),
                  FT_BYTEARRAY_ESCAPES);
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

void
ft_value_any(struct ft_valuer *v, PyObject *value)
{
    if (add_scalar(v, value) || add_container(v, value) || add_callable(v, value)) {
        return;
    }
    if (ft_value_std(v, value) || ft_value_builtin(v, value)) {
        return;
    }
    ft_value_give_up(v);
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
    struct ft_valuer v = {.b = b, .end = start + 4 * (size_t)style->length + 4, .style = style};
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
