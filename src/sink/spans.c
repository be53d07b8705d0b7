/* All room is taken at birth. A span joins the last one of its level if both are short, close, and
 * not long together, so per level at most 2 * time / limit remain, and raising the limit always
 * makes room in the end. */
#include "sink/spans.h"

#include <stdlib.h>

#define NONE SIZE_MAX
#define FIRST_LIMIT 256 /* ns */

struct open {
    const struct ft_func *func;
    uint64_t since;
};

struct spans {
    struct ft_sink base; /* first */
    struct ft_spans_state state;
    struct ft_span *items; /* owned */
    size_t n, cap;
    size_t last[FT_SPANS_LEVELS]; /* of each level the span that may be joined, or NONE */
    uint32_t levels;              /* those below have none */
    struct open stack[FT_SPANS_LEVELS];
    uint32_t depth; /* open calls, also those that the stack has no room for */
};

static bool
joins(const struct spans *s, const struct ft_span *last, const struct ft_span *next)
{
    uint64_t gap = next->begin > last->end ? next->begin - last->end : 0;
    return gap < s->state.limit && next->end - last->begin < 2 * s->state.limit;
}

static void
join(struct ft_span *last, const struct ft_span *next)
{
    last->mixed |= next->mixed || next->func != last->func;
    last->end = next->end;
    last->busy += next->busy;
    last->calls += next->calls;
    if (next->func == last->func) {
        last->most += next->most;
    }
    else if (next->most > last->most) {
        last->func = next->func;
        last->most = next->most;
    }
}

/* There must be room. */
static void
put(struct spans *s, struct ft_span span)
{
    bool whole = span.calls == 1 && span.end - span.begin >= s->state.limit;
    while (s->levels <= span.depth) {
        s->last[s->levels++] = NONE;
    }
    if (whole) { /* what it called is over, and so is what came before it on its level */
        s->levels = span.depth;
    }
    else if (s->last[span.depth] != NONE && joins(s, &s->items[s->last[span.depth]], &span)) {
        join(&s->items[s->last[span.depth]], &span);
        return;
    }
    else {
        s->last[span.depth] = s->n;
    }
    s->items[s->n++] = span;
}

static void
make_room(struct spans *s)
{
    while (s->n > s->cap / 2) {
        size_t n = s->n;
        s->state.limit = s->state.limit ? s->state.limit * 2 : FIRST_LIMIT;
        s->n = 0;
        s->levels = 0;
        for (size_t i = 0; i < n; i++) {
            put(s, s->items[i]); /* never further than i */
        }
    }
}

static void
push(struct spans *s, const struct ft_call *call, uint64_t since)
{
    if (s->depth < FT_SPANS_LEVELS) {
        s->stack[s->depth] = (struct open){call->func, since};
    }
    else {
        s->state.deeper++;
    }
    s->depth++;
}

static void
pop(struct spans *s, uint64_t now)
{
    if (--s->depth >= FT_SPANS_LEVELS) {
        return;
    }
    const struct open *o = &s->stack[s->depth];
    uint64_t end = now > o->since ? now : o->since, ns = end - o->since;
    if (s->n == s->cap) {
        make_room(s);
    }
    put(s, (struct ft_span){o->func, o->since, end, ns, ns, 1, s->depth, false});
}

static void
enter(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    (void)lane;
    push((struct spans *)sink, call, call->time);
}

static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    (void)lane;
    push((struct spans *)sink, call, sink->now);
}

static void
leave(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    struct spans *s = lane;
    (void)sink;
    if (s->depth > 0) {
        pop(s, call->time);
    }
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    (void)info;
    return sink;
}

static void
thread_end(struct ft_sink *sink, void *lane)
{
    struct spans *s = lane;
    while (s->depth > 0) {
        pop(s, sink->now);
    }
}

static void
lost(struct ft_sink *sink, void *lane, uint64_t n)
{
    (void)n;
    thread_end(sink, lane);
}

static void
close_sink(struct ft_sink *sink)
{
    free(((struct spans *)sink)->items);
    free(sink);
}

static const struct ft_sink_ops ops = {
    .name = "spans",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .close = close_sink,
};

struct ft_sink *
ft_spans_new(size_t most)
{
    struct spans *s = calloc(1, sizeof(*s));
    size_t cap = most < FT_SPANS_LEAST ? FT_SPANS_LEAST : most;
    if (s == NULL || (s->items = calloc(cap, sizeof(*s->items))) == NULL) {
        free(s);
        return NULL;
    }
    s->base.ops = &ops;
    s->base.needs = FT_NEED_TIME | FT_NEED_CCALLS;
    s->cap = cap;
    return &s->base;
}

const struct ft_span *
ft_spans_get(const struct ft_sink *sink, size_t *n, struct ft_spans_state *state)
{
    const struct spans *s = (const struct spans *)sink;
    *n = s->n;
    *state = s->state;
    return s->items;
}
