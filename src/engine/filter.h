/* What is traced: where code comes from (user code, library, ...), the scope options and the
 * patterns, boiled down to one verdict per function and filter. Cold: asked once per function.
 * Plain C but for its callers; strings are owned copies. */
#ifndef FT_ENGINE_FILTER_H
#define FT_ENGINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "sink/func.h"

enum ft_reach { FT_REACH_NONE, FT_REACH_DIRECT, FT_REACH_ALL };

/* Where a function's file lies, whatever the filter. */
enum ft_origin {
    FT_ORIGIN_USER,
    FT_ORIGIN_SITE,          /* site-packages, dist-packages */
    FT_ORIGIN_STDLIB,
    FT_ORIGIN_IMPORT,        /* the import machinery */
    FT_ORIGIN_TEXT,          /* a file name in <>: generated or exec'd text */
    FT_ORIGIN_PYFTRACE,
    FT_ORIGIN_TARGET,        /* the traced program itself, or a function given to trace() */
};

struct ft_paths {
    struct ft_str *stdlib;   /* absolute folders */
    size_t nstdlib;
    struct ft_str *own;
    size_t nown;
};

enum ft_verdict {
    FT_V_SHOW = 1 << 0,      /* in scope */
    FT_V_DIRECT = 1 << 1,    /* in scope when called directly from user code */
    FT_V_USER = 1 << 2,      /* is user code, for the functions it calls */
    FT_V_INSIDE = 1 << 3,    /* matched by -f */
    FT_V_EXCLUDED = 1 << 4,  /* matched by -e */
    FT_V_HIDE = 1 << 5,      /* matched by -H */
    FT_V_CCALLS = 1 << 6,    /* C calls made by it are wanted */
    FT_V_NEVER = 1 << 7,
    FT_V_IMPORT = 1 << 8, /* import machinery: skipped when a module looks for who imported it */
    FT_V_PLAIN = 1 << 9, /* FT_V_SHOW, and nothing about it depends on the caller */
};

struct ft_patterns {
    struct ft_str *items; /* owned, with their bytes */
    bool *matched; /* owned: some function matched it */
    size_t n;
};

struct ft_filter {
    enum ft_reach libs, builtins;
    struct ft_patterns include, only, function, exclude, hide;
    uint32_t depth; /* 0: no limit */
};

void ft_filter_fini(struct ft_filter *f);
enum ft_origin ft_origin_of_file(const struct ft_paths *paths, struct ft_str file);
uint32_t ft_filter_judge(struct ft_filter *f, const struct ft_func *func, enum ft_origin origin);
uint32_t ft_filter_judge_callable(struct ft_filter *f, const struct ft_func *func);

#endif
