/* Where events arrive. One vectorcall object per event, registered on sys.monitoring, carries the
 * engine; each callback is a few lines: thread, function, verdict, stack. Nothing here raises,
 * prints or runs Python; the one exception that may pass is a signal handler's. GIL held. */
#include "engine/lock.h"
#include "engine/short_way.h"

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

/* ---- by the short way ------------------------------------------------------------------------ */

static __attribute__((noinline)) PyObject *enter(struct ft_engine *e, PyCodeObject *code,
                                                 enum ft_way way);

/* A generator or coroutine goes on. Like those below out of the callback, which saves no registers
 * for what goes the long way. */
static __attribute__((noinline)) PyObject *
resume_plain(struct ft_engine *e, struct ft_thread *t, const struct ft_code *c, PyCodeObject *code)
{
    if (FT_UNLIKELY(begins_step(e, t, c))) {
        return enter(e, code, FT_RESUME);
    }
    const struct ft_frame *f = push_run(e, t, c, FT_RESUME);
    return t->lone_resume(t->lone_sink, t->lone_lane, &c->func, f->activation, f->time, FT_NONE);
}

static PyObject *
start_run(struct ft_engine *e, struct ft_thread *t, const struct ft_code *c)
{
    const struct ft_frame *f = push_run(e, t, c, FT_START);
    struct ft_call call = {
        .func = &c->func, .way = FT_START, .activation = f->activation, .time = f->time};
    t->lone_sink->ops->enter(t->lone_sink, t->lone_lane, &call);
    Py_RETURN_NONE;
}

static __attribute__((noinline)) PyObject *
yield_plain(struct ft_thread *t)
{
    uint64_t time = ft_clock_ticks();
    const struct ft_frame *f = --t->top;
    return t->lone_yield(t->lone_sink, t->lone_lane, f->activation,
                         (f->func->flags & FT_FUNC_COROUTINE) != 0, time, FT_NONE);
}

static PyObject *
return_run(struct ft_engine *e, struct ft_thread *t)
{
    uint64_t time = ft_clock_ticks();
    ft_ptrmap_take(&e->activations, (uintptr_t)t->top[-1].frame, NULL);
    return leave_plain(t, time);
}

