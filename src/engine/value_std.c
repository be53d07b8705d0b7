/* Value types of the standard library, exact ones only, read by their fields as C has them: paths,
 * Decimal, datetime, UUID, members of an Enum. Types are taken from the modules already loaded,
 * never imported. GIL held. */
#include "engine/codes.h"
#include "engine/value.h"

#include <datetime.h>

static bool
is_exactly(PyObject *value, const char *module, const char *name)
{
    /* Its own name first: most objects are none of these, and each look into a module is dear. */
    const char *own = Py_TYPE(value)->tp_name, *dot = strrchr(own, '.');
    if (strcmp(dot ? dot + 1 : own, name) != 0) {
        return false;
    }
    PyObject *type = ft_loaded(module, name);
    bool same = (PyObject *)Py_TYPE(value) == type;
    Py_XDECREF(type);
    return same;
}

/* An attribute by the generic lookup, which runs no code for these exact types. New or NULL. */
static PyObject *
field(PyObject *value, const char *name)
{
    PyObject *key = PyUnicode_InternFromString(name);
    PyObject *got = key ? PyObject_GenericGetAttr(value, key) : NULL;
    Py_XDECREF(key);
    if (got == NULL) {
        PyErr_Clear();
    }
    return got;
}

static void
add_text(struct ft_valuer *v, PyObject *str)
{
    PyObject *keep;
    struct ft_str s = ft_utf8(str, &keep);
    ft_strbuf_add_printable(v->b, s);
    Py_XDECREF(keep);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static bool
add_path(struct ft_valuer *v, PyObject *value)
{
    static const char *const names[] = {"PosixPath", "PurePosixPath", "WindowsPath",
                                        "PureWindowsPath"};
    static const char *const modules[] = {"pathlib", "pathlib._local"};
    for (int i = 0; i < 8; i++) {
        if (!is_exactly(value, modules[i / 4], names[i % 4])) {
            continue;
        }
        PyObject *str = field(value, "_str");
        if (str == NULL) {               /* not asked for yet: what it was made of */
            PyObject *raw = field(value, "_raw_paths");
            if (raw != NULL && PyList_CheckExact(raw) && PyList_GET_SIZE(raw) == 1) {
                str = PyList_GetItemRef(raw, 0);
                PyErr_Clear();
            }
            Py_XDECREF(raw);
        }
        ft_strbuf_add_cstr(v->b, names[i % 4]);
        ft_strbuf_add_char(v->b, '(');
        if (str != NULL && PyUnicode_CheckExact(str)) {
            ft_value_quoted(v, str);
        }
        else {
            ft_strbuf_add_cstr(v->b, "...");
        }
        ft_strbuf_add_char(v->b, ')');
        Py_XDECREF(str);
        return true;
    }
    return false;
}

/* ---- numbers and ids ------------------------------------------------------------------------- */

static bool
add_decimal(struct ft_valuer *v, PyObject *value)
{
    if (!is_exactly(value, "_decimal", "Decimal")) {
        return false;
    }
    PyObject *str = ft_value_said(v, Py_TYPE(value)->tp_str, value); /* C, of an exact type */
    ft_strbuf_add_cstr(v->b, "Decimal('");
    if (str != NULL) {
        add_text(v, str);
    }
    PyErr_Clear();
    Py_XDECREF(str);
    ft_strbuf_add_cstr(v->b, "')");
    return true;
}

static bool
add_uuid(struct ft_valuer *v, PyObject *value)
{
    if (!is_exactly(value, "uuid", "UUID")) {
        return false;
    }
    PyObject *number = field(value, "int");
    PyObject *hex = number && PyLong_CheckExact(number) ? PyNumber_ToBase(number, 16) : NULL;
    PyErr_Clear();
    const char *digits = hex ? PyUnicode_AsUTF8(hex) + 2 : "";
    size_t n = strlen(digits);
    ft_strbuf_add_cstr(v->b, "UUID('");
    for (size_t i = 0; i < 32 && n <= 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            ft_strbuf_add_char(v->b, '-');
        }
        ft_strbuf_add_char(v->b, i < 32 - n ? '0' : digits[i - (32 - n)]);
    }
    ft_strbuf_add_cstr(v->b, "')");
    Py_XDECREF(hex);
    Py_XDECREF(number);
    return true;
}

/* ---- dates ----------------------------------------------------------------------------------- */

static void
add_numbers(struct ft_valuer *v, const int *numbers, int n)
{
    for (int i = 0; i < n; i++) {
        ft_strbuf_add_cstr(v->b, i ? ", " : "");
        ft_strbuf_add_i64(v->b, numbers[i]);
    }
}

