/* The engine: one per interpreter. It owns the tool id, turns monitoring events into the call
 * stream and hands it to taps. This header is the map; each part below is one file.
 *
 * Everything here runs with the GIL held, where there is none with ft_lock() taken (lock.h), or is
 * said to be safe without. */
#ifndef FT_ENGINE_ENGINE_H
#define FT_ENGINE_ENGINE_H

#include "compat.h"

#include "base/clock.h"
#include "base/ptrmap.h"
#include "engine/filter.h"
#include "sink/sink.h"

#define FT_MAX_TAPS 32

/* ---- the table of events (events.c) ---------------------------------------------------------- */

enum ft_event {
    FT_EV_START,
    FT_EV_RESUME,
    FT_EV_THROW,
    FT_EV_RETURN,
    FT_EV_YIELD,
    FT_EV_UNWIND,
    FT_EV_CALL,
    FT_EV_C_RETURN,
    FT_EV_C_RAISE,
    FT_EV_COUNT,
};

struct ft_event_row {
    const char *name;              /* in sys.monitoring.events, whose numbers differ by version */
    vectorcallfunc callback; /* of PY_START and PY_RETURN: while no struct ft_quick stands for it */
    bool ccalls; /* only when some tap wants C calls */
    bool implied; /* comes with CALL: may not be asked for itself */
};
extern const struct ft_event_row ft_event_table[FT_EV_COUNT];

/* ---- functions (codes.c) --------------------------------------------------------------------- */

enum ft_spawn { FT_SPAWN_NOTHING, FT_SPAWN_PROCESS, FT_SPAWN_INTERPRETER };

/* What the engine knows of a function: one record for all code objects that are equal in name,
 * file, line and positions. Hangs on each code object by co_extra. `func.plain` is the epoch of the
 * lone tap, if that shows this function whatever the caller; 0. */
struct ft_code {
    struct ft_func func; /* first: sinks see only this */
    struct ft_codes *codes; /* borrowed: the registry outlives its records */
    uint64_t key; /* hash of the identity */
    struct ft_code *next; /* in its bucket, or in the list of zombies */
    uint32_t generation; /* of the taps for which the two masks below hold */
    uint32_t want; /* taps that follow this function: 0 is NEVER for all */
    uint32_t want_c; /* taps that follow C calls made by it */
    uint32_t run; /* as func.plain, of a generator or coroutine: one of these is 0 */
    uint32_t calls; /* epoch of the lone tap, if it is told of C calls made by it; 0 */
    bool silenced; /* a DISABLE was returned because `want` was 0 */
    bool silenced_c; /* the same for CALL */
    bool called; /* seen by START while a program was traced */
    bool from_user; /* that first call came directly from user code */
    enum ft_spawn spawns; /* a library function that starts what is not traced */
    bool marked; /* used by the sweep of zombies */
    uint8_t origin; /* enum ft_origin */
    uint32_t order; /* of first call */
    uint32_t codes_alive; /* code objects that hang on it */
    struct {
        uint32_t epoch, verdict;
    } taps[FT_MAX_TAPS];
    int32_t *lines; /* owned: line + 1 by instruction; NULL until asked for */
    uint32_t nlines;
};

/* How CPython lays out what hangs on a code object: private, so checked before it is relied on. */
struct ft_code_extra {
    Py_ssize_t size;
    void *items[];
};

struct ft_codes {
    struct ft_code **buckets; /* owned */
    size_t mask, used;
    struct ft_code *zombies; /* no code object left, perhaps still on some stack */
    size_t nzombies, sweep_at;
    Py_ssize_t index; /* of co_extra, -1: not yet asked for */
    uint32_t *free_ids; /* owned stack of ids to reuse */
    uint32_t nfree, capfree, next_id;
    uint32_t next_order;
    uint32_t unnamed; /* lambdas without a column so far: in order of first sight */
    bool in_place; /* struct ft_code_extra was found to be right */
    bool not_in_place; /* it was found to be wrong once: never again */
    struct ft_ptrmap own; /* code objects not yet seen that are user code */
    struct ft_engine *engine; /* borrowed; NULL after its end */
    size_t owners; /* the engine, and each record */
};

int ft_codes_init(struct ft_codes *codes);
void ft_codes_end(struct ft_codes *codes);
struct ft_code *ft_code_learn(struct ft_engine *e, PyCodeObject *code, PyFrameObject *frame);
void ft_code_sync(struct ft_engine *e, struct ft_code *c);
void ft_codes_sweep(struct ft_engine *e);
int ft_code_line(struct ft_code *c, PyCodeObject *code, int lasti);
void ft_codes_own(struct ft_engine *e, PyCodeObject *code);
void ft_codes_each(struct ft_codes *codes, void (*visit)(void *ctx, struct ft_code *c), void *ctx);

