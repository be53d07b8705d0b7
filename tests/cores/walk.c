/* walk FOLDER: the recording there walked on one core and on several, again and again, with no
 * memory or no thread to be had at some moment; a line and status 1 where what comes out differs.
 * Built with -fsanitize=thread by test_cores.py. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/sums.h"
#include "sink/table.h"
#include "trace/walker.h"

#define NEVER INT64_MAX

static _Atomic int64_t fails_in = NEVER; /* that allocation fails, and no other */
static _Atomic int64_t threads_left = NEVER;

int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *ctx);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *ctx);

static bool
allowed(void)
{
    return atomic_fetch_sub(&fails_in, 1) != 0;
}

#include "../c/allocations.h"

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *ctx)
{
    return atomic_fetch_sub(&threads_left, 1) > 0 ? __real_pthread_create(t, attr, f, ctx) : EAGAIN;
}

struct outcome {
    int error;
    uint64_t unkept;
    struct ft_strbuf text;               /* all figures, in their order */
};

static void
numbers(struct ft_strbuf *b, const uint64_t *n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ft_strbuf_add_u64(b, n[i]);
        ft_strbuf_add_char(b, i + 1 < count ? ' ' : '\n');
    }
}

/* What is walked into. */
enum which { CHAINS, PAIRS, TABLE };

static struct ft_sink *
sink_new(enum which which)
{
    if (which != TABLE) {
        return which == CHAINS ? ft_chains_new() : ft_pairs_new();
    }
    struct ft_sink *sink = ft_table_new(true);
    ft_table_want_percentiles(sink);
    ft_table_want_callers(sink);
    return sink;
}

static void
tell(struct ft_sink *sink, enum which which, struct ft_strbuf *b)
{
    struct ft_table_rows rows;
    size_t n;
    if (which != TABLE) {
        const struct ft_sum *sums = ft_sums_all(sink, &n);
        for (size_t i = 1; i < n; i++) {
            const struct ft_sum *o = &sums[i];
            numbers(b, (uint64_t[]){o->caller ? o->caller->id : 0, o->parent, o->func->id}, 3);
            numbers(b, (uint64_t[]){o->calls, o->first, o->total, o->self, o->cut}, 5);
        }
        return;
    }
    if (ft_table_collect(sink, &rows) == 0) {
        for (size_t i = 0; i < rows.n; i++) {
            const struct ft_table_row *r = &rows.rows[i];
            numbers(b, (uint64_t[]){r->func->id, r->calls, r->total, r->self, r->min, r->p95}, 6);
        }
        numbers(b, (uint64_t[]){rows.calls, rows.threads}, 2);
        ft_table_rows_free(&rows);
    }
}

static struct outcome
walk(struct ft_trace *t, enum which which, unsigned workers, int64_t fails, int64_t threads)
{
    struct outcome o = {0};
    struct ft_walk w = {.workers = workers};
    struct ft_sink *sink = sink_new(which);
    ft_strbuf_init(&o.text);
    ft_strbuf_clear(&t->damage);
    atomic_store(&threads_left, threads);
    atomic_store(&fails_in, fails);
    o.error = ft_walk(t, sink, &w);
    atomic_store(&fails_in, NEVER);
    o.unkept = sink->unkept;
    numbers(&o.text, (uint64_t[]){w.events, w.lost, w.first, w.last, sink->now}, 5);
    ft_strbuf_add(&o.text, t->damage.data ? t->damage.data : "", t->damage.len);
    tell(sink, which, &o.text);
    sink->ops->close(sink);
    return o;
}

/* Wrong is what differs and does not say so; `whole`: nothing may be missing at all. */
static int
judge(const struct outcome *one, struct outcome o, bool whole, const char *what, int64_t n)
{
    bool same = !o.error && !o.unkept && o.text.len == one->text.len
                && memcmp(o.text.data, one->text.data, o.text.len) == 0;
    bool wrong = !same && (whole || (!o.error && !o.unkept));
    if (wrong) {
        printf("%s %lld: not as on one core (error %d)\n", what, (long long)n, o.error);
    }
    ft_strbuf_fini(&o.text);
    return wrong;
}

int
main(int argc, char **argv)
{
    struct ft_trace *t;
    int wrong = 0;
    if (argc != 2 || ft_trace_open(argv[1], &t) != 0) {
        return 2;
    }
    for (enum which which = CHAINS; which <= TABLE; which++) {
        struct outcome one = walk(t, which, 1, NEVER, 0);
        wrong += one.error || one.unkept || one.text.len < 100;
        for (int64_t n = 0; n < 6; n++) {
            wrong += judge(&one, walk(t, which, 4, NEVER, n), true, "threads", n);
        }
        for (int64_t n = 0; n < 300; n += n < 60 ? 1 : 5) { /* first what is made ready */
            wrong += judge(&one, walk(t, which, 4, n, NEVER), false, "memory", n);
        }
        ft_strbuf_fini(&one.text);
    }
    ft_trace_free(t);
    return wrong > 0;
}
