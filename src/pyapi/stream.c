/* Lines into a Python stream, through its write() bound when the tap was made. Never flushed by us,
 * so lines keep the order that a print there would have. What the stream refuses for the moment is
 * kept and goes out with the next line; what it refuses for good is counted. GIL held; write() may
 * let other threads in, so nothing here is relied on across it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/codes.h"
#include "engine/lock.h"
#include "pyapi/pyapi.h"

#define KEEP_AT_MOST (1 << 20)

struct stream {
    struct ft_output base; /* first */
    PyObject *object; /* owned: the stream */
    PyObject *write; /* owned: its bound write */
    struct ft_strbuf kept; /* lines refused for the moment */
    uint64_t kept_lines;
    PyObject *failure; /* owned: the first error, NULL: none */
    bool native; /* an io.TextIOWrapper: it runs no Python code itself */
    bool ascii; /* its encoding lacks some character: lines go escaped */
    bool dead; /* it will take nothing more */
    bool direct; /* the program closed it: lines go to its descriptor */
    int fd; /* a native stream's, -1: none */
    struct stat file; /* what `fd` was when the tap was made */
};

static void
lose(struct stream *s, uint64_t lines)
{
    s->base.lost_lines += lines;
}

/* What sticks in the stream's buffers after a failed flush would fail again at exit and change the
 * program's exit code: let it drain into /dev/null, then put the descriptor back as it was. */
static void
drain(struct stream *s)
{
    int fd = s->fd, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || null < 0) {
        if (null >= 0) {
            close(null);
        }
        return;
    }
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    dup2(null, fd);
    close(null);
    unsigned lock = ft_lock_let_go();
    PyObject *r = PyObject_CallMethod(s->object, "flush", NULL);
    ft_lock_take_back(lock);
    Py_XDECREF(r);
    PyErr_Clear();
    if (saved >= 0) {
        dup2(saved, fd);
        close(saved);
    }
    else {
        close(fd);
    }
}

/* Whether an exception that came out of write() is the program's own business: a signal handler's,
 * which no C stream raises by itself. */
static bool
is_handlers(const struct stream *s, PyObject *exc)
{
    if (!PyErr_GivenExceptionMatches(exc, PyExc_Exception)) {
        return true;
    }
    PyObject *tb = PyException_GetTraceback(exc);
    Py_XDECREF(tb);
    return s->native && tb != NULL;
}

static void
keep(struct stream *s, PyObject *text)
{
    PyObject *owner;
    struct ft_str utf8 = ft_utf8(text, &owner);
    if (s->kept.len + utf8.len <= KEEP_AT_MOST) {
        ft_strbuf_add_str(&s->kept, utf8);
        s->kept_lines++;
    }
    else {
        lose(s, 1);
    }
    Py_XDECREF(owner);
}

/* sys.stdout.close() leaves descriptor 1 open: what comes after goes there, if it is still the same
 * file. False: it is not. */
static bool
write_direct(struct stream *s, struct ft_str text)
{
    struct stat now;
    if (s->fd < 0 || fstat(s->fd, &now) < 0 || now.st_dev != s->file.st_dev
        || now.st_ino != s->file.st_ino) {
        return false;
    }
    while (text.len > 0) {
        ssize_t n = write(s->fd, text.s, text.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        text.s += n;
        text.len -= (size_t)n;
    }
    return true;
}

static bool
is_closed(struct stream *s)
{
    PyObject *closed = s->native ? PyObject_GetAttrString(s->object, "closed") : NULL;
    bool yes = closed == Py_True;
    PyErr_Clear();
    Py_XDECREF(closed);
    return yes;
}

static void
die(struct stream *s, PyObject *exc)
{
    s->dead = true;
    if (s->failure == NULL) {
        s->failure = Py_NewRef(exc);
    }
    drain(s);
}

/* Takes the exception of a failed write. */
static void
refused(struct stream *s, PyObject *text, uint64_t lines)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (is_handlers(s, exc)) {
        lose(s, lines);
        PyErr_SetRaisedException(exc);
        return;
    }
    if (PyErr_GivenExceptionMatches(exc, PyExc_RuntimeError)
        || PyErr_GivenExceptionMatches(exc, PyExc_BlockingIOError)) {
        keep(s, text); /* reentrant call, or a full pipe that does not block */
    }
    else if (is_closed(s)) {
        PyObject *owner;
        s->direct = write_direct(s, ft_utf8(text, &owner));
        Py_XDECREF(owner);
        if (!s->direct) {
            lose(s, lines);
            die(s, exc);
        }
    }
    else {
        lose(s, lines);
        die(s, exc);
    }
    Py_DECREF(exc);
}

