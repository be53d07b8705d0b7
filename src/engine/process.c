/* The one place with process-wide state: fork notices, the end of threads, death by SIGTERM or
 * SIGHUP. Written at arm and stop; read by handlers at any instant. */
#include "engine/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "engine/lock.h"
#include "engine/threads.h"

struct ft_process {
    struct ft_process_hooks hooks;       /* written before `watching` is set */
    _Atomic bool watching;
    bool suspended;                      /* by a fork; the child's */
    _Atomic uint32_t forks;
    _Atomic uint32_t epochs;
    _Atomic uint64_t children;
    _Atomic bool dying;
    pthread_key_t thread_key;
    bool has_key;
};

static struct ft_process process;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const int signals[] = {SIGTERM, SIGHUP};
#define NSIGNALS (sizeof(signals) / sizeof(signals[0]))

static void
on_death(int signum)
{
    int saved = errno;
    if (atomic_load(&process.watching) && !atomic_exchange(&process.dying, true)) {
        process.hooks.dying(process.hooks.ctx, signum);
    }
    errno = saved;
    /* SA_RESETHAND made it the default again, SA_NODEFER lets it in at once. */
    raise(signum);
}

static bool
is_ours(int signum)
{
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && now.sa_handler == on_death;
}

static void
give_signals_back(void)
{
    for (size_t i = 0; i < NSIGNALS; i++) {
        if (is_ours(signals[i])) {
            signal(signals[i], SIG_DFL);
        }
    }
}

static void
before_fork(void)
{
    if (atomic_load(&process.watching)) {
        process.hooks.before_fork(process.hooks.ctx);
    }
}

static void
in_parent(void)
{
    atomic_fetch_add(&process.children, 1);
}

static void
in_child(void)
{
    atomic_fetch_add(&process.forks, 1);
    atomic_store(&process.children, 0);
    ft_lock_forked();
    ft_thread_current = NULL;            /* so that the next event looks, and finds the fork */
    process.suspended = atomic_exchange(&process.watching, false);
    if (process.suspended) {
        give_signals_back();
    }
}

static void
init_once(void)
{
    process.has_key = pthread_key_create(&process.thread_key, ft_thread_ended) == 0;
    pthread_atfork(before_fork, in_parent, in_child);
}

void
ft_process_init(void)
{
    pthread_once(&once, init_once);
}

bool
ft_process_own_thread(struct ft_thread *t)
{
    if (!process.has_key) {
        return false;
    }
    t->before = pthread_getspecific(process.thread_key);
    return pthread_setspecific(process.thread_key, t) == 0;
}

uint32_t
ft_process_forks(void)
{
    return atomic_load_explicit(&process.forks, memory_order_relaxed);
}

uint32_t
ft_process_next_epoch(void)
{
    return atomic_fetch_add(&process.epochs, 1) + 1;
}

uint64_t
ft_process_forked_children(void)
{
    return atomic_load(&process.children);
}

static void
watch(void)
{
    atomic_store(&process.watching, true);
    for (size_t i = 0; i < NSIGNALS; i++) {
        struct sigaction now,
            mine = {.sa_handler = on_death, .sa_flags = SA_NODEFER | SA_RESETHAND};
        sigemptyset(&mine.sa_mask);
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            sigaction(signals[i], &mine, NULL);
        }
    }
}

void
ft_process_watch(const struct ft_process_hooks *hooks)
{
    atomic_store(&process.children, 0);
    process.hooks = *hooks;
    watch();
}

void
ft_process_rewatch(void)
{
    if (process.suspended) {
        process.suspended = false;
        watch();
    }
}

void
ft_process_unwatch(void)
{
    give_signals_back();
    atomic_store(&process.watching, false);
}
