/* pyftrace._engine: module state and functions. One engine per interpreter (PEP 489, PEP 684). */
#include <stdlib.h>

#include "engine/filter.h"
#include "engine/lock.h"
#include "engine/process.h"
#include "pyapi/pyapi.h"

static PyObject *
stop(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return ft_engine_stop(&ft_state_of(module)->engine) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
own(PyObject *module, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "own() takes a code object");
        return NULL;
    }
    struct ft_engine *e = &ft_state_of(module)->engine;
    return ft_engine_own(e, (PyCodeObject *)code) < 0 ? NULL : Py_NewRef(Py_None);
}

/* What the API left on; a whole program's tap, armed from outside, stays. */
static PyObject *
release(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct ft_engine *e = &ft_state_of(module)->engine;
    for (int slot = 0; slot < FT_MAX_TAPS; slot++) {
        if (e->taps[slot] != NULL && e->taps[slot] != e->boot_tap) {
            ft_tap_detach(e, e->taps[slot]);
        }
    }
    if (e->attached == 0 && ft_engine_stop(e) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
forked(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_process_forks() != ft_state_of(module)->program.forks);
}

static PyObject *
children(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return Py_BuildValue("KK", ft_state_of(module)->engine.spawned[FT_SPAWN_PROCESS],
                         ft_process_forked_children());
}

static PyObject *
is_main(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(PyInterpreterState_Get() == PyInterpreterState_Main());
}

static PyObject *
interpreters(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_state_of(module)->engine.spawned[FT_SPAWN_INTERPRETER] > 0);
}

static PyObject *
tool_id(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(ft_state_of(module)->engine.tool_id);
}

static PyObject *
events(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(ft_state_of(module)->engine.events);
}

static PyObject *
started(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_state_of(module)->engine.phase == FT_RUNNING);
}

static PyObject *
ticks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    ft_clock_init();
    return PyLong_FromUnsignedLongLong(ft_clock_ticks());
}

static void
free_folders(struct ft_str *folders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)folders[i].s);
    }
    free(folders);
}

static int
copy_folders(PyObject *tuple, struct ft_str **folders, size_t *n)
{
    size_t count = (size_t)PyTuple_GET_SIZE(tuple);
    struct ft_str *copies = calloc(count ? count : 1, sizeof(*copies));
    for (size_t i = 0; copies != NULL && i < count; i++) {
        Py_ssize_t len;
        const char *s = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), &len);
        char *copy = s ? malloc((size_t)len + 1) : NULL;
        if (copy == NULL) {
            free_folders(copies, i);
            copies = NULL;
            break;
        }
        memcpy(copy, s, (size_t)len + 1);
        copies[i] = (struct ft_str){copy, (size_t)len};
    }
    if (copies == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    free_folders(*folders, *n);
    *folders = copies;
    *n = count;
    return 0;
}

