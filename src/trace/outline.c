/* An outline: one cursor that is set from segment to segment. What a reader would pass over, and
 * how far a segment reaches, is settled at the beginning (`spans`); only segments that their writer
 * did not close are decoded for that. */
#include <stdlib.h>
#include <string.h>

#include "trace/cursor_inside.h"
#include "trace/outline_inside.h"

/* ---- where the cursor stands ----------------------------------------------------------------- */

enum ft_step
ft_outline_load(struct ft_outline *o, size_t span, uint64_t seen)
{
    struct ft_cursor *c = o->c;
    c->next = span;
    c->anew = true;
    c->tell_opens = false;
    c->seen = seen;
    c->lost = 0;
    c->depth = c->base = 0;
    c->task.serial = 0;
    c->p = c->end = c->window;
    c->file_at = c->file_end = 0;
    enum ft_step step = ft_cursor_prepare(c);
    o->ready = step != FT_STEP_END;
    o->lost = c->lost;
    c->lost = 0;
    c->tell_opens = false;
    return step;
}

enum ft_step
ft_outline_step(struct ft_outline *o)
{
    enum ft_step s = ft_cursor_step(o->c);
    o->lost = o->c->lost;
    o->c->lost = 0;
    o->c->tell_opens = false;
    o->ready = s != FT_STEP_END;
    return s;
}

enum ft_step
ft_outline_next(struct ft_outline *o, uint32_t above)
{
    size_t span = o->c->next;
    if (o->c->seen < o->spans[span - 1].end) {
        return ft_outline_step(o);
    }
    while (span < o->n && o->spans[span].least >= above
           && o->spans[span].begin == o->spans[span - 1].end) {
        span++;
    }
    if (span == o->n) {
        o->ready = false;
        return FT_STEP_END;
    }
    return ft_outline_load(o, span, o->spans[span - 1].end) == FT_STEP_LOST || o->lost > 0
               ? FT_STEP_LOST
               : ft_outline_step(o);
}

size_t
ft_outline_span(const struct ft_outline *o, uint64_t place)
{
    size_t low = 0, high = o->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (o->spans[middle].begin <= place) {
            low = middle;
        }
        else {
            high = middle;
        }
    }
    return low;
}

bool
ft_outline_go_to(struct ft_outline *o, uint64_t place)
{
    if (o->n == 0) {
        return false;
    }
    size_t span = ft_outline_span(o, place);
    if (!(o->ready && o->c->next - 1 == span && o->c->seen <= place)
        && ft_outline_load(o, span, o->spans[span].begin) == FT_STEP_END) {
        return false;
    }
    while (o->c->seen < place && o->c->seen < o->spans[span].end) {
        if (ft_outline_step(o) == FT_STEP_END) {
            return false;
        }
    }
    return true;
}

void
ft_outline_check_texts(struct ft_outline *o)
{
    const struct ft_cursor *c = o->c;
    o->unkept = o->unkept || c->args.failed || c->value.failed || c->raised.failed
                || c->task_name.failed || o->args.failed || o->task_name.failed;
}

bool
ft_outline_take_unkept(struct ft_outline *o)
{
    bool unkept = o->unkept;
    o->unkept = false;
    return unkept;
}

static uint32_t
open_calls(const struct ft_outline *o)
{
    return o->c->base + o->c->depth;
}

/* Whether the call at that depth, as it was before something was lost, is the one that is open now.
 * What is too far out to be listed is taken for the same. */
static bool
goes_on(const struct ft_outline *o, uint32_t depth, const struct ft_cursor_open *was)
{
    if (open_calls(o) <= depth) {
        return false;
    }
    if (depth < o->c->base || was->func == o->trace->unknown) {
        return true;
    }
    const struct ft_cursor_open *is = &o->c->stack[depth - o->c->base];
    return is->func == was->func && is->since == was->since && is->activation == was->activation;
}

