/* Every event, a line each: as a JSON object for programs, or raw for eyes, grep and awk:
 * SECONDS PID/TID DEPTH EVENT FUNCTION FILE:LINE [more]; or CSV with JSON's fields as columns. */
#ifndef FT_SINK_DUMP_H
#define FT_SINK_DUMP_H

#include "sink/output.h"
#include "sink/sink.h"

enum ft_dump_form { FT_DUMP_JSON, FT_DUMP_RAW, FT_DUMP_CSV };

/* `out` is borrowed. NULL: no memory. */
struct ft_sink *ft_dump_new(struct ft_output *out, enum ft_dump_form form);
/* The event's name; "left" for a call of which only its end is known. */
const char *ft_dump_event(enum ft_way way);

#endif
