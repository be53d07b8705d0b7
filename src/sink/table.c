/* Per-function totals. Each lane counts alone: a stack of open activations and an array of
 * statistics by function id, so that a call costs two short walks and no lookup. Rows are merged
 * when asked for, under the producer's lock or in a signal handler: arrays grow by publishing the
 * new one and keeping the old until the lane ends. */
#include "sink/table.h"

#include <stdlib.h>
#include <string.h>

#include "sink/table_short.h"

/* Out of the way of enter(), so that it saves no registers for them. */
#define COLD __attribute__((noinline, cold))

/* ---- growing --------------------------------------------------------------------------------- */

/* The old block stays readable: at most as much again is kept until the lane ends. */
static bool
retire(struct table_lane *lane, void *old)
{
    struct table_retired *r = malloc(sizeof(*r));
    if (r == NULL) {
        return old == NULL;
    }
    *r = (struct table_retired){old, lane->retired};
    lane->retired = r;
    return true;
}

static COLD bool
grow_stats(struct table_lane *lane, uint32_t id)
{
    uint32_t cap = lane->nstats ? lane->nstats : 64;
    while (cap <= id) {
        cap *= 2;
    }
    struct table_stat *stats = calloc(cap, sizeof(*stats));
    if (stats == NULL || !retire(lane, lane->stats)) {
        free(stats);
        return false;
    }
    if (lane->nstats > 0) {
        memcpy(stats, lane->stats, lane->nstats * sizeof(*stats));
    }
    atomic_signal_fence(memory_order_release);
    lane->stats = stats;
    atomic_signal_fence(memory_order_release);
    lane->nstats = cap;
    return true;
}

static COLD bool
grow_stack(struct table_lane *lane)
{
    uint32_t cap = lane->cap ? lane->cap * 2 : 64;
    struct table_open *stack = malloc(cap * sizeof(*stack));
    if (stack == NULL || !retire(lane, lane->stack)) {
        free(stack);
        return false;
    }
    if (lane->depth > 0) {
        memcpy(stack, lane->stack, lane->depth * sizeof(*stack));
    }
    atomic_signal_fence(memory_order_release);
    lane->stack = stack;
    lane->cap = cap;
    return true;
}

