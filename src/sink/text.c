/* The tree as lines. Each thread's lane formats in a buffer of its own and hands whole lines to the
 * output, which may let other threads in meanwhile (a Python stream does): a lane that ends then is
 * freed when its line is out. Locked by the producer otherwise. */
#include "sink/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define MAX_INDENT 64
#define INDENT_WIDTH 4
_Static_assert(MAX_INDENT *INDENT_WIDTH + 32 < FT_TEXT_INDENT, "room for [+N], too");

struct open_frame {
    const struct ft_func *func; /* borrowed: alive while its frame is open */
    uint64_t since; /* ticks of START or RESUME */
};

struct lane {
    uint64_t serial; /* of the thread */
    uint64_t pid; /* told in its label; 0: not */
    struct ft_str name; /* owned */
    struct ft_strbuf line;
    struct open_frame *stack; /* owned: the shown frames */
    uint32_t depth, cap;
    uint32_t unkept; /* frames above `depth` that found no memory */
    bool writing; /* its line is with the output */
    bool ended; /* the thread or the tap ended meanwhile */
    bool is_main;
};

struct text {
    struct ft_sink base; /* first */
    struct ft_text_options options;
    struct ft_output *out; /* borrowed */
    uint64_t lines;
    uint64_t first_thread, first_task; /* serials that wrote first, 0: none yet */
    bool labels; /* a thread other than the main one, or a second task, has written */
    bool many_threads;
    uint64_t pid; /* 0: not a forked child */
};

/* What differs between the ways in and out. */
static const struct way {
    struct ft_str verb;
    bool definition; /* with the line of the definition */
} ways[] = {
    [FT_START] = {{"Called ", 7}, true},       [FT_RESUME] = {{"Resuming ", 9}, true},
    [FT_THROW] = {{"Resuming ", 9}, true},     [FT_C_CALL] = {{"Called ", 7}, false},
    [FT_RETURN] = {{"Returning ", 10}, false}, [FT_YIELD] = {{"Yielding ", 9}, false},
    [FT_UNWIND] = {{"Raising ", 8}, false},    [FT_C_RETURN] = {{"Returning ", 10}, false},
    [FT_C_RAISE] = {{"Raising ", 8}, false},   [FT_LEFT] = {{"", 0}, false},
};

static const struct way suspending = {{"Suspending ", 11}, false};

#define DIM "\033[2m"
#define CYAN "\033[36m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

/* ---- lanes ----------------------------------------------------------------------------------- */

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    (void)sink;
    struct lane *lane = calloc(1, sizeof(*lane));
    char *name = malloc(info->name.len + 1);
    if (lane == NULL || name == NULL) {
        free(lane);
        free(name);
        return NULL;
    }
    if (info->name.len > 0) {
        memcpy(name, info->name.s, info->name.len);
    }
    lane->serial = info->serial;
    lane->pid = info->other ? info->pid : 0;
    lane->is_main = info->name.len == 10 && memcmp(info->name.s, "MainThread", 10) == 0;
    lane->name = (struct ft_str){name, info->name.len};
    ft_strbuf_init(&lane->line);
    return lane;
}

static void
lane_free(struct lane *lane)
{
    free((char *)lane->name.s);
    free(lane->stack);
    ft_strbuf_fini(&lane->line);
    free(lane);
}

static void
thread_end(struct ft_sink *sink, void *opaque)
{
    (void)sink;
    struct lane *lane = opaque;
    lane->ended = true;
    if (!lane->writing) {
        lane_free(lane);
    }
}

/* A frame that is not kept is one whose duration, and whose callees' files, are not told. */
static void
push(struct text *t, struct lane *lane, const struct ft_func *func, uint64_t now)
{
    if (lane->depth == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 32;
        struct open_frame *stack = lane->unkept ? NULL : realloc(lane->stack, cap * sizeof(*stack));
        if (stack == NULL) {
            lane->unkept++;
            ft_sink_unkept(&t->base, 1);
            return;
        }
        lane->stack = stack;
        lane->cap = cap;
    }
    lane->stack[lane->depth++] = (struct open_frame){func, now};
}

/* Ticks of when the frame on top began, 0: not kept. */
static uint64_t
pop(struct lane *lane)
{
    if (lane->unkept > 0) {
        lane->unkept--;
        return 0;
    }
    return lane->depth > 0 ? lane->stack[--lane->depth].since : 0;
}

/* ---- putting --------------------------------------------------------------------------------- */

/* Room for a whole line is made once (begin_line); after that nothing looks at the buffer's end. */
#define LINE_FRAME 1024 /* indent, verbs, numbers, colours: all but names and values */

static inline void
put_str(struct ft_strbuf *b, struct ft_str s)
{
    memcpy(b->data + b->len, s.s, s.len);
    b->len += s.len;
}

