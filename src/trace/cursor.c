/* Decoding. ft_cursor_step is what a report spends its time in: the usual events are decoded at its
 * top, the others by other_event(). */
#include "trace/cursor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/varint.h"

#define WINDOW (1 << 16)
#define UNKNOWN_DEPTH (UINT32_MAX / 2) /* no segment says so: the next one's head counts */
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

_Static_assert(WINDOW >= 2 * FT_RECORD_MAX, "a record fits into a window");

static const char *
lane_of(const struct ft_cursor *c)
{
    return c->trace->lanes[c->thread->segments[c->next - 1].lane];
}

static void
damaged(struct ft_cursor *c, const char *what)
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

/* ---- the stack ------------------------------------------------------------------------------- */

static bool
push(struct ft_cursor *c, const struct ft_func *func, uint64_t since, uint64_t activation)
{
    if (UNLIKELY(c->depth == c->cap)) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        struct ft_cursor_open *stack =
            cap <= FT_DEPTH_MAX ? realloc(c->stack, cap * sizeof(*stack)) : NULL;
        if (stack == NULL) {
            return false;
        }
        c->stack = stack;
        c->cap = cap;
    }
    c->stack[c->depth++] = (struct ft_cursor_open){func, since, activation};
    return true;
}

/* ---- segments -------------------------------------------------------------------------------- */

static void
set_task(struct ft_cursor *c, uint64_t serial, uint64_t depth, struct ft_str name)
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
            if (!push(c, f, since < now ? since : now, activation)) {
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
            set_task(c, task, depth, (struct ft_str){(const char *)p, (size_t)len});
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
            damaged(c, "a segment that repeats events");
            continue;
        }
        bool goes_on = s->before == c->seen && s->depth == c->base + c->depth && c->next > 1;
        if (!read_head(c, s, !goes_on)) {
            damaged(c, "a bad segment head");
            c->depth = 0;
            c->base = UNKNOWN_DEPTH;
            continue;
        }
        memset(c->likely, 0, sizeof(c->likely));
        c->after = FT_LIKELY_SLOTS - 1;
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

/* ---- events ---------------------------------------------------------------------------------- */

static inline uint64_t
now_of(const struct ft_cursor *c)
{
    return ft_trace_ns(c->trace, c->thread->process, c->time);
}

static inline enum ft_step
entered(struct ft_cursor *c, uint32_t id, enum ft_way way, uint64_t activation)
{
    const struct ft_func *func = ft_trace_func(c->trace, c->thread->process, id);
    if (UNLIKELY(func == c->trace->unknown) && c->thread->process->head.ended != 0) {
        damaged(c, "a call of a function that no definition tells");
    }
    c->likely[c->after] = id + 1;
    c->after = id & (FT_LIKELY_SLOTS - 1);
    c->call.func = func;
    c->call.way = way == FT_START && (func->flags & FT_FUNC_C) ? FT_C_CALL : way;
    c->call.depth = c->base + c->depth;
    c->call.time = now_of(c);
    c->call.activation = activation;
    c->seen++;
    if (UNLIKELY(!push(c, func, c->call.time, activation))) {
        damaged(c, "calls nested too deep");
        c->next = c->thread->nsegments;
        c->p = c->end = c->window;
        c->file_at = c->file_end;
        return FT_STEP_END;
    }
    return FT_STEP_ENTER;
}

static inline enum ft_step
left(struct ft_cursor *c, enum ft_way way)
{
    if (UNLIKELY(c->depth == 0)) {
        if (c->base == 0) {
            damaged(c, "a call is left that was not entered");
            c->p = c->end = c->window; /* the rest of the segment cannot be right */
            c->file_at = c->file_end;
            return FT_STEP_OPEN;
        }
        c->base--;
        c->call.func = c->trace->unknown;
        c->call.activation = 0;
    }
    else {
        const struct ft_cursor_open *o = &c->stack[--c->depth];
        c->call.func = o->func;
        c->call.activation = o->activation;
    }
    if (UNLIKELY(c->call.func->flags & FT_FUNC_C)) {
        way = way == FT_RETURN ? FT_C_RETURN : way == FT_UNWIND ? FT_C_RAISE : way;
    }
    c->call.way = way;
    c->call.depth = c->base + c->depth;
    c->call.time = now_of(c);
    c->seen++;
    return FT_STEP_LEAVE;
}

