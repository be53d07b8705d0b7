/* The Python types and functions of pyftrace._engine: the only layer that knows concrete sinks. */
#ifndef FT_PYAPI_PYAPI_H
#define FT_PYAPI_PYAPI_H

#include "engine/engine.h"
#include "sink/output.h"
#include "sink/table.h"
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

struct ft_tap_object {
    PyObject_HEAD PyObject *module;                    /* owned: keeps the engine */
    struct ft_engine *engine;            /* borrowed from it */
    struct ft_tap tap;
    struct ft_filter filter;
    struct ft_value_style values;
    struct ft_sink *sink;                /* owned */
    struct ft_output *out;               /* owned; NULL: nowhere */
    bool report;                         /* the sink is a table */
    bool file;                           /* `out` is a file of ours */
    bool closed;
};

extern PyType_Spec ft_tap_spec;

/* ---- options (options.c) --------------------------------------------------------------------- */

struct ft_tap_args {
    const char *kind, *libs, *builtins, *values;
    PyObject *include, *only, *function, *exclude, *hide, *stream, *file;
    unsigned int depth, value_length;
    int args, time, path, color;
};

int ft_tap_parse(PyObject *args, PyObject *kwargs, struct ft_tap_args *a);
int ft_tap_fill_filter(struct ft_filter *filter, const struct ft_tap_args *a);
int ft_patterns_add(struct ft_patterns *p, PyObject *pattern, const char *option);
/* (format, sort, columns, limit, footer) */
int ft_style_parse(const char *format, PyObject *sort, PyObject *columns, unsigned long long limit,
                   int footer, struct ft_table_style *style);

/* ---- a Python stream as an output (stream.c) ------------------------------------------------- */

struct ft_output *ft_output_stream(PyObject *stream);
/* New reference: the first failure to write, or NULL without one. */
PyObject *ft_output_stream_error(struct ft_output *out);

/* ---- reports (report.c) ---------------------------------------------------------------------- */

PyObject *ft_tap_rows(PyObject *self, PyObject *unused);
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
