/* A whole program under one tap: armed by the start-up hook, disarmed at exit, and what happens to
 * what it collected when the process forks or is killed by SIGTERM or SIGHUP. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/process.h"
#include "pyapi/pyapi.h"

/* Holds the longest row, and a heading as wide. */
#define DEATH_BUFFER (1 << 18)

/* ---- on the way out: async-signal-safe ------------------------------------------------------- */

static void
write_all(int fd, const char *s, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, s, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        s += n;
        len -= (size_t)n;
    }
}

static void
emit_stdout(void *Py_UNUSED(ctx), struct ft_strbuf *b)
{
    write_all(STDOUT_FILENO, b->data, b->len);
    b->len = 0;
}

static void
emit_file(void *ctx, struct ft_strbuf *b)
{
    struct ft_output *out = ctx;
    out->write(out, (struct ft_str){b->data, b->len});
    ft_output_file_emergency(out);
    b->len = 0;
}

static void
print_table(const struct ft_program *program, struct ft_tap_object *tap)
{
    struct ft_table_rows rows;
    void *room =
        mmap(NULL, DEATH_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || ft_table_collect(tap->sink, &rows) < 0) {
        return;
    }
    struct ft_strbuf b = {.data = room, .cap = DEATH_BUFFER, .fixed = true};
    ft_table_sort(&rows, &program->style);
    ft_table_render(&rows, &program->style, &b, tap->file ? emit_file : emit_stdout, tap->out);
    (tap->file ? emit_file : emit_stdout)(tap->out, &b);
}

static void
on_dying(void *ctx, int signum)
{
    const struct ft_program *program = ctx;
    struct ft_tap_object *tap = (struct ft_tap_object *)program->tap;
    if (tap == NULL) {
        return;
    }
    if (tap->kind == FT_TAP_RECORD && tap->sink != NULL) {
        ft_record_dying(tap->sink, signum);
    }
    else if (tap->report) {
        print_table(program, tap);
    }
    else if (tap->file) {
        ft_output_file_emergency(tap->out);
    }
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void
on_before_fork(void *ctx)
{
    struct ft_tap_object *tap = (struct ft_tap_object *)((struct ft_program *)ctx)->tap;
    if (tap != NULL && tap->file && !tap->report && PyGILState_Check()) {
        tap->out->flush(tap->out);
    }
}

/* ---- arm and disarm -------------------------------------------------------------------------- */

static int
parse_style(PyObject *tuple, struct ft_table_style *style)
{
    const char *format;
    PyObject *sort, *columns;
    unsigned long long limit;
    int footer;
    if (!PyArg_ParseTuple(tuple, "sO!O!Kp", &format, &PyTuple_Type, &sort, &PyTuple_Type, &columns,
                          &limit, &footer)) {
        return -1;
    }
    return ft_style_parse(format, sort, columns, limit, footer, style);
}

PyObject *
ft_program_arm(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tap", "package", "style", "spawned", NULL};
    struct ft_state *state = ft_state_of(module);
    struct ft_program *program = &state->program;
    PyObject *tap, *package = Py_None, *style = Py_None;
    int spawned = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$OOp:arm", names, state->tap_type, &tap,
                                     &package, &style, &spawned)) {
        return NULL;
    }
    if (program->tap != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a program is armed already");
        return NULL;
    }
    struct ft_tap_object *self = (struct ft_tap_object *)tap;
    memset(&program->style, 0, sizeof(program->style));
    program->style.nsort = 1;
    if (style != Py_None && (!PyTuple_Check(style) || parse_style(style, &program->style) < 0)) {
        return NULL;
    }
    if (package != Py_None) {
        struct ft_patterns *include = &self->filter.include;
        if (ft_patterns_add(include, package, "package") < 0) {
            return NULL;
        }
        include->matched[include->n - 1] = true;   /* not the user's pattern: never reported */
    }
    if (ft_boot_arm(&state->engine, &self->tap, spawned != 0) < 0) {
        return NULL;
    }
    program->tap = Py_NewRef(tap);
    program->forks = ft_process_forks();
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        Py_RETURN_NONE; /* signals and forks are the main interpreter's affair */
    }
    ft_process_watch(&(struct ft_process_hooks){on_before_fork, on_dying, program});
    Py_RETURN_NONE;
}

PyObject *
ft_program_disarm(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct ft_state *state = ft_state_of(module);
    struct ft_tap_object *tap = (struct ft_tap_object *)state->program.tap;
    if (tap == NULL) {
        Py_RETURN_NONE;
    }
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        ft_process_unwatch();
    }
    state->program.tap = NULL;
    state->engine.phase = FT_RUNNING;
    state->engine.boot_tap = NULL;
    ft_tap_detach(&state->engine, &tap->tap);
    if (tap->report) {
        ft_table_stop(tap->sink);
    }
    Py_DECREF(tap);
    Py_RETURN_NONE;
}
