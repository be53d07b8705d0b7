/* What the files about recordings share. */
#ifndef FT_PYAPI_RECORDING_H
#define FT_PYAPI_RECORDING_H

#include "pyapi/pyapi.h"
#include "trace/reader.h"

struct ft_recording_object {
    PyObject ob_base;
    PyObject *module;                    /* owned */
    struct ft_trace *trace;              /* owned */
};

/* New references; NULL with an exception. */
PyObject *ft_text_to_str(struct ft_str s);           /* file names: surrogateescape */
PyObject *ft_name_to_str(struct ft_str s); /* Python's names: surrogatepass, or replaced */
PyObject *ft_text_or_none(struct ft_str s); /* the same, None where it is NULL */
/* (name, module, file, line, column); None for NULL. */
PyObject *ft_func_to_tuple(const struct ft_func *f);
PyObject *ft_id_to_str(const uint8_t id[16]);
PyObject *ft_raise_errno(int error, PyObject *path); /* NULL */

PyObject *ft_recording_walk(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ft_recording_events(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ft_recording_outline(PyObject *self, PyObject *thread);
PyObject *ft_recording_functions(PyObject *self, PyObject *unused);

#endif
