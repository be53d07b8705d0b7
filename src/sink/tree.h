/* The aggregated call tree: one node for each chain of callers, with calls and times. Recursion is
 * a chain as any other; chains deeper than a limit are counted at the limit's node. */
#ifndef FT_SINK_TREE_H
#define FT_SINK_TREE_H

#include "sink/sink.h"

#define FT_TREE_DEPTH 1000           /* levels kept apart */

struct ft_tree_node {
    const struct ft_func *func;      /* borrowed from the producer; NULL: the root */
    uint32_t parent;                 /* place of its caller's node, which is before it */
    uint64_t calls;
    uint64_t total;                  /* ns; recursion below FT_TREE_DEPTH is counted once */
    uint64_t self;
    bool cut;                        /* chains deeper than FT_TREE_DEPTH are counted here */
};

struct ft_sink *ft_tree_new(void);
/* Node 0 is the root. Borrowed until the sink is closed; *unkept: calls that found no memory. */
const struct ft_tree_node *ft_tree_nodes(const struct ft_sink *sink, size_t *n, uint64_t *unkept);

#endif
