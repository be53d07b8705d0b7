/* The recorder's events. The short ways write a byte or three for a call and one for a return;
 * whatever carries more, and whatever needs room, goes the long way. */
#include "sink/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/varint.h"
#include "sink/record_lane.h"

#define UNIT_NS 3                        /* an event's time is kept at least this fine */

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#define COLD __attribute__((noinline, cold))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint8_t
first_byte(enum ft_event_code code, uint64_t low)
{
    return (uint8_t)((unsigned)code << FT_DELTA_BITS | (unsigned)low);
}

/* ---- the short ways -------------------------------------------------------------------------- */

static COLD void
count_lost(struct record *r, struct record_lane *lane)
{
    lane->lost++;
    r->head->lost++;
}

/* Room and a definition: what the short way found missing. */
static COLD bool
prepare_enter(struct record *r, struct record_lane *lane, const struct ft_func *func, size_t need,
              uint64_t now)
{
    if (ft_record_define_func(r, func) && ft_record_room(r, lane, need, now, false)) {
        return true;
    }
    count_lost(r, lane);
    return false;
}

/* The function is entered: one more call, and what is entered next is likely to follow it again. */
static inline void
push(struct record_lane *lane, uint32_t id)
{
    lane->next = &lane->likely[id & (FT_LIKELY_SLOTS - 1)];
    lane->depth++;
    lane->starts++;
}

/* Writes behind `q` what of the time since the event before the first byte has no room for, and
 * gives the place behind; *delta becomes what that byte says of it. */
static inline uint8_t *
put_delta(uint8_t *q, uint64_t *delta)
{
    if (*delta < FT_DELTA_MORE) {
        return q;
    }
    q = ft_varint_put(q, *delta - FT_DELTA_MORE);
    *delta = FT_DELTA_MORE;
    return q;
}

/* The clocks of two cores may differ by a little: time never runs back within a lane. */
static inline uint64_t
pass_time(struct record_lane *lane, uint64_t now)
{
    uint64_t delta = now > lane->last ? now - lane->last : 0;
    lane->last += delta;
    return delta;
}

/* What the quickest way found missing: room, a definition, that the function was likely. */
static __attribute__((noinline)) void *
enter_unlikely(struct record *r, struct record_lane *lane, const struct ft_func *func, uint64_t now,
               void *answer)
{
    uint32_t id = func->id;
    if (UNLIKELY(lane->p >= lane->limit || id >= r->nknown || !r->known[id])
        && !prepare_enter(r, lane, func, HOT_ROOM, now)) {
        return answer;
    }
    uint8_t *p = lane->p;
    uint64_t delta = pass_time(lane, now);
    uint8_t *q = put_delta(p + 1, &delta);
    enum ft_event_code code = FT_CODE_LIKELY;
    if (*lane->next != id + 1) {
        *lane->next = id + 1;
        code = FT_CODE_ENTER;
        q = ft_varint_put(q, id);
    }
    push(lane, id);
    lane->p = q;
    __atomic_store_n(p, first_byte(code, delta), __ATOMIC_RELEASE);
    return answer;
}

static void *
enter_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func, uint64_t time,
            void *answer)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = time >> r->shift;
    uint8_t *p = lane->p;
    if (UNLIKELY(p >= lane->limit || now < lane->last
                 || *lane->next != func->id + 1)) { /* what was likely once is defined */
        return enter_unlikely(r, lane, func, now, answer);
    }
    uint64_t delta = now - lane->last;
    push(lane, func->id);
    lane->last = now;
    lane->p = put_delta(p + 1, &delta);
    __atomic_store_n(p, first_byte(FT_CODE_LIKELY, delta), __ATOMIC_RELEASE);
    return answer;
}

static inline void
pop(struct record_lane *lane)
{
    lane->depth--;
    if (lane->depth < lane->least) {
        lane->least = lane->depth;
    }
}

/* False: there is nothing to leave, or nowhere to write it. */
static COLD bool
prepare_leave(struct record *r, struct record_lane *lane, size_t need, uint64_t now)
{
    if (r->error || (lane->depth > 0 && !ft_record_room(r, lane, need, now, true))) {
        count_lost(r, lane);
        return false;
    }
    return lane->depth > 0;
}

