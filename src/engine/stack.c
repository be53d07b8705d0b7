/* Each thread's stack of open frames, and what the taps hear of it: who is shown, at which depth,
 * with which texts. Depth comes from the frames shown on this stack, so it cannot drift: a frame
 * left without an event is found and cut when the one below it is left. GIL held. */
#include "engine/stack.h"

#include <stdlib.h>

/* How far down a frame is looked for when the one on top is not it. Only frames that began before
 * their tap was active, or another greenlet's, are ever looked for in vain. */
#define SEARCH_LIMIT 4096

/* Of a frame that found no memory neither is told: it is not on the stack when it is left. */
#define EVENTS_OF_CALL 2

#define GENERATOR_LIKE (FT_FUNC_GENERATOR | FT_FUNC_COROUTINE | FT_FUNC_ASYNCGEN)

static bool
grow(struct ft_thread *t)
{
    const size_t open = (size_t)(t->top - t->stack), room = open ? open * 2 : 64;
    struct ft_frame *block = t->stack - 1;
    block = realloc(block == &t->nothing ? NULL : block, (room + 1) * sizeof(*block));
    if (block == NULL) {
        return false;
    }
    block[0] = t->nothing;
    t->stack = block + 1;
    t->top = t->stack + open;
    t->limit = t->stack + room;
    return true;
}

static struct ft_frame *
push(struct ft_thread *t, void *frame, const struct ft_func *func, bool c)
{
    if (FT_UNLIKELY(t->top == t->limit) && !grow(t)) {
        return NULL;
    }
    struct ft_frame *f = t->top++;
    f->frame = frame;
    f->func = func;
    f->time = 0;
    f->kind = (struct ft_frame_kind){.c = c};
    f->activation = 0;
    f->shown = f->inside = f->excluded = 0;
    return f;
}

/* ---- frames of the short way ----------------------------------------------------------------- */

static uint64_t
activation_of(const struct ft_frame *f)
{
    return f->kind.plain != 0 && !f->kind.run ? 0 : f->activation;
}

static void
settle_frame(struct ft_frame *f, const struct ft_tap *tap)
{
    f->activation = activation_of(f);
    f->inside = f->excluded = 0;
    f->shown = tap != NULL && tap->slot >= 0 && tap->epoch == f->kind.plain ? 1u << tap->slot : 0;
}

void
ft_stack_settle(struct ft_thread *t, const struct ft_tap *tap)
{
    for (struct ft_frame *f = t->stack; f < t->top; f++) {
        if (f->kind.plain != 0) {
            settle_frame(f, tap);
            t->views[tap->slot >= 0 ? tap->slot : 0].depth += f->shown != 0;
            f->kind.plain = 0;
            f->kind.run = false;
        }
    }
}

/* Whose lane it is; FT_MAX_TAPS: nobody's. */
static int
slot_of(const struct ft_thread *t, const void *lane)
{
    int slot = 0;
    while (slot < FT_MAX_TAPS
           && (t->views[slot].lane != lane || t->engine->taps[slot] == NULL
               || t->views[slot].epoch != t->engine->taps[slot]->epoch)) {
        slot++;
    }
    return slot;
}

uint64_t
ft_stack_into_unshown(void *thread, const void *lane)
{
    struct ft_thread *t = thread;
    struct ft_caller caller;
    int slot = slot_of(t, lane);
    const struct ft_frame *below = t->top - 1;
    ft_caller_of_frame(t->engine, &caller);
    if (slot == FT_MAX_TAPS || caller.code == NULL || &caller.code->func != below->func) {
        return t->raised;
    }
    bool shown = below->kind.plain != 0 ? below->kind.plain == t->engine->taps[slot]->epoch
                                        : (below->shown >> slot & 1) != 0;
    return shown ? 0 : t->raised;
}

