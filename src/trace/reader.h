/* A recording read: its processes, functions and threads, and where each thread's segments lie.
 * Nothing in a file is believed before it was checked. Memory follows the functions, threads and
 * segments (about 100 bytes for a million events), never the events. */
#ifndef FT_TRACE_READER_H
#define FT_TRACE_READER_H

#include "base/ptrmap.h"
#include "sink/func.h"
#include "trace/run.h"

struct ft_trace_process {
    char *name;                      /* owned: its files begin with it */
    struct ft_defs_head head;
    struct ft_anchor last;           /* the one in use */
    uint64_t mul;                    /* ns = (ticks - first.ticks) * mul >> 32 */
    struct ft_func **funcs;          /* owned array of owned references, by id; NULL: none */
    size_t nfuncs;
    struct ft_ptrmap threads;        /* serial -> place in ft_trace.threads + 1 */
    struct ft_strbuf facts;          /* key NUL value NUL ... */
    uint64_t bytes;                  /* of its files */
    size_t nlanes;
};

struct ft_trace_segment {
    uint32_t lane;                   /* place in ft_trace.lanes */
    uint64_t at;                     /* in its file */
    struct ft_segment head;
};

struct ft_trace_thread {
    struct ft_trace_process *process;    /* borrowed */
    uint64_t serial;                 /* over all processes: 1, 2, ... in order of birth */
    uint64_t local;                  /* the process's own number of it */
    uint64_t native;
    char *name;                      /* owned */
    uint64_t total;                  /* events in all; UINT64_MAX: it had not ended */
    struct ft_trace_segment *segments;   /* owned, in order of time */
    size_t nsegments, capsegments;
};

struct ft_trace {
    char *folder;                    /* owned */
    struct ft_run run;
    struct ft_trace_process *processes;  /* owned, in order of birth */
    size_t nprocesses;
    struct ft_trace_thread *threads; /* owned */
    size_t nthreads, capthreads;
    char **lanes;                    /* owned paths */
    size_t nlanes, caplanes;
    char **failures;                 /* owned texts: "PID: reason" */
    size_t nfailures;
    struct ft_func *unknown;         /* owned: stands for what no definition tells */
    struct ft_strbuf damage;         /* lines: what was found wrong */
    bool untold;                     /* more was, and there was no memory to tell it */
    uint64_t bytes;                  /* of all files */
};

/* 0 or an errno as ft_run_read has them. Damage within is no error: it is told in `damage`; what
 * is sound can be read. */
int ft_trace_open(const char *folder, struct ft_trace **trace);
void ft_trace_free(struct ft_trace *trace);
void ft_trace_damaged(struct ft_trace *trace, const char *file, const char *what, uint64_t at);
/* Those lines of damage too, found by a reader of a part. */
void ft_trace_add_damage(struct ft_trace *trace, const struct ft_strbuf *lines);
/* The function of that id; never NULL. */
const struct ft_func *ft_trace_func(const struct ft_trace *trace,
                                    const struct ft_trace_process *process, uint64_t id);
/* A time in units as ns since the recording began. */
uint64_t ft_trace_ns(const struct ft_trace *trace, const struct ft_trace_process *process,
                     uint64_t time);

/* trace/defs.c: the definitions of one process, from the place `at` of its file. */
struct ft_func *ft_trace_func_new(const struct ft_func_names *names);
void ft_trace_read_defs(struct ft_trace *trace, struct ft_trace_process *process, int fd,
                        const char *path, uint64_t at, uint32_t *next_id);

/* trace/index.c: the lanes of one process. */
int ft_trace_index_lane(struct ft_trace *trace, struct ft_trace_process *process, const char *path);
int ft_trace_index_done(struct ft_trace *trace);
struct ft_trace_thread *ft_trace_thread_of(struct ft_trace *trace, struct ft_trace_process *process,
                                           uint64_t serial);

#endif