/* The stream's own code, or what it waits for, may need a thread that waits for us. */
static PyObject *
call(PyObject *function, PyObject *text)
{
    unsigned lock = ft_lock_let_go();
    PyObject *result = PyObject_CallOneArg(function, text);
    ft_lock_take_back(lock);
    return result;
}

static PyObject *
escaped(PyObject *text)
{
    PyObject *bytes = PyUnicode_AsEncodedString(text, "ascii", "backslashreplace");
    PyObject *ascii = bytes ? PyUnicode_FromEncodedObject(bytes, "ascii", "strict") : NULL;
    Py_XDECREF(bytes);
    return ascii;
}

static void
write_text(struct stream *s, PyObject *text, uint64_t lines)
{
    PyObject *write = Py_NewRef(s->write);
    PyObject *r = NULL, *plain = s->ascii ? escaped(text) : NULL;
    r = call(write, plain ? plain : text);
    if (r == NULL && plain == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        s->ascii = true;
        plain = escaped(text);
        r = plain ? call(write, plain) : NULL;
    }
    if (r == NULL) {
        refused(s, text, lines);
    }
    Py_XDECREF(r);
    Py_XDECREF(plain);
    Py_DECREF(write);
}

static void
stream_write(struct ft_output *out, struct ft_str line)
{
    struct stream *s = (struct stream *)out;
    if (s->dead) {
        lose(s, 1);
        return;
    }
    if (s->direct) {
        lose(s, !write_direct(s, line));
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    uint64_t lines = 1;
    PyObject *text;
    if (s->kept.len > 0) {
        ft_strbuf_add_str(&s->kept, line);
        text = PyUnicode_DecodeUTF8(s->kept.data, (Py_ssize_t)s->kept.len, "surrogatepass");
        lines += s->kept_lines;
        ft_strbuf_clear(&s->kept);
        s->kept_lines = 0;
    }
    else {
        text = PyUnicode_DecodeUTF8(line.s, (Py_ssize_t)line.len, "surrogatepass");
    }
    if (text == NULL) {
        PyErr_Clear();
        lose(s, lines);
    }
    else {
        write_text(s, text, lines);
        Py_DECREF(text);
    }
    if (exc != NULL && !PyErr_Occurred()) {
        PyErr_SetRaisedException(exc);
    }
    else {
        Py_XDECREF(exc);
    }
}

static void
stream_flush(struct ft_output *out)
{
    struct stream *s = (struct stream *)out;
    if (s->kept.len > 0 && !s->dead) {
        stream_write(out, (struct ft_str){"", 0});
    }
}

static void
stream_close(struct ft_output *out)
{
    struct stream *s = (struct stream *)out;
    ft_strbuf_fini(&s->kept);
    Py_XDECREF(s->object);
    Py_XDECREF(s->write);
    Py_XDECREF(s->failure);
    free(s);
}

static bool
is_text_wrapper(PyObject *stream)
{
    PyTypeObject *type = Py_TYPE(stream);
    return strcmp(type->tp_name, "_io.TextIOWrapper") == 0;
}

static void
find_descriptor(struct stream *s)
{
    PyObject *number = s->native ? PyObject_CallMethod(s->object, "fileno", NULL) : NULL;
    s->fd = number ? (int)PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    PyErr_Clear();
    if (s->fd >= 0 && fstat(s->fd, &s->file) < 0) {
        s->fd = -1;
    }
}

struct ft_output *
ft_output_stream(PyObject *stream)
{
    PyObject *write = PyObject_GetAttrString(stream, "write");
    struct stream *s = write ? calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        if (write != NULL) {
            Py_DECREF(write);
            PyErr_NoMemory();
        }
        return NULL;
    }
    s->base.write = stream_write;
    s->base.flush = stream_flush;
    s->base.close = stream_close;
    s->object = Py_NewRef(stream);
    s->write = write;
    s->native = is_text_wrapper(stream);
    find_descriptor(s);
    ft_strbuf_init(&s->kept);
    return &s->base;
}

int
ft_output_stream_traverse(const struct ft_output *out, visitproc visit, void *arg)
{
    const struct stream *s = (const struct stream *)out;
    Py_VISIT(s->object);
    Py_VISIT(s->write);
    Py_VISIT(s->failure);
    return 0;
}

PyObject *
ft_output_stream_error(struct ft_output *out)
{
    return Py_XNewRef(((struct stream *)out)->failure);
}
