/* The recorder's insides, shared by record.c (the sink), record_events.c, record_lane.c (segments
 * and files) and record_defs.c (definitions). */
#ifndef FT_SINK_RECORD_LANE_H
#define FT_SINK_RECORD_LANE_H

#include <string.h>

#include "base/ptrmap.h"
#include "base/space.h"
#include "sink/record.h"

/* Room that the short ways may use without looking: a first byte and three varints. */
#define HOT_ROOM 32

/* A lane's file, leased by one thread after the other. */
struct record_file {
    struct ft_space space;
    uint64_t at;                 /* where the next segment begins, in the piece mapped */
    struct ft_segment *last;     /* in that piece */
    bool ring, wrapped;          /* `wrapped`: all of the ring was in use */
    struct record_file *next;    /* among the free ones */
};

/* A run of a generator or coroutine. */
struct record_run {
    uint64_t activation;         /* 0: none */
    uint32_t id;                 /* of its function */
};

struct record_watch;

struct record_lane {
    uint8_t *p;                  /* where the next event goes */
    uint8_t *limit;              /* p below it: HOT_ROOM is left. NULL: no segment */
    uint64_t last;               /* time of the event before */
    uint32_t *next;              /* in `likely`: what came after the function entered last */
    uint64_t starts;             /* entering events of this segment */
    uint32_t depth, least;       /* open calls; the least of them within this segment */
    uint32_t shift;              /* of its record */
    uint32_t brake;              /* `least` or `floor`: a return from there goes the long way */
    uint32_t floor;              /* open calls when the last watched one was entered, 0: none */
    uint32_t unlisted;           /* the outermost ones, which the segment's head does not list */
    struct ft_segment *segment;  /* NULL: none */
    uint8_t *end;                /* of the segment */
    struct record_file *file;    /* owned while leased */
    struct ft_thread_info info;  /* name: owned */
    bool described;              /* its definition is written */
    bool forked;                 /* no segment since the fork */
    bool paused;                 /* no producer has it */
    uint64_t before;             /* events before this segment */
    uint64_t calls;              /* starts before this segment, of all kinds */
    uint64_t resumes;            /* those of them that were resumes or throws */
    uint64_t throws;             /* since the last dump */
    uint64_t lost;               /* events since the recording stopped */
    uint64_t task;               /* serial, 0: none */
    uint32_t task_depth;         /* open calls when it began */
    struct ft_strbuf task_name;
    struct record_run *run;      /* in `runs`: what was resumed after what was told of last */
    uint64_t started;            /* activation of the segment's last FT_SHORT_START */
    struct ft_strbuf raised;     /* text of the segment's last FT_OTHER_RAISE; empty: none */
    struct record_lane *after;   /* in the record's list */
    struct record_watch *watches;   /* owned: the open calls that are watched, outermost first */
    uint32_t nwatches, watch_cap;
    uint32_t likely[FT_LIKELY_SLOTS];   /* id, by the function entered before; LIKELY_NONE */
    struct record_run runs[FT_RUN_SLOTS];
};

/* Set in `likely` for a function that is watched: it is never entered the shortest way. */
#define LIKELY_WATCHED ((uint32_t)1 << 31)
#define LIKELY_NONE UINT32_MAX

/* record.known[id]: its definition is written; above, the trigger that watches it, from 1 on. */
#define KNOWN_DEFINED 1

struct record_flight {
    struct ft_record_flight_options hooks;
    struct ft_ptrmap starts;     /* of watched generators and coroutines: activation -> time */
    uint64_t dumps, refused;
    int refusal; /* the last one's errno, or FT_STOP_MAX_DUMPS: no more are made */
    uint64_t ended_entries; /* of this ring's threads that ended: calls, resumed ones too */
    uint64_t seen; /* entries when a dump was refused last: those had their reason */
    uint64_t raised; /* the exception dumped last, 0: none */
};

struct record {
    struct ft_sink base; /* first */
    uint32_t shift;
    uint32_t nknown;
    uint8_t *known; /* owned: by function id, KNOWN_DEFINED and its trigger */
    const struct ft_func **funcs; /* owned references: keep the ids from being given again */
    bool values, args, callers;
    uint64_t ring;
    uint64_t interpreter;
    int error;
    struct ft_run_head *run; /* owned, for `unmap` */
    void (*unmap)(struct ft_run_head *run);
    char *folder; /* owned */
    char base_name[64]; /* of this process's files */
    bool forked; /* this process was forked from one that recorded */
    uint64_t pid; /* whose files are mapped */
    uint32_t nfiles;
    struct record_file *files; /* free ones */
    struct record_lane *lanes;
    uint32_t npaused; /* of them */
    uint64_t ended_calls; /* of lanes and rings that are gone */
    uint64_t ended_lost; /* of rings that are gone */
    struct record_flight *flight; /* owned; NULL: none */
    struct ft_strbuf facts; /* the definitions, ready to be written */
    struct ft_space first, more; /* the definitions' pieces: the one with the head, the last */
    struct ft_defs_head *head; /* in `first`, or `nowhere` */
    struct ft_defs_head nowhere;
    uint64_t defs_at; /* in the piece that is written */
    bool in_first;
};