/* ---- C callables (callables.c) --------------------------------------------------------------- */

struct ft_callable {
    struct ft_func func; /* first; func.plain as of struct ft_code */
    struct ft_codes *codes; /* owned share: gives the id */
    uint64_t key; /* identity: what the callable is, never the object */
    PyObject *type; /* owned weak reference to a heap type, else NULL */
    bool ours; /* of pyftrace._engine: never told of */
    uint32_t generation;
    struct {
        uint32_t epoch, verdict;
    } taps[FT_MAX_TAPS];
};

/* NULL without an exception: not a C callable (a Python function), or *failed: no memory. */
struct ft_callable *ft_callable_get(struct ft_engine *e, PyObject *callable, bool *failed);
void ft_callables_fini(struct ft_engine *e);

/* ---- threads and their stacks (threads.c, stack.c) ------------------------------------------- */

/* How a frame was pushed; one word, which the short way writes and compares at once. */
struct ft_frame_kind {
    uint32_t plain; /* epoch of the lone tap that was told by the short way; 0 */
    bool run; /* by the short way of a generator or coroutine */
    bool c; /* a C call: `frame` is its caller's */
    bool task_set; /* it began a step of a task: the task ends with it */
    bool unused;
};
_Static_assert(sizeof(struct ft_frame_kind) == sizeof(uint64_t), "without a gap");

/* One open activation, of 64 bytes. The short way writes the first four alone, and of a run
 * `activation`; the others hold if `kind.plain` is 0, see ft_stack_settle. */
struct ft_frame {
    void *frame; /* the interpreter's frame: opaque, names the activation */
    const struct ft_func *func; /* struct ft_code, or struct ft_callable when `c` */
    uint64_t time; /* ticks when it was entered; 0: no tap needs the time */
    struct ft_frame_kind kind;
    uint64_t activation; /* serial, generators and coroutines only */
    uint32_t shown; /* taps that were told of it */
    uint32_t inside; /* taps whose -f it matched */
    uint32_t excluded; /* taps whose -e it matched */
    uint32_t unused[3];
};
_Static_assert(sizeof(struct ft_frame) == 64, "a place in the stack is reached by a shift");

/* One tap on one thread. */
struct ft_view {
    void *lane; /* the sink's */
    uint32_t epoch; /* of the tap this belongs to; else stale */
    uint32_t depth; /* shown frames open, those of the short way left out */
    uint32_t inside, excluded; /* open frames matched by -f, -e */
    uint32_t entered; /* Tap.enter() without its leave() */
};

struct ft_thread {
    /* What the short way needs, settled by ft_thread_settle: nothing else is looked at. */
    struct ft_frame_kind lone; /* .plain: epoch of the lone tap, if its calls go the short way */
    struct ft_frame *top; /* behind the innermost open frame; top[-1] is one even if none is open */
    struct ft_frame *limit; /* of what is allocated */
    struct ft_engine *engine; /* borrowed; NULL after the engine ended */
    PyThreadState *tstate; /* borrowed while its guard lives (threads.c); NULL: ask for it */
    Py_ssize_t index; /* of co_extra */
    void *lone_lane;
    struct ft_sink *lone_sink;
    ft_enter_plain *lone_enter;
    ft_leave_plain *lone_leave;
    ft_resume_plain *lone_resume; /* of generators and coroutines, see ft_code.run */
    ft_yield_plain *lone_yield;
    struct ft_frame *stack; /* the outermost one's place, behind an empty one that ends searches */
    uintptr_t raised; /* the exception that leaves the frame told of last: which, not what */
    bool lone_unwind; /* so do those left by an exception */
    bool lone_asks; /* of a coroutine, whether it begins a step of a task */

    bool told_task; /* the lone tap was told of `task` */
    uint64_t tstate_id, gone; /* of the state met last, and of one that is no more */
    uint32_t local; /* taps entered on this thread alone */
    const struct ft_task *task; /* running now, NULL: none; owned by the engine's list */
    uint64_t serial;
    uint64_t native_id;
    _Atomic int owners; /* engine, thread, guard of its thread state: the last one frees */
    _Atomic bool ended; /* set by the thread's destructor */
    struct ft_thread *next; /* in the engine's list */
    struct ft_thread *before; /* of the same OS thread, in another interpreter */
    struct ft_strbuf args, value; /* texts of the event in hand */
    struct ft_frame nothing; /* below the outermost; of no frame, NULL (all C) included */
    struct ft_view views[FT_MAX_TAPS];
};

/* Said here too: or each event's callback would keep its registers for a call that finds the
 * place, although the linker takes the call out. */
extern _Thread_local struct ft_thread *ft_thread_current __attribute__((tls_model("initial-exec")));

