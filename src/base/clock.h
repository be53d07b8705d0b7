/* The clock of the hot path: the processor's time-stamp counter where it is invariant, otherwise
 * clock_gettime(CLOCK_MONOTONIC). Ticks mean nothing alone; ft_clock_ns() turns a difference into
 * nanoseconds by two anchors (counter and monotonic time), the first taken by ft_clock_init(), so
 * there is no calibration sleep. All functions are async-signal-safe. */
#ifndef FT_BASE_CLOCK_H
#define FT_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct ft_clock {
    bool counter;          /* ft_clock_ticks() reads the counter, not clock_gettime */
    uint64_t ticks0;       /* first anchor, ticks */
    uint64_t ns0;          /* first anchor, CLOCK_MONOTONIC, ns */
};

/* Written once by ft_clock_init (idempotent), constant after. */
extern struct ft_clock ft_clock;

void ft_clock_init(void);
uint64_t ft_clock_monotonic_ns(void);

#ifdef FT_TEST_CLOCK
/* A build for tests: time stands still but for this; ticks are nanoseconds. */
void ft_clock_advance(uint64_t ns);
#endif

/* Only where ft_clock.counter says so. */
static inline uint64_t
ft_clock_counter(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

static inline uint64_t
ft_clock_ticks(void)
{
    return ft_clock.counter ? ft_clock_counter() : ft_clock_monotonic_ns();
}

/* How to turn ticks into ns now: take one scale and use it for every number of one table or line.
 */
struct ft_scale {
    uint64_t mul;      /* ns = (ticks * mul) >> 32, computed in 128 bits */
};
struct ft_scale ft_clock_scale(void);
uint64_t ft_clock_ns(struct ft_scale scale, uint64_t ticks);

#endif
