/* sink/text: the call stream in, lines out. */
#include "sink/text.h"

#include "story.h"

CASE(the_tree_as_lines)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    struct ft_output *out = ft_output_memory(&b);
    struct ft_text_options options = {.callers = true, .values = true};
    struct ft_sink *sink = ft_text_new(&options, out);
    struct ft_thread_info info = {.serial = 1, .native_id = 1, .name = FT_STR("MainThread")},
                          other = {.serial = 2, .native_id = 2, .name = FT_STR("worker-1")};
    struct story s = {sink, sink->ops->thread_begin(sink, &info), 0, 1};
    struct ft_func *top = func("<module>", "/a/app.py", 1, FT_FUNC_MAIN | FT_FUNC_MODULE);
    struct ft_func *foo = func("foo", "/a/app.py", 1, FT_FUNC_MAIN);
    struct ft_func *lib = func("run", "/b/lib.py", 7, 0);
    struct ft_func *gen = func("gen", "/a/app.py", 3, FT_FUNC_MAIN | FT_FUNC_GENERATOR);
    struct ft_func *len = func("len", "", 0, FT_FUNC_C);
    struct ft_func *evil = func("a\n\x1b", "/a/app.py", 9, 0);
    enter(&s, FT_START, foo, top, 8, 0);
    enter(&s, FT_START, gen, lib, 9, 0);
    leave(&s, FT_YIELD, gen, "1", 0);
    enter(&s, FT_RESUME, gen, foo, 4, 0);
    enter(&s, FT_C_CALL, len, gen, 5, 0);
    leave(&s, FT_C_RETURN, len, NULL, 0);
    leave(&s, FT_UNWIND, gen, "ValueError: bad", 0);
    leave(&s, FT_RETURN, foo, "None", 0);
    CHECK_TEXT(held(&b), "Called foo:1 from line 8\n"
                         "    Called gen:3 from lib.py:9\n"
                         "    Yielding gen-> 1\n"
                         "    Resuming gen:3 from line 4\n"
                         "        Called len from line 5\n"
                         "        Returning len\n"
                         "    Raising gen-> ValueError: bad\n"
                         "Returning foo-> None\n");
    ft_strbuf_clear(&b);
    void *first = s.lane;
    s.lane = sink->ops->thread_begin(sink, &other);
    enter(&s, FT_START, lib, NULL, 0, 0);
    leave(&s, FT_RETURN, lib, NULL, 0);
    sink->ops->thread_end(sink, s.lane);
    s.lane = first;
    enter(&s, FT_START, evil, lib, 2, 0);
    leave(&s, FT_LEFT, evil, NULL, 0);
    CHECK_TEXT(held(&b), "[worker-1] Called run:7\n[worker-1] Returning run\n"
                         "[MainThread] Called a\\n\\x1b:9 from lib.py:2\n");
    for (int i = 0; i < 70; i++) {
        enter(&s, FT_START, lib, NULL, 0, 0);
    }
    const char *last = b.data + b.len;
    while (last > b.data && last[-2] != '\n') {
        last--;
    }
    CHECK(strncmp(last - 1, "[MainThread]", 12) == 0
          && memmem(last, 600, "[+5] Called run", 15) != NULL);
    CHECK(ft_text_lines(sink) == 8 + 3 + 70);
    sink->ops->thread_end(sink, first);
    sink->ops->close(sink);
    out->close(out);
    ft_strbuf_fini(&b);
    struct ft_func *all[] = {top, foo, lib, gen, len, evil};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        ft_func_unref(all[i]);
    }
}
