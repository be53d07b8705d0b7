/* The table's insides, shared by table.c (counting) and table_collect.c (rows). */
#ifndef FT_SINK_TABLE_LANE_H
#define FT_SINK_TABLE_LANE_H

#include "base/ptrmap.h"
#include "sink/sink.h"

/* One function in one lane; ticks. */
struct table_stat {
    const struct ft_func *func;          /* owned reference; NULL: never seen here */
    uint64_t calls, resumes;
    uint64_t total, self;
    uint64_t min, max;                   /* of finished activations; min UINT64_MAX: none */
    uint64_t open;                       /* activations on the stack now */
    uint64_t *spread;                    /* owned: finished activations by length; or NULL */
};

/* Of an open activation; none of them for an ordinary call. */
#define TABLE_GENERATOR 1 /* or coroutine */
#define TABLE_PARTIAL 2 /* it began before what is told: how long it takes is not known */

/* One open activation. */
struct table_open {
    uint64_t since;                      /* ticks when it was entered or resumed */
    uint64_t child;                      /* ticks spent in what it called */
    uint32_t id;
    uint8_t kind;        /* TABLE_GENERATOR: only then are the next two set */
    uint64_t before;     /* ticks of its earlier runs */
    uint64_t activation;
};

/* A suspended activation. */
struct table_rest {
    uint64_t activation; /* 0: none */
    uint64_t before;     /* ticks so far */
};

/* A generator is mostly resumed soon: those suspended last wait where nothing is searched. */
#define TABLE_RESTS 64

struct table_retired {
    void *block;
    struct table_retired *next;
};

struct table_lane {
    struct table_stat *stats;            /* owned, by function id */
    uint32_t nstats;                     /* published after `stats` */
    uint32_t depth, cap;
    struct table_open *stack;            /* owned */
    uint32_t room;                       /* `cap`, while `unkept` holds that down */
    uint32_t unkept;                     /* open activations that found no memory */
    struct table_rest rests[TABLE_RESTS]; /* by the activation's last bits */
    struct ft_ptrmap suspended;          /* those of them that had to make room, likewise */
    struct ft_ptrmap edges; /* (caller's id + 1, or 0) << 32 | id + 1 -> calls; where asked for */
    bool percentiles;
    struct table_retired *retired;       /* outgrown arrays: a handler may be reading them */
    struct table_lane *next;
};

struct table {
    struct ft_sink base;                 /* first */
    struct table_lane *lanes;            /* of living threads */
    struct table_lane ended;             /* sums of ended threads */
    uint64_t threads, last_serial;
    uint64_t since, stopped;             /* ticks; stopped 0: running */
    bool percentiles;                    /* keep how lengths are spread; recorded only */
};

/* Lengths are told apart by their highest bit and the SPREAD_BITS below it: within 1.6 % of the
 * middle. */
#define SPREAD_BITS 5
#define SPREAD_SLOTS ((64 - SPREAD_BITS + 1) << SPREAD_BITS)

static inline uint32_t
table_spread_slot(uint64_t ns)
{
    if (ns < 1u << SPREAD_BITS) {
        return (uint32_t)ns;
    }
    uint32_t high = 63 - (uint32_t)__builtin_clzll(ns);
    return (high - SPREAD_BITS + 1) << SPREAD_BITS
           | (uint32_t)(ns >> (high - SPREAD_BITS) & ((1u << SPREAD_BITS) - 1));
}

#endif
