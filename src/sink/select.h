/* Passes a part of a recorded stream on to another sink: by patterns, depth and least duration,
 * with the meaning that the same options have live. Depth is counted anew. */
#ifndef FT_SINK_SELECT_H
#define FT_SINK_SELECT_H

#include "sink/sink.h"

struct ft_select {
    const struct ft_str *function, *exclude, *hide;   /* patterns, borrowed */
    bool *function_matched, *exclude_matched, *hide_matched;   /* out: which of them did */
    size_t nfunction, nexclude, nhide;
    uint32_t depth;              /* 0: no limit */
    uint64_t least;              /* ns: calls that took less are left out, and what they called */
};

/* `target` is borrowed. NULL: no memory. Closing the result leaves the target open. */
struct ft_sink *ft_select_new(const struct ft_select *select, struct ft_sink *target);
/* Whether it would pass on all. */
bool ft_select_is_all(const struct ft_select *select);

#endif