static inline void
ft_record_set_brake(struct record_lane *lane)
{
    lane->brake = lane->least > lane->floor ? lane->least : lane->floor;
}

/* ---- record_events.c ------------------------------------------------------------------------- */

void ft_record_enter(struct ft_sink *sink, void *opaque, const struct ft_call *call);
void ft_record_leave(struct ft_sink *sink, void *opaque, const struct ft_call *call);
void *ft_record_enter_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func,
                            uint64_t time, void *answer);
void *ft_record_leave_plain(struct ft_sink *sink, void *opaque, uint64_t time, void *answer);
void *ft_record_resume_plain(struct ft_sink *sink, void *opaque, const struct ft_func *func,
                             uint64_t activation, uint64_t time, void *answer);
void *ft_record_yield_plain(struct ft_sink *sink, void *opaque, uint64_t activation, bool awaits,
                            uint64_t time, void *answer);

/* ---- record_defs.c --------------------------------------------------------------------------- */

/* 0 or an errno. */
int ft_record_defs_open(struct record *r);
void ft_record_defs_close(struct record *r);
/* Writes a definition; what fails stops the recording. */
bool ft_record_define(struct record *r, enum ft_def_kind kind, const struct ft_strbuf *body);
bool ft_record_define_func(struct record *r, const struct ft_func *func);
bool ft_record_define_thread(struct record *r, const struct record_lane *lane);
bool ft_record_define_thread_end(struct record *r, const struct record_lane *lane);
void ft_record_add_text(struct ft_strbuf *b, struct ft_str s, size_t most);
void ft_record_add_number(struct ft_strbuf *b, uint64_t value);
struct ft_anchor ft_record_anchor(void);
/* Takes `bytes` of what the run may use; false: there is no more. */
bool ft_record_take(struct record *r, uint64_t bytes);

/* ---- record_flight.c: only where there is one ------------------------------------------------ */

struct record_flight *ft_record_flight_new(const struct ft_record_flight_options *options);
void ft_record_flight_free(struct record_flight *f);
/* In a forked child: a ring of its own; 0 or an errno. */
int ft_record_flight_forked(struct record *r);
/* What `known` has of a function beside KNOWN_DEFINED; 0 without a flight recorder. */
uint8_t ft_record_watched(const struct record *r, const struct ft_func *func);
/* A watched function was entered, the start of a run of it if `activation` is not 0. */
void ft_record_watch(struct record *r, struct record_lane *lane, uint32_t id, uint64_t activation,
                     uint64_t now);
/* Calls were left, watched ones among them; not `counts`: nobody knows when. */
void ft_record_watch_left(struct record *r, struct record_lane *lane, uint64_t now, bool counts);
/* The long ways, with an eye on reasons. */
void ft_record_flight_enter(struct ft_sink *sink, void *opaque, const struct ft_call *call);
void ft_record_flight_leave(struct ft_sink *sink, void *opaque, const struct ft_call *call);

/* ---- record_lane.c --------------------------------------------------------------------------- */

/* A segment with room for `need` bytes behind its head, within leave() or enter() of the lane;
 * false: the recording has stopped. */
bool ft_record_room(struct record *r, struct record_lane *lane, size_t need, uint64_t now,
                    bool leaving);
void ft_record_segment_close(struct record_lane *lane, bool ended);

/* A segment begins: it knows nothing of those before it. */
static inline void
ft_record_forget_likely(struct record_lane *lane)
{
    memset(lane->likely, 0xff, sizeof(lane->likely)); /* LIKELY_NONE */
    memset(lane->runs, 0, sizeof(lane->runs));
    lane->next = &lane->likely[FT_LIKELY_SLOTS - 1];
    lane->run = &lane->runs[0];
    lane->started = 0;
    ft_strbuf_clear(&lane->raised);
}
/* Events of the segment that is being written. */
uint64_t ft_record_segment_events(const struct record_lane *lane);
/* What the lane has written is whole, and its file free for another. */
void ft_record_lane_rest(struct record *r, struct record_lane *lane);
/* The same for good: the thread's end is written. */
void ft_record_lane_close(struct record *r, struct record_lane *lane);
void ft_record_lane_end(struct record *r, struct record_lane *lane);
void ft_record_lane_free(struct record_lane *lane);
void ft_record_files_close(struct record *r);
/* In a forked child: what is mapped is the parent's. */
void ft_record_lane_forget(struct record_lane *lane);
/* Nothing more is written; what is there stays. */
void ft_record_stop(struct record *r, int error);

#endif
