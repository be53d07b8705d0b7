/* The table as people, JSON and CSV readers see it. Async-signal-safe when the buffer has room:
 * text is handed on in pieces. */
#include "sink/table.h"

#include <string.h>

#define HAND_ON 4096
#define DASHES 57
#define NAME_WIDTH 14
#define TIME_TITLE "Total Execution Time "
#define CALLS_TITLE "Call Count"

struct writer {
    struct ft_strbuf *b;
    void (*emit)(void *ctx, struct ft_strbuf *b);
    void *ctx;
};

static void
hand_on(struct writer *w)
{
    if (w->emit != NULL && w->b->len >= HAND_ON) {
        w->emit(w->ctx, w->b);
    }
}

/* Columns on a terminal: code points, East Asian wide ones twice. */
static size_t
width_of(struct ft_str s)
{
    size_t width = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.s[i];
        if ((c & 0xc0) == 0x80) {
            continue;
        }
        bool wide = (c >= 0xe1 && c <= 0xed && i + 1 < s.len
                     && (c > 0xe2 || (c == 0xe1 && (unsigned char)s.s[i + 1] < 0x86)))
                    || (c == 0xf0 && i + 1 < s.len && (unsigned char)s.s[i + 1] >= 0x9f);
        width += wide ? 2 : 1;
    }
    return width;
}

