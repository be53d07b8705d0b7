/* Events as tuples: (t, pid, tid, thread, thread_name, depth, event, function, module, file, line,
 * activation, task, call_line, args, value, exception, lost, column), pyftrace.recording.Event's
 * fields. */
#ifndef FT_PYAPI_BATCH_H
#define FT_PYAPI_BATCH_H

#include "pyapi/recording.h"

/* What an event's tuple says of its thread; borrowed. */
struct ft_event_thread {
    uint64_t pid, native, serial;
    struct ft_str name;
};

/* New references; NULL with an exception. Times in ns since the recording began. */
PyObject *ft_event_tuple(const struct ft_event_thread *thread, const struct ft_call *call);
PyObject *ft_lost_tuple(const struct ft_event_thread *thread, uint64_t time, uint64_t lost);

/* A sink that a recording is walked into: calls `take`, borrowed, with lists of tuples; an
 * exception of it is left set. With `bounds` also events "open", of a call that began before what
 * is told of its thread, and "end", of a thread: at the time of its last event, shown or not. NULL
 * with an exception. */
struct ft_sink *ft_batch_new(PyObject *take, bool bounds);

#endif
