/* Slices lie within each other on a track because they do on the thread's stack: a generator's or
 * a coroutine's is its time there, from where it goes on to where it yields, and a task's track
 * takes a part of that stack. */
#include "sink/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "sink/dump.h"

#define FLUSH_AT (1 << 15)
#define ROOM 1024 /* bytes there always are behind FLUSH_AT: enough for most ends without texts */
#define MADE_UP_TID (1 << 30) /* above any thread's id, within what viewers read */

/* ---- names ----------------------------------------------------------------------------------- */

void
ft_timeline_add_name(struct ft_strbuf *b, const struct ft_func *func)
{
    ft_strbuf_add_str(b, func->shown_name);
    if (func->shown_module.len > 0) {
        ft_strbuf_add_cstr(b, " (");
        ft_strbuf_add_str(b, func->shown_module);
        ft_strbuf_add_char(b, ')');
    }
}

void
ft_timeline_add_place(struct ft_strbuf *b, const struct ft_func *func, uint32_t line)
{
    if (func->shown_path.len > 0) {
        ft_strbuf_add_str(b, func->shown_path);
        ft_strbuf_add_char(b, ':');
        ft_strbuf_add_u64(b, line);
    }
}

const char *
ft_timeline_entered(const struct ft_call *call, bool before)
{
    if (before) {
        return "open";
    }
    bool usual = call->activation == 0 && (call->way == FT_START || call->way == FT_C_CALL);
    return usual ? NULL : ft_dump_event(call->way);
}

