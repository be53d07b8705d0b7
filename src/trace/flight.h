/* The directory of a flight recorder: a `run` file, a ring for each process that records, and what
 * became of rings when something happened, the dumps. Each ring and each dump is a recording of its
 * own. */
#ifndef FT_TRACE_FLIGHT_H
#define FT_TRACE_FLIGHT_H

#include "trace/run.h"

struct ft_flight_home {
    char *dir;                   /* owned */
    struct ft_run run;           /* what its `run` says */
};

/* 0 or an errno, of ft_run_read also. What is zeroed may be closed. */
int ft_flight_home_open(struct ft_flight_home *home, const char *dir);
void ft_flight_home_close(struct ft_flight_home *home);
/* Makes the folder of this process's next ring there, where `room` bytes must be free. *folder is
 * the caller's to free, *run to unmap. 0 or an errno, of ft_run_map also. */
int ft_flight_ring(const struct ft_flight_home *home, uint64_t room, char **folder,
                   struct ft_run_head **run);
/* The same of a process that has no ring there yet, so that others may have taken the directory
 * along: it is made again; as DIR.XXXXXXXX, the first digits of the id, if the name is another
 * recording's by now. Takes the lock. */
int ft_flight_ring_again(struct ft_flight_home *home, char **folder, struct ft_run_head **run);
/* A ring that nothing was written to. */
void ft_flight_remove(const char *folder);
/* Takes the first number that no dump of any process has, at most `most`: an empty folder has it
 * now. 0; FT_STOP_MAX_DUMPS: there are so many; or an errno. */
int ft_flight_take(const char *dir, uint32_t most, uint32_t *number);
void ft_flight_give_back(const char *dir, uint32_t number);
/* The ring in `folder`, closed, becomes the dump of a number taken; an errno: it stays a ring. */
int ft_flight_dump(const char *dir, const char *folder, uint32_t number);

#endif
