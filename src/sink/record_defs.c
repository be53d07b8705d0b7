/* The definitions of one process: what the ids in its lanes mean. Each is on its way to the disk
 * before the first event that needs it. The head stays mapped for good: counts that must survive
 * the process are kept in it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/varint.h"
#include "sink/record_lane.h"

#define NAME_TRIES 1000
_Static_assert(FT_FUNC_TEXT_MAX == FT_NAME_MAX, "live and recorded names are cut alike");

#define SKIP_ROOM 8                      /* left at the end of a piece for FT_DEF_SKIP */

/* ---- building -------------------------------------------------------------------------------- */

void
ft_record_add_number(struct ft_strbuf *b, uint64_t value)
{
    uint8_t bytes[FT_VARINT_MAX];
    ft_strbuf_add(b, (const char *)bytes, (size_t)(ft_varint_put(bytes, value) - bytes));
}

void
ft_record_add_text(struct ft_strbuf *b, struct ft_str s, size_t most)
{
    s = ft_str_cut(s, most);
    ft_record_add_number(b, s.len);
    ft_strbuf_add_str(b, s);
}

struct ft_anchor
ft_record_anchor(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct ft_anchor){ft_clock_ticks(), ft_clock_monotonic_ns(),
                              (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec};
}

bool
ft_record_take(struct record *r, uint64_t bytes)
{
    uint64_t before = __atomic_fetch_add(&r->run->reserved, bytes, __ATOMIC_RELAXED);
    if (r->run->max_size == 0 || before + bytes <= r->run->max_size) {
        return true;
    }
    __atomic_fetch_sub(&r->run->reserved, bytes, __ATOMIC_RELAXED);
    return false;
}

