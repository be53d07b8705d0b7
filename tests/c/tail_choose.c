/* sink/tail_choose.c: which lines of a tree tell how it ended. A tree is a text: ( a call, ) its
 * end, ! its end by an exception, [ and ] those for which there was no memory. */
#include "sink/tail_inside.h"
#include "check.h"

#define MOST 64

static struct line *kept[MOST];
static size_t nkept;

/* What is left of the tree in so much room; a dot for a line that is left out. */
static struct ft_str
chosen(const char *tree, uint32_t room)
{
    static char shown[MOST];
    struct lane lane = {.own = true};
    uint32_t depth = 0;
    nkept = 0;
    for (const char *c = tree; *c != 0; c++) {
        bool enters = *c == '(' || *c == '[';
        depth -= !enters;
        if (*c != '[' && *c != ']') {
            struct line *line = calloc(1, sizeof(*line));
            line->lane = &lane;
            line->depth = depth;
            line->kind = enters ? ENTER : LEAVE;
            line->raised = *c == '!';
            line->shown = true;
            line->len = (size_t)(c - tree); /* its place in the text */
            kept[nkept++] = line;
        }
        depth += enters;
    }
    ft_tail_choose(kept, nkept, room);
    size_t n = 0;
    for (size_t i = 0; i < nkept; i++) {
        shown[n++] = kept[i]->shown ? tree[kept[i]->len] : '.';
    }
    return (struct ft_str){shown, n};
}

static void
forget(void)
{
    while (nkept > 0) {
        free(kept[--nkept]);
    }
}

#define CHECK_CHOSEN(tree, room, expected)                                                         \
    do {                                                                                           \
        CHECK_TEXT(chosen(tree, room), expected);                                                  \
        forget();                                                                                  \
    } while (0)

CASE(what_fits_is_whole)
{
    CHECK_CHOSEN("(()())", 6, "(()())");
}

CASE(the_way_to_the_failure_comes_first)
{
    CHECK_CHOSEN("(()()(!!", 4, "(....(!!");
    CHECK_CHOSEN("(()()((", 3, "(....((");
}

CASE(the_last_call_before_it_is_shown_with_all_in_it)
{
    CHECK_CHOSEN("((()())(()())", 7, "(......(()())");
}

CASE(of_a_way_that_is_too_long_both_ends_are_shown)
{
    CHECK_CHOSEN("((((((((", 4, "((....((");
}

CASE(a_call_whose_end_found_no_memory_is_not_on_the_way)
{
    CHECK_CHOSEN("((()](()())", 7, "(...(()())");
    CHECK_CHOSEN("((]((!!", 5, "(.((!!");
}

CASE(an_end_whose_call_found_no_memory_ends_no_other)
{
    chosen("([()))", 64);
    CHECK_NUMBER(nkept, 5);
    CHECK(kept[1]->mate == kept[2]);
    CHECK(kept[3]->mate == NULL);
    CHECK(kept[4]->mate == kept[0]);
    forget();
}
