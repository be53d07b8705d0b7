/* sink/uftrace: the call stream in, files out. */
#include "sink/uftrace.h"

#include "story.h"

/* ---- a folder in memory ------------------------------------------------------------------------ */

#define FILES 16
#define FILE_MAX (1 << 16)

struct file {
    char name[64];
    size_t len;
    char bytes[FILE_MAX];
};

struct shelf {
    struct ft_folder base;       /* first */
    size_t n;
    struct file files[FILES];
};

static struct shelf shelf;

static void
append(struct ft_folder *folder, const char *name, struct ft_str bytes)
{
    (void)folder;
    size_t i = 0;
    while (i < shelf.n && strcmp(shelf.files[i].name, name) != 0) {
        i++;
    }
    CHECK(i < FILES && shelf.files[i].len + bytes.len <= FILE_MAX);
    struct file *file = &shelf.files[i];
    snprintf(file->name, sizeof(file->name), "%s", name);
    if (bytes.len > 0) {
        memcpy(file->bytes + file->len, bytes.s, bytes.len);
    }
    file->len += bytes.len;
    shelf.n += i == shelf.n;
}

static struct ft_str
content(const char *name)
{
    for (size_t i = 0; i < shelf.n; i++) {
        if (strcmp(shelf.files[i].name, name) == 0) {
            return (struct ft_str){shelf.files[i].bytes, shelf.files[i].len};
        }
    }
    return (struct ft_str){NULL, 0};
}

static struct ft_sink *
opened(void)
{
    memset(&shelf, 0, sizeof(shelf));
    shelf.base.append = append;
    return ft_uftrace_new(&shelf.base.out);
}

/* The records of a file without texts, in words: "+1@5" entered at depth 1 at 5, "-", "!" lost. */
static void
add_records(struct ft_strbuf *b, struct ft_str file)
{
    for (size_t at = 0; at + 16 <= file.len; at += 16) {
        uint64_t word[2];
        memcpy(word, file.s + at, 16);
        CHECK((word[1] >> 2 & 15) == 5 << 1);
        ft_strbuf_add_char(b, "+-!?"[word[1] & 3]);
        ft_strbuf_add_u64(b, (word[1] & 3) == 2 ? word[1] >> 16 : word[1] >> 6 & 1023);
        ft_strbuf_add_char(b, '@');
        ft_strbuf_add_u64(b, word[0]);
        ft_strbuf_add_char(b, ' ');
    }
}

static struct ft_thread_info
thread(uint64_t pid, uint64_t native)
{
    return (struct ft_thread_info){.native_id = native, .pid = pid, .name = FT_STR("t")};
}

static void
open_call(struct story *s, const struct ft_func *f, uint32_t depth)
{
    struct ft_call call = {.func = f, .way = FT_START, .depth = depth};
    s->sink->now = s->now;
    s->sink->ops->open(s->sink, s->lane, &call);
    s->depth = depth + 1;
}

static void
lose(struct story *s, uint64_t n)
{
    s->sink->now = s->now;
    s->sink->ops->lost(s->sink, s->lane, n);
}

/* ---- cases ------------------------------------------------------------------------------------- */

CASE(numbers_are_given_once)
{
    struct ft_sink *sink = opened();
    const uint64_t who[][2] = {{7, 7}, {7, 8}, {9, 7}, {9, 8}, {0, 0}, {1ull << 40, 1ull << 40}};
    struct ft_func *f = func("f", "/a/app.py", 1, 0);
    for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
        struct ft_thread_info info = thread(who[i][0], who[i][1]);
        struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, i};
        enter(&s, FT_START, f, NULL, 0, 0);
        leave(&s, FT_RETURN, f, NULL, 0);
        sink->ops->thread_end(sink, s.lane);
    }
    sink->ops->flush(sink);
    CHECK_TEXT(content("task.txt"),
               "SESS timestamp=0.000000000 pid=7 sid=0000000000000007 exename=\"/python\"\n"
               "SESS timestamp=0.000000000 pid=9 sid=0000000000000009 exename=\"/python\"\n"
               "SESS timestamp=0.000000000 pid=4194307 sid=0000000004194307 exename=\"/python\"\n"
               "TASK timestamp=0.000000000 tid=7 pid=7\n"
               "TASK timestamp=0.000000000 tid=8 pid=7\n"
               "TASK timestamp=0.000000000 tid=4194305 pid=9\n"
               "TASK timestamp=0.000000000 tid=4194306 pid=9\n"
               "TASK timestamp=0.000000000 tid=4194308 pid=4194307\n"
               "TASK timestamp=0.000000000 tid=4194309 pid=4194307\n");
    CHECK_TEXT(content("python.sym"), "# path name: /python\n"
                                      "0000000000000000 T app.f\n"
                                      "0000000000000010 ? __sym_end\n");
    CHECK_NUMBER(content("4194309.dat").len, 32);
    CHECK(sink->unkept == 0);
    sink->ops->close(sink);
    ft_func_unref(f);
}

