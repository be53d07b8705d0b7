/* Taps come and go: a place in the engine, verdicts for it, and the events switched to the union of
 * what all taps want. A decorated function's tap keeps its place between calls, so that a call only
 * sets a bit of its thread; the idlest gives way when all places are taken. GIL held. */
#include "engine/engine.h"
#include "engine/process.h"
#include "engine/stack.h"

struct widening {
    struct ft_engine *engine;
    bool wider;
};

/* Some function was silenced that is wanted now: only restart_events() undoes a DISABLE. */
static void
check_silenced(void *ctx, struct ft_code *c)
{
    struct widening *w = ctx;
    if (c->silenced || c->silenced_c) {
        ft_code_sync(w->engine, c);
        w->wider |= (c->silenced && c->want) || (c->silenced_c && c->want_c);
    }
}

static void
mark_heard(void *Py_UNUSED(ctx), struct ft_code *c)
{
    c->silenced = c->silenced_c = false;
}

static int
restart_if_wider(struct ft_engine *e)
{
    struct widening w = {e, false};
    ft_codes_each(e->codes, check_silenced, &w);
    if (!w.wider) {
        return 0;
    }
    if (ft_engine_restart_events(e) < 0) {
        return -1;
    }
    ft_codes_each(e->codes, mark_heard, NULL);
    return 0;
}

int
ft_engine_own(struct ft_engine *e, PyCodeObject *code)
{
    /* ft_codes_own remembers addresses: the code must live on. */
    if (PyList_Append(e->owned, (PyObject *)code) < 0) {
        return -1;
    }
    ft_codes_own(e, code);
    return e->attached ? restart_if_wider(e) : 0;
}

static int
free_slot(struct ft_engine *e)
{
    if (e->attached != UINT32_MAX) {
        return __builtin_ctz(~e->attached);
    }
    struct ft_tap *idlest = NULL;
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        struct ft_tap *tap = e->taps[slot];
        if (!tap->all && !tap->others && tap->entered == 0
            && (idlest == NULL || tap->last_used < idlest->last_used)) {
            idlest = tap;
        }
    }
    if (idlest == NULL) {
        PyErr_Format(PyExc_RuntimeError, "%d traces are active already: no place for another",
                     FT_MAX_TAPS);
        return -1;
    }
    int slot = idlest->slot;
    ft_tap_detach(e, idlest);
    return slot;
}

int
ft_tap_attach(struct ft_engine *e, struct ft_tap *tap)
{
    if (tap->slot >= 0) {
        return 0;
    }
    if (ft_engine_take_id(e) < 0) {
        return -1;
    }
    int slot = free_slot(e);
    if (slot < 0) {
        return -1;
    }
    tap->slot = slot;
    tap->epoch = ft_process_next_epoch();
    e->taps[slot] = tap;
    e->attached |= 1u << slot;
    e->generation++;
    if (restart_if_wider(e) < 0 || ft_engine_update(e) < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        ft_tap_detach(e, tap);
        PyErr_SetRaisedException(exc);
        return -1;
    }
    return 0;
}

void
ft_tap_detach(struct ft_engine *e, struct ft_tap *tap)
{
    if (e->fork_seen != ft_process_forks()) { /* what ends here is not the parent's */
        ft_engine_forked(e);
    }
    if (tap->slot < 0) {
        return;
    }
    uint32_t bit = 1u << tap->slot;
    if (e->lone == tap) {
        ft_engine_set_lone(e, NULL); /* its lanes are about to go */
    }
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        struct ft_view *view = &t->views[tap->slot];
        t->local &= ~bit;
        if (view->epoch == tap->epoch) {
            view->epoch = 0;
            const struct ft_sink_ops *ops = tap->sink->ops;
            (ops->thread_pause ? ops->thread_pause : ops->thread_end)(tap->sink, view->lane);
        }
    }
    e->taps[tap->slot] = NULL;
    e->attached &= ~bit;
    e->all &= ~bit;
    e->generation++;
    tap->slot = -1;
    tap->all = tap->others = false;
    tap->entered = 0;
    if (ft_engine_update(e) < 0) {
        PyErr_Clear(); /* refused: with no tap the callbacks do nothing, see stop() */
    }
    if (e->attached == 0) {
        ft_codes_sweep(e);
    }
}

int
ft_tap_watch_all(struct ft_engine *e, struct ft_tap *tap)
{
    if (ft_tap_attach(e, tap) < 0) {
        return -1;
    }
    tap->all = true;
    e->all |= 1u << tap->slot;
    return ft_engine_update(e);
}

static void
meet(struct ft_tap *tap, struct ft_thread *t)
{
    for (size_t i = 0; i < tap->nbut; i++) {
        if (tap->but[i] == t->native_id) {
            return;
        }
    }
    t->local |= 1u << tap->slot;
}

void
ft_taps_meet(struct ft_engine *e, struct ft_thread *t)
{
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        if (e->taps[slot] != NULL && e->taps[slot]->others) {
            meet(e->taps[slot], t);
        }
    }
}

int
ft_tap_watch_others(struct ft_engine *e, struct ft_tap *tap)
{
    if (ft_tap_attach(e, tap) < 0) {
        return -1;
    }
    tap->others = true;
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        meet(tap, t);
    }
    return ft_engine_update(e);
}

int
ft_tap_enter(struct ft_engine *e, struct ft_tap *tap)
{
    if (FT_UNLIKELY(tap->slot < 0) && ft_tap_attach(e, tap) < 0) {
        return -1;
    }
    struct ft_thread *t = ft_thread_get(e);
    struct ft_view *view = t ? &t->views[tap->slot] : NULL;
    if (view == NULL || (view->epoch != tap->epoch && !ft_view_begin(e, t, tap->slot))) {
        ft_stack_lost(e, t, 1u << tap->slot); /* the function runs all the same, unseen */
        return 0;
    }
    if (view->entered++ == 0) {
        t->local |= 1u << tap->slot;
        ft_thread_settle(e, t);
        tap->entered++;
        tap->last_used = ++e->clock_of_use;
    }
    return 0;
}

void
ft_tap_leave(struct ft_engine *e, struct ft_tap *tap)
{
    struct ft_thread *t = tap->slot < 0 ? NULL : ft_thread_get(e);
    struct ft_view *view = t ? &t->views[tap->slot] : NULL;
    if (view == NULL || view->epoch != tap->epoch || view->entered == 0) {
        return; /* stop() came between */
    }
    if (--view->entered == 0) {
        t->local &= ~(1u << tap->slot);
        tap->entered--;
        if (e->lone == tap && !tap->all) {
            ft_stack_settle(t, tap);
            ft_thread_settle(e, t);
        }
        if (view->depth > 0 && !tap->all) {
            /* Frames begun inside and still open: closed shallower than opened. */
            ft_thread_forget(e, t, tap->slot);
        }
    }
}
