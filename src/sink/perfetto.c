/* A file is a sequence of packets: a length and fields, each a tag (number << 3 | kind) and a
 * varint or bytes. A slice is two packets, written when it begins and when it ends, so nothing
 * waits here. Field numbers are those of Perfetto's published .proto files. */
#include "sink/perfetto.h"

#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "sink/timeline.h"

enum {
    TRACE_PACKET = 1,

    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED = 12,
    PACKET_FLAGS = 13,
    PACKET_DESCRIPTOR = 60,

    FLAG_CLEARED = 1, /* nothing that was interned before holds */
    FLAG_NEEDED = 2,  /* what was interned before is used */

    EVENT_CATEGORY = 3,
    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_NAME = 10,
    EVENT_TRACK = 11,

    TYPE_BEGIN = 1,
    TYPE_END = 2,
    TYPE_INSTANT = 3,

    ANNOTATION_NAME = 1,
    ANNOTATION_UINT = 3,
    ANNOTATION_STRING = 6,
    ANNOTATION_INTERNED = 17,

    INTERNED_CATEGORY = 1,
    INTERNED_NAME = 2,
    INTERNED_KEY = 3,
    INTERNED_STRING = 29,
    INTERN_ID = 1,
    INTERN_TEXT = 2,

    DESCRIPTOR_UUID = 1,
    DESCRIPTOR_NAME = 2,
    DESCRIPTOR_PROCESS = 3,
    DESCRIPTOR_THREAD = 4,
    DESCRIPTOR_PARENT = 5,
    PROCESS_PID = 1,
    PROCESS_NAME = 6,
    THREAD_PID = 1,
    THREAD_TID = 2,
    THREAD_NAME = 5,
};

/* Interned once for all, by place: 1, 2, ... */
static const char *const categories[] = {"python", "c", "lost"};
enum category { CATEGORY_PYTHON = 1, CATEGORY_C, CATEGORY_LOST };

static const char *const keys[] = {"at",   "enter", "leave",     "activation", "from",
                                   "args", "value", "exception", "events"};
enum key {
    KEY_AT = 1,
    KEY_ENTER,
    KEY_LEAVE,
    KEY_ACTIVATION,
    KEY_FROM,
    KEY_ARGS,
    KEY_VALUE,
    KEY_EXCEPTION,
    KEY_EVENTS,
};

#define NAME_LOST 1 /* of events; a function's follow */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct perfetto {
    struct ft_timeline timeline; /* first */
    uint8_t *told; /* owned, by function id: it is interned */
    uint32_t ntold;
};

/* ---- the wire -------------------------------------------------------------------------------- */

static inline void
add_varint(struct ft_strbuf *b, uint64_t value)
{
    if (b->cap - b->len >= FT_VARINT_MAX || ft_strbuf_reserve(b, FT_VARINT_MAX)) {
        uint8_t *p = (uint8_t *)b->data + b->len;
        b->len += (size_t)(ft_varint_put(p, value) - p);
    }
}

static inline void
add_number(struct ft_strbuf *b, unsigned field, uint64_t value)
{
    add_varint(b, (uint64_t)field << 3);
    add_varint(b, value);
}

static void
add_text(struct ft_strbuf *b, unsigned field, struct ft_str s)
{
    add_varint(b, (uint64_t)field << 3 | 2);
    add_varint(b, s.len);
    ft_strbuf_add_str(b, s);
}

/* Gives the place for end_message(); its length, usually a byte, is not known yet. */
static inline size_t
begin_message(struct ft_strbuf *b, unsigned field)
{
    add_varint(b, (uint64_t)field << 3 | 2);
    add_varint(b, 0);
    return b->len;
}

static inline void
end_message(struct ft_strbuf *b, size_t at)
{
    uint8_t length[FT_VARINT_MAX];
    if (b->failed) {
        return;
    }
    size_t n = b->len - at, more = (size_t)(ft_varint_put(length, n) - length) - 1;
    if (more > 0) {
        if (!ft_strbuf_reserve(b, more)) {
            return;
        }
        memmove(b->data + at + more, b->data + at, n);
        b->len += more;
    }
    memcpy(b->data + at - 1, length, more + 1);
}

static inline size_t
begin_packet(struct ft_strbuf *b, unsigned flags)
{
    size_t at = begin_message(b, TRACE_PACKET);
    add_number(b, PACKET_SEQUENCE, 1);
    add_number(b, PACKET_FLAGS, flags);
    return at;
}