/* Written to the one that is not in use, which is then made the one in use. */
static void
update_anchor(struct record *r)
{
    uint32_t other = !r->head->anchor_at;
    r->head->last[other] = ft_record_anchor();
    __atomic_store_n(&r->head->anchor_at, other, __ATOMIC_RELEASE);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void
fill_head(struct record *r)
{
    struct ft_defs_head *h = (struct ft_defs_head *)(void *)r->first.map;
    h->file.version = FT_TRACE_VERSION;
    h->file.endian = FT_TRACE_ENDIAN;
    h->file.head_size = sizeof(*h);
    h->file.flags = (ft_clock.counter ? FT_TRACE_COUNTER : 0) | (r->forked ? FT_TRACE_FORKED : 0)
                    | (r->interpreter ? FT_TRACE_SUBINTERP : 0) | (r->ring ? FT_TRACE_RING : 0)
                    | (r->first.promised ? 0 : FT_TRACE_PREWRITTEN);
    memcpy(h->run, r->run->id, sizeof(h->run));
    h->pid = r->pid;
    h->parent = (uint64_t)getppid();
    h->interpreter = r->interpreter;
    h->shift = r->shift;
    h->first = h->last[0] = ft_record_anchor();
    memcpy(h->file.magic, FT_DEFS_MAGIC, sizeof(h->file.magic));
    r->head = h;
}

int
ft_record_defs_open(struct record *r)
{
    int error = EEXIST;
    r->pid = (uint64_t)getpid();
    size_t len = strlen(r->folder) + sizeof(r->base_name) + sizeof(FT_DEFS_SUFFIX) + 2;
    char *path = malloc(len);
    if (path == NULL) {
        return ENOMEM;
    }
    if (!ft_record_take(r, FT_DEFS_FIRST)) {
        free(path);
        return FT_STOP_MAX_SIZE;
    }
    /* One pid may have several: after exec, in sub-interpreters, and when pids come round. */
    for (int i = 0; i < NAME_TRIES && error == EEXIST; i++) {
        snprintf(r->base_name, sizeof(r->base_name), "%llu-%llx", (unsigned long long)r->pid,
                 (unsigned long long)(ft_clock_monotonic_ns() + (uint64_t)i));
        snprintf(path, len, "%s/%s%s", r->folder, r->base_name, FT_DEFS_SUFFIX);
        error = ft_space_create(&r->first, path, FT_DEFS_FIRST);
    }
    free(path);
    if (error) {
        return error;
    }
    fill_head(r);
    r->in_first = true;
    r->defs_at = sizeof(struct ft_defs_head);
    memcpy(r->first.map + r->defs_at, r->facts.data ? r->facts.data : "", r->facts.len);
    r->defs_at += r->facts.len;
    return 0;
}

void
ft_record_defs_close(struct record *r)
{
    if (r->head == &r->nowhere) {
        return;
    }
    update_anchor(r);
    r->head->ended = ft_clock_monotonic_ns();
    /* Where the next piece could not be had, all of the last one is in use. */
    bool whole = !r->in_first && r->more.map == NULL;
    uint64_t used = r->in_first ? r->defs_at : r->more.at + (whole ? r->more.len : r->defs_at);
    r->nowhere = *r->head;
    r->head = &r->nowhere;
    if (r->in_first) {
        ft_space_close(&r->first, used);
        return;
    }
    free(r->more.path);
    r->more.path = r->first.path;
    r->first.path = NULL;
    ft_space_forget(&r->first);
    ft_space_close(&r->more, used);
}

/* ---- definitions ----------------------------------------------------------------------------- */

static uint8_t *
piece(struct record *r, size_t *len)
{
    const struct ft_space *s = r->in_first ? &r->first : &r->more;
    *len = s->len;
    return s->map;
}

static bool
next_piece(struct record *r)
{
    size_t len;
    uint8_t *at = piece(r, &len) + r->defs_at;
    size_t next = len * 2 < FT_DEFS_MOST ? len * 2 : FT_DEFS_MOST;
    size_t rest = len - r->defs_at;
    if (!ft_record_take(r, next)) {
        ft_record_stop(r, FT_STOP_MAX_SIZE);
        return false;
    }
    size_t body = rest - 4; /* a length of three bytes, needed or not */
    at[1] = (uint8_t)body | 0x80;
    at[2] = (uint8_t)(body >> 7) | 0x80;
    at[3] = (uint8_t)(body >> 14);
    __atomic_store_n(at, FT_DEF_SKIP, __ATOMIC_RELEASE);
    if (r->in_first) {
        r->more = r->first;
        r->more.map = NULL;
        r->more.path = strdup(r->first.path);
        r->in_first = false;
    }
    int error = r->more.path ? ft_space_next(&r->more, next) : ENOMEM;
    r->defs_at = 0;
    if (error) {
        ft_record_stop(r, error);
        return false;
    }
    return true;
}

bool
ft_record_define(struct record *r, enum ft_def_kind kind, const struct ft_strbuf *body)
{
    if (r->error) {
        return false;
    }
    if (body->failed) {
        ft_record_stop(r, ENOMEM);
        return false;
    }
    size_t len, need = 1 + FT_VARINT_MAX + body->len + SKIP_ROOM;
    uint8_t *map = piece(r, &len);
    if (r->defs_at + need > len) {
        if (!next_piece(r)) {
            return false;
        }
        map = piece(r, &len);
    }
    uint8_t *at = map + r->defs_at;
    uint8_t *p = ft_varint_put(at + 1, body->len);
    memcpy(p, body->data, body->len);
    __atomic_store_n(at, (uint8_t)kind, __ATOMIC_RELEASE);
    r->defs_at += (size_t)(p - at) + body->len;
    update_anchor(r);
    return true;
}

static bool
make_known(struct record *r, uint32_t id)
{
    uint32_t cap = r->nknown ? r->nknown : 256;
    while (cap <= id) {
        cap *= 2;
    }
    uint8_t *known = calloc(cap, 1);
    const struct ft_func **funcs = calloc(cap, sizeof(*funcs));
    if (known == NULL || funcs == NULL) {
        free(known);
        free(funcs);
        return false;
    }
    if (r->nknown > 0) {
        memcpy(known, r->known, r->nknown);
        memcpy(funcs, r->funcs, r->nknown * sizeof(*funcs));
    }
    free(r->known);
    free(r->funcs);
    r->known = known;
    r->funcs = funcs;
    r->nknown = cap;
    return true;
}

bool
ft_record_define_func(struct record *r, const struct ft_func *func)
{
    if (func->id < r->nknown && r->known[func->id]) {
        return true;
    }
    if (func->id >= r->nknown && !make_known(r, func->id)) {
        ft_record_stop(r, ENOMEM);
        return false;
    }
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_record_add_number(&b, func->id);
    ft_record_add_number(&b, func->flags);
    ft_record_add_number(&b, func->line);
    ft_record_add_number(&b, func->column);
    ft_record_add_text(&b, func->name, FT_NAME_MAX);
    ft_record_add_text(&b, func->module, FT_NAME_MAX);
    ft_record_add_text(&b, func->file, FT_NAME_MAX);
    bool written = ft_record_define(r, FT_DEF_FUNC, &b);
    ft_strbuf_fini(&b);
    if (written) {
        r->known[func->id] = KNOWN_DEFINED | ft_record_watched(r, func);
        if (r->funcs[func->id] == NULL) {
            r->funcs[func->id] = ft_func_ref(func);
        }
    }
    return written;
}

bool
ft_record_define_thread(struct record *r, const struct record_lane *lane)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_record_add_number(&b, lane->info.serial);
    ft_record_add_number(&b, lane->info.native_id);
    ft_record_add_text(&b, lane->info.name, FT_NAME_MAX);
    bool written = ft_record_define(r, FT_DEF_THREAD, &b);
    ft_strbuf_fini(&b);
    return written;
}

bool
ft_record_define_thread_end(struct record *r, const struct record_lane *lane)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_record_add_number(&b, lane->info.serial);
    ft_record_add_number(&b, lane->before + lane->lost);
    bool written = ft_record_define(r, FT_DEF_THREAD_END, &b);
    ft_strbuf_fini(&b);
    return written;
}
