/* Segments and the files they lie in. A thread leases a file; each piece of it that was mapped
 * holds the segments of one thread after the other. A ring's file is mapped whole, and its oldest
 * segment is given up for the next. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/varint.h"
#include "sink/record_lane.h"

#define OPEN_CALL_MAX (5 + 2 * FT_VARINT_MAX)
#define HEAD_MAX(depth, name)                                                                      \
    (sizeof(struct ft_segment) + 3 * FT_VARINT_MAX                                                 \
     + ((depth) < FT_HEAD_CALLS ? (depth) : FT_HEAD_CALLS) * OPEN_CALL_MAX + FT_VARINT_MAX         \
     + (name))

static size_t
aligned(size_t n)
{
    return (n + FT_SEGMENT_ALIGN - 1) & ~(size_t)(FT_SEGMENT_ALIGN - 1);
}

/* ---- closing --------------------------------------------------------------------------------- */

uint64_t
ft_record_segment_events(const struct record_lane *lane)
{
    return lane->segment ? 2 * lane->starts + lane->segment->depth - lane->depth : 0;
}

/* `ended`: the next one begins right behind it. */
void
ft_record_segment_close(struct record_lane *lane, bool ended)
{
    struct ft_segment *s = lane->segment;
    if (s == NULL) {
        return;
    }
    s->used = (uint64_t)(lane->p - (uint8_t *)s);
    s->last = lane->last;
    s->starts = lane->starts;
    s->least_depth = lane->least;
    s->end_depth = lane->depth;
    if (ended && lane->file->space.map != NULL && !(s->flags & FT_SEGMENT_CLOSED)) {
        uint64_t size = aligned(s->used);
        if (size < s->size) {
            s->size = size;
        }
    }
    __atomic_store_n(&s->flags, s->flags | FT_SEGMENT_CLOSED, __ATOMIC_RELEASE);
    lane->before += ft_record_segment_events(lane);
    lane->calls += lane->starts;
    lane->file->at = (uint64_t)((uint8_t *)s - lane->file->space.map) + s->size;
    lane->segment = NULL;
    lane->p = lane->limit = lane->end = NULL;
    lane->starts = 0;
}

