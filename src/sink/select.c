/* The recorded counterpart of engine/stack.c's decide(). With a least duration, a call that was
 * entered waits until it has lasted long enough, and its callers with it. */
#include "sink/select.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"

enum match { MATCH_KNOWN = 1, MATCH_FUNCTION = 2, MATCH_EXCLUDE = 4, MATCH_HIDE = 8 };

struct open {
    struct ft_call call;                 /* as it was entered, while it waits */
    char *texts;                         /* owned: its arguments, then its task's name */
    struct ft_task task;
    uint64_t since;
    bool shown, waits, inside, excluded;
};

struct lane {
    void *target;
    struct open *stack;                  /* owned */
    uint32_t depth, cap;
    uint32_t shown;                      /* depth in the target, those that wait included */
    uint32_t first_waiting;              /* place in the stack; depth: none */
    uint32_t inside, excluded;
    uint32_t unkept;
};

struct select {
    struct ft_sink base;                 /* first */
    struct ft_select options;
    struct ft_sink *target;
    uint8_t *matches;                    /* owned: enum match by function id */
    uint32_t nmatches;
};

/* ---- verdicts -------------------------------------------------------------------------------- */

static bool
any(const struct ft_str *patterns, bool *matched, size_t n, const struct ft_func *f)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (ft_pattern_matches(patterns[i], f->module, f->name, f->file)) {
            matched[i] = found = true;
        }
    }
    return found;
}

static uint8_t
judge(struct select *s, const struct ft_func *f)
{
    const struct ft_select *o = &s->options;
    return (uint8_t)(MATCH_KNOWN
                     | (any(o->function, o->function_matched, o->nfunction, f) ? MATCH_FUNCTION : 0)
                     | (any(o->exclude, o->exclude_matched, o->nexclude, f) ? MATCH_EXCLUDE : 0)
                     | (any(o->hide, o->hide_matched, o->nhide, f) ? MATCH_HIDE : 0));
}

static uint8_t
match_of(struct select *s, const struct ft_func *f)
{
    if (f->id >= s->nmatches) {
        uint32_t n = s->nmatches ? s->nmatches : 256;
        while (n <= f->id) {
            n *= 2;
        }
        uint8_t *matches = realloc(s->matches, n);
        if (matches == NULL) {
            return judge(s, f);
        }
        memset(matches + s->nmatches, 0, n - s->nmatches);
        s->matches = matches;
        s->nmatches = n;
    }
    if (s->matches[f->id] == 0) {
        s->matches[f->id] = judge(s, f);
    }
    return s->matches[f->id];
}

