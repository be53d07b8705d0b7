/* C callables by what they are, never by the object: a bound method is a new object each time. The
 * key is the PyMethodDef, the slot with its type, or the type; a heap type's address may be used
 * again, so a weak reference is held against it. GIL held. */
#include <stdlib.h>

#include "engine/codes.h"

/* What a callable turned out to be; strings are borrowed from `keep`. */
struct description {
    uint64_t key;
    PyObject *type;                      /* borrowed: a type whose address is (part of) the key */
    PyTypeObject *owner; /* borrowed: the type the name begins with, may be NULL */
    const char *name; /* UTF-8, may be NULL: the owner's name alone */
    PyObject *module; /* borrowed str, or NULL: the owner's */
};

enum kind { KIND_METHOD = 1, KIND_TYPE, KIND_INSTANCE };

static uint64_t
key_of(const void *address, enum kind kind)
{
    return (uint64_t)(uintptr_t)address ^ ((uint64_t)kind << 60);
}

/* A slot: its name and the type that has it. Multiplied, as two addresses
 * that are merely combined bit by bit could make another pair's key. */
static uint64_t
slot_key(const void *name, const void *type)
{
    return ((uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u + (uint64_t)(uintptr_t)type)
           * 0xd6e8feb86659fd93u;
}

/* ---- types ----------------------------------------------------------------------------------- */

static PyObject *
type_dict_get(PyTypeObject *type, const char *name)
{
    PyObject *value = NULL, *dict = PyType_GetDict(type);
    if (dict != NULL && PyDict_GetItemStringRef(dict, name, &value) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(dict);
    return value;
}

/* The first type in the order of resolution whose own dictionary has the name; *value a new
 * reference. */
static PyTypeObject *
type_with(PyTypeObject *type, const char *name, PyObject **value)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        *value = type_dict_get(t, name);
        if (*value != NULL) {
            return t;
        }
    }
    *value = NULL;
    return NULL;
}

/* The type that defines the method, found by its definition; `type` itself when none does. */
static PyTypeObject *
defining_type(PyTypeObject *type, const PyMethodDef *method)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *d = type_dict_get(t, method->ml_name);
        bool found =
            d != NULL
            && (Py_IS_TYPE(d, &PyMethodDescr_Type) || Py_IS_TYPE(d, &PyClassMethodDescr_Type))
            && ((PyMethodDescrObject *)d)->d_method == method;
        Py_XDECREF(d);
        if (found) {
            return t;
        }
    }
    return type;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static void
describe_function(PyObject *callable, struct description *d, bool whole)
{
    PyCFunctionObject *f = (PyCFunctionObject *)callable;
    d->key = key_of(f->m_ml, KIND_METHOD);
    if (!whole) {
        return;
    }
    d->name = f->m_ml->ml_name;
    d->module = f->m_module != NULL && PyUnicode_CheckExact(f->m_module) ? f->m_module : NULL;
    if (f->m_self == NULL || PyModule_Check(f->m_self)) {
        return;
    }
    PyTypeObject *type = PyType_Check(f->m_self) ? (PyTypeObject *)f->m_self : Py_TYPE(f->m_self);
    d->owner = defining_type(type, f->m_ml);
}

static bool
describe_descriptor(PyObject *callable, struct description *d)
{
    PyDescrObject *descr = (PyDescrObject *)callable;
    if (Py_IS_TYPE(callable, &PyMethodDescr_Type)
        || Py_IS_TYPE(callable, &PyClassMethodDescr_Type)) {
        d->key = key_of(((PyMethodDescrObject *)callable)->d_method, KIND_METHOD);
        d->name = ((PyMethodDescrObject *)callable)->d_method->ml_name;
    }
    else if (Py_IS_TYPE(callable, &PyWrapperDescr_Type)) {
        d->key = slot_key(descr->d_name, descr->d_type);
        d->type = (PyObject *)descr->d_type;
        d->name = PyUnicode_AsUTF8(descr->d_name);
    }
    else {
        return false;
    }
    d->owner = descr->d_type;
    return true;
}

/* A slot bound to its object, as super().__init__ gives: the class that has the slot, and its name.
 */