static struct ft_cursor_open
open_at(const struct ft_outline *o, uint32_t depth)
{
    bool known = depth >= o->c->base && depth < open_calls(o);
    return known ? o->c->stack[depth - o->c->base]
                 : (struct ft_cursor_open){.func = o->trace->unknown};
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct scan {
    struct ft_outline *o;
    ft_outline_take *take;
    void *ctx;
    uint32_t depth;
    bool pending; /* a call is entered and not told */
    bool enough;
    struct ft_outline_row row;
    struct ft_cursor_open call, around; /* the pending one; the one around all */
};

static void
begin_open(struct scan *s)
{
    s->call = open_at(s->o, s->depth);
    bool c_call = (s->call.func->flags & FT_FUNC_C) != 0;
    s->pending = true;
    s->row = (struct ft_outline_row){
        .at = s->o->c->seen,
        .before = true,
        .entered = {.func = s->call.func,
                    .way = c_call ? FT_C_CALL : FT_START,
                    .depth = s->depth,
                    .time = s->call.since,
                    .activation = s->call.activation},
    };
}

static void
begin(struct scan *s)
{
    struct ft_outline *o = s->o;
    const struct ft_call *call = &o->c->call;
    s->pending = true;
    s->row = (struct ft_outline_row){.at = o->c->seen - 1, .entered = *call};
    s->call = (struct ft_cursor_open){call->func, call->time, call->activation};
    if (call->args.s != NULL) {
        ft_strbuf_clear(&o->args);
        ft_strbuf_add_str(&o->args, call->args);
        s->row.entered.args = (struct ft_str){o->args.data ? o->args.data : "", o->args.len};
    }
    if (call->task != NULL) {
        ft_strbuf_clear(&o->task_name);
        ft_strbuf_add_str(&o->task_name, call->task->name);
        o->task.serial = call->task->serial;
        o->task.name =
            (struct ft_str){o->task_name.data ? o->task_name.data : "", o->task_name.len};
        s->row.entered.task = &o->task;
    }
    ft_outline_check_texts(o);
}

static void
finish(struct scan *s, uint64_t end, const struct ft_call *left)
{
    if (s->pending) {
        s->pending = false;
        ft_outline_check_texts(s->o);
        s->row.end = end;
        s->row.over = left != NULL;
        s->row.left = left ? *left : (struct ft_call){.way = FT_LEFT};
        s->enough = !s->take(s->ctx, &s->row) || s->enough;
    }
}

/* What becomes of the pending call where events are missing; true: the call around is over. */
static bool
missing(struct scan *s, uint64_t from)
{
    struct ft_outline *o = s->o;
    if (s->pending && goes_on(o, s->depth, &s->call)) {
        return false;
    }
    finish(s, from, &(struct ft_call){.way = FT_LEFT});
    if (s->depth > 0 && !goes_on(o, s->depth - 1, &s->around)) {
        return true;
    }
    struct ft_outline_row row = {.at = from, .end = o->c->seen, .lost = o->lost};
    s->enough = !s->take(s->ctx, &row) || s->enough;
    if (open_calls(o) > s->depth) {
        begin_open(s);
    }
    return false;
}

/* The thread has no more events in a file; true. */
static bool
ended(struct scan *s)
{
    struct ft_outline *o = s->o;
    uint64_t end = o->n ? o->spans[o->n - 1].end : 0;
    finish(s, end, NULL);
    if (s->depth == 0 && o->total > end) {
        struct ft_outline_row row = {.at = end, .end = o->total, .lost = o->total - end};
        s->take(s->ctx, &row);
    }
    return true;
}

bool
ft_outline_rows(struct ft_outline *o, uint32_t depth, uint64_t from, uint64_t budget,
                ft_outline_take *take, void *ctx)
{
    struct scan s = {.o = o, .take = take, .ctx = ctx, .depth = depth};
    if (from > 0 && from >= o->total) {
        return true;
    }
    if (o->n > 0 && from < o->spans[0].begin) { /* a ring's: what it let go of */
        struct ft_outline_row row = {.end = o->spans[0].begin, .lost = o->spans[0].begin};
        if (depth == 0 && !take(ctx, &row)) {
            return false;
        }
        from = o->spans[0].begin;
    }
    if (o->n == 0 || (from >= o->spans[o->n - 1].end && from > 0)) {
        return ended(&s);
    }
    if (!ft_outline_go_to(o, from) || open_calls(o) < depth) {
        return true;
    }
    s.around = depth ? open_at(o, depth - 1) : (struct ft_cursor_open){0};
    if (open_calls(o) > depth) {
        begin_open(&s);
    }
    for (uint64_t events = 0; !s.enough; events++) {
        uint64_t seen = o->c->seen;
        uint32_t above = s.pending ? depth + 1 : FT_OUTLINE_EVERY;
        switch (ft_outline_next(o, above)) {
        case FT_STEP_ENTER:
            if (o->c->call.depth == depth) {
                begin(&s);
            }
            break;
        case FT_STEP_LEAVE:
            if (o->c->call.depth < depth) {
                return true;
            }
            if (o->c->call.depth == depth) {
                s.enough = events >= budget;
                finish(&s, o->c->seen - 1, &o->c->call);
            }
            break;
        case FT_STEP_LOST:
            /* what was passed over had no place where something could be missing */
            seen = o->c->seen - o->lost > seen ? o->c->seen - o->lost : seen;
            if (missing(&s, seen)) {
                return true;
            }
            break;
        case FT_STEP_OPEN:
            break;
        case FT_STEP_END:
            return ended(&s);
        }
    }
    return false;
}

/* ---- backward -------------------------------------------------------------------------------- */

/* The places of the last `most` calls at `depth` entered in [from, upto), as a ring; how many there
 * are in all. */
static size_t
last_entered(struct ft_outline *o, uint32_t depth, uint64_t from, uint64_t upto, uint64_t *places,
             size_t most)
{
    size_t n = 0;
    if (!ft_outline_go_to(o, from)) {
        return 0;
    }
    while (o->c->seen < upto) {
        enum ft_step s = ft_outline_step(o);
        if (s == FT_STEP_END) {
            break;
        }
        if (s == FT_STEP_ENTER && o->c->call.depth == depth) {
            places[n++ % most] = o->c->seen - 1;
        }
    }
    return n;
}

uint64_t
ft_outline_back(struct ft_outline *o, uint32_t depth, uint64_t first, uint64_t upto, size_t most)
{
    uint64_t *places = most ? malloc(most * sizeof(*places)) : NULL;
    uint64_t found = first;
    o->unkept = o->unkept || (most > 0 && places == NULL);
    if (o->n == 0 || places == NULL || upto <= first) {
        free(places);
        return first;
    }
    size_t span = ft_outline_span(o, upto - 1);
    for (;; span--) {
        const struct ft_outline_span *s = &o->spans[span];
        uint64_t low = s->begin > first ? s->begin : first, high = s->end < upto ? s->end : upto;
        size_t n =
            s->least <= depth && low < high ? last_entered(o, depth, low, high, places, most) : 0;
        if (n >= most) {
            found = places[n % most];
            break;
        }
        most -= n;
        if (span == 0 || s->begin <= first) {
            break;
        }
    }
    free(places);
    return found;
}

/* How many of the outermost `most` calls, open at the head of a segment before which something is
 * missing, were open before. */
static uint32_t
continued(struct ft_outline *o, size_t span, uint32_t most)
{
    const struct ft_outline_span *was = &o->spans[span - 1];
    if (!ft_outline_go_to(o, was->end - (was->end > was->begin))
        || (o->c->seen < was->end && !o->ready)) {
        return 0;
    }
    while (o->c->seen < was->end && ft_outline_step(o) != FT_STEP_END) {
    }
    uint32_t base = o->c->base, n = o->c->depth;
    struct ft_cursor_open *stack = malloc((n ? n : 1) * sizeof(*stack));
    if (stack == NULL) {
        o->unkept = true;
        return 0;
    }
    if (n > 0) {
        memcpy(stack, o->c->stack, n * sizeof(*stack));
    }
    ft_outline_load(o, span, o->spans[span].begin);
    uint32_t kept = base + n < most ? base + n : most;
    while (kept > base && kept > o->c->base && !goes_on(o, kept - 1, &stack[kept - 1 - base])) {
        kept--;
    }
    free(stack);
    return kept;
}

uint64_t *
ft_outline_stack(struct ft_outline *o, uint64_t upto, uint32_t *n)
{
    bool there = ft_outline_go_to(o, upto);
    uint32_t open = there ? open_calls(o) : 0;
    uint64_t *places = calloc(open ? open : 1, sizeof(*places));
    *n = open;
    size_t span = there ? o->c->next - 1 : 0;
    o->unkept = o->unkept || places == NULL;
    while (places != NULL && open > 0) {
        const struct ft_outline_span *s = &o->spans[span];
        uint64_t end = s->end < upto ? s->end : upto;
        if (s->least < open && ft_outline_load(o, span, s->begin) != FT_STEP_END) {
            uint32_t least = open < open_calls(o) ? open : open_calls(o);
            while (o->c->seen < end) {
                enum ft_step what = ft_outline_step(o);
                if (what == FT_STEP_END) {
                    break;
                }
                if (what == FT_STEP_ENTER && o->c->call.depth < open) {
                    places[o->c->call.depth] = o->c->seen - 1;
                }
                least = open_calls(o) < least ? open_calls(o) : least;
            }
            open = least;
        }
        if (span == 0 || (open > 0 && o->spans[span - 1].end != s->begin)) {
            uint32_t kept = span == 0 ? 0 : continued(o, span, open);
            while (open > kept) {
                places[--open] = s->begin;
            }
        }
        span -= span > 0;
    }
    return places;
}

/* ---- birth and end --------------------------------------------------------------------------- */

/* What the summary of a segment does not say, because its writer did not close it. */
static bool
measure(struct ft_outline *o, const struct ft_trace_segment *segment, struct ft_outline_span *s,
        uint32_t *end)
{
    struct ft_trace_thread one = o->thread;
    one.segments = (struct ft_trace_segment *)segment;
    one.nsegments = 1;
    struct ft_cursor *c = ft_cursor_new(o->trace, &one, 0);
    if (c == NULL) {
        return false;
    }
    s->end = s->begin;
    for (enum ft_step what; (what = ft_cursor_step(c)) != FT_STEP_END;) {
        if (what == FT_STEP_ENTER || what == FT_STEP_LEAVE) {
            s->end++;
            s->least = c->base + c->depth < s->least ? c->base + c->depth : s->least;
            o->last = c->call.time;
        }
    }
    *end = c->base + c->depth;
    ft_cursor_free(c);
    return true;
}

static bool
take_segments(struct ft_outline *o, const struct ft_trace_thread *thread)
{
    uint64_t seen = 0;
    uint32_t depth = 0;
    for (size_t i = 0; i < thread->nsegments; i++) {
        const struct ft_segment *h = &thread->segments[i].head;
        if (h->before < seen || (o->n > 0 && h->before == seen && h->depth != depth)) {
            continue; /* the cursor says of such a one that it is damaged */
        }
        struct ft_outline_span s = {.begin = h->before, .least = h->depth};
        if (h->flags & FT_SEGMENT_CLOSED) {
            s.end = h->before + 2 * h->starts + h->depth - h->end_depth;
            s.least = h->least_depth;
            depth = h->end_depth;
            o->last = ft_trace_ns(o->trace, thread->process, h->last);
        }
        else if (!measure(o, &thread->segments[i], &s, &depth)) {
            return false;
        }
        o->thread.segments[o->n] = thread->segments[i];
        o->spans[o->n++] = s;
        seen = s.end;
    }
    o->thread.nsegments = o->n;
    o->total = thread->total != UINT64_MAX && thread->total > seen ? thread->total : seen;
    return true;
}

struct ft_outline *
ft_outline_new(struct ft_trace *trace, const struct ft_trace_thread *thread)
{
    struct ft_outline *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return NULL;
    }
    o->trace = trace;
    o->thread = *thread;
    o->thread.total = UINT64_MAX;
    o->thread.segments = calloc(thread->nsegments + 1, sizeof(*o->thread.segments));
    o->spans = calloc(thread->nsegments + 1, sizeof(*o->spans));
    ft_strbuf_init(&o->args);
    ft_strbuf_init(&o->task_name);
    if (o->thread.segments == NULL || o->spans == NULL || !take_segments(o, thread)
        || (o->c = ft_cursor_new(trace, &o->thread, 0)) == NULL) {
        ft_outline_free(o);
        return NULL;
    }
    return o;
}

void
ft_outline_free(struct ft_outline *o)
{
    if (o != NULL) {
        ft_cursor_free(o->c);
        free(o->thread.segments);
        free(o->spans);
        ft_strbuf_fini(&o->args);
        ft_strbuf_fini(&o->task_name);
        free(o);
    }
}

struct ft_outline_extent
ft_outline_extent(const struct ft_outline *o)
{
    struct ft_outline_extent e = {.events = o->total, .last = o->last};
    if (o->n > 0) {
        e.first = ft_trace_ns(o->trace, o->thread.process, o->thread.segments[0].head.first);
    }
    return e;
}
