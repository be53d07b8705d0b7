/* What does not change from event to event, the thread's part and the function's, is made once. */
#include "sink/dump.h"

#include <stdlib.h>
#include <string.h>

#define FLUSH_AT (1 << 15)

struct lane {
    struct ft_strbuf head;               /* the thread's part */
};

struct dump {
    struct ft_sink base;                 /* first */
    struct ft_output *out;               /* borrowed */
    struct ft_strbuf b;
    struct ft_str *funcs; /* owned: the functions' parts by id */
    uint32_t nfuncs;
    const struct form *form;
};

/* How a line is made. */
struct form {
    const char *first;                   /* line */
    const char *end;                     /* of each line */
    void (*head)(struct ft_strbuf *b, const struct ft_thread_info *info);
    void (*func)(struct ft_strbuf *b, const struct ft_func *f);
    void (*add)(struct dump *d, const struct lane *lane, const struct ft_call *call);
    void (*lost)(struct dump *d, const struct lane *lane, uint64_t n);
};

static const char *const events[] = {
    [FT_START] = "start",   [FT_RESUME] = "resume",     [FT_THROW] = "throw",
    [FT_C_CALL] = "c_call", [FT_RETURN] = "return",     [FT_YIELD] = "yield",
    [FT_UNWIND] = "unwind", [FT_C_RETURN] = "c_return", [FT_C_RAISE] = "c_raise",
    [FT_LEFT] = "left",
};

