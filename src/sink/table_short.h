/* The table's shortest ways: a call of a function seen before, and the end of an ordinary one.
 * Here, so that callbacks may hold them (pyapi/quick.c). False: nothing was done, and table.c knows
 * the long way. */
#ifndef FT_SINK_TABLE_SHORT_H
#define FT_SINK_TABLE_SHORT_H

#include <stdatomic.h>

#include "sink/table_lane.h"

static inline bool
ft_table_enter_shortest(struct table_lane *lane, uint32_t id, uint64_t time)
{
    if (__builtin_expect(
            id >= lane->nstats || lane->stats[id].func == NULL || lane->depth == lane->cap, 0)) {
        return false;
    }
    struct table_stat *s = &lane->stats[id];
    struct table_open *o = &lane->stack[lane->depth];
    o->id = id;
    o->kind = 0;
    o->child = 0;
    o->since = time;
    s->calls++;
    s->open++;
    atomic_signal_fence(memory_order_release);
    lane->depth++;
    return true;
}

/* The activation on top ends: its ticks go to its function and to its caller. */
static inline uint64_t
ft_table_pop(struct table_lane *lane, const struct table_open *o, struct table_stat *s,
             uint64_t time)
{
    lane->depth--;
    uint64_t ticks = time > o->since ? time - o->since : 0;
    s->self += ticks > o->child ? ticks - o->child : 0;
    if (--s->open == 0) {
        s->total += ticks;               /* recursion: the outermost alone */
    }
    if (lane->depth > 0) {
        lane->stack[lane->depth - 1].child += ticks;
    }
    return ticks;
}

static inline void
ft_table_bounds(struct table_stat *s, uint64_t ticks)
{
    s->min = ticks < s->min ? ticks : s->min;
    s->max = ticks > s->max ? ticks : s->max;
}

/* Not for a lane that keeps percentiles. */
static inline bool
ft_table_leave_shortest(struct table_lane *lane, uint64_t time)
{
    if (__builtin_expect(lane->unkept > 0 || lane->depth == 0, 0)) {
        return false;
    }
    const struct table_open *o = &lane->stack[lane->depth - 1];
    if (__builtin_expect(o->kind != 0, 0)) {
        return false;
    }
    struct table_stat *s = &lane->stats[o->id];
    ft_table_bounds(s, ft_table_pop(lane, o, s, time));
    return true;
}

#endif
