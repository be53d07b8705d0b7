/* Outputs of our own: a file with a buffer, and memory. Used under the producer's lock; the
 * emergency write may interrupt any of it and only reads what is published. */
#include "sink/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (1 << 16)
#define HIGH_FD 1000
#define ASK_MS 100
#define WAIT_TRIES 100                   /* of a millisecond, for another thread's write */

/* What tells a file from one made later under its name, which may have its inode's number. */
struct identity {
    uint64_t dev, ino;
    uint64_t born;                       /* ns; 0 where that is not known */
};

struct file {
    struct ft_output base;               /* first */
    char *path;                          /* owned, absolute */
    int fd;                              /* -1: lost */
    struct identity id;
    bool regular;
    bool at_once;                        /* every line is written by itself: a forked child's */
    bool flushing;                       /* the buffer is being written, `len` not yet 0 */
    size_t len;                          /* published after the bytes it counts */
    char buffer[BUFFER_SIZE];
};

/* ---- the descriptor -------------------------------------------------------------------------- */

/* Out of the way of the numbers that the program will be given. */
static int
move_high(int fd)
{
    struct rlimit limit;
    int from = HIGH_FD;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= HIGH_FD) {
        from = limit.rlim_cur > 32 ? (int)limit.rlim_cur - 16 : 3;
    }
    int high = fcntl(fd, F_DUPFD_CLOEXEC, from);
    if (high < 0) {
        return fd;
    }
    close(fd);
    return high;
}

static bool
identify(int fd, struct identity *id)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return false;
    }
    *id = (struct identity){(uint64_t)st.st_dev, (uint64_t)st.st_ino, 0};
#ifdef STATX_BTIME
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 && (stx.stx_mask & STATX_BTIME)) {
        id->born = (uint64_t)stx.stx_btime.tv_sec * 1000000000u + stx.stx_btime.tv_nsec;
    }
#endif
    return true;
}

static bool
is_ours(const struct file *f, int fd)
{
    struct identity id;
    return fd >= 0 && identify(fd, &id) && id.dev == f->id.dev && id.ino == f->id.ino
           && id.born == f->id.born;
}

/* The program may have closed our descriptor, and opened its own file under the number. */
static bool
regain(struct file *f)
{
    if (is_ours(f, f->fd)) {
        return true;
    }
    int fd = f->path ? open(f->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW) : -1;
    if (fd >= 0 && !is_ours(f, fd)) {
        close(fd);
        fd = -1;
    }
    f->fd = fd >= 0 ? move_high(fd) : -1;
    return f->fd >= 0;
}

/* 0, or an errno; *done counts what went out. */
static int
write_all(int fd, const char *s, size_t len, size_t *done)
{
    *done = 0;
    while (*done < len) {
        ssize_t n = write(fd, s + *done, len - *done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        *done += (size_t)n;
    }
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint64_t
count_lines(const char *s, size_t len)
{
    uint64_t lines = 0;
    for (const char *at = s, *end = s + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
         at++) {
        lines++;
    }
    return lines;
}

static void
send(struct file *f, const char *s, size_t len)
{
    size_t done = 0;
    int saved = errno;
    int error = regain(f) ? write_all(f->fd, s, len, &done) : EBADF;
    if (error != 0) {
        f->base.lost_lines += count_lines(s + done, len - done);
        f->base.error = f->base.error ? f->base.error : error;
    }
    errno = saved;
}

/* A signal that arrives while the kernel writes would be handled before `len` is 0, and its handler
 * write the same again: it waits. Not for a FIFO, whose reader may never come. */
static void
file_flush(struct ft_output *out)
{
    struct file *f = (struct file *)out;
    sigset_t all, before;
    if (f->len == 0) {
        return;
    }
    if (f->regular) {
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
    }
    __atomic_store_n(&f->flushing, true, __ATOMIC_RELEASE);
    send(f, f->buffer, f->len);
    __atomic_store_n(&f->len, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&f->flushing, false, __ATOMIC_RELEASE);
    if (f->regular) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
}

static void
file_write(struct ft_output *out, struct ft_str text)
{
    struct file *f = (struct file *)out;
    if (f->len + text.len > BUFFER_SIZE) {
        file_flush(out);
    }
    if (f->at_once || text.len > BUFFER_SIZE) {
        file_flush(out);
        send(f, text.s, text.len);
        return;
    }
    memcpy(f->buffer + f->len, text.s, text.len);
    __atomic_store_n(&f->len, f->len + text.len, __ATOMIC_RELEASE);
}

static void
file_close(struct ft_output *out)
{
    struct file *f = (struct file *)out;
    file_flush(out);
    if (is_ours(f, f->fd)) {
        close(f->fd);
    }
    free(f->path);
    free(f);
}

/* /dev/stderr, say: what the program's stream has written there stays. */
static bool
is_standard_stream(const struct stat *st)
{
    struct stat other;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fstat(fd, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino) {
            return true;
        }
    }
    return false;
}

struct ft_output *
ft_output_file(const char *path)
{
    struct stat st;
    struct file *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0 || fstat(fd, &st) < 0
        || (S_ISREG(st.st_mode) && !is_standard_stream(&st) && ftruncate(fd, 0) < 0)) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        free(f);
        errno = error;
        return NULL;
    }
    f->base = (struct ft_output){file_write, file_flush, file_close, 0, 0};
    f->fd = move_high(fd);
    identify(f->fd, &f->id);
    f->regular = S_ISREG(st.st_mode);
    f->path = f->regular ? realpath(path, NULL) : NULL;
    return &f->base;
}

