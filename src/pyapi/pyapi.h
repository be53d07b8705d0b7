/* The Python types and functions of pyftrace._engine: the only layer that knows concrete sinks. */
#ifndef FT_PYAPI_PYAPI_H
#define FT_PYAPI_PYAPI_H

#include "engine/engine.h"
#include "sink/output.h"
#include "sink/record.h"
#include "sink/table.h"
#include "sink/tail.h"
#include "sink/text.h"

/* ---- module state (module.c) ----------------------------------------------------------------- */

struct ft_program {
    PyObject *tap;                       /* owned: the armed Tap, NULL: none */
    struct ft_table_style style;         /* of the table printed at death */
    uint32_t forks;                      /* ft_process_forks() when armed */
};

struct ft_state {
    struct ft_engine engine;
    PyObject *tap_type;                  /* owned */
    PyObject *events_type;               /* owned */
    PyObject *outline_type;              /* owned */
    struct ft_program program;
    bool ready;                          /* the engine was initialised */
};

extern struct PyModuleDef ft_module;
PyMODINIT_FUNC PyInit__engine(void);

static inline struct ft_state *
ft_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ---- Tap (tap.c) ----------------------------------------------------------------------------- */

enum ft_tap_kind {
    FT_TAP_TEXT,
    FT_TAP_REPORT,
    FT_TAP_RECORD,
    FT_TAP_TREE, /* from here on recordings are walked into it, and it is not attached */
    FT_TAP_EDGES,
    FT_TAP_EVENTS,
    FT_TAP_SPANS,
    FT_TAP_EXPORT,
};

struct ft_tap_args;
struct ft_flight;
struct ft_export;

struct ft_tap_object {
    PyObject ob_base;
    PyObject *module;                    /* owned: keeps the engine */
    struct ft_engine *engine;            /* borrowed from it */
    struct ft_tap tap;
    struct ft_filter filter;
    struct ft_value_style values;
    struct ft_sink *sink;                /* owned */
    struct ft_output *out;               /* owned; NULL: nowhere */
    struct ft_tail *tail;                /* owned: holds lines back until flush(); NULL: none */
    enum ft_tap_kind kind;
    const struct ft_export *format;      /* of FT_TAP_EXPORT */
    bool report;                         /* kind is FT_TAP_REPORT */
    bool file;                           /* `out` is a file of ours */
    bool fd;                             /* `out` is a descriptor of the caller's, or a folder */
    bool closed;
    uint64_t *but;                       /* owned: threads that watch_others() leaves out */
    struct ft_record_state recorded;     /* of FT_TAP_RECORD, when it was closed */
    struct ft_flight *flight;            /* owned, of a flight recorder; outlives the sink */
    PyObject *walked;                    /* owned list: recordings whose functions the sink has */
    PyObject *take;                      /* owned, of FT_TAP_EVENTS: its sink calls it */
};

/* ---- formats that are sinks (exports.c) ------------------------------------------------------ */

struct ft_export {
    const char *name;
    struct ft_sink *(*open)(struct ft_output *out);    /* NULL: no memory */
    /* Of what is written by name: makes it; NULL with errno set. NULL: any output will do. */
    struct ft_output *(*make)(const char *path);
};

/* NULL: none is called so. */
const struct ft_export *ft_export_find(const char *name);

/* ---- quick callbacks (quick.c) --------------------------------------------------------------- */

/* For a lone tap with that sink; NULL: all its events go the long way. */
const struct ft_quick *ft_quick_of(enum ft_tap_kind kind, const struct ft_sink *sink);

/* Makes the sink of a recorder. */
struct ft_sink *ft_tap_record_sink(struct ft_tap_object *self, const struct ft_tap_args *a);
PyObject *ft_tap_recorded(PyObject *self, void *unused);

/* ---- flight recorders (flight.c) ------------------------------------------------------------- */

/* NULL with an exception. */
struct ft_flight *ft_flight_new(PyObject *triggers, unsigned int most);
/* Its directory and the first ring there, as by ft_flight_ring. */
int ft_flight_begin(struct ft_flight *flight, const char *dir, char **folder,
                    struct ft_run_head **run);
void ft_flight_free(struct ft_flight *flight);
const struct ft_record_flight_options *ft_flight_options(const struct ft_flight *flight);
PyObject *ft_tap_dump(PyObject *self, PyObject *reason);
PyObject *ft_tap_dump_exception(PyObject *self, PyObject *args);
PyObject *ft_tap_ending(PyObject *self, PyObject *unused);
PyObject *ft_tap_flight(PyObject *self, void *unused);

/* ---- recordings (runs.c, recording.c, walking.c, outline.c) ---------------------------------- */

extern PyType_Spec ft_recording_spec, ft_events_spec, ft_outline_spec;

PyObject *ft_recording_create(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *ft_recording_run(PyObject *module, PyObject *path);
PyObject *ft_recording_written(PyObject *module, PyObject *path);
PyObject *ft_recording_leave(PyObject *module, PyObject *path);
PyObject *ft_recording_lock(PyObject *module, PyObject *path);
PyObject *ft_tap_nodes(PyObject *self, PyObject *unused);
PyObject *ft_tap_spans(PyObject *self, PyObject *unused);
PyObject *ft_tap_edges(PyObject *self, PyObject *unused);

extern PyType_Spec ft_tap_spec;

/* ---- options (options.c) --------------------------------------------------------------------- */

struct ft_tap_args {
    const char *kind, *libs, *builtins, *values, *run;
    PyObject *include, *only, *function, *exclude, *hide, *stream, *file, *folder, *facts;
    PyObject *dump_on, *take;
    unsigned int depth, value_length, max_dumps, last, most;
    unsigned long long ring, own;
    int args, time, path, color, callers, percentiles, one_process, fd, bounds;
};

int ft_tap_parse(PyObject *args, PyObject *kwargs, struct ft_tap_args *a);
int ft_tap_fill_filter(struct ft_filter *filter, const struct ft_tap_args *a);
int ft_tap_fill_values(struct ft_value_style *values, const struct ft_tap_args *a);
int ft_patterns_add(struct ft_patterns *p, PyObject *pattern, const char *option);
/* (format, sort, columns, limit, footer) */
int ft_style_parse(const char *format, PyObject *sort, PyObject *columns, unsigned long long limit,
                   int footer, struct ft_table_style *style);

/* ---- a Python stream as an output (stream.c) ------------------------------------------------- */

struct ft_output *ft_output_stream(PyObject *stream);
/* New reference: the first failure to write, or NULL without one. */
PyObject *ft_output_stream_error(struct ft_output *out);
/* For the garbage collector: what a stream's output holds. */
int ft_output_stream_traverse(const struct ft_output *out, visitproc visit, void *arg);

/* ---- reports (report.c) ---------------------------------------------------------------------- */

PyObject *ft_tap_rows(PyObject *self, PyObject *unused);
PyObject *ft_tap_callers(PyObject *self, PyObject *unused);
PyObject *ft_tap_render(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ft_tap_calls(PyObject *self, void *unused);
PyObject *ft_tap_wall(PyObject *self, void *unused);
PyObject *ft_tap_threads(PyObject *self, void *unused);
PyObject *ft_tap_unmatched(PyObject *self, PyObject *unused);
PyObject *ft_tap_left_out(PyObject *self, PyObject *unused);

/* ---- a whole program (program.c) ------------------------------------------------------------- */

PyObject *ft_program_arm(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *ft_program_disarm(PyObject *module, PyObject *unused);

#endif
