/* From lanes to rows: one per identity, in one mapped block. Async-signal-safe: no malloc, no lock,
 * and any array may be an instant old. Under the producer's lock otherwise. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sink/table.h"
#include "sink/table_lane.h"

/* ---- counting what is there ------------------------------------------------------------------ */

static size_t
count_stats(const struct table *t)
{
    size_t n = t->ended.nstats;
    for (const struct table_lane *lane = t->lanes; lane != NULL; lane = lane->next) {
        n += lane->nstats;
    }
    return n;
}

/* Rows, then a table of places (row + 1) of twice as many slots. */
static bool
map_rows(struct ft_table_rows *rows, size_t most, uint32_t **places, size_t *mask)
{
    size_t slots = 16;
    while (slots < most * 2) {
        slots *= 2;
    }
    rows->mapped = most * sizeof(struct ft_table_row) + slots * sizeof(uint32_t) + sizeof(uint64_t);
    void *block =
        mmap(NULL, rows->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        return false;
    }
    rows->rows = block;
    *places = (uint32_t *)(void *)((char *)block + most * sizeof(struct ft_table_row));
    *mask = slots - 1;
    return true;
}

/* ---- merging --------------------------------------------------------------------------------- */

static struct ft_table_row *
row_of(struct ft_table_rows *rows, uint32_t *places, size_t mask, size_t most,
       const struct ft_func *func)
{
    uint64_t hash = ft_func_hash(func);
    size_t at = (size_t)(hash ^ hash >> 29) & mask;
    for (; places[at] != 0; at = (at + 1) & mask) {
        struct ft_table_row *row = &rows->rows[places[at] - 1];
        if (ft_func_same(row->func, func)) {
            return row;
        }
    }
    if (rows->n >= most) {
        return NULL; /* grew since it was measured: a handler does without */
    }
    struct ft_table_row *row = &rows->rows[rows->n++];
    places[at] = (uint32_t)rows->n;
    row->func = func;
    row->min = UINT64_MAX;
    return row;
}

/* Only of a recording: never in a handler. */
static void
add_spread(struct ft_sink *sink, struct ft_table_row *row, const uint64_t *spread)
{
    if (row->spread == NULL && (row->spread = calloc(SPREAD_SLOTS, sizeof(*spread))) == NULL) {
        ft_sink_unkept(sink, 1);
        return;
    }
    for (uint32_t i = 0; i < SPREAD_SLOTS; i++) {
        row->spread[i] += spread[i];
    }
}

/* The middle of the slot in which the activation lies that is longer than that part of all. */
static uint64_t
percentile(const struct ft_table_row *row, unsigned percent)
{
    uint64_t n = 0, sum = 0;
    for (uint32_t i = 0; i < SPREAD_SLOTS; i++) {
        n += row->spread[i];
    }
    uint64_t wanted = (n * percent + 99) / 100;
    for (uint32_t i = 0; i < SPREAD_SLOTS && n > 0; i++) {
        sum += row->spread[i];
        if (sum >= wanted) {
            uint32_t high = i >> SPREAD_BITS;
            uint64_t low = i, width = 1;
            if (high > 0) {
                low = (uint64_t)((1u << SPREAD_BITS) | (i & ((1u << SPREAD_BITS) - 1)))
                      << (high - 1);
                width = (uint64_t)1 << (high - 1);
            }
            uint64_t middle = low + width / 2;
            return middle < row->min ? row->min : middle > row->max ? row->max : middle;
        }
    }
    return 0;
}

static void
find_percentiles(struct ft_table_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct ft_table_row *row = &rows->rows[i];
        if (row->spread != NULL) {
            row->p50 = percentile(row, 50);
            row->p95 = percentile(row, 95);
            row->p99 = percentile(row, 99);
            free(row->spread);
            row->spread = NULL;
        }
    }
}

