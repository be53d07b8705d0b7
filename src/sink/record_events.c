/* The recorder's events. The short ways write a byte or three for a call and one for a return;
 * whatever carries more, and whatever needs room, goes the long way. */
#include <string.h>

#include "base/varint.h"
#include "sink/record_short.h"

#define COLD __attribute__((noinline, cold))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

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

static inline bool
is_watched(const struct record *r, uint32_t id)
{
    return (r->known[id] & ~KNOWN_DEFINED) != 0;
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

/* False: it is lost. */
static inline bool
put_entry(struct record *r, struct record_lane *lane, const struct ft_func *func, uint64_t now,
          bool flight)
{
    uint32_t id = func->id;
    if (UNLIKELY(lane->p >= lane->limit || id >= r->nknown || !r->known[id])
        && !prepare_enter(r, lane, func, HOT_ROOM, now)) {
        return false;
    }
    uint8_t *p = lane->p;
    uint64_t delta = pass_time(lane, now);
    uint8_t *q = put_delta(p + 1, &delta);
    enum ft_event_code code = FT_CODE_LIKELY;
    uint32_t likely = id | (flight && is_watched(r, id) ? LIKELY_WATCHED : 0);
    if (*lane->next != likely) {
        *lane->next = likely;
        code = FT_CODE_ENTER;
        q = ft_varint_put(q, id);
    }
    ft_record_push(lane, id);
    lane->p = q;
    __atomic_store_n(p, ft_record_first_byte(code, delta), __ATOMIC_RELEASE);
    return true;
}

static COLD void *
enter_flight(struct record *r, struct record_lane *lane, const struct ft_func *func, uint64_t now,
             void *answer)
{
    if (put_entry(r, lane, func, now, true) && is_watched(r, func->id)) {
        ft_record_watch(r, lane, func->id, 0, now);
    }
    return answer;
}

/* What the shortest way found missing: room, a definition, that it was likely, and soon. */
void *
ft_record_enter_unlikely(struct ft_sink *sink, struct record_lane *lane, const struct ft_func *func,
                         uint64_t time, void *answer)
{
    struct record *r = (struct record *)sink;
    uint64_t now = time >> r->shift;
    if (UNLIKELY(r->flight != NULL)) {
        return enter_flight(r, lane, func, now, answer);
    }
    put_entry(r, lane, func, now, false);
    return answer;
}

void *
ft_record_enter_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func, uint64_t time,
                      void *answer)
{
    return ft_record_enter_shortest(opaque, func->id, time)
               ? answer
               : ft_record_enter_unlikely(sink, opaque, func, time, answer);
}

