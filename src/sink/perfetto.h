/* Perfetto's own trace format: protobuf packets of one sequence, names sent once (interned). */
#ifndef FT_SINK_PERFETTO_H
#define FT_SINK_PERFETTO_H

#include "sink/output.h"
#include "sink/sink.h"

/* `out` is borrowed. NULL: no memory. */
struct ft_sink *ft_perfetto_new(struct ft_output *out);

#endif