static void
add_lane(struct ft_sink *sink, const struct table_lane *lane, struct ft_table_rows *rows,
         uint32_t *places, size_t mask, size_t most)
{
    uint32_t n = lane->nstats;
    for (uint32_t id = 0; id < n; id++) {
        const struct table_stat *s = &lane->stats[id];
        struct ft_table_row *row = s->func ? row_of(rows, places, mask, most, s->func) : NULL;
        if (row != NULL) {
            row->calls += s->calls;
            row->resumes += s->resumes;
            row->total += s->total;
            row->self += s->self;
            row->min = s->min < row->min ? s->min : row->min;
            row->max = s->max > row->max ? s->max : row->max;
            if (s->spread != NULL) {
                add_spread(sink, row, s->spread);
            }
        }
    }
}

/* Open activations count as if they were left now: own time of each, total of the outermost. */
static void
add_open(const struct table_lane *lane, struct ft_table_rows *rows, uint32_t *places, size_t mask,
         size_t most, uint64_t now)
{
    uint64_t inner = 0;
    for (uint32_t i = lane->depth; i-- > 0;) {
        const struct table_open *o = &lane->stack[i];
        uint64_t ticks = now > o->since ? now - o->since : 0;
        const struct ft_func *func = o->id < lane->nstats ? lane->stats[o->id].func : NULL;
        struct ft_table_row *row = func ? row_of(rows, places, mask, most, func) : NULL;
        if (row != NULL) {
            uint64_t child = o->child + inner;
            row->self += ticks > child ? ticks - child : 0;
            /* Entered last is met first: the outermost overwrites, so add only the difference. */
            row->total += ticks > row->open_ticks ? ticks - row->open_ticks : 0;
            row->open_ticks = ticks;
        }
        inner = ticks;
    }
    for (size_t i = 0; i < rows->n; i++) {
        rows->rows[i].open_ticks = 0;
    }
}

/* ---- order among lambdas of one line --------------------------------------------------------- */

static void
number_lambdas(struct ft_table_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct ft_table_row *row = &rows->rows[i];
        if (!ft_func_is_unnamed(row->func)) {
            continue;
        }
        uint32_t others = 0, before = 0;
        for (size_t j = 0; j < rows->n; j++) {
            const struct ft_func *other = rows->rows[j].func;
            if (j != i && ft_func_same_name(other, row->func)) {
                others++;
                before += other->column < row->func->column;
            }
        }
        row->ordinal = others ? before + 1 : 0;
    }
}

static void
to_ns(struct ft_table_rows *rows, struct ft_scale scale)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct ft_table_row *row = &rows->rows[i];
        row->total = ft_clock_ns(scale, row->total);
        row->self = ft_clock_ns(scale, row->self);
        row->min = row->min == UINT64_MAX ? 0 : ft_clock_ns(scale, row->min);
        row->max = ft_clock_ns(scale, row->max);
        rows->calls += row->calls;
    }
}

/* A lane may hold a function that no call of it reached: seen, but only resumed before we looked.
 */
int
ft_table_collect(struct ft_sink *sink, struct ft_table_rows *rows)
{
    struct table *t = (struct table *)sink;
    uint64_t now = t->stopped ? t->stopped : ft_clock_ticks();
    size_t most = count_stats(t), mask;
    uint32_t *places;
    memset(rows, 0, sizeof(*rows));
    if (!map_rows(rows, most, &places, &mask)) {
        return -1;
    }
    add_lane(sink, &t->ended, rows, places, mask, most);
    for (const struct table_lane *lane = t->lanes; lane != NULL; lane = lane->next) {
        add_lane(sink, lane, rows, places, mask, most);
        add_open(lane, rows, places, mask, most, now);
    }
    struct ft_scale scale = ft_sink_scale(sink);
    number_lambdas(rows);
    rows->percentiles = t->percentiles;
    if (t->percentiles) {
        find_percentiles(rows);
    }
    to_ns(rows, scale);
    rows->threads = t->threads;
    rows->wall = ft_clock_ns(scale, now > t->since ? now - t->since : 0);
    return 0;
}

/* ---- by caller ------------------------------------------------------------------------------- */

struct telling {
    const struct table_lane *lane;
    void (*visit)(void *ctx, const struct ft_func *caller, const struct ft_func *func,
                  uint64_t calls);
    void *ctx;
};

