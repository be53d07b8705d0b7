/* When one thread ran what, in bounded memory: the calls of a recording as spans of time. Once
 * there are too many, those shorter than a limit that grows are added up with their neighbours. */
#ifndef FT_SINK_SPANS_H
#define FT_SINK_SPANS_H

#include "sink/sink.h"

#define FT_SPANS_LEVELS 128 /* deeper calls are only counted */
#define FT_SPANS_LEAST 1024 /* spans that are always kept: more than levels can need */

struct ft_span {
    const struct ft_func *func; /* borrowed from the producer; of several the one with most time */
    uint64_t begin, end; /* ns */
    uint64_t busy; /* ns between them in which one of its calls ran */
    uint64_t most; /* ns of `func` among these, about: its largest part */
    uint64_t calls; /* 1: one call, or one stretch of a generator */
    uint32_t depth;
    bool mixed; /* of several functions */
};

struct ft_spans_state {
    uint64_t limit; /* ns: calls that were shorter may be added up; 0: each is a span */
    uint64_t deeper; /* calls below FT_SPANS_LEVELS */
};

/* At most `most` spans are kept, of the one thread that is told of. NULL: no memory. */
struct ft_sink *ft_spans_new(size_t most);
/* Those of a level are in order of time. Borrowed until the sink is closed. */
const struct ft_span *ft_spans_get(const struct ft_sink *sink, size_t *n,
                                   struct ft_spans_state *state);

#endif