static void
lane_free(struct table_lane *lane)
{
    for (uint32_t id = 0; id < lane->nstats; id++) {
        if (lane->stats[id].func != NULL) {
            ft_func_unref(lane->stats[id].func);
            free(lane->stats[id].spread);
        }
    }
    for (struct table_retired *r = lane->retired, *next; r != NULL; r = next) {
        next = r->next;
        free(r->block);
        free(r);
    }
    ft_ptrmap_fini(&lane->suspended);
    ft_ptrmap_fini(&lane->edges);
    free(lane->stats);
    free(lane->stack);
    free(lane);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* The function's statistics in this lane; NULL when memory ran out. */
static COLD struct table_stat *
stat_new(struct ft_sink *sink, struct table_lane *lane, const struct ft_func *func)
{
    if (func->id >= lane->nstats && !grow_stats(lane, func->id)) {
        return NULL;
    }
    struct table_stat *s = &lane->stats[func->id];
    if (s->func == NULL) {
        s->min = UINT64_MAX;
        s->func = ft_func_ref(func);     /* keeps the id from being given to another */
        s->spread = lane->percentiles ? calloc(SPREAD_SLOTS, sizeof(*s->spread)) : NULL;
        if (lane->percentiles && s->spread == NULL) {
            ft_sink_unkept(sink, 1);
        }
    }
    return s;
}

static inline struct table_stat *
stat_of(struct ft_sink *sink, struct table_lane *lane, const struct ft_func *func)
{
    if (__builtin_expect(func->id < lane->nstats && lane->stats[func->id].func != NULL, 1)) {
        return &lane->stats[func->id];
    }
    return stat_new(sink, lane, func);
}

/* First sight of the function or a full stack; false: it is not kept, nor is what it calls, so that
 * its end is known for its own. The stack counts as full for as long. */
static COLD bool
make_room(struct ft_sink *sink, struct table_lane *lane, const struct ft_call *call)
{
    if (lane->unkept == 0 && stat_of(sink, lane, call->func) != NULL
        && (lane->depth < lane->cap || grow_stack(lane))) {
        return true;
    }
    if (lane->unkept++ == 0) {
        lane->room = lane->cap;
        lane->cap = lane->depth;
    }
    ft_sink_unkept(sink, 2);
    return false;
}

static COLD void
leave_unkept(struct table_lane *lane)
{
    if (--lane->unkept == 0) {
        lane->cap = lane->room;
    }
}

/* Ticks of the activation's earlier runs. */
static inline uint64_t
wake(struct table_lane *lane, uint64_t activation)
{
    struct table_rest *rest = &lane->rests[activation & (TABLE_RESTS - 1)];
    uint64_t before = 0;
    if (__builtin_expect(rest->activation == activation, 1)) {
        rest->activation = 0;
        return rest->before;
    }
    ft_ptrmap_take(&lane->suspended, activation, &before);
    return before;
}

static inline void
rest(struct ft_sink *sink, struct table_lane *lane, uint64_t activation, uint64_t ticks)
{
    struct table_rest *rest = &lane->rests[activation & (TABLE_RESTS - 1)];
    if (__builtin_expect(rest->activation != 0, 0)
        && !ft_ptrmap_put(&lane->suspended, rest->activation, rest->before)) {
        ft_sink_unkept(sink, 1);
    }
    *rest = (struct table_rest){activation, ticks};
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct table_lane *lane = opaque;
    uint32_t id = call->func->id;
    if (__builtin_expect(
            id >= lane->nstats || lane->stats[id].func == NULL || lane->depth == lane->cap, 0)
        && !make_room(sink, lane, call)) {
        return;
    }
    struct table_stat *s = &lane->stats[id];
    struct table_open *o = &lane->stack[lane->depth];
    o->id = id;
    o->kind = call->activation != 0 ? TABLE_GENERATOR : 0;
    o->child = 0;
    if (__builtin_expect(o->kind != 0, 0)) {
        o->activation = call->activation;
        o->before = call->way == FT_START ? 0 : wake(lane, call->activation);
    }
    bool again = call->way == FT_RESUME || call->way == FT_THROW;
    s->calls += !again;
    s->resumes += again;
    s->open++;
    o->since = call->time;
    atomic_signal_fence(memory_order_release);
    lane->depth++;
}

static void
leave_at(struct ft_sink *sink, struct table_lane *lane, uint64_t time, enum ft_way way)
{
    if (__builtin_expect(lane->unkept > 0, 0)) {
        leave_unkept(lane);
        return;
    }
    if (lane->depth == 0) {
        return;
    }
    const struct table_open *o = &lane->stack[lane->depth - 1];
    struct table_stat *s = &lane->stats[o->id];
    uint64_t ticks = ft_table_pop(lane, o, s, time);
    if (o->kind != 0) {
        ticks += o->kind & TABLE_GENERATOR ? o->before : 0;
        if ((o->kind & TABLE_GENERATOR) && way == FT_YIELD) {
            rest(sink, lane, o->activation, ticks);
            return;
        }
        if (o->kind & TABLE_PARTIAL) {
            return;
        }
    }
    ft_table_bounds(s, ticks);
    if (s->spread != NULL) {
        s->spread[table_spread_slot(ticks)]++;
    }
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    leave_at(sink, opaque, call->time, call->way);
}

static void *
enter_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func, uint64_t time,
            void *answer)
{
    if (!ft_table_enter_shortest(opaque, func->id, time)) {
        enter(sink, opaque, &(struct ft_call){.func = func, .way = FT_START, .time = time});
    }
    return answer;
}

static void *
leave_plain(struct ft_sink *sink, void *opaque, uint64_t time, void *answer)
{
    leave_at(sink, opaque, time, FT_RETURN);
    return answer;
}

static void *
resume_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func, uint64_t activation,
             uint64_t time, void *answer)
{
    struct ft_call call = {.func = func, .way = FT_RESUME, .activation = activation, .time = time};
    enter(sink, opaque, &call);
    return answer;
}

static void *
yield_plain(struct ft_sink *sink, void *opaque, uint64_t activation, bool awaits, uint64_t time,
            void *answer)
{
    (void)activation; /* the lane has it with the call */
    (void)awaits;
    leave_at(sink, opaque, time, FT_YIELD);
    return answer;
}

/* ---- by caller ------------------------------------------------------------------------------- */

