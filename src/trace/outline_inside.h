/* What outline.c (rows, places) and outline_find.c (times, what is wanted) share. */
#ifndef FT_TRACE_OUTLINE_INSIDE_H
#define FT_TRACE_OUTLINE_INSIDE_H

#include "trace/outline.h"

#define FT_OUTLINE_EVERY UINT32_MAX /* open calls: no segment has as many throughout */

#define FT_OUTLINE_WORDS 4

struct ft_outline_holds {
    uint64_t funcs[FT_OUTLINE_WORDS]; /* a bit for some ids each */
    bool texts, tasks; /* arguments or values; beginnings of a task's runs */
    bool known; /* it was looked through */
};

struct ft_outline_span {
    uint64_t begin, end; /* places */
    uint32_t least; /* open calls */
    struct ft_outline_holds holds;
};

struct ft_outline {
    struct ft_trace *trace; /* borrowed */
    struct ft_trace_thread thread; /* a copy, with those segments that a reader takes */
    struct ft_outline_span *spans; /* owned, as many */
    size_t n;
    uint64_t total; /* the place behind the last event, kept or not */
    uint64_t last; /* ns */
    struct ft_cursor *c; /* owned */
    bool ready; /* the cursor stands somewhere */
    uint64_t lost; /* of FT_STEP_LOST */
    struct ft_strbuf args, task_name; /* of the row that is not told yet */
    struct ft_task task;
    bool unkept; /* something could not be told for want of memory */
};

/* Before the first event of a segment, as after `seen` events. */
enum ft_step ft_outline_load(struct ft_outline *o, size_t span, uint64_t seen);
enum ft_step ft_outline_step(struct ft_outline *o);
/* The next event, or the next in a segment in which fewer than `above` calls are open. */
enum ft_step ft_outline_next(struct ft_outline *o, uint32_t above);
/* The one that holds the place, or stands before it. */
size_t ft_outline_span(const struct ft_outline *o, uint64_t place);
/* Whether there was memory for the texts of the event that the cursor stands behind. */
void ft_outline_check_texts(struct ft_outline *o);
/* False: nothing can be read there. */
bool ft_outline_go_to(struct ft_outline *o, uint64_t place);

#endif
