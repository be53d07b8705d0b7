/* Who calls whom: for each pair of a caller and a function calls and times, exact however deep the
 * calls nest. Times are of all stays of a generator, and with whoever resumes it. */
#ifndef FT_SINK_EDGES_H
#define FT_SINK_EDGES_H

#include "sink/sink.h"

struct ft_edge {
    const struct ft_func *caller;        /* borrowed from the producer; NULL: outermost calls */
    const struct ft_func *func;          /* likewise */
    uint64_t calls;                      /* FT_START and FT_C_CALL */
    uint64_t first;                      /* of them, those within no other call of `func` */
    uint64_t total;                      /* ns, of those within no other: recursion counts once */
    uint64_t self;                       /* ns, of all */
};

struct ft_sink *ft_edges_new(void);
/* Edge 0 is none. Borrowed until the sink is closed. */
const struct ft_edge *ft_edges_all(const struct ft_sink *sink, size_t *n);

#endif
