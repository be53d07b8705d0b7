/* Making, reading and joining a run. Cold: asked at start and by readers. */
#include "trace/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define PATH_ROOM 32

static char *
path_of(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + PATH_ROOM;
    char *path = malloc(len);
    if (path != NULL) {
        snprintf(path, len, "%s/%s", folder, name);
    }
    return path;
}

/* ---- who lives ------------------------------------------------------------------------------- */

/* When the process was born, in clock ticks since the system started; 0: unknown. */
static uint64_t
birth_of(uint64_t pid)
{
    char name[64], text[1024];
    snprintf(name, sizeof(name), "/proc/%llu/stat", (unsigned long long)pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    char *at = strrchr(text, ')');       /* the name before may hold anything */
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

bool
ft_run_alive(const struct ft_run_head *head)
{
    if (head->pid == 0 || head->pid > INT32_MAX) {
        return false;
    }
    if (kill((pid_t)head->pid, 0) < 0 && errno == ESRCH) {
        return false;
    }
    uint64_t born = birth_of(head->pid);
    return head->pid_start == 0 || born == 0 || born == head->pid_start;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* An id that is given stays. */
static bool
random_id(uint8_t id[16])
{
    static const uint8_t none[16];
    return memcmp(id, none, 16) != 0 || getrandom(id, 16, 0) == 16;
}

static int
write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    ssize_t n = write(fd, bytes, len);
    int error = n < 0 ? errno : (size_t)n < len ? ENOSPC : 0;
    close(fd);
    if (error) {
        unlink(path);
    }
    return error;
}

static uint32_t
put_facts(char *text, size_t room, const struct ft_str *facts, size_t nfacts)
{
    size_t at = 0;
    for (size_t i = 0; i + 1 < nfacts; i += 2) {
        size_t value = ft_str_cut(facts[i + 1], FT_RUN_FACT_MAX).len;
        if (at + facts[i].len + value + 2 > room) {
            continue;
        }
        for (size_t k = i; k < i + 2; k++) {
            size_t len = k == i ? facts[k].len : value;
            memcpy(text + at, facts[k].s, len);
            at += len;
            text[at++] = '\0';
        }
    }
    return (uint32_t)at;
}

int
ft_run_create(const char *folder, uint64_t pid, uint32_t flags, uint64_t max_size,
              const struct ft_str *facts, size_t nfacts, uint8_t id[16])
{
    struct timespec wall;
    uint32_t text = 0;
    char *bytes = calloc(1, FT_RUN_MOST);
    char *path = path_of(folder, FT_RUN_NAME), *first = path_of(folder, FT_RUN_NAME ".new");
    int error = bytes && path && first ? 0 : ENOMEM;
    if (!error && !random_id(id)) {
        error = errno ? errno : EIO;
    }
    if (!error) {
        ft_clock_init();
        clock_gettime(CLOCK_REALTIME, &wall);
        struct ft_run_head *h = (struct ft_run_head *)(void *)bytes;
        memcpy(h->file.magic, FT_RUN_MAGIC, sizeof(h->file.magic));
        h->file.version = FT_TRACE_VERSION;
        h->file.endian = FT_TRACE_ENDIAN;
        h->file.head_size = sizeof(*h);
        h->file.flags = flags | (ft_clock.counter ? FT_TRACE_COUNTER : 0);
        memcpy(h->id, id, 16);
        h->pid = pid;
        h->pid_start = birth_of(pid);
        h->anchor =
            (struct ft_anchor){ft_clock_ticks(), ft_clock_monotonic_ns(),
                               (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec};
        h->max_size = max_size;
        h->text = text = put_facts(bytes + sizeof(*h), FT_RUN_MOST - sizeof(*h), facts, nfacts);
        error = mkdir(folder, 0700) < 0 ? errno : 0;
    }
    if (!error) {
        error = write_file(first, bytes, sizeof(struct ft_run_head) + text);
        /* Whole at once: others wait for the name. */
        if (!error && rename(first, path) < 0) {
            error = errno;
        }
        if (error) {
            unlink(first);
            rmdir(folder);
        }
    }
    free(bytes);
    free(path);
    free(first);
    return error;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int
check(const struct ft_run_head *h)
{
    if (memcmp(h->file.magic, FT_RUN_MAGIC, sizeof(h->file.magic)) != 0) {
        return ENOENT;
    }
    return h->file.endian == FT_TRACE_ENDIAN && h->file.version == FT_TRACE_VERSION
                   && h->file.head_size >= sizeof(*h) && h->file.head_size <= FT_RUN_MOST
                   && h->text <= FT_RUN_MOST - h->file.head_size
               ? 0
               : EINVAL;
}

static int
open_run(const char *folder, int flags, int *fd)
{
    struct stat st;
    char *path = path_of(folder, FT_RUN_NAME);
    if (path == NULL) {
        return ENOMEM;
    }
    *fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error = *fd < 0 ? errno : 0;
    free(path);
    if (!error && (fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(*fd);
        error = ENOENT;
    }
    return error == ENOTDIR || error == ELOOP ? ENOENT : error;
}

int
ft_run_read(const char *folder, struct ft_run *run)
{
    int fd, error = open_run(folder, O_RDONLY, &fd);
    memset(run, 0, sizeof(*run));
    if (error) {
        return error;
    }
    ssize_t n = pread(fd, &run->head, sizeof(run->head), 0);
    error = n < 0 ? errno : n < (ssize_t)sizeof(run->head) ? ENOENT : check(&run->head);
    if (!error) {
        run->text = calloc(1, (size_t)run->head.text + 2);
        n = run->text ? pread(fd, run->text, run->head.text, run->head.file.head_size) : -1;
        error = run->text == NULL ? ENOMEM : n < 0 ? errno : n < run->head.text ? EINVAL : 0;
    }
    close(fd);
    if (error) {
        ft_run_free(run);
    }
    return error;
}

void
ft_run_free(struct ft_run *run)
{
    free(run->text);
    run->text = NULL;
}

struct ft_str
ft_run_fact(const struct ft_run *run, const char *key)
{
    const char *at = run->text, *end = run->text + run->head.text;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (value < end && strcmp(at, key) == 0) {
            return (struct ft_str){value, strlen(value)};
        }
        at = value < end ? value + strlen(value) + 1 : end;
    }
    return FT_STR("");
}

int
ft_run_map(const char *folder, struct ft_run_head **head)
{
    struct stat st;
    int fd, error = open_run(folder, O_RDWR, &fd);
    if (error) {
        return error;
    }
    void *map = MAP_FAILED;
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(**head)) {
        error = ENOENT;
    }
    else {
        map = mmap(NULL, sizeof(**head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = map == MAP_FAILED ? errno : check(map);
    }
    close(fd);
    if (error && map != MAP_FAILED) {
        munmap(map, sizeof(**head));
    }
    *head = error ? NULL : map;
    return error;
}

void
ft_run_unmap(struct ft_run_head *head)
{
    munmap(head, sizeof(*head));
}
