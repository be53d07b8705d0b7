/* A line that is let go of leaves its thread's stack of callers as it would have stood: a call goes
 * onto it, a return takes its call off. So what is on it in the end are the callers of the first
 * line kept. */
#include "sink/tail.h"

#include <stdlib.h>
#include <string.h>

#include "sink/tail_inside.h"
#include "sink/text.h"

#define MOST_HELD (1 << 18) /* lines, before those that tell most are chosen */
#define MOST_CALLERS 20 /* of one thread are written: the outer and the inner half */

struct queue {
    struct line *first, *last;
    uint32_t n;
};

struct ft_tail {
    struct ft_sink sink; /* first */
    struct ft_output out;
    struct ft_sink *text; /* borrowed */
    uint64_t since, own;
    uint32_t last, held; /* lines that are written; that are kept until then */
    struct queue mine, others; /* lines of the own thread, of others */
    struct lane *lanes; /* owned */
    uint64_t arrived;
    struct lane *now; /* whose line the text sink writes, and what it is */
    enum kind kind;
    bool raised;
    uint32_t depth;
};

/* ---- letting go ------------------------------------------------------------------------------ */

static void
push_caller(struct ft_tail *t, struct lane *lane, struct line *line)
{
    if (lane->ncallers == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 32;
        struct line **callers =
            lane->unkept ? NULL : realloc(lane->callers, cap * sizeof(*callers));
        if (callers == NULL) {
            lane->unkept++;
            t->out.lost_lines++;
            free(line);
            return;
        }
        lane->callers = callers;
        lane->cap = cap;
    }
    lane->callers[lane->ncallers++] = line;
}

static void
pop_caller(struct lane *lane)
{
    if (lane->unkept > 0) {
        lane->unkept--;
    }
    else if (lane->ncallers > 0) {
        free(lane->callers[--lane->ncallers]);
    }
}

static struct line *
take(struct queue *q)
{
    struct line *line = q->first;
    if (line != NULL) {
        q->first = line->next;
        q->last = q->first ? q->last : NULL;
        q->n--;
    }
    return line;
}

static void
let_go(struct ft_tail *t, struct queue *q)
{
    struct line *line = take(q);
    struct lane *lane = line->lane;
    if (line->kind == ENTER) {
        push_caller(t, lane, line);
        return;
    }
    if (line->kind == LEAVE) {
        pop_caller(lane);
    }
    while (line->kind == LOST && (lane->ncallers > 0 || lane->unkept > 0)) {
        pop_caller(lane);
    }
    free(line);
}

/* ---- what the text sink writes --------------------------------------------------------------- */

static void
hold_back(struct ft_output *out, struct ft_str text)
{
    struct ft_tail *t = (struct ft_tail *)((char *)out - offsetof(struct ft_tail, out));
    struct line *line = malloc(sizeof(*line) + text.len);
    if (line == NULL) {
        out->lost_lines++;
        return;
    }
    *line = (struct line){.lane = t->now,
                          .number = t->arrived++,
                          .place = t->now->arrived++,
                          .depth = t->depth,
                          .kind = t->kind,
                          .raised = t->raised,
                          .len = text.len};
    memcpy(line->text, text.s, text.len);
    struct queue *q = t->now->own ? &t->mine : &t->others;
    *(q->last ? &q->last->next : &q->first) = line;
    q->last = line;
    q->n++;
    if (t->mine.n + t->others.n > t->held) {
        bool crowded = t->mine.n == 0 || (t->others.n > 0 && t->mine.n <= t->held / 2);
        let_go(t, crowded ? &t->others : &t->mine);
    }
}

static void
nothing(struct ft_output *out)
{
    (void)out;
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = calloc(1, sizeof(*lane));
    t->text->recorded = true;
    if (lane == NULL || (lane->target = t->text->ops->thread_begin(t->text, info)) == NULL) {
        free(lane);
        return NULL;
    }
    lane->own = t->own == 0 || info->native_id == t->own;
    lane->next = t->lanes;
    t->lanes = lane;
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = opaque;
    t->text->ops->thread_end(t->text, lane->target);
    lane->target = NULL;
}

/* The call as it is told, with the depth that it has without what began before. */
static struct ft_call
begin(struct ft_tail *t, struct lane *lane, const struct ft_call *call, enum kind kind)
{
    struct ft_call told = *call;
    t->text->now = t->sink.now;
    told.depth = call->depth > lane->hidden ? call->depth - lane->hidden : 0;
    t->now = lane;
    t->kind = kind;
    t->raised = call->way == FT_UNWIND || call->way == FT_C_RAISE;
    t->depth = told.depth;
    return told;
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = opaque;
    struct ft_call told = begin(t, lane, call, ENTER);
    t->text->ops->enter(t->text, lane->target, &told);
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = opaque;
    struct ft_call told = begin(t, lane, call, LEAVE);
    lane->hidden = call->depth < lane->hidden ? call->depth : lane->hidden;
    t->text->ops->leave(t->text, lane->target, &told);
    if (call->way == FT_LEFT) { /* writes no line, but its call is over */
        hold_back(&t->out, (struct ft_str){"", 0});
    }
}

/* Of a call whose beginning a ring has let go of only the function is known. */
static void
open_call(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = opaque;
    if (call->time < t->since) {
        lane->hidden = call->depth + 1;
        t->text->ops->open(t->text, lane->target, call);
        return;
    }
    struct ft_call told = begin(t, lane, call, ENTER);
    told.args = told.value = (struct ft_str){NULL, 0};
    told.caller = NULL;
    told.task = NULL;
    t->text->ops->enter(t->text, lane->target, &told);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct ft_tail *t = (struct ft_tail *)sink;
    struct lane *lane = opaque;
    lane->hidden = 0;
    begin(t, lane, &(struct ft_call){.depth = 0}, LOST);
    t->text->ops->lost(t->text, lane->target, n);
}

