/* The file `run`: it makes a directory a recording, and says whose. */
#ifndef FT_TRACE_RUN_H
#define FT_TRACE_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "trace/format.h"

struct ft_run {
    struct ft_run_head head;
    char *text;                  /* owned: the facts, head.text bytes and a NUL */
};

struct ft_run_new {
    const uint8_t *id;           /* 16 bytes; NULL: a new one */
    uint64_t pid;                /* the first process */
    uint32_t flags;
    uint64_t max_size;
    const struct ft_str *facts;  /* key, value, key, ... */
    size_t nfacts;
};

/* Makes the directory (mode 0700; it must not exist) with its run file, both at once: nobody sees
 * one without the other. `id`: what it got. 0 or an errno; EEXIST: something of that name is
 * there. */
int ft_run_create(const char *folder, const struct ft_run_new *new, uint8_t id[16]);
/* 0; ENOENT: nothing of ours is there; EINVAL: damaged or of another version; or an errno. */
int ft_run_read(const char *folder, struct ft_run *run);
void ft_run_free(struct ft_run *run);
/* The fact of that key; "" when there is none. */
struct ft_str ft_run_fact(const struct ft_run *run, const char *key);
/* The head mapped, shared with the other processes of the run; errors as above. */
int ft_run_map(const char *folder, struct ft_run_head **head);
void ft_run_unmap(struct ft_run_head *head);
/* Whoever makes, moves or takes along that folder does it alone from here to the unlock. NULL: the
 * lock cannot be had, or not within a second; one goes on without. */
struct ft_run_lock;
struct ft_run_lock *ft_run_lock(const char *folder);
void ft_run_unlock(struct ft_run_lock *lock);
/* This process, the first one, has come to its end; others may go on. 0 or an errno. */
int ft_run_leave(const char *folder);
/* Whether the first process goes on: the same one, not another that has its pid now. */
bool ft_run_alive(const struct ft_run_head *head);
/* Whether a process that began to record in that folder, and has not ended, lives. */
bool ft_run_written(const char *folder);

#endif