/* Likewise. */
static __attribute__((noinline)) void *
leave_unlikely(struct record *r, struct record_lane *lane, uint64_t now, void *answer)
{
    if (UNLIKELY(lane->p >= lane->limit || lane->depth == 0)
        && !prepare_leave(r, lane, HOT_ROOM, now)) {
        return answer;
    }
    pop(lane);
    uint8_t *p = lane->p;
    uint64_t delta = pass_time(lane, now);
    lane->p = put_delta(p + 1, &delta);
    __atomic_store_n(p, first_byte(FT_CODE_LEAVE, delta), __ATOMIC_RELEASE);
    return answer;
}

static void *
leave_plain(struct ft_sink *sink, void *opaque, uint64_t time, void *answer)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = time >> r->shift;
    uint8_t *p = lane->p;
    if (UNLIKELY(p >= lane->limit || now < lane->last || lane->depth == 0)) {
        return leave_unlikely(r, lane, now, answer);
    }
    pop(lane);
    uint64_t delta = now - lane->last;
    lane->last = now;
    lane->p = put_delta(p + 1, &delta);
    __atomic_store_n(p, first_byte(FT_CODE_LEAVE, delta), __ATOMIC_RELEASE);
    return answer;
}

/* ---- the long way ---------------------------------------------------------------------------- */

struct body {
    uint8_t *p;
    uint8_t bytes[FT_RECORD_MAX];
};

static void
body_number(struct body *b, enum ft_field field, uint64_t value)
{
    b->p = ft_varint_put(b->p, field);
    b->p = ft_varint_put(b->p, value);
}

static void
body_text(struct body *b, enum ft_field field, struct ft_str s)
{
    size_t len = s.len;
    if (s.s == NULL) {
        return;
    }
    if (len > FT_TEXT_MAX) {
        for (len = FT_TEXT_MAX; len > 0 && ((unsigned char)s.s[len] & 0xc0) == 0x80; len--) {
        }
    }
    b->p = ft_varint_put(b->p, field);
    b->p = ft_varint_put(b->p, len);
    memcpy(b->p, s.s, len);
    b->p += len;
}

/* The lane has room for FT_RECORD_MAX bytes. */
static void
put_other(struct record_lane *lane, enum ft_other kind, const struct body *b, uint64_t now)
{
    size_t len = (size_t)(b->p - b->bytes);
    uint8_t *p = lane->p;
    uint8_t *q = ft_varint_put(p + 1, pass_time(lane, now));
    q = ft_varint_put(q, len);
    memcpy(q, b->bytes, len);
    lane->p = q + len;
    __atomic_store_n(p, first_byte(FT_CODE_OTHER, kind), __ATOMIC_RELEASE);
}

/* The first frame of a step of a task holds it: it ends with that frame. */
static void
begin_task(struct record_lane *lane, struct body *b, const struct ft_task *task)
{
    lane->task = task->serial;
    lane->task_depth = lane->depth;
    ft_strbuf_clear(&lane->task_name);
    ft_strbuf_add(&lane->task_name, task->name.s, task->name.len < 256 ? task->name.len : 256);
    body_number(b, FT_FIELD_TASK, task->serial);
    body_text(b, FT_FIELD_TASK_NAME, (struct ft_str){lane->task_name.data, lane->task_name.len});
}

