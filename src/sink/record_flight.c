/* A flight recorder: the ring is made a dump when something happens, and a new one begins. Nothing
 * is copied, so the program waits for the making of a folder and of two files, no longer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "sink/record_lane.h"

#define STARTS_MAX (1 << 20)             /* runs of watched coroutines at a time */
#define REASON_PART 200                  /* bytes of a name or of an exception's text */
#define REASON_MAX 512

struct record_watch {
    uint32_t depth;                      /* open calls when it had been entered */
    uint32_t id;
    uint8_t trigger;                     /* from 1 on */
    uint64_t begin;
};

/* ---- birth and end --------------------------------------------------------------------------- */

struct record_flight *
ft_record_flight_new(const struct ft_record_flight_options *options)
{
    struct record_flight *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->hooks = *options;
    ft_ptrmap_init(&f->starts);
    return f;
}

void
ft_record_flight_free(struct record_flight *f)
{
    ft_ptrmap_fini(&f->starts);
    free(f);
}

/* ---- a dump ---------------------------------------------------------------------------------- */

static void
close_lanes(struct record *r)
{
    for (struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        ft_record_lane_close(r, lane);
        lane->before = lane->calls = lane->resumes = lane->throws = lane->lost = 0;
        lane->described = false;
    }
    r->flight->ended_entries = 0;
    ft_record_files_close(r);
    r->nfiles = 0;
}

/* How often something was entered since the last dump; an exception that only goes further up, or
 * is thrown into who awaits, is no news. */
static uint64_t
entries(const struct record *r)
{
    uint64_t n = r->flight->ended_entries;
    for (const struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        n += lane->calls + lane->starts - lane->throws;
    }
    return n;
}

/* What a new ring will take from the disk, should all threads go on. */
static uint64_t
room_needed(const struct record *r)
{
    uint64_t room = 2 * FT_DEFS_FIRST;
    for (const struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        room += lane->file != NULL ? r->ring + FT_RING_START : 0;
    }
    return room;
}

static bool
define_reason(struct record *r, struct ft_str reason)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_record_add_text(&b, FT_STR(FT_FACT_DUMP), 64);
    ft_record_add_text(&b, reason, FT_TEXT_MAX);
    bool written = ft_record_define(r, FT_DEF_FACT, &b);
    ft_strbuf_fini(&b);
    return written;
}

/* To another ring. */
static void
move_to(struct record *r, char *folder, struct ft_run_head *run)
{
    r->unmap(r->run);
    free(r->folder);
    r->folder = folder;
    r->run = run;
}

int
ft_record_dump(struct ft_sink *sink, struct ft_str reason, uint32_t *number)
{
    struct record *r = (struct record *)sink;
    struct record_flight *f = r->flight;
    *number = 0;
    if (r->error || r->pid != (uint64_t)getpid()) {
        return r->error ? r->error : ECHILD;
    }
    uint64_t n = entries(r);
    if (n == f->seen) {
        return ENODATA;
    }
    char *folder = NULL;
    struct ft_run_head *run = NULL;
    uint32_t taken;
    int error =
        f->refusal == FT_STOP_MAX_DUMPS ? FT_STOP_MAX_DUMPS : f->hooks.take(f->hooks.ctx, &taken);
    if (!error && (error = f->hooks.ring(f->hooks.ctx, room_needed(r), &folder, &run)) != 0) {
        f->hooks.give_back(f->hooks.ctx, taken);
    }
    if (error) {
        f->refusal = error;
        f->refused++;
        f->seen = n;
        return error;
    }
    /* Without its reason it is a dump all the same. */
    define_reason(r, reason);
    close_lanes(r);
    r->ended_lost += r->head->lost;
    ft_record_defs_close(r);
    error = f->hooks.dump(f->hooks.ctx, r->folder, taken);
    if (error) {                         /* it stays a ring, which can be read */
        f->hooks.give_back(f->hooks.ctx, taken);
    }
    *number = error ? 0 : taken;
    f->dumps += error == 0;
    f->refused += error != 0;
    f->refusal = error ? error : f->refusal;
    f->seen = 0;
    move_to(r, folder, run);
    memset(r->known, 0, r->nknown);
    r->head = &r->nowhere;
    memset(&r->nowhere, 0, sizeof(r->nowhere));
    int opened = ft_record_defs_open(r);
    if (opened) {
        ft_record_stop(r, opened);
    }
    return error;
}

