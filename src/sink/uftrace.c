/* See uftrace.h. Memory: a buffer and the open calls of each lane, some bytes for each task,
 * process and function.
 *
 * What uftrace is told of a call: when it was entered and left, and below how many others. Each
 * stay of a generator on the stack is such a call. Open calls that began earlier are entered where
 * what is told begins; where events are missing all calls end, and those that are open behind the
 * gap begin anew, as in a report. */
#include "sink/uftrace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/uftrace_names.h"

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
#define PID_MAX (1 << 22) /* Linux gives no process and no thread more */
#define NO_TASK UINT32_MAX
#define OCCUPIED UINT64_MAX

enum record_type {
    RECORD_ENTRY,
    RECORD_EXIT,
    RECORD_LOST,
};

/* What uftrace takes for a thread: it has a file of its own. */
struct task {
    uint64_t last; /* ns, of its last record; OCCUPIED: no thread may follow */
    uint32_t process;
    int32_t tid;
};

struct lane {
    uint64_t native;
    uint64_t last; /* ns, of its last record */
    uint32_t process, task; /* NO_TASK: nothing was told yet */
    uint32_t below; /* outermost open calls, not known, that are left out */
    uint32_t depth; /* open calls above them */
    uint32_t kept, cap; /* so many of these, the outermost, are in `stack` */
    uint64_t *stack; /* owned: their addresses */
    size_t used;
    uint8_t buffer[BUFFER];
};

struct uftrace {
    struct ft_sink base; /* first */
    struct ft_folder *folder; /* borrowed */
    struct ft_uftrace_names names;
    struct task *tasks; /* owned */
    uint32_t ntasks, cap_tasks;
    int32_t *processes; /* owned: their pids */
    uint32_t nprocesses, cap_processes;
    struct ft_ptrmap process_of; /* pid + 1 -> place in processes */
    struct ft_ptrmap tids; /* given so far */
    int32_t made_up; /* the last number given to what has none of its own */
    uint32_t deepest;
};

/* ---- processes and tasks --------------------------------------------------------------------- */

/* More room for an array that is full; NULL: no memory, and it is as it was. */
static void *
grown(void *array, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    uint32_t more = *cap ? *cap * 2 : 16;
    void *larger = realloc(array, more * size);
    if (larger != NULL) {
        *cap = more;
    }
    return larger;
}

static uint32_t
process_of(struct uftrace *u, uint64_t pid)
{
    pid = pid <= PID_MAX ? pid : 0; /* a damaged recording's */
    uint64_t *known = ft_ptrmap_get(&u->process_of, pid + 1);
    if (known != NULL) {
        return (uint32_t)*known;
    }
    int32_t *processes =
        grown(u->processes, u->nprocesses, &u->cap_processes, sizeof(*u->processes));
    if (processes == NULL) {
        return NO_TASK;
    }
    u->processes = processes;
    if (!ft_ptrmap_put(&u->process_of, pid + 1, u->nprocesses)) {
        return NO_TASK;
    }
    processes[u->nprocesses] = pid ? (int32_t)pid : ++u->made_up;
    return u->nprocesses++;
}

/* The thread's own number, unless an earlier one had it; 0: no memory. */
static int32_t
tid_of(struct uftrace *u, uint64_t native)
{
    bool own = native > 0 && native <= PID_MAX && ft_ptrmap_get(&u->tids, native) == NULL;
    if (own && !ft_ptrmap_put(&u->tids, native, 1)) {
        return 0;
    }
    return own ? (int32_t)native : ++u->made_up;
}

static uint32_t
new_task(struct uftrace *u, const struct lane *lane)
{
    struct task *tasks = grown(u->tasks, u->ntasks, &u->cap_tasks, sizeof(*u->tasks));
    int32_t tid = 0;
    if (tasks != NULL) {
        u->tasks = tasks;
        tid = tid_of(u, lane->native);
    }
    if (tid == 0) {
        return NO_TASK;
    }
    tasks[u->ntasks] = (struct task){OCCUPIED, lane->process, tid};
    return u->ntasks++;
}

