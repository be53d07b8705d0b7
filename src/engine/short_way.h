/* The short way of an event: one tap, no texts (a report, a recording), a function shown whatever
 * its caller: what ft_stack_enter and ft_stack_leave do in general, without their choices. All that
 * decides was settled before (ft_code_sync, ft_thread_settle): a function's and a thread's epoch
 * are equal only if both are of the lone tap. The thread may have run another interpreter last:
 * then it is not this engine's. Used by events.c and, for an ordinary function's PY_START and
 * PY_RETURN, by callbacks that are of one kind of sink (struct ft_quick). */
#ifndef FT_ENGINE_SHORT_WAY_H
#define FT_ENGINE_SHORT_WAY_H

#include "engine/callback.h"
#include "engine/stack.h"

#define FT_ENGINE_OF(self) (((struct ft_callback *)(self))->engine)
#define FT_CODE_OF(args) ((PyCodeObject *)(args)[0])

#define FT_NOT_CODE(args) FT_UNLIKELY(!FT_EVENT_IS_OF_CODE((args)[0]))

/* What is no ordinary function's, or goes the long way (events.c). */
PyObject *ft_start_other(struct ft_engine *e, struct ft_thread *t, PyCodeObject *code);
PyObject *ft_return_other(struct ft_engine *e, struct ft_thread *t, PyObject *const *args);

static inline uint64_t
ft_now(bool counter)
{
    return counter ? ft_clock_counter() : ft_clock_monotonic_ns();
}

/* What the thread's short way knows of the code; NULL: there is none. */
static inline const struct ft_code *
code_of_thread(const struct ft_thread *t, const struct ft_engine *e, PyCodeObject *code)
{
    const struct ft_code_extra *extra = code->co_extra;
    /* Without a GIL what was settled may change under our hands, and nothing is read in place. */
    if (FT_NO_GIL
        || FT_UNLIKELY(t == NULL || t->engine != e || extra == NULL || t->index >= extra->size)) {
        return NULL;
    }
    return extra->items[t->index];
}

/* NULL: not the common case. */
static inline const struct ft_code *
plain_code(const struct ft_thread *t, const struct ft_engine *e, PyCodeObject *code)
{
    const struct ft_code *c = code_of_thread(t, e, code);
    return FT_LIKELY(c != NULL && c->func.plain == t->lone.plain && t->top != t->limit) ? c : NULL;
}

/* The same of a generator or coroutine. */
static inline const struct ft_code *
run_code(const struct ft_thread *t, const struct ft_engine *e, PyCodeObject *code)
{
    const struct ft_code *c = code_of_thread(t, e, code);
    return c != NULL && c->run == t->lone.plain && t->top != t->limit ? c : NULL;
}

/* A coroutine of which the lone tap must hear that it begins a step of a task. */
static inline bool
begins_step(struct ft_engine *e, const struct ft_thread *t, const struct ft_code *c)
{
    return t->lone_asks && (c->func.flags & FT_FUNC_COROUTINE) && ft_task_current(e) != NULL;
}

static inline void
push_plain(struct ft_thread *t, const struct ft_code *c, uint64_t time)
{
    struct ft_frame *f = t->top++;
    f->frame = FT_FRAME_ID(t->tstate);
    f->func = &c->func;
    f->kind = t->lone;
    f->time = time;
}

/* The frame on top is the running one, and of that kind. */
static inline bool
is_top(const struct ft_thread *t, const struct ft_engine *e, bool run, bool c)
{
    if (FT_NO_GIL || FT_UNLIKELY(t == NULL || t->engine != e)) {
        return false;
    }
    const struct ft_frame *f = t->top - 1; /* of no kind if there is none */
    struct ft_frame_kind kind = t->lone;
    kind.run |= run;
    kind.c |= c;
    return FT_LIKELY(memcmp(&f->kind, &kind, sizeof(kind)) == 0
                     && f->frame == FT_FRAME_ID(t->tstate));
}

static inline bool
plain_top(const struct ft_thread *t, const struct ft_engine *e)
{
    return is_top(t, e, false, false);
}

static inline bool
run_top(const struct ft_thread *t, const struct ft_engine *e)
{
    return is_top(t, e, true, false);
}

/* A C call is the running frame's. */
static inline bool
c_top(const struct ft_thread *t, const struct ft_engine *e)
{
    return is_top(t, e, false, true);
}

static inline PyObject *
leave_plain(struct ft_thread *t, uint64_t time)
{
    t->top--;
    return t->lone_leave(t->lone_sink, t->lone_lane, time, FT_NONE);
}

static inline const struct ft_frame *
push_run(struct ft_engine *e, struct ft_thread *t, const struct ft_code *c, enum ft_way way)
{
    struct ft_frame *f = t->top++;
    f->frame = FT_FRAME_ID(t->tstate);
    f->func = &c->func;
    f->kind = t->lone;
    f->kind.run = true;
    f->activation = ft_stack_activation(e, f->frame, way);
    f->time = ft_clock_ticks();
    return f;
}

#endif
