/* An object is written when its call ends; until then the texts of its beginning wait with it. What
 * does not change from call to call is made once a function. */
#include "sink/chrome.h"

#include <stdlib.h>
#include <string.h>

#include "sink/timeline.h"

struct text {
    char *data; /* owned; NULL: not made */
    uint32_t head, len; /* up to `head` what opens the object, behind it what opens its args */
};

struct chrome {
    struct ft_timeline timeline; /* first */
    struct text *funcs; /* owned, by id */
    uint32_t nfuncs;
    struct ft_strbuf where; /* "pid":1,"tid":2,"ts": of the track that was used last */
    uint32_t where_of; /* its number; 0: none */
};

/* ---- pieces: each member of an object ends in a comma, the last is taken back ---------------- */

static void
add_key(struct ft_strbuf *b, const char *key)
{
    ft_strbuf_add_char(b, '"');
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add(b, "\":", 2);
}

static void
add_text(struct ft_strbuf *b, const char *key, struct ft_str s)
{
    if (s.s != NULL) {
        add_key(b, key);
        ft_strbuf_add_json(b, s, true);
        ft_strbuf_add_char(b, ',');
    }
}

static void
add_word(struct ft_strbuf *b, const char *key, const char *word)
{
    add_text(b, key, (struct ft_str){word, word ? strlen(word) : 0});
}

static void
add_number(struct ft_strbuf *b, const char *key, uint64_t value)
{
    add_key(b, key);
    ft_strbuf_add_u64(b, value);
    ft_strbuf_add_char(b, ',');
}

/* Microseconds, all of the ns, and a comma. */
static void
add_time(struct ft_strbuf *b, uint64_t ns)
{
    char digits[32];
    size_t at = sizeof(digits);
    digits[--at] = ',';
    for (int i = 0; i < 4 || ns > 0; i++, ns /= 10) {
        if (i == 3) {
            digits[--at] = '.';
        }
        digits[--at] = (char)('0' + ns % 10);
    }
    ft_strbuf_add(b, digits + at, sizeof(digits) - at);
}

static void
end_object(struct ft_strbuf *b)
{
    if (b->len > 0 && b->data[b->len - 1] == ',') {
        b->len--;
    }
    ft_strbuf_add_char(b, '}');
}

/* Objects are parted by commas. */
static void
begin_object(struct ft_strbuf *b)
{
    bool first = b->len > 0 && b->data[b->len - 1] == '[';
    ft_strbuf_add_cstr(b, first ? "\n" : ",\n");
}

static void
add_track(struct ft_strbuf *b, const struct ft_timeline_lane *lane, struct ft_track track)
{
    add_number(b, "pid", lane->pid);
    add_number(b, "tid", track.tid);
}

/* As add_track(), and the key of the time: made once as long as calls stay on a track. */
static void
add_where(struct chrome *c, const struct ft_timeline_lane *lane, struct ft_track track)
{
    if (c->where_of != track.number) {
        ft_strbuf_clear(&c->where);
        add_track(&c->where, lane, track);
        add_key(&c->where, "ts");
        c->where_of = c->where.failed ? 0 : track.number;
        c->timeline.b.failed |= c->where.failed;
    }
    ft_strbuf_add(&c->timeline.b, c->where.data, c->where.len);
}

/* ---- functions ------------------------------------------------------------------------------- */

static bool
make_func(struct text *text, const struct ft_func *f)
{
    struct ft_strbuf b, s;
    ft_strbuf_init(&b);
    ft_strbuf_init(&s);
    ft_timeline_add_name(&s, f);
    add_text(&b, "name", (struct ft_str){s.data ? s.data : "", s.len});
    add_word(&b, "cat", f->flags & FT_FUNC_C ? "c" : "python");
    text->head = (uint32_t)b.len;
    ft_strbuf_add_cstr(&b, "\"args\":{");
    bool failed = s.failed;
    ft_strbuf_clear(&s);
    ft_timeline_add_place(&s, f, f->line);
    if (s.len > 0) {
        add_text(&b, "at", (struct ft_str){s.data, s.len});
    }
    failed |= s.failed || b.failed;
    ft_strbuf_fini(&s);
    if (failed) {
        ft_strbuf_fini(&b);
        return false;
    }
    text->data = b.data;
    text->len = (uint32_t)b.len;
    return true;
}