static inline void
put_cstr(struct ft_strbuf *b, const char *s)
{
    put_str(b, (struct ft_str){s, strlen(s)});
}

static inline void
put_char(struct ft_strbuf *b, char c)
{
    b->data[b->len++] = c;
}

static inline void
put_fill(struct ft_strbuf *b, char c, size_t times)
{
    memset(b->data + b->len, c, times);
    b->len += times;
}

static inline void
put_u64(struct ft_strbuf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put_str(b, (struct ft_str){digits + at, sizeof(digits) - at});
}

/* False: no memory for the line, which counts as lost. */
static bool
begin_line(struct text *t, struct lane *lane, const struct ft_call *call, size_t texts)
{
    const struct ft_func *func = call->func;
    ft_strbuf_clear(&lane->line);
    size_t size = LINE_FRAME + func->shown_name.len + 2 * func->shown_file.len + texts
                  + lane->name.len + (call->task ? call->task->name.len : 0);
    if (!ft_strbuf_reserve(&lane->line, size)) {
        t->out->lost_lines++;
        return false;
    }
    return true;
}

/* ---- pieces of a line ------------------------------------------------------------------------ */

static void
add_colored(const struct text *t, struct ft_strbuf *b, const char *color, struct ft_str s)
{
    if (t->options.color) {
        put_cstr(b, color);
    }
    put_str(b, s);
    if (t->options.color) {
        put_cstr(b, PLAIN);
    }
}

/* "[1234 worker-1 Task-2] ", once there is more than one to tell apart. */
static void
add_label(struct text *t, struct lane *lane, const struct ft_task *task)
{
    if (t->first_thread == 0) {
        t->first_thread = lane->serial;
    }
    /* A worker's lines are told as such though the main thread has not written. */
    if (t->first_thread != lane->serial || !lane->is_main) {
        t->many_threads = t->labels = true;
    }
    if (task != NULL) {
        t->first_task = t->first_task ? t->first_task : task->serial;
        t->labels |= t->first_task != task->serial;
    }
    uint64_t pid = t->pid ? t->pid : lane->pid;
    if (!t->labels && pid == 0) {
        return;
    }
    struct ft_strbuf *b = &lane->line;
    const char *space = "";
    put_char(b, '[');
    if (pid != 0) {
        put_u64(b, pid);
        space = " ";
    }
    if (t->many_threads || pid != 0 || task == NULL) {
        put_cstr(b, space);
        put_str(b, lane->name);
        space = " ";
    }
    if (task != NULL) {
        put_cstr(b, space);
        put_str(b, task->name);
    }
    put_cstr(b, "] ");
}

void
ft_text_put_indent(struct ft_strbuf *b, uint32_t depth)
{
    uint32_t shown = depth < MAX_INDENT ? depth : MAX_INDENT;
    put_fill(b, ' ', (size_t)shown * INDENT_WIDTH);
    if (depth > MAX_INDENT) {
        put_cstr(b, "[+");
        put_u64(b, depth - MAX_INDENT);
        put_cstr(b, "] ");
    }
}

static void
add_line_number(struct ft_strbuf *b, uint32_t line)
{
    put_char(b, ':');
    put_u64(b, line);
}

/* foo:1, foo@app.py:1 with paths, <module> mod.py:1, print */
static void
add_function(const struct text *t, struct ft_strbuf *b, const struct ft_call *call)
{
    const struct ft_func *func = call->func;
    bool definition = ways[call->way].definition;
    add_colored(t, b, CYAN, func->shown_name);
    if (func->flags & FT_FUNC_MODULE) {
        put_char(b, ' ');
        put_str(b, func->shown_file);
    }
    else if (t->options.paths && definition) {
        put_char(b, '@');
        put_str(b, func->shown_file);
    }
    if (definition) {
        add_line_number(b, func->line);
    }
}

/* Whether the caller's file must be named: it is not that of the nearest shown Python frame, or
 * there is none and it is not the program's main module. */
static bool
names_file(const struct lane *lane, const struct ft_func *caller)
{
    for (uint32_t i = lane->depth; i-- > 0;) {
        const struct ft_func *shown = lane->stack[i].func;
        if (!(shown->flags & FT_FUNC_C)) {
            return shown != caller && !ft_str_equal(shown->file, caller->file);
        }
    }
    return !(caller->flags & FT_FUNC_MAIN);
}

