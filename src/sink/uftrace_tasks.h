/* Processes and threads as uftrace has them, sessions and tasks, and the files that tell of them:
 * task.txt, sid-*.map, info, and perf-cpu0.dat for the names of threads. */
#ifndef FT_SINK_UFTRACE_TASKS_H
#define FT_SINK_UFTRACE_TASKS_H

#include <stdlib.h>

#include "sink/uftrace_names.h"

#define FT_UFTRACE_NONE UINT32_MAX
#define FT_UFTRACE_LABEL 16 /* bytes that the kernel, and so uftrace, has for a name, with a NUL */

/* It has a file of records. */
struct ft_uftrace_task {
    uint64_t last; /* ns, of its last record; UINT64_MAX: no thread may follow */
    uint32_t process;
    int32_t tid;
};

/* From when on a task is called so. */
struct ft_uftrace_label {
    uint64_t time;
    int32_t tid;
    char text[FT_UFTRACE_LABEL];
};

struct ft_uftrace_tasks {
    struct ft_folder *folder; /* borrowed */
    struct ft_uftrace_task *tasks; /* owned, as the others */
    int32_t *processes; /* their pids */
    struct ft_uftrace_label *labels;
    uint32_t ntasks, nprocesses, nlabels, cap_tasks, cap_processes, cap_labels;
    struct ft_ptrmap process_of; /* pid + 1 -> place in processes */
    struct ft_ptrmap tids; /* given so far */
    int32_t made_up; /* the last number given to what has none of its own */
};

void ft_uftrace_tasks_init(struct ft_uftrace_tasks *t, struct ft_folder *folder);
void ft_uftrace_tasks_fini(struct ft_uftrace_tasks *t);
/* The process's place; FT_UFTRACE_NONE: no memory. */
uint32_t ft_uftrace_process(struct ft_uftrace_tasks *t, uint64_t pid);
/* The place of the task that a thread is whose first record is of the time `now`, as above. */
uint32_t ft_uftrace_task(struct ft_uftrace_tasks *t, uint32_t process, uint64_t native,
                         const char label[FT_UFTRACE_LABEL], uint64_t now);
/* What uftrace can show of a thread's name. */
void ft_uftrace_label(char label[FT_UFTRACE_LABEL], struct ft_str name);
/* Writes the files. `deepest`: levels of the deepest call. */
void ft_uftrace_tasks_end(struct ft_uftrace_tasks *t, const struct ft_uftrace_names *names,
                          uint32_t deepest);

/* More room for an array that is full; NULL: no memory, and it is as it was. */
static inline void *
ft_uftrace_grown(void *array, uint32_t n, uint32_t *cap, size_t size)
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

#endif
