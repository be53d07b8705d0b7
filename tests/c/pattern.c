/* Globs, and which name of a function a pattern is held against. */
#include "base/pattern.h"

#include "check.h"

static bool
glob(const char *pattern, const char *text)
{
    return ft_glob_match(str(pattern), str(text));
}

/* Of app.db's Stack.push in /home/me/src/app/db.py. */
static bool
names(const char *pattern)
{
    return ft_pattern_matches(str(pattern), str("app.db"), str("Stack.push"),
                              str("/home/me/src/app/db.py"));
}

static bool
package(const char *pattern, const char *module)
{
    return ft_package_matches(str(pattern), str(module), str("/home/me/src/app/db.py"));
}

CASE(stars_and_question_marks)
{
    CHECK(glob("", "") && !glob("", "a") && glob("*", "") && glob("**", "abc"));
    CHECK(glob("a*c", "abc") && glob("a*c", "ac") && !glob("a*c", "abcd"));
    CHECK(glob("a?c", "abc") && !glob("a?c", "ac"));
    CHECK(glob("*b*d", "abcbd") && !glob("*b*d", "abcb"));
    CHECK(glob("*.py", "a/b.c/d.py"));
    CHECK(glob("*aab", "aaaab") && glob("a*a*a", "aaa") && !glob("a*a*a", "aa"));
}

CASE(sets)
{
    CHECK(glob("[abc]x", "bx") && !glob("[abc]x", "dx"));
    CHECK(glob("[a-c]", "c") && !glob("[a-c]", "d") && glob("[a-]", "-"));
    CHECK(glob("[!a-c]", "d") && !glob("[!a-c]", "b") && glob("[^a]", "b"));
    CHECK(glob("[]]", "]") && glob("[!]]", "a") && !glob("[!]]", "]"));
    CHECK(glob("[*?]", "*") && !glob("[*?]", "a"));
}

CASE(a_backslash_quotes)
{
    CHECK(glob("\\*", "*") && !glob("\\*", "a"));
    CHECK(glob("<lambda>\\[1]", "<lambda>[1]"));
    CHECK(glob("a\\", "a\\"));
}

CASE(a_character_of_several_bytes_is_one)
{
    CHECK(glob("caf?", "caf\xc3\xa9") && !glob("caf??", "caf\xc3\xa9"));
    CHECK(glob("?", "\xf0\x9f\x90\x8d") && glob("*\xa9", "\xa9"));
    CHECK(glob("[\xc3\xa9x]", "\xc3\xa9") && !glob("[\xc3\xa9x]", "\xc3\xa8"));
    CHECK(glob("[!\xc3\xa9]", "\xc3\xa8") && !glob("[!\xc3\xa9]", "\xc3\xa9"));
    CHECK(glob("[\xce\xb1-\xcf\x89]", "\xce\xbb") && !glob("[\xce\xb1-\xcf\x89]", "z"));
    CHECK(glob("?", "\xff") && !glob("?", "\xff\xff"));
}

CASE(what_is_a_bad_pattern)
{
    static const char *const good[] = {"a", "*", "[a]", "[]]", "[!]]", "\\[", "a\\"};
    static const char *const bad[] = {"", "[", "[a", "[]", "[!]", "a[b", "\\\\["};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(ft_glob_valid(str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!ft_glob_valid(str(bad[i])));
    }
}

CASE(a_pattern_meets_the_name_with_and_without_its_module)
{
    CHECK(names("Stack.push") && names("app.db.Stack.push") && names("app.db:Stack.push"));
    CHECK(names("app.*") && names("Stack.*") && names("*push") && names("app.db:*"));
    CHECK(!names("db:Stack.push") && !names("Stack") && !names("app.db"));
}

CASE(a_plain_word_also_meets_the_last_part)
{
    CHECK(names("push") && names("pu*") && !names("pus"));
    CHECK(!names(".push") && !names(":push"));
}

CASE(a_pattern_with_a_slash_is_a_path)
{
    CHECK(names("/home/me/src/app/db.py") && names("/home/me/src") && names("/home/me/src/"));
    CHECK(names("app/db.py") && names("./app") && names("src/*.py") && names("/home/*/db.py"));
    CHECK(!names("/home/m") && !names("pp/db.py") && !names("/app") && !names("app/d"));
}

CASE(packages_hold_what_is_below_them)
{
    CHECK(package("sqlglot", "sqlglot") && package("sqlglot", "sqlglot.optimizer.scope"));
    CHECK(!package("sqlglot", "sqlglotter") && !package("sqlglot", "my.sqlglot"));
    CHECK(package("app.*", "app.db") && package("app.*", "app.db.models"));
    CHECK(!package("app.*", "app") && package("*", "x") && !package("*", ""));
}

CASE(packages_by_path_and_by_file_in_angle_brackets)
{
    CHECK(package("/home/me/src", "app.db") && !package("/home/you", "app.db"));
    CHECK(ft_package_matches(str("<string>"), str("app"), str("<string>")));
    CHECK(ft_package_matches(str("<*>"), str("app"), str("<attrs generated 3>")));
    CHECK(!ft_package_matches(str("<string>"), str("<string>"), str("/a.py")));
}

CASE(long_names_are_joined_as_short_ones)
{
    static char module[600], joined[620];
    memset(module, 'm', sizeof(module) - 1);
    snprintf(joined, sizeof(joined), "%s:f", module);
    CHECK(ft_pattern_matches(str(joined), str(module), str("f"), str("/x.py")));
    CHECK(!ft_pattern_matches(str(joined), str(module), str("g"), str("/x.py")));
    out_of_memory_in = 0;
    CHECK(!ft_pattern_matches(str(joined), str(module), str("f"), str("/x.py")));
}

CASE(many_stars_end_soon)
{
    static char text[5000], pattern[400];
    memset(text, 'a', sizeof(text) - 1);
    for (size_t i = 0; i + 2 < sizeof(pattern); i += 2) {
        memcpy(pattern + i, "a*", 2);
    }
    strcpy(pattern + sizeof(pattern) - 2, "b");
    CHECK(!glob(pattern, text));         /* an exponential matcher would still be at it */
}
