/* Types of the standard library, exact ones only, told by name and module and read by their fields
 * as C has them: paths, Decimal, Fraction, datetime, UUID, compiled patterns, members of an Enum;
 * those of collections in value_collections.c. Types are taken from the modules already loaded,
 * never imported. GIL held. */
#include "engine/codes.h"
#include "engine/value.h"

#include <datetime.h>

static bool
is_exactly(PyObject *value, const char *module, const char *name)
{
    PyObject *type = ft_loaded(module, name);
    bool same = (PyObject *)Py_TYPE(value) == type;
    Py_XDECREF(type);
    return same;
}

/* Only by a descriptor that C made: any other may be a property of the program's, whose class may
 * stand in the module in place of the library's. New or NULL. */
PyObject *
ft_value_field(PyObject *value, const char *name)
{
    PyTypeObject *type = Py_TYPE(value);
    PyObject *key = PyUnicode_InternFromString(name), *got = NULL;
    PyObject *found = key ? FT_TYPE_LOOKUP(type, key) : NULL;
    if (found != NULL
        && (Py_IS_TYPE(found, &PyMemberDescr_Type)
            || (Py_IS_TYPE(found, &PyGetSetDescr_Type)
                && PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE)))) {
        got = Py_TYPE(found)->tp_descr_get(found, value, (PyObject *)type);
    }
    PyErr_Clear();
    Py_XDECREF(found);
    Py_XDECREF(key);
    return got;
}

/* A method without arguments, of an immutable type of C: no program can put its own in its place.
 * New or NULL. */
static PyObject *
call_c_method(PyObject *value, const char *name)
{
    PyObject *key = PyUnicode_InternFromString(name);
    PyObject *got = key ? PyObject_CallMethodNoArgs(value, key) : NULL;
    PyErr_Clear();
    Py_XDECREF(key);
    return got;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Longer ones that were not asked for their text yet are not put together for a line: four
 * kilobytes of stack. */
#define MAX_PATH 1000

struct joined {
    Py_UCS4 text[MAX_PATH + 2];
    Py_ssize_t len, root; /* characters; of them "/" or "//" at the start */
};

static void
join_part(struct joined *j, PyObject *part)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(part), from = 0;
    if (n > 0 && PyUnicode_READ_CHAR(part, 0) == '/') { /* what was before it does not count */
        bool two = n > 1 && PyUnicode_READ_CHAR(part, 1) == '/'
                   && (n == 2 || PyUnicode_READ_CHAR(part, 2) != '/');
        j->len = j->root = two ? 2 : 1;
        j->text[0] = j->text[1] = '/';
    }
    for (Py_ssize_t i = 0; i <= n; i++) {
        if (i < n && PyUnicode_READ_CHAR(part, i) != '/') {
            continue;
        }
        bool dot = i == from + 1 && PyUnicode_READ_CHAR(part, from) == '.';
        if (i > from && !dot) {
            if (j->len > j->root) {
                j->text[j->len++] = '/';
            }
            for (; from < i; from++) {
                j->text[j->len++] = PyUnicode_READ_CHAR(part, from);
            }
        }
        from = i + 1;
    }
}

/* The text of a POSIX path that was not asked for it yet, as pathlib puts it together from what it
 * was made of. New or NULL. */
static PyObject *
path_of(PyObject *parts)
{
    struct joined j = {.len = 0, .root = 0};
    Py_ssize_t n = PyList_GET_SIZE(parts), room = MAX_PATH;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *part = PyList_GetItemRef(parts, i);
        bool good = part != NULL && PyUnicode_CheckExact(part)
                    && (room -= PyUnicode_GET_LENGTH(part) + 1) >= 0;
        if (good) {
            join_part(&j, part);
        }
        PyErr_Clear();
        Py_XDECREF(part);
        if (!good) {
            return NULL;
        }
    }
    if (j.len == 0) {
        j.text[j.len++] = '.';
    }
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, j.text, j.len);
}

static void
add_path_of(struct ft_valuer *v, PyObject *value, PyObject *str)
{
    const char *name = Py_TYPE(value)->tp_name;
    ft_strbuf_add_printable(v->b, (struct ft_str){name, strlen(name)});
    ft_strbuf_add_char(v->b, '(');
    if (str != NULL && PyUnicode_CheckExact(str)) {
        ft_value_quoted(v, str);
    }
    else {
        ft_strbuf_add_cstr(v->b, "...");
    }
    ft_strbuf_add_char(v->b, ')');
    PyErr_Clear();
    Py_XDECREF(str);
}

static bool
add_posix_path(struct ft_valuer *v, PyObject *value)
{
    PyObject *str = ft_value_field(value, "_str");
    if (str == NULL) {
        PyObject *parts = ft_value_field(value, "_raw_paths");
        str = parts != NULL && PyList_CheckExact(parts) ? path_of(parts) : NULL;
        Py_XDECREF(parts);
    }
    add_path_of(v, value, str);
    return true;
}

