/* The file format of a recording: the one owner of every number in it. docs/trace-format.md tells
 * it in words, with a drawing and worked bytes.
 *
 * A recording is a directory:
 *     run                 one; what was started, when, by whom
 *     PID-BORN.defs       one a process (an interpreter): its facts, and what its ids mean
 *     PID-BORN.N.lane     events; one file for each thread alive at once, passed on at its end
 *     PID-BORN.fail       a process that could not record: why, as text
 *
 * All numbers are of the machine's own byte order, which `endian` tells. "varint" is base/varint.h.
 * Everything is written through mappings: a file is zeros until something stands there, and the
 * first byte of a record is stored last. */
#ifndef FT_TRACE_FORMAT_H
#define FT_TRACE_FORMAT_H

#include <stdint.h>

#define FT_TRACE_VERSION 1
#define FT_TRACE_ENDIAN 0x01020304u

#define FT_RUN_MAGIC "PYFTRUN"       /* 8 bytes with the NUL */
#define FT_DEFS_MAGIC "PYFTDEF"
#define FT_LANE_MAGIC "PYFTLAN"

#define FT_RUN_NAME "run"
#define FT_RUN_LOCK_SUFFIX ".pyftrace-lock" /* .NAME of it: while the folder is made, moved */
#define FT_DEFS_SUFFIX ".defs"
#define FT_LANE_SUFFIX ".lane"
#define FT_FAIL_SUFFIX ".fail"
/* Of a flight recorder: folders that are recordings, and why one was dumped, a process's fact. */
#define FT_RING_PREFIX "ring."
#define FT_DUMP_PREFIX "dump-"
#define FT_FACT_DUMP "dump"

/* ---- what every file begins with ------------------------------------------------------------- */

struct ft_file_head {
    char magic[8];
    uint32_t version;
    uint32_t endian;
    uint32_t head_size;      /* bytes before the file's first record, segment or text */
    uint32_t flags;          /* enum ft_trace_flags */
};

enum ft_trace_flags {
    FT_TRACE_COUNTER = 1 << 0,     /* ticks are the processor's counter, else ns */
    FT_TRACE_FOREIGN = 1 << 1,     /* run: what was started is no Python of ours */
    FT_TRACE_FORKED = 1 << 2,      /* defs: the process was forked by one that records */
    FT_TRACE_SUBINTERP = 1 << 3,   /* defs: a sub-interpreter of its process */
    FT_TRACE_RING = 1 << 4,        /* defs, lane: only the last events are kept */
    FT_TRACE_PREWRITTEN = 1 << 5,  /* defs: the file system could not promise room */
    FT_TRACE_ROTATED = 1 << 6,     /* run: an older recording made way, and is PATH.old now */
    FT_TRACE_LEFT = 1 << 7,        /* run: its first process has come to its end there */
};

/* One moment by three clocks. */
struct ft_anchor {
    uint64_t ticks;          /* of the processor's counter, or ns */
    uint64_t monotonic;      /* CLOCK_MONOTONIC, ns */
    uint64_t wall;           /* CLOCK_REALTIME, ns */
};

/* ---- run ------------------------------------------------------------------------------------- */

#define FT_RUN_MOST 8192 /* bytes of the file */
#define FT_RUN_FACT_MAX 3000           /* bytes of one fact */

/* Followed by facts: pairs of NUL-terminated texts, key and value, `text` bytes of them. */
struct ft_run_head {
    struct ft_file_head file;
    uint8_t id[16];          /* random: a process with the id belongs here */
    uint64_t pid;            /* of the first process */
    uint64_t pid_start; /* when that process was born, in the system's own unit; 0: unknown */
    struct ft_anchor anchor; /* the recording began */
    uint64_t max_size; /* bytes that all its files may take, 0: no limit */
    uint64_t reserved; /* bytes reserved so far by all processes; changed in place */
    uint32_t text;
    uint32_t unused;
};

/* ---- defs ------------------------------------------------------------------------------------ */

#define FT_DEFS_FIRST (1 << 14) /* bytes reserved first; then twice as many each time, up to */
#define FT_DEFS_MOST (1 << 20)