static inline void
pop(struct record_lane *lane)
{
    lane->depth--;
    if (lane->depth < lane->least) {
        lane->least = lane->depth;
        ft_record_set_brake(lane);
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
void *
ft_record_leave_unlikely(struct ft_sink *sink, struct record_lane *lane, uint64_t time,
                         void *answer)
{
    struct record *r = (struct record *)sink;
    uint64_t now = time >> r->shift;
    if (UNLIKELY(lane->p >= lane->limit || lane->depth == 0)
        && !prepare_leave(r, lane, HOT_ROOM, now)) {
        return answer;
    }
    pop(lane);
    uint8_t *p = lane->p;
    uint64_t delta = pass_time(lane, now);
    lane->p = put_delta(p + 1, &delta);
    __atomic_store_n(p, ft_record_first_byte(FT_CODE_LEAVE, delta), __ATOMIC_RELEASE);
    if (UNLIKELY(lane->depth < lane->floor)) {
        ft_record_watch_left(r, lane, now, true);
    }
    return answer;
}

void *
ft_record_leave_plain(struct ft_sink *sink, void *opaque, uint64_t time, void *answer)
{
    return ft_record_leave_shortest(opaque, time)
               ? answer
               : ft_record_leave_unlikely(sink, opaque, time, answer);
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
    if (s.s == NULL) {
        return;
    }
    s = ft_str_cut(s, FT_TEXT_MAX);
    b->p = ft_varint_put(b->p, field);
    b->p = ft_varint_put(b->p, s.len);
    memcpy(b->p, s.s, s.len);
    b->p += s.len;
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
    __atomic_store_n(p, ft_record_first_byte(FT_CODE_OTHER, kind), __ATOMIC_RELEASE);
}

/* The first frame of a step of a task holds it: it ends with that frame. */
static void
begin_task(struct record_lane *lane, struct body *b, const struct ft_task *task)
{
    lane->task = task->serial;
    lane->task_depth = lane->depth;
    ft_strbuf_clear(&lane->task_name);
    ft_strbuf_add_str(&lane->task_name, ft_str_cut(task->name, FT_LABEL_MAX));
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

/* The lane has HOT_ROOM. Gives the place behind the time. */
static uint8_t *
begin_short(struct record_lane *lane, uint64_t now)
{
    return ft_varint_put(lane->p + 1, pass_time(lane, now));
}

static void
end_short(struct record_lane *lane, enum ft_short kind, uint8_t *end)
{
    uint8_t *p = lane->p;
    lane->p = end;
    __atomic_store_n(p, ft_record_first_byte(FT_CODE_OTHER, kind), __ATOMIC_RELEASE);
}

/* An entering event tells of a run; true: it is the one that was likely. */
static bool
touch_run(struct record_lane *lane, const struct ft_call *call)
{
    struct record_run *run = lane->run;
    bool likely = run->activation == call->activation && run->id == call->func->id;
    if (call->way != FT_START) {
        run->activation = call->activation;
        run->id = call->func->id;
    }
    lane->run = &lane->runs[FT_RUN_SLOT(call->activation, 0)];
    return likely;
}

/* A generator or coroutine starts or goes on, and there is no more to say. */
static void
put_run(struct record_lane *lane, const struct ft_call *call, uint64_t now)
{
    uint8_t *q = begin_short(lane, now);
    bool likely = touch_run(lane, call);
    if (call->way == FT_RESUME && likely) {
        end_short(lane, FT_SHORT_LIKELY, q);
        return;
    }
    q = ft_varint_put(q, call->func->id);
    if (call->way == FT_RESUME) {
        end_short(lane, FT_SHORT_RESUME, ft_varint_put(q, call->activation));
        return;
    }
    q = ft_varint_put(q, ft_zigzag(call->activation - lane->started));
    lane->started = call->activation;
    end_short(lane, FT_SHORT_START, q);
}

struct extras {
    bool task, args, caller;
};

static void
put_enter(struct record_lane *lane, const struct ft_call *call, struct extras with, uint64_t now)
{
    struct body b;
    b.p = ft_varint_put(b.bytes, call->func->id);
    if (call->activation != 0) {
        body_number(&b, FT_FIELD_ACTIVATION, call->activation);
        touch_run(lane, call);
    }
    if (with.task) {
        begin_task(lane, &b, call->task);
    }
    if (with.caller) {
        body_number(&b, FT_FIELD_CALLER, call->caller->id);
        body_number(&b, FT_FIELD_CALL_LINE, call->call_line);
    }
    if (with.args) {
        body_text(&b, FT_FIELD_ARGS, call->args);
    }
    put_other(lane, kind_of(call->way, false), &b, now);
}

void
ft_record_enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = call->time >> r->shift;
    struct extras with = {
        .task = call->task != NULL && call->task->serial != lane->task,
        .args = r->args && call->way == FT_START && call->args.s != NULL,
        .caller = r->callers && call->caller != NULL && call->call_line != 0,
    };
    bool bare = !with.task && !with.args && !with.caller && call->way != FT_THROW;
    if (bare && call->activation == 0) {
        ft_record_enter_plain(sink, opaque, call->func, call->time, NULL);
        return;
    }
    if (with.caller && !ft_record_define_func(r, call->caller)) {
        count_lost(r, lane);
        return;
    }
    if (!prepare_enter(r, lane, call->func, bare ? 0 : FT_RECORD_MAX, now)) {
        return;
    }
    *lane->next = call->func->id;
    ft_record_push(lane, call->func->id);
    lane->resumes += call->way == FT_RESUME || call->way == FT_THROW;
    if (bare) {
        put_run(lane, call, now);
    }
    else {
        put_enter(lane, call, with, now);
    }
}

static __attribute__((noinline)) void *
resume_unlikely(struct ft_sink *sink, struct record_lane *lane, const struct ft_call *call,
                void *answer)
{
    ft_record_enter(sink, lane, call);
    return answer;
}

void *
ft_record_resume_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func,
                       uint64_t activation, uint64_t time, void *answer)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = time >> r->shift;
    uint8_t *p = lane->p;
    if (UNLIKELY(p >= lane->limit || now < lane->last || lane->run->activation != activation
                 || lane->run->id != func->id)) {
        struct ft_call call = {
            .func = func, .way = FT_RESUME, .activation = activation, .time = time};
        return resume_unlikely(sink, lane, &call, answer);
    }
    *lane->next = func->id;
    ft_record_push(lane, func->id);
    lane->resumes++;
    lane->run = &lane->runs[FT_RUN_SLOT(activation, 0)];
    lane->p = ft_varint_put(p + 1, now - lane->last);
    lane->last = now;
    __atomic_store_n(p, ft_record_first_byte(FT_CODE_OTHER, FT_SHORT_LIKELY), __ATOMIC_RELEASE);
    return answer;
}

