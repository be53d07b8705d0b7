/* Globs and what they are held against; see pattern.h. Cold: asked once per function. */
#include "base/pattern.h"

#include <string.h>

/* The character at s[*at], which moves behind it. The bytes as one number: UTF-8 sorts as its code
 * points do, and what is no UTF-8 counts byte by byte. */
static uint32_t
next_char(struct ft_str s, size_t *at)
{
    unsigned char first = (unsigned char)s.s[*at];
    size_t len = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
    uint32_t c = first;
    for (size_t i = 1; i < len; i++) {
        if (*at + i >= s.len || ((unsigned char)s.s[*at + i] & 0xc0) != 0x80) {
            *at += 1;
            return first;
        }
        c = c << 8 | (unsigned char)s.s[*at + i];
    }
    *at += len;
    return c;
}

/* Whether the set that begins at p[at] ('[') has `c`; *end is behind its ']'. An unclosed set is a
 * literal '['. */
static bool
match_set(struct ft_str p, size_t at, uint32_t c, size_t *end)
{
    size_t i = at + 1;
    bool negated = i < p.len && (p.s[i] == '!' || p.s[i] == '^');
    bool found = false;
    i += negated;
    for (size_t first = i; i < p.len && (p.s[i] != ']' || i == first);) {
        uint32_t low = next_char(p, &i), high = low;
        if (i + 1 < p.len && p.s[i] == '-' && p.s[i + 1] != ']') {
            i++;
            high = next_char(p, &i);
        }
        found |= low <= c && c <= high;
    }
    if (i >= p.len) {
        *end = at + 1;
        return c == '[';
    }
    *end = i + 1;
    return found != negated;
}

static bool
match_one(struct ft_str p, size_t at, uint32_t c, size_t *end)
{
    if (p.s[at] == '[') {
        return match_set(p, at, c, end);
    }
    bool any = p.s[at] == '?';
    at += p.s[at] == '\\' && at + 1 < p.len;
    *end = at;
    return next_char(p, end) == c || any;
}

bool
ft_glob_match(struct ft_str p, struct ft_str text)
{
    size_t at = 0, i = 0, star = SIZE_MAX, resume = 0, end;
    while (i < text.len) {
        size_t behind = i;
        uint32_t c = next_char(text, &behind);
        if (at < p.len && p.s[at] == '*') {
            star = at++;
            resume = i;
        }
        else if (at < p.len && match_one(p, at, c, &end)) {
            at = end;
            i = behind;
        }
        else if (star != SIZE_MAX) {     /* let the last star take one more */
            at = star + 1;
            next_char(text, &resume);
            i = resume;
        }
        else {
            return false;
        }
    }
    while (at < p.len && p.s[at] == '*') {
        at++;
    }
    return at == p.len;
}

bool
ft_glob_valid(struct ft_str p)
{
    for (size_t i = 0; i < p.len; i++) {
        if (p.s[i] == '\\') {
            i++;
        }
        else if (p.s[i] == '[') {
            size_t first = i + 1 + (i + 1 < p.len && (p.s[i + 1] == '!' || p.s[i + 1] == '^'));
            size_t close = first + 1;
            while (close < p.len && p.s[close] != ']') {
                close++;
            }
            if (close >= p.len) {
                return false;
            }
            i = close;
        }
    }
    return p.len > 0;
}

static bool
has_any(struct ft_str s, const char *bytes)
{
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(bytes, s.s[i]) != NULL && s.s[i] != '\0') {
            return true;
        }
    }
    return false;
}

/* The file itself, a glob over it, or a folder above it; a pattern that does not begin with '/' may
 * begin at any part of the path. */
static bool
path_matches(struct ft_str pattern, struct ft_str file)
{
    while (pattern.len >= 2 && pattern.s[0] == '.' && pattern.s[1] == '/') {
        pattern.s += 2;
        pattern.len -= 2;
    }
    while (pattern.len > 1 && pattern.s[pattern.len - 1] == '/') {
        pattern.len--;
    }
    bool anchored = pattern.len > 0 && pattern.s[0] == '/';
    for (size_t from = 0; from < file.len; from++) {
        if (from > 0 && (anchored || file.s[from - 1] != '/')) {
            continue;
        }
        for (size_t end = from + 1; end <= file.len; end++) {
            if ((end == file.len || file.s[end] == '/')
                && ft_glob_match(pattern, (struct ft_str){file.s + from, end - from})) {
                return true;
            }
        }
    }
    return false;
}

/* module + sep + name, matched without building the text when it is short. */
static bool
joined_matches(struct ft_str pattern, struct ft_str module, char sep, struct ft_str name)
{
    char room[512];
    struct ft_strbuf b;
    if (module.len + name.len + 1 <= sizeof(room)) {
        memcpy(room, module.s, module.len);
        room[module.len] = sep;
        memcpy(room + module.len + 1, name.s, name.len);
        return ft_glob_match(pattern, (struct ft_str){room, module.len + name.len + 1});
    }
    ft_strbuf_init(&b);
    ft_strbuf_add_str(&b, module);
    ft_strbuf_add_char(&b, sep);
    ft_strbuf_add_str(&b, name);
    bool matched = !b.failed && ft_glob_match(pattern, (struct ft_str){b.data, b.len});
    ft_strbuf_fini(&b);
    return matched;
}

bool
ft_pattern_matches(struct ft_str pattern, struct ft_str module, struct ft_str qualname,
                   struct ft_str file)
{
    if (has_any(pattern, "/")) {
        return path_matches(pattern, file);
    }
    if (ft_glob_match(pattern, qualname)) {
        return true;
    }
    if (module.len > 0
        && (joined_matches(pattern, module, ':', qualname)
            || joined_matches(pattern, module, '.', qualname))) {
        return true;
    }
    if (has_any(pattern, ".:")) {
        return false;
    }
    size_t last = qualname.len;
    while (last > 0 && qualname.s[last - 1] != '.') {
        last--;
    }
    return ft_glob_match(pattern, (struct ft_str){qualname.s + last, qualname.len - last});
}

bool
ft_package_matches(struct ft_str pattern, struct ft_str module, struct ft_str file)
{
    if (has_any(pattern, "/")) {
        return path_matches(pattern, file);
    }
    if (pattern.len > 0 && pattern.s[0] == '<') {
        return ft_glob_match(pattern, file);
    }
    for (size_t end = 1; end <= module.len; end++) {
        if ((end == module.len || module.s[end] == '.')
            && ft_glob_match(pattern, (struct ft_str){module.s, end})) {
            return true;
        }
    }
    return false;
}
