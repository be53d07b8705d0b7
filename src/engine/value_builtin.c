/* Exact built-in types beside the common ones of value.c: range, slice, memoryview, the views of
 * dicts, mappingproxy, OrderedDict (which is C's), frozendict, list[int], int | str. Read through
 * the C API and slots of their types, which no program can replace. GIL held. */
#include "engine/value.h"

/* ---- range, slice, memoryview ---------------------------------------------------------------- */

static bool
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
    return true;
}

static bool
add_slice(struct ft_valuer *v, PyObject *value)
{
    PySliceObject *slice = (PySliceObject *)value;
    if (ft_value_open(v, value, NULL, "slice(...)")) {
        ft_strbuf_add_cstr(v->b, "slice(");
        ft_value_item(v, slice->start, true);
        ft_value_item(v, slice->stop, false);
        ft_value_item(v, slice->step, false);
        ft_strbuf_add_char(v->b, ')');
        ft_value_close(v);
    }
    return true;
}

static bool
add_memoryview(struct ft_valuer *v, PyObject *value)
{
    ft_value_str(v, PyMemoryView_Type.tp_repr(value)); /* an address; nothing runs for it */
    return true;
}

/* ---- what shows a dict ----------------------------------------------------------------------- */

static int
visit_first(PyObject *object, void *found)
{
    *(PyObject **)found = object;
    return 1;
}

/* What a view or a proxy is of: the only object that its type's tp_traverse visits. No header tells
 * of the field, and no program can replace the slot. Borrowed or NULL; it does not change. */
static PyObject *
shown_by(PyObject *value)
{
    PyObject *found = NULL;
    Py_TYPE(value)->tp_traverse(value, visit_first, &found);
    return found;
}

static bool
add_proxy(struct ft_valuer *v, PyObject *value)
{
    PyObject *mapping = shown_by(value);
    if (mapping == NULL || !PyDict_CheckExact(mapping)) {
        return false; /* of a mapping that may be the program's own */
    }
    Py_INCREF(mapping);
    ft_strbuf_add_cstr(v->b, "mappingproxy(");
    ft_value_any(v, mapping);
    ft_strbuf_add_char(v->b, ')');
    Py_DECREF(mapping);
    return true;
}

#ifndef Py_GIL_DISABLED
/* More keys than this are not looked through. */
#define MAX_ORDERED 1000

/* Whether looking a key up runs no code of the program, nor does a key that it may collide with: C
 * hashes and compares them. */
static bool
is_plain_key(PyObject *key)
{
    return PyUnicode_CheckExact(key) || PyLong_CheckExact(key) || PyBytes_CheckExact(key)
           || PyFloat_CheckExact(key) || PyBool_Check(key) || key == Py_None;
}

static bool
has_plain_keys(PyObject *dict)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &item)) {
        if (!is_plain_key(key)) {
            return false;
        }
    }
    return true;
}

static int
count_visited(PyObject *Py_UNUSED(object), void *count)
{
    return ++*(Py_ssize_t *)count > 4 * MAX_ORDERED;
}

struct taking {
    PyObject *dict, *pairs; /* borrowed: where the values are; what is filled */
    Py_ssize_t skip, at;
};

static int
take_pair(PyObject *key, void *arg)
{
    struct taking *taking = arg;
    PyObject *item;
    if (taking->skip > 0) {
        taking->skip--;
        return 0;
    }
    if (taking->at == PyTuple_GET_SIZE(taking->pairs) || !is_plain_key(key)
        || PyDict_GetItemRef(taking->dict, key, &item) <= 0) {
        return 1;
    }
    PyTuple_SET_ITEM(taking->pairs, taking->at++, Py_NewRef(key));
    PyTuple_SET_ITEM(taking->pairs, taking->at++, item);
    return 0;
}

/* What it holds, in its order, which move_to_end() changes and is only in a list of its own that no
 * header tells of: its tp_traverse visits its __dict__ if there is one, that list's keys, then what
 * dict's visits. Its iterator is not asked: it looks up keys that dict.__delitem__() left in that
 * list, which may be of any type. New or NULL: what dict's methods changed, for one. */
