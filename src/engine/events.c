/* Where events arrive. One vectorcall object per event, registered on sys.monitoring, carries the
 * engine; each callback is a few lines: thread, function, verdict, stack. Nothing here raises,
 * prints or runs Python; the one exception that may pass is a signal handler's. GIL held. */
#include <structmember.h>

#include "engine/callback.h"
#include "engine/lock.h"
#include "engine/stack.h"

struct callback {
    PyObject ob_base;
    vectorcallfunc vectorcall;
    struct ft_engine *engine;            /* borrowed from `module` */
    PyObject *module;                    /* owned: keeps the engine */
};

#define ENGINE(self) (((struct callback *)(self))->engine)
#define CODE(args) ((PyCodeObject *)(args)[0])

/* From 3.13 on C code may fire events for whatever stands for its code (PyMonitoring_Fire...). */
#define NOT_CODE(args) FT_UNLIKELY(!PyCode_Check((args)[0]))

/* The record on the code object. The public accessor costs a call into another library for each
 * event; where the first records lay as we think they do, it is read in place. */
static inline struct ft_code *
code_get(struct ft_engine *e, PyCodeObject *code)
{
    if (FT_LIKELY(e->codes->in_place)) {
        const struct ft_code_extra *extra = code->co_extra;
        return extra != NULL && e->codes->index < extra->size ? extra->items[e->codes->index]
                                                              : NULL;
    }
    void *extra = NULL;
    PyUnstable_Code_GetExtra((PyObject *)code, e->codes->index, &extra);
    return extra;
}

/* The function of an entering event, described and judged: NULL when memory ran out. */
static struct ft_code *
code_known(struct ft_engine *e, PyCodeObject *code)
{
    struct ft_code *c = code_get(e, code);
    if (FT_UNLIKELY(c == NULL)) {
        c = ft_code_learn(e, code, NULL);
    }
    if (c != NULL && FT_UNLIKELY(c->generation != e->generation)) {
        if (c->codes != e->codes) { /* of an engine that ended: the module was imported anew */
            c = ft_code_learn(e, code, NULL);
        }
        if (c != NULL) {
            ft_code_sync(e, c);
        }
    }
    return c;
}

/* For the line that says what was left out: in which order, and whether the user's own code called.
 */
static void
note_called(struct ft_engine *e, struct ft_code *c)
{
    struct ft_caller caller;
    c->called = true;
    c->order = ++e->codes->next_order;
    ft_caller_of_frame(e, &caller);
    for (int slot = 0; caller.code != NULL && slot < FT_MAX_TAPS; slot++) {
        c->from_user |= e->taps[slot] && (caller.code->taps[slot].verdict & FT_V_USER);
    }
}

static PyObject *
silence(struct ft_engine *e, struct ft_code *c, enum ft_way way)
{
    if (way == FT_START && e->attached) {
        if (!c->called) {
            note_called(e, c);
        }
        if (FT_UNLIKELY(c->spawns)) {
            e->spawned[c->spawns]++;
            Py_RETURN_NONE; /* each of them is counted */
        }
    }
    if (way == FT_THROW || e->attached == 0) {
        Py_RETURN_NONE; /* PY_THROW cannot be disabled before 3.15 */
    }
    c->silenced = true;
    return Py_NewRef(e->disable);
}

/* ---- the short way --------------------------------------------------------------------------- */

/* One tap, no texts (a report, a recording), a function shown whatever its caller: what
 * ft_stack_enter and ft_stack_leave do in general, without their choices. All that decides was
 * settled before (ft_code_sync, ft_thread_settle): a function's and a thread's epoch are equal only
 * if both are of the lone tap. The thread may have run another interpreter last: then it is not
 * this engine's. */

static inline uint64_t
now(bool counter)
{
    return counter ? ft_clock_counter() : ft_clock_monotonic_ns();
}

