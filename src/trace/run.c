/* Making, reading and joining a run. Cold: asked at start and by readers. */
#include "trace/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define PATH_ROOM 32
#define LOCK_TRIES 200
#define CLOCKS_DIFFER_NS 100000000u
#define LOCK_PAUSE_NS 5000000

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

/* When the process was born, in clock ticks since the system started; 0: unknown. *dead: only its
 * parent has not asked yet how it ended. */
static uint64_t
birth_of(uint64_t pid, bool *dead)
{
    char name[64], text[1024];
    *dead = false;
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
    *dead = at != NULL && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0);
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

bool
ft_run_alive(const struct ft_run_head *head)
{
    bool dead;
    if (head->pid == 0 || head->pid > INT32_MAX || (head->file.flags & FT_TRACE_LEFT)) {
        return false;
    }
    if (kill((pid_t)head->pid, 0) < 0 && errno == ESRCH) {
        return false;
    }
    uint64_t born = birth_of(head->pid, &dead);
    return !dead && (head->pid_start == 0 || born == 0 || born == head->pid_start);
}

static uint64_t
ns_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The one that had that pid at that moment, by the wall clock: the others begin anew with the
 * system, or stand still while it sleeps. */
static bool
lives_since(uint64_t pid, uint64_t wall)
{
    bool dead;
    if (pid == 0 || pid > INT32_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH)) {
        return false;
    }
    uint64_t born = birth_of(pid, &dead) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    uint64_t age = ns_of(CLOCK_BOOTTIME) - born;
    return !dead && (born == 0 || ns_of(CLOCK_REALTIME) - age <= wall + CLOCKS_DIFFER_NS);
}