static void
add_tz(struct ft_valuer *v, PyObject *tz)
{
    if (tz == NULL || tz == Py_None) {
        return;
    }
    ft_strbuf_add_cstr(v->b, ", tzinfo=");
    PyObject *utc = ft_loaded("_datetime", "UTC");
    Py_XDECREF(utc);
    if (tz == utc) {
        ft_strbuf_add_cstr(v->b, "datetime.timezone.utc");
        return;
    }
    PyObject *str =
        is_exactly(tz, "_datetime", "timezone") ? ft_value_said(v, Py_TYPE(tz)->tp_str, tz) : NULL;
    if (str != NULL) {
        add_text(v, str);                /* "UTC+01:00" */
        Py_DECREF(str);
        return;
    }
    PyErr_Clear();
    ft_value_any(v, tz);
}

static void
add_moment(struct ft_valuer *v, PyObject *value)
{
    int n[7] = {PyDateTime_GET_YEAR(value),
                PyDateTime_GET_MONTH(value),
                PyDateTime_GET_DAY(value),
                PyDateTime_DATE_GET_HOUR(value),
                PyDateTime_DATE_GET_MINUTE(value),
                PyDateTime_DATE_GET_SECOND(value),
                PyDateTime_DATE_GET_MICROSECOND(value)};
    ft_strbuf_add_cstr(v->b, "datetime.datetime(");
    add_numbers(v, n, n[6] ? 7 : n[5] ? 6 : 5);
    add_tz(v, PyDateTime_DATE_GET_TZINFO(value));
    ft_strbuf_add_char(v->b, ')');
}

static void
add_time(struct ft_valuer *v, PyObject *value)
{
    int n[4] = {PyDateTime_TIME_GET_HOUR(value), PyDateTime_TIME_GET_MINUTE(value),
                PyDateTime_TIME_GET_SECOND(value), PyDateTime_TIME_GET_MICROSECOND(value)};
    ft_strbuf_add_cstr(v->b, "datetime.time(");
    add_numbers(v, n, n[3] ? 4 : n[2] ? 3 : 2);
    add_tz(v, PyDateTime_TIME_GET_TZINFO(value));
    ft_strbuf_add_char(v->b, ')');
}

static void
add_delta(struct ft_valuer *v, PyObject *value)
{
    static const char *const names[] = {"days=", "seconds=", "microseconds="};
    int n[3] = {PyDateTime_DELTA_GET_DAYS(value), PyDateTime_DELTA_GET_SECONDS(value),
                PyDateTime_DELTA_GET_MICROSECONDS(value)};
    bool any = false;
    ft_strbuf_add_cstr(v->b, "datetime.timedelta(");
    for (int i = 0; i < 3; i++) {
        if (n[i] != 0) {
            ft_strbuf_add_cstr(v->b, any ? ", " : "");
            ft_strbuf_add_cstr(v->b, names[i]);
            ft_strbuf_add_i64(v->b, n[i]);
            any = true;
        }
    }
    ft_strbuf_add_cstr(v->b, any ? ")" : "0)");
}

static void
add_date(struct ft_valuer *v, PyObject *value)
{
    int n[3] = {PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value)};
    ft_strbuf_add_cstr(v->b, "datetime.date(");
    add_numbers(v, n, 3);
    ft_strbuf_add_char(v->b, ')');
}

static bool
add_datetime(struct ft_valuer *v, PyObject *value)
{
    static const struct {
        const char *name;
        void (*add)(struct ft_valuer *v, PyObject *value);
    } types[] = {
        {"datetime", add_moment}, {"date", add_date}, {"time", add_time}, {"timedelta", add_delta}};
    (void)PyDateTimeAPI; /* only the header's field macros are used, not its capsule */
    for (int i = 0; i < 4; i++) {
        if (is_exactly(value, "_datetime", types[i].name)) {
            types[i].add(v, value);
            return true;
        }
    }
    return false;
}

/* ---- enums ----------------------------------------------------------------------------------- */

static bool
add_enum(struct ft_valuer *v, PyObject *value)
{
    if (Py_IS_TYPE(Py_TYPE(value), &PyType_Type)) {
        return false;
    }
    PyObject *meta = ft_loaded("enum", "EnumType");
    bool member = meta != NULL && PyType_Check(meta)
                  && PyObject_TypeCheck(Py_TYPE(value), (PyTypeObject *)meta);
    Py_XDECREF(meta);
    if (!member) {
        return false;
    }
    PyObject *dict = PyObject_GenericGetDict(value, NULL), *name = NULL;
    if (dict == NULL || PyDict_GetItemStringRef(dict, "_name_", &name) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(dict);
    bool named = name != NULL && PyUnicode_CheckExact(name);
    if (named) {
        ft_value_type_name(v, Py_TYPE(value), false);
        ft_strbuf_add_char(v->b, '.');
        add_text(v, name);
    }
    Py_XDECREF(name);
    return named;
}

bool
ft_value_std(struct ft_valuer *v, PyObject *value)
{
    if (!PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_HEAPTYPE)) {
        return add_datetime(v, value) || add_decimal(v, value);
    }
    return add_enum(v, value) || add_path(v, value) || add_uuid(v, value) || add_decimal(v, value)
           || add_datetime(v, value);
}