/* The exception goes on through its callers: its text is not written again. */
static bool
raised_again(struct record_lane *lane, struct ft_str text)
{
    struct ft_strbuf *last = &lane->raised;
    if (last->len == text.len && text.len > 0 && memcmp(last->data, text.s, text.len) == 0) {
        return true;
    }
    ft_strbuf_clear(last);
    if (text.len <= FT_TEXT_MAX) {
        ft_strbuf_add(last, text.s, text.len);
    }
    return false;
}

/* What is likely to be resumed after this run is suspended. Of a call that this segment never told
 * of, a reader does not know the activation. To be asked before pop(). */
static struct record_run *
run_after(struct record_lane *lane, uint64_t activation)
{
    bool told = lane->depth > lane->unlisted || lane->depth > lane->least;
    return &lane->runs[FT_RUN_SLOT(told ? activation : 0, 1)];
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
        ft_record_leave_plain(sink, opaque, call->time, NULL);
        return;
    }
    if (!prepare_leave(r, lane, value ? FT_RECORD_MAX : 0, now)) {
        return;
    }
    bool suspended = kind == FT_OTHER_YIELD || kind == FT_OTHER_AWAIT;
    if (suspended) {
        lane->run = run_after(lane, call->activation);
    }
    pop(lane);
    if (suspended && !value) {
        enum ft_short code = kind == FT_OTHER_YIELD ? FT_SHORT_YIELD : FT_SHORT_AWAIT;
        end_short(lane, code, begin_short(lane, now));
        return;
    }
    if (kind == FT_OTHER_RAISE && value && raised_again(lane, call->value)) {
        end_short(lane, FT_SHORT_RAISE, begin_short(lane, now));
        return;
    }
    struct body b;
    b.p = b.bytes;
    if (value) {
        body_text(&b, FT_FIELD_VALUE, call->value);
    }
    put_other(lane, kind, &b, now);
}

void
ft_record_leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record_lane *lane = opaque;
    leave_any(sink, opaque, call);
    if (lane->task != 0 && lane->depth < lane->task_depth) {
        lane->task = 0;
    }
}

static __attribute__((noinline)) void *
yield_unlikely(struct ft_sink *sink, struct record_lane *lane, const struct ft_call *call,
               void *answer)
{
    ft_record_leave(sink, lane, call);
    return answer;
}

/* The frame that holds the task went the long way: it is not this one. */
void *
ft_record_yield_plain(struct ft_sink *sink, void *opaque, uint64_t activation, bool awaits,
                      uint64_t time, void *answer)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = time >> r->shift;
    uint8_t *p = lane->p;
    if (UNLIKELY(p >= lane->limit || now < lane->last || lane->depth == 0)) {
        struct ft_call call = {
            .way = FT_YIELD, .awaits = awaits, .activation = activation, .time = time};
        return yield_unlikely(sink, lane, &call, answer);
    }
    lane->run = run_after(lane, activation);
    pop(lane);
    lane->p = ft_varint_put(p + 1, now - lane->last);
    lane->last = now;
    unsigned kind = awaits ? FT_SHORT_AWAIT : FT_SHORT_YIELD;
    __atomic_store_n(p, ft_record_first_byte(FT_CODE_OTHER, kind), __ATOMIC_RELEASE);
    return answer;
}
