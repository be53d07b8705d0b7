/* The byte buffer: numbers, times, text made safe for a terminal and for JSON, memory that runs
 * out. */
#include "check.h"

static struct ft_strbuf b;

static struct ft_str
printable(const char *s, size_t len)
{
    ft_strbuf_clear(&b);
    ft_strbuf_add_printable(&b, (struct ft_str){s, len});
    return held(&b);
}

static struct ft_str
duration(uint64_t ns)
{
    ft_strbuf_clear(&b);
    ft_strbuf_add_duration(&b, ns);
    return held(&b);
}

static struct ft_str
seconds(uint64_t ns, int digits)
{
    ft_strbuf_clear(&b);
    ft_strbuf_add_seconds(&b, ns, digits);
    return held(&b);
}

static struct ft_str
json(const char *s, size_t len, bool ascii)
{
    ft_strbuf_clear(&b);
    ft_strbuf_add_json(&b, (struct ft_str){s, len}, ascii);
    return held(&b);
}

#define PRINTABLE(literal) printable((literal), sizeof(literal) - 1)
#define JSON(literal, ascii) json((literal), sizeof(literal) - 1, (ascii))

CASE(grows_and_keeps_what_it_holds)
{
    ft_strbuf_init(&b);
    for (int i = 0; i < 10000; i++) {
        ft_strbuf_add_char(&b, (char)('a' + i % 26));
    }
    ft_strbuf_add_fill(&b, '-', 3);
    ft_strbuf_add_str(&b, (struct ft_str){NULL, 0});
    ft_strbuf_add_cstr(&b, "end");
    CHECK_NUMBER(b.len, 10006);
    CHECK(!b.failed && b.data[0] == 'a' && b.data[9999] == 'a' + 9999 % 26);
    CHECK(memcmp(b.data + 10000, "---end", 6) == 0);
    ft_strbuf_fini(&b);
}

CASE(drops_what_found_no_memory_and_says_so)
{
    ft_strbuf_init(&b);
    ft_strbuf_add_cstr(&b, "kept");
    out_of_memory_in = 0;
    ft_strbuf_add_fill(&b, 'x', 100000);
    ft_strbuf_add_cstr(&b, "!");
    out_of_memory_in = EVERYTHING_PASSES;
    CHECK(b.failed);
    CHECK_TEXT(held(&b), "kept!");
    CHECK(!ft_strbuf_reserve(&b, SIZE_MAX - 2));
    ft_strbuf_clear(&b);
    CHECK(!b.failed && b.len == 0 && b.cap > 0);
    ft_strbuf_fini(&b);
}

CASE(a_fixed_buffer_never_allocates)
{
    char room[8];
    struct ft_strbuf fixed = {.data = room, .cap = sizeof(room), .fixed = true};
    long before = allocations;
    ft_strbuf_add_cstr(&fixed, "1234567");
    ft_strbuf_add_cstr(&fixed, "89");
    CHECK_TEXT(held(&fixed), "1234567");
    CHECK(fixed.failed);
    ft_strbuf_add_cstr(&fixed, "8");
    CHECK_TEXT(held(&fixed), "12345678");
    CHECK_NUMBER((uint64_t)allocations, (uint64_t)before);
}

CASE(integers)
{
    ft_strbuf_init(&b);
    ft_strbuf_add_u64(&b, 0);
    ft_strbuf_add_char(&b, ' ');
    ft_strbuf_add_u64(&b, UINT64_MAX);
    ft_strbuf_add_char(&b, ' ');
    ft_strbuf_add_i64(&b, INT64_MIN);
    ft_strbuf_add_char(&b, ' ');
    ft_strbuf_add_i64(&b, INT64_MAX);
    CHECK_TEXT(held(&b), "0 18446744073709551615 -9223372036854775808 9223372036854775807");
    ft_strbuf_fini(&b);
}

CASE(durations_have_three_digits_and_a_unit)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        {0, "0 ns"},
        {7, "7 ns"},
        {999, "999 ns"},
        {1000, "1.00 us"},
        {1234, "1.23 us"},
        {1235, "1.24 us"},
        {9994, "9.99 us"},
        {9995, "10.0 us"},
        {12340, "12.3 us"},
        {99949, "99.9 us"},
        {99950, "100 us"},
        {999499, "999 us"},
        {999500, "1.00 ms"},
        {1020000, "1.02 ms"},
        {999499999, "999 ms"},
        {999500000, "1.00 s"},
        {3400000000, "3.40 s"},
        {59950000000, "60.0 s"},
        {1234000000000, "1234 s"},
        {UINT64_MAX, "18446744074 s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_TEXT(duration(rows[i].ns), rows[i].text);
    }
    ft_strbuf_fini(&b);
}

CASE(seconds_are_rounded_at_the_last_decimal)
{
    CHECK_TEXT(seconds(29400, 6), "0.000029");
    CHECK_TEXT(seconds(29500, 6), "0.000030");
    CHECK_TEXT(seconds(499, 6), "0.000000");
    CHECK_TEXT(seconds(999999500, 6), "1.000000");
    CHECK_TEXT(seconds(61000000001, 6), "61.000000");
    CHECK_TEXT(seconds(1, 9), "0.000000001");
    CHECK_TEXT(seconds(1500000000, 0), "2");
    CHECK_TEXT(seconds(UINT64_MAX, 9), "18446744073.709551615");
    ft_strbuf_fini(&b);
}