static PyObject *
set_paths(PyObject *module, PyObject *args)
{
    struct ft_paths *paths = &ft_state_of(module)->engine.paths;
    PyObject *stdlib, *own;
    if (!PyArg_ParseTuple(args, "O!O!:set_paths", &PyTuple_Type, &stdlib, &PyTuple_Type, &own)
        || copy_folders(stdlib, &paths->stdlib, &paths->nstdlib) < 0
        || copy_folders(own, &paths->own, &paths->nown) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
is_library(PyObject *module, PyObject *file)
{
    if (!PyUnicode_Check(file)) {
        PyErr_SetString(PyExc_TypeError, "is_library() takes the path of a file");
        return NULL;
    }
    PyObject *utf8 = PyUnicode_AsEncodedString(file, "utf-8", "surrogatepass");
    if (utf8 == NULL) {
        return NULL;
    }
    struct ft_str s = {PyBytes_AS_STRING(utf8), (size_t)PyBytes_GET_SIZE(utf8)};
    bool is = ft_origin_of_file(&ft_state_of(module)->engine.paths, s) != FT_ORIGIN_USER;
    Py_DECREF(utf8);
    return PyBool_FromLong(is);
}

#ifdef FT_TEST_CLOCK
static PyObject *
advance_clock(PyObject *Py_UNUSED(module), PyObject *ns)
{
    unsigned long long n = PyLong_AsUnsignedLongLong(ns);
    if (PyErr_Occurred()) {
        return NULL;
    }
    ft_clock_advance(n);
    Py_RETURN_NONE;
}
#endif

FT_LOCKED(ft_program_disarm)
FT_LOCKED(stop)
FT_LOCKED(own)
FT_LOCKED(release)
FT_LOCKED(forked)
FT_LOCKED(children)
FT_LOCKED(interpreters)
FT_LOCKED(set_paths)
FT_LOCKED(is_library)
FT_LOCKED(tool_id)
FT_LOCKED(events)
FT_LOCKED(started)
FT_LOCKED_KEYWORDS(ft_program_arm)

static PyMethodDef functions[] = {
#ifdef FT_TEST_CLOCK
    {"advance_clock", advance_clock, METH_O, "Move the clock of this build by nanoseconds."},
#endif
    {"arm", (PyCFunction)(void (*)(void))FT_LOCKED_NAME(ft_program_arm),
     METH_VARARGS | METH_KEYWORDS, "Attach a tap as a whole program's."},
    {"disarm", FT_LOCKED_NAME(ft_program_disarm), METH_NOARGS,
     "Detach the armed tap, give the signals back."},
    {"stop", FT_LOCKED_NAME(stop), METH_NOARGS, "Detach every tap and give the tool id back."},
    {"create_run", (PyCFunction)(void (*)(void))ft_recording_create, METH_VARARGS | METH_KEYWORDS,
     "Make a recording's directory; its id."},
    {"read_run", ft_recording_run, METH_O,
     "(id, pid, alive, foreign, rotated) of a recording's directory."},
    {"is_written", ft_recording_written, METH_O, "Whether a process that records there goes on."},
    {"leave_run", ft_recording_leave, METH_O,
     "This process, the run's first, has come to its end."},
    {"lock_run", ft_recording_lock, METH_O, "Be alone with that folder."},
    {"own", FT_LOCKED_NAME(own), METH_O, "Count a code object as user code wherever it lies."},
    {"release", FT_LOCKED_NAME(release), METH_NOARGS, "Detach every tap but the armed program's."},
    {"forked", FT_LOCKED_NAME(forked), METH_NOARGS,
     "Whether this is a forked child of the process that armed."},
    {"children", FT_LOCKED_NAME(children), METH_NOARGS, "(Processes started, forked) since arm()."},
    {"is_main", is_main, METH_NOARGS, "Whether this is the main interpreter."},
    {"interpreters", FT_LOCKED_NAME(interpreters), METH_NOARGS,
     "Whether sub-interpreters were in use."},
    {"set_paths", FT_LOCKED_NAME(set_paths), METH_VARARGS,
     "Where the standard library and pyftrace lie."},
    {"is_library", FT_LOCKED_NAME(is_library), METH_O,
     "Whether code of that file is not the user's."},
    {"tool_id", FT_LOCKED_NAME(tool_id), METH_NOARGS, "The sys.monitoring tool id held, -1: none."},
    {"events", FT_LOCKED_NAME(events), METH_NOARGS, "The events switched on."},
    {"ticks", ticks, METH_NOARGS, "The clock of events."},
    {"started", FT_LOCKED_NAME(started), METH_NOARGS,
     "Whether the armed program's tracing has begun."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    struct ft_state *state = ft_state_of(module);
    ft_process_init();
    if (ft_lock_watch_forks(module) < 0 || ft_engine_init(&state->engine, module) < 0) {
        return -1;
    }
    state->ready = true;
    state->program.forks = ft_process_forks();
    state->engine.fork_seen = ft_process_forks();
    state->tap_type = PyType_FromModuleAndSpec(module, &ft_tap_spec, NULL);
    if (state->tap_type == NULL || PyModule_AddType(module, (PyTypeObject *)state->tap_type) < 0) {
        return -1;
    }
    PyObject *recording = PyType_FromModuleAndSpec(module, &ft_recording_spec, NULL);
    int failed = recording ? PyModule_AddType(module, (PyTypeObject *)recording) : -1;
    Py_XDECREF(recording);
    state->events_type = PyType_FromModuleAndSpec(module, &ft_events_spec, NULL);
    state->outline_type = PyType_FromModuleAndSpec(module, &ft_outline_spec, NULL);
    if (failed || state->events_type == NULL || state->outline_type == NULL) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "__version__", PYFTRACE_VERSION);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct ft_state *state = ft_state_of(module);
    Py_VISIT(state->tap_type);
    Py_VISIT(state->events_type);
    Py_VISIT(state->outline_type);
    Py_VISIT(state->program.tap);
    return ft_engine_traverse(&state->engine, visit, arg);
}

static int
module_clear(PyObject *module)
{
    struct ft_state *state = ft_state_of(module);
    Py_CLEAR(state->tap_type);
    Py_CLEAR(state->events_type);
    Py_CLEAR(state->outline_type);
    Py_CLEAR(state->program.tap);
    ft_engine_clear(&state->engine);
    return 0;
}

static void
module_free(void *module)
{
    struct ft_state *state = ft_state_of(module);
    module_clear(module);
    if (state->ready) {
        ft_engine_fini(&state->engine);
    }
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef ft_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyftrace._engine",
    .m_doc = "The engine of pyftrace: see pyftrace for the public API.",
    .m_size = sizeof(struct ft_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__engine(void)
{
    return PyModuleDef_Init(&ft_module);
}
