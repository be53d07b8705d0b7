/* See uftrace_tasks.h. */
#include "sink/uftrace_tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/uftrace.h"

#define PID_MAX (1 << 22) /* Linux gives no process and no thread more */
#define OCCUPIED UINT64_MAX
#define FLUSH_AT (1 << 15)
#define USUAL_DEPTH 1024 /* levels that uftrace makes room for itself */

void
ft_uftrace_tasks_init(struct ft_uftrace_tasks *t, struct ft_folder *folder)
{
    *t = (struct ft_uftrace_tasks){.folder = folder, .made_up = PID_MAX};
    ft_ptrmap_init(&t->process_of);
    ft_ptrmap_init(&t->tids);
}

void
ft_uftrace_tasks_fini(struct ft_uftrace_tasks *t)
{
    ft_ptrmap_fini(&t->process_of);
    ft_ptrmap_fini(&t->tids);
    free(t->tasks);
    free(t->processes);
    free(t->labels);
}

uint32_t
ft_uftrace_process(struct ft_uftrace_tasks *t, uint64_t pid)
{
    pid = pid <= PID_MAX ? pid : 0; /* a damaged recording's */
    uint64_t *known = ft_ptrmap_get(&t->process_of, pid + 1);
    if (known != NULL) {
        return (uint32_t)*known;
    }
    int32_t *processes =
        ft_uftrace_grown(t->processes, t->nprocesses, &t->cap_processes, sizeof(*processes));
    if (processes == NULL) {
        return FT_UFTRACE_NONE;
    }
    t->processes = processes;
    if (!ft_ptrmap_put(&t->process_of, pid + 1, t->nprocesses)) {
        return FT_UFTRACE_NONE;
    }
    processes[t->nprocesses] = pid ? (int32_t)pid : ++t->made_up;
    return t->nprocesses++;
}

/* The thread's own number, unless an earlier one had it; 0: no memory. */
static int32_t
tid_of(struct ft_uftrace_tasks *t, uint64_t native)
{
    bool own = native > 0 && native <= PID_MAX && ft_ptrmap_get(&t->tids, native) == NULL;
    if (own && !ft_ptrmap_put(&t->tids, native, 1)) {
        return 0;
    }
    return own ? (int32_t)native : ++t->made_up;
}

static uint32_t
new_task(struct ft_uftrace_tasks *t, uint32_t process, uint64_t native)
{
    struct ft_uftrace_task *tasks =
        ft_uftrace_grown(t->tasks, t->ntasks, &t->cap_tasks, sizeof(*tasks));
    int32_t tid = 0;
    if (tasks != NULL) {
        t->tasks = tasks;
        tid = tid_of(t, native);
    }
    if (tid == 0) {
        return FT_UFTRACE_NONE;
    }
    tasks[t->ntasks] = (struct ft_uftrace_task){OCCUPIED, process, tid};
    return t->ntasks++;
}

static uint32_t
choose(struct ft_uftrace_tasks *t, uint32_t process, uint64_t native, uint64_t now)
{
    for (uint32_t i = 0; t->ntasks >= FT_UFTRACE_TASKS && i < t->ntasks; i++) {
        if (t->tasks[i].process == process && t->tasks[i].last < now) {
            t->tasks[i].last = OCCUPIED;
            return i;
        }
    }
    return new_task(t, process, native);
}

uint32_t
ft_uftrace_task(struct ft_uftrace_tasks *t, uint32_t process, uint64_t native,
                const char label[FT_UFTRACE_LABEL], uint64_t now)
{
    struct ft_uftrace_label *labels =
        ft_uftrace_grown(t->labels, t->nlabels, &t->cap_labels, sizeof(*labels));
    if (labels == NULL) {
        return FT_UFTRACE_NONE;
    }
    t->labels = labels;
    uint32_t task = choose(t, process, native, now);
    if (task != FT_UFTRACE_NONE) {
        labels[t->nlabels].time = now > 0 ? now - 1 : 0; /* before the call, not within it */
        labels[t->nlabels].tid = t->tasks[task].tid;
        memcpy(labels[t->nlabels++].text, label, FT_UFTRACE_LABEL);
    }
    return task;
}

