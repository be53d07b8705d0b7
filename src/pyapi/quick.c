/* PY_START and PY_RETURN of a lone recorder or report: the engine's short way and the sink's in one
 * function (struct ft_quick). What has no such pair of its own calls its sink through the table of
 * functions. */
#include "pyapi/pyapi.h"

#include "engine/short_way.h"
#include "sink/record_short.h"
#include "sink/table_short.h"

#define INLINE inline __attribute__((always_inline))

/* Both give None. What they call, they call last. */
typedef PyObject *enter_fn(struct ft_thread *t, const struct ft_func *func, uint64_t time);
typedef PyObject *leave_fn(struct ft_thread *t, uint64_t time);

/* ---- what the sinks do ----------------------------------------------------------------------- */

static INLINE PyObject *
enter_record(struct ft_thread *t, const struct ft_func *func, uint64_t time)
{
    return ft_record_enter_shortest(t->lone_lane, func->id, time)
               ? FT_NONE
               : ft_record_enter_unlikely(t->lone_sink, t->lone_lane, func, time, FT_NONE);
}

static INLINE PyObject *
leave_record(struct ft_thread *t, uint64_t time)
{
    return ft_record_leave_shortest(t->lone_lane, time)
               ? FT_NONE
               : ft_record_leave_unlikely(t->lone_sink, t->lone_lane, time, FT_NONE);
}

static INLINE PyObject *
enter_any(struct ft_thread *t, const struct ft_func *func, uint64_t time)
{
    return t->lone_enter(t->lone_sink, t->lone_lane, func, time, FT_NONE);
}

static INLINE PyObject *
leave_any(struct ft_thread *t, uint64_t time)
{
    return t->lone_leave(t->lone_sink, t->lone_lane, time, FT_NONE);
}

static INLINE PyObject *
enter_table(struct ft_thread *t, const struct ft_func *func, uint64_t time)
{
    return ft_table_enter_shortest(t->lone_lane, func->id, time) ? FT_NONE
                                                                 : enter_any(t, func, time);
}

static INLINE PyObject *
leave_table(struct ft_thread *t, uint64_t time)
{
    return ft_table_leave_shortest(t->lone_lane, time) ? FT_NONE : leave_any(t, time);
}

/* ---- the callbacks --------------------------------------------------------------------------- */

/* The clock is read before the function is looked up: the counter waits for what was begun. */
static INLINE PyObject *
start(PyObject *self, PyObject *const *args, bool counter, enter_fn *enter)
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    uint64_t time = ft_now(counter);
    struct ft_thread *t = ft_thread_current;
    const struct ft_code *c = plain_code(t, FT_ENGINE_OF(self), FT_CODE_OF(args));
    if (FT_UNLIKELY(c == NULL)) {
        return ft_start_other(FT_ENGINE_OF(self), t, FT_CODE_OF(args));
    }
    push_plain(t, c, time);
    return enter(t, &c->func, time);
}

static INLINE PyObject *
return_(PyObject *self, PyObject *const *args, bool counter, leave_fn *leave)
{
    if (FT_NOT_CODE(args)) {
        Py_RETURN_NONE;
    }
    uint64_t time = ft_now(counter);
    struct ft_thread *t = ft_thread_current;
    if (FT_UNLIKELY(!plain_top(t, FT_ENGINE_OF(self)))) {
        return ft_return_other(FT_ENGINE_OF(self), t, args);
    }
    t->top--;
    return leave(t, time);
}

#define QUICK(name, counter, enter, leave)                                                         \
    static PyObject *name##_start(PyObject *self, PyObject *const *args, size_t Py_UNUSED(n),      \
                                  PyObject *Py_UNUSED(kw))                                         \
    {                                                                                              \
        return start(self, args, counter, enter);                                                  \
    }                                                                                              \
    static PyObject *name##_return(PyObject *self, PyObject *const *args, size_t Py_UNUSED(n),     \
                                   PyObject *Py_UNUSED(kw))                                        \
    {                                                                                              \
        return return_(self, args, counter, leave);                                                \
    }                                                                                              \
    static const struct ft_quick name = {name##_start, name##_return};

QUICK(quick_record, true, enter_record, leave_record)
QUICK(quick_table, true, enter_table, leave_table)
QUICK(quick_any, true, enter_any, leave_any)
QUICK(quick_without_counter, false, enter_any, leave_any)

const struct ft_quick *
ft_quick_of(enum ft_tap_kind kind, const struct ft_sink *sink)
{
    if (sink->ops->enter_plain == NULL) {
        return NULL;
    }
    if (!ft_clock.counter) {
        return &quick_without_counter;
    }
    if (kind == FT_TAP_RECORD) {
        return &quick_record;
    }
    return kind == FT_TAP_REPORT && ft_table_is_plain(sink) ? &quick_table : &quick_any;
}