void
ft_record_flight_state(const struct ft_sink *sink, struct ft_record_flight_state *state)
{
    const struct record *r = (const struct record *)sink;
    *state = (struct ft_record_flight_state){.folder = r->folder,
                                             .dumps = r->flight->dumps,
                                             .refused = r->flight->refused,
                                             .error = r->flight->refused ? r->flight->refusal : 0};
}

int
ft_record_flight_forked(struct record *r)
{
    char *folder;
    struct ft_run_head *run;
    struct record_flight *f = r->flight;
    f->dumps = f->refused = f->ended_entries = f->seen = 0;
    r->ended_lost = 0;
    int error = f->hooks.forked(f->hooks.ctx, &folder, &run);
    if (!error) {
        move_to(r, folder, run);
    }
    return error;
}

/* ---- exceptions ------------------------------------------------------------------------------ */

/* Ways to end that are no mistake. */
static bool
is_ordinary(struct ft_str type)
{
    static const char *const names[] = {"StopIteration", "StopAsyncIteration", "GeneratorExit",
                                        "SystemExit", "CancelledError"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        if (type.len >= len && memcmp(type.s + type.len - len, names[i], len) == 0
            && (type.len == len || type.s[type.len - len - 1] == '.')) {
            return true;
        }
    }
    return false;
}

/* What stands before the message. */
static struct ft_str
type_of(struct ft_str text)
{
    size_t n = 0;
    while (n < text.len && text.s[n] != ':' && text.s[n] != ' ') {
        n++;
    }
    return (struct ft_str){text.s, n};
}

/* By its whole name or by the last part of it. */
static bool
is_of(struct ft_str type, struct ft_str pattern)
{
    size_t n = type.len;
    while (n > 0 && type.s[n - 1] != '.') {
        n--;
    }
    return ft_glob_match(pattern, type)
           || ft_glob_match(pattern, (struct ft_str){type.s + n, type.len - n});
}

static bool
is_reason(const struct record_flight *f, struct ft_str type)
{
    for (size_t i = 0; i < f->hooks.ntriggers; i++) {
        const struct ft_trigger *t = &f->hooks.triggers[i];
        if (t->kind == FT_TRIGGER_EXCEPTION
            && (t->pattern.len > 0 ? is_of(type, t->pattern) : !is_ordinary(type))) {
            return true;
        }
    }
    return false;
}

static void
dump_raised(struct record *r, struct ft_str text, const char *verb, struct ft_str where)
{
    char reason[REASON_MAX];
    uint32_t number;
    struct ft_strbuf b = {.data = reason, .cap = sizeof(reason), .fixed = true};
    ft_strbuf_add_str(&b, ft_str_cut(text, REASON_PART));
    ft_strbuf_add_cstr(&b, verb);
    ft_strbuf_add_str(&b, ft_str_cut(where, REASON_PART));
    ft_record_dump(&r->base, (struct ft_str){b.data, b.len}, &number);
}

static void
raised(struct record *r, const struct record_lane *lane, const struct ft_call *call)
{
    struct ft_str text = call->value.s ? call->value : FT_STR("an exception");
    uint64_t which = is_reason(r->flight, type_of(text)) && lane->info.into_unshown != NULL
                         ? lane->info.into_unshown(lane->info.thread, lane)
                         : 0;
    if (which != 0) {
        r->flight->raised = which;
        dump_raised(r, text, " left ", call->func->shown_name);
    }
}

void
ft_record_dump_exception(struct ft_sink *sink, uint64_t which, struct ft_str type,
                         struct ft_str where)
{
    struct record *r = (struct record *)sink;
    if (which != r->flight->raised && is_reason(r->flight, type)) {
        dump_raised(r, type, " ", where);
    }
}

/* ---- slow calls ------------------------------------------------------------------------------ */

uint8_t
ft_record_watched(const struct record *r, const struct ft_func *func)
{
    struct record_flight *f = r->flight;
    uint8_t found = 0;
    for (size_t i = 0; f != NULL && i < f->hooks.ntriggers; i++) {
        struct ft_trigger *t = &f->hooks.triggers[i];
        if (t->kind != FT_TRIGGER_SLOW
            || !ft_pattern_matches(t->pattern, func->module, func->name, func->file)) {
            continue;
        }
        t->matched = true;
        if (found == 0 || t->ns < f->hooks.triggers[found - 1].ns) {
            found = (uint8_t)(i + 1);
        }
    }
    return (uint8_t)(found << 1);
}