static enum ft_other
kind_of(enum ft_way way, bool awaits)
{
    switch (way) {
    case FT_RESUME:
        return FT_OTHER_RESUME;
    case FT_THROW:
        return FT_OTHER_THROW;
    case FT_YIELD:
        return awaits ? FT_OTHER_AWAIT : FT_OTHER_YIELD;
    case FT_UNWIND:
    case FT_C_RAISE:
        return FT_OTHER_RAISE;
    case FT_RETURN:
    case FT_C_RETURN:
        return FT_OTHER_LEAVE;
    case FT_LEFT:
        return FT_OTHER_LEFT;
    default:
        return FT_OTHER_ENTER;
    }
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = call->time >> r->shift;
    bool new_task = call->task != NULL && call->task->serial != lane->task;
    bool args = r->args && call->way == FT_START && call->args.s != NULL;
    bool caller = r->callers && call->caller != NULL && call->call_line != 0;
    enum ft_other kind = kind_of(call->way, false);
    if (kind == FT_OTHER_ENTER && !new_task && !args && !caller && call->activation == 0) {
        enter_plain(sink, opaque, call->func, call->time, NULL);
        return;
    }
    if (!prepare_enter(r, lane, call->func, FT_RECORD_MAX, now)
        || (caller && !ft_record_define_func(r, call->caller))) {
        return;
    }
    struct body b;
    b.p = ft_varint_put(b.bytes, call->func->id);
    *lane->next = call->func->id + 1;
    push(lane, call->func->id);
    if (call->activation != 0) {
        body_number(&b, FT_FIELD_ACTIVATION, call->activation);
    }
    if (new_task) {
        begin_task(lane, &b, call->task);
    }
    if (caller) {
        body_number(&b, FT_FIELD_CALLER, call->caller->id);
        body_number(&b, FT_FIELD_CALL_LINE, call->call_line);
    }
    if (args) {
        body_text(&b, FT_FIELD_ARGS, call->args);
    }
    put_other(lane, kind, &b, now);
}