uint32_t
ft_stack_open_calls(void *thread, const void *lane, bool leaving, struct ft_open_call *calls,
                    uint32_t most)
{
    struct ft_thread *t = thread;
    int slot = slot_of(t, lane);
    if (slot == FT_MAX_TAPS) {
        return 0;
    }
    /* What is told of stands on top when it is entered, and just above when it is left. */
    uint32_t n = 0, epoch = t->engine->taps[slot]->epoch;
    for (const struct ft_frame *f = t->top + (leaving ? 1 : -1); f-- > t->stack && n < most;) {
        bool plain = f->kind.plain == epoch;
        if (plain || (f->kind.plain == 0 && (f->shown >> slot & 1))) {
            calls[n++] = (struct ft_open_call){f->func, f->time, activation_of(f)};
        }
    }
    return n;
}

/* ---- who is shown ---------------------------------------------------------------------------- */

static uint32_t
verdict_of(const struct ft_frame *f, int slot)
{
    return ((const struct ft_code *)f->func)->taps[slot].verdict;
}

/* Whether the frame below the top is user code; a module asks who imported it, so the import
 * machinery is passed over. */
static bool
called_from_user(struct ft_engine *e, struct ft_thread *t, int slot, bool module)
{
    for (const struct ft_frame *f = t->top - 1; f-- > t->stack;) {
        if (!f->kind.c) {
            uint32_t v = verdict_of(f, slot);
            if (!module || !(v & FT_V_IMPORT)) {
                return (v & FT_V_USER) != 0;
            }
        }
    }
    struct ft_caller caller;   /* began before the tap: ask the interpreter */
    ft_caller_of_frame(e, &caller);
    return caller.code != NULL && (caller.code->taps[slot].verdict & FT_V_USER);
}

static bool
decide(struct ft_engine *e, struct ft_thread *t, struct ft_frame *f, int slot, uint32_t v)
{
    const struct ft_filter *filter = e->taps[slot]->filter;
    struct ft_view *view = &t->views[slot];
    uint32_t bit = 1u << slot;
    if (v & FT_V_EXCLUDED) {
        view->excluded++;
        f->excluded |= bit;
    }
    if (v & FT_V_INSIDE) {
        view->inside++;
        f->inside |= bit;
    }
    if (view->excluded || (v & FT_V_HIDE) || (filter->depth && view->depth >= filter->depth)) {
        return false;
    }
    if (v & FT_V_INSIDE) {
        return true;
    }
    if (filter->function.n > 0 && !view->inside) {
        return false;
    }
    if (v & FT_V_SHOW) {
        return true;
    }
    return (v & FT_V_DIRECT)
           && called_from_user(e, t, slot, (f->func->flags & FT_FUNC_MODULE) != 0);
}

/* ---- what the sinks hear --------------------------------------------------------------------- */

#define TEXT_NEEDS (FT_NEED_LINE | FT_NEED_ARGS | FT_NEED_VALUE | FT_NEED_EXC | FT_NEED_TASK)

void
ft_stack_lost(struct ft_engine *e, struct ft_thread *t, uint32_t mask)
{
    for (mask &= e->attached; mask; mask &= mask - 1) {
        int slot = __builtin_ctz(mask);
        struct ft_tap *tap = e->taps[slot];
        bool known = t != NULL && t->views[slot].epoch == tap->epoch;
        tap->sink->ops->lost(tap->sink, known ? t->views[slot].lane : NULL, EVENTS_OF_CALL);
    }
}

/* Texts and outputs may run Python and let other threads in, either of which may close the tap: who
 * tells holds its owner, and looks whether it is still there. */
static void
tell(struct ft_tap *tap, void *lane, const struct ft_call *call)
{
    const struct ft_sink_ops *ops = tap->sink->ops;
    (call->way < FT_RETURN ? ops->enter : ops->leave)(tap->sink, lane, call);
}

static bool
still_there(const struct ft_engine *e, const struct ft_view *view, int slot, uint32_t epoch)
{
    return e->taps[slot] != NULL && e->taps[slot]->epoch == epoch && view->epoch == epoch;
}

