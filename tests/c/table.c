/* sink/table: the call stream in, rows out. */
#include "sink/table.h"

#include "base/clock.h"
#include "story.h"

static const struct ft_table_row *
row(const struct ft_table_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (ft_str_equal(rows->rows[i].func->name, (struct ft_str){name, strlen(name)})) {
            return &rows->rows[i];
        }
    }
    CHECK(!"no such row");
    return &rows->rows[0];
}

/* A tick is a nanosecond: a scale measured at one moment is not quite that of another. */
static void
injected_clock(void)
{
    ft_clock_init();
    ft_clock.counter = false;
}

#define U 1000000

CASE(times_of_recursion_and_generators)
{
    injected_clock();
    struct ft_sink *sink = ft_table_new(true);
    struct ft_thread_info info = {.serial = 1, .native_id = 1, .name = FT_STR("MainThread")};
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, U};
    struct ft_func *f = func("f", "/a/app.py", 1, 0),
                   *g = func("g", "/a/app.py", 5, FT_FUNC_GENERATOR);
    enter(&s, FT_START, f, NULL, 0, 0);          /* f(f(...)): recursion counted once */
    s.now += 10 * U;
    enter(&s, FT_START, f, NULL, 0, 0);
    s.now += 5 * U;
    leave(&s, FT_RETURN, f, NULL, 0);
    s.now += 1 * U;
    enter(&s, FT_START, g, NULL, 0, 77);         /* a generator's run in two steps */
    s.now += 3 * U;
    leave(&s, FT_YIELD, g, NULL, 77);
    s.now += 100 * U;
    enter(&s, FT_RESUME, g, NULL, 0, 77);
    s.now += 4 * U;
    leave(&s, FT_RETURN, g, NULL, 77);
    leave(&s, FT_RETURN, f, NULL, 0);
    struct ft_table_rows rows;
    CHECK(ft_table_collect(sink, &rows) == 0 && rows.n == 2 && rows.calls == 3
          && rows.threads == 1);
    const struct ft_table_row *r = row(&rows, "f");
    CHECK(r->calls == 2 && r->total == 123 * U && r->self == 116 * U);
    CHECK(r->min == 5 * U && r->max == 123 * U);
    r = row(&rows, "g");
    CHECK(r->calls == 1 && r->resumes == 1 && r->total == 7 * U && r->self == 7 * U);
    CHECK(r->min == 7 * U && r->max == 7 * U);
    struct ft_table_style style = {.sort = {FT_KEY_TOTAL}, .nsort = 1};
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_table_sort(&rows, &style);
    CHECK(rows.rows[0].func == f);
    style.format = FT_FORMAT_CSV;
    ft_table_render(&rows, &style, &b, NULL, NULL);
    CHECK(b.len > 100 && memcmp(b.data, "function,module,file,line,calls,", 32) == 0);
    ft_table_rows_free(&rows);
    sink->ops->thread_end(sink, s.lane);         /* what a thread counted outlives it */
    CHECK(ft_table_collect(sink, &rows) == 0 && rows.n == 2 && row(&rows, "f")->total == 123 * U);
    ft_table_rows_free(&rows);
    ft_strbuf_fini(&b);
    sink->ops->close(sink);
    CHECK(f->refs == 1 && g->refs == 1);
    ft_func_unref(f);
    ft_func_unref(g);
}

CASE(what_one_call_takes_is_told_in_nanoseconds)
{
    injected_clock();
    struct ft_sink *sink = ft_table_new(false);
    struct ft_thread_info info = {.serial = 1, .native_id = 1, .name = FT_STR("MainThread")};
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, U};
    struct ft_func *f = func("f", "/a/app.py", 1, 0);
    for (int i = 0; i < 2; i++) {
        enter(&s, FT_START, f, NULL, 0, 0);
        s.now += 842;
        leave(&s, FT_RETURN, f, NULL, 0);
    }
    struct ft_table_rows rows;
    CHECK(ft_table_collect(sink, &rows) == 0);
    struct ft_table_style style = {.columns = FT_COL_SELF | FT_COL_AVG};
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_table_render(&rows, &style, &b, NULL, NULL);
    const char told[] = "| 2          | 0.000002 seconds | 0.000000842 seconds\n";
    CHECK(memmem(b.data, b.len, told, sizeof(told) - 1));
    ft_table_rows_free(&rows);
    ft_strbuf_fini(&b);
    sink->ops->close(sink);
    ft_func_unref(f);
}

