/* One tree over all threads: a node is found by its parent and its function in a hash map. */
#include "sink/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/ptrmap.h"

#define NODES_MAX (1u << 26)

struct open {
    uint64_t since, child;
    uint32_t node;
    bool again;                          /* its node is open further out already */
};

struct lane {
    struct open *stack;                  /* owned */
    uint32_t depth, cap;
    uint64_t unkept;
    struct ft_ptrmap deep;               /* nodes open at FT_TREE_DEPTH and below it */
};

struct tree {
    struct ft_sink base;                 /* first */
    struct ft_tree_node *nodes;          /* owned */
    size_t n, cap;
    struct ft_ptrmap places;             /* parent << 32 | function id + 1 -> node */
};

/* 0: no memory. */
static uint32_t
node_of(struct tree *t, uint32_t parent, const struct ft_func *func)
{
    uint64_t key = (uint64_t)parent << 32 | (func->id + 1u);
    uint64_t *known = ft_ptrmap_get(&t->places, key);
    if (known != NULL) {
        return (uint32_t)*known;
    }
    if (t->n == t->cap) {
        struct ft_tree_node *nodes =
            t->cap < NODES_MAX ? realloc(t->nodes, t->cap * 2 * sizeof(*nodes)) : NULL;
        if (nodes == NULL) {
            return 0;
        }
        t->nodes = nodes;
        t->cap *= 2;
    }
    if (!ft_ptrmap_put(&t->places, key, t->n)) {
        return 0;
    }
    t->nodes[t->n] = (struct ft_tree_node){.func = func, .parent = parent};
    return (uint32_t)t->n++;
}

static bool
push(struct tree *t, struct lane *lane, const struct ft_call *call, uint64_t since)
{
    if (lane->depth == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 64;
        struct open *stack = lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
        if (stack == NULL) {
            lane->unkept++;
            ft_sink_unkept(&t->base, 1);
            return false;
        }
        lane->stack = stack;
        lane->cap = cap;
    }
    uint32_t above = lane->depth < FT_TREE_DEPTH ? lane->depth : FT_TREE_DEPTH - 1;
    uint32_t parent = above > 0 ? lane->stack[above - 1].node : 0;
    uint32_t node = node_of(t, parent, call->func);
    bool again = false;
    if (node != 0 && lane->depth >= FT_TREE_DEPTH - 1) {
        t->nodes[node].cut |= lane->depth >= FT_TREE_DEPTH;
        again = ft_ptrmap_get(&lane->deep, node) != NULL;
        if (!again && !ft_ptrmap_put(&lane->deep, node, 1)) {
            node = 0;
        }
    }
    ft_sink_unkept(&t->base, node == 0);
    lane->stack[lane->depth++] = (struct open){since, 0, node, again};
    return node != 0;
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct tree *t = (struct tree *)sink;
    struct lane *lane = opaque;
    if (push(t, lane, call, call->time) && (call->way == FT_START || call->way == FT_C_CALL)) {
        t->nodes[lane->stack[lane->depth - 1].node].calls++;
    }
}

static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    push((struct tree *)sink, lane, call, sink->now);
}

static void
close_top(struct tree *t, struct lane *lane, uint64_t now)
{
    const struct open *o = &lane->stack[--lane->depth];
    struct ft_tree_node *node = &t->nodes[o->node];
    uint64_t ns = now > o->since ? now - o->since : 0;
    node->self += ns > o->child ? ns - o->child : 0;
    if (!o->again) {
        node->total += ns;
        if (lane->depth >= FT_TREE_DEPTH - 1) {
            ft_ptrmap_take(&lane->deep, o->node, NULL);
        }
    }
    if (lane->depth > 0) {
        lane->stack[lane->depth - 1].child += ns;
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
        close_top((struct tree *)sink, lane, call->time);
    }
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    (void)sink;
    (void)info;
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane != NULL) {
        ft_ptrmap_init(&lane->deep);
    }
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct lane *lane = opaque;
    while (lane->depth > 0) {
        close_top((struct tree *)sink, lane, sink->now);
    }
    ft_ptrmap_fini(&lane->deep);
    free(lane->stack);
    free(lane);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct lane *lane = opaque;
    (void)n;
    while (lane->depth > 0) {
        close_top((struct tree *)sink, lane, sink->now);
    }
    lane->unkept = 0;
}

static void
close_sink(struct ft_sink *sink)
{
    struct tree *t = (struct tree *)sink;
    ft_ptrmap_fini(&t->places);
    free(t->nodes);
    free(t);
}

static struct ft_sink *
part(const struct ft_sink *sink)
{
    (void)sink;
    return ft_tree_new();
}

/* Nodes come in order of first sight: a parent before what it calls. */
static void
fold(struct ft_sink *sink, const struct ft_sink *from)
{
    struct tree *t = (struct tree *)sink;
    const struct tree *one = (const struct tree *)from;
    uint32_t *places = calloc(one->n, sizeof(*places));
    ft_sink_unkept(sink, places == NULL);
    for (size_t i = 1; places != NULL && i < one->n; i++) {
        const struct ft_tree_node *node = &one->nodes[i];
        uint32_t parent = places[node->parent];
        places[i] = node->parent == 0 || parent != 0 ? node_of(t, parent, node->func) : 0;
        if (places[i] == 0) {
            ft_sink_unkept(sink, 1);
            continue;
        }
        struct ft_tree_node *to = &t->nodes[places[i]];
        to->calls += node->calls;
        to->total += node->total;
        to->self += node->self;
        to->cut |= node->cut;
    }
    free(places);
}

static const struct ft_sink_ops ops = {
    .name = "tree",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .close = close_sink,
    .part = part,
    .fold = fold,
};

struct ft_sink *
ft_tree_new(void)
{
    struct tree *t = calloc(1, sizeof(*t));
    if (t == NULL || (t->nodes = calloc(64, sizeof(*t->nodes))) == NULL) {
        free(t);
        return NULL;
    }
    t->base.ops = &ops;
    t->base.needs = FT_NEED_TIME | FT_NEED_CCALLS;
    t->cap = 64;
    t->n = 1;
    ft_ptrmap_init(&t->places);
    return &t->base;
}

const struct ft_tree_node *
ft_tree_nodes(const struct ft_sink *sink, size_t *n, uint64_t *unkept)
{
    const struct tree *t = (const struct tree *)sink;
    *n = t->n;
    *unkept = sink->unkept;
    return t->nodes;
}