/* Without memory no half of it, which could be taken for the whole. */
static struct ft_str
text_of(const struct ft_strbuf *b)
{
    return b->failed ? FT_STR("...") : (struct ft_str){b->data ? b->data : "", b->len};
}

static void
add_args(struct ft_thread *t, struct ft_tap *tap, PyCodeObject *code, struct ft_call *call)
{
    ft_strbuf_clear(&t->args);
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame != NULL) {
        ft_args_add(&t->args, code, frame, tap->values);
        Py_DECREF(frame);
    }
    call->args = text_of(&t->args);
}

static int
first_visited(PyObject *object, void *arg)
{
    PyObject **first = arg;
    *first = *first ? *first : object;
    return 0;
}

/* What a generator gives at a yield. An async generator wraps what it yields (the wrapper has no
 * public way in: the collector's visit shows its one member); anything else is an await. */
static PyObject *
yielded(const struct ft_func *func, PyObject *value)
{
    if (func->flags & FT_FUNC_COROUTINE) {
        return NULL;
    }
    if (!(func->flags & FT_FUNC_ASYNCGEN)) {
        return value;
    }
    PyObject *inner = NULL;
    PyTypeObject *type = Py_TYPE(value);
    if (strcmp(type->tp_name, "async_generator_wrapped_value") == 0 && type->tp_traverse != NULL) {
        type->tp_traverse(value, first_visited, &inner);
    }
    return inner;
}

static void
add_value(struct ft_thread *t, struct ft_tap *tap, PyObject *value, struct ft_call *call)
{
    call->value = (struct ft_str){NULL, 0};
    if (value == NULL) {
        return;
    }
    ft_strbuf_clear(&t->value);
    if (call->way == FT_UNWIND) {
        ft_exception_add(&t->value, value, tap->values);
    }
    else {
        if (tap->values->mode == FT_VALUES_NONE) {
            return;
        }
        ft_value_add(&t->value, value, tap->values);
    }
    call->value = text_of(&t->value);
}

static struct ft_caller
caller_for(struct ft_engine *e, PyCodeObject *code, const struct ft_frame *f)
{
    struct ft_caller caller;
    if (f->kind.c) {
        ft_caller_current(e, code, &caller);
    }
    else if (f->func->flags & FT_FUNC_MODULE) {
        ft_caller_importing(e, &caller);
    }
    else {
        ft_caller_of_frame(e, &caller);
    }
    return caller;
}

/* Tells each tap in `mask` that shows the frame. `code` is the function's, or of a C call its
 * caller's. */
static void
tell_enter(struct ft_engine *e, struct ft_thread *t, struct ft_frame *f, PyCodeObject *code,
           enum ft_way way, uint32_t mask)
{
    struct ft_call call;
    struct ft_caller caller = {NULL, 0};
    bool caller_known = false;
    const uint32_t place = ft_thread_open(t) - 1;
    call.func = f->func;
    call.way = way;
    call.activation = f->activation;
    for (; mask; mask &= mask - 1) {
        int slot = __builtin_ctz(mask);
        struct ft_tap *tap = e->taps[slot];
        struct ft_view *view = &t->views[slot];
        if (FT_UNLIKELY(tap == NULL)) {
            continue;
        }
        if (FT_UNLIKELY(view->epoch != tap->epoch && !ft_view_begin(e, t, slot))) {
            ft_stack_lost(e, t, 1u << slot);
            continue;
        }
        f = &t->stack[place]; /* deciding may not move it, but a line may be written meanwhile */
        uint32_t v = f->kind.c ? ((const struct ft_callable *)f->func)->taps[slot].verdict
                               : verdict_of(f, slot);
        if (!(v & FT_V_PLAIN) && !decide(e, t, f, slot, v)) {
            continue;
        }
        uint32_t needs = tap->sink->needs, epoch = tap->epoch;
        PyObject *owner = tap->may_raise ? Py_NewRef(tap->owner) : NULL;
        f->shown |= 1u << slot;
        call.depth = view->depth++;
        if (needs & TEXT_NEEDS) {
            if ((needs & FT_NEED_LINE) && !caller_known) {
                caller = caller_for(e, code, f);
                caller_known = true;
            }
            call.caller = caller.code ? &caller.code->func : NULL;
            call.call_line = caller.line;
            call.task = t->task;
            call.args = (struct ft_str){NULL, 0};
            if ((needs & FT_NEED_ARGS) && way == FT_START && !(f->func->flags & FT_FUNC_MODULE)) {
                add_args(t, tap, code, &call);
            }
        }
        if (needs & FT_NEED_TIME) {
            call.time = f->time = ft_clock_ticks();
        }
        if (still_there(e, view, slot, epoch)) {
            tell(tap, view->lane, &call);
        }
        Py_XDECREF(owner);
    }
}

