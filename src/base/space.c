/* The platform's way to promise room in a file: posix_fallocate, or zeros written where the file
 * system shares blocks or lies on another machine and so cannot promise. */
#include "base/space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/magic.h>
#include <sys/vfs.h>
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xFE534D42
#endif
#define ZFS_SUPER_MAGIC 0x2FC12FC1
#ifndef BCACHEFS_SUPER_MAGIC /* newer headers have it */
#define BCACHEFS_SUPER_MAGIC 0xCA451A4E
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14; an older one refuses it */
#define MADV_POPULATE_WRITE 23
#endif
#endif

#define ZEROS 64 /* pieces of zeros a call writes */

/* ---- reserving ------------------------------------------------------------------------------- */

static bool
can_promise(int fd)
{
#if defined(__linux__)
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0) {
        return false;
    }
    switch ((unsigned long)fs.f_type & 0xffffffff) {
    case BTRFS_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case ZFS_SUPER_MAGIC:
    case BCACHEFS_SUPER_MAGIC:
        return false;
    default:
        return true;
    }
#else
    (void)fd;
    return false;
#endif
}

/* Many at once: the kernel keeps in one piece what is written in one piece. */
static int
write_zeros(int fd, uint64_t at, size_t len)
{
    static const char zeros[1 << 14];
    struct iovec parts[ZEROS];
    while (len > 0) {
        int some = 0;
        for (size_t left = len; left > 0 && some < ZEROS; some++) {
            size_t part = left < sizeof(zeros) ? left : sizeof(zeros);
            parts[some] = (struct iovec){(char *)zeros, part};
            left -= part;
        }
        ssize_t n = pwritev(fd, parts, some, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : ENOSPC;
        }
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Beyond its limit a write is SIGXFSZ, which the program may have at its default: asked before. */
static bool
over_limit(uint64_t end)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
           && end > (uint64_t)limit.rlim_cur;
}

static int
reserve(struct ft_space *s, int fd, uint64_t at, size_t len)
{
    if (over_limit(at + len)) {
        return EFBIG;
    }
    if (s->promised) {
        int error;
        do {
            error = posix_fallocate(fd, (off_t)at, (off_t)len);
        } while (error == EINTR);
        if (error != EOPNOTSUPP && error != EINVAL) {
            return error;
        }
    }
    s->promised = false;
    return write_zeros(fd, at, len);
}

/* ---- mapping --------------------------------------------------------------------------------- */

static int
map_at(struct ft_space *s, int fd, uint64_t at, size_t len)
{
    int error = reserve(s, fd, at, len);
    if (error) {
        return error;
    }
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);
    if (map == MAP_FAILED) {
        return errno;
    }
    s->map = map;
    s->len = len;
    s->at = at;
    return 0;
}

static void
unmap(struct ft_space *s)
{
    if (s->map != NULL) {
        munmap(s->map, s->len);
        s->map = NULL;
    }
}

int
ft_space_open(const char *path, int flags)
{
    char folder[PATH_MAX];
    const char *name = strrchr(path, '/');
    size_t len = name ? (size_t)(name - path) : 0;
    if (len == 0 || len >= sizeof(folder)) {
        return open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at < 0) {
        return -1;
    }
    int fd = openat(at, name + 1, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = errno;
    close(at);
    errno = error;
    return fd;
}

/* Keeps errno: hot code's slow ways end here, in the middle of the program's own. */
int
ft_space_create(struct ft_space *s, const char *path, size_t len)
{
    struct stat st;
    int saved = errno;
    memset(s, 0, sizeof(*s));
    s->path = strdup(path);
    if (s->path == NULL) {
        errno = saved;
        return ENOMEM;
    }
    int fd = ft_space_open(path, O_RDWR | O_CREAT | O_EXCL);
    int error = fd < 0 || fstat(fd, &st) < 0 ? errno : 0;
    if (error == 0) {
        s->dev = (uint64_t)st.st_dev;
        s->ino = (uint64_t)st.st_ino;
        s->promised = can_promise(fd);
        error = map_at(s, fd, 0, len);
        if (error) {
            unlink(path);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error) {
        free(s->path);
        s->path = NULL;
    }
    errno = saved;
    return error;
}

static int
reopen(const struct ft_space *s)
{
    struct stat st;
    int fd = ft_space_open(s->path, O_RDWR);
    if (fd >= 0
        && (fstat(fd, &st) < 0 || (uint64_t)st.st_dev != s->dev || (uint64_t)st.st_ino != s->ino)) {
        close(fd);
        errno = ESTALE;
        fd = -1;
    }
    return fd;
}

/* All of it will be written soon. A page that a fault makes takes five times as long as one that a
 * write of zeros made; and one fault for all is cheaper than one for each. */
static void
bring_in(struct ft_space *s, int fd)
{
    int error = s->promised ? write_zeros(fd, s->at, s->len) : 0;
    (void)error; /* it is reserved: without these zeros there are others */
#ifdef MADV_POPULATE_WRITE
    madvise(s->map, s->len, MADV_POPULATE_WRITE);
#endif
}

int
ft_space_next(struct ft_space *s, size_t len)
{
    int saved = errno;
    uint64_t at = s->at + s->len;
    unmap(s);
    int fd = reopen(s);
    int error = fd < 0 ? errno : map_at(s, fd, at, len);
    if (error == 0) {
        bring_in(s, fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
    return error;
}

void
ft_space_slowly(struct ft_space *s)
{
    madvise(s->map, s->len, MADV_RANDOM); /* advice: no harm if it is not taken */
}

/* The room behind `used` is given back, the length stays. Where that cannot be had it stays as it
 * is, zeros. */
static void
punch_hole(int fd, uint64_t used, uint64_t size)
{
#if defined(FALLOC_FL_PUNCH_HOLE)
    int unheard = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)used,
                            (off_t)(size - used));
    (void)unheard;
#else
    (void)fd, (void)used, (void)size;
#endif
}

static void
close_at(struct ft_space *s, uint64_t used, bool hole)
{
    int saved = errno;
    unmap(s);
    int fd = s->path ? reopen(s) : -1;
    if (fd >= 0) {
        struct stat st;
        if (fstat(fd, &st) == 0 && used < (uint64_t)st.st_size) {
            if (hole) {
                punch_hole(fd, used, (uint64_t)st.st_size);
            }
            else if (ftruncate(fd, (off_t)used) < 0) {
                /* It stays as long as it is: the rest is zeros. */
            }
        }
        close(fd);
    }
    free(s->path);
    s->path = NULL;
    errno = saved;
}

void
ft_space_close(struct ft_space *s, uint64_t used)
{
    close_at(s, used, false);
}

void
ft_space_close_hole(struct ft_space *s, uint64_t used)
{
    close_at(s, used, true);
}

void
ft_space_forget(struct ft_space *s)
{
    unmap(s);
    free(s->path);
    s->path = NULL;
}
