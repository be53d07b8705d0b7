/* A test program of the C units: CASE(name) { ... CHECK(what must hold) ... }. Run without words it
 * runs every case, with a name that one alone. Status 0: all held; each failure is a line on
 * standard error. Memory can be made to run out: out_of_memory_in = n lets n more allocations pass. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define CASES_MAX 100
#define EVERYTHING_PASSES (-1)

struct test_case {
    const char *name;
    void (*run)(void);
};

static struct test_case cases[CASES_MAX];
static int ncases, failures;
static long out_of_memory_in = EVERYTHING_PASSES;
static volatile long allocations;

#define CASE(name)                                                                                 \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        cases[ncases++] = (struct test_case){#name, name};                                         \
    }                                                                                              \
    static void name(void)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failures++;                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
        }                                                                                          \
    } while (0)

#define CHECK_NUMBER(got, expected) check_number(__LINE__, #got, (got), (expected))
#define CHECK_TEXT(got, expected) check_text(__LINE__, #got, (got), (expected))

static inline void
check_number(int line, const char *what, uint64_t got, uint64_t expected)
{
    if (got != expected) {
        failures++;
        fprintf(stderr, "line %d: %s is %llu, expected %llu\n", line, what, (unsigned long long)got,
                (unsigned long long)expected);
    }
}

static inline void
check_text(int line, const char *what, struct ft_str got, const char *expected)
{
    if (got.len != strlen(expected) || (got.len && memcmp(got.s, expected, got.len) != 0)) {
        failures++;
        fprintf(stderr, "line %d: %s is\n<%.*s>, expected\n<%s>\n", line, what, (int)got.len,
                got.s ? got.s : "", expected);
    }
}

static inline struct ft_str
str(const char *s)
{
    return (struct ft_str){s, strlen(s)};
}

static inline struct ft_str
held(const struct ft_strbuf *b)
{
    return (struct ft_str){b->data, b->len};
}

/* ---- memory that runs out: linked with --wrap ------------------------------------------------- */

static bool
allowed(void)
{
    allocations++;
    if (out_of_memory_in > 0) {
        out_of_memory_in--;
        return true;
    }
    return out_of_memory_in == EVERYTHING_PASSES;
}

#include "allocations.h"

/* ---- running ----------------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 0; i < ncases; i++) {
        if (argc < 2 || strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            out_of_memory_in = EVERYTHING_PASSES;
            ran++;
        }
    }
    if (ran == 0) {
        fprintf(stderr, "no case %s\n", argc > 1 ? argv[1] : "at all");
        return 2;
    }
    return failures > 0;
}

#endif
