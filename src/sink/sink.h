/* The call stream: what the engine (live) or a walker (over a recording) tells a sink.
 *
 * Everything here is plain C and knows nothing of Python. A producer asks the sink once what it
 * NEEDS and fills only those fields of struct ft_call; the others are undefined. Strings and
 * structs are borrowed for the duration of the call, struct ft_func may be kept with ft_func_ref().
 *
 * Threads: a producer calls thread_begin once for each thread before its first event and hands the
 * lane it got to every later call for that thread. Calls of one lane never overlap; calls of
 * different lanes may, unless the sink says FT_SINK_LOCKED (then the producer serialises them:
 * live, that is the GIL). */
#ifndef FT_SINK_SINK_H
#define FT_SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "base/clock.h"
#include "sink/func.h"

enum ft_need {
    FT_NEED_TIME = 1 << 0,     /* ft_call.time */
    FT_NEED_LINE = 1 << 1,     /* ft_call.caller, ft_call.call_line */
    FT_NEED_ARGS = 1 << 2,     /* ft_call.args on START */
    FT_NEED_VALUE = 1 << 3,    /* ft_call.value on RETURN and YIELD */
    FT_NEED_EXC = 1 << 4,      /* ft_call.value on UNWIND: "ValueError: bad" */
    FT_NEED_CCALLS = 1 << 5,   /* C_CALL, C_RETURN, C_RAISE at all */
    FT_NEED_TASK = 1 << 6,     /* ft_call.task */
    FT_NEED_ACTIVATION = 1 << 7, /* ft_call.activation */
};

/* How a frame was entered or left. Order matters: enters first, then leaves. */
enum ft_way {
    FT_START,      /* PY_START */
    FT_RESUME,     /* PY_RESUME: a generator or coroutine goes on */
    FT_THROW,      /* PY_THROW: it goes on with an exception thrown into it */
    FT_C_CALL,     /* CALL of a C callable (types included) */
    FT_RETURN,     /* PY_RETURN */
    FT_YIELD,      /* PY_YIELD: it is suspended (a coroutine: at an await) */
    FT_UNWIND,     /* PY_UNWIND: left by an exception */
    FT_C_RETURN,   /* C_RETURN */
    FT_C_RAISE,    /* C_RAISE */
    FT_LEFT, /* left without an event (lost, stopped, switched away): time is the last known */
};

#define FT_LABEL_MAX 256 /* bytes of a thread's or task's name: it stands in each of its lines */

struct ft_task {
    uint64_t serial; /* 1, 2, ... in order of first sight; never reused */
    struct ft_str name; /* printable */
};

/* A call that is not over. */
struct ft_open_call {
    const struct ft_func *func;
    uint64_t time; /* ticks when it was entered or resumed */
    uint64_t activation;
};

struct ft_thread_info {
    uint64_t serial; /* 1, 2, ... in order of first sight; never reused */
    uint64_t native_id; /* the kernel's thread id */
    uint64_t pid;
    bool other; /* a recorded process that is not the first: its pid is told in the tree */
    struct ft_str name; /* printable; "MainThread", "worker-1" */
    struct ft_str process; /* recorded: the command line that it is of, printable; may be empty */
    /* The innermost `most` of the calls that the lane was told of and that are not over, innermost
     * first; gives how many. To be asked from within enter (what is entered is left out) or leave
     * (what is left is still there) of that lane, for a sink that NEEDS the time. NULL: a producer
     * that does not know. */
    uint32_t (*open_calls)(void *thread, const void *lane, bool leaving, struct ft_open_call *calls,
                           uint32_t most);
    /* Of the exception that leaves a call and goes on into code that the lane is not told of, into
     * the library, say: which one, a number that no other living one has; 0 where it goes on into a
     * call that the lane knows. To be asked from within leave of an UNWIND, as above. */
    uint64_t (*into_unshown)(void *thread, const void *lane);
    void *thread;
};

struct ft_call {
    const struct ft_func *func;
    enum ft_way way;
    uint32_t depth; /* shown frames of this thread above this one: 0 is outermost. Live, a sink with
                       a short way is not told of it: it counts itself */
    uint64_t time; /* ticks, see base/clock.h */
    uint64_t activation; /* serial of the run of a generator-like function; 0: an ordinary one */
    const struct ft_func
        *caller; /* function of the calling Python frame, shown or not; NULL: none */
    uint32_t call_line; /* its current line, 0: unknown */
    struct ft_str args; /* printable, without parentheses: "a=10, b=2" */
    struct ft_str
        /* printable; s == NULL: none is shown (suspended coroutine, C call, --values none) */
        value;
    const struct ft_task *task; /* NULL: not in a task */
    bool awaits; /* YIELD: suspended at an await, no value of its own */
};

