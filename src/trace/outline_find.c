/* Where in an outline a time is; the next or previous event that is wanted; the runs of tasks. What
 * a segment holds is noted when it is looked through whole, so that it is passed over from then on
 * when nothing of it can be wanted. */
#include <string.h>

#include "trace/outline_inside.h"

#define SKIPPED 64 /* events: what passing over a segment counts for in a budget */

uint64_t
ft_outline_place(struct ft_outline *o, uint64_t ns)
{
    size_t span = 0;
    while (span + 1 < o->n
           && ft_trace_ns(o->trace, o->thread.process, o->thread.segments[span + 1].head.first)
                  < ns) {
        span++;
    }
    if (o->n == 0 || ft_outline_load(o, span, o->spans[span].begin) == FT_STEP_END) {
        return 0;
    }
    while (o->c->seen < o->spans[span].end) {
        enum ft_step s = ft_outline_step(o);
        if (s == FT_STEP_END) {
            break;
        }
        if ((s == FT_STEP_ENTER || s == FT_STEP_LEAVE) && o->c->call.time >= ns) {
            return o->c->seen - 1;
        }
    }
    return span + 1 < o->n ? o->spans[span + 1].begin : o->spans[span].end;
}

/* ---- what a segment holds -------------------------------------------------------------------- */

/* The task that the call just entered is of begins to run, or runs on, with it. */
static bool
task_begins(const struct ft_outline *o, enum ft_step s)
{
    const struct ft_cursor *c = o->c;
    return s == FT_STEP_ENTER && c->call.task != NULL && c->call.depth + 1 == c->task_depth;
}

static void
note(struct ft_outline_holds *h, const struct ft_outline *o, enum ft_step s)
{
    const struct ft_call *call = &o->c->call;
    if (s == FT_STEP_ENTER) {
        uint32_t id = call->func->id;
        h->funcs[id / 64 % FT_OUTLINE_WORDS] |= UINT64_C(1) << id % 64;
        h->texts = h->texts || call->args.s != NULL;
        h->tasks = h->tasks || task_begins(o, s);
    }
    else {
        h->texts = h->texts || call->value.s != NULL;
    }
}

/* The same of what is wanted: whoever holds none of it holds nothing that is. */
static struct ft_outline_holds
holds_wanted(const struct ft_outline_wanted *w)
{
    struct ft_outline_holds h = {.texts = w->text.len > 0, .tasks = w->task != 0};
    for (size_t id = 0; id < w->nfuncs; id++) {
        if (w->funcs[id]) {
            h.funcs[id / 64 % FT_OUTLINE_WORDS] |= UINT64_C(1) << id % 64;
        }
    }
    return h;
}