struct ft_defs_head {
    struct ft_file_head file;
    uint8_t run[16]; /* id of the run */
    uint64_t pid, parent;
    uint64_t interpreter; /* 0: the main one */
    uint32_t shift; /* a time in events is ticks >> shift */
    uint32_t anchor_at; /* which of the two `last` holds; stored last */
    struct ft_anchor first; /* the process began to record */
    struct ft_anchor last[2];
    uint64_t ended; /* CLOCK_MONOTONIC ns of the end mark, 0: none */
    uint32_t end_signal; /* the end mark was set on the way to death by this signal */
    uint32_t error; /* errno of what stopped the recording, 0: nothing did */
    uint64_t lost; /* events that could not be written */
    uint64_t dropped; /* events that a ring has let go of */
};

/* A definition is: kind (1 byte, stored last), varint length, so many bytes. */
enum ft_def_kind {
    FT_DEF_END = 0,
    FT_DEF_FUNC = 1, /* varints id, flags, line, column; name, module, file */
    FT_DEF_THREAD = 2, /* varints serial, native id; name */
    FT_DEF_THREAD_END = 3, /* varints serial, events in all, in a file or not */
    FT_DEF_FACT = 4, /* key, value */
    FT_DEF_SKIP = 127, /* nothing: fills up a piece of the file */
};
/* A text within is: varint length, so many bytes (UTF-8, lone surrogates as 3 bytes each). */

/* ---- lanes ----------------------------------------------------------------------------------- */

#define FT_LANE_FIRST (1 << 15) /* bytes reserved first; then twice as many each time, up to */
#define FT_LANE_MOST (1 << 20)

struct ft_lane_head {
    struct ft_file_head file;
    uint64_t pid;
    uint64_t segment_size; /* of a ring: all its segments are as long, else 0 */
    uint8_t unused[24];
};

#define FT_SEGMENT_MAGIC 0x31474553u /* "SEG1" */
#define FT_SEGMENT_ALIGN 64
#define FT_SEGMENT_MAX FT_LANE_MOST
#define FT_HEAD_CALLS 256 /* innermost open calls listed at a segment's head */

enum ft_segment_flags {
    FT_SEGMENT_CLOSED = 1 << 0, /* used, last, starts, least_depth and size are final */
    FT_SEGMENT_FORK = 1 << 1, /* the thread's first: what is open began in the parent */
};

/* A ring's places begin here, each `segment_size` behind the other; a place holds one segment, or
 * those of threads that ended and were followed by another. */
#define FT_RING_START 4096
#define FT_RING_SEGMENTS 8
#define FT_RING_LEAST (1 << 18) /* bytes for all of them */

/* `error` of a recording that stopped because its run reached max_size. */
#define FT_STOP_MAX_SIZE 100000
#define FT_STOP_MAX_DUMPS 100001 /* no error of the system: there are as many dumps as may be */

/* Begins a segment: the events of one thread. `magic` is stored last. Behind it the open calls:
 *     varint n                        at most FT_HEAD_CALLS, at most `depth`
 *     n times, outermost first:       varints function, time since it began, activation
 *     varint task (0: none); with a task: varint depth at which it began, name
 * and then the events. */
struct ft_segment {
    uint32_t magic;
    uint32_t flags; /* stored when all else of the closing is */
    uint64_t size; /* from this header to the next */
    uint64_t used; /* bytes with the header; 0 while it is not closed */
    uint64_t thread; /* serial */
    uint64_t first; /* time to which the first event's delta is added */
    uint64_t last; /* time of the last event; 0 while it is not closed */
    uint64_t before; /* events of this thread before this segment, in a file or not */
    uint64_t starts; /* entering events; leaving: starts + depth - depth at the end */
    uint32_t depth; /* open calls when it began */
    uint32_t least_depth; /* least number of open calls within it */
    uint32_t end_depth; /* open calls when it was closed */
    uint32_t unused;
    struct ft_anchor anchor;
};

/* ---- events ---------------------------------------------------------------------------------- */

/* The two top bits of an event's first byte say which; its six lower bits are, but for the last
 * kind, the time since the event before, in units of ticks >> shift; 63: a varint of what is above
 * 63 follows. */
