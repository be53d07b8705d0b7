/* One table over all threads; a lane has its stack, and which functions are on it. */
#include "sink/edges.h"

#include <stdlib.h>

#include "base/ptrmap.h"

#define EDGES_MAX (1u << 26)

struct open {
    const struct ft_func *func;
    uint64_t since, child;
    uint32_t edge;
    bool again;                          /* its function is open further out already */
};

struct lane {
    struct open *stack;                  /* owned */
    uint32_t depth, cap;
    uint64_t unkept;
    struct ft_ptrmap open;               /* function id + 1 */
};

struct edges {
    struct ft_sink base;                 /* first */
    struct ft_edge *edges;               /* owned */
    size_t n, cap;
    struct ft_ptrmap places;             /* caller's id + 1 << 32 | function's id + 1 -> edge */
};

/* 0: no memory. */
static uint32_t
edge_of(struct edges *e, const struct ft_func *caller, const struct ft_func *func)
{
    uint64_t key = (caller ? caller->id + 1ull : 0) << 32 | (func->id + 1u);
    uint64_t *known = ft_ptrmap_get(&e->places, key);
    if (known != NULL) {
        return (uint32_t)*known;
    }
    if (e->n == e->cap) {
        struct ft_edge *edges =
            e->cap < EDGES_MAX ? realloc(e->edges, e->cap * 2 * sizeof(*edges)) : NULL;
        if (edges == NULL) {
            return 0;
        }
        e->edges = edges;
        e->cap *= 2;
    }
    if (!ft_ptrmap_put(&e->places, key, e->n)) {
        return 0;
    }
    e->edges[e->n] = (struct ft_edge){.caller = caller, .func = func};
    return (uint32_t)e->n++;
}

static bool
make_room(struct edges *e, struct lane *lane)
{
    if (lane->depth < lane->cap) {
        return true;
    }
    uint32_t cap = lane->cap ? lane->cap * 2 : 64;
    struct open *stack = lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
    if (stack == NULL) {
        lane->unkept++;
        ft_sink_unkept(&e->base, 1);
        return false;
    }
    lane->stack = stack;
    lane->cap = cap;
    return true;
}

static struct open *
push(struct edges *e, struct lane *lane, const struct ft_func *func, uint64_t since)
{
    if (!make_room(e, lane)) {
        return NULL;
    }
    const struct ft_func *caller = lane->depth > 0 ? lane->stack[lane->depth - 1].func : NULL;
    uint32_t edge = edge_of(e, caller, func);
    bool again = ft_ptrmap_get(&lane->open, func->id + 1ull) != NULL;
    if (edge == 0 || (!again && !ft_ptrmap_put(&lane->open, func->id + 1ull, 1))) {
        ft_sink_unkept(&e->base, 1);
    }
    struct open *o = &lane->stack[lane->depth++];
    *o = (struct open){func, since, 0, edge, again};
    return o;
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct edges *e = (struct edges *)sink;
    const struct open *o = push(e, opaque, call->func, call->time);
    if (o != NULL && (call->way == FT_START || call->way == FT_C_CALL)) {
        e->edges[o->edge].calls++;
        e->edges[o->edge].first += !o->again;
    }
}

static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    push((struct edges *)sink, lane, call->func, sink->now);
}

static void
close_top(struct edges *e, struct lane *lane, uint64_t now)
{
    const struct open *o = &lane->stack[--lane->depth];
    struct ft_edge *edge = &e->edges[o->edge];
    uint64_t ns = now > o->since ? now - o->since : 0;
    edge->self += ns > o->child ? ns - o->child : 0;
    if (!o->again) {
        edge->total += ns;
        ft_ptrmap_take(&lane->open, o->func->id + 1ull, NULL);
    }
    if (lane->depth > 0) {
        lane->stack[lane->depth - 1].child += ns;
    }
}

static void
close_all(struct edges *e, struct lane *lane)
{
    while (lane->depth > 0) {
        close_top(e, lane, e->base.now);
    }
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct lane *lane = opaque;
    if (lane->unkept > 0) {
        lane->unkept--;
    }
    else if (lane->depth > 0) {
        close_top((struct edges *)sink, lane, call->time);
    }
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    (void)sink;
    (void)info;
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane != NULL) {
        ft_ptrmap_init(&lane->open);
    }
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct lane *lane = opaque;
    close_all((struct edges *)sink, lane);
    ft_ptrmap_fini(&lane->open);
    free(lane->stack);
    free(lane);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct lane *lane = opaque;
    (void)n;
    close_all((struct edges *)sink, lane);
    lane->unkept = 0;
}

static void
close_sink(struct ft_sink *sink)
{
    struct edges *e = (struct edges *)sink;
    ft_ptrmap_fini(&e->places);
    free(e->edges);
    free(e);
}

static const struct ft_sink_ops ops = {
    .name = "edges",
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
ft_edges_new(void)
{
    struct edges *e = calloc(1, sizeof(*e));
    if (e == NULL || (e->edges = calloc(64, sizeof(*e->edges))) == NULL) {
        free(e);
        return NULL;
    }
    e->base.ops = &ops;
    e->base.needs = FT_NEED_TIME | FT_NEED_CCALLS;
    e->cap = 64;
    e->n = 1;
    ft_ptrmap_init(&e->places);
    return &e->base;
}

const struct ft_edge *
ft_edges_all(const struct ft_sink *sink, size_t *n)
{
    const struct edges *e = (const struct edges *)sink;
    *n = e->n;
    return e->edges;
}
