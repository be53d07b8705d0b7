/* See folder.h. Files are reached through the directory's descriptor: what becomes of its path
 * meanwhile leads nowhere else. */
#include "sink/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct on_disk {
    struct ft_folder base;   /* first */
    int fd;                  /* of the directory */
};

static void
fail(struct ft_output *out, int error)
{
    out->lost_lines++;
    if (out->error == 0) {
        out->error = error;
    }
}

static int
write_all(int fd, struct ft_str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.s, bytes.len);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        bytes.s += n > 0 ? n : 0;
        bytes.len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void
append(struct ft_folder *folder, const char *name, struct ft_str bytes)
{
    struct on_disk *d = (struct on_disk *)folder;
    if (folder->out.error != 0) {
        folder->out.lost_lines++;
        return;
    }
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(d->fd, name, flags, 0600);
    if (fd < 0) {
        fail(&folder->out, errno);
        return;
    }
    int error = write_all(fd, bytes);
    if (close(fd) < 0 && error == 0 && errno != EINTR) {
        error = errno;
    }
    if (error != 0) {
        fail(&folder->out, error);
    }
}

static void
take_no_lines(struct ft_output *out, struct ft_str text)
{
    (void)text;
    out->lost_lines++;
}

static void
flush(struct ft_output *out)
{
    (void)out;
}

static void
close_folder(struct ft_output *out)
{
    close(((struct on_disk *)out)->fd);
    free(out);
}

/* ---- birth ----------------------------------------------------------------------------------- */

static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 0, or an errno. `remove`: what is there goes; otherwise it is only looked at. */
static int
each_file(int fd, const char *mark, bool (*ours)(const char *name), bool remove)
{
    int error = 0, again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (dir == NULL) {
        error = errno;
        if (again >= 0) {
            close(again);
        }
        return error;
    }
    struct stat found;
    bool marked = fstatat(fd, mark, &found, AT_SYMLINK_NOFOLLOW) == 0;
    struct dirent *entry;
    while (error == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (is_dots(name)) {
            continue;
        }
        if (!marked || (strcmp(name, mark) != 0 && !ours(name))) {
            error = ENOTEMPTY;
        }
        else if (remove && strcmp(name, mark) != 0 && unlinkat(fd, name, 0) < 0) {
            error = errno;
        }
    }
    error = error ? error : errno;
    closedir(dir);
    return error;
}

/* The mark is there before the files are, and stays: what is left of an export that did not come to
 * its end is known again too. */
static int
prepare(int fd, const char *mark, bool (*ours)(const char *name))
{
    int error = each_file(fd, mark, ours, false);
    error = error ? error : each_file(fd, mark, ours, true);
    int marked = error ? -1 : openat(fd, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (error == 0 && marked < 0) {
        error = errno;
    }
    if (marked >= 0) {
        close(marked);
    }
    return error;
}

struct ft_folder *
ft_folder_new(const char *path, const char *mark, bool (*ours)(const char *name))
{
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) {
        return NULL;
    }
    struct on_disk *d = calloc(1, sizeof(*d));
    int fd = d ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int error = d == NULL ? ENOMEM : fd < 0 ? errno : prepare(fd, mark, ours);
    if (error != 0) {
        if (fd >= 0) {
            close(fd);
        }
        if (made) {
            rmdir(path);
        }
        free(d);
        errno = error;
        return NULL;
    }
    d->fd = fd;
    d->base = (struct ft_folder){
        .out = {.write = take_no_lines, .flush = flush, .close = close_folder},
        .append = append,
    };
    return &d->base;
}