static PyObject *
pairs_in_order(PyObject *dict)
{
    Py_ssize_t n = PyDict_GET_SIZE(dict), all = 0, of_dict = 0;
    PyObject *own = *(PyObject **)((char *)dict + PyODict_Type.tp_dictoffset);
    if (n > MAX_ORDERED || !has_plain_keys(dict)) {
        return NULL;
    }
    PyODict_Type.tp_traverse(dict, count_visited, &all);
    PyDict_Type.tp_traverse(dict, count_visited, &of_dict);
    PyObject *pairs = all - of_dict - (own != NULL) == n ? PyTuple_New(2 * n) : NULL;
    if (pairs != NULL) {
        struct taking taking = {dict, pairs, own != NULL, 0};
        PyODict_Type.tp_traverse(dict, take_pair, &taking);
        if (taking.at < 2 * n) {
            Py_CLEAR(pairs);
        }
    }
    PyErr_Clear();
    return pairs;
}
#endif

/* Ready to be read in its order. False: it cannot be. */
static bool
is_ordered(struct ft_value_pairs *pairs, PyObject *dict)
{
#ifdef Py_GIL_DISABLED
    /* 3.13 keeps the order without any lock: another thread may be about to change it. */
    (void)pairs, (void)dict;
    return false;
#else
    *pairs =
        (struct ft_value_pairs){dict, PyODict_CheckExact(dict) ? pairs_in_order(dict) : NULL, 0};
    return pairs->order != NULL;
#endif
}

static bool
add_ordered(struct ft_valuer *v, PyObject *value)
{
    struct ft_value_pairs pairs;
    if (PyDict_GET_SIZE(value) == 0) {
        ft_strbuf_add_cstr(v->b, "OrderedDict()");
        return true;
    }
    if (!is_ordered(&pairs, value)) {
        return false;
    }
    if (ft_value_open(v, value, "...", "OrderedDict({...})")) {
        ft_strbuf_add_cstr(v->b, "OrderedDict(");
        ft_value_dict(v, &pairs);
        ft_strbuf_add_char(v->b, ')');
        ft_value_close(v);
    }
    Py_DECREF(pairs.order);
    return true;
}

#ifdef FT_FROZENDICT
static bool
add_frozen(struct ft_valuer *v, PyObject *value)
{
    struct ft_value_pairs pairs = {value, NULL, 0};
    if (PyObject_Length(value) == 0) {
        ft_strbuf_add_cstr(v->b, "frozendict()");
    }
    else if (ft_value_open(v, value, "frozendict({...})", "frozendict({...})")) {
        ft_strbuf_add_cstr(v->b, "frozendict(");
        ft_value_dict(v, &pairs);
        ft_strbuf_add_char(v->b, ')');
        ft_value_close(v);
    }
    return true;
}
#endif

static void
add_listed(struct ft_valuer *v, struct ft_value_pairs *pairs, bool keys, bool items)
{
    PyObject *key, *item;
    for (bool first = true; !ft_value_full(v) && ft_value_next_pair(pairs, &key, &item);
         first = false) {
        ft_strbuf_add_cstr(v->b, first ? "" : ", ");
        ft_strbuf_add_cstr(v->b, keys && items ? "(" : "");
        if (keys) {
            ft_value_any(v, key);
        }
        if (items) {
            ft_value_item(v, item, !keys);
        }
        ft_strbuf_add_cstr(v->b, keys && items ? ")" : "");
        Py_DECREF(key);
        Py_DECREF(item);
    }
}

static bool
add_view(struct ft_valuer *v, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    PyObject *dict = shown_by(value);
    bool ordered =
        type == &PyODictKeys_Type || type == &PyODictValues_Type || type == &PyODictItems_Type;
    bool keys = type != &PyDictValues_Type && type != &PyODictValues_Type;
    bool items = type != &PyDictKeys_Type && type != &PyODictKeys_Type;
    struct ft_value_pairs pairs = {dict, NULL, 0};
    if (dict == NULL || !FT_IS_DICT(dict) || (ordered && !is_ordered(&pairs, dict))) {
        return false;
    }
    if (ft_value_open(v, value, "...", "...")) {
        ft_strbuf_add_cstr(v->b, type->tp_name);
        ft_strbuf_add_cstr(v->b, "([");
        add_listed(v, &pairs, keys, items);
        ft_strbuf_add_cstr(v->b, "])");
        ft_value_close(v);
    }
    Py_XDECREF(pairs.order);
    return true;
}

/* ---- list[int], int | str -------------------------------------------------------------------- */

static bool
is_union(PyObject *value)
{
    /* No header tells of it: types.UnionType, from 3.14 on typing.Union. */
    PyTypeObject *type = Py_TYPE(value);
    return !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
           && (strcmp(type->tp_name, "types.UnionType") == 0
               || strcmp(type->tp_name, "typing.Union") == 0);
}

/* As annotations have it. Of anything but these Python asks for __origin__, __qualname__ and more,
 * which may be the program's. */