const char *
ft_timeline_left(const struct ft_call *call)
{
    if (call == NULL) {
        return "unfinished";
    }
    bool usual = call->activation == 0 && (call->way == FT_RETURN || call->way == FT_C_RETURN);
    return usual ? NULL : call->awaits ? "await" : ft_dump_event(call->way);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void
send(struct ft_timeline *t)
{
    if (t->b.len > 0) {
        t->out->write(t->out, (struct ft_str){t->b.data, t->b.len});
    }
    ft_strbuf_clear(&t->b);
}

/* Whether what was added from `at` on is whole; else it is taken back. */
static bool
is_whole(struct ft_timeline *t, size_t at)
{
    bool whole = !t->b.failed;
    if (!whole) {
        t->b.len = at;
        t->b.failed = false;
        t->out->lost_lines++;
    }
    if (t->b.len >= FLUSH_AT) {
        send(t);
    }
    return whole;
}

/* ---- tracks ---------------------------------------------------------------------------------- */

/* The system's id, unless another thread of the process had it: its calls are kept apart. */
static uint32_t
tid_of(struct ft_timeline *t, const struct ft_timeline_lane *lane, uint64_t native)
{
    uint64_t key = ((uint64_t)lane->pid << 32 | (uint32_t)native) + 1;
    if (native >= MADE_UP_TID || ft_ptrmap_get(&t->tids, key) != NULL
        || !ft_ptrmap_put(&t->tids, key, 1)) {
        return MADE_UP_TID + t->numbers;
    }
    return (uint32_t)native;
}

static struct ft_track
task_track(struct ft_timeline *t, struct ft_timeline_lane *lane, const struct ft_task *task)
{
    uint64_t *known = ft_ptrmap_get(&lane->tasks, task->serial + 1);
    if (known != NULL) {
        return (struct ft_track){(uint32_t)(*known >> 32), (uint32_t)*known};
    }
    struct ft_track track = {++t->numbers, MADE_UP_TID + t->numbers};
    if (task->serial == UINT64_MAX
        || !ft_ptrmap_put(&lane->tasks, task->serial + 1,
                          (uint64_t)track.number << 32 | track.tid)) {
        return lane->track;
    }
    size_t at = t->b.len;
    t->ops->track(t, lane, track, task->name, true);
    if (!is_whole(t, at)) { /* its next call tries again */
        ft_ptrmap_take(&lane->tasks, task->serial + 1, NULL);
        return lane->track;
    }
    return track;
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct ft_timeline *t = (struct ft_timeline *)sink;
    struct ft_timeline_lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    ft_ptrmap_init(&lane->tasks);
    lane->pid = (uint32_t)info->pid & INT32_MAX;
    uint64_t *known = ft_ptrmap_get(&t->processes, (uint64_t)lane->pid + 1);
    size_t at = t->b.len;
    lane->process = known ? (uint32_t)*known : ++t->numbers;
    lane->track.number = ++t->numbers;
    lane->track.tid = tid_of(t, lane, info->native_id);
    if (known == NULL) {
        if (!ft_ptrmap_put(&t->processes, (uint64_t)lane->pid + 1, lane->process)) {
            free(lane);
            return NULL;
        }
        t->ops->process(t, lane, info->process);
        if (!is_whole(t, at)) { /* its next thread tries again */
            ft_ptrmap_take(&t->processes, (uint64_t)lane->pid + 1, NULL);
        }
        at = t->b.len;
    }
    t->ops->track(t, lane, lane->track, info->name, false);
    is_whole(t, at);
    return lane;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct ft_timeline_open *
push(struct ft_timeline *t, struct ft_timeline_lane *lane)
{
    if (lane->depth == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 64;
        struct ft_timeline_open *stack =
            lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
        if (stack == NULL) {
            lane->unkept++;
            ft_sink_unkept(&t->base, 2);
            return NULL;
        }
        lane->stack = stack;
        lane->cap = cap;
    }
    return &lane->stack[lane->depth++];
}

static void
begin(struct ft_timeline *t, struct ft_timeline_lane *lane, const struct ft_call *call,
      uint64_t since, bool before)
{
    struct ft_timeline_open *o = push(t, lane);
    lane->last = since > lane->last ? since : lane->last;
    if (o == NULL) {
        return;
    }
    *o = (struct ft_timeline_open){.func = call->func, .since = since};
    o->track = call->task ? task_track(t, lane, call->task) : lane->track;
    size_t at = t->b.len;
    t->ops->begin(t, o, call, before);
    o->untold = !is_whole(t, at);
}

static void
enter(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    begin((struct ft_timeline *)sink, lane, call, call->time, false);
}

/* From here on: what it did before is not told, and a viewer that showed its whole time would
 * leave little room for what is. */
static void
open_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    begin((struct ft_timeline *)sink, lane, call, sink->now, true);
}

static void
end_top(struct ft_timeline *t, struct ft_timeline_lane *lane, const struct ft_call *call)
{
    struct ft_timeline_open *o = &lane->stack[--lane->depth];
    size_t at = t->b.len;
    uint64_t now = lane->last > o->since ? lane->last : o->since;
    if (!o->untold) {
        t->ops->end(t, lane, o, now, call, true);
        if (!is_whole(t, at)) {
            t->ops->end(t, lane, o, now, call, false);
            is_whole(t, at);
        }
    }
    free(o->text);
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct ft_timeline_lane *lane = opaque;
    lane->last = call->time > lane->last ? call->time : lane->last;
    if (lane->unkept > 0) {
        lane->unkept--;
    }
    else if (lane->depth > 0) { /* else its beginning is in no segment: there is nothing to draw */
        end_top((struct ft_timeline *)sink, lane, call);
    }
}

static void
end_all(struct ft_timeline *t, struct ft_timeline_lane *lane)
{
    for (uint32_t i = 0; t->ops->unfinished != NULL && i < lane->depth; i++) {
        size_t at = t->b.len;
        t->ops->unfinished(t, lane, &lane->stack[i]);
        lane->stack[i].untold |= !is_whole(t, at);
    }
    while (lane->depth > 0) {
        end_top(t, lane, NULL);
    }
    lane->unkept = 0;
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct ft_timeline *t = (struct ft_timeline *)sink;
    struct ft_timeline_lane *lane = opaque;
    end_all(t, lane);
    size_t at = t->b.len;
    t->ops->lost(t, lane, sink->now, n);
    is_whole(t, at);
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct ft_timeline_lane *lane = opaque;
    end_all((struct ft_timeline *)sink, lane);
    ft_ptrmap_fini(&lane->tasks);
    free(lane->stack);
    free(lane);
}

/* ---- the sink -------------------------------------------------------------------------------- */

/* A recording was walked, or a part of it until somebody interrupted: either way it ends here. */
static void
flush(struct ft_sink *sink)
{
    struct ft_timeline *t = (struct ft_timeline *)sink;
    if (!t->finished && t->ops->finish != NULL) {
        t->ops->finish(t);
    }
    t->finished = true;
    send(t);
}

static void
close_sink(struct ft_sink *sink)
{
    struct ft_timeline *t = (struct ft_timeline *)sink;
    flush(sink);
    ft_timeline_fini(t);
    t->ops->free(t);
}

static const struct ft_sink_ops sink_ops = {
    .name = "timeline",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .flush = flush,
    .close = close_sink,
};

bool
ft_timeline_init(struct ft_timeline *t, const struct ft_timeline_ops *ops, struct ft_output *out)
{
    t->base.ops = &sink_ops;
    t->base.needs = FT_NEED_TIME | FT_NEED_LINE | FT_NEED_ARGS | FT_NEED_VALUE | FT_NEED_EXC
                    | FT_NEED_CCALLS | FT_NEED_TASK | FT_NEED_ACTIVATION;
    t->ops = ops;
    t->out = out;
    ft_ptrmap_init(&t->processes);
    ft_ptrmap_init(&t->tids);
    ft_strbuf_init(&t->b);
    return ft_strbuf_reserve(&t->b, FLUSH_AT + ROOM);
}

void
ft_timeline_fini(struct ft_timeline *t)
{
    ft_ptrmap_fini(&t->processes);
    ft_ptrmap_fini(&t->tids);
    ft_strbuf_fini(&t->b);
}