static __attribute__((noinline)) PyObject *
leave_c_plain(struct ft_thread *t)
{
    return leave_plain(t, ft_clock_ticks());
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

static PyObject *
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
    const struct ft_frame *f = t->top - 1;
    if (FT_UNLIKELY(f->frame != frame || f->kind.c)) {
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

PyObject *
ft_start_other(struct ft_engine *e, struct ft_thread *t, PyCodeObject *code)
{
    const struct ft_code *c = run_code(t, e, code);
    return c != NULL && !begins_step(e, t, c) ? start_run(e, t, c) : enter(e, code, FT_START);
}

PyObject *
ft_return_other(struct ft_engine *e, struct ft_thread *t, PyObject *const *args)
{
    return run_top(t, e) ? return_run(e, t) : leave(e, FT_CODE_OF(args), FT_RETURN, args[2]);
}

static PyObject *
on_start(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return ft_start_other(FT_ENGINE_OF(self), ft_thread_current, FT_CODE_OF(args));
}

static PyObject *
on_resume(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    struct ft_thread *t = ft_thread_current;
    const struct ft_code *c = run_code(t, FT_ENGINE_OF(self), FT_CODE_OF(args));
    return FT_LIKELY(c != NULL) ? resume_plain(FT_ENGINE_OF(self), t, c, FT_CODE_OF(args))
                                : enter(FT_ENGINE_OF(self), FT_CODE_OF(args), FT_RESUME);
}

static PyObject *
on_throw(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    ft_lock();
    struct ft_thread *t = ft_thread_get(FT_ENGINE_OF(self));
    if (t != NULL && PyLong_AsLong(args[1]) < FT_FIRST_OFFSET(FT_CODE_OF(args))) {
        ft_stack_forget(FT_ENGINE_OF(self), ft_thread_frame(t));
    }
    PyObject *answer = enter(FT_ENGINE_OF(self), FT_CODE_OF(args), FT_THROW);
    ft_unlock();
    return answer;
}

static PyObject *
on_return(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    return ft_return_other(FT_ENGINE_OF(self), ft_thread_current, args);
}

static PyObject *
on_yield(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    struct ft_thread *t = ft_thread_current;
    return FT_LIKELY(run_top(t, FT_ENGINE_OF(self)))
               ? yield_plain(t)
               : leave(FT_ENGINE_OF(self), FT_CODE_OF(args), FT_YIELD, args[2]);
}

static PyObject *
on_unwind(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    struct ft_thread *t = ft_thread_current;
    if (plain_top(t, FT_ENGINE_OF(self)) && t->lone_unwind) {
        return leave_plain(t, ft_clock_ticks());
    }
    if (t != NULL) {
        t->raised = (uintptr_t)args[2];
    }
    return leave(FT_ENGINE_OF(self), FT_CODE_OF(args), FT_UNWIND, args[2]);
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
    struct ft_code *c = code_known(e, FT_CODE_OF(args));
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
    ft_stack_enter_c(e, t, ft_thread_frame(t), FT_CODE_OF(args), callable, mask);
    return finish();
}

static __attribute__((noinline)) PyObject *
enter_c(struct ft_engine *e, PyObject *const *args)
{
    ft_lock();
    PyObject *answer = enter_c_held(e, args);
    ft_unlock();
    return answer;
}

/* A Python function has events of its own. */
static inline bool
is_python(PyObject *callable)
{
    return PyFunction_Check(callable)
           || (Py_IS_TYPE(callable, &PyMethod_Type)
               && PyFunction_Check(PyMethod_GET_FUNCTION(callable)));
}

/* The caller's C calls go the short way. */
static __attribute__((noinline)) PyObject *
enter_c_plain(struct ft_engine *e, struct ft_thread *t, PyObject *const *args)
{
    if (is_python(args[2])) {
        Py_RETURN_NONE;
    }
    bool failed;
    void *frame = FT_FRAME_ID(t->tstate);
    const struct ft_callable *callable = ft_callable_get(e, args[2], &failed);
    if (FT_UNLIKELY(callable == NULL || callable->func.plain != t->lone.plain
                    || t->top == t->limit)) {
        return enter_c(e, args);
    }
    if (t->top[-1].kind.c && t->top[-1].frame == frame) {
        return enter_c(e, args); /* an older one lost its end */
    }
    struct ft_frame *f = t->top++;
    f->frame = frame;
    f->func = &callable->func;
    f->kind = t->lone;
    f->kind.c = true;
    f->time = ft_clock_ticks();
    return t->lone_enter(t->lone_sink, t->lone_lane, &callable->func, f->time, FT_NONE);
}

static PyObject *
on_call(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kw))
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    struct ft_thread *t = ft_thread_current;
    const struct ft_code *c = code_of_thread(t, FT_ENGINE_OF(self), FT_CODE_OF(args));
    return FT_LIKELY(c != NULL && c->calls == t->lone.plain)
               ? enter_c_plain(FT_ENGINE_OF(self), t, args)
               : enter_c(FT_ENGINE_OF(self), args);
}

static __attribute__((noinline)) PyObject *
leave_c(struct ft_engine *e, enum ft_way way)
{
    PyObject *answer = Py_NewRef(Py_None);
    ft_lock();
    struct ft_thread *t = ft_thread_get(e);
    if (t != NULL) {
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
    struct ft_thread *t = ft_thread_current;
    return FT_LIKELY(c_top(t, FT_ENGINE_OF(self))) ? leave_c_plain(t)
                                                   : leave_c(FT_ENGINE_OF(self), FT_C_RETURN);
}

static PyObject *
on_c_raise(PyObject *self, PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(nargsf),
           PyObject *Py_UNUSED(kw))
{
    struct ft_thread *t = ft_thread_current;
    return c_top(t, FT_ENGINE_OF(self)) && t->lone_unwind ? leave_c_plain(t)
                                                          : leave_c(FT_ENGINE_OF(self), FT_C_RAISE);
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
