/* Tells a sink what a recording holds: thread after thread, or all threads merged by time. */
#ifndef FT_TRACE_WALKER_H
#define FT_TRACE_WALKER_H

#include "trace/cursor.h"

struct ft_walk {
    uint64_t since, until;       /* ns since the recording began; until 0: to the end */
    uint64_t pid, tid;           /* only this process, this native thread; 0: all */
    uint64_t thread;             /* only the thread of this serial; 0: all */
    unsigned workers; /* threads that may walk; 0: a processor each, if it is worth it */
    bool merged; /* in order of time over all threads, else within each */
    /* Asked now and then; false ends the walk. NULL: never asked. */
    bool (*go_on)(void *ctx, uint64_t events);
    void *ctx;
    uint64_t events; /* out: told so far */
    uint64_t lost; /* out: missing among them */
    uint64_t first, last; /* out: ns, of the first and the last event told; first
                                    UINT64_MAX: none */
};

/* 0, ENOMEM, or ECANCELED. Threads that ended before the walk's end are ended in the sink too. */
int ft_walk(struct ft_trace *trace, struct ft_sink *sink, struct ft_walk *walk);
/* Whether a walk would look at the thread. */
bool ft_walk_takes(const struct ft_walk *walk, const struct ft_trace_thread *thread);

/* Thread after thread, those at [from, to) only, on this core. */
int ft_walk_threads(struct ft_trace *trace, struct ft_sink *sink, struct ft_walk *walk, size_t from,
                    size_t to);
/* trace/walk_cores.c: the same of all threads, on several cores, for a sink that can be a sum of
 * parts. False: it was not done, and nothing was told. */
bool ft_walk_cores(struct ft_trace *trace, struct ft_sink *sink, struct ft_walk *walk, int *error);

/* All events merged, one at a time: what ft_walk is made of. */
struct ft_merge;
struct ft_merge *ft_merge_new(struct ft_trace *trace, const struct ft_walk *walk);
/* The cursor whose step it is; *step FT_STEP_END: this cursor's last. NULL: all done, or no
 * memory (*step is FT_STEP_LOST then). */
struct ft_cursor *ft_merge_step(struct ft_merge *m, enum ft_step *step);
void ft_merge_free(struct ft_merge *m);

#endif
