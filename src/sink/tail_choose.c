/* Which lines of a tree tell most of how it ended: the way to the failure, the last calls before it
 * with all in them, then what is near. A call's level says how far it is from the way; of what is
 * as near the latest is shown. */
#include "sink/tail_inside.h"

#define LEVELS 64

/* Both ends of each call find one another, and their parent: by depth, as a line that found no
 * memory is missing. */
static void
pair(struct line **lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct line *line = lines[i], **top = &line->lane->top;
        if (line->kind == LOST) {
            *top = NULL;
            continue;
        }
        for (; *top != NULL && (*top)->depth >= line->depth + (line->kind == LEAVE);
             *top = (*top)->parent) {
            (*top)->over = true;
        }
        if (line->kind == ENTER) {
            line->parent = *top;
            *top = line;
        }
        else if (*top != NULL && (*top)->depth == line->depth) {
            line->mate = *top;
            line->mate->mate = line;
            line->parent = line->mate->parent;
            *top = line->parent;
        }
    }
}

/* The way to the failure: calls that are not over, and those that the same exception left, one
 * right after the other, last of all in their thread. */
static void
find_way(struct line **lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lines[i]->lane->top = NULL;
        lines[i]->on_way = lines[i]->kind == ENTER && lines[i]->mate == NULL && !lines[i]->over;
    }
    for (size_t i = n; i-- > 0;) {
        struct line *line = lines[i];
        struct lane *lane = line->lane;
        if (lane->judged) {
            continue;
        }
        if (line->kind == LEAVE && line->raised && line->mate != NULL
            && (lane->top == NULL || line->parent == lane->top)) {
            line->mate->on_way = true;
            lane->top = line->mate;
        }
        else {
            lane->judged = true;
        }
    }
}

/* 0: on the way; 1: what was called from there; 2: what that called. An exception on its way does
 * not lead farther off. Other threads are one step away. */
static uint32_t
level_of(const struct line *enter)
{
    uint32_t base = enter->lane->own ? 0 : 1;
    uint32_t around = enter->parent ? enter->parent->level : base;
    if (enter->on_way) {
        return base;
    }
    bool raised = enter->mate != NULL && enter->mate->raised;
    uint32_t level = raised && around > base ? around : around + 1;
    return level < LEVELS ? level : LEVELS - 1;
}

/* The room that is left. */
static uint32_t
show(struct line *line, uint32_t room)
{
    uint32_t needed = line->mate ? 2 : 1;
    if (line->shown || room < needed) {
        return room;
    }
    line->shown = true;
    if (line->mate != NULL) {
        line->mate->shown = true;
    }
    return room - needed;
}

/* Of a way that is longer than there is room its beginning and its end. */
static void
show_way(struct line **lines, size_t n, uint32_t room)
{
    uint32_t end = room / 2;
    for (size_t i = 0; i < n && room > end; i++) {
        if (lines[i]->level == 0 && lines[i]->kind == ENTER) {
            room = show(lines[i], room);
        }
    }
    for (size_t i = n; i-- > 0 && room > 0;) {
        if (lines[i]->level == 0 && lines[i]->kind == ENTER) {
            room = show(lines[i], room);
        }
    }
}

/* ---- what is not on the way ------------------------------------------------------------------ */

/* Where the last calls before the failure begin, and how many lines they are: calls made from the
 * way, back to the last one that made calls itself. It is what an assert is about, in a loop too;
 * what came behind it are small calls: reprs that pytest asks for when the assert has failed, an
 * __exit__. As that may call something as well, half of the room is filled in any case. */
static size_t
find_last(struct line **lines, size_t n, uint32_t room, size_t *count)
{
    size_t begin = n, seen = 0;
    bool opened = false;
    *count = 0;
    for (size_t i = n; i-- > 0;) {
        const struct line *line = lines[i];
        if (line->level == 0 || !line->lane->own) {
            continue;
        }
        seen++;
        if (line->kind != ENTER || (line->parent != NULL && !line->parent->on_way)) {
            continue;
        }
        if (opened && seen > room / 2) {
            break;
        }
        opened = opened || seen - *count > 2;
        *count = seen;
        begin = i;
    }
    return begin;
}

static bool
is_left_out(const struct line *line, bool own)
{
    return !line->shown && (!own || line->lane->own);
}

/* As many whole levels as there is room for, and of the next one what came last, by the ends of its
 * calls. `own`: of other threads nothing. The room that is left. */
static uint32_t
show_levels(struct line **lines, size_t n, bool own, uint32_t room)
{
    size_t counts[LEVELS] = {0};
    uint32_t whole = 0;
    for (size_t i = 0; i < n; i++) {
        counts[lines[i]->level] += is_left_out(lines[i], own);
    }
    while (whole < LEVELS && counts[whole] <= room) {
        room -= (uint32_t)counts[whole++];
    }
    for (size_t i = n; i-- > 0;) {
        struct line *line = lines[i];
        if (is_left_out(line, own) && line->level < whole) {
            line->shown = true;
        }
        else if (is_left_out(line, own) && line->level == whole) {
            room = show(line, room);
        }
    }
    return room;
}

void
ft_tail_choose(struct line **lines, size_t n, uint32_t room)
{
    size_t way = 0, last;
    pair(lines, n);
    if (n <= room) {
        return;
    }
    find_way(lines, n);
    for (size_t i = 0; i < n; i++) {
        struct line *line = lines[i];
        line->level = line->kind == ENTER ? level_of(line) : line->mate ? line->mate->level : 0;
        line->shown = false; /* for show_way() */
        way += line->level == 0;
    }
    if (way > room) {
        show_way(lines, n, room);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        lines[i]->shown = lines[i]->level == 0;
    }
    room -= (uint32_t)way;
    size_t begin = find_last(lines, n, room, &last);
    /* Of more than there is room for half of it is kept, so that others are seen, too. */
    uint32_t share = last <= room ? (uint32_t)last : room / 2;
    room -= share - show_levels(lines + begin, n - begin, true, share);
    show_levels(lines, n, false, room);
}
