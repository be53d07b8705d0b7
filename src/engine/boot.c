/* When a whole program's tracing begins. The start-up hook arms us while site runs; site is over at
 * the first frame without a Python caller on the arming thread; from there until __main__'s own
 * <module> frame only user code is kept. A sub-interpreter may never have such a frame: it keeps
 * everything in scope at once. GIL held. */
#include "engine/codes.h"

int
ft_boot_arm(struct ft_engine *e, struct ft_tap *tap, bool spawned)
{
    PyObject *main_module = PyImport_AddModule("__main__");
    if (main_module == NULL) {
        return -1;
    }
    e->main_dict = PyModule_GetDict(main_module);
    e->boot_tstate = PyThreadState_Get()->id;
    e->phase = FT_IN_SITE;
    e->program = PyInterpreterState_Get() != PyInterpreterState_Main() ? FT_PROGRAM_SUBINTERP
                 : spawned                                             ? FT_PROGRAM_SPAWNED
                                                                       : FT_PROGRAM_MAIN;
    if (ft_tap_watch_all(e, tap) < 0) {
        e->phase = FT_RUNNING;
        return -1;
    }
    e->boot_tap = tap;
    return 0;
}

static bool
has_caller(PyFrameObject *frame)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyFrameObject *back = PyFrame_GetBack(frame);
    bool unknown = PyErr_Occurred() != NULL; /* no memory for the caller's frame object */
    Py_XDECREF(back);
    PyErr_SetRaisedException(exc);
    return back != NULL || unknown;
}

static bool
is_module(PyCodeObject *code)
{
    return PyUnicode_CompareWithASCIIString(code->co_name, "<module>") == 0;
}

void
ft_boot_learn(struct ft_engine *e, PyCodeObject *code, PyObject *globals)
{
    if (globals == NULL || !is_module(code)) {
        return;
    }
    bool own = globals == e->main_dict;
    if (e->program == FT_PROGRAM_SPAWNED) {
        PyObject *name = ft_dict_get(globals, "__name__");
        own = name != NULL && PyUnicode_Check(name)
              && PyUnicode_CompareWithASCIIString(name, "__mp_main__") == 0;
        Py_XDECREF(name);
    }
    if (own && PyList_Append(e->owned, (PyObject *)code) == 0) {
        ft_codes_own(e, code);
    }
    PyErr_Clear();
}

/* The frame that runs __main__'s top level: what the user calls the program. */
static bool
is_main_module(struct ft_engine *e, PyFrameObject *frame, PyCodeObject *code)
{
    if (!is_module(code)) {
        return false;
    }
    PyObject *globals = PyFrame_GetGlobals(frame);
    Py_XDECREF(globals);
    return globals == e->main_dict;
}

static bool
is_user_code(struct ft_engine *e, PyCodeObject *code)
{
    void *extra = NULL;
    PyUnstable_Code_GetExtra((PyObject *)code, e->codes->index, &extra);
    struct ft_code *c = extra ? extra : ft_code_learn(e, code, NULL);
    if (c == NULL || e->boot_tap == NULL || e->boot_tap->slot < 0) {
        return false;
    }
    ft_code_sync(e, c);
    return (c->taps[e->boot_tap->slot].verdict & FT_V_USER) != 0;
}

bool
ft_boot_enter(struct ft_engine *e, PyCodeObject *code)
{
    PyThreadState *tstate = PyThreadState_Get();
    PyFrameObject *frame = PyThreadState_GetFrame(tstate);
    if (frame == NULL) {
        return false;
    }
    /* 3.14 runs a sub-interpreter's work in other thread states than its site. */
    bool ours = tstate->id == e->boot_tstate || e->program == FT_PROGRAM_SUBINTERP;
    if (e->phase == FT_IN_SITE && ours && !has_caller(frame)) {
        e->phase = FT_BEFORE_MAIN;
    }
    bool keep = false;
    if (e->phase == FT_BEFORE_MAIN) {
        if (e->program == FT_PROGRAM_SUBINTERP || is_main_module(e, frame, code)) {
            e->phase = FT_RUNNING;
            if (ft_engine_update(e) < 0) {
                PyErr_Clear(); /* the events stay as they are */
            }
            if (e->program == FT_PROGRAM_MAIN && ft_engine_own(e, code) < 0) {
                PyErr_Clear(); /* no memory: judged by its file alone */
            }
            keep = true;
        }
        else {
            keep = is_user_code(e, code);
        }
    }
    Py_DECREF(frame);
    return keep;
}
