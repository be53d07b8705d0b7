/* What belongs to the process, not to an interpreter: signal handlers and pthread_atfork handlers
 * get no argument, so what they need lies in one struct of atomics. Plain C but for the thread
 * record; safe without the GIL. */
#ifndef FT_ENGINE_PROCESS_H
#define FT_ENGINE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct ft_thread;

/* Prepares fork notices and thread ends; idempotent. */
void ft_process_init(void);
/* The thread's end will call ft_thread_ended(t). False when it cannot be arranged. */
bool ft_process_own_thread(struct ft_thread *t);
/* How often this process's line was forked: grows in the child. */
uint32_t ft_process_forks(void);
/* 1, 2, ...: a number that no tap of any interpreter had before. */
uint32_t ft_process_next_epoch(void);
/* fork()s done by this process since the last ft_process_watch. */
uint64_t ft_process_forked_children(void);

/* Called in the forking process just before fork(), and on SIGTERM and SIGHUP just before death. */
struct ft_process_hooks {
    void (*before_fork)(void *ctx);
    void (*dying)(void *ctx, int signum);   /* async-signal-safe */
    void *ctx;
};
/* Takes SIGTERM and SIGHUP where they are at their default. `hooks` is copied; its ctx must live
 * on. */
void ft_process_watch(const struct ft_process_hooks *hooks);
void ft_process_unwatch(void);
/* In a child that was forked while something watched: it goes on watching. */
void ft_process_rewatch(void);

#endif
