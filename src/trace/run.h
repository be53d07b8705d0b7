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

/* Makes the directory (mode 0700; it must not exist) and its run file for the process `pid`.
 * Its id is the one given, or a new one in place of zeros. 0 or an errno; EEXIST: something of that
 * name is there. */
int ft_run_create(const char *folder, uint64_t pid, uint32_t flags, uint64_t max_size,
                  const struct ft_str *facts, size_t nfacts, uint8_t id[16]);
/* 0; ENOENT: nothing of ours is there; EINVAL: damaged or of another version; or an errno. */
int ft_run_read(const char *folder, struct ft_run *run);
void ft_run_free(struct ft_run *run);
/* The fact of that key; "" when there is none. */
struct ft_str ft_run_fact(const struct ft_run *run, const char *key);
/* The head mapped, shared with the other processes of the run; errors as above. */
int ft_run_map(const char *folder, struct ft_run_head **head);
void ft_run_unmap(struct ft_run_head *head);
/* Whether the first process is still there: the same one, not another that has its pid now. */
bool ft_run_alive(const struct ft_run_head *head);

#endif
