/* Decoding. ft_cursor_step is what a report spends its time in: the usual events are decoded at its
 * top, the others by other_event(). */
#include "trace/cursor.h"

#include <string.h>

#include "base/varint.h"
#include "trace/cursor_inside.h"

/* ---- events ---------------------------------------------------------------------------------- */

static inline enum ft_step
entered(struct ft_cursor *c, uint32_t id, enum ft_way way, uint64_t activation)
{
    const struct ft_func *func = ft_trace_func(c->trace, c->thread->process, id);
    if (UNLIKELY(func == c->trace->unknown) && c->thread->process->head.ended != 0) {
        ft_cursor_damaged(c, "a call of a function that no definition tells");
    }
    c->likely[c->after] = id + 1;
    c->after = id & (FT_LIKELY_SLOTS - 1);
    c->call.func = func;
    c->call.way = way == FT_START && (func->flags & FT_FUNC_C) ? FT_C_CALL : way;
    c->call.depth = c->base + c->depth;
    c->call.time = ft_cursor_now(c);
    c->call.activation = activation;
    c->seen++;
    if (UNLIKELY(!ft_cursor_push(c, func, c->call.time, activation))) {
        ft_cursor_damaged(c, "calls nested too deep");
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
            ft_cursor_damaged(c, "a call is left that was not entered");
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
    c->call.time = ft_cursor_now(c);
    c->seen++;
    if (UNLIKELY(c->call.depth < c->untold)) {
        c->untold = c->call.depth;
    }
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

/* FT_STEP_OPEN: there was nothing to tell, and there is no more to read. */
static enum ft_step
give_up(struct ft_cursor *c, const char *why)
{
    ft_cursor_damaged(c, why);
    c->p = c->end;
    c->file_end = c->file_at;
    return FT_STEP_OPEN;
}

static enum ft_step
run_entered(struct ft_cursor *c, uint64_t id, enum ft_way way, uint64_t activation)
{
    if (way != FT_START) {
        c->runs[c->run].activation = activation;
        c->runs[c->run].id = (uint32_t)id;
    }
    c->run = FT_RUN_SLOT(activation, 0);
    return entered(c, (uint32_t)id, way, activation);
}

static enum ft_step
run_suspended(struct ft_cursor *c, bool awaits)
{
    bool told = c->base + c->depth > c->untold;
    c->call.awaits = awaits;
    enum ft_step step = left(c, FT_YIELD);
    if (step == FT_STEP_LEAVE) {
        c->run = FT_RUN_SLOT(told ? c->call.activation : 0, 1);
    }
    return step;
}

/* A kind without a length; c->p is behind the first byte. */
static enum ft_step
short_event(struct ft_cursor *c, unsigned kind)
{
    uint64_t delta, id = 0, activation = 0;
    const uint8_t *p = ft_varint_get(c->p, c->end, &delta);
    if (kind == FT_SHORT_RESUME || kind == FT_SHORT_START) {
        p = p ? ft_varint_get(p, c->end, &id) : NULL;
        p = p ? ft_varint_get(p, c->end, &activation) : NULL;
    }
    if (p == NULL || kind >= FT_SHORT_END || id >= UINT32_MAX) {
        return give_up(c, p ? "an event of a kind not known" : "an event is cut short");
    }
    c->p = p;
    c->time += delta;
    switch (kind) {
    case FT_SHORT_LIKELY:
        if (c->runs[c->run].activation == 0) {
            return give_up(c, "a resume of nothing known");
        }
        return run_entered(c, c->runs[c->run].id, FT_RESUME, c->runs[c->run].activation);
    case FT_SHORT_RESUME:
        return run_entered(c, id, FT_RESUME, activation);
    case FT_SHORT_START:
        c->started += ft_unzigzag(activation);
        return run_entered(c, id, FT_START, c->started);
    case FT_SHORT_RAISE:
        c->call.value = (struct ft_str){c->raised.data ? c->raised.data : "", c->raised.len};
        return left(c, FT_UNWIND);
    default:
        return run_suspended(c, kind == FT_SHORT_AWAIT);
    }
}

/* c->p is behind the first byte. FT_STEP_OPEN: there was nothing to tell. */
static enum ft_step
other_event(struct ft_cursor *c, unsigned kind)
{
    if (kind >= FT_SHORT_FIRST) {
        return short_event(c, kind);
    }
    struct fields f = {.task_name = FT_STR("")};
    uint64_t delta, len, id = 0;
    const uint8_t *p = ft_varint_get(c->p, c->end, &delta);
    p = p ? ft_varint_get(p, c->end, &len) : NULL;
    if (p == NULL || len > (uint64_t)(c->end - p)) {
        return give_up(c, "an event is cut short");
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
        return give_up(c, "an event's fields are wrong");
    }
    if (kind == FT_OTHER_YIELD || kind == FT_OTHER_AWAIT) {
        return run_suspended(c, kind == FT_OTHER_AWAIT);
    }
    if (!entering) {
        if (kind == FT_OTHER_RAISE && c->call.value.s != NULL) {
            ft_strbuf_clear(&c->raised);
            ft_strbuf_add(&c->raised, c->call.value.s, c->call.value.len);
        }
        return left(c, ways[kind]);
    }
    if (f.has_caller) {
        c->call.caller = ft_trace_func(c->trace, c->thread->process, f.caller);
        c->call.call_line = (uint32_t)f.call_line;
    }
    enum ft_step step = f.activation ? run_entered(c, id, ways[kind], f.activation)
                                     : entered(c, (uint32_t)id, ways[kind], 0);
    if (f.task != 0 && step == FT_STEP_ENTER) {
        ft_cursor_set_task(c, f.task, (uint64_t)c->base + c->depth, f.task_name);
        c->call.task = &c->task;
    }
    return step;
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
    const uint8_t *p = ft_cursor_get_delta(c->p, c->end, &delta);
    if (code == FT_CODE_ENTER && p != NULL) {
        p = ft_varint_get(p, c->end, &id);
    }
    else {
        id = (uint64_t)c->likely[c->after] - 1;
    }
    if (UNLIKELY(p == NULL || (code != FT_CODE_LEAVE && id >= UINT32_MAX))) {
        return give_up(c, p ? "a call of nothing known" : "an event is cut short");
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
            enum ft_step step = ft_cursor_prepare(c);
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