static bool
describe_wrapper(PyObject *callable, struct description *d)
{
    PyObject *owner_key = PyUnicode_InternFromString("__objclass__");
    PyObject *name_key = PyUnicode_InternFromString("__name__");
    PyObject *owner = owner_key ? PyObject_GenericGetAttr(callable, owner_key) : NULL;
    PyObject *name = name_key ? PyObject_GenericGetAttr(callable, name_key) : NULL;
    bool known = owner && name && PyType_Check(owner) && PyUnicode_Check(name);
    if (known) {
        /* A new string each time; the one that the owner's dictionary has lives on. */
        PyUnicode_InternInPlace(&name);
        d->key = slot_key(name, owner);
        d->type = owner; /* both live on in the slot's descriptor */
        d->owner = (PyTypeObject *)owner;
        d->name = PyUnicode_AsUTF8(name);
    }
    PyErr_Clear();
    Py_XDECREF(owner_key);
    Py_XDECREF(name_key);
    Py_XDECREF(owner);
    Py_XDECREF(name);
    return known;
}

/* An instance that is called: nothing of ours when its __call__ is a Python function, which has
 * events of its own. */
static bool
describe_instance(PyObject *callable, struct description *d)
{
    PyObject *call;
    d->owner = type_with(Py_TYPE(callable), "__call__", &call);
    bool python = call != NULL && PyFunction_Check(call);
    Py_XDECREF(call);
    if (python || d->owner == NULL) {
        return false;
    }
    d->key = key_of(Py_TYPE(callable), KIND_INSTANCE);
    d->type = (PyObject *)Py_TYPE(callable);
    d->owner = Py_TYPE(callable);
    d->name = "__call__";
    return true;
}

/* Only what tells it from others, or the `whole` with its names. */
static bool
describe(struct ft_engine *e, PyObject *callable, struct description *d, bool whole)
{
    memset(d, 0, sizeof(*d));
    while (PyMethod_Check(callable)) {
        callable = PyMethod_GET_FUNCTION(callable);
    }
    if (PyFunction_Check(callable)) {
        return false;
    }
    if (PyCFunction_Check(callable)) {
        describe_function(callable, d, whole);
        return true;
    }
    if (PyType_Check(callable)) {
        d->key = key_of(callable, KIND_TYPE);
        d->type = callable;
        d->owner = (PyTypeObject *)callable;
        return true;
    }
    if ((PyObject *)Py_TYPE(callable) == e->wrapper_type) {
        return describe_wrapper(callable, d);
    }
    return describe_descriptor(callable, d) || describe_instance(callable, d);
}

/* ---- the record ------------------------------------------------------------------------------ */

static void
callable_free(struct ft_func *func)
{
    struct ft_callable *callable = (struct ft_callable *)func;
    ft_codes_give_id(callable->codes, func->id);
    ft_codes_release(callable->codes);
    ft_func_fini(func);
    free(callable);
}

/* The module a type says it is from; a static type says it in its name. */
static void
add_module(struct ft_strbuf *b, const struct description *d)
{
    PyObject *own = d->owner ? type_dict_get(d->owner, "__module__") : Py_XNewRef(d->module);
    PyObject *keep;
    const char *dot = d->owner ? strrchr(d->owner->tp_name, '.') : NULL;
    if (own != NULL && PyUnicode_CheckExact(own)) {
        ft_strbuf_add_str(b, ft_utf8(own, &keep));
        Py_XDECREF(keep);
    }
    else if (dot != NULL) {
        ft_strbuf_add(b, d->owner->tp_name, (size_t)(dot - d->owner->tp_name));
    }
    else {
        ft_strbuf_add_cstr(b, "builtins");
    }
    Py_XDECREF(own);
}

static void
add_name(struct ft_strbuf *b, const struct description *d)
{
    if (d->owner != NULL) {
        PyObject *keep, *name = PyType_GetQualName(d->owner);
        ft_strbuf_add_str(b, ft_utf8(name, &keep));
        Py_XDECREF(keep);
        Py_XDECREF(name);
    }
    if (d->name != NULL) {
        if (d->owner != NULL) {
            ft_strbuf_add_char(b, '.');
        }
        ft_strbuf_add_cstr(b, d->name);
    }
}

