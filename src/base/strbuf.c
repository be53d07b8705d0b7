/* The byte buffer all text is made in, and the two ways text is made safe: for a terminal line and
 * for JSON. Used by sinks, by the engine's value formatting and by the table's signal handler
 * (with memory reserved before). No locks. */
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

void
ft_strbuf_init(struct ft_strbuf *b)
{
    *b = (struct ft_strbuf){NULL, 0, 0, false, false};
}

void
ft_strbuf_fini(struct ft_strbuf *b)
{
    free(b->data);
    ft_strbuf_init(b);
}

void
ft_strbuf_clear(struct ft_strbuf *b)
{
    b->len = 0;
    b->failed = false;
}

bool
ft_strbuf_reserve(struct ft_strbuf *b, size_t more)
{
    if (b->cap - b->len >= more) {
        return true;
    }
    if (b->fixed || more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->len < more) {
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void
ft_strbuf_add(struct ft_strbuf *b, const char *s, size_t len)
{
    if (len > 0 && ft_strbuf_reserve(b, len)) {
        memcpy(b->data + b->len, s, len);
        b->len += len;
    }
}

void
ft_strbuf_add_str(struct ft_strbuf *b, struct ft_str s)
{
    ft_strbuf_add(b, s.s, s.len);
}

void
ft_strbuf_add_cstr(struct ft_strbuf *b, const char *s)
{
    ft_strbuf_add(b, s, strlen(s));
}

void
ft_strbuf_add_char(struct ft_strbuf *b, char c)
{
    ft_strbuf_add(b, &c, 1);
}

void
ft_strbuf_add_fill(struct ft_strbuf *b, char c, size_t times)
{
    if (times > 0 && ft_strbuf_reserve(b, times)) {
        memset(b->data + b->len, c, times);
        b->len += times;
    }
}

void
ft_strbuf_add_u64(struct ft_strbuf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    ft_strbuf_add(b, digits + at, sizeof(digits) - at);
}

void
ft_strbuf_add_i64(struct ft_strbuf *b, int64_t value)
{
    if (value < 0) {
        ft_strbuf_add_char(b, '-');
        ft_strbuf_add_u64(b, 0 - (uint64_t)value);
        return;
    }
    ft_strbuf_add_u64(b, (uint64_t)value);
}

/* ---- times ----------------------------------------------------------------------------------- */

void
ft_strbuf_add_duration(struct ft_strbuf *b, uint64_t ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {
        {" ns", 1},
        {" us", 1000},
        {" ms", 1000000},
        {" s", 1000000000},
    };
    int u = 0;
    /* 999_500 ns would round to "1000 us": the next unit begins where three digits end. */
    while (u < 3 && ns >= units[u].ns * 1000 - (u ? units[u].ns / 2 : 0)) {
        u++;
    }
    uint64_t whole = ns / units[u].ns;
    int decimals = u == 0 ? 0 : whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
    uint64_t step = units[u].ns;
    for (int i = 0; i < decimals; i++) {
        step /= 10;
    }
    /* In units of the last digit shown. */
    uint64_t scaled = ns / step + (ns % step >= (step + 1) / 2 && step > 1);
    static const uint64_t powers[] = {1, 10, 100};
    if (decimals > 0 && scaled >= 1000) {                /* 9.996 rounds up to a digit more */
        decimals--;
        scaled /= 10;
    }
    ft_strbuf_add_u64(b, scaled / powers[decimals]);
    if (decimals > 0) {
        ft_strbuf_add_char(b, '.');
        if (decimals == 2) {
            ft_strbuf_add_char(b, (char)('0' + scaled / 10 % 10));
        }
        ft_strbuf_add_char(b, (char)('0' + scaled % 10));
    }
    ft_strbuf_add_cstr(b, units[u].unit);
}

void
ft_strbuf_add_seconds(struct ft_strbuf *b, uint64_t ns, int digits)
{
    uint64_t step = 1;
    for (int i = digits; i < 9; i++) {
        step *= 10;
    }
    uint64_t scaled = ns / step + (ns % step >= (step + 1) / 2 && step > 1);
    uint64_t one = 1000000000 / step;
    ft_strbuf_add_u64(b, scaled / one);
    if (digits > 0) {
        ft_strbuf_add_char(b, '.');
        for (uint64_t rest = scaled % one, place = one / 10; place > 0; place /= 10) {
            ft_strbuf_add_char(b, (char)('0' + rest / place % 10));
        }
    }
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* The code point at s[at], its length in *n; surrogates are let through as what they are; -1: not
 * UTF-8, *n = 1. */
static int32_t
decode(struct ft_str s, size_t at, size_t *n)
{
    unsigned char c = (unsigned char)s.s[at];
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    *n = 1;
    if (len == 1) {
        return c;
    }
    if (len == 0 || s.len - at < len) {
        return -1;
    }
    int32_t ch = c & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)s.s[at + i];
        if ((next & 0xc0) != 0x80) {
            return -1;
        }
        ch = ch << 6 | (next & 0x3f);
    }
    if ((len == 3 && ch < 0x800) || (len == 4 && (ch < 0x10000 || ch > 0x10ffff))) {
        return -1;
    }
    *n = len;
    return ch;
}

/* Code points that a terminal acts on or that make text look like other text. */
static bool
is_hostile(int32_t ch)
{
    static const struct {
        int32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},   {0x180e, 0x180e},
        {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x2064},   {0x2066, 0x206f}, {0xd800, 0xdfff},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (ch >= ranges[i].first && ch <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Bytes from `at` on that need no look: printable ASCII. */
static size_t
plain_run(struct ft_str s, size_t at)
{
    size_t end = at;
    while (end < s.len && (unsigned char)s.s[end] >= 0x20 && (unsigned char)s.s[end] < 0x7f) {
        end++;
    }
    return end - at;
}

struct ft_str
ft_str_cut(struct ft_str s, size_t most)
{
    if (s.len > most) {
        for (s.len = most; s.len > 0 && ((unsigned char)s.s[s.len] & 0xc0) == 0x80; s.len--) {
        }
    }
    return s;
}

bool
ft_str_is_printable(struct ft_str s)
{
    for (size_t at = 0, n; at < s.len; at += n) {
        n = plain_run(s, at);
        if (n == 0) {
            int32_t ch = decode(s, at, &n);
            if (ch < 0 || is_hostile(ch)) {
                return false;
            }
        }
    }
    return true;
}

static void
add_hex(struct ft_strbuf *b, uint32_t value, int digits)
{
    while (digits-- > 0) {
        ft_strbuf_add_char(b, "0123456789abcdef"[value >> (4 * digits) & 15]);
    }
}

static void
add_escape(struct ft_strbuf *b, uint32_t ch)
{
    const char *shorts = "\nn\rr\tt";
    for (int i = 0; i < 6; i += 2) {
        if (ch == (unsigned char)shorts[i]) {
            ft_strbuf_add_char(b, '\\');
            ft_strbuf_add_char(b, shorts[i + 1]);
            return;
        }
    }
    int digits = ch <= 0xff ? 2 : ch <= 0xffff ? 4 : 8;
    ft_strbuf_add_char(b, '\\');
    ft_strbuf_add_char(b, digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    add_hex(b, ch, digits);
}

void
ft_strbuf_add_printable(struct ft_strbuf *b, struct ft_str s)
{
    for (size_t at = 0, n; at < s.len; at += n) {
        n = plain_run(s, at);
        if (n > 0) {
            ft_strbuf_add(b, s.s + at, n);
            continue;
        }
        int32_t ch = decode(s, at, &n);
        if (ch < 0) {
            add_escape(b, (unsigned char)s.s[at]);
        }
        else if (is_hostile(ch)) {
            add_escape(b, (uint32_t)ch);
        }
        else {
            ft_strbuf_add(b, s.s + at, n);
        }
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void
add_json_unit(struct ft_strbuf *b, uint32_t unit)
{
    ft_strbuf_add(b, "\\u", 2);
    add_hex(b, unit, 4);
}

static void
add_json_char(struct ft_strbuf *b, int32_t ch, const char *bytes, size_t n, bool ascii)
{
    if (ch == '"' || ch == '\\') {
        ft_strbuf_add_char(b, '\\');
        ft_strbuf_add_char(b, (char)ch);
    }
    else if (ch >= 0x20 && ch < 0x7f) {
        ft_strbuf_add_char(b, (char)ch);
    }
    else if (ch >= 0x10000 && ascii) {
        add_json_unit(b, 0xd800 + (((uint32_t)ch - 0x10000) >> 10));
        add_json_unit(b, 0xdc00 + (((uint32_t)ch - 0x10000) & 0x3ff));
    }
    else if (ch >= 0 && (ascii || is_hostile(ch)) && ch < 0x10000) {
        add_json_unit(b, (uint32_t)ch);
    }
    else if (ch < 0) {
        ft_strbuf_add_cstr(b, ascii ? "\\ufffd" : "\xef\xbf\xbd");
    }
    else {
        ft_strbuf_add(b, bytes, n);
    }
}

void
ft_strbuf_add_json(struct ft_strbuf *b, struct ft_str s, bool ascii)
{
    ft_strbuf_add_char(b, '"');
    for (size_t at = 0, n; at < s.len; at += n) {
        int32_t ch = decode(s, at, &n);
        add_json_char(b, ch, s.s + at, n, ascii);
    }
    ft_strbuf_add_char(b, '"');
}

/* Some part cells at semicolons too, but not within quotes. */
void
ft_strbuf_add_csv(struct ft_strbuf *b, struct ft_str s)
{
    bool formula = s.len > 0 && memchr("=+-@", s.s[0], 4) != NULL;
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        quoted |= memchr(",;\"", s.s[i], 3) != NULL;
    }
    ft_strbuf_add_cstr(b, quoted ? "\"" : "");
    ft_strbuf_add_cstr(b, formula ? "'" : "");
    for (size_t i = 0; i < s.len; i++) {
        if (s.s[i] == '"') {
            ft_strbuf_add_char(b, '"');
        }
        ft_strbuf_add_char(b, s.s[i]);
    }
    ft_strbuf_add_cstr(b, quoted ? "\"" : "");
}

/* ---- comparing ------------------------------------------------------------------------------- */

bool
ft_str_equal(struct ft_str a, struct ft_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

/* FNV-1a. */
uint64_t
ft_str_hash(struct ft_str s)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.s[i]) * 0x100000001b3u;
    }
    return hash;
}
