/* Threads of a recording walked on several cores. They are cut into runs of neighbours; each is
 * walked by a thread of ours into a sink and with a look at the recording of its own, and what came
 * out is put together in order: the result is that of one core, to the byte. The caller only waits
 * and asks go_on. Where memory or threads run out nothing was told, and one core does it. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace/walker.h"

#define WORKERS_MAX 64
#define RUNS_EACH 8                      /* for one worker: the last ones end together */
#define WORTH_IT (1 << 20)               /* bytes: below, a thread costs more than it saves */
#define ASK_EVERY_NS (20 * 1000 * 1000)

struct run {
    struct cores *cores;                 /* borrowed */
    size_t from, to;                     /* threads */
    uint64_t bytes;
    struct ft_trace trace;               /* the recording, but for `damage`, which is its own */
    struct ft_sink *sink;                /* owned */
    struct ft_walk walk;
    uint64_t counted;                    /* of its events, in cores.events */
    bool taken;                          /* under the lock */
};

struct cores {
    struct run *runs;                    /* owned */
    size_t nruns;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned working;                    /* under the lock */
    int error;                           /* the first one; under the lock */
    atomic_bool stop;
    _Atomic uint64_t events;
};

/* ---- how many, which ------------------------------------------------------------------------- */

static unsigned
processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        n = CPU_COUNT(&set);
    }
#endif
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static uint64_t
bytes_of(const struct ft_trace_thread *t)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < t->nsegments; i++) {
        const struct ft_segment *s = &t->segments[i].head;
        bytes += s->flags & FT_SEGMENT_CLOSED ? s->used : s->size;
    }
    return bytes;
}

/* Room is for RUNS_EACH a worker and one more. */
static void
cut(struct cores *k, const struct ft_trace *t, const struct ft_walk *w, uint64_t total,
    unsigned workers)
{
    uint64_t enough = total / ((uint64_t)workers * RUNS_EACH) + 1;
    struct run *run = NULL;
    for (size_t i = 0; i < t->nthreads; i++) {
        if (ft_walk_takes(w, &t->threads[i])) {
            if (run == NULL || run->bytes >= enough) {
                run = &k->runs[k->nruns++];
                run->from = i;
            }
            run->bytes += bytes_of(&t->threads[i]);
            run->to = i + 1;
        }
    }
}

/* ---- walking --------------------------------------------------------------------------------- */

static bool
run_goes_on(void *ctx, uint64_t events)
{
    struct run *run = ctx;
    atomic_fetch_add_explicit(&run->cores->events, events - run->counted, memory_order_relaxed);
    run->counted = events;
    return !atomic_load_explicit(&run->cores->stop, memory_order_relaxed);
}

/* The largest that nobody has; NULL: none, or it is over. With the lock. */
static struct run *
take(struct cores *k)
{
    struct run *best = NULL;
    for (size_t i = 0; i < k->nruns; i++) {
        struct run *run = &k->runs[i];
        best = !run->taken && (best == NULL || run->bytes > best->bytes) ? run : best;
    }
    if (best == NULL || atomic_load(&k->stop)) {
        return NULL;
    }
    best->taken = true;
    return best;
}

static void *
work(void *ctx)
{
    struct cores *k = ctx;
    struct run *run;
    pthread_mutex_lock(&k->lock);
    while ((run = take(k)) != NULL) {
        pthread_mutex_unlock(&k->lock);
        int error = ft_walk_threads(&run->trace, run->sink, &run->walk, run->from, run->to);
        /* One core has the whole's memory to itself: it may find what a part did not. */
        error = !error && (run->sink->unkept > 0 || run->trace.untold) ? ENOMEM : error;
        pthread_mutex_lock(&k->lock);
        if (error) {
            k->error = k->error ? k->error : error;
            atomic_store(&k->stop, true);
        }
    }
    k->working--;
    pthread_cond_signal(&k->ended);
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* Until all have ended. Signals are for the caller's thread. */
static void
wait_for_all(struct cores *k, const struct ft_walk *w)
{
    pthread_mutex_lock(&k->lock);
    while (k->working > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += ASK_EVERY_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&k->ended, &k->lock, &until) != ETIMEDOUT || w->go_on == NULL
            || atomic_load(&k->stop)) {
            continue;
        }
        pthread_mutex_unlock(&k->lock);
        bool on = w->go_on(w->ctx, atomic_load(&k->events));
        pthread_mutex_lock(&k->lock);
        if (!on) {
            k->error = ECANCELED;
            atomic_store(&k->stop, true);
        }
    }
    pthread_mutex_unlock(&k->lock);
}

