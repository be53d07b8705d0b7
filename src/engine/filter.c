/* Verdicts: from a function's names and origin, the scope options and the patterns to one word of
 * flags. Called by codes.c once per function and filter, never in the hot path. GIL held. */
#include "engine/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"

static bool
under_folder(struct ft_str file, struct ft_str folder)
{
    if (file.len <= folder.len || !ft_str_equal((struct ft_str){file.s, folder.len}, folder)) {
        return false;
    }
    return file.s[folder.len] == '/';
}

static bool
under_any(struct ft_str file, const struct ft_str *folders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (under_folder(file, folders[i])) {
            return true;
        }
    }
    return false;
}

static bool
starts_with(struct ft_str s, struct ft_str prefix)
{
    return s.len >= prefix.len && ft_str_equal((struct ft_str){s.s, prefix.len}, prefix);
}

/* Whether a folder of that name is a part of the path. */
static bool
has_part(struct ft_str file, struct ft_str part)
{
    for (size_t i = 0; i + part.len + 1 < file.len; i++) {
        if (file.s[i] == '/' && file.s[i + 1 + part.len] == '/'
            && ft_str_equal((struct ft_str){file.s + i + 1, part.len}, part)) {
            return true;
        }
    }
    return false;
}

/* What somebody typed: at a prompt, in a cell of a notebook in a terminal (those of a kernel have a
 * path of their own), in a doctest. */
static bool
is_typed(struct ft_str file)
{
    static const char *const typed[] = {"<stdin>",   "<python-input-",  "<console>",
                                        "<pyshell#", "<ipython-input-", "<doctest "};
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        if (starts_with(file, (struct ft_str){typed[i], strlen(typed[i])})) {
            return true;
        }
    }
    return false;
}

enum ft_origin
ft_origin_of_file(const struct ft_paths *paths, struct ft_str file)
{
    if (file.len > 0 && file.s[0] == '<') {
        if (starts_with(file, FT_STR("<frozen importlib"))
            || starts_with(file, FT_STR("<frozen zipimport"))) {
            return FT_ORIGIN_IMPORT;
        }
        if (starts_with(file, FT_STR("<frozen "))) {
            return FT_ORIGIN_STDLIB;
        }
        return is_typed(file) ? FT_ORIGIN_USER : FT_ORIGIN_TEXT;
    }
    if (under_any(file, paths->own, paths->nown)) {
        return FT_ORIGIN_PYFTRACE;
    }
    if (has_part(file, FT_STR("site-packages")) || has_part(file, FT_STR("dist-packages"))) {
        return FT_ORIGIN_SITE;
    }
    return under_any(file, paths->stdlib, paths->nstdlib) ? FT_ORIGIN_STDLIB : FT_ORIGIN_USER;
}

static bool
any_package(struct ft_patterns *p, const struct ft_func *func)
{
    bool any = false;
    for (size_t i = 0; i < p->n; i++) {
        if (ft_package_matches(p->items[i], func->module, func->file)) {
            p->matched[i] = any = true;
        }
    }
    return any;
}

static bool
any_function(struct ft_patterns *p, const struct ft_func *func)
{
    bool any = false;
    for (size_t i = 0; i < p->n; i++) {
        if (ft_pattern_matches(p->items[i], func->module, func->name, func->file)) {
            p->matched[i] = any = true;
        }
    }
    return any;
}

static uint32_t
match_patterns(struct ft_filter *f, const struct ft_func *func)
{
    uint32_t v = 0;
    if (any_function(&f->function, func)) {
        v |= FT_V_INSIDE;
    }
    if (any_function(&f->exclude, func)) {
        v |= FT_V_EXCLUDED;
    }
    if (any_function(&f->hide, func)) {
        v |= FT_V_HIDE;
    }
    return v;
}

static bool
has_dynamics(const struct ft_filter *f)
{
    return f->function.n + f->exclude.n + f->hide.n > 0 || f->depth > 0;
}

/* What the scope options say, patterns aside. */
static uint32_t
scope_of(const struct ft_filter *f, const struct ft_func *func, enum ft_origin origin, bool user)
{
    bool module = (func->flags & FT_FUNC_MODULE) != 0;
    if (module && (func->flags & FT_FUNC_MAIN)) {
        return 0;                        /* the script's own top level has no line of its own */
    }
    if (user) {
        return !module || f->libs != FT_REACH_NONE ? FT_V_SHOW : 0;
    }
    if (f->libs == FT_REACH_ALL) {
        return FT_V_SHOW;
    }
    return f->libs == FT_REACH_DIRECT && origin != FT_ORIGIN_IMPORT ? FT_V_DIRECT : 0;
}

uint32_t
ft_filter_judge(struct ft_filter *f, const struct ft_func *func, enum ft_origin origin)
{
    if (origin == FT_ORIGIN_PYFTRACE) {
        return FT_V_NEVER;
    }
    bool included = any_package(&f->include, func);
    bool user = f->only.n > 0 ? any_package(&f->only, func)
                              : included || origin == FT_ORIGIN_USER || origin == FT_ORIGIN_TARGET;
    uint32_t v = match_patterns(f, func);
    if ((func->flags & FT_FUNC_MODULE) && f->libs == FT_REACH_NONE) {
        v &= ~(uint32_t)FT_V_INSIDE;     /* a module's top level is shown only with -v */
    }
    v |= scope_of(f, func, origin, user);
    if (user) {
        v |= FT_V_USER;
    }
    if (origin == FT_ORIGIN_IMPORT) {
        v |= FT_V_IMPORT;
    }
    if (f->builtins == FT_REACH_ALL || (f->builtins == FT_REACH_DIRECT && user)) {
        v |= FT_V_CCALLS;
    }
    /* Under -v every function is followed, because what it calls is judged by it. */
    if (!(v & (FT_V_SHOW | FT_V_DIRECT | FT_V_INSIDE | FT_V_EXCLUDED))
        && f->libs == FT_REACH_NONE) {
        v |= FT_V_NEVER;
    }
    if ((v & FT_V_SHOW) && !has_dynamics(f)) {
        v |= FT_V_PLAIN;
    }
    return v;
}

uint32_t
ft_filter_judge_callable(struct ft_filter *f, const struct ft_func *func)
{
    uint32_t v = match_patterns(f, func) | FT_V_SHOW;
    return has_dynamics(f) ? v : v | FT_V_PLAIN;
}

static void
patterns_fini(struct ft_patterns *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free((char *)p->items[i].s);
    }
    free(p->items);
    free(p->matched);
}

void
ft_filter_fini(struct ft_filter *f)
{
    patterns_fini(&f->include);
    patterns_fini(&f->only);
    patterns_fini(&f->function);
    patterns_fini(&f->exclude);
    patterns_fini(&f->hide);
}