static uint32_t
task_for(struct uftrace *u, const struct lane *lane)
{
    for (uint32_t i = 0; u->ntasks >= FT_UFTRACE_TASKS && i < u->ntasks; i++) {
        if (u->tasks[i].process == lane->process && u->tasks[i].last <= u->base.now) {
            u->tasks[i].last = OCCUPIED;
            return i;
        }
    }
    return new_task(u, lane);
}

/* ---- records --------------------------------------------------------------------------------- */

static void
write_out(struct uftrace *u, struct lane *lane)
{
    char name[32];
    if (lane->used > 0) {
        snprintf(name, sizeof(name), "%d.dat", u->tasks[lane->task].tid);
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
    if (lane->task == NO_TASK && (lane->task = task_for(u, lane)) == NO_TASK) {
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
    uint64_t *stack = address ? grown(lane->stack, lane->kept, &lane->cap, sizeof(*stack)) : NULL;
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
    add_record(u, lane, RECORD_LOST, n < RECORD_ADDRESS_MAX ? n : RECORD_ADDRESS_MAX, false);
}

static void *
thread_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    struct uftrace *u = (struct uftrace *)sink;
    uint32_t process = process_of(u, info->pid);
    struct lane *lane = process == NO_TASK ? NULL : malloc(sizeof(*lane));
    if (lane != NULL) {
        memset(lane, 0, offsetof(struct lane, buffer));
        lane->native = info->native_id;
        lane->process = process;
        lane->task = NO_TASK;
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
    if (lane->task != NO_TASK && lane->depth == 0) {
        u->tasks[lane->task].last = lane->last;
    }
    free(lane->stack);
    free(lane);
}

static void
forked(struct ft_sink *sink, uint64_t pid)
{
    (void)sink;
    (void)pid;
}

/* ---- the files that tell of the others ------------------------------------------------------- */

static void
append(struct uftrace *u, const char *name, struct ft_strbuf *b)
{
    if (b->failed) {
        ft_sink_unkept(&u->base, 1);
    }
    u->folder->append(u->folder, name, (struct ft_str){b->data, b->len});
    ft_strbuf_clear(b);
}

static void
add_field(struct ft_strbuf *b, const char *key, int32_t number)
{
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add_u64(b, (uint64_t)number);
}

/* Each process is a session of uftrace's: the graph shows it by itself. */
static void
write_tasks(struct uftrace *u, struct ft_strbuf *b)
{
    char sid[32], name[48];
    for (uint32_t i = 0; i < u->nprocesses; i++) {
        snprintf(sid, sizeof(sid), "%016d", u->processes[i]);
        snprintf(name, sizeof(name), "sid-%s.map", sid);
        ft_uftrace_map(&u->names, b);
        append(u, name, b);
    }
    for (uint32_t i = 0; i < u->nprocesses; i++) {
        snprintf(sid, sizeof(sid), "%016d", u->processes[i]);
        add_field(b, "SESS timestamp=0.000000000 pid=", u->processes[i]);
        ft_strbuf_add_cstr(b, " sid=");
        ft_strbuf_add_cstr(b, sid);
        ft_strbuf_add_cstr(b, " exename=\"" FT_UFTRACE_PROGRAM "\"\n");
    }
    for (uint32_t i = 0; i < u->ntasks; i++) {
        add_field(b, "TASK timestamp=0.000000000 tid=", u->tasks[i].tid);
        add_field(b, " pid=", u->processes[u->tasks[i].process]);
        ft_strbuf_add_char(b, '\n');
    }
    append(u, "task.txt", b);
}

/* Bits of the file "info". */
enum feature {
    HAS_SESSIONS = 1 << 1,
    HAS_ARGUMENTS = 1 << 3,
    HAS_RESULTS = 1 << 4,
    HAS_RELATIVE_ADDRESSES = 1 << 5,
    HAS_DEEPEST = 1 << 6,
    HAS_LINES = 1 << 10,
};

enum fact {
    TELLS_PROGRAM = 1 << 0,
    TELLS_COMMAND = 1 << 3,
    TELLS_TASKS = 1 << 7,
    TELLS_ARGUMENTS = 1 << 10,
    TELLS_PATTERNS = 1 << 12,
    TELLS_VERSION = 1 << 13,
};

static void
add_info_head(const struct uftrace *u, struct ft_strbuf *b)
{
    const uint16_t one = 1;
    bool little = *(const uint8_t *)&one == 1;
    uint32_t usual = RECORD_DEPTH_MAX + 1;
    struct {
        char magic[8];
        uint32_t version;
        uint16_t size;
        uint8_t endian, class; /* as ELF has them */
        uint64_t features, facts;
        uint16_t deepest, unused[3];
    } head = {
        .magic = "Ftrace!",
        .version = 4,
        .size = sizeof(head),
        .endian = little ? 1 : 2,
        .class = 2,
        .features = HAS_SESSIONS | HAS_ARGUMENTS | HAS_RESULTS | HAS_RELATIVE_ADDRESSES
                    | HAS_DEEPEST | HAS_LINES,
        .facts = TELLS_PROGRAM | TELLS_COMMAND | TELLS_TASKS | TELLS_ARGUMENTS | TELLS_PATTERNS
                 | TELLS_VERSION,
        .deepest = (uint16_t)(u->deepest > usual ? u->deepest : usual),
    };
    _Static_assert(sizeof(head) == 40, "no holes in it");
    ft_strbuf_add(b, (const char *)&head, sizeof(head));
}

/* Every function may have a text for its arguments and one for its result. */
static void
write_info(struct uftrace *u, struct ft_strbuf *b)
{
    add_info_head(u, b);
    ft_strbuf_add_cstr(b, "exename:" FT_UFTRACE_PROGRAM "\n"
                          "cmdline:pyftrace dump --format uftrace\n"
                          "taskinfo:lines=2\n");
    add_field(b, "taskinfo:nr_tid=", (int32_t)u->ntasks);
    ft_strbuf_add_cstr(b, "\ntaskinfo:tids=");
    for (uint32_t i = 0; i < u->ntasks; i++) {
        add_field(b, i ? "," : "", u->tasks[i].tid);
    }
    ft_strbuf_add_cstr(b, "\nargspec:lines=2\n"
                          "argspec:.@arg1/s\n"
                          "retspec:.@retval/s\n"
                          "pattern_type:regex\n"
                          "uftrace_version:pyftrace\n");
    append(u, "info", b);
}

static void
flush(struct ft_sink *sink)
{
    struct uftrace *u = (struct uftrace *)sink;
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_uftrace_names_end(&u->names);
    write_tasks(u, &b);
    write_info(u, &b);
    ft_strbuf_fini(&b);
}

/* ---- birth and end --------------------------------------------------------------------------- */

static void
close_sink(struct ft_sink *sink)
{
    struct uftrace *u = (struct uftrace *)sink;
    ft_uftrace_names_fini(&u->names);
    ft_ptrmap_fini(&u->process_of);
    ft_ptrmap_fini(&u->tids);
    free(u->processes);
    free(u->tasks);
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
    .forked = forked,
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
    u->made_up = PID_MAX;
    ft_uftrace_names_init(&u->names, u->folder);
    ft_ptrmap_init(&u->process_of);
    ft_ptrmap_init(&u->tids);
    return &u->base;
}

/* Of the names given above. */
static bool
is_ours(const char *name)
{
    static const char *const whole[] = {"info", "task.txt"};
    static const char *const ends[] = {".dat", ".sym", ".dbg", ".map"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (strcmp(name, whole[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (len > 4 && strcmp(name + len - 4, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct ft_output *
ft_uftrace_folder(const char *path)
{
    struct ft_folder *folder = ft_folder_new(path, MARK, is_ours);
    return folder ? &folder->out : NULL;
}
