/* A function as sinks know it: described once, immutable to them, shared by reference counts that
 * may be dropped by any thread (atomic). The engine embeds it as the first member of its own
 * record. */
#ifndef FT_SINK_FUNC_H
#define FT_SINK_FUNC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

enum ft_func_flags {
    FT_FUNC_C = 1 << 0,          /* a C callable: file is empty, line 0 */
    FT_FUNC_MODULE = 1 << 1,     /* top-level code of a module: name is "<module>" */
    FT_FUNC_GENERATOR = 1 << 2,
    FT_FUNC_COROUTINE = 1 << 3,
    FT_FUNC_ASYNCGEN = 1 << 4,
    FT_FUNC_MAIN = 1 << 5,       /* its module is the __main__ of the process */
};

#define FT_FUNC_TEXT_MAX 4096    /* bytes: longer names, modules and files are cut */

struct ft_func_names {
    struct ft_str name;          /* qualified name as Python has it: may hold anything */
    struct ft_str module;        /* dotted name, empty when unknown */
    struct ft_str file;          /* absolute path, or "<string>"; empty for C */
    uint32_t line;               /* of the definition, 0 for C */
    uint32_t column; /* of its code's first instruction: tells lambdas of one line apart */
    uint32_t flags; /* enum ft_func_flags */
};

struct ft_func {
    _Atomic uint32_t refs;
    uint32_t id; /* small and dense among the living functions of one producer; reused */
    uint32_t line;
    uint32_t column;
    uint32_t flags;
    uint32_t plain; /* the producer's alone, beside the id, which it reads with it (engine.h) */
    struct ft_str name; /* raw */
    struct ft_str module; /* raw */
    struct ft_str file; /* raw */
    struct ft_str shown_name; /* printable (ft_strbuf_add_printable) */
    struct ft_str shown_module; /* printable */
    struct ft_str shown_file; /* printable, the last part of the path */
    struct ft_str shown_path; /* printable, whole */
    void (*free)(struct ft_func *func); /* called when the last reference goes */
    void *strings; /* owned: one block that holds all of the strings above */
};

/* To what a function keeps of them. */
void ft_func_cut(struct ft_func_names *names);
/* Fills a zeroed `func` (refs = 1) with copies of the names; false when memory ran out.
 * func->free must be set by the caller and end by calling ft_func_fini. */
bool ft_func_init(struct ft_func *func, const struct ft_func_names *names);
void ft_func_fini(struct ft_func *func);

/* Whether both stand for one function of the program, as totals know it: file, name and line, of a
 * C callable module and name. Processes describe each their own, and code that is run twice is
 * another each time. */
bool ft_func_same(const struct ft_func *a, const struct ft_func *b);
uint64_t ft_func_hash(const struct ft_func *func);
/* Lambdas and generator expressions of one line have one name: their column tells them apart. */
bool ft_func_is_unnamed(const struct ft_func *func);
bool ft_func_same_name(const struct ft_func *a, const struct ft_func *b);

static inline struct ft_func *
ft_func_ref(const struct ft_func *func)
{
    struct ft_func *f = (struct ft_func *)func; /* the count is the one mutable part */
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

static inline void
ft_func_unref(const struct ft_func *func)
{
    struct ft_func *f = (struct ft_func *)func;
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        f->free(f);
    }
}

#endif
