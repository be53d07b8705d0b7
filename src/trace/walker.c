/* From cursors to a sink. A thread's cursor exists from its first event to its last only, so that
 * memory follows the threads that were alive at once. */
#include "trace/walker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_EVERY (1 << 18)              /* events */

bool
ft_walk_takes(const struct ft_walk *w, const struct ft_trace_thread *t)
{
    return t->nsegments > 0 && (w->pid == 0 || t->process->head.pid == w->pid)
           && (w->tid == 0 || t->native == w->tid) && (w->thread == 0 || t->serial == w->thread);
}

/* ---- merging --------------------------------------------------------------------------------- */

struct entry {
    uint64_t time;                       /* ns, of its next event */
    const struct ft_trace_thread *thread;
    struct ft_cursor *cursor;            /* owned; NULL: not begun */
    enum ft_step step;                   /* what it holds ready */
};

struct ft_merge {
    struct ft_trace *trace;
    struct ft_walk walk;
    struct entry *heap;                  /* owned; the earliest first */
    size_t n;
    struct ft_cursor *done;              /* owned: told to be at its end */
    bool told;                           /* the top's step was given out */
};

static bool
earlier(const struct entry *a, const struct entry *b)
{
    return a->time != b->time ? a->time < b->time : a->thread->serial < b->thread->serial;
}

static void
sift_down(struct ft_merge *m, size_t root)
{
    struct entry e = m->heap[root];
    for (size_t child; (child = root * 2 + 1) < m->n; root = child) {
        child += child + 1 < m->n && earlier(&m->heap[child + 1], &m->heap[child]);
        if (!earlier(&m->heap[child], &e)) {
            break;
        }
        m->heap[root] = m->heap[child];
    }
    m->heap[root] = e;
}

struct ft_merge *
ft_merge_new(struct ft_trace *t, const struct ft_walk *walk)
{
    struct ft_merge *m = calloc(1, sizeof(*m));
    if (m == NULL || (m->heap = calloc(t->nthreads + 1, sizeof(*m->heap))) == NULL) {
        free(m);
        return NULL;
    }
    m->trace = t;
    m->walk = *walk;
    for (size_t i = 0; i < t->nthreads; i++) {
        const struct ft_trace_thread *thread = &t->threads[i];
        if (ft_walk_takes(walk, thread)) {
            uint64_t first = ft_trace_ns(t, thread->process, thread->segments[0].head.first);
            m->heap[m->n++] = (struct entry){first, thread, NULL, FT_STEP_END};
        }
    }
    for (size_t i = m->n / 2; i-- > 0;) {
        sift_down(m, i);
    }
    return m;
}

void
ft_merge_free(struct ft_merge *m)
{
    if (m != NULL) {
        for (size_t i = 0; i < m->n; i++) {
            ft_cursor_free(m->heap[i].cursor);
        }
        ft_cursor_free(m->done);
        free(m->heap);
        free(m);
    }
}

static void
advance(struct ft_merge *m, struct entry *e)
{
    e->step = ft_cursor_step(e->cursor);
    if (e->step == FT_STEP_ENTER || e->step == FT_STEP_LEAVE) {
        e->time = e->cursor->call.time;
        if (m->walk.until != 0 && e->time > m->walk.until) {
            e->step = FT_STEP_END;
        }
    }
}

struct ft_cursor *
ft_merge_step(struct ft_merge *m, enum ft_step *step)
{
    ft_cursor_free(m->done);
    m->done = NULL;
    for (;;) {
        if (m->n == 0) {
            *step = FT_STEP_END;
            return NULL;
        }
        struct entry *top = &m->heap[0];
        if (top->cursor == NULL) {
            top->cursor = ft_cursor_new(m->trace, top->thread, m->walk.since);
            if (top->cursor == NULL) {
                *step = FT_STEP_LOST;
                return NULL;
            }
            advance(m, top);
            m->told = false;
        }
        else if (m->told) {
            advance(m, top);
            m->told = false;
        }
        else {
            *step = top->step;
            m->told = true;
            if (top->step == FT_STEP_END) {
                m->done = top->cursor;
                m->heap[0] = m->heap[--m->n];
                m->told = false;
                sift_down(m, 0);
                return m->done;
            }
            return top->cursor;
        }
        sift_down(m, 0);
        /* After a swap another one is on top, whose step was made but not told. */
    }
}

/* ---- telling --------------------------------------------------------------------------------- */

/* The fact of that name, "" where there is none. */
static struct ft_str
fact_of(const struct ft_trace_process *p, const char *key)
{
    const char *s = p->facts.data ? p->facts.data : "", *end = s + p->facts.len;
    while (s < end) {
        const char *value = memchr(s, '\0', (size_t)(end - s));
        const char *stop = value ? memchr(value + 1, '\0', (size_t)(end - value - 1)) : NULL;
        if (stop == NULL) {
            break;
        }
        if (strcmp(s, key) == 0) {
            return (struct ft_str){value + 1, (size_t)(stop - value - 1)};
        }
        s = stop + 1;
    }
    return FT_STR("");
}