static bool
decide(struct select *s, struct lane *lane, struct open *o, const struct ft_func *f)
{
    uint8_t m = match_of(s, f);
    o->excluded = (m & MATCH_EXCLUDE) != 0;
    o->inside = (m & MATCH_FUNCTION) != 0;
    lane->excluded += o->excluded;
    lane->inside += o->inside;
    if (lane->excluded || (m & MATCH_HIDE)
        || (s->options.depth && lane->shown >= s->options.depth)) {
        return false;
    }
    return s->options.nfunction == 0 || lane->inside > 0;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* The call's texts are the reader's: kept for as long as it waits. */
static void
keep(struct select *s, struct open *o, const struct ft_call *call)
{
    size_t args = call->args.s ? call->args.len : 0, name = call->task ? call->task->name.len : 0;
    o->call = *call;
    o->texts = args + name ? malloc(args + name) : NULL;
    if (o->texts == NULL) {
        ft_sink_unkept(s->target, args + name > 0);
        o->call.args.len = 0;
        o->call.task = NULL;
        return;
    }
    if (args > 0) {
        memcpy(o->texts, call->args.s, args);
        o->call.args.s = o->texts;
    }
    if (name > 0) {
        memcpy(o->texts + args, call->task->name.s, name);
        o->task = (struct ft_task){call->task->serial, {o->texts + args, name}};
    }
}

static void
let_go(struct select *s, struct lane *lane, uint32_t i)
{
    struct open *o = &lane->stack[i];
    if (o->shown && o->waits) {
        o->call.task = o->call.task ? &o->task : NULL;
        s->target->ops->enter(s->target, lane->target, &o->call);
        free(o->texts);
        o->texts = NULL;
        o->waits = false;
    }
}

/* Those that have lasted long enough by now, outermost first. */
static void
let_go_ripe(struct select *s, struct lane *lane, uint64_t now)
{
    while (lane->first_waiting < lane->depth) {
        struct open *o = &lane->stack[lane->first_waiting];
        if (o->shown && now < o->since + s->options.least) {
            return;
        }
        let_go(s, lane, lane->first_waiting++);
    }
}

/* ---- the stream ------------------------------------------------------------------------------ */

static struct open *
push(struct select *s, struct lane *lane)
{
    if (lane->depth == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 64;
        struct open *stack = lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
        if (stack == NULL) {
            lane->unkept++;
            ft_sink_unkept(s->target, 2);
            return NULL;
        }
        lane->stack = stack;
        lane->cap = cap;
    }
    struct open *o = &lane->stack[lane->depth++];
    memset(o, 0, sizeof(*o));
    return o;
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = opaque;
    s->target->now = sink->now;
    if (s->options.least > 0) {
        let_go_ripe(s, lane, call->time);
    }
    struct open *o = push(s, lane);
    if (o == NULL) {
        return;
    }
    o->since = call->time;
    o->shown = decide(s, lane, o, call->func);
    if (!o->shown) {
        return;
    }
    struct ft_call passed = *call;
    passed.depth = lane->shown++;
    if (s->options.least > 0) {
        o->waits = true;
        keep(s, o, &passed);
        return;
    }
    s->target->ops->enter(s->target, lane->target, &passed);
}

static void
open_call(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = opaque;
    struct open *o = push(s, lane);
    s->target->now = sink->now;
    if (o == NULL) {
        return;
    }
    o->since = call->time;
    o->shown = decide(s, lane, o, call->func);
    if (o->shown) {
        struct ft_call passed = *call;
        passed.depth = lane->shown++;
        if (s->target->ops->open != NULL) {
            s->target->ops->open(s->target, lane->target, &passed);
        }
    }
    lane->first_waiting = lane->depth;
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = opaque;
    s->target->now = sink->now;
    if (lane->unkept > 0) {
        lane->unkept--;
        return;
    }
    if (lane->depth == 0) {              /* began before all that is known: nobody knows of it */
        return;
    }
    if (s->options.least > 0) {
        let_go_ripe(s, lane, call->time);
    }
    struct open *o = &lane->stack[--lane->depth];
    lane->inside -= o->inside;
    lane->excluded -= o->excluded;
    lane->first_waiting = lane->first_waiting < lane->depth ? lane->first_waiting : lane->depth;
    if (!o->shown) {
        return;
    }
    lane->shown--;
    free(o->texts);
    o->texts = NULL;
    if (o->waits) {
        return;                          /* too short */
    }
    struct ft_call passed = *call;
    passed.depth = lane->shown;
    s->target->ops->leave(s->target, lane->target, &passed);
}

/* ---- lanes and the sink ---------------------------------------------------------------------- */

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = calloc(1, sizeof(*lane));
    s->target->recorded = true;
    if (lane != NULL && (lane->target = s->target->ops->thread_begin(s->target, info)) == NULL) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = opaque;
    s->target->now = sink->now;
    if (s->options.least > 0) {
        let_go_ripe(s, lane, sink->now);
    }
    for (uint32_t i = 0; i < lane->depth; i++) {
        free(lane->stack[i].texts);
    }
    s->target->ops->thread_end(s->target, lane->target);
    free(lane->stack);
    free(lane);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct select *s = (struct select *)sink;
    struct lane *lane = opaque;
    s->target->now = sink->now;
    for (uint32_t i = 0; i < lane->depth; i++) {
        free(lane->stack[i].texts);
    }
    lane->depth = lane->shown = lane->first_waiting = lane->inside = lane->excluded = 0;
    s->target->ops->lost(s->target, lane->target, n);
}

static void
close_sink(struct ft_sink *sink)
{
    free(((struct select *)sink)->matches);
    free(sink);
}

static const struct ft_sink_ops ops = {
    .name = "select",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .close = close_sink,
};

bool
ft_select_is_all(const struct ft_select *o)
{
    return o->nfunction + o->nexclude + o->nhide == 0 && o->depth == 0 && o->least == 0;
}

struct ft_sink *
ft_select_new(const struct ft_select *select, struct ft_sink *target)
{
    struct select *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->base.ops = &ops;
    s->base.needs = target->needs;
    s->options = *select;
    s->target = target;
    return &s->base;
}