static void
leave_any(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = call->time >> r->shift;
    enum ft_other kind = kind_of(call->way, call->awaits);
    bool value = call->value.s != NULL && (r->values || kind == FT_OTHER_RAISE);
    if (kind == FT_OTHER_LEAVE && !value) {
        leave_plain(sink, opaque, call->time, NULL);
        return;
    }
    if (!prepare_leave(r, lane, FT_RECORD_MAX, now)) {
        return;
    }
    struct body b;
    b.p = b.bytes;
    if (value) {
        body_text(&b, FT_FIELD_VALUE, call->value);
    }
    pop(lane);
    put_other(lane, kind, &b, now);
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record_lane *lane = opaque;
    leave_any(sink, opaque, call);
    if (lane->task != 0 && lane->depth < lane->task_depth) {
        lane->task = 0;
    }
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = calloc(1, sizeof(*lane));
    char *name = malloc(info->name.len + 1);
    if (lane == NULL || name == NULL) {
        free(lane);
        free(name);
        return NULL;
    }
    memcpy(name, info->name.s, info->name.len);
    lane->info = *info;
    lane->info.name = (struct ft_str){name, info->name.len};
    lane->next = ft_record_first_likely(lane);
    ft_strbuf_init(&lane->task_name);
    lane->after = r->lanes;
    r->lanes = lane;
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *lane)
{
    ft_record_lane_end((struct record *)sink, lane);
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct record_lane *lane = opaque;
    lane->lost += n;
    ((struct record *)sink)->head->lost += n;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static uint64_t
native_id(void)
{
#if defined(__linux__)
    return (uint64_t)syscall(SYS_gettid);
#else
    return (uint64_t)getpid();
#endif
}

/* The files mapped are the parent's: let go of. */
static void
forget(struct record *r)
{
    for (struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        ft_record_lane_forget(lane);
        lane->info.native_id = native_id();
    }
    for (struct record_file *file = r->files, *next; file != NULL; file = next) {
        next = file->next;
        ft_space_forget(&file->space);
        free(file);
    }
    r->files = NULL;
    r->nfiles = 0;
    ft_space_forget(&r->first);
    ft_space_forget(&r->more);
    memset(&r->nowhere, 0, sizeof(r->nowhere));
    r->head = &r->nowhere;
    r->ended_calls = 0;
}

/* Ours are opened. Which lane is the surviving thread's the sink cannot know: each has forgotten,
 * and the one that has events writes anew. */
static void
forked(struct ft_sink *sink, uint64_t pid)
{
    struct record *r = (struct record *)sink;
    (void)pid;
    forget(r);
    r->forked = true;
    if (r->nknown > 0) {
        memset(r->known, 0, r->nknown);
    }
    int error = r->error ? r->error : ft_record_defs_open(r);
    if (error) {
        ft_record_stop(r, error);
    }
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void
close_sink(struct ft_sink *sink)
{
    struct record *r = (struct record *)sink;
    if (r->pid != (uint64_t)getpid()) {  /* forked since, and no event told of it */
        forget(r);
        r->error = r->error ? r->error : ECHILD;
    }
    while (r->lanes != NULL) {
        ft_record_lane_end(r, r->lanes);
    }
    ft_record_files_close(r);
    ft_record_defs_close(r);
    for (uint32_t id = 0; id < r->nknown; id++) {
        if (r->funcs[id] != NULL) {
            ft_func_unref(r->funcs[id]);
        }
    }
    ft_strbuf_fini(&r->facts);
    free(r->known);
    free(r->funcs);
    free(r->folder);
    free(r);
}

static const struct ft_sink_ops ops = {
    .name = "record",
    .locked = false,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .enter_plain = enter_plain,
    .leave_plain = leave_plain,
    .lost = lost,
    .forked = forked,
    .close = close_sink,
};

/* So many ticks that they last at least UNIT_NS, and less than twice that. */
static uint32_t
choose_shift(void)
{
    uint64_t ticks = 1;
    uint32_t shift = 0;
    struct ft_scale scale = ft_clock_scale();
    while (ft_clock_ns(scale, ticks * 1000) < UNIT_NS * 1000 && shift < 8) {
        ticks *= 2;
        shift++;
    }
    return shift;
}

static void
add_facts(struct record *r, const struct ft_record_options *options)
{
    for (size_t i = 0; i + 1 < options->nfacts; i += 2) {
        struct ft_strbuf b;
        ft_strbuf_init(&b);
        ft_record_add_text(&b, options->facts[i], 64);
        ft_record_add_text(&b, options->facts[i + 1], 1024);
        if (r->facts.len + b.len < FT_DEFS_FIRST / 2) {
            ft_strbuf_add_char(&r->facts, (char)FT_DEF_FACT);
            ft_record_add_number(&r->facts, b.len);
            ft_strbuf_add(&r->facts, b.data, b.len);
        }
        ft_strbuf_fini(&b);
    }
}

struct ft_sink *
ft_record_new(const struct ft_record_options *options, int *error)
{
    struct record *r = calloc(1, sizeof(*r));
    *error = ENOMEM;
    if (r == NULL || (r->folder = strdup(options->folder)) == NULL) {
        free(r);
        return NULL;
    }
    ft_clock_init();
    r->base.ops = &ops;
    r->base.needs = FT_NEED_TIME | FT_NEED_ACTIVATION | FT_NEED_EXC | FT_NEED_TASK
                    | (options->args ? FT_NEED_ARGS : 0) | (options->values ? FT_NEED_VALUE : 0)
                    | (options->callers ? FT_NEED_LINE : 0)
                    | (options->ccalls ? FT_NEED_CCALLS : 0);
    r->args = options->args;
    r->values = options->values;
    r->callers = options->callers;
    r->ring = options->ring;
    r->interpreter = options->interpreter;
    r->run = options->run;
    r->shift = choose_shift();
    r->head = &r->nowhere;
    ft_strbuf_init(&r->facts);
    add_facts(r, options);
    *error = r->facts.failed ? ENOMEM : ft_record_defs_open(r);
    if (*error) {
        ft_strbuf_fini(&r->facts);
        free(r->folder);
        free(r);
        return NULL;
    }
    return &r->base;
}

void
ft_record_state(const struct ft_sink *sink, struct ft_record_state *state)
{
    const struct record *r = (const struct record *)sink;
    state->error = r->error;
    state->lost = r->head->lost;
    state->calls = r->ended_calls;
    for (const struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        state->calls += lane->calls + lane->starts;
    }
}

void
ft_record_dying(struct ft_sink *sink, int signum)
{
    struct record *r = (struct record *)sink;
    r->head->end_signal = (uint32_t)signum;
    r->head->ended = ft_clock_monotonic_ns();
}
