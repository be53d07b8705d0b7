/* asyncio's tasks, for the labels of the tree: asked for only when a coroutine begins a step, and
 * only of asyncio's C parts, so no code of the program runs. GIL held. */
#include "engine/engine.h"

#include <stdlib.h>

#include "engine/codes.h"

struct task {
    struct ft_task public;               /* first */
    PyObject *ref;                       /* owned weak reference: addresses are reused */
};

struct ft_tasks {
    PyObject *module_name; /* owned: "_asyncio" */
    PyObject *running_loop; /* owned: _asyncio._get_running_loop; NULL: not loaded yet */
    PyObject *current_task; /* owned: _asyncio.current_task */
    PyObject *get_name; /* owned: _asyncio.Task.get_name, C whatever the subclass */
    PyTypeObject *task_type; /* owned */
    struct ft_ptrmap by_address; /* task object -> struct task * */
    uint64_t last;
};

static struct ft_tasks *
tasks_new(void)
{
    struct ft_tasks *tasks = calloc(1, sizeof(*tasks));
    if (tasks == NULL) {
        return NULL;
    }
    ft_ptrmap_init(&tasks->by_address);
    tasks->module_name = PyUnicode_InternFromString("_asyncio");
    return tasks;
}

/* Most programs have no asyncio, but each of their coroutines asks. */
static bool
is_asyncio_loaded(struct ft_tasks *tasks)
{
    if (tasks->running_loop != NULL) {
        return true;
    }
    PyObject *modules = PyImport_GetModuleDict(), *module = NULL;
    if (tasks->module_name == NULL || modules == NULL || !PyDict_CheckExact(modules)
        || PyDict_GetItemRef(modules, tasks->module_name, &module) <= 0) {
        return false;
    }
    Py_DECREF(module);
    PyObject *type = ft_loaded("_asyncio", "Task");
    Py_XSETREF(tasks->task_type, (PyTypeObject *)type);
    Py_XSETREF(tasks->get_name, type ? PyObject_GetAttrString(type, "get_name") : NULL);
    Py_XSETREF(tasks->current_task, ft_loaded("_asyncio", "current_task"));
    if (tasks->current_task != NULL) {
        tasks->running_loop = ft_loaded("_asyncio", "_get_running_loop");
    }
    return tasks->running_loop != NULL;
}

static void
task_free(struct task *task)
{
    free((char *)task->public.name.s);
    Py_XDECREF(task->ref);
    free(task);
}

static void
visit_free(void *Py_UNUSED(ctx), uint64_t Py_UNUSED(key), uint64_t value)
{
    task_free((struct task *)(uintptr_t)value);
}

void
ft_tasks_free(struct ft_engine *e)
{
    if (e->tasks != NULL) {
        ft_ptrmap_each(&e->tasks->by_address, visit_free, NULL);
        ft_ptrmap_fini(&e->tasks->by_address);
        Py_XDECREF(e->tasks->module_name);
        Py_XDECREF(e->tasks->running_loop);
        Py_XDECREF(e->tasks->current_task);
        Py_XDECREF(e->tasks->get_name);
        Py_XDECREF((PyObject *)e->tasks->task_type);
        free(e->tasks);
        e->tasks = NULL;
    }
}

static struct task *
task_new(struct ft_tasks *tasks, PyObject *object)
{
    struct task *task = calloc(1, sizeof(*task));
    PyObject *keep = NULL, *name = NULL;
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    if (task != NULL && tasks->get_name && PyObject_TypeCheck(object, tasks->task_type)) {
        name = PyObject_CallOneArg(tasks->get_name, object);
    }
    struct ft_str s = ft_str_cut(ft_utf8(name, &keep), FT_LABEL_MAX);
    ft_strbuf_add_printable(&b, s.len ? s : FT_STR("Task"));
    b.len = ft_str_cut((struct ft_str){b.data, b.len}, FT_LABEL_MAX).len;
    if (task != NULL) {
        task->ref = PyWeakref_NewRef(object, NULL);
        task->public.serial = ++tasks->last;
        task->public.name = (struct ft_str){b.data ? b.data : calloc(1, 1), b.len};
        b.data = NULL;
    }
    ft_strbuf_fini(&b);
    Py_XDECREF(keep);
    Py_XDECREF(name);
    PyErr_Clear();
    return task;
}

static bool
is_of(const struct task *task, PyObject *object)
{
    PyObject *alive = NULL;
    if (task->ref != NULL && PyWeakref_GetRef(task->ref, &alive) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(alive);
    return alive == object;
}

static const struct ft_task *
task_of(struct ft_tasks *tasks, PyObject *object)
{
    uint64_t *known = ft_ptrmap_get(&tasks->by_address, (uintptr_t)object);
    if (known != NULL && is_of((struct task *)(uintptr_t)*known, object)) {
        return &((struct task *)(uintptr_t)*known)->public;
    }
    struct task *old = known ? (struct task *)(uintptr_t)*known : NULL;
    struct task *task = task_new(tasks, object);
    if (task == NULL || !ft_ptrmap_put(&tasks->by_address, (uintptr_t)object, (uintptr_t)task)) {
        if (task != NULL) {
            task_free(task);
        }
        return NULL;
    }
    if (old != NULL) {
        task_free(old);
    }
    return &task->public;
}

/* The task that runs on this thread, NULL: none. Valid until the next call. */
const struct ft_task *
ft_task_current(struct ft_engine *e)
{
    if (e->tasks == NULL && (e->tasks = tasks_new()) == NULL) {
        return NULL;
    }
    const struct ft_task *task = NULL;
    PyObject *exc = PyErr_GetRaisedException();
    if (is_asyncio_loaded(e->tasks)) {
        PyObject *loop = PyObject_CallNoArgs(e->tasks->running_loop), *object = NULL;
        if (loop != NULL && loop != Py_None) {
            object = PyObject_CallOneArg(e->tasks->current_task, loop);
        }
        if (object != NULL && object != Py_None) {
            task = task_of(e->tasks, object);
        }
        Py_XDECREF(object);
        Py_XDECREF(loop);
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
    return task;
}