const char *
ft_dump_event(enum ft_way way)
{
    return events[way];
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool
make_func(struct dump *d, const struct ft_func *f)
{
    if (f->id >= d->nfuncs) {
        uint32_t n = d->nfuncs ? d->nfuncs : 256;
        while (n <= f->id) {
            n *= 2;
        }
        struct ft_str *funcs = realloc(d->funcs, n * sizeof(*funcs));
        if (funcs == NULL) {
            return false;
        }
        memset(funcs + d->nfuncs, 0, (n - d->nfuncs) * sizeof(*funcs));
        d->funcs = funcs;
        d->nfuncs = n;
    }
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    d->form->func(&b, f);
    if (b.failed) {
        ft_strbuf_fini(&b);
        return false;
    }
    d->funcs[f->id] = (struct ft_str){b.data, b.len};
    return true;
}

static void
add_func(struct dump *d, const struct ft_func *f)
{
    if ((f->id < d->nfuncs && d->funcs[f->id].s != NULL) || make_func(d, f)) {
        ft_strbuf_add_str(&d->b, d->funcs[f->id]);
    }
    else {
        d->b.failed = true; /* no line rather than one without its function */
    }
}

static void
add_head(struct dump *d, const struct lane *lane)
{
    ft_strbuf_add_str(&d->b, (struct ft_str){lane->head.data, lane->head.len});
    d->b.failed |= lane->head.failed;
}

static void
send(struct dump *d)
{
    if (d->b.failed) {
        d->out->lost_lines++;
    }
    else if (d->b.len > 0) {
        d->out->write(d->out, (struct ft_str){d->b.data, d->b.len});
    }
    ft_strbuf_clear(&d->b);
}

static void
end(struct dump *d)
{
    ft_strbuf_add_cstr(&d->b, d->form->end);
    if (d->b.len >= FLUSH_AT) {
        send(d);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void
add_text(struct ft_strbuf *b, const char *key, struct ft_str s)
{
    ft_strbuf_add_cstr(b, ",\"");
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add_cstr(b, "\":");
    ft_strbuf_add_json(b, s, true);
}

static void
add_number(struct ft_strbuf *b, const char *key, uint64_t value)
{
    ft_strbuf_add_cstr(b, ",\"");
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add_cstr(b, "\":");
    ft_strbuf_add_u64(b, value);
}

static void
head_json(struct ft_strbuf *b, const struct ft_thread_info *info)
{
    add_number(b, "pid", info->pid);
    add_number(b, "tid", info->native_id);
    add_number(b, "thread", info->serial);
    add_text(b, "thread_name", info->name);
}

static void
func_json(struct ft_strbuf *b, const struct ft_func *f)
{
    add_text(b, "function", f->name);
    add_text(b, "module", f->module);
    add_text(b, "file", f->file);
    add_number(b, "line", f->line);
}

static void
begin_json(struct dump *d, const struct lane *lane, uint64_t time)
{
    ft_strbuf_add_cstr(&d->b, "{\"t\":");
    ft_strbuf_add_u64(&d->b, time);
    add_head(d, lane);
}

static void
add_json(struct dump *d, const struct lane *lane, const struct ft_call *call)
{
    struct ft_strbuf *b = &d->b;
    begin_json(d, lane, call->time);
    add_number(b, "depth", call->depth);
    ft_strbuf_add_cstr(b, ",\"event\":\"");
    ft_strbuf_add_cstr(b, events[call->way]);
    ft_strbuf_add_char(b, '"');
    add_func(d, call->func);
    if (call->activation != 0) {
        add_number(b, "activation", call->activation);
    }
    if (call->task != NULL) {
        add_text(b, "task", call->task->name);
    }
    if (call->caller != NULL) {
        add_number(b, "call_line", call->call_line);
        add_text(b, "call_file", call->caller->file);
    }
    if (call->args.s != NULL) {
        add_text(b, "args", call->args);
    }
    if (call->value.s != NULL) {
        add_text(b, call->way == FT_UNWIND ? "exception" : "value", call->value);
    }
}

static void
lost_json(struct dump *d, const struct lane *lane, uint64_t n)
{
    begin_json(d, lane, d->base.now);
    ft_strbuf_add_cstr(&d->b, ",\"event\":\"lost\"");
    add_number(&d->b, "count", n);
}

/* ---- raw ------------------------------------------------------------------------------------- */

static void
head_raw(struct ft_strbuf *b, const struct ft_thread_info *info)
{
    ft_strbuf_add_u64(b, info->pid);
    ft_strbuf_add_char(b, '/');
    ft_strbuf_add_u64(b, info->native_id);
}

static void
func_raw(struct ft_strbuf *b, const struct ft_func *f)
{
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_printable(b, f->name);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_printable(b, f->file.len > 0 ? f->file : f->module);
    ft_strbuf_add_char(b, ':');
    ft_strbuf_add_u64(b, f->line);
}

static void
begin_raw(struct dump *d, const struct lane *lane, uint64_t time)
{
    ft_strbuf_add_seconds(&d->b, time, 9);
    ft_strbuf_add_char(&d->b, ' ');
    add_head(d, lane);
    ft_strbuf_add_char(&d->b, ' ');
}

static void
add_field(struct ft_strbuf *b, const char *key, struct ft_str s)
{
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add_printable(b, s);
}

static void
add_raw(struct dump *d, const struct lane *lane, const struct ft_call *call)
{
    struct ft_strbuf *b = &d->b;
    begin_raw(d, lane, call->time);
    ft_strbuf_add_u64(b, call->depth);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_cstr(b, events[call->way]);
    add_func(d, call->func);
    if (call->activation != 0) {
        ft_strbuf_add_cstr(b, " activation=");
        ft_strbuf_add_u64(b, call->activation);
    }
    if (call->task != NULL) {
        add_field(b, " task=", call->task->name);
    }
    if (call->caller != NULL) {
        add_field(b, " from=", call->caller->file);
        ft_strbuf_add_char(b, ':');
        ft_strbuf_add_u64(b, call->call_line);
    }
    if (call->args.s != NULL) {
        add_field(b, " (", call->args);
        ft_strbuf_add_char(b, ')');
    }
    if (call->value.s != NULL) {
        add_field(b, " -> ", call->value);
    }
}

static void
lost_raw(struct dump *d, const struct lane *lane, uint64_t n)
{
    begin_raw(d, lane, d->base.now);
    ft_strbuf_add_cstr(&d->b, "0 lost ");
    ft_strbuf_add_u64(&d->b, n);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void
add_cell(struct ft_strbuf *b, struct ft_str s)
{
    ft_strbuf_add_char(b, ',');
    if (s.s != NULL) {
        ft_strbuf_add_csv(b, s);
    }
}

static void
add_number_cell(struct ft_strbuf *b, uint64_t value)
{
    ft_strbuf_add_char(b, ',');
    ft_strbuf_add_u64(b, value);
}

static void
head_csv(struct ft_strbuf *b, const struct ft_thread_info *info)
{
    add_number_cell(b, info->pid);
    add_number_cell(b, info->native_id);
    add_number_cell(b, info->serial);
    add_cell(b, info->name);
}

static void
func_csv(struct ft_strbuf *b, const struct ft_func *f)
{
    add_cell(b, f->shown_name);
    add_cell(b, f->shown_module);
    add_cell(b, f->shown_path);
    add_number_cell(b, f->line);
}

static void
add_csv(struct dump *d, const struct lane *lane, const struct ft_call *call)
{
    const struct ft_str none = {NULL, 0};
    bool raised = call->way == FT_UNWIND;
    struct ft_strbuf *b = &d->b;
    ft_strbuf_add_u64(b, call->time);
    add_head(d, lane);
    add_number_cell(b, call->depth);
    ft_strbuf_add_char(b, ',');
    ft_strbuf_add_cstr(b, events[call->way]);
    add_func(d, call->func);
    if (call->activation != 0) {
        add_number_cell(b, call->activation);
    }
    else {
        add_cell(b, none);
    }
    add_cell(b, call->task != NULL ? call->task->name : none);
    if (call->caller != NULL) {
        add_number_cell(b, call->call_line);
        add_cell(b, call->caller->shown_path);
    }
    else {
        ft_strbuf_add_cstr(b, ",,");
    }
    add_cell(b, call->args);
    add_cell(b, raised ? none : call->value);
    add_cell(b, raised ? call->value : none);
    ft_strbuf_add_char(b, ',');
}

static void
lost_csv(struct dump *d, const struct lane *lane, uint64_t n)
{
    ft_strbuf_add_u64(&d->b, d->base.now);
    add_head(d, lane);
    ft_strbuf_add_cstr(&d->b, ",,lost,,,,,,,,,,,");
    add_number_cell(&d->b, n);
}

static const struct form forms[] = {
    [FT_DUMP_JSON] = {"", "}\n", head_json, func_json, add_json, lost_json},
    [FT_DUMP_RAW] = {"", "\n", head_raw, func_raw, add_raw, lost_raw},
    [FT_DUMP_CSV] =
        {"t,pid,tid,thread,thread_name,depth,event,function,module,file,line,activation,"
         "task,call_line,call_file,args,value,exception,count\r\n",
         "\r\n", head_csv, func_csv, add_csv, lost_csv},
};

/* ---- the stream ------------------------------------------------------------------------------ */

static void
on_call(struct ft_sink *sink, void *lane, const struct ft_call *call)
{
    struct dump *d = (struct dump *)sink;
    d->form->add(d, lane, call);
    end(d);
}

static void
lost(struct ft_sink *sink, void *lane, uint64_t n)
{
    struct dump *d = (struct dump *)sink;
    d->form->lost(d, lane, n);
    end(d);
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane != NULL) {
        ft_strbuf_init(&lane->head);
        ((struct dump *)sink)->form->head(&lane->head, info);
    }
    return lane;
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct lane *lane = opaque;
    (void)sink;
    ft_strbuf_fini(&lane->head);
    free(lane);
}

static void
close_sink(struct ft_sink *sink)
{
    struct dump *d = (struct dump *)sink;
    send(d);
    for (uint32_t id = 0; id < d->nfuncs; id++) {
        free((char *)d->funcs[id].s);
    }
    free(d->funcs);
    ft_strbuf_fini(&d->b);
    free(d);
}

static void
flush(struct ft_sink *sink)
{
    send((struct dump *)sink);
}

static const struct ft_sink_ops ops = {
    .name = "dump",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = on_call,
    .leave = on_call,
    .lost = lost,
    .flush = flush,
    .close = close_sink,
};

struct ft_sink *
ft_dump_new(struct ft_output *out, enum ft_dump_form form)
{
    struct dump *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return NULL;
    }
    ft_strbuf_init(&d->b);
    d->base.ops = &ops;
    d->base.needs = FT_NEED_TIME | FT_NEED_CCALLS | FT_NEED_ACTIVATION;
    d->out = out;
    d->form = &forms[form];
    ft_strbuf_add_cstr(&d->b, d->form->first);
    return &d->base;
}