void
ft_record_stop(struct record *r, int error)
{
    if (r->error) {
        return;
    }
    r->error = error;
    r->head->error = (uint32_t)error;
    for (struct record_lane *lane = r->lanes; lane != NULL; lane = lane->after) {
        ft_record_segment_close(lane, false);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
fill_lane_head(const struct record *r, struct ft_space *space, uint64_t segment_size)
{
    struct ft_lane_head *h = (struct ft_lane_head *)(void *)space->map;
    h->file.version = FT_TRACE_VERSION;
    h->file.endian = FT_TRACE_ENDIAN;
    h->file.head_size = sizeof(*h);
    h->file.flags = r->ring ? FT_TRACE_RING : 0;
    h->pid = r->head->pid;
    h->segment_size = segment_size;
    memcpy(h->file.magic, FT_LANE_MAGIC, sizeof(h->file.magic));
}

static uint64_t
ring_segment_size(const struct record *r)
{
    return r->ring / FT_RING_SEGMENTS / FT_RING_START * FT_RING_START;
}

static struct record_file *
file_new(struct record *r, int *error)
{
    uint64_t segment = r->ring ? ring_segment_size(r) : 0;
    size_t len = r->ring ? FT_RING_START + segment * FT_RING_SEGMENTS : FT_LANE_FIRST;
    size_t room = strlen(r->folder) + sizeof(r->base_name) + 32;
    struct record_file *file = calloc(1, sizeof(*file));
    char *path = malloc(room);
    *error = ENOMEM;
    if (file != NULL && path != NULL) {
        snprintf(path, room, "%s/%s.%u%s", r->folder, r->base_name, r->nfiles++, FT_LANE_SUFFIX);
        *error =
            ft_record_take(r, len) ? ft_space_create(&file->space, path, len) : FT_STOP_MAX_SIZE;
    }
    free(path);
    if (*error) {
        free(file);
        return NULL;
    }
    file->ring = r->ring != 0;
    if (file->ring) {
        ft_space_slowly(&file->space);
    }
    file->at = r->ring ? FT_RING_START : sizeof(struct ft_lane_head);
    fill_lane_head(r, &file->space, segment);
    return file;
}

static struct record_file *
file_lease(struct record *r, int *error)
{
    struct record_file *file = r->files;
    if (file != NULL) {
        r->files = file->next;
        return file;
    }
    return file_new(r, error);
}

static void
file_free(struct record_file *file)
{
    if (!file->ring) {
        ft_space_close(&file->space, file->space.at + file->at);
    }
    else {
        ft_space_close_hole(&file->space, file->wrapped ? UINT64_MAX : file->at);
    }
    free(file);
}

void
ft_record_files_close(struct record *r)
{
    for (struct record_file *file = r->files, *next; file != NULL; file = next) {
        next = file->next;
        file_free(file);
    }
    r->files = NULL;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What a place of the ring holds is let go of. Its first segment goes first: without it the place
 * is empty to a reader, whatever stands behind. */
static void
empty_place(struct record *r, uint8_t *place, size_t len)
{
    uint64_t size;
    for (size_t at = 0; at + sizeof(struct ft_segment) <= len; at += size) {
        const struct ft_segment *old = (const struct ft_segment *)(const void *)(place + at);
        size = old->size;
        if (old->magic != FT_SEGMENT_MAGIC || size == 0 || size > len - at) {
            break;
        }
        r->head->dropped += 2 * old->starts + old->depth - old->end_depth;
    }
    __atomic_store_n((uint32_t *)(void *)place, 0, __ATOMIC_RELEASE);
    memset(place, 0, len);
}

/* What is left of the place by a thread that ended, or the next place of the ring, emptied. */
static uint8_t *
ring_next(struct record *r, struct record_file *file, size_t need, size_t *size)
{
    size_t len = ring_segment_size(r), within = (file->at - FT_RING_START) % len;
    if (within != 0 && within + need <= len) {
        *size = len - within;
        return file->space.map + file->at;
    }
    file->at += within != 0 ? len - within : 0;
    if (file->at + len > file->space.len) {
        file->at = FT_RING_START;
        file->wrapped = true;
    }
    *size = len;
    if (file->wrapped) {                 /* else it is zeros, which none of its pages holds yet */
        empty_place(r, file->space.map + file->at, len);
    }
    return file->space.map + file->at;
}

/* What is left of the piece, or a new one. */
static uint8_t *
piece_next(struct record *r, struct record_file *file, size_t need, size_t *size, int *error)
{
    struct ft_space *space = &file->space;
    if (file->at + need > space->len) {
        if (file->last != NULL) { /* no gap that a reader would stop at */
            file->last->size = (uint64_t)(space->map + space->len - (uint8_t *)file->last);
            file->last = NULL;
            file->at = space->len;
        }
        size_t len = space->len * 2 < FT_LANE_MOST ? space->len * 2 : FT_LANE_MOST;
        *error = ft_record_take(r, len) ? ft_space_next(space, len) : FT_STOP_MAX_SIZE;
        if (*error) {
            return NULL;
        }
        file->at = 0;
    }
    *size = space->len - file->at;
    return space->map + file->at;
}

/* The innermost calls that are open, innermost first. */
struct open_calls {
    uint32_t n;
    struct ft_open_call calls[FT_HEAD_CALLS];
};

/* In a forked child nothing is defined yet. */
static bool
find_open_calls(struct record *r, const struct record_lane *lane, bool leaving,
                struct open_calls *open)
{
    uint32_t most = lane->depth < FT_HEAD_CALLS ? lane->depth : FT_HEAD_CALLS;
    open->n = lane->info.open_calls(lane->info.thread, lane, leaving, open->calls, most);
    for (uint32_t i = 0; i < open->n; i++) {
        if (!ft_record_define_func(r, open->calls[i].func)) {
            return false;
        }
    }
    return true;
}

static uint8_t *
put_open_calls(const struct record *r, const struct record_lane *lane,
               const struct open_calls *open, uint8_t *p, uint64_t now)
{
    p = ft_varint_put(p, open->n);
    for (uint32_t i = open->n; i-- > 0;) {
        const struct ft_open_call *call = &open->calls[i];
        uint64_t since = call->time >> r->shift;
        p = ft_varint_put(p, call->func->id);
        p = ft_varint_put(p, now > since ? now - since : 0);
        p = ft_varint_put(p, call->activation);
    }
    p = ft_varint_put(p, lane->task);
    if (lane->task != 0) {
        p = ft_varint_put(p, lane->task_depth);
        p = ft_varint_put(p, lane->task_name.len);
        memcpy(p, lane->task_name.data, lane->task_name.len);
        p += lane->task_name.len;
    }
    return p;
}

static void
segment_begin(const struct record *r, struct record_lane *lane, const struct open_calls *open,
              uint8_t *at, size_t size, uint64_t now)
{
    struct ft_segment *s = (struct ft_segment *)(void *)at;
    s->flags = lane->forked ? FT_SEGMENT_FORK : 0;
    s->size = size;
    s->used = 0;
    s->thread = lane->info.serial;
    s->first = now;
    s->before = lane->before;
    s->depth = lane->depth;
    s->anchor = ft_record_anchor();
    uint8_t *p = put_open_calls(r, lane, open, at + sizeof(*s), now);
    __atomic_store_n(&s->magic, FT_SEGMENT_MAGIC, __ATOMIC_RELEASE);
    lane->segment = lane->file->last = s;
    lane->p = p;
    lane->end = at + size;
    lane->limit = lane->end - HOT_ROOM;
    lane->last = now;
    lane->starts = 0;
    lane->least = lane->depth;
    ft_record_set_brake(lane);
    lane->unlisted = lane->depth - open->n;
    lane->forked = false;
    ft_record_forget_likely(lane);
}

bool
ft_record_room(struct record *r, struct record_lane *lane, size_t need, uint64_t now, bool leaving)
{
    int error = 0;
    struct open_calls open;
    need += HOT_ROOM;
    if (r->error) {
        return false;
    }
    if (lane->segment != NULL && lane->p + need <= lane->end) {
        return true;
    }
    if (now < lane->last) {
        now = lane->last;
    }
    ft_record_segment_close(lane, false);
    if (!lane->described) {
        if (!ft_record_define_thread(r, lane)) {
            return false;
        }
        lane->described = true;
    }
    if (!find_open_calls(r, lane, leaving, &open)) {
        return false;
    }
    if (lane->file == NULL && (lane->file = file_lease(r, &error)) == NULL) {
        ft_record_stop(r, error);
        return false;
    }
    size_t size, whole = HEAD_MAX(lane->depth, lane->task_name.len) + need;
    uint8_t *at = r->ring ? ring_next(r, lane->file, whole, &size)
                          : piece_next(r, lane->file, whole, &size, &error);
    if (at == NULL) {
        ft_record_stop(r, error);
        return false;
    }
    segment_begin(r, lane, &open, at, size, now);
    return true;
}

/* ---- the end of a thread --------------------------------------------------------------------- */

void
ft_record_lane_free(struct record_lane *lane)
{
    free((char *)lane->info.name.s);
    ft_strbuf_fini(&lane->task_name);
    ft_strbuf_fini(&lane->raised);
    free(lane->watches);
    free(lane);
}

void
ft_record_lane_rest(struct record *r, struct record_lane *lane)
{
    ft_record_segment_close(lane, true);
    if (lane->file != NULL) {
        lane->file->next = r->files;
        r->files = lane->file;
        lane->file = NULL;
    }
}

void
ft_record_lane_close(struct record *r, struct record_lane *lane)
{
    ft_record_lane_rest(r, lane);
    if (lane->described) {
        ft_record_define_thread_end(r, lane);
    }
    r->ended_calls += lane->calls - lane->resumes;
}

void
ft_record_lane_end(struct record *r, struct record_lane *lane)
{
    ft_record_lane_close(r, lane);
    if (r->flight != NULL) {
        r->flight->ended_entries += lane->calls - lane->throws;
    }
    struct record_lane **at = &r->lanes;
    while (*at != lane) {
        at = &(*at)->after;
    }
    *at = lane->after;
    ft_record_lane_free(lane);
}

void
ft_record_lane_forget(struct record_lane *lane)
{
    if (lane->file != NULL) {
        ft_space_forget(&lane->file->space);
        free(lane->file);
        lane->file = NULL;
    }
    lane->segment = NULL;
    lane->p = lane->limit = lane->end = NULL;
    lane->starts = 0;
    lane->before = lane->calls = lane->resumes = lane->throws = lane->lost = 0;
    lane->described = false;
    lane->forked = true;
}
