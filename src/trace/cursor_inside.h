/* A cursor's insides, shared by cursor.c (events) and cursor_segments.c (where they come from). */
#ifndef FT_TRACE_CURSOR_INSIDE_H
#define FT_TRACE_CURSOR_INSIDE_H

#include <stdlib.h>

#include "base/varint.h"
#include "trace/cursor.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint64_t
ft_cursor_now(const struct ft_cursor *c)
{
    return ft_trace_ns(c->trace, c->thread->process, c->time);
}

/* False: no memory, or deeper than anything can be. */
static inline bool
ft_cursor_push(struct ft_cursor *c, const struct ft_func *func, uint64_t since, uint64_t activation)
{
    if (UNLIKELY(c->depth == c->cap)) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        struct ft_cursor_open *stack =
            cap <= FT_DEPTH_MAX ? realloc(c->stack, cap * sizeof(*stack)) : NULL;
        if (stack == NULL) {
            c->trace->untold |= cap <= FT_DEPTH_MAX; /* no memory: what follows is not damage */
            return false;
        }
        c->stack = stack;
        c->cap = cap;
    }
    c->stack[c->depth++] = (struct ft_cursor_open){func, since, activation};
    return true;
}

/* Completes the time that an event's first byte began. */
static inline const uint8_t *
ft_cursor_get_delta(const uint8_t *p, const uint8_t *end, uint64_t *delta)
{
    uint64_t more;
    if (*delta != FT_DELTA_MORE) {
        return p;
    }
    p = ft_varint_get(p, end, &more);
    *delta += p ? more : 0;
    return p;
}

void ft_cursor_damaged(struct ft_cursor *c, const char *what);
void ft_cursor_set_task(struct ft_cursor *c, uint64_t serial, uint64_t depth, struct ft_str name);
/* What precedes an event: the rest of the window, the next segment, what was open or is missing.
 * FT_STEP_ENTER: go on. */
enum ft_step ft_cursor_prepare(struct ft_cursor *c);

#endif