/* What the file calls printable goes to a terminal: it is believed after a look only. */
static struct ft_str
printable(struct ft_strbuf *b, struct ft_str s)
{
    if (ft_str_is_printable(s)) {
        return s;
    }
    ft_strbuf_clear(b);
    ft_strbuf_add_printable(b, s);
    return (struct ft_str){b->data ? b->data : "", b->len};
}

struct fields {
    uint64_t activation, task, caller, call_line;
    struct ft_str task_name;
    bool has_caller;
};

static bool
read_fields(struct ft_cursor *c, const uint8_t *p, const uint8_t *end, struct fields *f)
{
    uint64_t tag, value;
    while (p < end) {
        if ((p = ft_varint_get(p, end, &tag)) == NULL
            || (p = ft_varint_get(p, end, &value)) == NULL) {
            return false;
        }
        struct ft_str text = {(const char *)p, (size_t)value};
        if ((tag & 1) != 0) {
            if (value > (uint64_t)(end - p)) {
                return false;
            }
            p += value;
        }
        switch (tag) {
        case FT_FIELD_ARGS:
            c->call.args = printable(&c->args, text);
            break;
        case FT_FIELD_VALUE:
            c->call.value = printable(&c->value, text);
            break;
        case FT_FIELD_ACTIVATION:
            f->activation = value;
            break;
        case FT_FIELD_TASK:
            f->task = value;
            break;
        case FT_FIELD_TASK_NAME:
            f->task_name = text;
            break;
        case FT_FIELD_CALLER:
            f->caller = value;
            f->has_caller = true;
            break;
        case FT_FIELD_CALL_LINE:
            f->call_line = value;
            break;
        default:
            break; /* of a later version */
        }
    }
    return true;
}

static const enum ft_way ways[] = {
    [FT_OTHER_ENTER] = FT_START,  [FT_OTHER_RESUME] = FT_RESUME, [FT_OTHER_THROW] = FT_THROW,
    [FT_OTHER_LEAVE] = FT_RETURN, [FT_OTHER_YIELD] = FT_YIELD,   [FT_OTHER_AWAIT] = FT_YIELD,
    [FT_OTHER_RAISE] = FT_UNWIND, [FT_OTHER_LEFT] = FT_LEFT,
};

/* c->p is behind the first byte. FT_STEP_OPEN: there was nothing to tell. */
static enum ft_step
other_event(struct ft_cursor *c, unsigned kind)
{
    struct fields f = {.task_name = FT_STR("")};
    uint64_t delta, len, id = 0;
    const uint8_t *p = ft_varint_get(c->p, c->end, &delta);
    p = p ? ft_varint_get(p, c->end, &len) : NULL;
    if (p == NULL || len > (uint64_t)(c->end - p)) {
        damaged(c, "an event is cut short");
        c->p = c->end;
        c->file_end = c->file_at;
        return FT_STEP_OPEN;
    }
    const uint8_t *end = p + len;
    bool entering = kind < FT_OTHER_FIRST_LEAVING;
    c->p = end;
    c->time += delta;
    if (kind >= sizeof(ways) / sizeof(ways[0])) {
        return FT_STEP_OPEN; /* of a later version: no call */
    }
    if ((entering && (p = ft_varint_get(p, end, &id)) == NULL) || id >= UINT32_MAX
        || !read_fields(c, p, end, &f)) {
        damaged(c, "an event's fields are wrong");
        c->p = c->end;
        c->file_end = c->file_at;
        return FT_STEP_OPEN;
    }
    c->call.awaits = kind == FT_OTHER_AWAIT;
    if (!entering) {
        return left(c, ways[kind]);
    }
    if (f.has_caller) {
        c->call.caller = ft_trace_func(c->trace, c->thread->process, f.caller);
        c->call.call_line = (uint32_t)f.call_line;
    }
    enum ft_step step = entered(c, (uint32_t)id, ways[kind], f.activation);
    if (f.task != 0 && step == FT_STEP_ENTER) {
        set_task(c, f.task, (uint64_t)c->base + c->depth, f.task_name);
        c->call.task = &c->task;
    }
    return step;
}

