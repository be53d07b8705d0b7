/* The recorder's shortest ways, one byte each: the call that was likely and a return, both of them
 * soon after the event before. Here, so that callbacks may hold them (pyapi/quick.c). False:
 * nothing was done, and record_events.c knows the long way. */
#ifndef FT_SINK_RECORD_SHORT_H
#define FT_SINK_RECORD_SHORT_H

#include "sink/record_lane.h"

void *ft_record_enter_unlikely(struct ft_sink *sink, struct record_lane *lane,
                               const struct ft_func *func, uint64_t time, void *answer);
void *ft_record_leave_unlikely(struct ft_sink *sink, struct record_lane *lane, uint64_t time,
                               void *answer);

static inline uint8_t
ft_record_first_byte(enum ft_event_code code, uint64_t low)
{
    return (uint8_t)((unsigned)code << FT_DELTA_BITS | (unsigned)low);
}

/* The function is entered: one more call, and what is entered next is likely to follow it again. */
static inline void
ft_record_push(struct record_lane *lane, uint32_t id)
{
    lane->next = &lane->likely[id & (FT_LIKELY_SLOTS - 1)];
    lane->depth++;
    lane->starts++;
}

/* Since the event before; huge where the clocks of two cores differ and it is none. */
static inline uint64_t
ft_record_delta(const struct record_lane *lane, uint64_t now)
{
    return now - lane->last;
}

static inline void
ft_record_byte(struct record_lane *lane, uint8_t *p, enum ft_event_code code, uint64_t delta,
               uint64_t now)
{
    lane->last = now;
    lane->p = p + 1;
    __atomic_store_n(p, ft_record_first_byte(code, delta), __ATOMIC_RELEASE);
}

/* What was likely once is defined, so that is not asked. */
static inline bool
ft_record_enter_shortest(struct record_lane *lane, uint32_t id, uint64_t time)
{
    uint8_t *p = lane->p;
    uint64_t now = time >> lane->shift;
    uint64_t delta = ft_record_delta(lane, now);
    if (__builtin_expect(p >= lane->limit || *lane->next != id || delta >= FT_DELTA_MORE, 0)) {
        return false;
    }
    ft_record_push(lane, id);
    ft_record_byte(lane, p, FT_CODE_LIKELY, delta, now);
    return true;
}

static inline bool
ft_record_leave_shortest(struct record_lane *lane, uint64_t time)
{
    uint8_t *p = lane->p;
    uint64_t now = time >> lane->shift;
    uint64_t delta = ft_record_delta(lane, now);
    uint32_t depth = lane->depth;
    if (__builtin_expect(p >= lane->limit || depth == lane->brake || delta >= FT_DELTA_MORE, 0)) {
        return false;
    }
    lane->depth = depth - 1;
    ft_record_byte(lane, p, FT_CODE_LEAVE, delta, now);
    return true;
}

#endif
