/* A call stream by hand, for the tests of sinks. */
#ifndef STORY_H
#define STORY_H

#include "check.h"
#include "sink/sink.h"

static uint32_t next_id;

static void
func_free(struct ft_func *f)
{
    ft_func_fini(f);
    free(f);
}

static inline struct ft_func *
func(const char *name, const char *file, uint32_t line, uint32_t flags)
{
    struct ft_func *f = calloc(1, sizeof(*f));
    struct ft_func_names names = {
        .name = {name, strlen(name)},
        .module = {"app", 3},
        .file = {file, strlen(file)},
        .line = line,
        .column = next_id,
        .flags = flags,
    };
    CHECK(ft_func_init(f, &names));
    f->id = next_id++;
    f->free = func_free;
    return f;
}

struct story {
    struct ft_sink *sink;
    void *lane;
    uint32_t depth;
    uint64_t now;
};

static inline void
enter(struct story *s, enum ft_way way, const struct ft_func *f, const struct ft_func *caller,
      uint32_t line, uint64_t activation)
{
    struct ft_call call = {.func = f,
                           .way = way,
                           .depth = s->depth++,
                           .time = s->now,
                           .activation = activation,
                           .caller = caller,
                           .call_line = line};
    s->sink->ops->enter(s->sink, s->lane, &call);
}

static inline void
leave(struct story *s, enum ft_way way, const struct ft_func *f, const char *value,
      uint64_t activation)
{
    struct ft_call call = {.func = f,
                           .way = way,
                           .depth = --s->depth,
                           .time = s->now,
                           .activation = activation,
                           .value = {value, value ? strlen(value) : 0}};
    s->sink->ops->leave(s->sink, s->lane, &call);
}

#endif