struct ft_sink;

typedef void *ft_enter_plain(struct ft_sink *sink, void *lane, const struct ft_func *func,
                             uint64_t time, void *answer);
typedef void *ft_leave_plain(struct ft_sink *sink, void *lane, uint64_t time, void *answer);
typedef void *ft_resume_plain(struct ft_sink *sink, void *lane, const struct ft_func *func,
                              uint64_t activation, uint64_t time, void *answer);
typedef void *ft_yield_plain(struct ft_sink *sink, void *lane, uint64_t activation, bool awaits,
                             uint64_t time, void *answer);

struct ft_sink_ops {
    const char *name;
    bool locked; /* FT_SINK_LOCKED: see above */
    /* A lane for one thread, NULL when memory ran out: the producer asks again at the thread's next
     * event, and tells of those it could not tell by lost(). */
    void *(*thread_begin)(struct ft_sink *sink, const struct ft_thread_info *info);
    /* The thread ended; its lane is the sink's to keep or free. Frames still open count as FT_LEFT.
     */
    void (*thread_end)(struct ft_sink *sink, void *lane);
    /* The same, but the thread lives on and may begin again. NULL: that makes no difference. */
    void (*thread_pause)(struct ft_sink *sink, void *lane);
    void (*enter)(struct ft_sink *sink, void *lane, const struct ft_call *call);
    void (*leave)(struct ft_sink *sink, void *lane, const struct ft_call *call);
    /* The short way, of an ordinary function's START in the task that the lane was told of last,
     * and of its RETURN (and UNWIND, if the sink does not need EXC): no more than this is told.
     * Both, or NULL: never told so. They give `answer` back, so that the caller can end with this
     * call and need not save its registers. */
    ft_enter_plain *enter_plain;
    ft_leave_plain *leave_plain;
    /* The same of a RESUME and a YIELD. Both, or NULL: told by enter and leave. */
    ft_resume_plain *resume_plain;
    ft_yield_plain *yield_plain;
    /* A recorded call that began before the lane's first event: on the stack, but no event. NULL:
     * not of interest. */
    void (*open)(struct ft_sink *sink, void *lane, const struct ft_call *call);
    /* `n` events are missing. Live: the producer had no memory to tell of them, and `lane` is NULL
     * for a thread that has none; one or two too many may be said of a function about which nothing
     * could be learnt, not even whether it would have been shown. Recorded: they are missing at
     * this place of the lane. */
    void (*lost)(struct ft_sink *sink, void *lane, uint64_t n);
    /* Live: called in a forked child before its first event: `pid` is its own. NULL: a sink for
     * recordings, which is never attached. */
    void (*forked)(struct ft_sink *sink, uint64_t pid);
    /* What is held back goes out. NULL: nothing is held back. */
    void (*flush)(struct ft_sink *sink);
    void (*close)(struct ft_sink *sink); /* frees the sink and its lanes */
    /* For a sink whose result is a sum over threads: an empty one of its kind, for a run of threads
     * that another core walks, NULL when memory ran out; and what adds it to the whole, run after
     * run in order of the threads, so that it comes out as if one sink had heard them all. Both, or
     * NULL: one core only. */
    struct ft_sink *(*part)(const struct ft_sink *sink);
    void (*fold)(struct ft_sink *sink, const struct ft_sink *part);
};

/* First member of every sink. */
struct ft_sink {
    const struct ft_sink_ops *ops;
    uint32_t needs; /* enum ft_need bits, constant */
    bool recorded; /* set by a walker: times come in ns, and `now` is that of the last event */
    uint64_t now;
    /* Events, or figures of them, that the sink or its producer found no memory for: not 0, and
     * what the sink gives is not all. Atomic: of any thread. */
    uint64_t unkept;
    uint64_t deeper; /* calls left out because what the sink writes knows no such depth */
};

static inline void
ft_sink_unkept(struct ft_sink *sink, uint64_t n)
{
    __atomic_fetch_add(&sink->unkept, n, __ATOMIC_RELAXED);
}

/* How the times that the sink hears become ns. */
static inline struct ft_scale
ft_sink_scale(const struct ft_sink *sink)
{
    return sink->recorded ? (struct ft_scale){(uint64_t)1 << 32} : ft_clock_scale();
}

#endif