/* NULL: not the common case. */
static inline const struct ft_code *
plain_code(const struct ft_thread *t, const struct ft_engine *e, PyCodeObject *code)
{
#ifdef Py_GIL_DISABLED
    return NULL; /* what was settled may change under our hands, and nothing is read in place */
#endif
    const struct ft_code_extra *extra = code->co_extra;
    if (FT_UNLIKELY(t == NULL || t->engine != e || extra == NULL || t->index >= extra->size)) {
        return NULL;
    }
    const struct ft_code *c = extra->items[t->index];
    return FT_LIKELY(c != NULL && c->plain == t->lone.plain && t->top != t->cap) ? c : NULL;
}

static inline PyObject *
enter_plain(struct ft_thread *t, const struct ft_code *c, bool counter)
{
    struct ft_frame *f = &t->stack[t->top++];
    f->frame = FT_FRAME_ID(t->tstate);
    f->func = &c->func;
    f->kind = t->lone;
    uint64_t time = f->time = now(counter);
    return t->lone_enter(t->lone_sink, t->lone_lane, &c->func, time, FT_NONE);
}

/* The frame on top is the one that is left, and went the short way. */
static inline bool
plain_top(const struct ft_thread *t, const struct ft_engine *e)
{
#ifdef Py_GIL_DISABLED
    return false;
#endif
    if (FT_UNLIKELY(t == NULL || t->engine != e || t->top == 0)) {
        return false;
    }
    const struct ft_frame *f = &t->stack[t->top - 1];
    return FT_LIKELY(f->kind.plain == t->lone.plain && f->frame == FT_FRAME_ID(t->tstate));
}

static inline PyObject *
leave_plain(struct ft_thread *t, uint64_t time)
{
    t->top--;
    return t->lone_leave(t->lone_sink, t->lone_lane, time, FT_NONE);
}

/* ---- entering and leaving -------------------------------------------------------------------- */