/* The call that was entered last is one more of whoever is open below it; 0: nobody. */
static void
count_edge(struct ft_sink *sink, struct table_lane *lane)
{
    uint64_t by = lane->depth > 1 ? lane->stack[lane->depth - 2].id + 1ull : 0;
    uint64_t key = by << 32 | (lane->stack[lane->depth - 1].id + 1ull);
    uint64_t *known = ft_ptrmap_get(&lane->edges, key);
    if (known != NULL) {
        (*known)++;
    }
    else if (!ft_ptrmap_put(&lane->edges, key, 1)) {
        ft_sink_unkept(sink, 1);
    }
}

static void
enter_by_caller(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct table_lane *lane = opaque;
    uint32_t depth = lane->depth;
    enter(sink, opaque, call);
    if (lane->depth > depth && (call->way == FT_START || call->way == FT_C_CALL)) {
        count_edge(sink, lane);
    }
}

static void *
enter_plain_by_caller(struct ft_sink *sink, void *opaque, const struct ft_func *func, uint64_t time,
                      void *answer)
{
    struct table_lane *lane = opaque;
    uint32_t depth = lane->depth;
    enter_plain(sink, opaque, func, time, NULL);
    if (lane->depth > depth) {
        count_edge(sink, lane);
    }
    return answer;
}

struct summing {
    struct ft_sink *sink;
    struct table_lane *to;
};

static void
sum_edge(void *ctx, uint64_t key, uint64_t calls)
{
    struct summing *s = ctx;
    uint64_t *known = ft_ptrmap_get(&s->to->edges, key);
    if (!ft_ptrmap_put(&s->to->edges, key, calls + (known ? *known : 0))) {
        ft_sink_unkept(s->sink, calls);
    }
}

/* ---- what is open already -------------------------------------------------------------------- */

/* It goes on from now: what it did before is another's to count. */
static void
open_call(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct table_lane *lane = opaque;
    if (!make_room(sink, lane, call)) {
        return;
    }
    struct table_open *o = &lane->stack[lane->depth++];
    o->id = call->func->id;
    o->kind = TABLE_PARTIAL | (call->activation != 0 ? TABLE_GENERATOR : 0);
    o->activation = call->activation;
    o->child = o->before = 0;
    o->since = sink->now;
    lane->stats[o->id].open++;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct table *t = (struct table *)sink;
    struct table_lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    ft_ptrmap_init(&lane->suspended);
    ft_ptrmap_init(&lane->edges);
    lane->percentiles = t->percentiles;
    lane->next = t->lanes;
    atomic_signal_fence(memory_order_release);
    t->lanes = lane;
    t->threads += info->serial > t->last_serial;
    t->last_serial = info->serial > t->last_serial ? info->serial : t->last_serial;
    return lane;
}

static void
add_stat(struct table_stat *to, const struct table_stat *s)
{
    to->calls += s->calls;
    to->resumes += s->resumes;
    to->total += s->total;
    to->self += s->self;
    to->min = s->min < to->min ? s->min : to->min;
    to->max = s->max > to->max ? s->max : to->max;
    for (uint32_t i = 0; to->spread != NULL && s->spread != NULL && i < SPREAD_SLOTS; i++) {
        to->spread[i] += s->spread[i];
    }
}

static void
forget_unkept(struct table_lane *lane)
{
    while (lane->unkept > 0) {
        leave_unkept(lane);
    }
}

static void
sum_lane(struct ft_sink *sink, struct table_lane *to, const struct table_lane *lane)
{
    for (uint32_t id = 0; id < lane->nstats; id++) {
        if (lane->stats[id].func != NULL) {
            struct table_stat *s = stat_of(sink, to, lane->stats[id].func);
            if (s != NULL) {
                add_stat(s, &lane->stats[id]);
            }
            else {
                ft_sink_unkept(sink, 2 * (lane->stats[id].calls + lane->stats[id].resumes));
            }
        }
    }
    ft_ptrmap_each(&lane->edges, sum_edge, &(struct summing){sink, to});
}

/* Closes what is open and folds the lane into the one that sums up ended threads. */
static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct table *t = (struct table *)sink;
    struct table_lane *lane = opaque;
    struct ft_call left = {.way = FT_LEFT, .time = sink->recorded ? sink->now : ft_clock_ticks()};
    forget_unkept(lane);
    while (lane->depth > 0) {
        leave(sink, lane, &left);
    }
    sum_lane(sink, &t->ended, lane);
    struct table_lane **at = &t->lanes;
    while (*at != lane) {
        at = &(*at)->next;
    }
    *at = lane->next;
    lane_free(lane);
}

