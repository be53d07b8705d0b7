/* Trace Event JSON: an object a call ("X", which viewers load faster than a pair), for
 * chrome://tracing, Perfetto and speedscope. */
#ifndef FT_SINK_CHROME_H
#define FT_SINK_CHROME_H

#include "sink/output.h"
#include "sink/sink.h"

/* `out` is borrowed. NULL: no memory. */
struct ft_sink *ft_chrome_new(struct ft_output *out);

#endif
