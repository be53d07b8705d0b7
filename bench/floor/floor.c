/* The least that a tool on sys.monitoring can cost: vectorcall callbacks that do nothing ("empty"),
 * or read the time-stamp counter once and keep it ("clock"). Only for measuring: no errors are
 * handled beyond reporting them, one user, one interpreter. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#define TICKS() __rdtsc()
#else
static uint64_t
ticks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#define TICKS() ticks()
#endif

struct callback {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    uint64_t last;
};

static PyObject *
empty(PyObject *self, PyObject *const *args, size_t n, PyObject *kw)
{
    (void)self, (void)args, (void)n, (void)kw;
    Py_RETURN_NONE;
}

static PyObject *
clocked(PyObject *self, PyObject *const *args, size_t n, PyObject *kw)
{
    (void)args, (void)n, (void)kw;
    ((struct callback *)self)->last = TICKS();
    Py_RETURN_NONE;
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct callback, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "ft_floor.Callback",
    .basicsize = sizeof(struct callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

static PyObject *
make(PyObject *module, PyObject *mode)
{
    PyObject *type = PyObject_GetAttrString(module, "Callback");
    if (type == NULL) {
        return NULL;
    }
    struct callback *c = PyObject_New(struct callback, (PyTypeObject *)type);
    Py_DECREF(type);
    if (c != NULL) {
        c->vectorcall = PyUnicode_CompareWithASCIIString(mode, "clock") == 0 ? clocked : empty;
        c->last = 0;
    }
    return (PyObject *)c;
}

static PyMethodDef methods[] = {
    {"make", make, METH_O, "A callback: \"empty\" or \"clock\"."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ft_floor", NULL, -1, methods, 0, 0, 0, 0};

PyMODINIT_FUNC
PyInit_ft_floor(void)
{
    PyObject *m = PyModule_Create(&module);
    PyObject *type = m ? PyType_FromSpec(&spec) : NULL;
    if (type == NULL || PyModule_AddObjectRef(m, "Callback", type) < 0) {
        Py_XDECREF(m);
        return NULL;
    }
    return m;
}