static void
tell_edge(void *ctx, uint64_t key, uint64_t calls)
{
    const struct telling *t = ctx;
    const struct table_stat *stats = t->lane->stats;
    uint32_t by = (uint32_t)(key >> 32), id = (uint32_t)key - 1;
    /* Both were seen in this lane; in that of the ended there may have been no memory for them. */
    const struct ft_func *func = id < t->lane->nstats ? stats[id].func : NULL;
    const struct ft_func *caller = by > 0 && by <= t->lane->nstats ? stats[by - 1].func : NULL;
    if (func != NULL && (caller != NULL || by == 0)) {
        t->visit(t->ctx, caller, func, calls);
    }
}

void
ft_table_callers(struct ft_sink *sink,
                 void (*visit)(void *ctx, const struct ft_func *caller, const struct ft_func *func,
                               uint64_t calls),
                 void *ctx)
{
    const struct table *t = (const struct table *)sink;
    struct telling telling = {&t->ended, visit, ctx};
    ft_ptrmap_each(&t->ended.edges, tell_edge, &telling);
    for (const struct table_lane *lane = t->lanes; lane != NULL; lane = lane->next) {
        telling.lane = lane;
        ft_ptrmap_each(&lane->edges, tell_edge, &telling);
    }
}

void
ft_table_rows_free(struct ft_table_rows *rows)
{
    if (rows->rows != NULL) {
        munmap(rows->rows, rows->mapped);
        rows->rows = NULL;
    }
}

/* ---- sorting --------------------------------------------------------------------------------- */

static int
compare_str(struct ft_str a, struct ft_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.s, b.s, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static uint64_t
number(const struct ft_table_row *r, enum ft_table_key key)
{
    switch (key) {
    case FT_KEY_TOTAL:
        return r->total;
    case FT_KEY_SELF:
        return r->self;
    case FT_KEY_CALLS:
        return r->calls;
    case FT_KEY_AVG:
        return r->calls ? r->total / r->calls : 0;
    case FT_KEY_MIN:
        return r->min;
    case FT_KEY_MAX:
        return r->max;
    case FT_KEY_P50:
        return r->p50;
    case FT_KEY_P95:
        return r->p95;
    case FT_KEY_P99:
        return r->p99;
    case FT_KEY_NAME:
        break;
    }
    return 0;
}

/* Numbers from the largest down, names from A. */
static int
compare(const struct ft_table_row *a, const struct ft_table_row *b,
        const struct ft_table_style *style)
{
    for (int i = 0; i < style->nsort; i++) {
        int c = 0;
        if (style->sort[i] == FT_KEY_NAME) {
            c = compare_str(a->func->name, b->func->name);
        }
        else {
            uint64_t x = number(a, style->sort[i]), y = number(b, style->sort[i]);
            c = (x < y) - (x > y);
        }
        if (c != 0) {
            return c;
        }
    }
    int c = compare_str(a->func->name, b->func->name);
    c = c ? c : compare_str(a->func->file, b->func->file);
    c = c ? c : (a->func->line > b->func->line) - (a->func->line < b->func->line);
    return c ? c : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static void
sift(struct ft_table_row *rows, size_t root, size_t n, const struct ft_table_style *style)
{
    for (size_t child; (child = root * 2 + 1) < n; root = child) {
        if (child + 1 < n && compare(&rows[child], &rows[child + 1], style) < 0) {
            child++;
        }
        if (compare(&rows[root], &rows[child], style) >= 0) {
            return;
        }
        struct ft_table_row swap = rows[root];
        rows[root] = rows[child];
        rows[child] = swap;
    }
}

/* A heap sort: qsort() may allocate. */
void
ft_table_sort(struct ft_table_rows *rows, const struct ft_table_style *style)
{
    for (size_t i = rows->n / 2; i-- > 0;) {
        sift(rows->rows, i, rows->n, style);
    }
    for (size_t end = rows->n; end-- > 1;) {
        struct ft_table_row swap = rows->rows[0];
        rows->rows[0] = rows->rows[end];
        rows->rows[end] = swap;
        sift(rows->rows, 0, end, style);
    }
}
