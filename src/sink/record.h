/* The recorder: the call stream into files, as trace/format.h has them. No lock, no system call
 * and no allocation for an event but when a piece of a file is full or something is seen first.
 *
 * When room cannot be had the recording stops, never the program: from then on events are counted
 * as lost, in the file too. */
#ifndef FT_SINK_RECORD_H
#define FT_SINK_RECORD_H

#include "sink/sink.h"
#include "trace/format.h"

/* ---- a flight recorder ----------------------------------------------------------------------- */

enum ft_trigger_kind {
    FT_TRIGGER_EXCEPTION,        /* an exception leaves for code that is not recorded */
    FT_TRIGGER_SLOW,             /* a call took longer than `ns` */
};

#define FT_TRIGGERS_MAX 64

struct ft_trigger {
    enum ft_trigger_kind kind;
    /* Of the exception's type, empty: any but those that are an ordinary end; of the function. */
    struct ft_str pattern;
    uint64_t ns;
    bool matched;                /* a function, so far */
};

/* Rings that become dumps. Hooks give 0 or an errno; the folders are the caller's affair. */
struct ft_record_flight_options {
    struct ft_trigger *triggers; /* borrowed; at most FT_TRIGGERS_MAX */
    size_t ntriggers;
    /* A folder for this process's next ring, to be freed, and its run; ENOSPC: `room` bytes are not
     * free there. */
    int (*ring)(void *ctx, uint64_t room, char **folder, struct ft_run_head **run);
    /* The same for a process just forked, whose parent's may be gone with all that was there. */
    int (*forked)(void *ctx, char **folder, struct ft_run_head **run);
    /* A number for a dump; FT_STOP_MAX_DUMPS: there are enough. What is not used is given back. */
    int (*take)(void *ctx, uint32_t *number);
    void (*give_back)(void *ctx, uint32_t number);
    /* The ring in `folder`, closed, is that dump from now on. */
    int (*dump)(void *ctx, const char *folder, uint32_t number);
    void *ctx;                   /* borrowed */
};

struct ft_record_flight_state {
    const char *folder;          /* of the ring; borrowed */
    uint64_t dumps, refused;     /* made by this process; that could not be made, and */
    int error;                   /* why the last of those, an errno or FT_STOP_MAX_DUMPS */
};

/* The ring becomes a dump, for the reason given; *number is 0 when it does not: ENODATA: nothing
 * was called since the last, or an errno of a hook. */
int ft_record_dump(struct ft_sink *sink, struct ft_str reason, uint32_t *number);
/* The same for an exception of that type, if it is one of the reasons and was not dumped on its
 * way; `which` as into_unshown() has it, `where` says what it did: "ended the program". */
void ft_record_dump_exception(struct ft_sink *sink, uint64_t which, struct ft_str type,
                              struct ft_str where);
void ft_record_flight_state(const struct ft_sink *sink, struct ft_record_flight_state *state);

/* ---- the recorder ---------------------------------------------------------------------------- */

struct ft_record_options {
    const char *folder;          /* absolute; copied */
    struct ft_run_head *run;     /* the run's own file, mapped shared; the sink's if it is made */
    void (*unmap)(struct ft_run_head *run);
    bool args, values, callers;  /* payloads asked for */
    bool ccalls;
    uint64_t ring;               /* bytes kept of each thread, 0: all */
    uint64_t interpreter;
    const struct ft_str *facts;  /* key, value, key, value, ...; copied */
    size_t nfacts;               /* texts */
    const struct ft_record_flight_options *flight; /* NULL: none; folder and run are its first */
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