static bool
is_open_defs(int folder, const char *name)
{
    struct ft_defs_head h;
    size_t len = strlen(name), suffix = strlen(FT_DEFS_SUFFIX);
    if (len <= suffix || strcmp(name + len - suffix, FT_DEFS_SUFFIX) != 0) {
        return false;
    }
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool whole = fd >= 0 && pread(fd, &h, sizeof(h), 0) == sizeof(h)
                 && memcmp(h.file.magic, FT_DEFS_MAGIC, sizeof(h.file.magic)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return whole && h.ended == 0 && lives_since(h.pid, h.first.wall);
}

bool
ft_run_written(const char *folder)
{
    DIR *dir = opendir(folder);
    bool found = false;
    struct dirent *entry;
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        found = is_open_defs(dirfd(dir), entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found;
}

/* ---- alone ----------------------------------------------------------------------------------- */

struct ft_run_lock {
    int fd;
    char path[];
};

static bool
is_file_of(const char *path, int fd)
{
    struct stat by_name, open;
    return lstat(path, &by_name) == 0 && fstat(fd, &open) == 0 && by_name.st_ino == open.st_ino
           && by_name.st_dev == open.st_dev && S_ISREG(open.st_mode) && open.st_size == 0;
}

/* Whether it was had: who had it before has taken the file along. */
static bool
try_lock(struct ft_run_lock *lock, bool *again)
{
    lock->fd = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    bool had = lock->fd >= 0 && flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
    *again = lock->fd >= 0 && (had || errno == EWOULDBLOCK || errno == EINTR);
    if (had && is_file_of(lock->path, lock->fd)) {
        return true;
    }
    if (lock->fd >= 0) {
        close(lock->fd);
    }
    return false;
}

/* A file beside the folder, not the directory they lie in: the program may lock that. */
struct ft_run_lock *
ft_run_lock(const char *folder)
{
    static _Atomic bool in_vain;         /* once: whoever has it then, it is not for a moment */
    const char *slash = strrchr(folder, '/');
    int parent = slash ? (int)(slash + 1 - folder) : 0;
    size_t len = strlen(folder) + sizeof("." FT_RUN_LOCK_SUFFIX);
    struct ft_run_lock *lock = malloc(sizeof(*lock) + len);
    if (lock == NULL) {
        return NULL;
    }
    snprintf(lock->path, len, "%.*s.%s" FT_RUN_LOCK_SUFFIX, parent, folder, folder + parent);
    bool again;
    for (int i = 0; !try_lock(lock, &again); i++) {
        if (!again || in_vain || i == LOCK_TRIES) {
            in_vain |= again;
            free(lock);
            return NULL;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return lock;
}

/* Unlocked, not left to the closing: a child forked meanwhile has the descriptor too. */
void
ft_run_unlock(struct ft_run_lock *lock)
{
    if (lock != NULL) {
        unlink(lock->path);
        flock(lock->fd, LOCK_UN);
        close(lock->fd);
        free(lock);
    }
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool
take_id(const uint8_t *given, uint8_t id[16])
{
    if (given != NULL) {
        memcpy(id, given, 16);
        return true;
    }
    return getrandom(id, 16, 0) == 16;
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

static uint32_t
fill_run(uint8_t *bytes, const struct ft_run_new *new, const uint8_t id[16])
{
    struct timespec wall;
    struct ft_run_head *h = (struct ft_run_head *)(void *)bytes;
    bool dead;
    ft_clock_init();
    clock_gettime(CLOCK_REALTIME, &wall);
    memcpy(h->file.magic, FT_RUN_MAGIC, sizeof(h->file.magic));
    h->file.version = FT_TRACE_VERSION;
    h->file.endian = FT_TRACE_ENDIAN;
    h->file.head_size = sizeof(*h);
    h->file.flags = new->flags | (ft_clock.counter ? FT_TRACE_COUNTER : 0);
    memcpy(h->id, id, 16);
    h->pid = new->pid;
    h->pid_start = birth_of(new->pid, &dead);
    h->anchor = (struct ft_anchor){ft_clock_ticks(), ft_clock_monotonic_ns(),
                                   (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec};
    h->max_size = new->max_size;
    h->text =
        put_facts((char *)bytes + sizeof(*h), FT_RUN_MOST - sizeof(*h), new->facts, new->nfacts);
    return (uint32_t)sizeof(*h) + h->text;
}

/* What is made aside gets its name, unless something has it. */
static int
give_name(const char *aside, const char *folder)
{
    struct stat st;
    if (lstat(folder, &st) == 0) {
        return EEXIST; /* an empty folder too, which rename() would replace */
    }
    if (rename(aside, folder) == 0) {
        return 0;
    }
    return errno == ENOTEMPTY || errno == ENOTDIR ? EEXIST : errno;
}

int
ft_run_create(const char *folder, const struct ft_run_new *new, uint8_t id[16])
{
    size_t len = strlen(folder) + sizeof(".00000000.new");
    uint8_t *bytes = calloc(1, FT_RUN_MOST);
    char *aside = malloc(len), *path = NULL;
    int error = bytes && aside ? 0 : ENOMEM;
    if (!error && !take_id(new->id, id)) {
        error = errno ? errno : EIO;
    }
    if (!error) {
        uint8_t own[4];
        error = getrandom(own, 4, 0) == 4 ? 0 : EIO;
        snprintf(aside, len, "%s.%02x%02x%02x%02x.new", folder, own[0], own[1], own[2], own[3]);
        path = path_of(aside, FT_RUN_NAME);
        error = error ? error : path == NULL ? ENOMEM : mkdir(aside, 0700) < 0 ? errno : 0;
    }
    if (!error) {
        error = write_file(path, bytes, fill_run(bytes, new, id));
        error = error ? error : give_name(aside, folder);
        if (error) {
            unlink(path);
            rmdir(aside);
        }
    }
    free(bytes);
    free(aside);
    free(path);
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

int
ft_run_leave(const char *folder)
{
    struct ft_run_head *head;
    int error = ft_run_map(folder, &head);
    if (!error) {
        if (head->pid == (uint64_t)getpid()) {
            __atomic_fetch_or(&head->file.flags, (uint32_t)FT_TRACE_LEFT, __ATOMIC_RELAXED);
        }
        ft_run_unmap(head);
    }
    return error;
}
