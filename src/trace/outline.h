/* The calls of one thread as a tree of which only what is looked at is read: segments in which no
 * such call begins or ends are passed over by their summaries. An event's place is its number among
 * the thread's events, those missing included. A call is known by the place of its entering event
 * and its depth; one that was open already when what is kept begins, by the place of the first
 * event behind. One thread at a time. */
#ifndef FT_TRACE_OUTLINE_H
#define FT_TRACE_OUTLINE_H

#include "trace/cursor.h"

struct ft_outline;

struct ft_outline_row {
    uint64_t at;
    uint64_t end; /* place of its leaving event, or of the first event behind what is missing */
    bool over; /* it was left, `left` tells how; FT_LEFT: it is not known when and how */
    bool before; /* open already: no entering event is there, only `entered.func` and `.time` */
    uint64_t lost; /* not 0: no call, but so many events are missing */
    struct ft_call entered, left; /* borrowed while it is told */
};

/* False: enough. */
typedef bool ft_outline_take(void *ctx, const struct ft_outline_row *row);

/* One of these: functions, at whose id a byte is not 0; a text within a call's arguments, or within
 * its value or exception; the beginnings of a task's runs. */
struct ft_outline_wanted {
    const uint8_t *funcs;
    size_t nfuncs;
    struct ft_str text;
    uint64_t task;
};

/* A task begins to run, or runs on, with the call entered at the place. False: enough. */
typedef bool ft_outline_take_task(void *ctx, const struct ft_task *task, uint64_t place);

struct ft_outline_extent {
    uint64_t events; /* the place behind the last event */
    uint64_t first, last; /* ns since the recording began */
};

/* NULL: no memory. */
struct ft_outline *ft_outline_new(struct ft_trace *trace, const struct ft_trace_thread *thread);
void ft_outline_free(struct ft_outline *o);
struct ft_outline_extent ft_outline_extent(const struct ft_outline *o);

/* Tells the calls at `depth` from the place `from` on, until the call around them is over (true) or
 * `take` has enough. After `budget` events it ends with the next row. */
bool ft_outline_rows(struct ft_outline *o, uint32_t depth, uint64_t from, uint64_t budget,
                     ft_outline_take *take, void *ctx);
/* From where rows() tells the last `most` that begin before `upto`, maybe more; `first` is the
 * first place within the call around them. */
uint64_t ft_outline_back(struct ft_outline *o, uint32_t depth, uint64_t first, uint64_t upto,
                         size_t most);
/* The places of the calls open just before `upto`, outermost first; owned by the caller. NULL: no
 * memory. */
uint64_t *ft_outline_stack(struct ft_outline *o, uint64_t upto, uint32_t *n);
/* The place of the first event at that time or later. */
uint64_t ft_outline_place(struct ft_outline *o, uint64_t ns);
/* The place of the first event in [from, upto) that is wanted, or backward of the last one: a
 * call's entering, or its leaving where that has the text. UINT64_MAX: none so far. *reached: how
 * far it looked, after about `budget` events. */
uint64_t ft_outline_find(struct ft_outline *o, const struct ft_outline_wanted *wanted,
                         uint64_t from, uint64_t upto, bool backward, uint64_t budget,
                         uint64_t *reached);
/* Tells the runs of tasks that begin in [from, upto); how far it came after about `budget`
 * events. */
uint64_t ft_outline_tasks(struct ft_outline *o, uint64_t from, uint64_t upto, uint64_t budget,
                          ft_outline_take_task *take, void *ctx);
/* Whether something was left out since the last time for want of memory. */
bool ft_outline_take_unkept(struct ft_outline *o);

#endif
