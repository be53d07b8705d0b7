/* The lock that the GIL is: around every callback and every function of ours that Python calls,
 * where there is no GIL; nothing where there is one. One for all interpreters. The thread that
 * holds it may take it again; it is let go of around whatever runs the program's own code, which
 * may wait for a thread that waits for us. */
#ifndef FT_ENGINE_LOCK_H
#define FT_ENGINE_LOCK_H

#include "compat.h"

#ifdef Py_GIL_DISABLED
void ft_lock(void);
void ft_unlock(void);
/* However often it was taken; a thread that does not hold it gets 0. */
unsigned ft_lock_let_go(void);
void ft_lock_take_back(unsigned times);
/* In a forked child: a thread that held it is gone. */
void ft_lock_forked(void);
/* Asks CPython to take it before a fork: the child's state is whole then. 0, or -1 with an
 * exception. */
int ft_lock_watch_forks(PyObject *module);

#define FT_LOCKED(function)                                                                        \
    static PyObject *function##_locked(PyObject *self, PyObject *arg)                              \
    {                                                                                              \
        ft_lock();                                                                                 \
        PyObject *result = function(self, arg);                                                    \
        ft_unlock();                                                                               \
        return result;                                                                             \
    }
#define FT_LOCKED_KEYWORDS(function)                                                               \
    static PyObject *function##_locked(PyObject *self, PyObject *args, PyObject *kwargs)           \
    {                                                                                              \
        ft_lock();                                                                                 \
        PyObject *result = function(self, args, kwargs);                                           \
        ft_unlock();                                                                               \
        return result;                                                                             \
    }
#define FT_LOCKED_GET(function)                                                                    \
    static PyObject *function##_locked(PyObject *self, void *closure)                              \
    {                                                                                              \
        ft_lock();                                                                                 \
        PyObject *result = function(self, closure);                                                \
        ft_unlock();                                                                               \
        return result;                                                                             \
    }
#define FT_LOCKED_NAME(function) function##_locked
#else
static inline void
ft_lock(void)
{
}

static inline void
ft_unlock(void)
{
}

static inline unsigned
ft_lock_let_go(void)
{
    return 0;
}

static inline void
ft_lock_take_back(unsigned times)
{
    (void)times;
}

static inline void
ft_lock_forked(void)
{
}

static inline int
ft_lock_watch_forks(PyObject *module)
{
    (void)module;
    return 0;
}

#define FT_LOCKED(function)
#define FT_LOCKED_KEYWORDS(function)
#define FT_LOCKED_GET(function)
#define FT_LOCKED_NAME(function) function
#endif

#endif
