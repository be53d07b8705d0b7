/* Calls added up over all threads: by chain of callers, which makes the aggregated call tree, or by
 * pair of a caller and a function. Times are of all stays of a generator, and with whoever resumes
 * it. */
#ifndef FT_SINK_SUMS_H
#define FT_SINK_SUMS_H

#include "sink/sink.h"

#define FT_SUMS_DEPTH 1000 /* levels of chains kept apart; pairs are exact at any depth */

struct ft_sum {
    const struct ft_func *func; /* borrowed from the producer; NULL: sum 0, of no call */
    const struct ft_func *caller; /* likewise; NULL: none, outermost calls */
    uint32_t parent; /* of a chain: place of its caller's sum, which is before it */
    bool cut; /* chains deeper than FT_SUMS_DEPTH are counted here */
    uint64_t calls; /* FT_START and FT_C_CALL */
    uint64_t first; /* of them, those that are not open further out */
    uint64_t total; /* ns, of those alone: recursion counts once */
    uint64_t self; /* ns, of all */
};

/* A chain is open further out only below FT_SUMS_DEPTH, a pair where its function is. */
struct ft_sink *ft_chains_new(void);
struct ft_sink *ft_pairs_new(void);
/* Of either; sum 0 is none. Borrowed until the sink is closed. */
const struct ft_sum *ft_sums_all(const struct ft_sink *sink, size_t *n);

#endif
