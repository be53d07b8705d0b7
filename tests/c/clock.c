/* The clock: it goes forward, at the pace of the monotonic clock. */
#include "base/clock.h"

#include "check.h"

#define SPIN_NS 20000000u

CASE(counts_at_the_pace_of_the_monotonic_clock)
{
    ft_clock_init();
    uint64_t ticks = ft_clock_ticks(), ns = ft_clock_monotonic_ns();
    while (ft_clock_monotonic_ns() - ns < SPIN_NS) {
    }
    ticks = ft_clock_ticks() - ticks;
    ns = ft_clock_monotonic_ns() - ns;
    uint64_t converted = ft_clock_ns(ft_clock_scale(), ticks);
    CHECK(converted > ns - ns / 10 && converted < ns + ns / 10);
}

CASE(never_runs_back)
{
    ft_clock_init();
    uint64_t last = ft_clock_ticks();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = ft_clock_ticks();
        CHECK(now >= last);
        last = now;
    }
}

CASE(is_set_up_once)
{
    ft_clock_init();
    uint64_t ns0 = ft_clock.ns0, ticks0 = ft_clock.ticks0;
    ft_clock_init();
    CHECK(ns0 != 0 && ft_clock.ns0 == ns0 && ft_clock.ticks0 == ticks0);
}

CASE(ticks_are_ns_without_a_counter)
{
    ft_clock_init();
    ft_clock.counter = false;
    CHECK_NUMBER(ft_clock_ns(ft_clock_scale(), 123456789), 123456789);
    CHECK_NUMBER(ft_clock_ns(ft_clock_scale(), UINT64_MAX), UINT64_MAX);
}

CASE(a_year_of_ticks_does_not_overflow)
{
    struct ft_scale scale = {(uint64_t)((1000.0 / 2400.0) * 4294967296.0)};
    uint64_t year = 365ull * 86400 * 2400000000ull;
    uint64_t ns = ft_clock_ns(scale, year);
    CHECK(ns > 365ull * 86400 * 999999999ull && ns <= 365ull * 86400 * 1000000000ull);
}
