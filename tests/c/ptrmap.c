/* The map: against a plain array of all keys, through growth, deletion and collisions. */
#include "base/ptrmap.h"
#include "check.h"

#define KEYS 700

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void
add_up(void *ctx, uint64_t key, uint64_t value)
{
    uint64_t *sums = ctx;
    sums[0] += key;
    sums[1] += value;
    sums[2]++;
}

/* Keys as addresses lie: 16 bytes apart, in a few pools. */
static uint64_t
key_of(size_t i)
{
    return 0x7f0000001000u + i % 7 * 0x100000000u + i / 7 * 16;
}

static void
compare(struct ft_ptrmap *m, const uint64_t *expected)
{
    size_t used = 0;
    for (size_t i = 0; i < KEYS; i++) {
        uint64_t *value = ft_ptrmap_get(m, key_of(i));
        CHECK(expected[i] ? value != NULL && *value == expected[i] : value == NULL);
        used += expected[i] != 0;
    }
    CHECK_NUMBER(m->used, used);
}

CASE(behaves_as_an_array_of_all_keys)
{
    static uint64_t expected[KEYS];
    uint64_t seed = 88172645463325252u;
    struct ft_ptrmap m;
    ft_ptrmap_init(&m);
    for (int step = 0; step < 60000; step++) {
        uint64_t r = next_random(&seed);
        size_t i = r % KEYS;
        /* Long phases of filling and of emptying. */
        if ((r >> 32) % 8 < (step / 5000 % 2 ? 2u : 6u)) {
            CHECK(ft_ptrmap_put(&m, key_of(i), r | 1));
            expected[i] = r | 1;
        }
        else {
            uint64_t value = 0;
            CHECK(ft_ptrmap_take(&m, key_of(i), &value) == (expected[i] != 0));
            CHECK_NUMBER(value, expected[i]);
            expected[i] = 0;
        }
        if (step % 997 == 0) {
            compare(&m, expected);
        }
    }
    compare(&m, expected);
    uint64_t sums[3] = {0, 0, 0}, keys = 0, values = 0;
    for (size_t i = 0; i < KEYS; i++) {
        keys += expected[i] ? key_of(i) : 0;
        values += expected[i];
    }
    ft_ptrmap_each(&m, add_up, sums);
    CHECK_NUMBER(sums[0], keys);
    CHECK_NUMBER(sums[1], values);
    CHECK_NUMBER(sums[2], m.used);
    ft_ptrmap_fini(&m);
}

CASE(an_empty_map_has_nothing)
{
    struct ft_ptrmap m;
    uint64_t sums[3] = {0, 0, 0};
    ft_ptrmap_init(&m);
    CHECK(ft_ptrmap_get(&m, 1) == NULL);
    CHECK(!ft_ptrmap_take(&m, 1, NULL));
    ft_ptrmap_each(&m, add_up, sums);
    CHECK_NUMBER(sums[2], 0);
    ft_ptrmap_fini(&m);
}

CASE(a_map_that_cannot_grow_keeps_what_it_has)
{
    struct ft_ptrmap m;
    ft_ptrmap_init(&m);
    out_of_memory_in = 0;
    CHECK(!ft_ptrmap_put(&m, 1, 1));
    out_of_memory_in = 1;
    uint64_t n = 0;
    while (n < 1000 && ft_ptrmap_put(&m, n + 1, n * 3)) {
        n++;
    }
    CHECK(n >= 8 && n < 16);
    CHECK(ft_ptrmap_put(&m, 1, 77));     /* one that is there can still be replaced */
    CHECK_NUMBER(m.used, n);
    CHECK_NUMBER(*ft_ptrmap_get(&m, 1), 77);
    for (uint64_t i = 1; i < n; i++) {
        CHECK_NUMBER(*ft_ptrmap_get(&m, i + 1), i * 3);
    }
    CHECK(ft_ptrmap_get(&m, n + 1) == NULL);
    ft_ptrmap_fini(&m);
}