/* `lone.plain` of a thread whose calls all go the long way: of no tap, and not a frame's 0. */
#define FT_NO_EPOCH UINT32_MAX

struct ft_thread *ft_thread_find(struct ft_engine *e);
/* Whether this thread's ordinary calls go the short way: to be asked again whenever the lone tap,
 * the thread's view of it, the taps entered or the task change. */
void ft_thread_settle(struct ft_engine *e, struct ft_thread *t);
void ft_threads_reap(struct ft_engine *e, bool all);
bool ft_view_begin(struct ft_engine *e, struct ft_thread *t, int slot);
/* Frames that a tap was shown count as left: it hears FT_LEFT, innermost first. */
void ft_thread_forget(struct ft_engine *e, struct ft_thread *t, int slot);

/* Frames open. */
static inline uint32_t
ft_thread_open(const struct ft_thread *t)
{
    return (uint32_t)(t->top - t->stack);
}

static inline struct ft_thread *
ft_thread_get(struct ft_engine *e)
{
    struct ft_thread *t = ft_thread_current;
    return FT_LIKELY(t != NULL && t->engine == e && t->tstate != NULL) ? t : ft_thread_find(e);
}

/* Names the running activation. */
static inline void *
ft_thread_frame(const struct ft_thread *t)
{
    return FT_FRAME_ID(t->tstate ? t->tstate : FT_TSTATE());
}

/* ---- taps (taps.c) --------------------------------------------------------------------------- */

/* PY_START's and PY_RETURN's callbacks while the tap is the lone one: the short way of an ordinary
 * function and what the sink does of it in one (pyapi/quick.c), so that nothing is called and no
 * register saved. They take the thread's `lone_sink` and `lone_lane` for those of their own kind:
 * true as long as ft_engine_set_lone() alone puts them into the callback objects. */
struct ft_quick {
    vectorcallfunc start, return_;
};

struct ft_tap {
    const struct ft_quick *quick; /* of a sink with a short way; NULL: it has none */
    struct ft_sink *sink; /* borrowed from the layer above, outlives the tap's attachment */
    struct ft_filter *filter; /* borrowed likewise */
    struct ft_value_style *values; /* borrowed likewise */
    int slot; /* -1: not attached */
    uint32_t epoch; /* unique in the process; with the slot it tells stale views and verdicts */
    bool all; /* watches every thread */
    bool others; /* watches every thread but `but`, which may enter() it */
    const uint64_t *but; /* native ids, borrowed from the layer above */
    size_t nbut;
    uint32_t entered; /* threads' open enter()s */
    bool one_process; /* a forked child leaves it (report) */
    bool may_raise; /* its output runs Python: it may leave a signal handler's
                                            exception and let other threads in */
    PyObject *owner; /* borrowed: the object that owns sink, filter and this */
    uint64_t last_used; /* order of use: the idlest place is given away */
    void (*forked)(struct ft_tap *tap); /* in a forked child, before its first event; may be NULL */
};

/* 0, or -1 with an exception. */
int ft_tap_attach(struct ft_engine *e, struct ft_tap *tap);
void ft_tap_detach(struct ft_engine *e, struct ft_tap *tap);
int ft_tap_watch_all(struct ft_engine *e, struct ft_tap *tap);
int ft_tap_watch_others(struct ft_engine *e, struct ft_tap *tap);
/* A thread seen for the first time: those taps watch it that watch others. */
void ft_taps_meet(struct ft_engine *e, struct ft_thread *t);
int ft_tap_enter(struct ft_engine *e, struct ft_tap *tap);
void ft_tap_leave(struct ft_engine *e, struct ft_tap *tap);

/* ---- the engine itself (engine.c) ------------------------------------------------------------ */

/* A whole program's start (design: "when tracing begins"). */
enum ft_phase {
    FT_RUNNING, /* everything in scope is kept */
    FT_BEFORE_MAIN, /* start-up is over: user code only */
    FT_IN_SITE, /* waiting for the first frame without a Python caller */
};

/* Which code is the program's own wherever it lies. */
enum ft_program_kind {
    FT_PROGRAM_MAIN, /* the <module> of __main__ that runs first */
    FT_PROGRAM_SPAWNED, /* a worker of multiprocessing: the <module> of __mp_main__ */
    FT_PROGRAM_SUBINTERP, /* every <module> of __main__: what it is given to run */
};

