/* The engine's life: the tool id, the callbacks and the events switched on. Everything it asks of
 * sys.monitoring goes through PyObject_CallMethod here and nowhere else. GIL held. */
#include "engine/engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "engine/callback.h"
#include "engine/codes.h"
#include "engine/stack.h"
#include "engine/threads.h"

#define TOOL_NAME "pyftrace"
#define TOOL_IDS 6

/* 0, 1 and 2 are by convention the debugger's, the coverage tool's and the profiler's: last. */
static const int id_order[TOOL_IDS] = {3, 4, 5, 2, 1, 0};

/* ---- talking to sys.monitoring --------------------------------------------------------------- */

static int
call_int(struct ft_engine *e, const char *method, int a)
{
    PyObject *r = PyObject_CallMethod(e->monitoring, method, "i", a);
    Py_XDECREF(r);
    return r == NULL ? -1 : 0;
}

static int
set_events(struct ft_engine *e, int events)
{
    PyObject *r = PyObject_CallMethod(e->monitoring, "set_events", "ii", e->tool_id, events);
    if (r == NULL) {
        return -1;
    }
    Py_DECREF(r);
    e->events = events;
    return 0;
}

static int
register_callback(struct ft_engine *e, enum ft_event event, PyObject *callback)
{
    PyObject *r = PyObject_CallMethod(e->monitoring, "register_callback", "iiO", e->tool_id,
                                      e->numbers[event], callback);
    Py_XDECREF(r);
    return r == NULL ? -1 : 0;
}

int
ft_engine_restart_events(struct ft_engine *e)
{
    PyObject *r = PyObject_CallMethod(e->monitoring, "restart_events", NULL);
    Py_XDECREF(r);
    return r == NULL ? -1 : 0;
}

/* ---- the tool id ----------------------------------------------------------------------------- */

static int
refuse_names(struct ft_engine *e)
{
    PyObject *names = PyUnicode_FromString("");
    for (int id = 0; id < TOOL_IDS && names != NULL; id++) {
        PyObject *tool = PyObject_CallMethod(e->monitoring, "get_tool", "i", id);
        if (tool == NULL) {
            PyErr_Clear();
            continue;
        }
        PyObject *more = PyUnicode_FromFormat("%U%s%d %S", names, id ? ", " : "", id, tool);
        Py_DECREF(tool);
        Py_SETREF(names, more);
    }
    if (names != NULL) {
        PyErr_Format(PyExc_RuntimeError, "no free sys.monitoring tool id: all %d are taken (%U)",
                     TOOL_IDS, names);
        Py_DECREF(names);
    }
    return -1;
}