void
ft_output_file_forked(struct ft_output *out)
{
    struct file *f = (struct file *)out;
    f->len = 0;                          /* the parent's to write */
    f->at_once = true;
}

void
ft_output_file_emergency(struct ft_output *out)
{
    struct file *f = (struct file *)out;
    const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < WAIT_TRIES && __atomic_load_n(&f->flushing, __ATOMIC_ACQUIRE); i++) {
        nanosleep(&millisecond, NULL);
    }
    size_t done, len = __atomic_exchange_n(&f->len, 0, __ATOMIC_ACQ_REL);
    if (len > 0 && is_ours(f, f->fd)) {
        write_all(f->fd, f->buffer, len, &done);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct memory {
    struct ft_output base;               /* first */
    struct ft_strbuf *b;                 /* borrowed */
};

static void
memory_write(struct ft_output *out, struct ft_str text)
{
    ft_strbuf_add_str(((struct memory *)out)->b, text);
}

static void
memory_flush(struct ft_output *out)
{
    (void)out;
}

static void
memory_close(struct ft_output *out)
{
    free(out);
}

struct ft_output *
ft_output_memory(struct ft_strbuf *b)
{
    struct memory *m = calloc(1, sizeof(*m));
    if (m != NULL) {
        m->base = (struct ft_output){memory_write, memory_flush, memory_close, 0, 0};
        m->b = b;
    }
    return m ? &m->base : NULL;
}

/* ---- a descriptor ---------------------------------------------------------------------------- */

struct plain {
    struct ft_output base;               /* first */
    int fd;
    bool regular;
    bool (*give_up)(void);
    size_t len;
    char buffer[BUFFER_SIZE];
};

/* True: so much can be written without waiting. A signal that came before the wait would not end
 * it, so nothing waits for long without asking. */
static bool
wait_for_reader(struct plain *f)
{
    struct pollfd wait = {.fd = f->fd, .events = POLLOUT};
    while (f->give_up == NULL || !f->give_up()) {
        int n = poll(&wait, 1, ASK_MS);
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return true; /* what is wrong the write will tell */
        }
    }
    f->base.error = EINTR;
    return false;
}

static void
plain_send(struct plain *f, const char *s, size_t len)
{
    if (f->base.error != 0) {
        f->base.lost_lines++;
        return;
    }
    while (len > 0 && (f->regular || wait_for_reader(f))) {
        ssize_t n = write(f->fd, s, f->regular || len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            f->base.error = n < 0 ? errno : EIO;
            return;
        }
        s += n;
        len -= (size_t)n;
    }
}

static void
plain_flush(struct ft_output *out)
{
    struct plain *f = (struct plain *)out;
    if (f->len > 0) {
        plain_send(f, f->buffer, f->len);
        f->len = 0;
    }
}

static void
plain_write(struct ft_output *out, struct ft_str text)
{
    struct plain *f = (struct plain *)out;
    if (text.len > BUFFER_SIZE - f->len) {
        plain_flush(out);
    }
    if (text.len > BUFFER_SIZE) {
        plain_send(f, text.s, text.len);
        return;
    }
    memcpy(f->buffer + f->len, text.s, text.len);
    f->len += text.len;
}

static void
plain_close(struct ft_output *out)
{
    ((struct plain *)out)->give_up = NULL; /* there is nobody left to tell */
    plain_flush(out);
    free(out);
}

struct ft_output *
ft_output_fd(int fd, bool (*give_up)(void))
{
    struct plain *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->base = (struct ft_output){plain_write, plain_flush, plain_close, 0, 0};
    struct stat st;
    f->fd = fd;
    f->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    f->give_up = give_up;
    return &f->base;
}
