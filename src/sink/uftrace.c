/* See uftrace.h. Memory: a buffer and the open calls of each lane, some bytes for each thread,
 * process and function.
 *
 * What uftrace is told of a call: when it was entered and left, and below how many others. Each
 * stay of a generator on the stack is such a call. Open calls that began earlier are entered where
 * what is told begins; where events are missing all calls end, and those that are open behind the
 * gap begin anew, as in a report. */
#include "sink/uftrace.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/uftrace_tasks.h"

#define BUFFER (1 << 16)
#define MARK "written-by-pyftrace"
/* A record's fields have ten bits for a depth and 48 for an address; uftrace counts levels itself
 * but at the beginning and behind a gap. */
#define RECORD_DEPTH_MAX 1023
#define RECORD_ADDRESS_MAX ((UINT64_C(1) << 48) - 1)
#define RECORD_MAGIC 5
/* uftrace 0.13 crashes over longer arguments and values: of each byte that is not ASCII its
 * `dump --chrome` makes five, into 1024. */
#define TEXT_MAX_BYTES 190
#define RECORD_ROOM (16 + 2 + TEXT_MAX_BYTES + 8)

enum record_type {
    RECORD_ENTRY,
    RECORD_EXIT,
    RECORD_LOST,
};

struct lane {
    uint64_t native;
    uint64_t last; /* ns, of its last record */
    uint32_t process, task; /* FT_UFTRACE_NONE: nothing was told yet */
    char label[FT_UFTRACE_LABEL];
    uint32_t below; /* outermost open calls, not known, that are left out */
    uint32_t depth; /* open calls above them */
    uint32_t kept, cap; /* so many of these, the outermost, are in `stack` */
    uint64_t *stack; /* owned: their addresses */
    size_t used; /* of the buffer */
    uint8_t buffer[BUFFER];
};

struct uftrace {
    struct ft_sink base; /* first */
    struct ft_folder *folder; /* borrowed */
    struct ft_uftrace_names names;
    struct ft_uftrace_tasks tasks;
    uint32_t deepest;
};

/* ---- records --------------------------------------------------------------------------------- */

static void
write_out(struct uftrace *u, struct lane *lane)
{
    char name[32];
    if (lane->used > 0) {
        snprintf(name, sizeof(name), "%d.dat", u->tasks.tasks[lane->task].tid);
        u->folder->append(u->folder, name, (struct ft_str){(char *)lane->buffer, lane->used});
        lane->used = 0;
    }
}

static bool
is_told(struct ft_str text)
{
    return text.s != NULL && text.len > 0;
}

static void
add_u64(struct lane *lane, uint64_t value)
{
    memcpy(lane->buffer + lane->used, &value, sizeof(value));
    lane->used += sizeof(value);
}

/* A text that belongs to a record: its length in two bytes, and filled up to eight. */
static void
add_text(struct lane *lane, struct ft_str before, struct ft_str text)
{
    text = ft_str_cut(text, TEXT_MAX_BYTES - before.len);
    uint16_t len = (uint16_t)(before.len + text.len);
    uint8_t *p = lane->buffer + lane->used;
    memcpy(p, &len, sizeof(len));
    memcpy(p + sizeof(len), before.s, before.len);
    memcpy(p + sizeof(len) + before.len, text.s, text.len);
    size_t all = (sizeof(len) + len + 7) & ~(size_t)7;
    memset(p + sizeof(len) + len, 0, all - sizeof(len) - len);
    lane->used += all;
}

/* False: no memory for it. */
static bool
add_record(struct uftrace *u, struct lane *lane, enum record_type type, uint64_t address, bool more)
{
    if (lane->task == FT_UFTRACE_NONE) {
        lane->task =
            ft_uftrace_task(&u->tasks, lane->process, lane->native, lane->label, u->base.now);
    }
    if (lane->task == FT_UFTRACE_NONE) {
        return false;
    }
    if (lane->used > BUFFER - RECORD_ROOM) {
        write_out(u, lane);
    }
    uint64_t level = lane->kept < RECORD_DEPTH_MAX ? lane->kept : RECORD_DEPTH_MAX;
    add_u64(lane, u->base.now);
    add_u64(lane, type | (uint64_t)more << 2 | RECORD_MAGIC << 3 | level << 6 | address << 16);
    lane->last = u->base.now;
    return true;
}

static bool
keep(struct uftrace *u, struct lane *lane, uint64_t address, struct ft_str args)
{
    uint64_t *stack =
        address ? ft_uftrace_grown(lane->stack, lane->kept, &lane->cap, sizeof(*stack)) : NULL;
    if (stack == NULL) {
        return false;
    }
    lane->stack = stack;
    if (!add_record(u, lane, RECORD_ENTRY, address, is_told(args))) {
        return false;
    }
    if (is_told(args)) {
        add_text(lane, FT_STR(""), args);
    }
    stack[lane->kept++] = address;
    u->deepest = lane->kept > u->deepest ? lane->kept : u->deepest;
    return true;
}

/* Of a call that is not kept, none is that it calls. */
static void
push(struct uftrace *u, struct lane *lane, uint64_t address, struct ft_str args)
{
    bool first = lane->kept == lane->depth++;
    if (lane->depth > FT_UFTRACE_DEPTH) {
        u->base.deeper++;
    }
    else if (!first || !keep(u, lane, address, args)) {
        ft_sink_unkept(&u->base, 1);
    }
}

static void
pop(struct uftrace *u, struct lane *lane, struct ft_str before, struct ft_str value)
{
    if (lane->kept == lane->depth--) {
        lane->kept--;
        add_record(u, lane, RECORD_EXIT, lane->stack[lane->kept], is_told(value));
        if (is_told(value)) {
            add_text(lane, before, value);
        }
    }
}

