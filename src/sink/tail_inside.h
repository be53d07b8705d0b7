/* What sink/tail.c keeps of a tree, and sink/tail_choose.c chooses from. */
#ifndef FT_SINK_TAIL_INSIDE_H
#define FT_SINK_TAIL_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { ENTER, LEAVE, LOST };

struct line {
    struct line *next; /* the next younger one of its queue */
    struct lane *lane; /* borrowed */
    uint64_t number; /* in order of arrival */
    uint64_t place; /* among those of its lane */
    uint32_t depth;
    enum kind kind;
    bool raised; /* LEAVE: by an exception */
    bool shown;
    bool over; /* ENTER: its call is, though its LEAVE is not among the lines */
    bool on_way; /* ENTER: its call is on the way to the failure */
    uint32_t level; /* how far its call is from that way */
    struct line *mate; /* the other end of its call; NULL: not among the lines */
    struct line *parent; /* the ENTER of the call around it */
    size_t len;
    char text[];
};

struct lane {
    struct lane *next;
    void *target; /* the text sink's lane; NULL: ended */
    bool own;
    uint64_t arrived; /* its lines */
    uint32_t hidden; /* outermost calls that began before `since` */
    struct line **callers; /* owned, of lines that were let go of */
    uint32_t ncallers, cap;
    uint32_t unkept; /* calls above them that found no memory */
    bool shown; /* some of its lines are the last */
    uint64_t written; /* or left out, of its lines */
    const struct line *before; /* the last one written */
    struct line *top; /* innermost call, or of the way to the failure, while lines are judged */
    bool judged;
};

/* Of all lines, by arrival, marks as shown those `room` that tell most of how it ended; calls find
 * their mates, also where all are shown. */
void ft_tail_choose(struct line **lines, size_t n, uint32_t room);

#endif