/* More than can wait where nothing is searched, each resumed by the short way. */
CASE(many_suspended_generators_keep_their_times)
{
    injected_clock();
    struct ft_sink *sink = ft_table_new(false);
    struct ft_thread_info info = {.serial = 1, .native_id = 1, .name = FT_STR("MainThread")};
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, U};
    struct ft_func *g = func("g", "/a/app.py", 5, FT_FUNC_GENERATOR);
    enum { N = 300, ROUNDS = 5 };
    for (uint64_t i = 1; i <= N; i++) {
        enter(&s, FT_START, g, NULL, 0, i);
        s.now += i * U;
        leave(&s, FT_YIELD, g, NULL, i);
    }
    int answer;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 1; i <= N; i++) {
            CHECK(sink->ops->resume_plain(sink, s.lane, g, i, s.now, &answer) == &answer);
            s.now += i * U;
            CHECK(sink->ops->yield_plain(sink, s.lane, i, false, s.now, &answer) == &answer);
        }
    }
    for (uint64_t i = N; i >= 1; i--) {
        enter(&s, FT_RESUME, g, NULL, 0, i);
        leave(&s, FT_RETURN, g, NULL, i);
    }
    struct ft_table_rows rows;
    CHECK(ft_table_collect(sink, &rows) == 0 && rows.n == 1);
    const struct ft_table_row *r = row(&rows, "g");
    CHECK(r->calls == N && r->resumes == N * (ROUNDS + 1));
    CHECK(r->total == (uint64_t)N * (N + 1) / 2 * (ROUNDS + 1) * U);
    CHECK(r->min == (ROUNDS + 1) * U && r->max == (uint64_t)N * (ROUNDS + 1) * U);
    ft_table_rows_free(&rows);
    sink->ops->close(sink);
    ft_func_unref(g);
}

CASE(lambdas_of_one_line_and_growing)
{
    struct ft_sink *sink = ft_table_new(false);
    struct ft_thread_info info = {.serial = 1, .native_id = 1, .name = FT_STR("MainThread")};
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, U};
    enum { N = 3000 };
    static struct ft_func *all[N];
    for (int i = 0; i < N; i++) {
        all[i] = func("<lambda>", "/a/=app.py", 4, 0);
        enter(&s, FT_START, all[i], NULL, 0, 0);
        s.now += U;
    }
    for (int i = N; i-- > 0;) {
        leave(&s, FT_RETURN, all[i], NULL, 0);
        s.now += U;
    }
    leave(&s, FT_RETURN, all[0], NULL, 0);       /* one too many: ignored */
    struct ft_table_rows rows;
    CHECK(ft_table_collect(sink, &rows) == 0 && rows.n == N && rows.calls == N);
    struct ft_table_style style = {.sort = {FT_KEY_NAME}, .nsort = 1, .limit = 2, .footer = true};
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_table_sort(&rows, &style);
    CHECK(rows.rows[0].ordinal == 1 && rows.rows[N - 1].ordinal == N);
    ft_table_render(&rows, &style, &b, NULL, NULL);
    CHECK(memmem(b.data, b.len, "<lambda>#2 ", 11) && memmem(b.data, b.len, "... 2998 more", 13));
    ft_table_rows_free(&rows);
    ft_strbuf_fini(&b);
    sink->ops->close(sink);
    for (int i = 0; i < N; i++) {
        CHECK(all[i]->refs == 1);
        ft_func_unref(all[i]);
    }
}
