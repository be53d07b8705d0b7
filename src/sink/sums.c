/* Sums stand in order of first sight and are found by a hash map; a lane has its stack. */
#include "sink/sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/ptrmap.h"

#define SUMS_MAX (1u << 26)

struct open {
    const struct ft_func *func;
    uint64_t since, child;
    uint32_t sum;
    bool again;                          /* open further out already */
};

struct lane {
    struct open *stack;                  /* owned */
    uint32_t depth, cap;
    uint64_t unkept;
    struct ft_ptrmap open; /* what may be entered again while it is open, see mark() */
};

struct sums {
    struct ft_sink base; /* first */
    bool chains; /* else pairs */
    struct ft_sum *sums; /* owned */
    size_t n, cap;
    struct ft_ptrmap places; /* see chain_of() and pair_of() */
    const struct ft_func **ones; /* owned: by id, the one that stands for all that are the same */
    size_t nones;
    struct ft_ptrmap known; /* hash, or the next free number -> such a one */
};

static bool
make_place(struct sums *s, uint32_t id)
{
    size_t n = s->nones ? s->nones : 64;
    while (n <= id) {
        n *= 2;
    }
    const struct ft_func **ones = realloc(s->ones, n * sizeof(*ones));
    if (ones == NULL) {
        return false;
    }
    memset(ones + s->nones, 0, (n - s->nones) * sizeof(*ones));
    s->ones = ones;
    s->nones = n;
    return true;
}

static __attribute__((noinline)) const struct ft_func *
find_one(struct sums *s, const struct ft_func *func)
{
    const struct ft_func *one = NULL;
    uint64_t key = ft_func_hash(func);
    do {
        key = key + 1 > 0 ? key + 1 : 1;
        uint64_t *known = ft_ptrmap_get(&s->known, key);
        one = known ? (const struct ft_func *)(uintptr_t)*known : func;
    } while (!ft_func_same(one, func));
    if ((func->id < s->nones || make_place(s, func->id))
        && (one != func || ft_ptrmap_put(&s->known, key, (uintptr_t)func))) {
        s->ones[func->id] = one;
    }
    else {
        ft_sink_unkept(&s->base, 1);
    }
    return one;
}

/* The function that stands for all that are the same. */
static const struct ft_func *
one_of(struct sums *s, const struct ft_func *func)
{
    bool known = func->id < s->nones && s->ones[func->id] != NULL;
    return known ? s->ones[func->id] : find_one(s, func);
}

/* 0: no memory. */
static uint32_t
sum_new(struct sums *s, uint64_t key, struct ft_sum sum)
{
    if (s->n == s->cap) {
        struct ft_sum *sums =
            s->cap < SUMS_MAX ? realloc(s->sums, s->cap * 2 * sizeof(*sums)) : NULL;
        if (sums == NULL) {
            return 0;
        }
        s->sums = sums;
        s->cap *= 2;
    }
    if (!ft_ptrmap_put(&s->places, key, s->n)) {
        return 0;
    }
    s->sums[s->n] = sum;
    return (uint32_t)s->n++;
}

/* Likewise. */
static uint32_t
chain_of(struct sums *s, uint32_t parent, const struct ft_func *func)
{
    uint64_t key = (uint64_t)parent << 32 | (func->id + 1u);
    const uint64_t *known = ft_ptrmap_get(&s->places, key);
    return known ? (uint32_t)*known
                 : sum_new(s, key, (struct ft_sum){.func = func, .parent = parent});
}

/* Likewise. */
static uint32_t
pair_of(struct sums *s, const struct ft_func *caller, const struct ft_func *func)
{
    uint64_t key = (caller ? caller->id + 1ull : 0) << 32 | (func->id + 1u);
    const uint64_t *known = ft_ptrmap_get(&s->places, key);
    return known ? (uint32_t)*known
                 : sum_new(s, key, (struct ft_sum){.func = func, .caller = caller});
}

static uint32_t
sum_on_top(struct sums *s, const struct lane *lane, const struct ft_func *func)
{
    if (!s->chains) {
        return pair_of(s, lane->depth > 0 ? lane->stack[lane->depth - 1].func : NULL, func);
    }
    uint32_t above = lane->depth < FT_SUMS_DEPTH ? lane->depth : FT_SUMS_DEPTH - 1;
    uint32_t sum = chain_of(s, above > 0 ? lane->stack[above - 1].sum : 0, func);
    if (sum != 0) {
        s->sums[sum].cut |= lane->depth >= FT_SUMS_DEPTH;
    }
    return sum;
}

/* What tells that a call at the lane's depth is open already; 0: it cannot be. */
static uint64_t
mark(const struct sums *s, const struct lane *lane, const struct ft_func *func, uint32_t sum)
{
    if (!s->chains) {
        return func->id + 1ull;
    }
    return lane->depth >= FT_SUMS_DEPTH - 1 ? sum : 0;
}

