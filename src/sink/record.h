/* The recorder: the call stream into files, as trace/format.h has them. No lock, no system call
 * and no allocation for an event but when a piece of a file is full or something is seen first.
 *
 * When room cannot be had the recording stops, never the program: from then on events are counted
 * as lost, in the file too. */
#ifndef FT_SINK_RECORD_H
#define FT_SINK_RECORD_H

#include "sink/sink.h"
#include "trace/format.h"

struct ft_record_options {
    const char *folder;          /* absolute; copied */
    struct ft_run_head *run;     /* the run's own file, mapped shared; borrowed for good */
    bool args, values, callers;  /* payloads asked for */
    bool ccalls;
    uint64_t ring;               /* bytes kept of each thread, 0: all */
    uint64_t interpreter;
    const struct ft_str *facts;  /* key, value, key, value, ...; copied */
    size_t nfacts;               /* texts */
};

/* NULL with *error set to an errno. */
struct ft_sink *ft_record_new(const struct ft_record_options *options, int *error);

struct ft_record_state {
    int error;                   /* errno or FT_STOP_MAX_SIZE of what stopped it; 0 */
    uint64_t lost;               /* events since then */
    uint64_t calls;              /* started so far, kept or not */
    uint64_t dropped;            /* events that a ring has let go of */
};
void ft_record_state(const struct ft_sink *sink, struct ft_record_state *state);
/* Async-signal-safe: the end mark of a process that is about to be killed by `signum`. */
void ft_record_dying(struct ft_sink *sink, int signum);

#endif
