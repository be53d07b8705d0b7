/* The files of an input, served from its own bytes: linked with --wrap for every call below, which
 * are all that the reader makes. What is not under the folder goes to the system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "container.h"
#include "files.h"

#define FOLDER "/in-memory"
#define FDS 64
#define FD_FIRST (1 << 20)   /* no descriptor of the system's is that high */

int __real_open(const char *path, int flags, ...);
int __real_access(const char *path, int mode);
off_t __real_lseek(int fd, off_t at, int whence);
int __real_fstat(int fd, struct stat *st);
ssize_t __real_pread(int fd, void *p, size_t n, off_t at);
ssize_t __real_read(int fd, void *p, size_t n);
int __real_close(int fd);
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);

static const char *const file_names[FILES] = FUZZ_FILE_NAMES;
static const uint8_t *input;
static size_t input_size;
static uint64_t sizes[FILES];
static bool there[FILES];
static struct {
    bool open;
    unsigned file;
    uint64_t at;
} fds[FDS];
static struct {
    unsigned next;
    struct dirent entry;
} listing;

const char *
fuzz_files(const uint8_t *data, size_t size)
{
    struct piece piece;
    input = data;
    input_size = size;
    memset(sizes, 0, sizeof(sizes));
    memset(there, 0, sizeof(there));
    for (unsigned fd = 0; fd < FDS; fd++) {
        MUST(!fds[fd].open);     /* the reader closed them all */
    }
    for (size_t next = 1; fuzz_piece(data, size, &next, &piece);) {
        uint64_t end = piece.len ? piece.at + piece.len : 0;
        there[piece.file] = true;
        sizes[piece.file] = end > sizes[piece.file] ? end : sizes[piece.file];
    }
    return FOLDER;
}

static bool
is_ours(int fd)
{
    return fd >= FD_FIRST && fd < FD_FIRST + FDS && fds[fd - FD_FIRST].open;
}

/* FILES: one that this input does not have; -1: not under the folder. */
static int
file_of(const char *path)
{
    int file = 0;
    if (strncmp(path, FOLDER "/", strlen(FOLDER "/")) != 0) {
        return -1;
    }
    while (file < FILES
           && !(there[file] && strcmp(path + strlen(FOLDER "/"), file_names[file]) == 0)) {
        file++;
    }
    return file;
}

int
__wrap_access(const char *path, int mode)
{
    int file = file_of(path);
    if (file < 0) {
        return __real_access(path, mode);
    }
    errno = ENOENT;
    return file < FILES ? 0 : -1;
}

int
__wrap_open(const char *path, int flags, ...)
{
    int file = file_of(path);
    if (file < 0) {
        va_list rest;
        va_start(rest, flags);
        int mode = va_arg(rest, int);
        va_end(rest);
        return __real_open(path, flags, mode);
    }
    MUST((flags & O_ACCMODE) == O_RDONLY);
    for (int fd = 0; file < FILES && fd < FDS; fd++) {
        if (!fds[fd].open) {
            fds[fd].open = true;
            fds[fd].file = (unsigned)file;
            fds[fd].at = 0;
            return FD_FIRST + fd;
        }
    }
    MUST(file == FILES);     /* else: more descriptors than the reader needs */
    errno = ENOENT;
    return -1;
}

int
__wrap_fstat(int fd, struct stat *st)
{
    if (!is_ours(fd)) {
        return __real_fstat(fd, st);
    }
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFREG | 0600;
    st->st_size = (off_t)sizes[fds[fd - FD_FIRST].file];
    return 0;
}

off_t
__wrap_lseek(int fd, off_t at, int whence)
{
    if (!is_ours(fd)) {
        return __real_lseek(fd, at, whence);
    }
    MUST(at == 0 && whence == SEEK_END);
    return (off_t)sizes[fds[fd - FD_FIRST].file];
}

/* As a file of holes and of the pieces written over them in their order. */
ssize_t
__wrap_pread(int fd, void *p, size_t n, off_t off)
{
    if (!is_ours(fd)) {
        return __real_pread(fd, p, n, off);
    }
    unsigned file = fds[fd - FD_FIRST].file;
    uint64_t at = (uint64_t)off;
    struct piece piece;
    if (off < 0) {
        errno = EINVAL;
        return -1;
    }
    if (at >= sizes[file]) {
        return 0;
    }
    n = n < sizes[file] - at ? n : (size_t)(sizes[file] - at);
    memset(p, 0, n);
    for (size_t next = 1; fuzz_piece(input, input_size, &next, &piece);) {
        uint64_t from = piece.at > at ? piece.at : at, to = piece.at + piece.len;
        to = to < at + n ? to : at + n;
        if (piece.file == file && from < to) {
            memcpy((uint8_t *)p + (from - at), input + piece.body + (from - piece.at), to - from);
        }
    }
    return (ssize_t)n;
}

ssize_t
__wrap_read(int fd, void *p, size_t n)
{
    if (!is_ours(fd)) {
        return __real_read(fd, p, n);
    }
    ssize_t got = __wrap_pread(fd, p, n, (off_t)fds[fd - FD_FIRST].at);
    fds[fd - FD_FIRST].at += got > 0 ? (uint64_t)got : 0;
    return got;
}

int
__wrap_close(int fd)
{
    if (!is_ours(fd)) {
        return __real_close(fd);
    }
    fds[fd - FD_FIRST].open = false;
    return 0;
}

DIR *
__wrap_opendir(const char *path)
{
    if (strcmp(path, FOLDER) != 0) {
        return __real_opendir(path);
    }
    listing.next = 0;
    return (DIR *)&listing;
}

struct dirent *
__wrap_readdir(DIR *dir)
{
    if (dir != (DIR *)&listing) {
        return __real_readdir(dir);
    }
    while (listing.next < FILES && !there[listing.next]) {
        listing.next++;
    }
    if (listing.next == FILES) {
        return NULL;
    }
    strcpy(listing.entry.d_name, file_names[listing.next++]);
    return &listing.entry;
}

int
__wrap_closedir(DIR *dir)
{
    return dir == (DIR *)&listing ? 0 : __real_closedir(dir);
}