static enum ft_step
tell_open(struct ft_cursor *c)
{
    const struct ft_cursor_open *o = &c->stack[c->opens];
    c->call.func = o->func;
    c->call.way = o->func->flags & FT_FUNC_C ? FT_C_CALL : FT_START;
    c->call.depth = c->base + c->opens++;
    c->call.time = o->since;
    c->call.activation = o->activation;
    return FT_STEP_OPEN;
}

/* What precedes an event: the rest of the window, the next segment, what was open or is missing.
 * FT_STEP_ENTER: go on. */
static __attribute__((noinline)) enum ft_step
prepare(struct ft_cursor *c)
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
            damaged(c, "a hole in a closed segment");
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

static inline const uint8_t *
get_delta(const uint8_t *p, const uint8_t *end, uint64_t *delta)
{
    uint64_t more;
    if (*delta != FT_DELTA_MORE) {
        return p;
    }
    p = ft_varint_get(p, end, &more);
    *delta += p ? more : 0;
    return p;
}

static enum ft_step
decode(struct ft_cursor *c)
{
    uint8_t first = *c->p++;
    uint64_t delta = first & FT_DELTA_MORE, id;
    enum ft_event_code code = (enum ft_event_code)(first >> FT_DELTA_BITS);
    if (UNLIKELY(code == FT_CODE_OTHER)) {
        return other_event(c, (unsigned)delta);
    }
    const uint8_t *p = get_delta(c->p, c->end, &delta);
    if (code == FT_CODE_ENTER && p != NULL) {
        p = ft_varint_get(p, c->end, &id);
    }
    else {
        id = (uint64_t)c->likely[c->after] - 1;
    }
    if (UNLIKELY(p == NULL || (code != FT_CODE_LEAVE && id >= UINT32_MAX))) {
        damaged(c, p ? "a call of nothing known" : "an event is cut short");
        c->p = c->end;
        c->file_end = c->file_at;
        return FT_STEP_OPEN;
    }
    c->p = p;
    c->time += delta;
    return code == FT_CODE_LEAVE ? left(c, FT_RETURN) : entered(c, (uint32_t)id, FT_START, 0);
}

enum ft_step
ft_cursor_step(struct ft_cursor *c)
{
    c->lost = 0;
    for (;;) {
        if (UNLIKELY(c->end - c->p < FT_RECORD_MAX || *c->p == FT_OTHER_END || c->tell_opens)) {
            enum ft_step step = prepare(c);
            if (step != FT_STEP_ENTER) {
                return step;
            }
        }
        if (UNLIKELY(c->task.serial != 0) && c->base + c->depth < c->task_depth) {
            c->task.serial = 0;
        }
        c->call.task = c->task.serial ? &c->task : NULL;
        c->call.caller = NULL;
        c->call.call_line = 0;
        c->call.args.s = c->call.value.s = NULL;
        c->call.awaits = false;
        enum ft_step step = decode(c);
        if (step != FT_STEP_OPEN) {
            return step;
        }
    }
}

/* ---- birth and end --------------------------------------------------------------------------- */

/* The time of the event that comes next, UINT64_MAX: it is to be read anyhow. */
static uint64_t
peek_ns(const struct ft_cursor *c)
{
    uint64_t delta = *c->p & FT_DELTA_MORE;
    const uint8_t *p = c->p + 1;
    if (*c->p >> FT_DELTA_BITS == FT_CODE_OTHER) {
        delta = FT_DELTA_MORE;
    }
    p = get_delta(p, c->end, &delta);
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
    for (;;) {
        enum ft_step step = prepare(c);
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
    c->fd = -1;
    c->p = c->end = c->window;
    ft_strbuf_init(&c->task_name);
    ft_strbuf_init(&c->args);
    ft_strbuf_init(&c->value);
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
    free(c);
}