/* In a recording events are missing: what was open then was left at a time unknown. */
static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct table_lane *lane = opaque;
    if (!sink->recorded) {
        ft_sink_unkept(sink, n);
        return;
    }
    struct ft_call left = {.way = FT_LEFT, .time = sink->now};
    forget_unkept(lane);
    while (lane->depth > 0) {
        leave(sink, lane, &left);
    }
}

static void
forked(struct ft_sink *sink, uint64_t pid)
{
    (void)sink;                          /* a report is one process's: the child leaves it */
    (void)pid;
}

static void
close_sink(struct ft_sink *sink)
{
    struct table *t = (struct table *)sink;
    for (struct table_lane *lane = t->lanes, *next; lane != NULL; lane = next) {
        next = lane->next;
        lane_free(lane);
    }
    struct table_lane *ended = malloc(sizeof(*ended));
    if (ended != NULL) {
        *ended = t->ended;
        lane_free(ended);
    }
    free(t);
}

/* Threads count by serials above the last: a part goes on from the whole's. */
static struct ft_sink *
part(const struct ft_sink *sink)
{
    const struct table *whole = (const struct table *)sink;
    struct ft_sink *new = ft_table_new((sink->needs & FT_NEED_CCALLS) != 0);
    if (new != NULL) {
        struct table *t = (struct table *)new;
        new->ops = sink->ops;
        t->last_serial = whole->last_serial;
        t->percentiles = t->ended.percentiles = whole->percentiles;
    }
    return new;
}

static void
fold(struct ft_sink *sink, const struct ft_sink *from)
{
    struct table *t = (struct table *)sink;
    const struct table *one = (const struct table *)from;
    sum_lane(sink, &t->ended, &one->ended);
    t->threads += one->threads;
    t->last_serial = one->last_serial > t->last_serial ? one->last_serial : t->last_serial;
}

#define OPS(enters, enters_plain)                                                                  \
    {                                                                                              \
        .name = "table",                                                                           \
        .locked = false,                                                                           \
        .thread_begin = thread_begin,                                                              \
        .thread_end = thread_end,                                                                  \
        .enter = enters,                                                                           \
        .leave = leave,                                                                            \
        .enter_plain = enters_plain,                                                               \
        .leave_plain = leave_plain,                                                                \
        .resume_plain = resume_plain,                                                              \
        .yield_plain = yield_plain,                                                                \
        .open = open_call,                                                                         \
        .lost = lost,                                                                              \
        .forked = forked,                                                                          \
        .close = close_sink,                                                                       \
        .part = part,                                                                              \
        .fold = fold,                                                                              \
    }

static const struct ft_sink_ops ops = OPS(enter, enter_plain);
/* Of its own, so that who does not ask does not pay. */
static const struct ft_sink_ops ops_by_caller = OPS(enter_by_caller, enter_plain_by_caller);

struct ft_sink *
ft_table_new(bool ccalls)
{
    struct table *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->base.ops = &ops;
    t->base.needs = FT_NEED_TIME | FT_NEED_ACTIVATION | (ccalls ? FT_NEED_CCALLS : 0);
    ft_ptrmap_init(&t->ended.suspended);
    ft_ptrmap_init(&t->ended.edges);
    ft_clock_init();
    t->since = ft_clock_ticks();
    return &t->base;
}

void
ft_table_want_percentiles(struct ft_sink *sink)
{
    struct table *t = (struct table *)sink;
    t->percentiles = t->ended.percentiles = true;
}

void
ft_table_want_callers(struct ft_sink *sink)
{
    sink->ops = &ops_by_caller;
}

bool
ft_table_is_plain(const struct ft_sink *sink)
{
    return sink->ops == &ops && !((const struct table *)sink)->percentiles;
}

void
ft_table_set_span(struct ft_sink *sink, uint64_t first, uint64_t last)
{
    ((struct table *)sink)->since = first;
    ((struct table *)sink)->stopped = last > first ? last : first + 1;
}

void
ft_table_stop(struct ft_sink *sink)
{
    ((struct table *)sink)->stopped = ft_clock_ticks();
}
