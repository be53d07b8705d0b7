/* The last lines of a recorded tree, or those that tell most of its end, and the callers that they
 * stand under: what a text sink writes while a recording is walked is held back, and let go of but
 * for those. Memory: those, and the calls open around them. */
#ifndef FT_SINK_TAIL_H
#define FT_SINK_TAIL_H

#include "sink/output.h"
#include "sink/sink.h"

struct ft_tail;

/* `last` lines, at least 1. Those of the thread with the native id `own` are let go of last: at
 * least half of the lines are its own if it has as many. 0: no thread is before others. NULL: no
 * memory. */
struct ft_tail *ft_tail_new(uint32_t last, uint64_t own);
/* What the text sink writes to; borrowed. */
struct ft_output *ft_tail_output(struct ft_tail *tail);
/* What is walked instead of the text sink; borrowed. Calls that began before `since` (ns) are not
 * told, and the tree is indented as if they were not there. `explain`: not the last lines are
 * written but those that tell most of how it ended: first the calls on the way to the failure, then
 * the last calls before it with all in them, then what is nearest to the way, the latest first. */
struct ft_sink *ft_tail_sink(struct ft_tail *tail, struct ft_sink *text, uint64_t since,
                             bool explain);
/* The lines below their callers, and how many were left out where; then it is empty. */
void ft_tail_write(struct ft_tail *tail, struct ft_output *out);
void ft_tail_free(struct ft_tail *tail);

#endif