static void *
begin(struct ft_trace *t, struct ft_sink *sink, const struct ft_trace_thread *thread)
{
    bool other = thread->process->head.pid != t->processes[0].head.pid;
    struct ft_strbuf command;
    ft_strbuf_init(&command);
    ft_strbuf_add_printable(&command, fact_of(thread->process, "command"));
    struct ft_thread_info info = {.serial = thread->serial,
                                  .native_id = thread->native,
                                  .pid = thread->process->head.pid,
                                  .other = other,
                                  .name = {thread->name, strlen(thread->name)},
                                  .process = {command.data ? command.data : "", command.len}};
    void *lane = sink->ops->thread_begin(sink, &info);
    ft_strbuf_fini(&command);
    return lane;
}

static void
tell(struct ft_sink *sink, void *lane, const struct ft_cursor *c, enum ft_step step)
{
    switch (step) {
    case FT_STEP_ENTER:
        sink->now = c->call.time;
        sink->ops->enter(sink, lane, &c->call);
        break;
    case FT_STEP_LEAVE:
        sink->now = c->call.time;
        sink->ops->leave(sink, lane, &c->call);
        break;
    case FT_STEP_OPEN:
        sink->now = ft_trace_ns(c->trace, c->thread->process, c->time);
        if (sink->ops->open != NULL) {
            sink->ops->open(sink, lane, &c->call);
        }
        break;
    case FT_STEP_LOST:
        sink->now = ft_trace_ns(c->trace, c->thread->process, c->time);
        sink->ops->lost(sink, lane, c->lost);
        break;
    case FT_STEP_END:
        break;
    }
}

static bool
count(struct ft_walk *w, const struct ft_cursor *c, enum ft_step step)
{
    if (step == FT_STEP_LOST) {
        w->lost += c->lost;
        return true;
    }
    if (step == FT_STEP_ENTER || step == FT_STEP_LEAVE) {
        w->first = w->first < c->call.time ? w->first : c->call.time;
        w->last = w->last > c->call.time ? w->last : c->call.time;
        w->events++;
    }
    return (w->events & (ASK_EVERY - 1)) != 0 || w->go_on == NULL || w->go_on(w->ctx, w->events);
}

static int
walk_one(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w,
         const struct ft_trace_thread *thread)
{
    struct ft_cursor *c = ft_cursor_new(t, thread, w->since);
    void *lane = c ? begin(t, sink, thread) : NULL;
    int error = lane ? 0 : ENOMEM;
    while (!error) {
        enum ft_step step = ft_cursor_step(c);
        if (step == FT_STEP_END
            || (w->until != 0 && step != FT_STEP_LOST && c->call.time > w->until)) {
            break;
        }
        if (!count(w, c, step)) {
            error = ECANCELED;
        }
        tell(sink, lane, c, step);
    }
    if (lane != NULL) {
        sink->ops->thread_end(sink, lane);
    }
    ft_cursor_free(c);
    return error;
}

static int
walk_merged(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w)
{
    struct ft_merge *m = ft_merge_new(t, w);
    void **lanes = calloc(t->nthreads + 1, sizeof(*lanes));
    int error = m && lanes ? 0 : ENOMEM;
    enum ft_step step;
    while (!error) {
        struct ft_cursor *c = ft_merge_step(m, &step);
        if (c == NULL) {
            error = step == FT_STEP_LOST ? ENOMEM : 0;
            break;
        }
        void **lane = &lanes[c->thread->serial];
        if (step != FT_STEP_END && *lane == NULL && (*lane = begin(t, sink, c->thread)) == NULL) {
            error = ENOMEM;
            break;
        }
        if (step == FT_STEP_END) {
            if (*lane != NULL) {
                sink->ops->thread_end(sink, *lane);
                *lane = NULL;
            }
            continue;
        }
        if (!count(w, c, step)) {
            error = ECANCELED;
        }
        tell(sink, *lane, c, step);
    }
    for (size_t i = 0; lanes != NULL && i <= t->nthreads; i++) {
        if (lanes[i] != NULL) {
            sink->ops->thread_end(sink, lanes[i]);
        }
    }
    free(lanes);
    ft_merge_free(m);
    return error;
}

int
ft_walk_threads(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w, size_t from, size_t to)
{
    int error = 0;
    sink->recorded = true;
    w->events = w->lost = w->last = 0;
    w->first = UINT64_MAX;
    for (size_t i = from; i < to && !error; i++) {
        if (ft_walk_takes(w, &t->threads[i])) {
            error = walk_one(t, sink, w, &t->threads[i]);
        }
    }
    return error;
}

int
ft_walk(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w)
{
    int error = 0;
    if (w->merged) {
        sink->recorded = true;
        w->events = w->lost = w->last = 0;
        w->first = UINT64_MAX;
        return walk_merged(t, sink, w);
    }
    return ft_walk_cores(t, sink, w, &error) ? error : ft_walk_threads(t, sink, w, 0, t->nthreads);
}
