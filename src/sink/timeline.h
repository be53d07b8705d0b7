/* What formats of slices on tracks share: a track for each thread and each task, and which calls
 * are open on them. A format fills a struct ft_timeline_ops and writes into `b`; what it had no
 * memory for is taken back there, so that events stay whole. */
#ifndef FT_SINK_TIMELINE_H
#define FT_SINK_TIMELINE_H

#include "base/ptrmap.h"
#include "sink/output.h"
#include "sink/sink.h"

struct ft_timeline;

struct ft_track {
    uint32_t number; /* 1, 2, ... over all tracks and processes, in order of appearance */
    uint32_t tid;    /* the thread's own; one made up for a task, or where it was used before */
};

struct ft_timeline_lane {
    uint32_t pid;
    uint32_t process; /* its number, as a track's */
    struct ft_track track;
    uint64_t last;          /* ns, of the last event */
    struct ft_ptrmap tasks; /* serial + 1 -> track */
    struct ft_timeline_open *stack; /* owned */
    uint32_t depth, cap;
    uint32_t unkept; /* calls on top that there was no memory for */
};

struct ft_timeline_open {
    const struct ft_func *func; /* lives as long as what is walked */
    struct ft_track track;
    uint64_t since;   /* ns */
    char *text;       /* owned, the format's; NULL: none */
    uint32_t text_len;
    bool untold;      /* its beginning could not be written */
};

struct ft_timeline_ops {
    void (*process)(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_str name);
    /* A thread's track, or a task's (`of_task`) of that lane. */
    void (*track)(struct ft_timeline *t, const struct ft_timeline_lane *lane, struct ft_track track,
                  struct ft_str name, bool of_task);
    /* `before`: it was open already at this time, and of the call only the function is known. */
    void (*begin)(struct ft_timeline *t, struct ft_timeline_open *o, const struct ft_call *call,
                  bool before);
    /* `call` NULL: its end is not known. `whole` false: without texts, for want of memory. */
    void (*end)(struct ft_timeline *t, const struct ft_timeline_lane *lane,
                const struct ft_timeline_open *o, uint64_t now, const struct ft_call *call,
                bool whole);
    /* Of a format that writes a call at its end: that the end of this one is not known. They come
     * outermost first, and end() of all of them follows. NULL: nothing to do. */
    void (*unfinished)(struct ft_timeline *t, const struct ft_timeline_lane *lane,
                       const struct ft_timeline_open *o);
    void (*lost)(struct ft_timeline *t, const struct ft_timeline_lane *lane, uint64_t now,
                 uint64_t n);
    void (*finish)(struct ft_timeline *t); /* what stands behind the last event; NULL: nothing */
    void (*free)(struct ft_timeline *t);
};

struct ft_timeline {
    struct ft_sink base; /* first */
    const struct ft_timeline_ops *ops;
    struct ft_output *out; /* borrowed */
    struct ft_strbuf b;    /* begun, not sent */
    struct ft_ptrmap processes; /* pid + 1 -> number */
    struct ft_ptrmap tids;      /* (pid << 32 | tid) + 1: used */
    uint32_t numbers;           /* given so far */
    bool finished;
};

/* Fills a zeroed `t`; false: no memory. `out` is borrowed. */
bool ft_timeline_init(struct ft_timeline *t, const struct ft_timeline_ops *ops,
                      struct ft_output *out);
/* What init took, of one that was not given out. */
void ft_timeline_fini(struct ft_timeline *t);

/* "function (module)", printable: a narrow slice has room for the beginning only. */
void ft_timeline_add_name(struct ft_strbuf *b, const struct ft_func *func);
/* "FILE:LINE", printable; nothing of a C callable. */
void ft_timeline_add_place(struct ft_strbuf *b, const struct ft_func *func, uint32_t line);
/* How a call was entered or left, where that is not as usual; NULL: it is. */
const char *ft_timeline_entered(const struct ft_call *call, bool before);
const char *ft_timeline_left(const struct ft_call *call);

#endif
