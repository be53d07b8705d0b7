/* The recorder as a sink: its birth and end, its threads, and what a forked child does first. */
#include "sink/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sink/record_lane.h"

#define UNIT_NS 3                        /* an event's time is kept at least this fine */

#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* ---- threads --------------------------------------------------------------------------------- */

/* The lane of a thread that was not heard of for a while; NULL: there is none. Its events are
 * counted on: the ends of the calls that were open are missing. */
static struct record_lane *
resume(struct record *r, uint64_t serial)
{
    struct record_lane *lane = r->npaused ? r->lanes : NULL;
    while (lane != NULL && !(lane->paused && lane->info.serial == serial)) {
        lane = lane->after;
    }
    if (lane != NULL) {
        lane->before += lane->depth;
        lane->depth = lane->floor = lane->nwatches = 0;
        lane->task = 0;
        ft_strbuf_clear(&lane->task_name);
        lane->paused = false;
        r->npaused--;
    }
    return lane;
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = resume(r, info->serial);
    if (lane != NULL) {
        return lane;
    }
    lane = calloc(1, sizeof(*lane));
    char *name = malloc(info->name.len + 1);
    if (lane == NULL || name == NULL) {
        free(lane);
        free(name);
        return NULL;
    }
    memcpy(name, info->name.s, info->name.len);
    lane->info = *info;
    lane->shift = r->shift;
    lane->info.name = (struct ft_str){name, info->name.len};
    ft_strbuf_init(&lane->raised);
    ft_record_forget_likely(lane);
    ft_strbuf_init(&lane->task_name);
    lane->after = r->lanes;
    r->lanes = lane;
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *lane)
{
    struct record *r = (struct record *)sink;
    if (r->pid != (uint64_t)getpid()) { /* a forked child that does not record: the parent's file */
        ft_record_lane_forget(lane);
    }
    ft_record_lane_end(r, lane);
}

static void
thread_pause(struct ft_sink *sink, void *opaque)
{
    struct record *r = (struct record *)sink;
    struct record_lane *lane = opaque;
    if (r->pid != (uint64_t)getpid()) {
        ft_record_lane_forget(lane);
    }
    ft_record_lane_rest(r, lane);
    lane->paused = true;
    r->npaused++;
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct record_lane *lane = opaque;
    if (lane != NULL) {
        lane->lost += n;
    }
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

/* What a reader learns of a process that has no file of its own. */
static void
note_failure(const struct record *r, int error)
{
    char path[PATH_MAX];
    int saved = errno;
    const char *why = error == FT_STOP_MAX_SIZE ? "--max-size is reached" : strerror(error);
    int len =
        snprintf(path, sizeof(path), "%s/%llu-%llx%s", r->folder, (unsigned long long)getpid(),
                 (unsigned long long)ft_clock_monotonic_ns(), FT_FAIL_SUFFIX);
    int fd = len < (int)sizeof(path) ? ft_space_open(path, O_WRONLY | O_CREAT | O_EXCL) : -1;
    if (fd >= 0) {
        ssize_t unheard = write(fd, why, strlen(why)); /* its name says most of it */
        (void)unheard;
        close(fd);
    }
    errno = saved;
}

/* Ours are opened. Which lane is the surviving thread's the sink cannot know: each has forgotten,
 * and the one that has events writes anew. */
static void
forked(struct ft_sink *sink, uint64_t pid)
{
    struct record *r = (struct record *)sink;
    /* A call that the parent could not tell of may be open here too: its end is not told either. */
    uint64_t lost = r->head->lost > 0;
    (void)pid;
    forget(r);
    r->forked = true;
    if (r->nknown > 0) {
        memset(r->known, 0, r->nknown);
    }
    int error = r->error;
    if (!error && r->flight != NULL) {
        error = ft_record_flight_forked(r);
    }
    error = error ? error : ft_record_defs_open(r);
    r->head->lost += lost;
    if (error) {
        ft_record_stop(r, error);
        note_failure(r, error);
    }
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void
close_sink(struct ft_sink *sink)
{
    struct record *r = (struct record *)sink;
    if (r->pid != (uint64_t)getpid()) { /* forked since, and no event told of it */
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
    if (r->flight != NULL) {
        ft_record_flight_free(r->flight);
    }
    r->unmap(r->run);
    free(r->known);
    free(r->funcs);
    free(r->folder);
    free(r);
}

static const struct ft_sink_ops plain_ops = {
    .name = "record",
    .locked = false,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .thread_pause = thread_pause,
    .enter = ft_record_enter,
    .leave = ft_record_leave,
    .enter_plain = ft_record_enter_plain,
    .leave_plain = ft_record_leave_plain,
    .resume_plain = ft_record_resume_plain,
    .yield_plain = ft_record_yield_plain,
    .lost = lost,
    .forked = forked,
    .close = close_sink,
};

/* Of a flight recorder. A run is looked at: it may be one of a watched function. */
static const struct ft_sink_ops flight_ops = {
    .name = "record",
    .locked = false,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .thread_pause = thread_pause,
    .enter = ft_record_flight_enter,
    .leave = ft_record_flight_leave,
    .enter_plain = ft_record_enter_plain,
    .leave_plain = ft_record_leave_plain,
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
        r->facts.failed |= b.failed;
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
    r->base.ops = options->flight ? &flight_ops : &plain_ops;
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
    r->unmap = options->unmap;
    r->shift = choose_shift();
    r->head = &r->nowhere;
    ft_strbuf_init(&r->facts);
    add_facts(r, options);
    r->flight = options->flight ? ft_record_flight_new(options->flight) : NULL;
    bool memory = !r->facts.failed && (r->flight != NULL || options->flight == NULL);
    *error = memory ? ft_record_defs_open(r) : ENOMEM;
    if (*error) {
        if (r->flight != NULL) {
            ft_record_flight_free(r->flight);
        }
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
    state->lost = r->head->lost + r->ended_lost;
    state->dropped = r->head->dropped;
    state->calls = r->ended_calls;
    for (const struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        state->calls += lane->calls + lane->starts - lane->resumes;
    }
}

void
ft_record_dying(struct ft_sink *sink, int signum)
{
    struct record *r = (struct record *)sink;
    if (r->pid != (uint64_t)getpid()) {
        return; /* forked, and not yet on its own: the parent's head */
    }
    r->head->end_signal = (uint32_t)signum;
    r->head->ended = ft_clock_monotonic_ns();
}
