/* The clock's one decision, counter or clock_gettime, and the turning of ticks into nanoseconds.
 * Async-signal-safe; ft_clock is written once. */
#include "base/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct ft_clock ft_clock;

#ifdef FT_TEST_CLOCK
static uint64_t test_clock = 1000000000;

void
ft_clock_advance(uint64_t ns)
{
    test_clock += ns;
}
#endif

uint64_t
ft_clock_monotonic_ns(void)
{
#ifdef FT_TEST_CLOCK
    return test_clock;
#endif
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool
counter_is_invariant(void)
{
#if defined(FT_TEST_CLOCK)
    return false;
#elif defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#elif defined(__aarch64__)
    return true;                         /* the generic timer is constant by architecture */
#else
    return false;
#endif
}

void
ft_clock_init(void)
{
    if (ft_clock.ns0 != 0) {
        return;
    }
    ft_clock.counter = counter_is_invariant();
    ft_clock.ticks0 = ft_clock_ticks();
    ft_clock.ns0 = ft_clock_monotonic_ns();
}

struct ft_scale
ft_clock_scale(void)
{
    if (!ft_clock.counter) {
        return (struct ft_scale){(uint64_t)1 << 32};
    }
    uint64_t ticks = ft_clock_ticks() - ft_clock.ticks0;
    uint64_t ns = ft_clock_monotonic_ns() - ft_clock.ns0;
    if (ticks == 0) {
        return (struct ft_scale){(uint64_t)1 << 32};
    }
    return (struct ft_scale){(uint64_t)(((unsigned __int128)ns << 32) / ticks)};
}

uint64_t
ft_clock_ns(struct ft_scale scale, uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * scale.mul) >> 32);
}
