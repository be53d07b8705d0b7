/* The events of one thread, one after the other. Memory: a window of the file, the open calls.
 *
 * A segment that goes on where the one before ended is read through; where events are missing
 * (a ring, a time range) the stack is taken from the segment's own head. */
#ifndef FT_TRACE_CURSOR_H
#define FT_TRACE_CURSOR_H

#include "sink/sink.h"
#include "trace/reader.h"

enum ft_step {
    FT_STEP_END,         /* nothing more, or nothing more that is sound */
    FT_STEP_ENTER,       /* cursor.call is an entering event */
    FT_STEP_LEAVE,       /* cursor.call is a leaving event */
    FT_STEP_OPEN,        /* cursor.call was open already when what is read begins */
    FT_STEP_LOST,        /* cursor.lost events are missing here */
};

struct ft_cursor_open {
    const struct ft_func *func;
    uint64_t since;                      /* ns since the recording began */
    uint64_t activation;
};

struct ft_cursor {
    /* What the last step gave; borrowed until the next one. Times in ns since the recording
     * began. */
    struct ft_call call;
    uint64_t lost;

    struct ft_trace *trace;              /* borrowed */
    const struct ft_trace_thread *thread;
    const uint8_t *p, *end;              /* in the window */
    uint8_t *window;                     /* owned */
    uint64_t file_at, file_end;          /* of the window's end; of the segment's events */
    int fd;
    bool closed;                         /* the segment was closed by its writer */
    size_t next;                         /* segment */
    uint64_t time;                       /* units, of the last event */
    uint64_t seen;                       /* events of the thread so far, those missing included */
    uint32_t base;                       /* open calls that no head lists, below the stack */
    uint32_t depth, cap;
    struct ft_cursor_open *stack;        /* owned */
    uint32_t opens;                      /* of the stack, told as FT_STEP_OPEN so far */
    bool tell_opens;
    bool anew;                           /* no segment yet: the next one's head counts */
    struct ft_task task;
    uint32_t task_depth;
    struct ft_strbuf task_name;
    struct ft_strbuf args, value;        /* of the call, where the file's were not printable */
    uint32_t likely[FT_LIKELY_SLOTS];
    uint32_t after; /* its slot for the next entering event */
    struct {
        uint64_t activation;
        uint32_t id;
    } runs[FT_RUN_SLOTS];
    uint32_t untold; /* outermost open calls of which this segment did not tell */
    uint32_t run; /* its slot for the next that is resumed */
    uint64_t started; /* activation of the last FT_SHORT_START */
    struct ft_strbuf raised; /* value of the last FT_OTHER_RAISE, printable */
};

/* NULL: no memory. From `since` (ns) on. */
struct ft_cursor *ft_cursor_new(struct ft_trace *trace, const struct ft_trace_thread *thread,
                                uint64_t since);
void ft_cursor_free(struct ft_cursor *c);
enum ft_step ft_cursor_step(struct ft_cursor *c);

#endif
