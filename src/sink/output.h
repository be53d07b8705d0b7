/* Where lines go. A text sink writes whole lines; what stands behind is a descriptor with a buffer
 * of our own (-o FILE), memory (tests, rendering) or, in the layer above, a Python stream. */
#ifndef FT_SINK_OUTPUT_H
#define FT_SINK_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"

struct ft_output {
    void (*write)(struct ft_output *out, struct ft_str text);  /* whole lines, '\n' included */
    void (*flush)(struct ft_output *out);
    void (*close)(struct ft_output *out);       /* flushes and frees */
    int error;                /* errno of the first failure, 0: none */
    uint64_t lost_lines;      /* lines that could not be written */
};

/* A file of ours, created or truncated (mode 0666 & ~umask, as a shell's '>' would),
 * O_APPEND|O_CLOEXEC, its descriptor moved to a high number so that the program's own numbers are
 * as untraced. Before every write it is compared by fstat with the file opened: a program that
 * closed our descriptor (os.closerange) may have opened its own file under the number, and that we
 * never write into; then the path is opened again by name if it is still the same file, else lines
 * count as lost. Not a regular file (a FIFO, /dev/stderr, /dev/null): written, not truncated. NULL
 * with errno set when it cannot be opened. */
struct ft_output *ft_output_file(const char *path);
/* Write every line at once from now on: a forked child shares the file with its parent. Called in
 * the child, it also drops what the buffer inherited. */
void ft_output_file_forked(struct ft_output *out);
/* Async-signal-safe: writes what the buffer holds with write(2) alone. */
void ft_output_file_emergency(struct ft_output *out);

/* Into a descriptor of the caller's, which stays open; buffered. While the reader
 * is waited for, `give_up` is asked; true: nothing more is written, and the error is EINTR. NULL:
 * never. */
struct ft_output *ft_output_fd(int fd, bool (*give_up)(void));

/* Collects into `b`, borrowed. */
struct ft_output *ft_output_memory(struct ft_strbuf *b);

#endif