static void
add_from(const struct text *t, struct ft_strbuf *b, const struct lane *lane,
         const struct ft_call *call)
{
    if (call->caller == NULL || call->call_line == 0) {
        return;
    }
    if (t->options.color) {
        put_cstr(b, DIM);
    }
    put_cstr(b, " from ");
    if (t->options.paths || names_file(lane, call->caller)) {
        put_str(b, call->caller->shown_file);
        add_line_number(b, call->call_line);
    }
    else {
        put_cstr(b, "line ");
        put_u64(b, call->call_line);
    }
    if (t->options.color) {
        put_cstr(b, PLAIN);
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void
send(struct text *t, struct lane *lane)
{
    struct ft_strbuf *b = &lane->line;
    put_char(b, '\n');
    t->lines++;
    lane->writing = true;
    t->out->write(t->out, (struct ft_str){b->data, b->len});
    lane->writing = false;
    if (lane->ended) {
        lane_free(lane);
    }
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct text *t = (struct text *)sink;
    struct lane *lane = opaque;
    struct ft_strbuf *b = &lane->line;
    size_t texts = (t->options.args && call->way == FT_START ? call->args.len : 0)
                   + (t->options.callers && call->caller ? call->caller->shown_file.len : 0);
    if (!begin_line(t, lane, call, texts)) {
        push(t, lane, call->func, t->options.time ? call->time : 0);
        return;
    }
    add_label(t, lane, call->task);
    ft_text_put_indent(b, call->depth);
    add_colored(t, b, DIM, ways[call->way].verb);
    add_function(t, b, call);
    if (t->options.args && call->way == FT_START && call->args.s != NULL) {
        put_char(b, '(');
        put_str(b, call->args);
        put_char(b, ')');
    }
    add_from(t, b, lane, call);
    push(t, lane, call->func, t->options.time ? call->time : 0);
    send(t, lane);
}

static void
add_duration(const struct text *t, struct ft_strbuf *b, uint64_t since, uint64_t now)
{
    if (t->options.time && since != 0) {
        put_cstr(b, t->options.color ? "  " YELLOW "[" : "  [");
        struct ft_scale scale = ft_sink_scale(&t->base);
        ft_strbuf_add_duration(b, ft_clock_ns(scale, now > since ? now - since : 0));
        put_cstr(b, t->options.color ? "]" PLAIN : "]");
    }
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct text *t = (struct text *)sink;
    struct lane *lane = opaque;
    struct ft_strbuf *b = &lane->line;
    uint64_t since = pop(lane);
    if (call->way == FT_LEFT) {
        return;
    }
    bool suspended = call->way == FT_YIELD && call->awaits;
    bool raised = call->way == FT_UNWIND || call->way == FT_C_RAISE;
    if (!begin_line(t, lane, call, call->value.s ? call->value.len : 0)) {
        return;
    }
    add_label(t, lane, call->task);
    ft_text_put_indent(b, call->depth);
    add_colored(t, b, raised ? RED : DIM, suspended ? suspending.verb : ways[call->way].verb);
    add_function(t, b, call);
    bool module_return = (call->func->flags & FT_FUNC_MODULE) && !raised;
    if (call->value.s != NULL && !suspended && !module_return) {
        put_cstr(b, "-> ");
        put_str(b, call->value);
    }
    if (t->options.paths && !(call->func->flags & (FT_FUNC_C | FT_FUNC_MODULE))) {
        put_cstr(b, " @ ");
        put_str(b, call->func->shown_file);
    }
    add_duration(t, b, since, call->time);
    send(t, lane);
}

/* ---- the sink -------------------------------------------------------------------------------- */

/* Live they could not be kept; recorded, they are missing here, and the calls around them too. */
static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct text *t = (struct text *)sink;
    struct lane *lane = opaque;
    if (!sink->recorded) {
        t->out->lost_lines += n;
        return;
    }
    lane->depth = lane->unkept = 0;
    ft_strbuf_clear(&lane->line);
    if (ft_strbuf_reserve(&lane->line, LINE_FRAME + lane->name.len)) {
        add_label(t, lane, NULL);
        put_cstr(&lane->line, "... ");
        put_u64(&lane->line, n);
        put_cstr(&lane->line, n == 1 ? " event is missing" : " events are missing");
        send(t, lane);
    }
}

static void
open_call(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    push((struct text *)sink, opaque, call->func, call->time);
}

static void
forked(struct ft_sink *sink, uint64_t pid)
{
    ((struct text *)sink)->pid = pid;
}

static void
close_sink(struct ft_sink *sink)
{
    free(sink); /* the producer ended every lane before */
}

static const struct ft_sink_ops ops = {
    .name = "text",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .forked = forked,
    .close = close_sink,
};

struct ft_sink *
ft_text_new(const struct ft_text_options *options, struct ft_output *out)
{
    struct text *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->base.ops = &ops;
    t->base.needs = FT_NEED_EXC | FT_NEED_TASK | (options->args ? FT_NEED_ARGS : 0)
                    | (options->values ? FT_NEED_VALUE : 0) | (options->time ? FT_NEED_TIME : 0)
                    | (options->callers ? FT_NEED_LINE : 0)
                    | (options->ccalls ? FT_NEED_CCALLS : 0);
    t->options = *options;
    t->out = out;
    return &t->base;
}

uint64_t
ft_text_lines(const struct ft_sink *sink)
{
    return ((const struct text *)sink)->lines;
}