/* Only once its text is known: pathlib's rules for drives and shares are not repeated here. */
static bool
add_windows_path(struct ft_valuer *v, PyObject *value)
{
    PyObject *str = ft_value_field(value, "_str"), *posix = NULL;
    if (str != NULL && PyUnicode_CheckExact(str)) {
        PyObject *from = PyUnicode_FromString("\\"), *to = PyUnicode_FromString("/");
        posix = from && to ? PyUnicode_Replace(str, from, to, -1) : NULL;
        Py_XDECREF(from);
        Py_XDECREF(to);
    }
    Py_XDECREF(str);
    add_path_of(v, value, posix);
    return true;
}

/* ---- numbers and ids ------------------------------------------------------------------------- */

/* In bytes, about 4800 digits: str() makes all of them, to show 120. No header tells how many. */
#define MAX_DECIMAL 2048

static bool
add_decimal(struct ft_valuer *v, PyObject *value)
{
    PyObject *size = call_c_method(value, "__sizeof__");
    bool small = size != NULL && PyLong_CheckExact(size) && PyLong_AsLong(size) <= MAX_DECIMAL;
    Py_XDECREF(size);
    if (small) {
        ft_strbuf_add_cstr(v->b, "Decimal('");
        ft_value_str(v, Py_TYPE(value)->tp_str(value)); /* C, of an exact type; asks no signals */
        ft_strbuf_add_cstr(v->b, "')");
    }
    return small;
}

static bool
add_uuid(struct ft_valuer *v, PyObject *value)
{
    PyObject *number = ft_value_field(value, "int"); /* none yet while its __init__ runs */
    bool small = number && PyLong_CheckExact(number) && FT_LONG_DIGITS(number) <= 5;
    PyObject *hex = small ? PyNumber_ToBase(number, 16) : NULL;
    const char *digits = hex ? PyUnicode_AsUTF8(hex) : NULL;
    size_t n = digits && digits[0] == '0' ? strlen(digits) - 2 : 33; /* "-0x1" is none */
    PyErr_Clear();
    if (n <= 32) {
        ft_strbuf_add_cstr(v->b, "UUID('");
        for (size_t i = 0; i < 32; i++) {
            if (i == 8 || i == 12 || i == 16 || i == 20) {
                ft_strbuf_add_char(v->b, '-');
            }
            ft_strbuf_add_char(v->b, i < 32 - n ? '0' : digits[2 + i - (32 - n)]);
        }
        ft_strbuf_add_cstr(v->b, "')");
    }
    Py_XDECREF(hex);
    Py_XDECREF(number);
    return n <= 32;
}

static bool
add_fraction(struct ft_valuer *v, PyObject *value)
{
    PyObject *above = ft_value_field(value, "_numerator");
    PyObject *below = ft_value_field(value, "_denominator");
    bool known = above && below && PyLong_CheckExact(above) && PyLong_CheckExact(below);
    if (known) {
        ft_strbuf_add_cstr(v->b, "Fraction(");
        ft_value_int(v, above);
        ft_strbuf_add_cstr(v->b, ", ");
        ft_value_int(v, below);
        ft_strbuf_add_char(v->b, ')');
    }
    Py_XDECREF(above);
    Py_XDECREF(below);
    return known;
}

/* ---- regular expressions --------------------------------------------------------------------- */

/* Longer ones cost their repr() too much: Python makes all of it, to show 200 characters. */
#define MAX_PATTERN 4096

static bool
add_pattern(struct ft_valuer *v, PyObject *value)
{
    PyObject *text = ft_value_field(value, "pattern");
    bool plain = text != NULL
                 && ((PyUnicode_CheckExact(text) && PyUnicode_GET_LENGTH(text) <= MAX_PATTERN)
                     || (PyBytes_CheckExact(text) && PyBytes_GET_SIZE(text) <= MAX_PATTERN));
    if (plain) {
        ft_value_str(v, ft_value_said(v, Py_TYPE(value)->tp_repr, value));
    }
    Py_XDECREF(text);
    return plain;
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
    if (tz != NULL && tz != Py_None) {
        ft_strbuf_add_cstr(v->b, ", tzinfo=");
        ft_value_any(v, tz);
    }
}

static bool
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
    ft_strbuf_add_cstr(v->b, PyDateTime_DATE_GET_FOLD(value) ? ", fold=1" : "");
    add_tz(v, PyDateTime_DATE_GET_TZINFO(value));
    ft_strbuf_add_char(v->b, ')');
    return true;
}

