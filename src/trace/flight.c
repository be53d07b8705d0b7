/* Making the folders of a flight recorder: a ring, and the dump that it becomes. Cold. */
#include "trace/flight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TRIES 10000
#define FACTS_MAX 32

/* DIR/PREFIXnumber, or with a second number behind a '.', unless that is 0. */
static char *
name_in(const char *dir, const char *prefix, uint64_t number, unsigned second)
{
    size_t n = strlen(dir), len = n + strlen(prefix) + 48;
    char *path = malloc(len);
    if (path != NULL) {
        memcpy(path, dir, n);
        n += (size_t)snprintf(path + n, len - n, "/%s%llu", prefix, (unsigned long long)number);
        if (second > 0) {
            snprintf(path + n, len - n, ".%u", second);
        }
    }
    return path;
}

static size_t
facts_of(const struct ft_run *run, struct ft_str facts[FACTS_MAX])
{
    size_t n = 0;
    const char *at = run->text, *end = run->text + run->head.text;
    while (at < end && n < FACTS_MAX) {
        facts[n] = (struct ft_str){at, strlen(at)};
        at += facts[n++].len + 1;
    }
    return n & ~(size_t)1;
}

void
ft_flight_remove(const char *folder)
{
    char *run = malloc(strlen(folder) + sizeof("/" FT_RUN_NAME));
    if (run != NULL) {
        strcpy(run, folder);
        strcat(run, "/" FT_RUN_NAME);
        unlink(run);
        rmdir(folder);
    }
    free(run);
}

/* What cannot be known is taken to be there. */
static bool
has_room(const char *dir, uint64_t room)
{
    struct statvfs fs;
    return statvfs(dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= room;
}

int
ft_flight_home_open(struct ft_flight_home *home, const char *dir)
{
    home->dir = strdup(dir);
    return home->dir == NULL ? ENOMEM : ft_run_read(dir, &home->run);
}

void
ft_flight_home_close(struct ft_flight_home *home)
{
    free(home->dir);
    ft_run_free(&home->run);
}

int
ft_flight_ring(const struct ft_flight_home *home, uint64_t room, char **folder,
               struct ft_run_head **run)
{
    struct ft_str facts[FACTS_MAX];
    uint8_t id[16];
    struct ft_run_new new = {
        .pid = (uint64_t)getpid(), .facts = facts, .nfacts = facts_of(&home->run, facts)};
    int error = has_room(home->dir, room) ? EEXIST : ENOSPC;
    for (unsigned i = 0; error == EEXIST && i < TRIES; i++) {
        *folder = name_in(home->dir, FT_RING_PREFIX, (uint64_t)getpid(), i);
        error = *folder ? ft_run_create(*folder, &new, id) : ENOMEM;
        if (!error && (error = ft_run_map(*folder, run)) != 0) {
            ft_flight_remove(*folder);
        }
        if (error) {
            free(*folder);
            *folder = NULL;
        }
    }
    return error;
}

/* Whether the directory is there, and this run's. ENOENT: nothing is. */
static int
look(const struct ft_flight_home *home)
{
    struct ft_run there;
    int error = ft_run_read(home->dir, &there);
    if (!error) {
        error = memcmp(there.head.id, home->run.head.id, sizeof(there.head.id)) ? EEXIST : 0;
        ft_run_free(&there);
    }
    return error;
}

static int
make_again(const struct ft_flight_home *home)
{
    const struct ft_run_head *h = &home->run.head;
    struct ft_str facts[FACTS_MAX];
    uint8_t id[16];
    struct ft_run_new new = {.id = h->id,
                             .pid = (uint64_t)getpid(),
                             .flags = h->file.flags & FT_TRACE_FOREIGN,
                             .max_size = h->max_size,
                             .facts = facts,
                             .nfacts = facts_of(&home->run, facts)};
    return ft_run_create(home->dir, &new, id);
}

static int
step_beside(struct ft_flight_home *home)
{
    const uint8_t *id = home->run.head.id;
    size_t len = strlen(home->dir) + sizeof(".00000000");
    char *beside = malloc(len);
    if (beside == NULL) {
        return ENOMEM;
    }
    snprintf(beside, len, "%s.%02x%02x%02x%02x", home->dir, id[0], id[1], id[2], id[3]);
    free(home->dir);
    home->dir = beside;
    return 0;
}

int
ft_flight_ring_again(struct ft_flight_home *home, char **folder, struct ft_run_head **run)
{
    struct ft_run_lock *lock = ft_run_lock(home->dir);
    int error = look(home);
    if (error == EEXIST && !(error = step_beside(home))) {
        error = look(home);
    }
    error = error == ENOENT ? make_again(home) : error;
    error = error ? error : ft_flight_ring(home, 0, folder, run);
    ft_run_unlock(lock);
    return error;
}

int
ft_flight_take(const char *dir, uint32_t most, uint32_t *number)
{
    int error = EEXIST;
    for (*number = 1; error == EEXIST && *number <= most; ++*number) {
        char *path = name_in(dir, FT_DUMP_PREFIX, *number, 0);
        error = path == NULL ? ENOMEM : mkdir(path, 0700) < 0 ? errno : 0;
        free(path);
        if (!error) {
            return 0;
        }
    }
    return error == EEXIST ? FT_STOP_MAX_DUMPS : error;
}

int
ft_flight_dump(const char *dir, const char *folder, uint32_t number)
{
    char *path = name_in(dir, FT_DUMP_PREFIX, number, 0);
    int error = path == NULL ? ENOMEM : rename(folder, path) < 0 ? errno : 0;
    free(path);
    return error;
}

void
ft_flight_give_back(const char *dir, uint32_t number)
{
    char *path = name_in(dir, FT_DUMP_PREFIX, number, 0);
    if (path != NULL) {
        rmdir(path);
    }
    free(path);
}