CASE(printable_text_is_copied_unchanged)
{
    CHECK_TEXT(PRINTABLE("plain \\ text ~"), "plain \\ text ~");
    CHECK_TEXT(PRINTABLE("na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\x8d"),
               "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\x8d");
    CHECK(ft_str_is_printable(str("caf\xc3\xa9")));
    CHECK(ft_str_is_printable(str("")));
    ft_strbuf_fini(&b);
}

CASE(what_a_terminal_would_act_on_is_escaped)
{
    CHECK_TEXT(PRINTABLE("a\nb\rc\td"), "a\\nb\\rc\\td");
    CHECK_TEXT(PRINTABLE("\x1b[31m\0\x7f"), "\\x1b[31m\\x00\\x7f");
    CHECK_TEXT(PRINTABLE("\xc2\x9b\xc2\xa0\xc2\xad"), "\\x9b\xc2\xa0\\xad");
    CHECK_TEXT(PRINTABLE("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae"), "\\u2028\\u2029\\u202e");
    CHECK_TEXT(PRINTABLE("\xe2\x80\x8b\xef\xbb\xbf\xe2\x81\xa6"), "\\u200b\\ufeff\\u2066");
    CHECK_TEXT(PRINTABLE("\xd8\x9c\xef\xbf\xbb\xf3\xa0\x80\x81"), "\\u061c\\ufffb\\U000e0001");
    CHECK(!ft_str_is_printable(str("a\nb")));
    CHECK(!ft_str_is_printable(str("\xe2\x80\xae")));
    ft_strbuf_fini(&b);
}

CASE(the_neighbours_of_escaped_ranges_are_not_escaped)
{
    static const char *const fine[] = {
        " ",
        "~",
        "\xc2\xa0",
        "\xc2\xac",
        "\xc2\xae",
        "\xe2\x80\x8a",
        "\xe2\x80\x90",
        "\xe2\x80\xa7",
        "\xe2\x80\xaf",
        "\xe2\x81\x9f",
        "\xe2\x81\xb0",
        "\xef\xbf\xbc",
        "\xee\x80\x80",
        "\xed\x9f\xbb",
        "\xf3\xa0\x84\x80",
        "\xf4\x8f\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        CHECK_TEXT(printable(fine[i], strlen(fine[i])), fine[i]);
    }
    ft_strbuf_fini(&b);
}

CASE(bytes_that_are_no_utf8_are_escaped_one_by_one)
{
    CHECK_TEXT(PRINTABLE("\xed\xa0\x80 \xed\xbf\xbf"), "\\ud800 \\udfff");
    CHECK_TEXT(PRINTABLE("\xff\xfe"), "\\xff\\xfe");
    CHECK_TEXT(PRINTABLE("\xc0\x80"), "\\xc0\\x80");
    CHECK_TEXT(PRINTABLE("\xe0\x80\x80"), "\\xe0\\x80\\x80");
    CHECK_TEXT(PRINTABLE("\xf0\x80\x80\x80"), "\\xf0\\x80\\x80\\x80");
    CHECK_TEXT(PRINTABLE("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    CHECK_TEXT(PRINTABLE("end\xe6\x97"), "end\\xe6\\x97");
    CHECK_TEXT(PRINTABLE("\xe6\x97z"), "\\xe6\\x97z");
    ft_strbuf_fini(&b);
}

CASE(json_is_strict)
{
    CHECK_TEXT(JSON("", true), "\"\"");
    CHECK_TEXT(JSON("a\"b\\c/", true), "\"a\\\"b\\\\c/\"");
    CHECK_TEXT(JSON("\n\t\x01\x7f", true), "\"\\u000a\\u0009\\u0001\\u007f\"");
    CHECK_TEXT(JSON("\xc3\xa9\xf0\x9f\x90\x8d", true), "\"\\u00e9\\ud83d\\udc0d\"");
    CHECK_TEXT(JSON("\xc3\xa9\xf0\x9f\x90\x8d", false), "\"\xc3\xa9\xf0\x9f\x90\x8d\"");
    CHECK_TEXT(JSON("\xed\xa0\x80", false), "\"\\ud800\"");
    CHECK_TEXT(JSON("\xff", true), "\"\\ufffd\"");
    CHECK_TEXT(JSON("\xff", false), "\"\xef\xbf\xbd\"");
    CHECK_TEXT(JSON("\xe2\x80\xa8", false), "\"\\u2028\"");
    ft_strbuf_fini(&b);
}

CASE(texts_are_cut_between_characters)
{
    struct ft_str s = str("a\xe2\x82\xac" "b");
    CHECK_TEXT(ft_str_cut(s, 5), "a\xe2\x82\xac" "b");
    CHECK_TEXT(ft_str_cut(s, 4), "a\xe2\x82\xac");
    CHECK_TEXT(ft_str_cut(s, 3), "a");
    CHECK_TEXT(ft_str_cut(s, 1), "a");
    CHECK_TEXT(ft_str_cut(s, 0), "");
    CHECK_NUMBER(ft_str_cut((struct ft_str){NULL, 0}, 3).len, 0);
}

CASE(equality_and_hash_go_by_content)
{
    char copy[] = "same";
    CHECK(ft_str_equal(str("same"), str(copy)));
    CHECK(!ft_str_equal(str("same"), str("sama")));
    CHECK(!ft_str_equal(str("same"), str("same ")));
    CHECK(ft_str_equal((struct ft_str){NULL, 0}, str("")));
    CHECK(ft_str_hash(str("same")) == ft_str_hash(str(copy)));
    CHECK(ft_str_hash(str("same")) != ft_str_hash(str("sane")));
}