/* Takes the top frame off and tells the taps that were shown it. */
static void
pop(struct ft_engine *e, struct ft_thread *t, enum ft_way way, PyObject *value, uint64_t now)
{
    struct ft_frame f = *--t->top;
    struct ft_call call;
    bool plain = f.kind.plain != 0;
    if (plain) {
        settle_frame(&f, e->lone);
    }
    call.func = f.func;
    call.way = way;
    call.time = now;
    call.activation = f.activation;
    call.awaits = false;
    if (way == FT_YIELD && value != NULL) {
        value = yielded(f.func, value);
        call.awaits = value == NULL;
    }
    uint32_t mask = f.shown | f.inside | f.excluded;
    for (; mask; mask &= mask - 1) {
        int slot = __builtin_ctz(mask);
        uint32_t bit = 1u << slot;
        struct ft_tap *tap = e->taps[slot];
        struct ft_view *view = &t->views[slot];
        if (FT_UNLIKELY(tap == NULL || view->epoch != tap->epoch)) {
            continue; /* another tap has the place now */
        }
        view->inside -= (f.inside & bit) != 0;
        view->excluded -= (f.excluded & bit) != 0;
        if (f.shown & bit) {
            uint32_t needs = tap->sink->needs, epoch = tap->epoch;
            PyObject *owner = tap->may_raise ? Py_NewRef(tap->owner) : NULL;
            call.depth = view->depth -= !plain;
            if (needs & TEXT_NEEDS) {
                call.task = t->task;
                add_value(t, tap, value, &call);
            }
            if (still_there(e, view, slot, epoch)) {
                tell(tap, view->lane, &call);
            }
            Py_XDECREF(owner);
        }
    }
    if (FT_UNLIKELY(f.kind.task_set)) {
        t->task = NULL;
        ft_thread_settle(e, t);
    }
}

/* ---- Python frames --------------------------------------------------------------------------- */

void
ft_stack_forget(struct ft_engine *e, void *frame)
{
    ft_ptrmap_take(&e->activations, (uintptr_t)frame, NULL);
}

uint64_t
ft_stack_activation(struct ft_engine *e, void *frame, enum ft_way way)
{
    uint64_t *known = way == FT_START ? NULL : ft_ptrmap_get(&e->activations, (uintptr_t)frame);
    if (known != NULL) {
        return *known;
    }
    uint64_t serial = ++e->last_activation;
    ft_ptrmap_put(&e->activations, (uintptr_t)frame, serial);
    return serial;
}

static void
enter_generator(struct ft_engine *e, struct ft_thread *t, struct ft_frame *f, enum ft_way way)
{
    if (e->needs & FT_NEED_ACTIVATION) {
        f->activation = ft_stack_activation(e, f->frame, way);
    }
    if ((e->needs & FT_NEED_TASK) && t->task == NULL
        && (f->func->flags & (FT_FUNC_COROUTINE | FT_FUNC_ASYNCGEN))) {
        t->task = ft_task_current(e);
        f->kind.task_set = t->task != NULL;
    }
}

