/* See lock.h. */
#include "engine/lock.h"

#ifdef Py_GIL_DISABLED

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ft_lock {
    PyMutex mutex;
    _Atomic uintptr_t owner;             /* 0: nobody */
    unsigned taken;                      /* by the owner, how often */
};

static struct ft_lock lock;
static _Thread_local char lock_here;     /* its address names the thread */

static bool
is_mine(void)
{
    return atomic_load_explicit(&lock.owner, memory_order_relaxed) == (uintptr_t)&lock_here;
}

void
ft_lock_take_back(unsigned times)
{
    if (times > 0) {
        PyMutex_Lock(&lock.mutex);
        atomic_store_explicit(&lock.owner, (uintptr_t)&lock_here, memory_order_relaxed);
        lock.taken = times;
    }
}

unsigned
ft_lock_let_go(void)
{
    if (!is_mine()) {
        return 0;
    }
    unsigned times = lock.taken;
    lock.taken = 0;
    atomic_store_explicit(&lock.owner, 0, memory_order_relaxed);
    PyMutex_Unlock(&lock.mutex);
    return times;
}

void
ft_lock(void)
{
    if (is_mine()) {
        lock.taken++;
    }
    else {
        ft_lock_take_back(1);
    }
}

void
ft_unlock(void)
{
    if (lock.taken > 1) {
        lock.taken--;
    }
    else {
        ft_lock_let_go();
    }
}

/* A fork by C code, which asked nobody: what the other threads were at may be half done. */
void
ft_lock_forked(void)
{
    if (atomic_load(&lock.owner) != 0 && !is_mine()) {
        lock.mutex = (PyMutex){0};
        lock.taken = 0;
        atomic_store(&lock.owner, 0);
    }
}

static PyObject *
before_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    ft_lock();
    Py_RETURN_NONE;
}

static PyObject *
after_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    ft_unlock();
    Py_RETURN_NONE;
}

static PyMethodDef hooks[] = {
    {"before_fork", before_fork, METH_NOARGS, NULL},
    {"after_fork", after_fork, METH_NOARGS, NULL},
};

int
ft_lock_watch_forks(PyObject *module)
{
    (void)module;                        /* the hooks stay for good, and need nothing of it */
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *watch = posix ? PyObject_GetAttrString(posix, "register_at_fork") : NULL;
    PyObject *before = PyCFunction_New(&hooks[0], NULL), *after = PyCFunction_New(&hooks[1], NULL);
    PyObject *none = PyTuple_New(0), *result = NULL;
    PyObject *keywords = before && after
                             ? Py_BuildValue("{sOsOsO}", "before", before, "after_in_parent", after,
                                             "after_in_child", after)
                             : NULL;
    if (watch != NULL && none != NULL && keywords != NULL) {
        result = PyObject_Call(watch, none, keywords);
    }
    Py_XDECREF(posix);
    Py_XDECREF(watch);
    Py_XDECREF(before);
    Py_XDECREF(after);
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

#endif