void
ft_record_watch(struct record *r, struct record_lane *lane, uint32_t id, uint64_t activation,
                uint64_t now)
{
    if (activation != 0) {
        if (r->flight->starts.used < STARTS_MAX) {
            ft_ptrmap_put(&r->flight->starts, activation, now);   /* no room: it is not watched */
        }
        return;
    }
    if (lane->nwatches == lane->watch_cap) {
        uint32_t cap = lane->watch_cap ? lane->watch_cap * 2 : 8;
        struct record_watch *watches = realloc(lane->watches, cap * sizeof(*watches));
        if (watches == NULL) {
            return;
        }
        lane->watches = watches;
        lane->watch_cap = cap;
    }
    lane->watches[lane->nwatches++] =
        (struct record_watch){lane->depth, id, r->known[id] >> 1, now};
    lane->floor = lane->depth;
    ft_record_set_brake(lane);
}

static void
judge(struct record *r, uint32_t id, uint8_t trigger, uint64_t begin, uint64_t now)
{
    const struct ft_func *func = r->funcs[id];   /* watched once, so it is there */
    uint64_t ns = ft_clock_ns(ft_clock_scale(), (now > begin ? now - begin : 0) << r->shift);
    if (trigger == 0 || ns <= r->flight->hooks.triggers[trigger - 1].ns) {
        return;
    }
    char reason[REASON_MAX];
    uint32_t number;
    struct ft_strbuf b = {.data = reason, .cap = sizeof(reason), .fixed = true};
    ft_strbuf_add_str(&b, ft_str_cut(func->shown_name, REASON_PART));
    ft_strbuf_add_cstr(&b, " took ");
    ft_strbuf_add_duration(&b, ns);
    ft_record_dump(&r->base, (struct ft_str){b.data, b.len}, &number);
}

void
ft_record_watch_left(struct record *r, struct record_lane *lane, uint64_t now, bool counts)
{
    while (lane->nwatches > 0 && lane->watches[lane->nwatches - 1].depth > lane->depth) {
        struct record_watch watch = lane->watches[--lane->nwatches];
        if (counts) {
            judge(r, watch.id, watch.trigger, watch.begin, now);
        }
    }
    lane->floor = lane->nwatches ? lane->watches[lane->nwatches - 1].depth : 0;
    ft_record_set_brake(lane);
}

static void
run_left(struct record *r, const struct ft_call *call, uint64_t now)
{
    uint64_t begin;
    if (ft_ptrmap_take(&r->flight->starts, call->activation, &begin) && call->way != FT_LEFT) {
        judge(r, call->func->id, ft_record_watched(r, call->func) >> 1, begin, now);
    }
}

/* ---- the long ways --------------------------------------------------------------------------- */

void
ft_record_flight_enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    const struct ft_segment *segment = lane->segment;
    uint32_t depth = lane->depth, *slot = lane->next, id = call->func->id;
    ft_record_enter(sink, opaque, call);
    if (lane->depth == depth) {
        return;                          /* lost */
    }
    lane->throws += call->way == FT_THROW;
    if ((r->known[id] & ~KNOWN_DEFINED) == 0) {
        return;
    }
    if (lane->segment != segment) {
        slot = &lane->likely[FT_LIKELY_SLOTS - 1];   /* the first of a segment */
    }
    *slot |= LIKELY_WATCHED;
    bool noted = lane->floor == lane->depth;   /* by the short way, which it went after all */
    if (call->way == FT_START && !noted) {
        ft_record_watch(r, lane, id, call->activation, call->time >> r->shift);
    }
}

void
ft_record_flight_leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    uint64_t now = call->time >> r->shift;
    ft_record_leave(sink, opaque, call);
    if (call->way == FT_UNWIND) {
        raised(r, lane, call);
    }
    if (lane->depth < lane->floor) {
        ft_record_watch_left(r, lane, now, call->way != FT_LEFT);
    }
    if (call->activation != 0 && call->way != FT_YIELD) {
        run_left(r, call, now);
    }
}