/* NULL: no memory. */
static const struct text *
func_text(struct chrome *c, const struct ft_func *f)
{
    if (f->id >= c->nfuncs) {
        uint32_t n = c->nfuncs ? c->nfuncs : 256;
        while (n <= f->id) {
            n *= 2;
        }
        struct text *funcs = realloc(c->funcs, n * sizeof(*funcs));
        if (funcs == NULL) {
            return NULL;
        }
        memset(funcs + c->nfuncs, 0, (n - c->nfuncs) * sizeof(*funcs));
        c->funcs = funcs;
        c->nfuncs = n;
    }
    struct text *text = &c->funcs[f->id];
    return text->data != NULL || make_func(text, f) ? text : NULL;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* What an ordinary call has none of is kept until it is written. */
static void
begin(struct ft_timeline *t, struct ft_timeline_open *o, const struct ft_call *call, bool before)
{
    const char *entered = ft_timeline_entered(call, before);
    if (entered == NULL && call->caller == NULL && call->args.s == NULL) {
        return;
    }
    struct ft_strbuf b, place;
    ft_strbuf_init(&b);
    ft_strbuf_init(&place);
    add_word(&b, "enter", entered);
    if (call->activation != 0) {
        add_number(&b, "activation", call->activation);
    }
    if (!before && call->caller != NULL) {
        ft_timeline_add_place(&place, call->caller, call->call_line);
        add_text(&b, "from", (struct ft_str){place.data, place.len});
    }
    if (!before) {
        add_text(&b, "args", call->args);
    }
    t->b.failed |= b.failed || place.failed;
    ft_strbuf_fini(&place);
    o->text = b.data;
    o->text_len = (uint32_t)b.len;
}

/* `phase` is what makes the object; the caller ends it. False: no memory. */
static bool
begin_call(struct chrome *c, const char *phase, const struct ft_timeline_lane *lane,
           const struct ft_timeline_open *o)
{
    struct ft_strbuf *b = &c->timeline.b;
    const struct text *func = func_text(c, o->func);
    if (func == NULL) {
        b->failed = true;
        return false;
    }
    begin_object(b);
    ft_strbuf_add_cstr(b, phase);
    ft_strbuf_add(b, func->data, func->head);
    add_where(c, lane, o->track);
    add_time(b, o->since);
    return true;
}

static void
begin_args(struct chrome *c, const struct ft_timeline_open *o, bool whole)
{
    const struct text *func = &c->funcs[o->func->id];
    ft_strbuf_add(&c->timeline.b, func->data + func->head, func->len - func->head);
    if (whole) {
        ft_strbuf_add(&c->timeline.b, o->text, o->text_len);
    }
}

static void
end(struct ft_timeline *t, const struct ft_timeline_lane *lane, const struct ft_timeline_open *o,
    uint64_t now, const struct ft_call *call, bool whole)
{
    struct ft_strbuf *b = &t->b;
    struct chrome *c = (struct chrome *)t;
    if (call == NULL) {
        begin_object(b);
        ft_strbuf_add_cstr(b, "{\"ph\":\"E\",");
        add_where(c, lane, o->track);
        add_time(b, now);
        end_object(b);
        return;
    }
    if (!begin_call(c, "{\"ph\":\"X\",", lane, o)) {
        return;
    }
    ft_strbuf_add(b, "\"dur\":", 6);
    add_time(b, now - o->since);
    begin_args(c, o, whole);
    add_word(b, "leave", ft_timeline_left(call));
    if (whole) {
        bool raised = call->way == FT_UNWIND || call->way == FT_C_RAISE;
        add_text(b, raised ? "exception" : "value", call->value);
    }
    end_object(b);
    ft_strbuf_add_char(b, '}');
}

/* As a pair: the innermost may have begun at the last known time, and where such a slice of no
 * length lies, at the end of its caller's, only the order of a pair can tell. */
static void
unfinished(struct ft_timeline *t, const struct ft_timeline_lane *lane,
           const struct ft_timeline_open *o)
{
    struct chrome *c = (struct chrome *)t;
    if (begin_call(c, "{\"ph\":\"B\",", lane, o)) {
        begin_args(c, o, true);
        add_word(&t->b, "leave", ft_timeline_left(NULL));
        end_object(&t->b);
        ft_strbuf_add_char(&t->b, '}');
    }
}

static void
lost(struct ft_timeline *t, const struct ft_timeline_lane *lane, uint64_t now, uint64_t n)
{
    struct ft_strbuf *b = &t->b;
    begin_object(b);
    ft_strbuf_add_cstr(b, "{\"ph\":\"i\",\"s\":\"t\",\"name\":\"events lost\",\"cat\":\"lost\",");
    add_where((struct chrome *)t, lane, lane->track);
    add_time(b, now);
    ft_strbuf_add_cstr(b, "\"args\":{\"events\":");
    ft_strbuf_add_u64(b, n);
    ft_strbuf_add_cstr(b, "}}");
}

/* ---- tracks ---------------------------------------------------------------------------------- */

/* Metadata: what viewers call a process, a thread, and where they put it. */
static void
add_meta(struct ft_strbuf *b, const char *what, const struct ft_timeline_lane *lane,
         struct ft_track track)
{
    begin_object(b);
    ft_strbuf_add_cstr(b, "{\"ph\":\"M\",");
    add_word(b, "name", what);
    add_track(b, lane, track);
    ft_strbuf_add_cstr(b, "\"args\":{");
}

static void
process(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_str name)
{
    add_meta(&t->b, "process_name", lane, lane->track);
    add_text(&t->b, "name", name);
    end_object(&t->b);
    ft_strbuf_add_char(&t->b, '}');
}

static void
add_thread(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_track track,
           struct ft_str name, bool of_task)
{
    (void)of_task;
    add_meta(&t->b, "thread_name", lane, track);
    add_text(&t->b, "name", name);
    end_object(&t->b);
    ft_strbuf_add_char(&t->b, '}');
    add_meta(&t->b, "thread_sort_index", lane, track);
    add_number(&t->b, "sort_index", track.number);
    end_object(&t->b);
    ft_strbuf_add_char(&t->b, '}');
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void
finish(struct ft_timeline *t)
{
    ft_strbuf_add_cstr(&t->b, "\n]}\n");
}

static void
free_chrome(struct ft_timeline *t)
{
    struct chrome *c = (struct chrome *)t;
    for (uint32_t id = 0; id < c->nfuncs; id++) {
        free(c->funcs[id].data);
    }
    free(c->funcs);
    ft_strbuf_fini(&c->where);
    free(c);
}

static const struct ft_timeline_ops ops = {
    .process = process,
    .track = add_thread,
    .begin = begin,
    .end = end,
    .unfinished = unfinished,
    .lost = lost,
    .finish = finish,
    .free = free_chrome,
};

struct ft_sink *
ft_chrome_new(struct ft_output *out)
{
    struct chrome *c = calloc(1, sizeof(*c));
    if (c == NULL || !ft_timeline_init(&c->timeline, &ops, out)) {
        free(c);
        return NULL;
    }
    ft_strbuf_add_cstr(&c->timeline.b, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    return &c->timeline.base;
}