/* After a line was written to a Python stream, a signal handler's exception goes on its way. */
static inline PyObject *
finish(void)
{
    if (FT_UNLIKELY(PyErr_Occurred() != NULL)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* There was no memory to look at it: the taps that would have been told hear that much. */
static PyObject *
lost(struct ft_engine *e, uint32_t mask)
{
    struct ft_thread *t = ft_thread_get(e);
    ft_stack_lost(e, t, mask & (e->all | (t ? t->local : 0)));
    Py_RETURN_NONE;
}

static inline PyObject *
enter_held(struct ft_engine *e, PyCodeObject *code, enum ft_way way)
{
    if (FT_UNLIKELY(e->phase != FT_RUNNING) && !ft_boot_enter(e, code)) {
        Py_RETURN_NONE;
    }
    struct ft_code *c = code_known(e, code);
    if (FT_UNLIKELY(c == NULL)) {
        return lost(e, UINT32_MAX);
    }
    if (c->want == 0) {
        return silence(e, c, way);
    }
    struct ft_thread *t = ft_thread_get(e);
    if (FT_UNLIKELY(t == NULL)) {
        return lost(e, c->want);
    }
    uint32_t mask = c->want & (e->all | t->local);
    if (mask == 0) {
        Py_RETURN_NONE;
    }
    ft_stack_enter(e, t, ft_thread_frame(t), c, code, way, mask);
    return finish();
}

static __attribute__((noinline)) PyObject *
enter(struct ft_engine *e, PyCodeObject *code, enum ft_way way)
{
    ft_lock();
    PyObject *answer = enter_held(e, code, way);
    ft_unlock();
    return answer;
}

static inline PyObject *
leave_held(struct ft_engine *e, PyCodeObject *code, enum ft_way way, PyObject *value)
{
    struct ft_thread *t = ft_thread_get(e);
    if (FT_UNLIKELY(t == NULL)) {
        Py_RETURN_NONE;
    }
    void *frame = ft_thread_frame(t);
    const struct ft_frame *f = t->top > 0 ? &t->stack[t->top - 1] : NULL;
    if (FT_UNLIKELY(f == NULL || f->frame != frame || f->kind.c)) {
        struct ft_code *c = code_get(e, code);
        if (c == NULL || c->generation != e->generation) {
            Py_RETURN_NONE; /* began before we looked */
        }
        if (c->want == 0) {
            return way == FT_UNWIND ? Py_NewRef(Py_None) : silence(e, c, way);
        }
        if (!ft_stack_find(e, t, frame)) {
            Py_RETURN_NONE;
        }
    }
    ft_stack_leave(e, t, way, value);
    return finish();
}

static __attribute__((noinline)) PyObject *
leave(struct ft_engine *e, PyCodeObject *code, enum ft_way way, PyObject *value)
{
    ft_lock();
    PyObject *answer = leave_held(e, code, way, value);
    ft_unlock();
    return answer;
}

/* `counter` is known to the compiler: reading it calls nothing, so these end with their only call
 * and save no registers. */
static inline PyObject *
start(PyObject *self, PyObject *const *args, bool counter)
{
    struct ft_thread *t = ft_thread_current;
    const struct ft_code *c = plain_code(t, ENGINE(self), CODE(args));
    return FT_LIKELY(c != NULL) ? enter_plain(t, c, counter)
                                : enter(ENGINE(self), CODE(args), FT_START);
}

static inline PyObject *
return_(PyObject *self, PyObject *const *args, bool counter)
{
    uint64_t time = now(counter);
    struct ft_thread *t = ft_thread_current;
    return FT_LIKELY(plain_top(t, ENGINE(self)))
               ? leave_plain(t, time)
               : leave(ENGINE(self), CODE(args), FT_RETURN, args[2]);
}

static __attribute__((noinline)) PyObject *
start_without_counter(PyObject *self, PyObject *const *args)
{
    return start(self, args, false);
}

static __attribute__((noinline)) PyObject *
return_without_counter(PyObject *self, PyObject *const *args)
{
    return return_(self, args, false);
}

static PyObject *
on_start(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return FT_LIKELY(ft_clock.counter) ? start(self, args, true)
                                       : start_without_counter(self, args);
}

static PyObject *
on_resume(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return enter(ENGINE(self), CODE(args), FT_RESUME);
}

static PyObject *
on_throw(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    ft_lock();
    struct ft_thread *t = ft_thread_get(ENGINE(self));
    if (t != NULL && PyLong_AsLong(args[1]) < FT_FIRST_OFFSET(CODE(args))) {
        ft_stack_forget(ENGINE(self), ft_thread_frame(t));
    }
    PyObject *answer = enter(ENGINE(self), CODE(args), FT_THROW);
    ft_unlock();
    return answer;
}

static PyObject *
on_return(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return FT_LIKELY(ft_clock.counter) ? return_(self, args, true)
                                       : return_without_counter(self, args);
}

static PyObject *
on_yield(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return leave(ENGINE(self), CODE(args), FT_YIELD, args[2]);
}

static PyObject *
on_unwind(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    struct ft_thread *t = ft_thread_current;
    if (plain_top(t, ENGINE(self)) && t->lone_unwind) {
        return leave_plain(t, ft_clock_ticks());
    }
    if (t != NULL) {
        t->raised = (uintptr_t)args[2];
    }
    return leave(ENGINE(self), CODE(args), FT_UNWIND, args[2]);
}

static uint32_t
taps_with_ccalls(const struct ft_engine *e)
{
    uint32_t mask = 0;
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        bool wants = e->taps[slot] && (e->taps[slot]->sink->needs & FT_NEED_CCALLS);
        mask |= (uint32_t)wants << slot;
    }
    return mask;
}

static inline PyObject *
enter_c_held(struct ft_engine *e, PyObject *const *args)
{
    if (FT_UNLIKELY(e->phase != FT_RUNNING)) {
        Py_RETURN_NONE;
    }
    struct ft_code *c = code_known(e, CODE(args));
    if (FT_UNLIKELY(c == NULL)) {
        return lost(e, taps_with_ccalls(e));
    }
    if (c->want_c == 0) {
        /* By the caller's code alone: the next callee at this place may be another. */
        if (e->attached == 0) {
            Py_RETURN_NONE;
        }
        c->silenced_c = true;
        return Py_NewRef(e->disable);
    }
    struct ft_thread *t = ft_thread_get(e);
    if (FT_UNLIKELY(t == NULL)) {
        return lost(e, c->want_c);
    }
    uint32_t mask = c->want_c & (e->all | t->local);
    if (mask == 0) {
        Py_RETURN_NONE;
    }
    bool failed;
    struct ft_callable *callable = ft_callable_get(e, args[2], &failed);
    if (callable == NULL) {
        return FT_UNLIKELY(failed) ? lost(e, mask) : Py_NewRef(Py_None);
    }
    ft_stack_enter_c(e, t, ft_thread_frame(t), CODE(args), callable, mask);
    return finish();
}

static PyObject *
on_call(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    ft_lock();
    PyObject *answer = enter_c_held(ENGINE(self), args);
    ft_unlock();
    return answer;
}

static PyObject *
leave_c(struct ft_engine *e, enum ft_way way)
{
    PyObject *answer = Py_NewRef(Py_None);
    ft_lock();
    struct ft_thread *t = ft_thread_get(e);
    if (t != NULL && t->top > 0) {
        ft_stack_leave_c(e, t, ft_thread_frame(t), way);
        answer = finish();
    }
    ft_unlock();
    return answer;
}

static PyObject *
on_c_return(PyObject *self, PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(nargsf),
            PyObject *Py_UNUSED(kw))
{
    return leave_c(ENGINE(self), FT_C_RETURN);
}

static PyObject *
on_c_raise(PyObject *self, PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(nargsf),
           PyObject *Py_UNUSED(kw))
{
    return leave_c(ENGINE(self), FT_C_RAISE);
}

/* Registering, unregistering and the event mask are all driven by this table. */
const struct ft_event_row ft_event_table[FT_EV_COUNT] = {
    [FT_EV_START] = {"PY_START", on_start, false, false},
    [FT_EV_RESUME] = {"PY_RESUME", on_resume, false, false},
    [FT_EV_THROW] = {"PY_THROW", on_throw, false, false},
    [FT_EV_RETURN] = {"PY_RETURN", on_return, false, false},
    [FT_EV_YIELD] = {"PY_YIELD", on_yield, false, false},
    [FT_EV_UNWIND] = {"PY_UNWIND", on_unwind, false, false},
    [FT_EV_CALL] = {"CALL", on_call, true, false},
    [FT_EV_C_RETURN] = {"C_RETURN", on_c_return, true, true},
    [FT_EV_C_RAISE] = {"C_RAISE", on_c_raise, true, true},
};

/* ---- the callback type ----------------------------------------------------------------------- */

static int
callback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct callback *)self)->module);
    return 0;
}

static int
callback_clear(PyObject *self)
{
    Py_CLEAR(((struct callback *)self)->module);
    return 0;
}

static void
callback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    callback_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct callback, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_dealloc, callback_dealloc}, {Py_tp_traverse, callback_traverse},
    {Py_tp_clear, callback_clear},     {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, callback_members}, {0, NULL},
};

PyType_Spec ft_callback_spec = {
    .name = "pyftrace._engine.Callback",
    .basicsize = sizeof(struct callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = callback_slots,
};

PyObject *
ft_callback_new(struct ft_engine *e, enum ft_event event)
{
    PyTypeObject *type = (PyTypeObject *)e->callback_type;
    struct callback *self = (struct callback *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = ft_event_table[event].callback;
    self->engine = e;
    self->module = Py_NewRef(e->module);
    return (PyObject *)self;
}
