/* The tree as lines: "Called foo:1 from line 8", "Returning foo-> None". Live and replay. */
#ifndef FT_SINK_TEXT_H
#define FT_SINK_TEXT_H

#include "sink/output.h"
#include "sink/sink.h"

struct ft_text_options {
    bool args;         /* ask for arguments */
    bool values;       /* ask for values */
    bool time;         /* durations on returns */
    bool paths;        /* FILE:LINE instead of LINE */
    bool color;        /* ANSI colours */
    bool ccalls;       /* ask for C calls */
    bool callers;      /* ask for calling lines: always live */
};

/* `out` is borrowed and must outlive the sink. NULL when memory ran out. */
struct ft_sink *ft_text_new(const struct ft_text_options *options, struct ft_output *out);
/* What a line of that depth begins with, behind its label: into so much room, or less. */
#define FT_TEXT_INDENT 320
void ft_text_put_indent(struct ft_strbuf *b, uint32_t depth);
/* Lines written so far (tree lines). */
uint64_t ft_text_lines(const struct ft_sink *sink);

#endif