/* ---- the stream ------------------------------------------------------------------------------ */

/* Before a call at that level is entered, or below it is left, so many are open. It is another
 * number only where what is told begins: a recording does not know all calls that are open then. */
static void
match(struct uftrace *u, struct lane *lane, uint32_t level)
{
    uint32_t have = lane->below + lane->depth;
    bool far = level > have && level - have > RECORD_DEPTH_MAX;
    while (lane->depth > 0 && (far || lane->below + lane->depth > level)) {
        pop(u, lane, FT_STR(""), (struct ft_str){0});
    }
    if (far) {
        lane->below = level - RECORD_DEPTH_MAX;
    }
    else if (lane->below > level) {
        lane->below = level;
    }
    while (lane->below + lane->depth < level) {
        push(u, lane, ft_uftrace_unknown(&u->names), (struct ft_str){0});
    }
}

static void
enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct uftrace *u = (struct uftrace *)sink;
    sink->now = call->time;
    match(u, opaque, call->depth);
    push(u, opaque, ft_uftrace_address(&u->names, call->func), call->args);
}

static void
open_call(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct uftrace *u = (struct uftrace *)sink;
    match(u, opaque, call->depth);
    push(u, opaque, ft_uftrace_address(&u->names, call->func), (struct ft_str){0});
}

static void
leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct ft_str before = call->way == FT_UNWIND  ? FT_STR("raised ")
                           : call->way == FT_YIELD ? FT_STR("yielded ")
                                                   : FT_STR("");
    struct uftrace *u = (struct uftrace *)sink;
    struct lane *lane = opaque;
    sink->now = call->time;
    match(u, lane, call->depth + 1);
    if (lane->depth > 0) {
        pop(u, lane, before, call->value);
    }
    else if (lane->below > 0) {
        lane->below--;
    }
}

static void
lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct uftrace *u = (struct uftrace *)sink;
    struct lane *lane = opaque;
    match(u, lane, 0);
    n = n < RECORD_ADDRESS_MAX ? n : RECORD_ADDRESS_MAX;
    if (!add_record(u, lane, RECORD_LOST, n, false)) {
        ft_sink_unkept(sink, 1);
    }
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct uftrace *u = (struct uftrace *)sink;
    uint32_t process = ft_uftrace_process(&u->tasks, info->pid);
    struct lane *lane = process == FT_UFTRACE_NONE ? NULL : malloc(sizeof(*lane));
    if (lane != NULL) {
        memset(lane, 0, offsetof(struct lane, buffer));
        lane->native = info->native_id;
        lane->process = process;
        lane->task = FT_UFTRACE_NONE;
        ft_uftrace_label(lane->label, info->name);
    }
    return lane;
}

/* Calls that are still open stay so: uftrace lists them. */
static void
thread_end(struct ft_sink *sink, void *opaque)
{
    struct uftrace *u = (struct uftrace *)sink;
    struct lane *lane = opaque;
    write_out(u, lane);
    if (lane->task != FT_UFTRACE_NONE && lane->depth == 0) {
        u->tasks.tasks[lane->task].last = lane->last;
    }
    free(lane->stack);
    free(lane);
}

static void
flush(struct ft_sink *sink)
{
    struct uftrace *u = (struct uftrace *)sink;
    ft_uftrace_names_end(&u->names);
    ft_uftrace_tasks_end(&u->tasks, &u->names, u->deepest);
}

/* ---- birth and end --------------------------------------------------------------------------- */

static void
close_sink(struct ft_sink *sink)
{
    struct uftrace *u = (struct uftrace *)sink;
    ft_uftrace_names_fini(&u->names);
    ft_uftrace_tasks_fini(&u->tasks);
    free(u);
}

static const struct ft_sink_ops ops = {
    .name = "uftrace",
    .locked = true,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = enter,
    .leave = leave,
    .open = open_call,
    .lost = lost,
    .flush = flush,
    .close = close_sink,
};

struct ft_sink *
ft_uftrace_new(struct ft_output *out)
{
    struct uftrace *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        return NULL;
    }
    u->base.ops = &ops;
    u->base.needs = FT_NEED_TIME | FT_NEED_ARGS | FT_NEED_VALUE | FT_NEED_EXC | FT_NEED_CCALLS;
    u->folder = (struct ft_folder *)out;
    ft_uftrace_names_init(&u->names, u->folder);
    ft_uftrace_tasks_init(&u->tasks, u->folder);
    return &u->base;
}

/* `before`, digits, `after`. */
static bool
is_numbered(const char *name, const char *before, const char *after)
{
    size_t len = strlen(before);
    if (strncmp(name, before, len) != 0) {
        return false;
    }
    size_t digits = strspn(name + len, "0123456789");
    return digits > 0 && strcmp(name + len + digits, after) == 0;
}

/* A file that is no export's, say results.dat, stays where it is: the directory is refused. */
static bool
is_ours(const char *name)
{
    static const char *const whole[] = {"info",       "task.txt", "perf-cpu0.dat",
                                        "python.sym", "C.sym",    "python.dbg"};
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (strcmp(name, whole[i]) == 0) {
            return true;
        }
    }
    return is_numbered(name, "", ".dat") || is_numbered(name, "sid-", ".map");
}

struct ft_output *
ft_uftrace_folder(const char *path)
{
    struct ft_folder *folder = ft_folder_new(path, MARK, is_ours);
    return folder ? &folder->out : NULL;
}
