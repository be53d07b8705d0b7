/* Descriptions of functions: copies, printable forms, reference counts. */
#include "sink/func.h"

#include "check.h"

static int freed;

static void
on_free(struct ft_func *func)
{
    ft_func_fini(func);
    freed++;
}

CASE(names_are_copied_and_made_printable)
{
    char name[] = "Stack.\npush", file[] = "/home/me/a\x1b"
                                           "b.py";
    struct ft_func f = {.free = on_free, .id = 7};
    struct ft_func_names names = {str(name), str("app.db"), str(file), 12, 4, FT_FUNC_GENERATOR};
    CHECK(ft_func_init(&f, &names));
    memset(name, 'x', sizeof(name));
    memset(file, 'x', sizeof(file));
    CHECK_TEXT(f.name, "Stack.\npush");
    CHECK_TEXT(f.module, "app.db");
    CHECK_TEXT(f.file, "/home/me/a\x1b"
                       "b.py");
    CHECK_TEXT(f.shown_name, "Stack.\\npush");
    CHECK_TEXT(f.shown_module, "app.db");
    CHECK_TEXT(f.shown_file, "a\\x1bb.py");
    CHECK_TEXT(f.shown_path, "/home/me/a\\x1bb.py");
    CHECK(f.line == 12 && f.column == 4 && f.flags == FT_FUNC_GENERATOR && f.id == 7);
    ft_func_unref(&f);
}

CASE(empty_names_are_no_null_pointers)
{
    struct ft_func f = {.free = on_free};
    struct ft_func_names names = {str("print"), {NULL, 0}, {NULL, 0}, 0, 0, FT_FUNC_C};
    CHECK(ft_func_init(&f, &names));
    CHECK(f.module.s != NULL && f.file.s != NULL && f.shown_file.s != NULL);
    CHECK(f.module.len == 0 && f.file.len == 0 && f.shown_file.len == 0);
    ft_func_unref(&f);
}

CASE(long_names_are_cut)
{
    static char long_name[FT_FUNC_TEXT_MAX + 1000];
    struct ft_func f = {.free = on_free};
    struct ft_str s = {long_name, sizeof(long_name)};
    struct ft_func_names names = {.name = s, .module = s, .file = s};
    memset(long_name, '\n', sizeof(long_name));
    CHECK(ft_func_init(&f, &names));
    CHECK_NUMBER(f.name.len, FT_FUNC_TEXT_MAX);
    CHECK_NUMBER(f.module.len, FT_FUNC_TEXT_MAX);
    CHECK_NUMBER(f.file.len, FT_FUNC_TEXT_MAX);
    CHECK_NUMBER(f.shown_module.len, 2 * FT_FUNC_TEXT_MAX);
    ft_func_unref(&f);
}

CASE(the_last_reference_frees)
{
    struct ft_func f = {.free = on_free};
    struct ft_func_names names = {.name = str("f")};
    freed = 0;
    CHECK(ft_func_init(&f, &names));
    CHECK(ft_func_ref(&f) == &f);
    ft_func_unref(&f);
    CHECK_NUMBER((uint64_t)freed, 0);
    ft_func_unref(&f);
    CHECK_NUMBER((uint64_t)freed, 1);
}

CASE(without_memory_nothing_is_left_behind)
{
    struct ft_func_names names = {.name = str("f"), .file = str("/a/b.py")};
    struct ft_func f = {.free = on_free};
    out_of_memory_in = 0;
    CHECK(!ft_func_init(&f, &names));
    CHECK(f.strings == NULL);
}