/* ---- what is interned ------------------------------------------------------------------------ */

static void
intern(struct ft_strbuf *b, unsigned field, uint64_t id, struct ft_str s)
{
    size_t at = begin_message(b, field);
    add_number(b, INTERN_ID, id);
    add_text(b, INTERN_TEXT, s);
    end_message(b, at);
}

static void
intern_all(struct ft_strbuf *b, unsigned field, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        intern(b, field, i + 1, (struct ft_str){texts[i], strlen(texts[i])});
    }
}

static bool
make_room(struct perfetto *p, uint32_t id)
{
    if (id < p->ntold) {
        return true;
    }
    uint32_t n = p->ntold ? p->ntold : 256;
    while (n <= id) {
        n *= 2;
    }
    uint8_t *told = realloc(p->told, n);
    if (told == NULL) {
        return false;
    }
    memset(told + p->ntold, 0, n - p->ntold);
    p->told = told;
    p->ntold = n;
    return true;
}

/* A function's name and place, at its first call: true. Their ids: that of the function + 2. */
static bool
intern_func(struct perfetto *p, const struct ft_func *f)
{
    struct ft_strbuf *b = &p->timeline.b, s;
    if (f->id < p->ntold && p->told[f->id]) {
        return false;
    }
    if (!make_room(p, f->id)) {
        b->failed = true;
        return false;
    }
    ft_strbuf_init(&s);
    size_t packet = begin_packet(b, FLAG_NEEDED), data = begin_message(b, PACKET_INTERNED);
    ft_timeline_add_name(&s, f);
    intern(b, INTERNED_NAME, f->id + 2ull, (struct ft_str){s.data, s.len});
    s.len = 0;
    ft_timeline_add_place(&s, f, f->line);
    if (s.len > 0) {
        intern(b, INTERNED_STRING, f->id + 2ull, (struct ft_str){s.data, s.len});
    }
    end_message(b, data);
    end_message(b, packet);
    b->failed |= s.failed;
    ft_strbuf_fini(&s);
    p->told[f->id] = true;
    return true;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void
note_number(struct ft_strbuf *b, enum key key, unsigned field, uint64_t value)
{
    size_t at = begin_message(b, EVENT_ANNOTATION);
    add_number(b, ANNOTATION_NAME, key);
    add_number(b, field, value);
    end_message(b, at);
}

static void
note_text(struct ft_strbuf *b, enum key key, struct ft_str s)
{
    if (s.s != NULL) {
        size_t at = begin_message(b, EVENT_ANNOTATION);
        add_number(b, ANNOTATION_NAME, key);
        add_text(b, ANNOTATION_STRING, s);
        end_message(b, at);
    }
}

static void
note_word(struct ft_strbuf *b, enum key key, const char *word)
{
    note_text(b, key, (struct ft_str){word, word ? strlen(word) : 0});
}

struct event {
    size_t packet, event;
};

static inline struct event
begin_event(struct ft_strbuf *b, uint64_t time, struct ft_track track, unsigned type)
{
    struct event e;
    e.packet = begin_packet(b, FLAG_NEEDED);
    add_number(b, PACKET_TIMESTAMP, time);
    e.event = begin_message(b, PACKET_TRACK_EVENT);
    add_number(b, EVENT_TYPE, type);
    add_number(b, EVENT_TRACK, track.number);
    return e;
}

static inline void
end_event(struct ft_strbuf *b, struct event e)
{
    end_message(b, e.event);
    end_message(b, e.packet);
}

static void
begin(struct ft_timeline *t, struct ft_timeline_open *o, const struct ft_call *call, bool before)
{
    const struct ft_func *f = call->func;
    struct ft_strbuf *b = &t->b;
    bool first = intern_func((struct perfetto *)t, f);
    struct event e = begin_event(b, o->since, o->track, TYPE_BEGIN);
    add_number(b, EVENT_CATEGORY, f->flags & FT_FUNC_C ? CATEGORY_C : CATEGORY_PYTHON);
    add_number(b, EVENT_NAME, f->id + 2ull);
    if (f->shown_path.len > 0) {
        note_number(b, KEY_AT, ANNOTATION_INTERNED, f->id + 2ull);
    }
    note_word(b, KEY_ENTER, ft_timeline_entered(call, before));
    if (call->activation != 0) {
        note_number(b, KEY_ACTIVATION, ANNOTATION_UINT, call->activation);
    }
    if (!before && call->caller != NULL) {
        struct ft_strbuf place;
        ft_strbuf_init(&place);
        ft_timeline_add_place(&place, call->caller, call->call_line);
        note_text(b, KEY_FROM, (struct ft_str){place.data, place.len});
        b->failed |= place.failed;
        ft_strbuf_fini(&place);
    }
    if (!before) {
        note_text(b, KEY_ARGS, call->args);
    }
    end_event(b, e);
    if (first && b->failed) { /* both are taken back */
        ((struct perfetto *)t)->told[f->id] = false;
    }
}

static void
end(struct ft_timeline *t, const struct ft_timeline_lane *lane, const struct ft_timeline_open *o,
    uint64_t now, const struct ft_call *call, bool whole)
{
    struct ft_strbuf *b = &t->b;
    (void)lane;
    struct event e = begin_event(b, now, o->track, TYPE_END);
    note_word(b, KEY_LEAVE, ft_timeline_left(call));
    if (whole && call != NULL) {
        bool raised = call->way == FT_UNWIND || call->way == FT_C_RAISE;
        note_text(b, raised ? KEY_EXCEPTION : KEY_VALUE, call->value);
    }
    end_event(b, e);
}

static void
lost(struct ft_timeline *t, const struct ft_timeline_lane *lane, uint64_t now, uint64_t n)
{
    struct event e = begin_event(&t->b, now, lane->track, TYPE_INSTANT);
    add_number(&t->b, EVENT_CATEGORY, CATEGORY_LOST);
    add_number(&t->b, EVENT_NAME, NAME_LOST);
    note_number(&t->b, KEY_EVENTS, ANNOTATION_UINT, n);
    end_event(&t->b, e);
}

/* ---- tracks ---------------------------------------------------------------------------------- */

static void
process(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_str name)
{
    struct ft_strbuf *b = &t->b;
    size_t packet = begin_packet(b, FLAG_NEEDED);
    size_t descriptor = begin_message(b, PACKET_DESCRIPTOR);
    add_number(b, DESCRIPTOR_UUID, lane->process);
    size_t at = begin_message(b, DESCRIPTOR_PROCESS);
    add_number(b, PROCESS_PID, lane->pid);
    add_text(b, PROCESS_NAME, name);
    end_message(b, at);
    end_message(b, descriptor);
    end_message(b, packet);
}

static void
add_track(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_track track,
          struct ft_str name, bool of_task)
{
    struct ft_strbuf *b = &t->b;
    size_t packet = begin_packet(b, FLAG_NEEDED);
    size_t descriptor = begin_message(b, PACKET_DESCRIPTOR);
    add_number(b, DESCRIPTOR_UUID, track.number);
    add_number(b, DESCRIPTOR_PARENT, of_task ? lane->track.number : lane->process);
    if (of_task) {
        add_text(b, DESCRIPTOR_NAME, name);
    }
    else {
        size_t at = begin_message(b, DESCRIPTOR_THREAD);
        add_number(b, THREAD_PID, lane->pid);
        add_number(b, THREAD_TID, track.tid);
        add_text(b, THREAD_NAME, name);
        end_message(b, at);
    }
    end_message(b, descriptor);
    end_message(b, packet);
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void
free_perfetto(struct ft_timeline *t)
{
    free(((struct perfetto *)t)->told);
    free(t);
}

static const struct ft_timeline_ops ops = {
    .process = process,
    .track = add_track,
    .begin = begin,
    .end = end,
    .lost = lost,
    .free = free_perfetto,
};

struct ft_sink *
ft_perfetto_new(struct ft_output *out)
{
    struct perfetto *p = calloc(1, sizeof(*p));
    if (p == NULL || !ft_timeline_init(&p->timeline, &ops, out)) {
        free(p);
        return NULL;
    }
    struct ft_strbuf *b = &p->timeline.b;
    size_t packet = begin_packet(b, FLAG_CLEARED), data = begin_message(b, PACKET_INTERNED);
    intern_all(b, INTERNED_CATEGORY, categories, COUNT(categories));
    intern_all(b, INTERNED_KEY, keys, COUNT(keys));
    intern(b, INTERNED_NAME, NAME_LOST, FT_STR("events lost"));
    end_message(b, data);
    end_message(b, packet);
    return &p->timeline.base;
}