static bool
make_room(struct sums *s, struct lane *lane)
{
    if (lane->depth < lane->cap) {
        return true;
    }
    uint32_t cap = lane->cap ? lane->cap * 2 : 64;
    struct open *stack = lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
    if (stack == NULL) {
        lane->unkept++;
        ft_sink_unkept(&s->base, 1);
        return false;
    }
    lane->stack = stack;
    lane->cap = cap;
    return true;
}

static const struct open *
push(struct sums *s, struct lane *lane, const struct ft_func *called, uint64_t since)
{
    if (!make_room(s, lane)) {
        return NULL;
    }
    const struct ft_func *func = one_of(s, called);
    uint32_t sum = sum_on_top(s, lane, func);
    uint64_t key = mark(s, lane, func, sum);
    bool again = key != 0 && ft_ptrmap_get(&lane->open, key) != NULL;
    bool kept = sum != 0 && (key == 0 || again || ft_ptrmap_put(&lane->open, key, 1));
    ft_sink_unkept(&s->base, !kept);
    struct open *o = &lane->stack[lane->depth++];
    *o = (struct open){func, since, 0, sum, again};
    return o;
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct sums *s = (struct sums *)sink;
    const struct open *o = push(s, opaque, call->func, call->time);
    if (o != NULL && (call->way == FT_START || call->way == FT_C_CALL)) {
        s->sums[o->sum].calls++;
        s->sums[o->sum].first += !o->again;
    }
}

static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    push((struct sums *)sink, lane, call->func, sink->now);
}

static void
close_top(struct sums *s, struct lane *lane, uint64_t now)
{
    const struct open *o = &lane->stack[--lane->depth];
    struct ft_sum *sum = &s->sums[o->sum];
    uint64_t ns = now > o->since ? now - o->since : 0;
    sum->self += ns > o->child ? ns - o->child : 0;
    if (!o->again) {
        sum->total += ns;
        uint64_t key = mark(s, lane, o->func, o->sum);
        if (key != 0) {
            ft_ptrmap_take(&lane->open, key, NULL);
        }
    }
    if (lane->depth > 0) {
        lane->stack[lane->depth - 1].child += ns;
    }
}

static void
close_all(struct sums *s, struct lane *lane)
{
    while (lane->depth > 0) {
        close_top(s, lane, s->base.now);
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
        close_top((struct sums *)sink, lane, call->time);
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
    close_all((struct sums *)sink, lane);
    ft_ptrmap_fini(&lane->open);
    free(lane->stack);
    free(lane);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct lane *lane = opaque;
    (void)n;
    close_all((struct sums *)sink, lane);
    lane->unkept = 0;
}

static void
close_sink(struct ft_sink *sink)
{
    struct sums *s = (struct sums *)sink;
    ft_ptrmap_fini(&s->places);
    ft_ptrmap_fini(&s->known);
    free(s->ones);
    free(s->sums);
    free(s);
}

static struct ft_sink *
part(const struct ft_sink *sink)
{
    return ((const struct sums *)sink)->chains ? ft_chains_new() : ft_pairs_new();
}

static void
add(struct ft_sum *to, const struct ft_sum *from)
{
    to->calls += from->calls;
    to->first += from->first;
    to->total += from->total;
    to->self += from->self;
    to->cut |= from->cut;
}

/* A parent comes before what it calls. */
static void
fold(struct ft_sink *sink, const struct ft_sink *from)
{
    struct sums *s = (struct sums *)sink;
    const struct sums *one = (const struct sums *)from;
    uint32_t *places = calloc(one->n, sizeof(*places));
    ft_sink_unkept(sink, places == NULL);
    for (size_t i = 1; places != NULL && i < one->n; i++) {
        const struct ft_sum *sum = &one->sums[i];
        uint32_t parent = places[sum->parent];
        if (!s->chains) {
            const struct ft_func *caller = sum->caller ? one_of(s, sum->caller) : NULL;
            places[i] = pair_of(s, caller, one_of(s, sum->func));
        }
        else if (sum->parent == 0 || parent != 0) {
            places[i] = chain_of(s, parent, one_of(s, sum->func));
        }
        ft_sink_unkept(sink, places[i] == 0);
        add(&s->sums[places[i]], sum);
    }
    free(places);
}

static const struct ft_sink_ops ops = {
    .name = "sums",
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

static struct ft_sink *
sums_new(bool chains)
{
    struct sums *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->sums = calloc(64, sizeof(*s->sums))) == NULL) {
        free(s);
        return NULL;
    }
    s->base.ops = &ops;
    s->base.needs = FT_NEED_TIME | FT_NEED_CCALLS;
    s->chains = chains;
    s->cap = 64;
    s->n = 1;
    ft_ptrmap_init(&s->places);
    ft_ptrmap_init(&s->known);
    return &s->base;
}

struct ft_sink *
ft_chains_new(void)
{
    return sums_new(true);
}

struct ft_sink *
ft_pairs_new(void)
{
    return sums_new(false);
}

const struct ft_sum *
ft_sums_all(const struct ft_sink *sink, size_t *n)
{
    const struct sums *s = (const struct sums *)sink;
    *n = s->n;
    return s->sums;
}