static void
close_sink(struct ft_sink *sink)
{
    (void)sink; /* ft_tail_free() frees it */
}

static const struct ft_sink_ops ops = {
    .name = "tail",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .close = close_sink,
};

/* ---- writing --------------------------------------------------------------------------------- */

/* What is shown, by arrival. */
static int
by_number(const void *a, const void *b)
{
    const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The lines of a queue, and of the callers the outer and the inner ones; NULL: no memory. */
static struct line **
collect(const struct ft_tail *t, size_t *n)
{
    size_t room = t->mine.n + t->others.n + 1;
    for (const struct lane *lane = t->lanes; lane != NULL; lane = lane->next) {
        room += MOST_CALLERS;
    }
    struct line **found = malloc(room * sizeof(*found));
    *n = 0;
    for (int i = 0; found != NULL && i < 2; i++) {
        for (struct line *l = (i ? &t->others : &t->mine)->first; l != NULL; l = l->next) {
            found[(*n)++] = l;
            l->shown = l->lane->shown = true;
        }
    }
    for (const struct lane *lane = t->lanes; found != NULL && lane != NULL; lane = lane->next) {
        for (uint32_t i = 0; lane->shown && i < lane->ncallers; i++) {
            if (i < MOST_CALLERS / 2 || i + MOST_CALLERS / 2 >= lane->ncallers) {
                found[(*n)++] = lane->callers[i];
                lane->callers[i]->shown = true;
            }
        }
    }
    if (found != NULL) {
        qsort(found, *n, sizeof(*found), by_number);
    }
    return found;
}

static void
add_left_out(struct ft_strbuf *b, uint64_t n)
{
    ft_strbuf_add_cstr(b, "... ");
    ft_strbuf_add_u64(b, n);
    ft_strbuf_add_cstr(b, n == 1 ? " line left out\n" : " lines left out\n");
}

/* In the name of the thread or task of the line that follows. */
static void
write_gap(struct ft_output *out, const struct line *before, uint64_t n)
{
    struct ft_strbuf b;
    uint32_t depth = before->depth + (before->kind == LEAVE);
    const char *end = before->len > 0 && before->text[0] == '['
                          ? memmem(before->text, before->len, "] ", 2)
                          : NULL;
    ft_strbuf_init(&b);
    if (end != NULL) {
        ft_strbuf_add(&b, before->text, (size_t)(end + 2 - before->text));
    }
    if (ft_strbuf_reserve(&b, FT_TEXT_INDENT)) {
        ft_text_put_indent(&b, depth);
    }
    add_left_out(&b, n);
    if (!b.failed) {
        out->write(out, (struct ft_str){b.data, b.len});
    }
    ft_strbuf_fini(&b);
}

/* A call whose own calls are all left out says so on its last line. */
static void
write_line(struct ft_output *out, const struct line *line)
{
    struct lane *lane = line->lane;
    uint64_t gap = line->place - lane->written;
    bool folded = line->kind == LEAVE && line->mate != NULL && line->mate == lane->before;
    lane->written = line->place + 1;
    lane->before = line;
    if (gap > 0 && !folded) {
        write_gap(out, line, gap);
    }
    if (line->len == 0) {
        return;
    }
    if (gap == 0 || !folded) {
        out->write(out, (struct ft_str){line->text, line->len});
        return;
    }
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_strbuf_add(&b, line->text, line->len - 1);
    ft_strbuf_add_cstr(&b, "  ");
    add_left_out(&b, gap);
    if (!b.failed) {
        out->write(out, (struct ft_str){b.data, b.len});
    }
    ft_strbuf_fini(&b);
}

static void
forget(struct ft_tail *t)
{
    struct line *line;
    while ((line = take(t->mine.n ? &t->mine : &t->others)) != NULL) {
        free(line);
    }
    for (struct lane *lane = t->lanes, *next; lane != NULL; lane = next) {
        next = lane->next;
        while (lane->ncallers > 0) {
            free(lane->callers[--lane->ncallers]);
        }
        free(lane->callers);
        free(lane);
    }
    t->lanes = NULL;
}

void
ft_tail_write(struct ft_tail *t, struct ft_output *out)
{
    size_t n;
    struct line **lines = collect(t, &n);
    if (lines == NULL) {
        out->lost_lines += t->mine.n + t->others.n;
    }
    if (lines != NULL && t->held > t->last) {
        ft_tail_choose(lines, n, t->last);
    }
    for (size_t i = 0; lines != NULL && i < n; i++) {
        if (lines[i]->shown) {
            write_line(out, lines[i]);
        }
    }
    free(lines);
    out->lost_lines += t->out.lost_lines;
    t->out.lost_lines = 0;
    forget(t);
}

/* ---- birth and end --------------------------------------------------------------------------- */

struct ft_tail *
ft_tail_new(uint32_t last, uint64_t own)
{
    struct ft_tail *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->sink.ops = &ops;
        t->out = (struct ft_output){.write = hold_back, .flush = nothing, .close = nothing};
        t->last = t->held = last;
        t->own = own;
    }
    return t;
}

struct ft_output *
ft_tail_output(struct ft_tail *t)
{
    return &t->out;
}

struct ft_sink *
ft_tail_sink(struct ft_tail *t, struct ft_sink *text, uint64_t since, bool explain)
{
    t->held = explain && t->last < MOST_HELD ? MOST_HELD : t->last;
    t->text = text;
    t->since = since;
    t->sink.needs = text->needs;
    return &t->sink;
}

void
ft_tail_free(struct ft_tail *t)
{
    forget(t);
    free(t);
}
