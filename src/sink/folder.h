/* Where a format of several files goes: a directory, 0700 if it is made here, its files 0600. A
 * format hands over each file piece by piece under its name, so that no descriptor of a file stays
 * open, however many files there are. */
#ifndef FT_SINK_FOLDER_H
#define FT_SINK_FOLDER_H

#include "sink/output.h"

struct ft_folder {
    struct ft_output out;    /* first: its error is that of the first piece that was not written;
                                lost_lines counts such pieces. Lines are not taken */
    /* Adds to the end of the file. Not after an error. */
    void (*append)(struct ft_folder *folder, const char *name, struct ft_str bytes);
};

/* Makes the directory, and in it an empty file called `mark`, by which it is known again: then, or
 * when it is empty, a directory that is there is taken and its files removed. `ours` says of a name
 * whether the format gives it to files. NULL with errno set: ENOTEMPTY, something else is in it. */
struct ft_folder *ft_folder_new(const char *path, const char *mark, bool (*ours)(const char *name));

#endif