/* uftrace 0.13 puts it into JSON as it is. */
void
ft_uftrace_label(char label[FT_UFTRACE_LABEL], struct ft_str name)
{
    name = ft_str_cut(name, FT_UFTRACE_LABEL - 1);
    memset(label, 0, FT_UFTRACE_LABEL);
    for (size_t i = 0; i < name.len; i++) {
        label[i] = name.s[i] == '"' ? '\'' : name.s[i] == '\\' ? '/' : name.s[i];
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
append(struct ft_uftrace_tasks *t, const char *name, struct ft_strbuf *b)
{
    if (b->failed) {
        t->folder->out.lost_lines++;
    }
    t->folder->append(t->folder, name, (struct ft_str){b->data, b->len});
    ft_strbuf_clear(b);
}

static void
add_field(struct ft_strbuf *b, const char *key, int32_t number)
{
    ft_strbuf_add_cstr(b, key);
    ft_strbuf_add_u64(b, (uint64_t)number);
}

static void
write_maps(struct ft_uftrace_tasks *t, const struct ft_uftrace_names *names, struct ft_strbuf *b)
{
    char name[48];
    for (uint32_t i = 0; i < t->nprocesses; i++) {
        snprintf(name, sizeof(name), "sid-%016d.map", t->processes[i]);
        ft_uftrace_map(names, b);
        append(t, name, b);
    }
}

/* Each process is a session of uftrace's: the graph shows it by itself. */
static void
write_tasks(struct ft_uftrace_tasks *t, struct ft_strbuf *b)
{
    char sid[32];
    for (uint32_t i = 0; i < t->nprocesses; i++) {
        snprintf(sid, sizeof(sid), " sid=%016d", t->processes[i]);
        add_field(b, "SESS timestamp=0.000000000 pid=", t->processes[i]);
        ft_strbuf_add_cstr(b, sid);
        ft_strbuf_add_cstr(b, " exename=\"" FT_UFTRACE_PROGRAM "\"\n");
    }
    for (uint32_t i = 0; i < t->ntasks; i++) {
        add_field(b, "TASK timestamp=0.000000000 tid=", t->tasks[i].tid);
        add_field(b, " pid=", t->processes[t->tasks[i].process]);
        ft_strbuf_add_char(b, '\n');
    }
    append(t, "task.txt", b);
}

static int
by_time(const void *a, const void *b)
{
    const struct ft_uftrace_label *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

/* As the kernel tells perf of a thread that names itself. */
static void
write_labels(struct ft_uftrace_tasks *t, struct ft_strbuf *b)
{
    struct {
        uint32_t type;
        uint16_t misc, size;
        uint32_t pid, tid;
        char text[FT_UFTRACE_LABEL];
        uint32_t same_pid, same_tid;
        uint64_t time;
    } comm = {.type = 3, .size = sizeof(comm)};
    _Static_assert(sizeof(comm) == 48, "no holes in it");
    if (t->nlabels > 0) {
        qsort(t->labels, t->nlabels, sizeof(*t->labels), by_time);
    }
    for (uint32_t i = 0; i < t->nlabels; i++) {
        comm.pid = comm.tid = comm.same_pid = comm.same_tid = (uint32_t)t->labels[i].tid;
        comm.time = t->labels[i].time;
        memcpy(comm.text, t->labels[i].text, sizeof(comm.text));
        ft_strbuf_add(b, (const char *)&comm, sizeof(comm));
        if (b->len >= FLUSH_AT) {
            append(t, "perf-cpu0.dat", b);
        }
    }
    append(t, "perf-cpu0.dat", b);
}

/* Bits of the file "info". */
enum feature {
    HAS_SESSIONS = 1 << 1,
    HAS_ARGUMENTS = 1 << 3,
    HAS_RESULTS = 1 << 4,
    HAS_RELATIVE_ADDRESSES = 1 << 5,
    HAS_DEEPEST = 1 << 6,
    HAS_LABELS = 1 << 8,
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
add_info_head(struct ft_strbuf *b, uint32_t deepest)
{
    const uint16_t one = 1;
    bool little = *(const uint8_t *)&one == 1;
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
                    | HAS_DEEPEST | HAS_LABELS | HAS_LINES,
        .facts = TELLS_PROGRAM | TELLS_COMMAND | TELLS_TASKS | TELLS_ARGUMENTS | TELLS_PATTERNS
                 | TELLS_VERSION,
        .deepest = (uint16_t)(deepest > USUAL_DEPTH ? deepest : USUAL_DEPTH),
    };
    _Static_assert(sizeof(head) == 40, "no holes in it");
    ft_strbuf_add(b, (const char *)&head, sizeof(head));
}

/* Every function may have a text for its arguments and one for its result. */
static void
write_info(struct ft_uftrace_tasks *t, struct ft_strbuf *b, uint32_t deepest)
{
    add_info_head(b, deepest);
    ft_strbuf_add_cstr(b, "exename:" FT_UFTRACE_PROGRAM "\n"
                          "cmdline:pyftrace dump --format uftrace\n"
                          "taskinfo:lines=2\n");
    add_field(b, "taskinfo:nr_tid=", (int32_t)t->ntasks);
    ft_strbuf_add_cstr(b, "\ntaskinfo:tids=");
    for (uint32_t i = 0; i < t->ntasks; i++) {
        add_field(b, i ? "," : "", t->tasks[i].tid);
    }
    ft_strbuf_add_cstr(b, "\nargspec:lines=2\n"
                          "argspec:.@arg1/s\n"
                          "retspec:.@retval/s\n"
                          "pattern_type:regex\n"
                          "uftrace_version:pyftrace\n");
    append(t, "info", b);
}

void
ft_uftrace_tasks_end(struct ft_uftrace_tasks *t, const struct ft_uftrace_names *names,
                     uint32_t deepest)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    write_maps(t, names, &b);
    write_tasks(t, &b);
    write_labels(t, &b);
    write_info(t, &b, deepest);
    ft_strbuf_fini(&b);
}