/* False: no thread was to be had. */
static bool
walk_all(struct cores *k, const struct ft_walk *w, unsigned workers)
{
    pthread_t threads[WORKERS_MAX];
    unsigned n = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&k->lock);
    while (n < workers && pthread_create(&threads[n], NULL, work, k) == 0) {
        n++;
    }
    k->working = n;
    pthread_mutex_unlock(&k->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    wait_for_all(k, w);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    return n > 0;
}

/* ---- putting together ------------------------------------------------------------------------ */

static void
fold(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w, const struct run *run)
{
    sink->ops->fold(sink, run->sink);
    sink->now = run->sink->now;
    sink->deeper += run->sink->deeper;
    w->events += run->walk.events;
    w->lost += run->walk.lost;
    w->first = run->walk.first < w->first ? run->walk.first : w->first;
    w->last = run->walk.last > w->last ? run->walk.last : w->last;
    ft_trace_add_damage(t, &run->trace.damage);
}

static bool
prepare(struct cores *k, const struct ft_trace *t, const struct ft_sink *sink,
        const struct ft_walk *w)
{
    for (size_t i = 0; i < k->nruns; i++) {
        struct run *run = &k->runs[i];
        run->cores = k;
        run->trace = *t;
        run->trace.untold = false;
        ft_strbuf_init(&run->trace.damage);
        run->walk = *w;
        run->walk.go_on = run_goes_on;
        run->walk.ctx = run;
        if ((run->sink = sink->ops->part(sink)) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
walk_runs(struct cores *k, struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w,
          unsigned workers, int *error)
{
    if (!prepare(k, t, sink, w) || !walk_all(k, w, workers) || k->error == ENOMEM) {
        return false;
    }
    *error = k->error;
    sink->recorded = true;
    w->events = w->lost = w->last = 0;
    w->first = UINT64_MAX;
    for (size_t i = 0; i < k->nruns && !*error; i++) {
        fold(t, sink, w, &k->runs[i]);
    }
    return true;
}

bool
ft_walk_cores(struct ft_trace *t, struct ft_sink *sink, struct ft_walk *w, int *error)
{
    unsigned most = w->workers ? w->workers : processors();
    uint64_t total = 0;
    size_t threads = 0;
    if (sink->ops->part == NULL || most < 2) {
        return false;
    }
    for (size_t i = 0; i < t->nthreads; i++) {
        if (ft_walk_takes(w, &t->threads[i])) {
            total += bytes_of(&t->threads[i]);
            threads++;
        }
    }
    most = most > WORKERS_MAX ? WORKERS_MAX : most;
    most = threads < most ? (unsigned)threads : most;
    if (most < 2 || (w->workers == 0 && total < WORTH_IT)) {
        return false;
    }
    struct cores k = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    k.runs = calloc((size_t)most * RUNS_EACH + 1, sizeof(*k.runs));
    bool done = false;
    if (k.runs != NULL) {
        cut(&k, t, w, total, most);
        done = walk_runs(&k, t, sink, w, most, error);
    }
    for (size_t i = 0; i < k.nruns; i++) {
        if (k.runs[i].sink != NULL) {
            k.runs[i].sink->ops->close(k.runs[i].sink);
        }
        ft_strbuf_fini(&k.runs[i].trace.damage);
    }
    free(k.runs);
    return done;
}