static bool
add_time(struct ft_valuer *v, PyObject *value)
{
    int n[4] = {PyDateTime_TIME_GET_HOUR(value), PyDateTime_TIME_GET_MINUTE(value),
                PyDateTime_TIME_GET_SECOND(value), PyDateTime_TIME_GET_MICROSECOND(value)};
    ft_strbuf_add_cstr(v->b, "datetime.time(");
    add_numbers(v, n, n[3] ? 4 : n[2] ? 3 : 2);
    add_tz(v, PyDateTime_TIME_GET_TZINFO(value));
    ft_strbuf_add_cstr(v->b, PyDateTime_TIME_GET_FOLD(value) ? ", fold=1)" : ")");
    return true;
}

static bool
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
    return true;
}

static bool
add_date(struct ft_valuer *v, PyObject *value)
{
    int n[3] = {PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value)};
    ft_strbuf_add_cstr(v->b, "datetime.date(");
    add_numbers(v, n, 3);
    ft_strbuf_add_char(v->b, ')');
    return true;
}

static bool
add_timezone(struct ft_valuer *v, PyObject *value)
{
    PyObject *utc = ft_loaded("_datetime", "UTC");
    Py_XDECREF(utc);
    if (value == utc) {
        ft_strbuf_add_cstr(v->b, "datetime.timezone.utc");
        return true;
    }
    /* What pickle asks of it, a method of C: (offset,) or (offset, name). No header tells more. */
    PyObject *args = call_c_method(value, "__getinitargs__");
    Py_ssize_t n = args != NULL && PyTuple_CheckExact(args) ? PyTuple_GET_SIZE(args) : 0;
    bool known = n > 0 && is_exactly(PyTuple_GET_ITEM(args, 0), "_datetime", "timedelta")
                 && (n == 1 || PyUnicode_CheckExact(PyTuple_GET_ITEM(args, 1)));
    if (known) {
        ft_strbuf_add_cstr(v->b, "datetime.timezone(");
        add_delta(v, PyTuple_GET_ITEM(args, 0));
        if (n > 1) {
            ft_strbuf_add_cstr(v->b, ", ");
            ft_value_quoted(v, PyTuple_GET_ITEM(args, 1));
        }
        ft_strbuf_add_char(v->b, ')');
    }
    Py_XDECREF(args);
    return known;
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
    PyObject *dict = PyObject_GenericGetDict(value, NULL);
    PyObject *name = ft_dict_find(dict, "_name_");
    PyErr_Clear();
    Py_XDECREF(dict);
    bool named = name != NULL && PyUnicode_CheckExact(name);
    if (named) {
        ft_value_type_name(v, Py_TYPE(value), false);
        ft_strbuf_add_char(v->b, '.');
        ft_value_str(v, Py_NewRef(name));
    }
    Py_XDECREF(name);
    return named;
}

/* ---- by their names -------------------------------------------------------------------------- */

/* `immutable`: of C, whose fields and slots no program can replace. */
static const struct known {
    const char *name, *module, *or_module;
    bool immutable;
    bool (*add)(struct ft_valuer *v, PyObject *value);
} known_types[] = {
    {"datetime", "_datetime", NULL, true, add_moment},
    {"date", "_datetime", NULL, true, add_date},
    {"time", "_datetime", NULL, true, add_time},
    {"timedelta", "_datetime", NULL, true, add_delta},
    {"timezone", "_datetime", NULL, true, add_timezone},
    {"Decimal", "_decimal", NULL, true, add_decimal},
    {"Fraction", "fractions", NULL, false, add_fraction},
    {"UUID", "uuid", NULL, false, add_uuid},
    {"PosixPath", "pathlib", "pathlib._local", false, add_posix_path},
    {"PurePosixPath", "pathlib", "pathlib._local", false, add_posix_path},
    {"WindowsPath", "pathlib", "pathlib._local", false, add_windows_path},
    {"PureWindowsPath", "pathlib", "pathlib._local", false, add_windows_path},
    {"Pattern", "re", NULL, true, add_pattern},
    {"deque", "_collections", NULL, true, ft_value_deque},
    {"defaultdict", "_collections", NULL, true, ft_value_defaultdict},
    {"Counter", "collections", NULL, false, ft_value_counter},
};

static bool
add_known(struct ft_valuer *v, PyObject *value)
{
    /* The name first: most objects are none of these, and each look into a module is dear. */
    PyTypeObject *type = Py_TYPE(value);
    const char *dot = strrchr(type->tp_name, '.'), *name = dot ? dot + 1 : type->tp_name;
    (void)PyDateTimeAPI; /* only the header's field macros are used, not its capsule */
    for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++) {
        const struct known *known = &known_types[i];
        if (name[0] == known->name[0] && strcmp(name, known->name) == 0) {
            return (!known->immutable || PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE))
                   && (is_exactly(value, known->module, name)
                       || (known->or_module && is_exactly(value, known->or_module, name)))
                   && known->add(v, value);
        }
    }
    return false;
}

bool
ft_value_std(struct ft_valuer *v, PyObject *value)
{
    if (!PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_HEAPTYPE)) {
        return add_known(v, value);
    }
    return add_enum(v, value) || add_known(v, value) || ft_value_namedtuple(v, value);
}