static void
add_annotation(struct ft_valuer *v, PyObject *value)
{
    if (FT_ALIAS_SAYS_NONE && value == (PyObject *)Py_TYPE(Py_None)) {
        ft_strbuf_add_cstr(v->b, "None");
    }
    else if (PyType_Check(value)) {
        ft_value_type_name(v, (PyTypeObject *)value, true);
    }
    else if (value == Py_Ellipsis) {
        ft_strbuf_add_cstr(v->b, "...");
    }
    else if (value == Py_None || PyUnicode_CheckExact(value) || PyLong_CheckExact(value)
             || PyBool_Check(value) || PyBytes_CheckExact(value)
             || Py_IS_TYPE(value, &Py_GenericAliasType) || is_union(value)) {
        ft_value_any(v, value);
    }
    else {
        ft_value_give_up(v);
    }
}

/* A parameter's own parameters: [int, str] in Callable-like aliases. */
static void
add_annotation_list(struct ft_valuer *v, PyObject *list)
{
    PyObject *item;
    ft_strbuf_add_char(v->b, '[');
    for (Py_ssize_t i = 0; !ft_value_full(v) && i < PyList_GET_SIZE(list)
                           && (item = PyList_GetItemRef(list, i)) != NULL;
         i++) {
        ft_strbuf_add_cstr(v->b, i ? ", " : "");
        add_annotation(v, item);
        Py_DECREF(item);
    }
    PyErr_Clear();
    ft_strbuf_add_char(v->b, ']');
}

static void
add_alias_args(struct ft_valuer *v, PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    ft_strbuf_add_cstr(v->b, n ? "[" : "[()");
    for (Py_ssize_t i = 0; i < n && !ft_value_full(v); i++) {
        PyObject *arg = PyTuple_GET_ITEM(args, i);
        ft_strbuf_add_cstr(v->b, i ? ", " : "");
        if (PyList_CheckExact(arg)) {
            add_annotation_list(v, arg);
        }
        else {
            add_annotation(v, arg);
        }
    }
    ft_strbuf_add_char(v->b, ']');
}

static void
add_union_args(struct ft_valuer *v, PyObject *args)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args) && !ft_value_full(v); i++) {
        PyObject *arg = PyTuple_GET_ITEM(args, i);
        ft_strbuf_add_cstr(v->b, i ? " | " : "");
        add_annotation(v, arg == (PyObject *)Py_TYPE(Py_None) ? Py_None : arg);
    }
}

static void
add_alias(struct ft_valuer *v, PyObject *value)
{
    bool joined = is_union(value);
    PyObject *origin = joined ? NULL : ft_value_field(value, "__origin__");
    PyObject *starred = joined ? NULL : ft_value_field(value, "__unpacked__");
    PyObject *args = ft_value_field(value, "__args__");
    if (args == NULL || !PyTuple_CheckExact(args) || (origin == NULL && !joined)) {
        ft_value_give_up(v);
    }
    else if (ft_value_open(v, value, NULL, "...")) {
        if (joined) {
            add_union_args(v, args);
        }
        else {
            ft_strbuf_add_cstr(v->b, starred == Py_True ? "*" : "");
            add_annotation(v, origin);
            add_alias_args(v, args);
        }
        ft_value_close(v);
    }
    Py_XDECREF(args);
    Py_XDECREF(starred);
    Py_XDECREF(origin);
}

static bool
add_whole_alias(struct ft_valuer *v, PyObject *value)
{
    return ft_value_whole(v, value, add_alias);
}

bool
ft_value_builtin(struct ft_valuer *v, PyObject *value)
{
    static const struct {
        PyTypeObject *type;
        bool (*add)(struct ft_valuer *v, PyObject *value);
    } types[] = {
        {&PyRange_Type, add_range},
        {&PySlice_Type, add_slice},
        {&PyMemoryView_Type, add_memoryview},
        {&PyDictKeys_Type, add_view},
        {&PyDictValues_Type, add_view},
        {&PyDictItems_Type, add_view},
        {&PyDictProxy_Type, add_proxy},
        {&PyODict_Type, add_ordered},
        {&PyODictKeys_Type, add_view},
        {&PyODictValues_Type, add_view},
        {&PyODictItems_Type, add_view},
#ifdef FT_FROZENDICT
        {FT_FROZENDICT, add_frozen},
#endif
        {&Py_GenericAliasType, add_whole_alias},
    };
    if (PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_HEAPTYPE)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (Py_IS_TYPE(value, types[i].type)) {
            return types[i].add(v, value);
        }
    }
    return is_union(value) ? add_whole_alias(v, value) : ft_value_exception(v, value);
}
