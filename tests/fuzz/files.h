/* The files of a recording that one fuzz input holds, put where the reader opens them. */
#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The folder in which this input's files are from now on, and no others. files_disk.c writes them;
 * files_memory.c, for the fast form, answers the reader's system calls itself: they took seven
 * tenths of its time. */
const char *fuzz_files(const uint8_t *data, size_t size);

#endif
