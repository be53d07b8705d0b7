/* A growing byte buffer that never aborts: when memory runs out it keeps what it holds, drops the
 * rest and remembers that (failed), so hot code can format first and ask once at the end.
 * Not locked: a buffer belongs to one thread at a time. */
#ifndef FT_BASE_STRBUF_H
#define FT_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes borrowed from somebody, not NUL-terminated; UTF-8, in which lone surrogates may appear
 * encoded as three bytes each (what Python calls "surrogatepass"). */
struct ft_str {
    const char *s;
    size_t len;
};

#define FT_STR(literal) ((struct ft_str){(literal), sizeof(literal) - 1})

struct ft_strbuf {
    char *data;     /* owned; not NUL-terminated */
    size_t len;     /* bytes used */
    size_t cap;     /* bytes allocated */
    bool failed;    /* something was dropped for want of memory */
    bool fixed;     /* never grows: what does not fit is dropped (signal handlers) */
};

void ft_strbuf_init(struct ft_strbuf *b);
void ft_strbuf_fini(struct ft_strbuf *b);
void ft_strbuf_clear(struct ft_strbuf *b);             /* len = 0, failed = false, memory kept */
bool ft_strbuf_reserve(struct ft_strbuf *b, size_t more);
void ft_strbuf_add(struct ft_strbuf *b, const char *s, size_t len);
void ft_strbuf_add_str(struct ft_strbuf *b, struct ft_str s);
void ft_strbuf_add_cstr(struct ft_strbuf *b, const char *s);
void ft_strbuf_add_char(struct ft_strbuf *b, char c);
void ft_strbuf_add_fill(struct ft_strbuf *b, char c, size_t times);
void ft_strbuf_add_u64(struct ft_strbuf *b, uint64_t value);
void ft_strbuf_add_i64(struct ft_strbuf *b, int64_t value);

/* A duration as people read it: three digits and a unit, "12.3 us", "1.02 ms", "999 ns", "3.40 s",
 * "1234 s". Integer arithmetic only: it is used in a signal handler too. */
void ft_strbuf_add_duration(struct ft_strbuf *b, uint64_t ns);

/* Seconds with `digits` decimals (<= 9), rounded: 29_400 ns with 6 digits is "0.000029". */
void ft_strbuf_add_seconds(struct ft_strbuf *b, uint64_t ns, int digits);

/* Adds text made safe for a terminal and for one line: control bytes (C0, DEL, C1), line and
 * paragraph separators, bidirectional controls, zero-width characters, lone surrogates and invalid
 * UTF-8 come out as \n \r \t \\xNN \\uNNNN \\UNNNNNNNN escapes; a backslash stays as it is.
 * Printable text, the usual case, is copied unchanged. */
void ft_strbuf_add_printable(struct ft_strbuf *b, struct ft_str s);
bool ft_str_is_printable(struct ft_str s);

/* Adds a JSON string with its quotes, strict (RFC 8259) and pure ASCII when `ascii`, else UTF-8;
 * lone surrogates as \uDXXX, invalid bytes as U+FFFD. */
void ft_strbuf_add_json(struct ft_strbuf *b, struct ft_str s, bool ascii);

/* Adds printable text as a cell of CSV. One that begins like a formula would be run by a
 * spreadsheet: an apostrophe makes it text. */
void ft_strbuf_add_csv(struct ft_strbuf *b, struct ft_str s);

/* At most `most` bytes of it, cut between characters. */
struct ft_str ft_str_cut(struct ft_str s, size_t most);
bool ft_str_equal(struct ft_str a, struct ft_str b);
uint64_t ft_str_hash(struct ft_str s);

#endif
