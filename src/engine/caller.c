/* Who called: the nearest Python frame below the one that begins, and its current line. Read by the
 * public frame API only when a sink needs it; lines are cached by function and instruction.
 * pyftrace's own frames (a decorator's wrapper) are passed over. GIL held. */
#include "engine/engine.h"

static struct ft_code *
code_of_frame(struct ft_engine *e, PyFrameObject *frame, PyCodeObject *code)
{
    void *extra = NULL;
    PyUnstable_Code_GetExtra((PyObject *)code, e->codes->index, &extra);
    struct ft_code *c = extra;
    if (c == NULL || c->codes != e->codes) {
        c = ft_code_learn(e, code, frame);
    }
    if (c != NULL && c->generation != e->generation) {
        ft_code_sync(e, c);
    }
    return c;
}

/* A frame object that there is no memory for is no caller; the program never hears of it. */
static void
find_caller(struct ft_engine *e, struct ft_caller *caller, bool importing)
{
    caller->code = NULL;
    caller->line = 0;
    PyObject *exc = PyErr_GetRaisedException();
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyFrameObject *back = frame ? PyFrame_GetBack(frame) : NULL;
    Py_XDECREF(frame);
    while (back != NULL) {
        PyCodeObject *code = PyFrame_GetCode(back);
        struct ft_code *c = code_of_frame(e, back, code);
        bool skip = c == NULL || c->origin == FT_ORIGIN_PYFTRACE
                    || (importing && c->origin == FT_ORIGIN_IMPORT);
        if (!skip) {
            int line = ft_code_line(c, code, PyFrame_GetLasti(back));
            caller->code = c;
            caller->line = line > 0 ? (uint32_t)line : 0;
        }
        Py_DECREF(code);
        if (!skip) {
            break;
        }
        Py_SETREF(back, PyFrame_GetBack(back));
    }
    Py_XDECREF(back);
    PyErr_SetRaisedException(exc);
}

void
ft_caller_of_frame(struct ft_engine *e, struct ft_caller *caller)
{
    find_caller(e, caller, false);
}

void
ft_caller_importing(struct ft_engine *e, struct ft_caller *caller)
{
    find_caller(e, caller, true);
}

void
ft_caller_current(struct ft_engine *e, PyCodeObject *code, struct ft_caller *caller)
{
    caller->code = NULL;
    caller->line = 0;
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame != NULL) {
        caller->code = code_of_frame(e, frame, code);
        int line = caller->code ? ft_code_line(caller->code, code, PyFrame_GetLasti(frame)) : 0;
        caller->line = line > 0 ? (uint32_t)line : 0;
        Py_DECREF(frame);
    }
}