static int
try_id(struct ft_engine *e, int id)
{
    PyObject *r = PyObject_CallMethod(e->monitoring, "use_tool_id", "is", id, TOOL_NAME);
    if (r != NULL) {
        Py_DECREF(r);
        e->tool_id = id;
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static void
mark_heard(void *Py_UNUSED(ctx), struct ft_code *c)
{
    c->silenced = c->silenced_c = false;
}

int
ft_engine_take_id(struct ft_engine *e)
{
    if (e->tool_id >= 0) {
        return 0;
    }
    for (int i = 0; i < TOOL_IDS && e->tool_id < 0; i++) {
        if (try_id(e, id_order[i]) < 0) {
            return -1;
        }
    }
    if (e->tool_id < 0) {
        return refuse_names(e);
    }
    for (int event = 0; event < FT_EV_COUNT; event++) {
        if (register_callback(e, (enum ft_event)event, e->callbacks[event]) < 0) {
            goto error;
        }
    }
    /* An earlier holder's DISABLEs outlive it, on every version. */
    if (ft_engine_restart_events(e) == 0) {
        ft_codes_each(e->codes, mark_heard, NULL);
        return 0;
    }
error:;
    PyObject *exc = PyErr_GetRaisedException();
    if (ft_engine_stop(e) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
    return -1;
}

static int
wanted_events(const struct ft_engine *e)
{
    int events = 0;
    for (int event = 0; event < FT_EV_COUNT && e->attached; event++) {
        const struct ft_event_row *row = &ft_event_table[event];
        if (!row->implied && (!row->ccalls || (e->needs & FT_NEED_CCALLS))) {
            events |= e->numbers[event];
        }
    }
    return events;
}

#define TEXTS (FT_NEED_LINE | FT_NEED_ARGS | FT_NEED_VALUE)

static void
set_vectorcall(struct ft_engine *e, enum ft_event event, vectorcallfunc quick)
{
    struct ft_callback *callback = (struct ft_callback *)e->callbacks[event];
    if (callback != NULL) {
        callback->vectorcall = quick ? quick : ft_event_table[event].callback;
    }
}

void
ft_engine_set_lone(struct ft_engine *e, struct ft_tap *tap)
{
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        if (e->lone != NULL && e->lone != tap) {
            ft_stack_settle(t, e->lone);
        }
        t->told_task &= e->lone == tap;
    }
    e->lone = tap;
    e->generation++;
    if (!FT_NO_GIL) { /* else nothing goes the short way, and another thread may be reading this */
        set_vectorcall(e, FT_EV_START, tap ? tap->quick->start : NULL);
        set_vectorcall(e, FT_EV_RETURN, tap ? tap->quick->return_ : NULL);
    }
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        ft_thread_settle(e, t);
    }
}

/* A tap that has no neighbour and needs no texts of ordinary calls goes the short way. */
static void
find_lone(struct ft_engine *e)
{
    struct ft_tap *tap = e->attached ? e->taps[__builtin_ctz(e->attached)] : NULL;
    bool short_way = tap != NULL && (e->attached & (e->attached - 1)) == 0
                     && !(tap->sink->needs & TEXTS) && e->phase == FT_RUNNING && tap->quick != NULL;
    ft_engine_set_lone(e, short_way ? tap : NULL);
}

int
ft_engine_update(struct ft_engine *e)
{
    e->needs = 0;
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        e->needs |= e->taps[slot] ? e->taps[slot]->sink->needs : 0;
    }
    find_lone(e);
    int events = wanted_events(e);
    if (events == e->events) {
        return 0;
    }
    if (e->events == 0) {
        /* What was open when events went off was left unseen. */
        for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
            t->top = t->stack;
            t->task = NULL;
            ft_thread_settle(e, t);
        }
        ft_ptrmap_fini(&e->activations);
        ft_ptrmap_init(&e->activations);
    }
    return set_events(e, events);
}

/* What failed is told at the end; what comes after it is done all the same. */
static void
keep_first(PyObject **first, int failed)
{
    PyObject *exc = failed ? PyErr_GetRaisedException() : NULL;
    if (*first == NULL) {
        *first = exc;
    }
    else {
        Py_XDECREF(exc);
    }
}

int
ft_engine_stop(struct ft_engine *e)
{
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        if (e->taps[slot] != NULL) {
            ft_tap_detach(e, e->taps[slot]);
        }
    }
    if (e->tool_id < 0) {
        return 0;
    }
    /* Before 3.14 free_tool_id leaves events and callbacks live. */
    PyObject *first = NULL;
    keep_first(&first, set_events(e, 0));
    for (int event = 0; event < FT_EV_COUNT; event++) {
        keep_first(&first, register_callback(e, (enum ft_event)event, Py_None));
    }
    keep_first(&first, call_int(e, "free_tool_id", e->tool_id));
    e->tool_id = -1;
    e->events = 0;
    if (first != NULL) {
        PyErr_SetRaisedException(first);
        return -1;
    }
    return 0;
}

/* ---- birth and end --------------------------------------------------------------------------- */

static int
read_numbers(struct ft_engine *e)
{
    PyObject *events = PyObject_GetAttrString(e->monitoring, "events");
    if (events == NULL) {
        return -1;
    }
    int failed = 0;
    for (int event = 0; event < FT_EV_COUNT && !failed; event++) {
        PyObject *number = PyObject_GetAttrString(events, ft_event_table[event].name);
        e->numbers[event] = number ? (int)PyLong_AsLong(number) : -1;
        failed = number == NULL || (e->numbers[event] == -1 && PyErr_Occurred());
        Py_XDECREF(number);
    }
    Py_DECREF(events);
    return failed ? -1 : 0;
}

