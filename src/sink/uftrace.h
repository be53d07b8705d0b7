/* A directory as `uftrace record` writes it, for uftrace's own commands: a file of records for each
 * thread, and what the numbers in them mean. Its format is told in uftrace's wiki, "Data Format";
 * what that leaves open was learnt from uftrace 0.13.
 *
 * A function has no address: it gets a made-up one, in a made-up module, see uftrace_names.h. */
#ifndef FT_SINK_UFTRACE_H
#define FT_SINK_UFTRACE_H

#include "sink/folder.h"
#include "sink/sink.h"

/* uftrace can be told to show so many levels (-D), and no more. */
#define FT_UFTRACE_DEPTH 65534
/* uftrace opens the files of all tasks at once, and passes over those for which it has no
 * descriptor; 1024 are usual. Behind so many, threads that follow one another are one task. */
#define FT_UFTRACE_TASKS 1000

/* NULL with errno set. */
struct ft_output *ft_uftrace_folder(const char *path);
/* `out` is a struct ft_folder's, borrowed. It is whole after flush(), which is called once, at the
 * end. NULL: no memory. */
struct ft_sink *ft_uftrace_new(struct ft_output *out);

#endif
