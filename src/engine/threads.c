/* The engine's record of each thread: found by a thread-local pointer, owned by the engine and by
 * the thread's own destructor, which never touches Python. Also what a forked child does first.
 * GIL held, but for thread_ended(). */
#include "engine/threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codes.h"
#include "engine/lock.h"
#include "engine/process.h"
#include "engine/stack.h"

/* Reached from each event and by pthread's destructors, which get no other argument. */
_Thread_local struct ft_thread *ft_thread_current __attribute__((tls_model("initial-exec")));

/* ---- ownership ------------------------------------------------------------------------------- */

static void
disown(struct ft_thread *t)
{
    if (atomic_fetch_sub(&t->owners, 1) == 1) {
        free(t->stack == &t->nothing + 1 ? NULL : t->stack - 1);
        ft_strbuf_fini(&t->args);
        ft_strbuf_fini(&t->value);
        free(t);
    }
}

void
ft_thread_ended(void *thread)
{
    ft_thread_current = NULL;
    for (struct ft_thread *t = thread, *before; t != NULL; t = before) {
        before = t->before;
        atomic_store(&t->ended, true);
        disown(t);
    }
}

/* ---- the thread's state ---------------------------------------------------------------------- */

/* Asking CPython for the running thread's state is a call into another library for each event, a
 * third of what an event may cost. So its address is kept, and an object in the state's own dict
 * says when the state goes: a C library's thread gets a new one for each callback, perhaps at the
 * same address. Two states of one interpreter that take turns on one thread while both live would
 * be taken for one: told of, but not checked against the interpreter's frames. */
struct guard {
    PyObject ob_base;
    struct ft_thread *thread; /* owned share */
    PyThreadState *tstate;    /* whose dict holds this */
};