void
ft_stack_enter(struct ft_engine *e, struct ft_thread *t, void *frame, struct ft_code *c,
               PyCodeObject *code, enum ft_way way, uint32_t mask)
{
    struct ft_frame *f = push(t, frame, &c->func, false);
    if (FT_UNLIKELY(f == NULL)) {
        ft_stack_lost(e, t, mask);
        return;
    }
    e->spawned[c->spawns]++;             /* FT_SPAWN_NOTHING too: nobody reads that one */
    if (FT_UNLIKELY(c->func.flags & GENERATOR_LIKE)) {
        enter_generator(e, t, f, way);
    }
    bool task_set = f->kind.task_set;
    tell_enter(e, t, f, code, way, mask);
    if (FT_UNLIKELY(task_set)) {
        t->told_task = e->lone && (t->top[-1].shown >> e->lone->slot & 1);
        ft_thread_settle(e, t);
    }
}

void
ft_stack_leave(struct ft_engine *e, struct ft_thread *t, enum ft_way way, PyObject *value)
{
    uint64_t now = e->needs & FT_NEED_TIME ? ft_clock_ticks() : 0;
    const struct ft_frame *f = t->top - 1;
    if (way != FT_YIELD && FT_UNLIKELY(activation_of(f) != 0)) {
        ft_ptrmap_take(&e->activations, (uintptr_t)f->frame, NULL);
    }
    pop(e, t, way, value, now);
}

void
ft_stack_cut(struct ft_engine *e, struct ft_thread *t, uint32_t depth)
{
    while (ft_thread_open(t) > depth) {
        /* A C call whose frame goes on did return: CPython leaves the event out now and then. */
        enum ft_way way = t->top[-1].kind.c ? FT_C_RETURN : FT_LEFT;
        pop(e, t, way, NULL, e->needs & FT_NEED_TIME ? ft_clock_ticks() : 0);
    }
}

bool
ft_stack_find(struct ft_engine *e, struct ft_thread *t, void *frame)
{
    const uint32_t open = ft_thread_open(t), lowest = open > SEARCH_LIMIT ? open - SEARCH_LIMIT : 0;
    for (uint32_t i = open; i-- > lowest;) {
        if (t->stack[i].frame == frame && !t->stack[i].kind.c) {
            ft_stack_cut(e, t, i + 1);
            return true;
        }
    }
    return false;
}

/* ---- C calls --------------------------------------------------------------------------------- */

void
ft_stack_enter_c(struct ft_engine *e, struct ft_thread *t, void *frame, PyCodeObject *code,
                 struct ft_callable *callable, uint32_t mask)
{
    /* A frame has one C call open at a time: an older one lost its end (gh-122029). */
    while (t->top[-1].kind.c && t->top[-1].frame == frame) {
        ft_stack_cut(e, t, ft_thread_open(t) - 1);
    }
    struct ft_frame *f = push(t, frame, &callable->func, true);
    if (FT_UNLIKELY(f == NULL)) {
        ft_stack_lost(e, t, mask);
        return;
    }
    tell_enter(e, t, f, code, FT_C_CALL, mask);
}

void
ft_stack_leave_c(struct ft_engine *e, struct ft_thread *t, void *frame, enum ft_way way)
{
    uint64_t now = e->needs & FT_NEED_TIME ? ft_clock_ticks() : 0;
    if (!t->top[-1].kind.c || t->top[-1].frame != frame) {
        /* What the C call called may have been left without an event; an end without its
         * beginning is ignored. */
        for (uint32_t i = ft_thread_open(t); i-- > 0 && t->stack[i].frame != frame;) {
            if (i > 0 && t->stack[i - 1].kind.c && t->stack[i - 1].frame == frame) {
                ft_stack_cut(e, t, i);
                break;
            }
        }
        if (!t->top[-1].kind.c || t->top[-1].frame != frame) {
            return;
        }
    }
    pop(e, t, way, NULL, now);
}