static size_t
digits_of(uint64_t n)
{
    size_t digits = 1;
    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

/* ---- the pieces of a row --------------------------------------------------------------------- */

static void
add_name(struct ft_strbuf *b, const struct ft_table_row *row)
{
    ft_strbuf_add_str(b, row->func->shown_name);
    if (row->ordinal != 0) {
        ft_strbuf_add_char(b, '#');
        ft_strbuf_add_u64(b, row->ordinal);
    }
}

static size_t
name_width(const struct ft_table_row *row)
{
    return width_of(row->func->shown_name) + (row->ordinal ? 1 + digits_of(row->ordinal) : 0);
}

static uint64_t
average(const struct ft_table_row *row)
{
    return row->calls ? row->total / row->calls : 0;
}

/* Digits of a time: one call often takes less than a microsecond. */
#define OF_ALL 6
#define OF_ONE 9

static void
add_time(struct ft_strbuf *b, uint64_t ns, int digits)
{
    ft_strbuf_add_seconds(b, ns, digits);
    ft_strbuf_add_cstr(b, " seconds");
}

/* Columns to the right of the three, in the order of their bits. */
static const struct column {
    uint32_t bit;
    const char *title;
    size_t width; /* at least; the last column is not padded */
} columns[] = {
    {FT_COL_SELF, "Self Time", 16}, {FT_COL_AVG, "Average", 19},    {FT_COL_MIN, "Min", 19},
    {FT_COL_MAX, "Max", 19},        {FT_COL_P50, "P50", 19},        {FT_COL_P95, "P95", 19},
    {FT_COL_P99, "P99", 19},        {FT_COL_RESUMES, "Resumes", 7}, {FT_COL_MODULE, "Module", 16},
    {FT_COL_WHERE, "Where", 5},
};
#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

static void
add_where(struct ft_strbuf *b, const struct ft_func *func)
{
    if (func->flags & FT_FUNC_C) {
        ft_strbuf_add_str(b, func->shown_module);
        return;
    }
    ft_strbuf_add_str(b, func->shown_file);
    ft_strbuf_add_char(b, ':');
    ft_strbuf_add_u64(b, func->line);
}

static void
add_cell(struct ft_strbuf *b, const struct ft_table_row *row, uint32_t bit)
{
    switch (bit) {
    case FT_COL_SELF:
        add_time(b, row->self, OF_ALL);
        break;
    case FT_COL_AVG:
        add_time(b, average(row), OF_ONE);
        break;
    case FT_COL_MIN:
        add_time(b, row->min, OF_ONE);
        break;
    case FT_COL_MAX:
        add_time(b, row->max, OF_ONE);
        break;
    case FT_COL_P50:
        add_time(b, row->p50, OF_ONE);
        break;
    case FT_COL_P95:
        add_time(b, row->p95, OF_ONE);
        break;
    case FT_COL_P99:
        add_time(b, row->p99, OF_ONE);
        break;
    case FT_COL_RESUMES:
        ft_strbuf_add_u64(b, row->resumes);
        break;
    case FT_COL_MODULE:
        ft_strbuf_add_str(b, row->func->shown_module);
        break;
    default:
        add_where(b, row->func);
        break;
    }
}

/* Fills up to `width` columns since `start`, then the bar. */
static void
add_bar(struct ft_strbuf *b, size_t start, size_t width)
{
    size_t used = width_of((struct ft_str){b->data + start, b->len - start});
    ft_strbuf_add_fill(b, ' ', used < width ? width - used : 0);
    ft_strbuf_add_cstr(b, " | ");
}

/* The cells to the right of the first three; `row` NULL: their titles. */
static void
add_columns(struct ft_strbuf *b, const struct ft_table_row *row, const struct ft_table_style *style,
            size_t start, size_t calls_width)
{
    size_t width = calls_width;
    for (size_t i = 0; i < NCOLUMNS; i++) {
        if (style->columns & columns[i].bit) {
            add_bar(b, start, width);
            start = b->len;
            width = columns[i].width;
            if (row == NULL) {
                ft_strbuf_add_cstr(b, columns[i].title);
            }
            else {
                add_cell(b, row, columns[i].bit);
            }
        }
    }
    ft_strbuf_add_char(b, '\n');
}

/* ---- the table ------------------------------------------------------------------------------- */

static void
add_header(struct ft_strbuf *b, const struct ft_table_style *style, size_t name, size_t calls)
{
    size_t begin = b->len;
    ft_strbuf_add_cstr(b, "Function Name");
    add_bar(b, begin, name);
    ft_strbuf_add_cstr(b, TIME_TITLE);
    ft_strbuf_add_cstr(b, " | ");
    size_t start = b->len;
    ft_strbuf_add_cstr(b, CALLS_TITLE);
    add_columns(b, NULL, style, start, calls);
    size_t width = b->len - begin - 1;
    ft_strbuf_add_fill(b, '-', width > DASHES ? width : DASHES);
    ft_strbuf_add_char(b, '\n');
}

static void
add_row(struct ft_strbuf *b, const struct ft_table_row *row, const struct ft_table_style *style,
        size_t name, size_t calls)
{
    size_t start = b->len;
    add_name(b, row);
    add_bar(b, start, name);
    start = b->len;
    add_time(b, row->total, OF_ALL);
    add_bar(b, start, sizeof(TIME_TITLE) - 1);
    start = b->len;
    ft_strbuf_add_u64(b, row->calls);
    add_columns(b, row, style, start, calls);
}

static void
add_count(struct ft_strbuf *b, uint64_t n, const char *what)
{
    ft_strbuf_add_u64(b, n);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_cstr(b, what);
    ft_strbuf_add_cstr(b, n == 1 ? ", " : "s, ");
}

static void
render_table(const struct ft_table_rows *rows, const struct ft_table_style *style, struct writer *w)
{
    size_t shown = style->limit && style->limit < rows->n ? (size_t)style->limit : rows->n;
    size_t name = NAME_WIDTH, calls = sizeof(CALLS_TITLE) - 1;
    for (size_t i = 0; i < shown; i++) {
        size_t width = name_width(&rows->rows[i]), digits = digits_of(rows->rows[i].calls);
        name = width > name ? width : name;
        calls = digits > calls ? digits : calls;
    }
    ft_strbuf_add_char(w->b, '\n');
    add_header(w->b, style, name, calls);
    for (size_t i = 0; i < shown; i++) {
        add_row(w->b, &rows->rows[i], style, name, calls);
        hand_on(w);
    }
    if (rows->n == 0) {
        ft_strbuf_add_cstr(w->b, "(no calls in scope)\n");
    }
    if (shown < rows->n) {
        ft_strbuf_add_cstr(w->b, "... ");
        ft_strbuf_add_u64(w->b, rows->n - shown);
        ft_strbuf_add_cstr(w->b, " more (--limit 0)\n");
    }
    if (style->footer) {
        ft_strbuf_add_char(w->b, '\n');
        add_count(w->b, rows->n, "function");
        add_count(w->b, rows->calls, "call");
        add_count(w->b, rows->threads, "thread");
        add_time(w->b, rows->wall, OF_ALL);
        ft_strbuf_add_char(w->b, '\n');
    }
}

/* ---- JSON and CSV ---------------------------------------------------------------------------- */

static const char *const keys[] = {"function", "module",   "file",    "line",   "calls",
                                   "resumes",  "total_ns", "self_ns", "min_ns", "max_ns",
                                   "avg_ns",   "p50_ns",   "p95_ns",  "p99_ns"};
#define NPERCENTILES 3
#define NTEXTS 3

static size_t
nkeys(const struct ft_table_rows *rows)
{
    return sizeof(keys) / sizeof(keys[0]) - (rows->percentiles ? 0 : NPERCENTILES);
}

static uint64_t
number(const struct ft_table_row *r, size_t key)
{
    const uint64_t numbers[] = {r->func->line, r->calls,   r->resumes, r->total, r->self, r->min,
                                r->max,        average(r), r->p50,     r->p95,   r->p99};
    return numbers[key - NTEXTS];
}

static struct ft_str
text(const struct ft_table_row *r, size_t key)
{
    return key == 0 ? r->func->name : key == 1 ? r->func->module : r->func->file;
}

static struct ft_str
shown_text(const struct ft_table_row *r, size_t key)
{
    return key == 0 ? r->func->shown_name : key == 1 ? r->func->shown_module : r->func->shown_path;
}

static void
render_json(const struct ft_table_rows *rows, const struct ft_table_style *style, struct writer *w)
{
    size_t shown = style->limit && style->limit < rows->n ? (size_t)style->limit : rows->n;
    ft_strbuf_add_cstr(w->b, "[");
    for (size_t i = 0; i < shown; i++) {
        ft_strbuf_add_cstr(w->b, i ? ",\n {" : "\n {");
        for (size_t k = 0; k < nkeys(rows); k++) {
            ft_strbuf_add_cstr(w->b, k ? ", \"" : "\"");
            ft_strbuf_add_cstr(w->b, keys[k]);
            ft_strbuf_add_cstr(w->b, "\": ");
            if (k < NTEXTS) {
                ft_strbuf_add_json(w->b, text(&rows->rows[i], k), true);
            }
            else {
                ft_strbuf_add_u64(w->b, number(&rows->rows[i], k));
            }
        }
        ft_strbuf_add_char(w->b, '}');
        hand_on(w);
    }
    ft_strbuf_add_cstr(w->b, shown ? "\n]\n" : "]\n");
}

static void
render_csv(const struct ft_table_rows *rows, const struct ft_table_style *style, struct writer *w)
{
    size_t shown = style->limit && style->limit < rows->n ? (size_t)style->limit : rows->n;
    for (size_t k = 0; k < nkeys(rows); k++) {
        ft_strbuf_add_cstr(w->b, k ? "," : "");
        ft_strbuf_add_cstr(w->b, keys[k]);
    }
    ft_strbuf_add_cstr(w->b, "\r\n");
    for (size_t i = 0; i < shown; i++) {
        for (size_t k = 0; k < nkeys(rows); k++) {
            ft_strbuf_add_cstr(w->b, k ? "," : "");
            if (k < NTEXTS) {
                ft_strbuf_add_csv(w->b, shown_text(&rows->rows[i], k));
            }
            else {
                ft_strbuf_add_u64(w->b, number(&rows->rows[i], k));
            }
        }
        ft_strbuf_add_cstr(w->b, "\r\n");
        hand_on(w);
    }
}

void
ft_table_render(const struct ft_table_rows *rows, const struct ft_table_style *style,
                struct ft_strbuf *b, void (*emit)(void *ctx, struct ft_strbuf *b), void *ctx)
{
    struct writer w = {b, emit, ctx};
    switch (style->format) {
    case FT_FORMAT_TABLE:
        render_table(rows, style, &w);
        break;
    case FT_FORMAT_JSON:
        render_json(rows, style, &w);
        break;
    case FT_FORMAT_CSV:
        render_csv(rows, style, &w);
        break;
    }
}
