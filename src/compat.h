/* Every check of the Python version lives here: the rest of the code uses these names.
 * What differs between 3.12 and 3.15 and matters to a tracer is the way to the current frame, the
 * unchecked thread state, and a few accessors that became public late. */
#ifndef FT_COMPAT_H
#define FT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030C0000
#error "pyftrace needs CPython 3.12 or later: sys.monitoring (PEP 669) is not in older versions"
#endif

#if PY_VERSION_HEX >= 0x030D0000
/* C code may fire events for whatever stands for its code (PyMonitoring_Fire...). */
#define FT_EVENT_IS_OF_CODE(object) PyCode_Check(object)
#define FT_TSTATE() PyThreadState_GetUnchecked()
#define FT_FRAME_ID(tstate) ((void *)(tstate)->current_frame)
/* What a type or its bases have by a name, bound to nothing; no code runs. New or NULL. */
#define FT_TYPE_LOOKUP(type, name) _PyType_LookupRef(type, name)
#else
#define FT_EVENT_IS_OF_CODE(object) true
#define FT_TSTATE() _PyThreadState_UncheckedGet()
/* Before 3.13 the innermost frame hangs on the C frame of the running evaluation loop. */
#define FT_FRAME_ID(tstate) ((void *)(tstate)->cframe->current_frame)
#define FT_TYPE_LOOKUP(type, name) Py_XNewRef(_PyType_Lookup(type, name))
#endif

#if PY_VERSION_HEX < 0x030D0000
static inline int
PyDict_GetItemRef(PyObject *dict, PyObject *key, PyObject **result)
{
    *result = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    return *result != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static inline int
PyDict_GetItemStringRef(PyObject *dict, const char *key, PyObject **result)
{
    PyObject *name = PyUnicode_FromString(key);
    if (name == NULL) {
        *result = NULL;
        return -1;
    }
    int found = PyDict_GetItemRef(dict, name, result);
    Py_DECREF(name);
    return found;
}

static inline int
PyWeakref_GetRef(PyObject *ref, PyObject **object)
{
    PyObject *o = PyWeakref_GetObject(ref);
    *object = o == NULL || o == Py_None ? NULL : Py_NewRef(o);
    return *object != NULL;
}
#endif

#if PY_VERSION_HEX < 0x030D0000
static inline PyObject *
PyList_GetItemRef(PyObject *list, Py_ssize_t at)
{
    return Py_XNewRef(PyList_GetItem(list, at));
}
#endif

/* What bytearray's repr() escapes also where it is within the other quotes; 0: nothing any more. */
#define FT_BYTEARRAY_ESCAPES (PY_VERSION_HEX < 0x030F0000 ? '\'' : 0)

/* list[type(None)] is list[None], before 3.14 list[NoneType]; int | None is so everywhere. */
#define FT_ALIAS_SAYS_NONE (PY_VERSION_HEX >= 0x030E0000)

#if PY_VERSION_HEX >= 0x030F0000
/* Also of a dict by layout: PyDict_Next() reads it. */
#define FT_FROZENDICT (&PyFrozenDict_Type)
#define FT_IS_DICT(op) PyAnyDict_Check(op)
#else
#define FT_IS_DICT(op) PyDict_Check(op)
#endif

/* What another thread may change while it is read, where there is no GIL. */
#ifdef Py_GIL_DISABLED
#define FT_NO_GIL 1
#define FT_BEGIN_CRITICAL_SECTION(op) Py_BEGIN_CRITICAL_SECTION(op)
#define FT_END_CRITICAL_SECTION() Py_END_CRITICAL_SECTION()
#else
#define FT_NO_GIL 0
#define FT_BEGIN_CRITICAL_SECTION(op) {
#define FT_END_CRITICAL_SECTION() }
#endif

/* A generator that never began is thrown into before this place, its first RESUME; in bytes, as
 * monitoring tells places. */
#define FT_FIRST_OFFSET(code) ((code)->_co_firsttraceable * 2)

/* Being cleared: what is put into its dict now is never let go of. */
#define FT_TSTATE_ENDS(tstate) ((tstate)->_status.finalizing)

/* None is immortal since 3.12 (PEP 683): giving it away needs no count. */
#define FT_NONE Py_None

/* Digits of 30 bits: an upper bound of an int's size that costs nothing to read. */
#define FT_LONG_DIGITS(op) ((size_t)(((PyLongObject *)(op))->long_value.lv_tag >> 3))

#define FT_LIKELY(x) __builtin_expect(!!(x), 1)
#define FT_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