enum ft_event_code {
    FT_CODE_OTHER = 0, /* the lower bits are enum ft_other; 0: nothing was written here */
    FT_CODE_LEAVE = 1, /* the innermost call is left by returning */
    FT_CODE_LIKELY = 2, /* a call of the function that was entered after the last one before, too */
    FT_CODE_ENTER = 3, /* a call; the varint of the function follows (behind the time's) */
};
#define FT_DELTA_MORE 63
#define FT_DELTA_BITS 6
/* Which function was entered after which is remembered by the id of the one before modulo this,
 * from the segment's head on, by every entering event; before the first, the id is all ones. */
#define FT_LIKELY_SLOTS 256

/* Behind the first byte: varint time, varint length, so many bytes, so that a reader can pass over
 * what it does not know. The entering ones begin with the varint of the function; then fields. */
enum ft_other {
    FT_OTHER_END = 0,
    FT_OTHER_ENTER = 1, /* entering: a call with fields */
    FT_OTHER_RESUME = 2, /* entering */
    FT_OTHER_THROW = 3, /* entering */
    FT_OTHER_LEAVE = 4, /* leaving: a return with fields */
    FT_OTHER_YIELD = 5, /* leaving */
    FT_OTHER_AWAIT = 6, /* leaving: suspended at an await */
    FT_OTHER_RAISE = 7, /* leaving: by an exception */
    FT_OTHER_LEFT = 8, /* leaving: when and how is not known */
};
#define FT_OTHER_FIRST_LEAVING FT_OTHER_LEAVE

/* Kinds from here on have no length: varint time, then what is said here. A version that has other
 * ones is a newer one. */
enum ft_short {
    FT_SHORT_YIELD = 32, /* leaving: FT_OTHER_YIELD without fields */
    FT_SHORT_AWAIT = 33, /* leaving: FT_OTHER_AWAIT without fields */
    FT_SHORT_LIKELY = 34, /* entering: a resume of the run that is likely */
    FT_SHORT_RESUME = 35, /* entering: a resume; varints function, activation */
    FT_SHORT_START =
        36, /* entering: a generator-like function's start; varints function, activation
                             less that of the segment's last FT_SHORT_START, zigzag */
    FT_SHORT_RAISE = 37, /* leaving: raised again what the segment's last FT_OTHER_RAISE has */
    FT_SHORT_END = 38, /* the first that is not known */
};
#define FT_SHORT_FIRST FT_SHORT_YIELD

/* Which run is resumed after which: remembered by every resume and throw, by the activation that an
 * event told of last (0 at the segment's head) and whether it was suspended by it. */
#define FT_RUN_SLOTS 256
#define FT_RUN_SLOT(activation, suspended) (((activation) * 2 + (suspended)) & (FT_RUN_SLOTS - 1))

/* A field is a tag (varint), then a varint if the tag is even, a text if it is odd. */
enum ft_field {
    FT_FIELD_ARGS = 1, /* printable: "a=10, b=2" */
    FT_FIELD_ACTIVATION = 2, /* serial of a generator's or coroutine's run */
    FT_FIELD_VALUE = 3, /* printable: returned, yielded, or the exception */
    FT_FIELD_TASK = 4, /* serial; holds until this call is left */
    FT_FIELD_TASK_NAME = 5, /* printable */
    FT_FIELD_CALLER = 6, /* function of the calling frame, shown or not */
    FT_FIELD_CALL_LINE = 8, /* its line */
};
#define FT_TEXT_MAX (1 << 13) /* longer texts are cut */
#define FT_RECORD_MAX (FT_TEXT_MAX * 2 + 256)
#define FT_NAME_MAX 4096 /* names and files in definitions */
/* A reader may believe in no more open calls than this. */
#define FT_DEPTH_MAX (1u << 24)

_Static_assert(sizeof(struct ft_file_head) == 24, "format");
_Static_assert(sizeof(struct ft_run_head) == 104, "format");
_Static_assert(sizeof(struct ft_defs_head) == 176, "format");
_Static_assert(sizeof(struct ft_lane_head) == 64, "format");
_Static_assert(sizeof(struct ft_segment) == 104, "format");

#endif
