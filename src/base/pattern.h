/* Shell globs (* ? [set] [!set], a backslash quotes; '*' also crosses '.' and '/') over UTF-8, a
 * character at a time, and the project's rule for which name of a function a pattern is held
 * against. Linear in practice: one backtrack point. */
#ifndef FT_BASE_PATTERN_H
#define FT_BASE_PATTERN_H

#include <stdbool.h>

#include "base/strbuf.h"

bool ft_glob_match(struct ft_str pattern, struct ft_str text);
/* False for an empty pattern or an unclosed '[': what the user is told is a bad pattern. */
bool ft_glob_valid(struct ft_str pattern);

/* -f, -e, -H: a pattern matches `qualname`, `module:qualname` or `module.qualname`; one without
 * any of ". : /" also matches the last part of the name (after the last '.'); one with '/' is a
 * path: it matches the absolute file (a glob, or the file itself, or a folder above it). */
bool ft_pattern_matches(struct ft_str pattern, struct ft_str module, struct ft_str qualname,
                        struct ft_str file);

/* --include, --only: a pattern with '/' is a path as above; one in <> is the file name itself (a
 * glob); otherwise a glob over the module's dotted name or any package above it: "sqlglot" matches
 * module sqlglot and sqlglot.optimizer.scope, "app.*" matches app.db and app.db.models. */
bool ft_package_matches(struct ft_str pattern, struct ft_str module, struct ft_str file);

#endif
