/* Where a cursor's events come from: a window on the thread's segments, one after the other, what
 * their heads tell, and a cursor's birth and end. */
#include "trace/cursor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/varint.h"
#include "trace/cursor_inside.h"

#define WINDOW (1 << 16)
#define UNKNOWN_DEPTH (UINT32_MAX / 2) /* no segment says so: the next one's head counts */

_Static_assert(WINDOW >= 2 * FT_RECORD_MAX, "a record fits into a window");

static const char *
lane_of(const struct ft_cursor *c)
{
    return c->trace->lanes[c->thread->segments[c->next - 1].lane];
}

void
ft_cursor_damaged(struct ft_cursor *c, const char *what)
{
    ft_trace_damaged(c->trace, lane_of(c), what, c->file_at - (uint64_t)(c->end - c->p));
}

/* ---- the window ------------------------------------------------------------------------------ */

/* At least a record's bytes, or all that the segment has left. */
static void
refill(struct ft_cursor *c)
{
    size_t have = (size_t)(c->end - c->p);
    memmove(c->window, c->p, have);
    size_t room = WINDOW - have;
    uint64_t left = c->file_end - c->file_at;
    ssize_t n = 0;
    if (left > 0 && c->fd < 0) {
        c->fd = open(lane_of(c), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    }
    if (left > 0 && c->fd >= 0) {
        n = pread(c->fd, c->window + have, left < room ? (size_t)left : room, (off_t)c->file_at);
    }
    if (n <= 0) {
        c->file_end = c->file_at; /* shorter than it was when it was looked through */
        n = 0;
    }
    c->p = c->window;
    c->end = c->window + have + n;
    c->file_at += (uint64_t)n;
    if (c->fd >= 0) { /* few descriptors, however many threads are merged */
        close(c->fd);
        c->fd = -1;
    }
}

static inline bool
window_is_low(const struct ft_cursor *c)
{
    return c->end - c->p < FT_RECORD_MAX && c->file_at < c->file_end;
}

/* ---- segments -------------------------------------------------------------------------------- */

void
ft_cursor_set_task(struct ft_cursor *c, uint64_t serial, uint64_t depth, struct ft_str name)
{
    ft_strbuf_clear(&c->task_name);
    ft_strbuf_add_printable(&c->task_name, name.len > 0 ? name : FT_STR("?"));
    c->task.serial = serial;
    c->task.name = (struct ft_str){c->task_name.data ? c->task_name.data : "", c->task_name.len};
    c->task_depth = depth < UINT32_MAX ? (uint32_t)depth : UINT32_MAX;
}

/* The head's open calls. `take`: they become the stack. */
static bool
read_head(struct ft_cursor *c, const struct ft_segment *s, bool take)
{
    uint64_t n, id, age, activation, task, depth = 0, len = 0;
    const uint8_t *p = ft_varint_get(c->p, c->end, &n), *end = c->end;
    if (p == NULL || n > FT_HEAD_CALLS || n > s->depth) {
        return false;
    }
    if (take) {
        c->depth = 0;
        c->base = s->depth - (uint32_t)n;
    }
    c->untold = s->depth - (uint32_t)n;
    uint64_t now = ft_trace_ns(c->trace, c->thread->process, s->first);
    for (uint64_t i = 0; i < n; i++) {
        if ((p = ft_varint_get(p, end, &id)) == NULL || (p = ft_varint_get(p, end, &age)) == NULL
            || (p = ft_varint_get(p, end, &activation)) == NULL) {
            return false;
        }
        if (take) {
            uint64_t since =
                ft_trace_ns(c->trace, c->thread->process, age < s->first ? s->first - age : 0);
            const struct ft_func *f = ft_trace_func(c->trace, c->thread->process, id);
            if (!ft_cursor_push(c, f, since < now ? since : now, activation)) {
                return false;
            }
        }
    }
    if ((p = ft_varint_get(p, end, &task)) == NULL) {
        return false;
    }
    if (task != 0) {
        if ((p = ft_varint_get(p, end, &depth)) == NULL || (p = ft_varint_get(p, end, &len)) == NULL
            || len > (uint64_t)(end - p)) {
            return false;
        }
        if (take) {
            ft_cursor_set_task(c, task, depth, (struct ft_str){(const char *)p, (size_t)len});
        }
        p += len;
    }
    else if (take) {
        c->task.serial = 0;
    }
    c->p = p;
    return true;
}

static uint64_t
events_of(const struct ft_segment *s)
{
    return 2 * s->starts + s->depth - s->end_depth;
}

/* False: there is none. */
static bool
next_segment(struct ft_cursor *c)
{
    while (c->next < c->thread->nsegments) {
        const struct ft_trace_segment *at = &c->thread->segments[c->next++];
        const struct ft_segment *s = &at->head;
        c->closed = (s->flags & FT_SEGMENT_CLOSED) != 0;
        c->p = c->end = c->window;
        c->file_at = at->at + sizeof(*s);
        c->file_end = at->at + (c->closed ? s->used : s->size);
        refill(c);
        if (s->before < c->seen) {
            ft_cursor_damaged(c, "a segment that repeats events");
            continue;
        }
        bool goes_on = !c->anew && s->before == c->seen && s->depth == c->base + c->depth;
        if (!goes_on && !c->anew && s->before == c->seen) {
            ft_cursor_damaged(c, "a segment that does not go on where the one before ended");
            continue;
        }
        if (!read_head(c, s, !goes_on)) {
            ft_cursor_damaged(c, "a bad segment head");
            c->depth = 0;
            c->base = UNKNOWN_DEPTH;
            continue;
        }
        c->anew = false;
        memset(c->likely, 0, sizeof(c->likely));
        memset(c->runs, 0, sizeof(c->runs));
        c->after = FT_LIKELY_SLOTS - 1;
        c->run = 0;
        c->started = 0;
        ft_strbuf_clear(&c->raised);
        c->time = s->first;
        if (!goes_on) {
            c->lost = s->before - c->seen;
            c->seen = s->before;
            c->tell_opens = true;
            c->opens = 0;
        }
        return true;
    }
    return false;
}

/* ---- what precedes an event ------------------------------------------------------------------ */

static enum ft_step
tell_open(struct ft_cursor *c)
{
    const struct ft_cursor_open *o = &c->stack[c->opens];
    c->call.func = o->func;
    c->call.way = o->func->flags & FT_FUNC_C ? FT_C_CALL : FT_START;
    c->call.depth = c->base + c->opens++;
    c->call.time = o->since;
    c->call.activation = o->activation;
    c->call.task = c->task.serial && c->call.depth + 1 >= c->task_depth ? &c->task : NULL;
    return FT_STEP_OPEN;
}

enum ft_step
ft_cursor_prepare(struct ft_cursor *c)
{
    for (;;) {
        if (c->lost > 0) {
            return FT_STEP_LOST;
        }
        if (c->tell_opens) {
            if (c->opens < c->depth) {
                return tell_open(c);
            }
            c->tell_opens = false;
        }
        if (window_is_low(c)) {
            refill(c);
        }
        if (c->p < c->end && *c->p != FT_OTHER_END) {
            return FT_STEP_ENTER;
        }
        if (c->p < c->end && c->closed) {
            ft_cursor_damaged(c, "a hole in a closed segment");
        }
        if (!next_segment(c)) {
            c->p = c->end = c->window;
            c->file_at = c->file_end = 0;
            uint64_t total = c->thread->total;
            if (total != UINT64_MAX && total > c->seen) {
                c->lost = total - c->seen;
                c->seen = total;
                return FT_STEP_LOST;
            }
            return FT_STEP_END;
        }
    }
}

/* ---- birth and end --------------------------------------------------------------------------- */

/* The time of the event that comes next, UINT64_MAX: it is to be read anyhow. */
static uint64_t
peek_ns(const struct ft_cursor *c)
{
    uint64_t delta = *c->p & FT_DELTA_MORE;
    const uint8_t *p = *c->p >> FT_DELTA_BITS == FT_CODE_OTHER
                           ? ft_varint_get(c->p + 1, c->end, &delta)
                           : ft_cursor_get_delta(c->p + 1, c->end, &delta);
    return p ? ft_trace_ns(c->trace, c->thread->process, c->time + delta) : UINT64_MAX;
}

/* To the last event before `since`; what is open then is told first. */
static void
seek(struct ft_cursor *c, uint64_t since)
{
    const struct ft_trace_thread *t = c->thread;
    while (c->next + 1 < t->nsegments
           && ft_trace_ns(c->trace, t->process, t->segments[c->next + 1].head.first) < since) {
        c->next++;
    }
    if (c->next > 0) { /* skipped by their summaries */
        const struct ft_segment *s = &t->segments[c->next - 1].head;
        c->seen = s->before + (s->flags & FT_SEGMENT_CLOSED ? events_of(s) : 0);
        c->depth = 0;
        c->base = UNKNOWN_DEPTH;
    }
    c->anew = true;
    for (;;) {
        enum ft_step step = ft_cursor_prepare(c);
        if (step == FT_STEP_END) {
            return;
        }
        c->lost = 0;
        c->opens = c->depth;
        if (step == FT_STEP_ENTER) {
            if (peek_ns(c) >= since) {
                break;
            }
            ft_cursor_step(c);
        }
    }
    c->opens = 0;
    c->tell_opens = true;
}

struct ft_cursor *
ft_cursor_new(struct ft_trace *trace, const struct ft_trace_thread *thread, uint64_t since)
{
    struct ft_cursor *c = calloc(1, sizeof(*c));
    if (c == NULL || (c->window = malloc(WINDOW)) == NULL) {
        free(c);
        return NULL;
    }
    c->trace = trace;
    c->thread = thread;
    c->anew = true;
    c->fd = -1;
    c->p = c->end = c->window;
    ft_strbuf_init(&c->task_name);
    ft_strbuf_init(&c->args);
    ft_strbuf_init(&c->value);
    ft_strbuf_init(&c->raised);
    if (since > 0) {
        seek(c, since);
    }
    return c;
}

void
ft_cursor_free(struct ft_cursor *c)
{
    if (c == NULL) {
        return;
    }
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->window);
    free(c->stack);
    ft_strbuf_fini(&c->task_name);
    ft_strbuf_fini(&c->args);
    ft_strbuf_fini(&c->value);
    ft_strbuf_fini(&c->raised);
    free(c);
}