static struct ft_callable *
callable_new(struct ft_engine *e, const struct description *d)
{
    struct ft_strbuf name, module;
    ft_strbuf_init(&name);
    ft_strbuf_init(&module);
    add_name(&name, d);
    add_module(&module, d);
    struct ft_func_names names = {
        .name = {name.data ? name.data : "", name.len},
        .module = {module.data ? module.data : "", module.len},
        .flags = FT_FUNC_C,
    };
    struct ft_callable *callable =
        name.failed || module.failed ? NULL : calloc(1, sizeof(*callable));
    if (callable != NULL && !ft_func_init(&callable->func, &names)) {
        free(callable);
        callable = NULL;
    }
    if (callable != NULL && !ft_codes_take_id(e->codes, &callable->func.id)) {
        ft_func_fini(&callable->func);
        free(callable);
        callable = NULL;
    }
    if (callable != NULL) {
        callable->func.free = callable_free;
        callable->codes = e->codes;
        e->codes->owners++;
        callable->key = d->key;
        callable->ours = ft_str_equal(names.module, FT_STR("pyftrace._engine"));
        bool heap = d->type && PyType_HasFeature((PyTypeObject *)d->type, Py_TPFLAGS_HEAPTYPE);
        callable->type = heap ? PyWeakref_NewRef(d->type, NULL) : NULL;
    }
    ft_strbuf_fini(&name);
    ft_strbuf_fini(&module);
    return callable;
}

static bool
still_same(const struct ft_callable *callable, const struct description *d)
{
    if (callable->type == NULL) {
        return true;
    }
    PyObject *alive = NULL;
    if (PyWeakref_GetRef(callable->type, &alive) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(alive);
    return alive == d->type;
}

static void
drop(struct ft_callable *callable)
{
    Py_CLEAR(callable->type);
    ft_func_unref(&callable->func);
}

static void
judge(struct ft_engine *e, struct ft_callable *callable)
{
    for (uint32_t mask = e->attached; mask; mask &= mask - 1) {
        int slot = __builtin_ctz(mask);
        struct ft_tap *tap = e->taps[slot];
        if (callable->taps[slot].epoch != tap->epoch) {
            callable->taps[slot].epoch = tap->epoch;
            callable->taps[slot].verdict = ft_filter_judge_callable(tap->filter, &callable->func);
        }
    }
    bool plain = e->lone != NULL && (callable->taps[e->lone->slot].verdict & FT_V_PLAIN);
    callable->func.plain = plain ? e->lone->epoch : 0;
    callable->generation = e->generation;
}

static struct ft_callable *
learn(struct ft_engine *e, PyObject *object, struct ft_callable *stale, bool *failed)
{
    PyObject *exc = PyErr_GetRaisedException();
    struct description d;
    bool known = describe(e, object, &d, true);
    struct ft_callable *callable = known ? callable_new(e, &d) : NULL;
    if (callable != NULL && !ft_ptrmap_put(&e->callables, d.key, (uintptr_t)callable)) {
        drop(callable);
        callable = NULL;
    }
    *failed = known && callable == NULL;
    if (callable != NULL && stale != NULL) {
        drop(stale);
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
    return callable;
}

/* Of the most common ones, which need no description: functions of modules, methods of types. */
static inline uint64_t
method_key(PyObject *object)
{
    if (Py_IS_TYPE(object, &PyMethodDescr_Type)) {
        return key_of(((PyMethodDescrObject *)object)->d_method, KIND_METHOD);
    }
    if (Py_IS_TYPE(object, &PyCFunction_Type)) {
        return key_of(((PyCFunctionObject *)object)->m_ml, KIND_METHOD);
    }
    return 0;
}

struct ft_callable *
ft_callable_get(struct ft_engine *e, PyObject *object, bool *failed)
{
    struct description d;
    *failed = false;
    uint64_t key = method_key(object), *met = key ? ft_ptrmap_get(&e->callables, key) : NULL;
    if (met != NULL) {
        struct ft_callable *callable = (struct ft_callable *)(uintptr_t)*met;
        if (callable->generation == e->generation) {
            return callable->ours ? NULL : callable;
        }
    }
    if (!describe(e, object, &d, false)) {
        return NULL;
    }
    uint64_t *known = ft_ptrmap_get(&e->callables, d.key);
    struct ft_callable *callable = known ? (struct ft_callable *)(uintptr_t)*known : NULL;
    if (callable == NULL || !still_same(callable, &d)) {
        callable = learn(e, object, callable, failed);
    }
    if (callable != NULL && callable->generation != e->generation) {
        judge(e, callable);
    }
    return callable != NULL && callable->ours ? NULL : callable;
}

static void
visit_drop(void *Py_UNUSED(ctx), uint64_t Py_UNUSED(key), uint64_t value)
{
    drop((struct ft_callable *)(uintptr_t)value);
}

void
ft_callables_fini(struct ft_engine *e)
{
    ft_ptrmap_each(&e->callables, visit_drop, NULL);
    ft_ptrmap_fini(&e->callables);
}
