/* A flight recorder's triggers, from keywords of Tap(), and the directory that its rings and dumps
 * lie in. GIL held, but for the hooks: in a callback's hands. */
#include <errno.h>
#include <stdlib.h>

#include "base/pattern.h"
#include "pyapi/recording.h"
#include "trace/flight.h"

struct ft_flight {
    struct ft_flight_home home;
    PyObject *texts;                     /* owned: the tuple whose texts the triggers are */
    uint32_t most;
    struct ft_record_flight_options options;
    struct ft_trigger triggers[FT_TRIGGERS_MAX];
};

static int
make_ring(void *ctx, uint64_t room, char **folder, struct ft_run_head **run)
{
    return ft_flight_ring(&((struct ft_flight *)ctx)->home, room, folder, run);
}

static int
make_forked_ring(void *ctx, char **folder, struct ft_run_head **run)
{
    return ft_flight_ring_again(&((struct ft_flight *)ctx)->home, folder, run);
}

static int
take_number(void *ctx, uint32_t *number)
{
    const struct ft_flight *flight = ctx;
    return ft_flight_take(flight->home.dir, flight->most, number);
}

static void
give_back(void *ctx, uint32_t number)
{
    ft_flight_give_back(((struct ft_flight *)ctx)->home.dir, number);
}

static int
make_dump(void *ctx, const char *folder, uint32_t number)
{
    return ft_flight_dump(((struct ft_flight *)ctx)->home.dir, folder, number);
}

/* Of ("exception", GLOB, 0) and ("slow", PATTERN, ns); the texts are the tuple's. */
static int
parse_triggers(struct ft_flight *flight, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    if (n > FT_TRIGGERS_MAX) {
        PyErr_Format(PyExc_ValueError, "more than %d reasons to dump", FT_TRIGGERS_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *kind, *pattern;
        unsigned long long ns;
        Py_ssize_t len;
        if (!PyArg_Parse(PyTuple_GET_ITEM(tuple, i), "(ss#K)", &kind, &pattern, &len, &ns)) {
            return -1;
        }
        struct ft_trigger *t = &flight->triggers[i];
        t->kind = strcmp(kind, "slow") == 0 ? FT_TRIGGER_SLOW : FT_TRIGGER_EXCEPTION;
        t->pattern = (struct ft_str){pattern, (size_t)len};
        t->ns = ns;
        if ((len > 0 || t->kind == FT_TRIGGER_SLOW) && !ft_glob_valid(t->pattern)) {
            PyErr_Format(PyExc_ValueError, "bad pattern for dump_on: '%s'", pattern);
            return -1;
        }
    }
    flight->options = (struct ft_record_flight_options){.triggers = flight->triggers,
                                                        .ntriggers = (size_t)n,
                                                        .take = take_number,
                                                        .give_back = give_back,
                                                        .ring = make_ring,
                                                        .forked = make_forked_ring,
                                                        .dump = make_dump,
                                                        .ctx = flight};
    return 0;
}

struct ft_flight *
ft_flight_new(PyObject *triggers, unsigned int most)
{
    struct ft_flight *flight = calloc(1, sizeof(*flight));
    if (flight == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    flight->most = most;
    flight->texts = Py_NewRef(triggers);
    if (parse_triggers(flight, triggers) < 0) {
        ft_flight_free(flight);
        return NULL;
    }
    return flight;
}

void
ft_flight_free(struct ft_flight *flight)
{
    Py_DECREF(flight->texts);
    ft_flight_home_close(&flight->home);
    free(flight);
}

int
ft_flight_begin(struct ft_flight *flight, const char *dir, char **folder, struct ft_run_head **run)
{
    int error = ft_flight_home_open(&flight->home, dir);
    return error ? error : ft_flight_ring(&flight->home, 0, folder, run);
}

const struct ft_record_flight_options *
ft_flight_options(const struct ft_flight *flight)
{
    return &flight->options;
}

/* True: `self` can dump, and `text` is its argument, to be finished with. */
static int
begin_dump(const struct ft_tap_object *self, PyObject *arg, struct ft_strbuf *text)
{
    Py_ssize_t len;
    const char *s = PyUnicode_AsUTF8AndSize(arg, &len);
    if (s == NULL) {
        return -1;
    }
    if (self->flight == NULL) {
        PyErr_SetString(PyExc_TypeError, "only a flight recorder can dump");
        return -1;
    }
    ft_strbuf_init(text);
    ft_strbuf_add_printable(text, (struct ft_str){s, (size_t)len});
    return 0;
}

PyObject *
ft_tap_dump(PyObject *op, PyObject *reason)
{
    struct ft_tap_object *self = (struct ft_tap_object *)op;
    uint32_t number = 0;
    struct ft_strbuf b;
    if (begin_dump(self, reason, &b) < 0) {
        return NULL;
    }
    if (self->sink != NULL) {
        ft_record_dump(self->sink, (struct ft_str){b.data, b.len}, &number);
    }
    ft_strbuf_fini(&b);
    return PyLong_FromUnsignedLong(number);
}

PyObject *
ft_tap_dump_exception(PyObject *op, PyObject *args)
{
    struct ft_tap_object *self = (struct ft_tap_object *)op;
    PyObject *error, *type;
    const char *where;
    struct ft_strbuf b;
    if (!PyArg_ParseTuple(args, "OUs", &error, &type, &where) || begin_dump(self, type, &b) < 0) {
        return NULL;
    }
    if (self->sink != NULL) {
        ft_record_dump_exception(self->sink, (uint64_t)(uintptr_t)error,
                                 (struct ft_str){b.data, b.len},
                                 (struct ft_str){where, strlen(where)});
    }
    ft_strbuf_fini(&b);
    Py_RETURN_NONE;
}

PyObject *
ft_tap_ending(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_tap_object *self = (struct ft_tap_object *)op;
    if (self->kind == FT_TAP_RECORD && self->sink != NULL) {
        ft_record_dying(self->sink, 0);
    }
    Py_RETURN_NONE;
}

PyObject *
ft_tap_flight(PyObject *op, void *Py_UNUSED(unused))
{
    struct ft_tap_object *self = (struct ft_tap_object *)op;
    struct ft_record_flight_state state;
    if (self->flight == NULL || self->sink == NULL) {
        Py_RETURN_NONE;
    }
    ft_record_flight_state(self->sink, &state);
    PyObject *unmatched = PyList_New(0);
    for (size_t i = 0; unmatched != NULL && i < self->flight->options.ntriggers; i++) {
        const struct ft_trigger *t = &self->flight->triggers[i];
        bool never = t->kind == FT_TRIGGER_SLOW && !t->matched;
        PyObject *text = never ? ft_name_to_str(t->pattern) : NULL;
        if (text != NULL && PyList_Append(unmatched, text) < 0) {
            PyErr_Clear();
        }
        Py_XDECREF(text);
    }
    PyObject *folder = ft_text_to_str((struct ft_str){state.folder, strlen(state.folder)});
    const char *why =
        state.error == 0 || state.error == FT_STOP_MAX_DUMPS ? "" : strerror(state.error);
    return Py_BuildValue("(NKKsN)", folder, state.dumps, state.refused, why, unmatched);
}