struct ft_engine {
    PyInterpreterState *interp;
    PyObject *module; /* borrowed: it owns this */
    PyObject *callback_type; /* owned */
    PyObject *guard_type; /* owned: see threads.c */
    PyObject *wrapper_type; /* owned: the type of a bound slot, which has no public name */
    PyObject *monitoring; /* owned: sys.monitoring */
    PyObject *disable; /* owned: sys.monitoring.DISABLE */
    PyObject *callbacks[FT_EV_COUNT]; /* owned; live as long as the interpreter */
    int numbers[FT_EV_COUNT]; /* bits of sys.monitoring.events */
    int tool_id; /* -1: none */
    int events; /* bits switched on */
    uint32_t needs; /* union of the taps' sinks' */
    uint32_t generation; /* of the set of taps: masks of functions hold for one */
    struct ft_tap *taps[FT_MAX_TAPS];
    struct ft_tap *lone; /* the only tap attached, if the short way will do for it; else NULL */
    uint32_t attached; /* slots in use */
    uint32_t all; /* slots that watch all threads */
    enum ft_phase phase;
    enum ft_program_kind program;
    uint64_t boot_tstate; /* thread state that armed */
    PyObject *main_dict; /* borrowed: __main__.__dict__ when armed */
    PyObject *owned; /* owned list: code that counts as user code, see ft_engine_own */
    struct ft_tap *boot_tap; /* borrowed: the armed one */
    struct ft_codes *codes; /* owned together with its records: freed by the last one */
    struct ft_ptrmap callables; /* key -> struct ft_callable *, owned */
    struct ft_ptrmap activations; /* frame -> serial */
    uint64_t last_activation;
    struct ft_thread *threads; /* every thread seen and not reaped */
    uint64_t last_thread;
    struct ft_tasks *tasks; /* owned */
    uint64_t clock_of_use;
    uint64_t spawned[FT_SPAWN_INTERPRETER + 1]; /* processes, interpreters started */
    uint32_t fork_seen; /* ft_process.forks when last looked */
    struct ft_str cwd; /* owned: where relative file names begin */
    struct ft_paths paths; /* owned strings: stdlib, pyftrace itself */
};

int ft_engine_init(struct ft_engine *e, PyObject *module);
void ft_engine_fini(struct ft_engine *e);
int ft_engine_take_id(struct ft_engine *e);
/* Switches exactly the events that the attached taps want. */
int ft_engine_update(struct ft_engine *e);
/* `tap`, or no tap if NULL, goes the short way from now on. */
void ft_engine_set_lone(struct ft_engine *e, struct ft_tap *tap);
int ft_engine_stop(struct ft_engine *e);
int ft_engine_restart_events(struct ft_engine *e);
/* The code and all code nested in it count as user code wherever they lie. */
int ft_engine_own(struct ft_engine *e, PyCodeObject *code);
int ft_engine_traverse(struct ft_engine *e, visitproc visit, void *arg);
void ft_engine_clear(struct ft_engine *e);

/* ---- callers and lines (caller.c), tasks (tasks.c), values (value*.c, args.c) ---------------- */

struct ft_caller {
    struct ft_code *code; /* NULL: no Python caller */
    uint32_t line;
};
void ft_caller_of_frame(struct ft_engine *e, struct ft_caller *caller);
/* Of a module's top-level code: the import statement, the import machinery passed over. */
void ft_caller_importing(struct ft_engine *e, struct ft_caller *caller);
/* Of a C call: the running frame itself. */
void ft_caller_current(struct ft_engine *e, PyCodeObject *code, struct ft_caller *caller);

const struct ft_task *ft_task_current(struct ft_engine *e);
void ft_tasks_free(struct ft_engine *e);

enum ft_values { FT_VALUES_NONE, FT_VALUES_SAFE, FT_VALUES_STR };
struct ft_value_style {
    enum ft_values mode;
    uint32_t length; /* characters of one value */
};
/* Adds the value as one printable line. What a signal's handler raised meanwhile is left set, with
 * FT_VALUES_STR a KeyboardInterrupt alone. */
void ft_value_add(struct ft_strbuf *b, PyObject *value, const struct ft_value_style *style);
void ft_exception_add(struct ft_strbuf *b, PyObject *exc, const struct ft_value_style *style);
void ft_args_add(struct ft_strbuf *b, PyCodeObject *code, PyFrameObject *frame,
                 const struct ft_value_style *style);

/* ---- a whole program's start (boot.c) -------------------------------------------------------- */

int ft_boot_arm(struct ft_engine *e, struct ft_tap *tap, bool spawned);
/* Code is seen for the first time: it is the program's own if ft_program_kind says so. */
void ft_boot_learn(struct ft_engine *e, PyCodeObject *code, PyObject *globals);
/* Called for each entering event until FT_RUNNING. True: keep the event. */
bool ft_boot_enter(struct ft_engine *e, PyCodeObject *code);

/* ---- fork (threads.c) and its notice (process.c) --------------------------------------------- */

void ft_engine_forked(struct ft_engine *e);

#endif