static bool
may_hold(const struct ft_outline_holds *span, const struct ft_outline_holds *wanted)
{
    bool may = !span->known || (span->texts && wanted->texts) || (span->tasks && wanted->tasks);
    for (size_t i = 0; i < FT_OUTLINE_WORDS && !may; i++) {
        may = (span->funcs[i] & wanted->funcs[i]) != 0;
    }
    return may;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* memmem is not everywhere. */
static bool
contains(struct ft_str text, struct ft_str part)
{
    for (const char *p = text.s; p != NULL && part.len <= text.len - (size_t)(p - text.s); p++) {
        p = memchr(p, part.s[0], text.len - (size_t)(p - text.s) - part.len + 1);
        if (p == NULL || memcmp(p, part.s, part.len) == 0) {
            return p != NULL;
        }
    }
    return false;
}

static bool
is_wanted(struct ft_outline *o, enum ft_step s, const struct ft_outline_wanted *w)
{
    const struct ft_cursor *c = o->c;
    if (w->text.len > 0) {
        ft_outline_check_texts(o);
        return contains(s == FT_STEP_ENTER ? c->call.args : c->call.value, w->text);
    }
    if (w->task != 0) {
        return task_begins(o, s) && c->task.serial == w->task;
    }
    return s == FT_STEP_ENTER && c->call.func->id < w->nfuncs && w->funcs[c->call.func->id];
}

/* The first event in [low, high) of a segment that is wanted, or backward the last one. */
static uint64_t
look_through(struct ft_outline *o, struct ft_outline_span *s, const struct ft_outline_wanted *w,
             uint64_t low, uint64_t high, bool backward)
{
    uint64_t found = UINT64_MAX;
    struct ft_outline_holds holds = {.known = low == s->begin && high == s->end};
    if (!ft_outline_go_to(o, low)) {
        return found;
    }
    while (o->c->seen < high) {
        enum ft_step step = ft_outline_step(o);
        if (step == FT_STEP_END) {
            holds.known = false;
            break;
        }
        if (step != FT_STEP_ENTER && step != FT_STEP_LEAVE) {
            continue;
        }
        note(&holds, o, step);
        if (o->c->seen <= high && is_wanted(o, step, w)) {
            found = o->c->seen - 1;
            if (!backward) {
                return found;
            }
        }
    }
    if (holds.known) {
        s->holds = holds;
    }
    return found;
}

/* The segment that holds the last event before `upto`, or the first from `from` on; NULL: there is
 * none. */
static struct ft_outline_span *
next_span(const struct ft_outline *o, uint64_t from, uint64_t upto, bool backward)
{
    size_t span = ft_outline_span(o, backward ? upto - 1 : from);
    if (!backward && from >= o->spans[span].end && ++span == o->n) {
        return NULL;
    }
    struct ft_outline_span *s = &o->spans[span];
    return s->begin < upto && from < s->end ? s : NULL;
}

uint64_t
ft_outline_find(struct ft_outline *o, const struct ft_outline_wanted *w, uint64_t from,
                uint64_t upto, bool backward, uint64_t budget, uint64_t *reached)
{
    uint64_t found = UINT64_MAX, looked = 0;
    struct ft_outline_holds wanted = holds_wanted(w);
    while (o->n > 0 && from < upto && found == UINT64_MAX && looked < budget) {
        struct ft_outline_span *s = next_span(o, from, upto, backward);
        if (s == NULL) {
            break;
        }
        uint64_t low = s->begin > from ? s->begin : from, high = s->end < upto ? s->end : upto;
        if (may_hold(&s->holds, &wanted)) {
            found = look_through(o, s, w, low, high, backward);
            looked += high - low;
        }
        looked += SKIPPED;
        *(backward ? &upto : &from) = backward ? low : high;
    }
    bool over = found == UINT64_MAX && looked < budget;
    if (over) {
        *reached = backward ? from : upto;
    }
    else {
        *reached = backward ? upto : from;
    }
    return found;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

uint64_t
ft_outline_tasks(struct ft_outline *o, uint64_t from, uint64_t upto, uint64_t budget,
                 ft_outline_take_task *take, void *ctx)
{
    static const struct ft_outline_holds wanted = {.tasks = true};
    bool enough = false;
    for (uint64_t looked = 0; o->n > 0 && from < upto && looked < budget && !enough;) {
        const struct ft_outline_span *s = next_span(o, from, upto, false);
        if (s == NULL) {
            return upto;
        }
        uint64_t low = s->begin > from ? s->begin : from, high = s->end < upto ? s->end : upto;
        bool there = may_hold(&s->holds, &wanted) && ft_outline_go_to(o, low);
        looked += SKIPPED + (there ? high - low : 0);
        while (there && !enough && o->c->seen < high) {
            enum ft_step step = ft_outline_step(o);
            there = step != FT_STEP_END;
            if (there && task_begins(o, step)) {
                ft_outline_check_texts(o);
                enough = !take(ctx, &o->c->task, o->c->seen - 1);
            }
        }
        from = high;
    }
    return o->n > 0 ? from : upto;
}
