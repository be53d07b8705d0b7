/* Per-function totals: calls, total, self, min, max, resumes. Live and recorded.
 *
 * Lanes count alone, in arrays indexed by ft_func.id, without locks; rows are merged when asked for
 * (under the GIL or when all lanes are quiet). Growth publishes the new array before the old one is
 * retired, so that a signal handler can read at any instant. */
#ifndef FT_SINK_TABLE_H
#define FT_SINK_TABLE_H

#include "base/clock.h"
#include "sink/output.h"
#include "sink/sink.h"

struct ft_sink *ft_table_new(bool ccalls);
/* Before a walk over a recording: percentiles too. */
void ft_table_want_percentiles(struct ft_sink *sink);
/* Before the first event: calls are counted by caller too. */
void ft_table_want_callers(struct ft_sink *sink);
/* Neither callers nor percentiles are wanted. */
bool ft_table_is_plain(const struct ft_sink *sink);
/* Each pair of a caller (NULL: an outermost call) and a function; once for each thread that still
 * runs and once for all that ended. Not in a signal handler. */
void ft_table_callers(struct ft_sink *sink,
                      void (*visit)(void *ctx, const struct ft_func *caller,
                                    const struct ft_func *func, uint64_t calls),
                      void *ctx);
/* After a walk: the wall time is that from `first` to `last`, ns. */
void ft_table_set_span(struct ft_sink *sink, uint64_t first, uint64_t last);

/* One row: all functions of one identity (file, qualified name, first line; lambdas of one line by
 * column) merged. Times in ns. */
struct ft_table_row {
    const struct ft_func *func;   /* one of those merged; borrowed from the table */
    uint32_t ordinal; /* 0: the only one of its name and line; else 1, 2, ... by column */
    uint64_t calls; /* FT_START and FT_C_CALL */
    uint64_t resumes; /* FT_RESUME and FT_THROW */
    uint64_t total; /* recursion counted once; suspended time not counted */
    uint64_t self;
    uint64_t min, max; /* over finished activations; 0 when there is none */
    uint64_t p50, p95, p99; /* likewise, within 2 %; 0 unless asked for */
    uint64_t *spread; /* while collecting only: owned */
    uint64_t open_ticks; /* while collecting only: outermost open activation so far */
};

enum ft_table_key {
    FT_KEY_TOTAL,
    FT_KEY_SELF,
    FT_KEY_CALLS,
    FT_KEY_AVG,
    FT_KEY_MIN,
    FT_KEY_MAX,
    FT_KEY_P50,
    FT_KEY_P95,
    FT_KEY_P99,
    FT_KEY_NAME
};
enum ft_table_format { FT_FORMAT_TABLE, FT_FORMAT_JSON, FT_FORMAT_CSV };
enum ft_table_column {
    FT_COL_SELF = 1 << 0,
    FT_COL_AVG = 1 << 1,
    FT_COL_MIN = 1 << 2,
    FT_COL_MAX = 1 << 3,
    FT_COL_P50 = 1 << 4,
    FT_COL_P95 = 1 << 5,
    FT_COL_P99 = 1 << 6,
    FT_COL_RESUMES = 1 << 7,
    FT_COL_MODULE = 1 << 8,
    FT_COL_WHERE = 1 << 9,
};

struct ft_table_style {
    enum ft_table_format format;
    enum ft_table_key sort[FT_KEY_NAME + 1]; /* first decides; ties by name, file, line */
    int nsort;
    uint64_t limit; /* rows shown, 0: all */
    uint32_t columns; /* enum ft_table_column bits, in this order to the right of the three */
    bool footer; /* the line below the table */
};

struct ft_table_rows {
    struct ft_table_row *rows; /* one mmap'ed block: usable in a signal handler */
    size_t n;
    size_t mapped; /* bytes of the block */
    bool percentiles;
    uint64_t calls; /* sum */
    uint64_t threads; /* lanes that saw an event */
    uint64_t wall; /* ns since the table was made or reset, to now (or to ft_table_stop) */
};

/* Snapshot, merged and unsorted; open frames count as left now. 0, or -1 when memory ran out.
 * Async-signal-safe. */
int ft_table_collect(struct ft_sink *sink, struct ft_table_rows *rows);
void ft_table_rows_free(struct ft_table_rows *rows);
/* Sorts rows in place. Async-signal-safe. */
void ft_table_sort(struct ft_table_rows *rows, const struct ft_table_style *style);
/* Writes sorted rows as `style` says. Async-signal-safe if `b` has room or can do without (it is
 * written out by `emit` whenever it holds 4096 bytes; emit may be NULL: then it only grows). */
void ft_table_render(const struct ft_table_rows *rows, const struct ft_table_style *style,
                     struct ft_strbuf *b, void (*emit)(void *ctx, struct ft_strbuf *b), void *ctx);
/* Freezes the wall time. */
void ft_table_stop(struct ft_sink *sink);

#endif
