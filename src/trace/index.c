/* Where the segments lie: each lane is walked from header to header, no event is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/reader.h"

#define CUT_SHORT "the file is cut short"

/* ---- threads --------------------------------------------------------------------------------- */

struct ft_trace_thread *
ft_trace_thread_of(struct ft_trace *t, struct ft_trace_process *p, uint64_t serial)
{
    uint64_t *known = serial < UINT64_MAX ? ft_ptrmap_get(&p->threads, serial + 1) : NULL;
    if (known != NULL) {
        return &t->threads[*known - 1];
    }
    if (t->nthreads == t->capthreads) {
        size_t cap = t->capthreads ? t->capthreads * 2 : 64;
        struct ft_trace_thread *threads = realloc(t->threads, cap * sizeof(*threads));
        if (threads == NULL) {
            return NULL;
        }
        t->threads = threads;
        t->capthreads = cap;
    }
    if (serial == UINT64_MAX || !ft_ptrmap_put(&p->threads, serial + 1, t->nthreads + 1)) {
        return NULL;
    }
    struct ft_trace_thread *thread = &t->threads[t->nthreads++];
    memset(thread, 0, sizeof(*thread));
    thread->process = p;
    thread->serial = t->nthreads;
    thread->local = serial;
    thread->total = UINT64_MAX;
    return thread;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static bool
add_lane(struct ft_trace *t, const char *path)
{
    if (t->nlanes == t->caplanes) {
        size_t cap = t->caplanes ? t->caplanes * 2 : 16;
        char **lanes = realloc(t->lanes, cap * sizeof(*lanes));
        if (lanes == NULL) {
            return false;
        }
        t->lanes = lanes;
        t->caplanes = cap;
    }
    t->lanes[t->nlanes] = strdup(path);
    return t->lanes[t->nlanes++] != NULL;
}

static bool
add_segment(struct ft_trace *t, struct ft_trace_process *p, uint64_t at,
            const struct ft_segment *head)
{
    struct ft_trace_thread *thread = ft_trace_thread_of(t, p, head->thread);
    if (thread == NULL) {
        return false;
    }
    if (thread->nsegments == thread->capsegments) {
        size_t cap = thread->capsegments ? thread->capsegments * 2 : 1;
        struct ft_trace_segment *segments = realloc(thread->segments, cap * sizeof(*segments));
        if (segments == NULL) {
            return false;
        }
        thread->segments = segments;
        thread->capsegments = cap;
    }
    struct ft_trace_segment *s = &thread->segments[thread->nsegments++];
    s->lane = (uint32_t)(t->nlanes - 1);
    s->at = at;
    s->head = *head;
    if (head->anchor.monotonic > p->last.monotonic && head->anchor.ticks > p->last.ticks) {
        p->last = head->anchor;          /* killed before the definitions' own was renewed */
    }
    return true;
}

/* NULL: sound; else what is wrong. */
static const char *
check_segment(const struct ft_segment *s, uint64_t room)
{
    bool closed = (s->flags & FT_SEGMENT_CLOSED) != 0;
    if (s->size < sizeof(*s) || s->size > room || s->size % 8 != 0) {
        return "a segment of impossible size";
    }
    if (closed && (s->used < sizeof(*s) || s->used > s->size)) {
        return "a segment that holds more than its size";
    }
    if (s->thread == UINT64_MAX) {
        return "a segment of no thread";
    }
    if (s->depth > FT_DEPTH_MAX || (closed && s->end_depth > FT_DEPTH_MAX)) {
        return "a segment of impossible depth";
    }
    if (closed
        && (s->last < s->first || s->starts > s->size || s->least_depth > s->depth
            || s->depth + s->starts < s->end_depth)) {
        return "a segment whose summary is impossible";
    }
    return NULL;
}

/* The header at `at`. False: there is none, or none that is sound. */
static bool
read_segment(struct ft_trace *t, int fd, const char *path, uint64_t at, uint64_t room,
             struct ft_segment *s)
{
    memset(s, 0, sizeof(*s));
    ssize_t n = pread(fd, s, sizeof(*s), (off_t)at);
    bool whole = n == (ssize_t)sizeof(*s);
    if (n < 0) {
        ft_trace_damaged(t, path, strerror(errno), at);
        return false;
    }
    if (s->magic == 0) {
        return false;
    }
    const char *wrong = !whole                         ? CUT_SHORT
                        : s->magic != FT_SEGMENT_MAGIC ? "no segment"
                                                       : check_segment(s, room);
    if (wrong != NULL) {
        ft_trace_damaged(t, path, wrong, at);
    }
    return wrong == NULL;
}

static int
index_segments(struct ft_trace *t, struct ft_trace_process *p, int fd, const char *path,
               uint64_t size)
{
    struct ft_segment s;
    for (uint64_t at = sizeof(struct ft_lane_head); at < size; at += s.size) {
        if (!read_segment(t, fd, path, at, FT_SEGMENT_MAX, &s)) {
            return 0;
        }
        if (s.size > size - at) {
            ft_trace_damaged(t, path, CUT_SHORT, size);
            if (s.used > size - at) {
                s.flags &=
                    ~(uint32_t)FT_SEGMENT_CLOSED; /* its summary tells of more than is there */
            }
        }
        if (!add_segment(t, p, at, &s)) {
            return ENOMEM;
        }
    }
    return 0;
}

/* Each place may be not yet used, or being emptied; else it holds segments one behind the other. */
static int
index_ring(struct ft_trace *t, struct ft_trace_process *p, int fd, const char *path, uint64_t size,
           uint64_t segment_size)
{
    struct ft_segment s;
    if (size < FT_RING_START + FT_RING_SEGMENTS * segment_size) {
        ft_trace_damaged(t, path, CUT_SHORT, size);
    }
    for (uint64_t i = 0; i < FT_RING_SEGMENTS; i++) {
        uint64_t at = FT_RING_START + i * segment_size, end = at + segment_size;
        for (; at < end && read_segment(t, fd, path, at, end - at, &s); at += s.size) {
            if (!add_segment(t, p, at, &s)) {
                return ENOMEM;
            }
        }
    }
    return 0;
}

static bool
lane_is_sound(const struct ft_lane_head *lane)
{
    return memcmp(lane->file.magic, FT_LANE_MAGIC, sizeof(lane->file.magic)) == 0
           && lane->file.version == FT_TRACE_VERSION && lane->file.endian == FT_TRACE_ENDIAN
           && (lane->segment_size == 0
               || (lane->segment_size >= FT_RING_LEAST / FT_RING_SEGMENTS
                   && lane->segment_size < (uint64_t)1 << 40 && lane->segment_size % 8 == 0));
}

int
ft_trace_index_lane(struct ft_trace *t, struct ft_trace_process *p, const char *path)
{
    struct stat st;
    struct ft_lane_head lane = {0};
    int error = 0, fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        ft_trace_damaged(t, path, fd < 0 ? strerror(errno) : "no regular file", 0);
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    uint64_t size = (uint64_t)st.st_size;
    p->bytes += size;
    p->nlanes++;
    ssize_t n = pread(fd, &lane, sizeof(lane), 0);
    if (n < 0) {
        ft_trace_damaged(t, path, strerror(errno), 0);
    }
    else if (!add_lane(t, path)) {
        error = ENOMEM;
    }
    else if (n == (ssize_t)sizeof(lane) && lane_is_sound(&lane)) {
        error = lane.segment_size ? index_ring(t, p, fd, path, size, lane.segment_size)
                                  : index_segments(t, p, fd, path, size);
    }
    else if (lane.file.magic[0] != '\0') {  /* else made just now */
        ft_trace_damaged(t, path, "no head of ours", 0);
    }
    close(fd);
    return error;
}

static int
by_order(const void *a, const void *b)
{
    const struct ft_trace_segment *x = a, *y = b;
    if (x->head.before != y->head.before) {
        return x->head.before < y->head.before ? -1 : 1;
    }
    return (x->head.first > y->head.first) - (x->head.first < y->head.first);
}

/* What a process that stopped by itself always leaves; a ring may have let go of a whole thread. */
static void
check_thread(struct ft_trace *t, const struct ft_trace_thread *thread)
{
    const struct ft_defs_head *h = &thread->process->head;
    if (h->ended == 0 || h->end_signal != 0 || h->error != 0) {
        return;
    }
    if (thread->total == UINT64_MAX) {
        ft_trace_damaged(t, thread->process->name, "the end of a thread is not defined",
                         thread->process->bytes);
    }
    else if (thread->total > 0 && thread->nsegments == 0 && !(h->file.flags & FT_TRACE_RING)) {
        ft_trace_damaged(t, thread->process->name, "the events of a thread are missing",
                         thread->process->bytes);
    }
}

int
ft_trace_index_done(struct ft_trace *t)
{
    for (size_t i = 0; i < t->nthreads; i++) {
        struct ft_trace_thread *thread = &t->threads[i];
        if (thread->nsegments > 1) {
            qsort(thread->segments, thread->nsegments, sizeof(*thread->segments), by_order);
        }
        check_thread(t, thread);
        if (thread->name == NULL && (thread->name = strdup("?")) == NULL) {
            return ENOMEM;
        }
    }
    return 0;
}