CASE(all_calls_end_where_events_are_missing)
{
    struct ft_sink *sink = opened();
    struct ft_thread_info info = thread(7, 7);
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, 1};
    struct ft_func *f = func("f", "/a/app.py", 1, 0);
    open_call(&s, f, 1);                         /* of the outermost no more is known */
    s.now = 2;
    enter(&s, FT_START, f, NULL, 0, 0);
    s.now = 5;
    lose(&s, 77);
    open_call(&s, f, 0);
    s.now = 6;
    leave(&s, FT_RETURN, f, NULL, 0);
    lose(&s, UINT64_MAX);
    s.depth = 5000;                              /* left, and not one of them is known */
    leave(&s, FT_RETURN, f, NULL, 0);
    s.depth = 1;
    leave(&s, FT_RETURN, f, NULL, 0);
    s.depth = 0;
    leave(&s, FT_RETURN, f, NULL, 0);            /* one too many: ignored */
    sink->ops->thread_end(sink, s.lane);
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    add_records(&b, content("7.dat"));
    const char *first = "+0@1 +1@1 +2@2 -2@5 -1@5 -0@5 !77@5 +0@5 -0@6 !281474976710655@6 +0@6 ";
    CHECK(b.len > strlen(first) && memcmp(b.data, first, strlen(first)) == 0);
    CHECK_NUMBER(content("7.dat").len, (10 + 2 * 1023) * 16);
    sink->ops->flush(sink);
    CHECK(memmem(content("python.sym").s, content("python.sym").len, " T ?.(unknown)\n", 15));
    ft_strbuf_fini(&b);
    sink->ops->close(sink);
    ft_func_unref(f);
}

CASE(it_goes_on_when_memory_runs_out)
{
    struct ft_func *f[3] = {func("f", "/a/app.py", 1, 0), func("f", "/a/app.py", 2, 0),
                            func("len", "", 0, FT_FUNC_C)};
    bool whole = false;
    for (long most = 0; !whole; most++) {
        out_of_memory_in = most;
        struct ft_sink *sink = opened();
        uint64_t unkept = 0;
        for (uint64_t i = 1; sink != NULL && i < 4; i++) {
            struct ft_thread_info info = thread(i, i);
            struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, i};
            unkept += s.lane == NULL;
            for (int depth = 0; s.lane != NULL && depth < 100; depth++) {
                enter(&s, FT_START, f[depth % 3], NULL, 0, 0);
            }
            while (s.lane != NULL && s.depth > 0) {
                leave(&s, FT_RETURN, f[(s.depth - 1) % 3], "value", 0);
            }
            if (s.lane != NULL) {
                sink->ops->thread_end(sink, s.lane);
            }
        }
        if (sink != NULL) {
            sink->ops->flush(sink);
            unkept += sink->unkept + shelf.base.out.lost_lines;
            whole = unkept == 0 && out_of_memory_in > 0;
            sink->ops->close(sink);
        }
        /* All is there, or it is said that it is not. */
        CHECK(sink == NULL || unkept > 0
              || (content("3.dat").len == 100 * 40 && content("info").len > 200));
        CHECK(most < 1000);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(f[i]->refs == 1);
        ft_func_unref(f[i]);
    }
}