static void
guard_dealloc(PyObject *self)
{
    struct guard *g = (struct guard *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (g->thread != NULL) {
        ft_lock();
        if (g->thread->tstate == g->tstate) {
            g->thread->tstate = NULL;
            g->thread->lone.plain = FT_NO_EPOCH;
            g->thread->gone = g->thread->tstate_id;
        }
        disown(g->thread);
        ft_unlock();
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot guard_slots[] = {{Py_tp_dealloc, guard_dealloc}, {0, NULL}};

PyType_Spec ft_guard_spec = {
    .name = "pyftrace._engine.Guard",
    .basicsize = sizeof(struct guard),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = guard_slots,
};

/* Without memory, or while the state is being cleared, it stays unknown: every event asks. */
static void
keep_tstate(struct ft_engine *e, struct ft_thread *t, PyThreadState *tstate)
{
    PyTypeObject *type = (PyTypeObject *)e->guard_type;
    if (t->tstate == tstate || t->gone == tstate->id || type == NULL || FT_TSTATE_ENDS(tstate)) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *dict = PyThreadState_GetDict();
    struct guard *g = dict ? (struct guard *)type->tp_alloc(type, 0) : NULL;
    if (g != NULL) {
        g->thread = t;
        g->tstate = tstate;
        atomic_fetch_add(&t->owners, 1);
        t->tstate = tstate;
        if (PyDict_SetItemString(dict, "pyftrace", (PyObject *)g) < 0) {
            t->tstate = NULL;
        }
        Py_DECREF(g);
    }
    PyErr_SetRaisedException(exc);
}

void
ft_thread_settle(struct ft_engine *e, struct ft_thread *t)
{
    const struct ft_tap *tap = e->lone;
    const struct ft_view *view = tap ? &t->views[tap->slot] : NULL;
    t->lone = (struct ft_frame_kind){.plain = FT_NO_EPOCH};
    t->lone_unwind = false;
    t->index = PY_SSIZE_T_MAX; /* nothing on a code object is looked at */
    if (tap == NULL || view->epoch != tap->epoch || !((e->all | t->local) >> tap->slot & 1)
        || t->tstate == NULL || !e->codes->in_place || (t->task != NULL && !t->told_task)) {
        return;
    }
    t->lone.plain = tap->epoch;
    t->index = e->codes->index;
    t->lone_lane = view->lane;
    t->lone_sink = tap->sink;
    t->lone_enter = tap->sink->ops->enter_plain;
    t->lone_leave = tap->sink->ops->leave_plain;
    t->lone_unwind = !(tap->sink->needs & FT_NEED_EXC);
    t->lone_resume = tap->sink->ops->resume_plain;
    t->lone_yield = tap->sink->ops->yield_plain;
    t->lone_asks = (tap->sink->needs & FT_NEED_TASK) && t->task == NULL;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
end_views(struct ft_engine *e, struct ft_thread *t)
{
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        struct ft_tap *tap = e->taps[slot];
        struct ft_view *view = &t->views[slot];
        if (tap != NULL && view->epoch == tap->epoch) {
            view->epoch = 0;
            tap->entered -= view->entered > 0;
            tap->sink->ops->thread_end(tap->sink, view->lane);
        }
    }
}

/* Lets go of threads that ended, or of all. */
void
ft_threads_reap(struct ft_engine *e, bool all)
{
    struct ft_thread **at = &e->threads;
    for (struct ft_thread *t = *at; t != NULL; t = *at) {
        if (!all && !atomic_load(&t->ended)) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        end_views(e, t);
        t->engine = NULL;
        t->lone.plain = FT_NO_EPOCH;
        disown(t);
    }
}

/* ---- first sight ----------------------------------------------------------------------------- */

static struct ft_thread *
known_thread(struct ft_engine *e, uint64_t tstate_id, uint64_t native_id)
{
    struct ft_thread *same = NULL;
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        if (t->tstate_id == tstate_id && t->native_id == native_id) {
            return t;
        }
        if (t->native_id == native_id && !atomic_load(&t->ended)) {
            same = t;
        }
    }
    if (same != NULL) { /* a C library's thread gets a new state for each callback */
        same->tstate_id = tstate_id;
        ft_stack_cut(e, same, 0);
    }
    return same;
}

static struct ft_thread *
thread_new(struct ft_engine *e, uint64_t tstate_id, uint64_t native_id)
{
    struct ft_thread *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->engine = e;
    t->tstate_id = tstate_id;
    t->native_id = native_id;
    t->lone.plain = FT_NO_EPOCH;
    t->index = PY_SSIZE_T_MAX;
    t->stack = t->top = t->limit = &t->nothing + 1;
    t->nothing.frame = &t->nothing;
    t->serial = ++e->last_thread;
    atomic_init(&t->owners, 1);
    ft_strbuf_init(&t->args);
    ft_strbuf_init(&t->value);
    if (ft_process_own_thread(t)) {
        atomic_fetch_add(&t->owners, 1);
    }
    t->next = e->threads;
    e->threads = t;
    return t;
}

struct ft_thread *
ft_thread_find(struct ft_engine *e)
{
    PyThreadState *tstate = FT_TSTATE();
    if (e->fork_seen != ft_process_forks()) {
        ft_engine_forked(e);
    }
    uint64_t native_id = (uint64_t)PyThread_get_thread_native_id();
    ft_threads_reap(e, false);
    struct ft_thread *t = known_thread(e, tstate->id, native_id);
    if (t == NULL) {
        t = thread_new(e, tstate->id, native_id);
        if (t != NULL) {
            ft_taps_meet(e, t);
        }
    }
    if (t != NULL) {
        keep_tstate(e, t, tstate);
        ft_thread_settle(e, t);
    }
    ft_thread_current = t;
    return t;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Read without running the program's code: the instance's own _name. New reference or NULL. */
static PyObject *
name_of_thread(PyObject *thread)
{
    PyObject *key = PyUnicode_FromString("_name");
    PyObject *name = key && thread ? PyObject_GenericGetAttr(thread, key) : NULL;
    Py_XDECREF(key);
    if (name == NULL || !PyUnicode_CheckExact(name)) {
        PyErr_Clear();
        Py_CLEAR(name);
    }
    return name;
}

/* A thread that has not entered itself in threading's list yet: `self` of its outermost frame. */
static PyObject *
bootstrapping_thread(void)
{
    PyFrameObject *f = PyThreadState_GetFrame(PyThreadState_Get());
    for (PyFrameObject *back; f != NULL && (back = PyFrame_GetBack(f)) != NULL;) {
        Py_SETREF(f, back);
    }
    PyCodeObject *code = f ? PyFrame_GetCode(f) : NULL;
    PyObject *self = NULL;
    if (code && PyUnicode_CompareWithASCIIString(code->co_qualname, "Thread._bootstrap") == 0) {
        self = PyFrame_GetVarString(f, "self");
        if (self == NULL) {
            PyErr_Clear();
        }
    }
    Py_XDECREF(code);
    Py_XDECREF(f);
    return self;
}

static PyObject *
python_name(void)
{
    PyObject *active = ft_loaded("threading", "_active");
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *thread = NULL;
    if (active && ident && PyDict_CheckExact(active)
        && PyDict_GetItemRef(active, ident, &thread) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(active);
    Py_XDECREF(ident);
    if (thread == NULL) {
        thread = bootstrapping_thread();
    }
    PyObject *name = name_of_thread(thread);
    Py_XDECREF(thread);
    return name;
}

static void
add_name(struct ft_strbuf *b, const struct ft_thread *t)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *keep, *name = python_name();
    struct ft_str s = ft_str_cut(ft_utf8(name, &keep), FT_LABEL_MAX);
    ft_strbuf_add_printable(b, s);
    b->len = ft_str_cut((struct ft_str){b->data, b->len}, FT_LABEL_MAX).len;
    if (s.len == 0 && (uint64_t)getpid() == t->native_id) {
        ft_strbuf_add_cstr(b, "MainThread");
    }
    else if (s.len == 0) {
        ft_strbuf_add_cstr(b, "thread-");
        ft_strbuf_add_u64(b, t->native_id);
    }
    Py_XDECREF(keep);
    Py_XDECREF(name);
    PyErr_SetRaisedException(exc);
}

/* ---- a tap's view of a thread ---------------------------------------------------------------- */

bool
ft_view_begin(struct ft_engine *e, struct ft_thread *t, int slot)
{
    struct ft_tap *tap = e->taps[slot];
    struct ft_view *view = &t->views[slot];
    struct ft_strbuf name;
    ft_strbuf_init(&name);
    add_name(&name, t);
    struct ft_thread_info info = {.serial = t->serial,
                                  .native_id = t->native_id,
                                  .pid = (uint64_t)getpid(),
                                  .name = {name.data ? name.data : "", name.len},
                                  .open_calls = ft_stack_open_calls,
                                  .into_unshown = ft_stack_into_unshown,
                                  .thread = t};
    void *lane = tap->sink->ops->thread_begin(tap->sink, &info);
    ft_strbuf_fini(&name);
    if (lane == NULL) {
        return false;
    }
    memset(view, 0, sizeof(*view));
    view->lane = lane;
    view->epoch = tap->epoch;
    uint32_t keep = ~(1u << slot); /* what an earlier tap in this place was shown */
    for (struct ft_frame *f = t->stack; f < t->top; f++) {
        f->shown &= keep;
        f->inside &= keep;
        f->excluded &= keep;
    }
    ft_thread_settle(e, t);
    return true;
}

void
ft_thread_forget(struct ft_engine *e, struct ft_thread *t, int slot)
{
    struct ft_tap *tap = e->taps[slot];
    struct ft_view *view = &t->views[slot];
    uint32_t bit = 1u << slot;
    struct ft_call call = {.way = FT_LEFT};
    struct ft_frame *const top = t->top; /* no sink runs Python at FT_LEFT: nothing moves */
    for (struct ft_frame *f = top; f-- > t->stack && view->depth > 0;) {
        if (f->shown & bit) {
            t->top = f; /* what is left stands just above, see open_calls */
            call.func = f->func;
            call.activation = f->activation;
            call.depth = --view->depth;
            call.time = ft_clock_ticks();
            tap->sink->ops->leave(tap->sink, view->lane, &call);
        }
        f->shown &= ~bit;
        f->inside &= ~bit;
        f->excluded &= ~bit;
    }
    t->top = top;
    view->depth = view->inside = view->excluded = 0;
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* In the child, before its first event: other threads are gone, their locks and lanes with them. */
void
ft_engine_forked(struct ft_engine *e)
{
    e->fork_seen = ft_process_forks();
    uint64_t tstate_id = FT_TSTATE()->id;
    struct ft_thread **at = &e->threads;
    for (struct ft_thread *t = *at; t != NULL; t = *at) {
        if (t->tstate_id == tstate_id) {
            t->native_id = (uint64_t)PyThread_get_thread_native_id();
            at = &t->next;
            continue;
        }
        *at = t->next; /* not freed: the thread did not end here */
        t->engine = NULL;
        t->lone.plain = FT_NO_EPOCH;
    }
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        struct ft_tap *tap = e->taps[slot];
        if (tap == NULL) {
            continue;
        }
        if (tap->forked != NULL) {
            tap->forked(tap);
        }
        if (tap->one_process) {
            e->all &= ~(1u << slot);
            for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
                t->local &= ~(1u << slot);
                ft_thread_settle(e, t);
            }
        }
        else {
            tap->sink->ops->forked(tap->sink, (uint64_t)getpid());
        }
    }
}