static void
read_cwd(struct ft_engine *e)
{
    char *cwd = getcwd(NULL, 0);
    e->cwd = cwd ? (struct ft_str){cwd, strlen(cwd)} : (struct ft_str){NULL, 0};
}

int
ft_engine_init(struct ft_engine *e, PyObject *module)
{
    memset(e, 0, sizeof(*e));
    e->tool_id = -1;
    e->module = module;
    e->interp = PyInterpreterState_Get();
    e->generation = (uint32_t)((uintptr_t)e >> 4) | 1; /* differs from an earlier engine's */
    ft_clock_init();
    read_cwd(e);
    ft_ptrmap_init(&e->callables);
    ft_ptrmap_init(&e->activations);
    e->codes = calloc(1, sizeof(*e->codes));
    if (e->codes == NULL || ft_codes_init(e->codes) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    e->codes->engine = e;
    e->owned = PyList_New(0);
    if (e->owned == NULL) {
        return -1;
    }
    if (ft_codes_index(e->codes, PyInterpreterState_GetDict(e->interp)) < 0) {
        return -1;
    }
    PyObject *sys_monitoring = PySys_GetObject("monitoring");
    if (sys_monitoring == NULL) {
        PyErr_SetString(PyExc_ImportError, "sys.monitoring is missing");
        return -1;
    }
    e->monitoring = Py_NewRef(sys_monitoring);
    PyObject *wrapper = PyObject_GetAttrString(e->monitoring, "__str__");
    if (wrapper == NULL) {
        return -1;
    }
    e->wrapper_type = Py_NewRef(Py_TYPE(wrapper));
    Py_DECREF(wrapper);
    e->disable = PyObject_GetAttrString(e->monitoring, "DISABLE");
    e->callback_type = PyType_FromModuleAndSpec(module, &ft_callback_spec, NULL);
    e->guard_type = PyType_FromModuleAndSpec(module, &ft_guard_spec, NULL);
    if (e->disable == NULL || e->callback_type == NULL || e->guard_type == NULL
        || read_numbers(e) < 0) {
        return -1;
    }
    for (int event = 0; event < FT_EV_COUNT; event++) {
        e->callbacks[event] = ft_callback_new(e, (enum ft_event)event);
        if (e->callbacks[event] == NULL) {
            return -1;
        }
    }
    return 0;
}

int
ft_engine_traverse(struct ft_engine *e, visitproc visit, void *arg)
{
    Py_VISIT(e->callback_type);
    Py_VISIT(e->guard_type);
    Py_VISIT(e->wrapper_type);
    Py_VISIT(e->monitoring);
    Py_VISIT(e->disable);
    Py_VISIT(e->owned);
    for (int event = 0; event < FT_EV_COUNT; event++) {
        Py_VISIT(e->callbacks[event]);
    }
    return 0;
}

void
ft_engine_clear(struct ft_engine *e)
{
    /* sys.monitoring may call once more before it lets go of the callbacks: they do nothing now. */
    e->attached = e->all = 0;
    ft_engine_set_lone(e, NULL);
    Py_CLEAR(e->callback_type);
    Py_CLEAR(e->guard_type);
    Py_CLEAR(e->wrapper_type);
    Py_CLEAR(e->monitoring);
    Py_CLEAR(e->disable);
    Py_CLEAR(e->owned);
    for (int event = 0; event < FT_EV_COUNT; event++) {
        Py_CLEAR(e->callbacks[event]);
    }
}

static void
free_folders(struct ft_str *folders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)folders[i].s);
    }
    free(folders);
}

void
ft_engine_fini(struct ft_engine *e)
{
    ft_engine_clear(e);
    ft_threads_reap(e, true);
    ft_tasks_free(e);
    ft_callables_fini(e);
    ft_ptrmap_fini(&e->activations);
    ft_codes_end(e->codes);
    e->codes = NULL;
    free_folders(e->paths.stdlib, e->paths.nstdlib);
    free_folders(e->paths.own, e->paths.nown);
    free((char *)e->cwd.s);
}
