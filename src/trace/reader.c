/* Opening a recording: the directory's files, then each process's facts and definitions. Cold but
 * for ft_trace_func and ft_trace_ns. */
#include "trace/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMAGE_ENOUGH 4096               /* bytes: a few lines tell enough */

void
ft_trace_damaged(struct ft_trace *t, const char *file, const char *what, uint64_t at)
{
    const char *slash = strrchr(file, '/');
    if (t->damage.len > DAMAGE_ENOUGH) {
        return;
    }
    file = slash ? slash + 1 : file;
    ft_strbuf_add_printable(&t->damage, (struct ft_str){file, strlen(file)});
    ft_strbuf_add_cstr(&t->damage, ": ");
    ft_strbuf_add_cstr(&t->damage, what);
    ft_strbuf_add_cstr(&t->damage, " at byte ");
    ft_strbuf_add_u64(&t->damage, at);
    ft_strbuf_add_char(&t->damage, '\n');
    t->untold |= t->damage.failed;
}

void
ft_trace_add_damage(struct ft_trace *t, const struct ft_strbuf *lines)
{
    for (size_t at = 0; at < lines->len && t->damage.len <= DAMAGE_ENOUGH;) {
        const char *line = lines->data + at;
        const char *end = memchr(line, '\n', lines->len - at);
        size_t len = end ? (size_t)(end - line) + 1 : lines->len - at;
        ft_strbuf_add(&t->damage, line, len);
        at += len;
    }
    t->untold |= t->damage.failed;
}

const struct ft_func *
ft_trace_func(const struct ft_trace *t, const struct ft_trace_process *p, uint64_t id)
{
    return id < p->nfuncs && p->funcs[id] != NULL ? p->funcs[id] : t->unknown;
}

uint64_t
ft_trace_ns(const struct ft_trace *t, const struct ft_trace_process *p, uint64_t time)
{
    uint64_t ticks = time << p->head.shift, zero = p->head.first.ticks;
    uint64_t begin = p->head.first.monotonic > t->run.head.anchor.monotonic
                         ? p->head.first.monotonic - t->run.head.anchor.monotonic
                         : 0;
    uint64_t apart = ticks > zero ? ticks - zero : zero - ticks;
    uint64_t ns = (uint64_t)(((unsigned __int128)apart * p->mul) >> 32);
    return ticks >= zero ? begin + ns : begin > ns ? begin - ns : 0;
}

/* ---- one process ----------------------------------------------------------------------------- */

static void
find_scale(const struct ft_trace *t, struct ft_trace_process *p)
{
    const struct ft_anchor *from = &p->head.first, *run = &t->run.head.anchor;
    bool counter = (p->head.file.flags & FT_TRACE_COUNTER) != 0;
    if (counter && (t->run.head.file.flags & FT_TRACE_COUNTER) && run->ticks < from->ticks
        && run->monotonic < from->monotonic) {
        from = run;                      /* the longer the time between, the better */
    }
    p->mul = (uint64_t)1 << 32;
    if (counter && p->last.ticks > from->ticks && p->last.monotonic > from->monotonic) {
        uint64_t ticks = p->last.ticks - from->ticks, ns = p->last.monotonic - from->monotonic;
        unsigned __int128 mul = ((unsigned __int128)ns << 32) / ticks;
        p->mul = mul < UINT64_MAX ? (uint64_t)mul : UINT64_MAX;
    }
}

/* False: the file is no process's of this run. */
static bool
read_head(struct ft_trace *t, struct ft_trace_process *p, const char *path)
{
    struct stat st;
    struct ft_defs_head *h = &p->head;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                && pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h);
    if (fd >= 0) {
        close(fd);
    }
    if (!good || memcmp(h->file.magic, FT_DEFS_MAGIC, sizeof(h->file.magic)) != 0
        || h->file.version != FT_TRACE_VERSION || h->file.endian != FT_TRACE_ENDIAN
        || h->file.head_size < sizeof(*h) || h->file.head_size > FT_DEFS_FIRST || h->shift > 16) {
        ft_trace_damaged(t, path, "no head of ours", 0);
        return false;
    }
    if (memcmp(h->run, t->run.head.id, sizeof(h->run)) != 0) {
        ft_trace_damaged(t, path, "of another recording", 0);
        return false;
    }
    p->bytes = (uint64_t)st.st_size;
    const struct ft_anchor *last = &h->last[h->anchor_at & 1];
    p->last = last->monotonic >= h->first.monotonic ? *last : h->first;
    return true;
}

/* ---- the directory --------------------------------------------------------------------------- */

struct names {
    char **items;                    /* owned */
    size_t n, cap;
};

static bool
names_add(struct names *names, const char *name)
{
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 64;
        char **items = realloc(names->items, cap * sizeof(*items));
        if (items == NULL) {
            return false;
        }
        names->items = items;
        names->cap = cap;
    }
    names->items[names->n] = strdup(name);
    return names->items[names->n++] != NULL;
}

/* By length first, so that lane 10 comes after lane 9. */
static int
by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t nx = strlen(x), ny = strlen(y);
    return nx != ny ? (nx > ny) - (nx < ny) : strcmp(x, y);
}

static int
list_folder(const char *folder, struct names *names)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return errno;
    }
    bool room = true;
    for (struct dirent *d; room && (d = readdir(dir)) != NULL;) {
        room = names_add(names, d->d_name);
    }
    closedir(dir);
    if (room) {
        qsort(names->items, names->n, sizeof(*names->items), by_name);
    }
    return room ? 0 : ENOMEM;
}

static bool
ends_with(const char *name, const char *suffix, size_t *stem)
{
    size_t n = strlen(name), m = strlen(suffix);
    if (n <= m || strcmp(name + n - m, suffix) != 0) {
        return false;
    }
    *stem = n - m;
    return true;
}

static char *
path_in(const struct ft_trace *t, const char *name, const char *suffix)
{
    size_t len = strlen(t->folder) + strlen(name) + strlen(suffix) + 2;
    char *path = malloc(len);
    if (path != NULL) {
        snprintf(path, len, "%s/%s%s", t->folder, name, suffix);
    }
    return path;
}

static void
process_free(struct ft_trace_process *p)
{
    for (size_t i = 0; i < p->nfuncs; i++) {
        if (p->funcs[i] != NULL) {
            ft_func_unref(p->funcs[i]);
        }
    }
    free(p->funcs);
    free(p->name);
    ft_ptrmap_fini(&p->threads);
    ft_strbuf_fini(&p->facts);
}

static int
by_birth(const void *a, const void *b)
{
    const struct ft_trace_process *x = a, *y = b;
    uint64_t m = x->head.first.monotonic, n = y->head.first.monotonic;
    return m != n ? (m > n) - (m < n) : strcmp(x->name, y->name);
}

static int
find_processes(struct ft_trace *t, const struct names *names)
{
    size_t stem, n = 0;
    for (size_t i = 0; i < names->n; i++) {
        n += ends_with(names->items[i], FT_DEFS_SUFFIX, &stem);
    }
    t->processes = calloc(n ? n : 1, sizeof(*t->processes));
    for (size_t i = 0; t->processes != NULL && i < names->n; i++) {
        if (!ends_with(names->items[i], FT_DEFS_SUFFIX, &stem)) {
            continue;
        }
        struct ft_trace_process *p = &t->processes[t->nprocesses];
        char *path = path_in(t, names->items[i], "");
        p->name = strndup(names->items[i], stem);
        ft_ptrmap_init(&p->threads);
        ft_strbuf_init(&p->facts);
        if (path == NULL || p->name == NULL) {
            free(path);
            t->nprocesses++;
            return ENOMEM;
        }
        if (read_head(t, p, path)) {
            t->nprocesses++;
        }
        else {
            process_free(p);
            memset(p, 0, sizeof(*p));
        }
        free(path);
    }
    if (t->processes == NULL) {
        return ENOMEM;
    }
    qsort(t->processes, t->nprocesses, sizeof(*t->processes), by_birth);
    return 0;
}

static int
read_process(struct ft_trace *t, struct ft_trace_process *p, uint32_t *next_id)
{
    char *path = path_in(t, p->name, FT_DEFS_SUFFIX);
    int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) {
        free(path);
        return path ? errno : ENOMEM;
    }
    ft_trace_read_defs(t, p, fd, path, p->head.file.head_size, next_id);
    close(fd);
    free(path);
    return 0;
}

/* "PID-BORN.N.lane": the length of "PID-BORN"; 0: it is no lane. */
static size_t
owner_of(const char *name)
{
    size_t stem;
    if (!ends_with(name, FT_LANE_SUFFIX, &stem)) {
        return 0;
    }
    while (stem > 0 && name[stem - 1] >= '0' && name[stem - 1] <= '9') {
        stem--;
    }
    return stem > 0 && name[stem - 1] == '.' ? stem - 1 : 0;
}

/* One whose definitions are no file at all: one made just now may not have been listed. */
static void
lane_without_process(struct ft_trace *t, const char *lane, struct ft_str owner)
{
    char *name = strndup(owner.s, owner.len);
    char *path = name ? path_in(t, name, FT_DEFS_SUFFIX) : NULL;
    if (path != NULL && access(path, F_OK) < 0) {
        ft_trace_damaged(t, lane, "no definitions belong to it", 0);
    }
    free(path);
    free(name);
}

static int
read_lanes(struct ft_trace *t, const struct names *names)
{
    struct ft_ptrmap owners;             /* hash of the name -> place + 1 */
    int error = 0;
    ft_ptrmap_init(&owners);
    for (size_t i = 0; i < t->nprocesses && !error; i++) {
        struct ft_str name = {t->processes[i].name, strlen(t->processes[i].name)};
        error = ft_ptrmap_put(&owners, ft_str_hash(name) | 1, i) ? 0 : ENOMEM;
    }
    for (size_t i = 0; i < names->n && !error; i++) {
        struct ft_str owner = {names->items[i], owner_of(names->items[i])};
        uint64_t *found = owner.len > 0 ? ft_ptrmap_get(&owners, ft_str_hash(owner) | 1) : NULL;
        struct ft_trace_process *p = found ? &t->processes[*found] : NULL;
        if (p != NULL && ft_str_equal(owner, (struct ft_str){p->name, strlen(p->name)})) {
            char *path = path_in(t, names->items[i], "");
            error = path ? ft_trace_index_lane(t, p, path) : ENOMEM;
            free(path);
        }
        else if (owner.len > 0) {
            lane_without_process(t, names->items[i], owner);
        }
    }
    ft_ptrmap_fini(&owners);
    return error;
}

/* "1234: Permission denied": the pid is in the file's name, the reason in the file. */
static void
read_failures(struct ft_trace *t, const struct names *names)
{
    size_t stem;
    t->failures = calloc(names->n ? names->n : 1, sizeof(*t->failures));
    for (size_t i = 0; t->failures != NULL && i < names->n; i++) {
        if (!ends_with(names->items[i], FT_FAIL_SUFFIX, &stem)) {
            continue;
        }
        char reason[512], *path = path_in(t, names->items[i], "");
        int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
        ssize_t n = fd < 0 ? -1 : read(fd, reason, sizeof(reason));
        struct ft_strbuf b;
        ft_strbuf_init(&b);
        ft_strbuf_add_printable(&b,
                                (struct ft_str){names->items[i], strcspn(names->items[i], "-.")});
        ft_strbuf_add_cstr(&b, ": ");
        ft_strbuf_add_printable(&b, (struct ft_str){reason, n > 0 ? (size_t)n : 0});
        ft_strbuf_add_char(&b, '\0');
        t->failures[t->nfailures] = b.failed ? NULL : b.data;
        t->nfailures += t->failures[t->nfailures] != NULL;
        if (fd >= 0) {
            close(fd);
        }
        free(path);
    }
}

int
ft_trace_open(const char *folder, struct ft_trace **trace)
{
    struct names names = {0};
    struct ft_func_names unknown = {
        .name = FT_STR("(unknown)"), .module = FT_STR(""), .file = FT_STR("")};
    struct ft_trace *t = calloc(1, sizeof(*t));
    *trace = NULL;
    if (t == NULL) {
        return ENOMEM;
    }
    ft_strbuf_init(&t->damage);
    t->folder = strdup(folder);
    t->unknown = ft_trace_func_new(&unknown);
    int error = t->folder && t->unknown ? ft_run_read(folder, &t->run) : ENOMEM;
    uint32_t next_id = 1;                /* 0: the unknown one */
    if (!error) {
        error = list_folder(folder, &names);
    }
    if (!error) {
        error = find_processes(t, &names);
    }
    for (size_t i = 0; i < t->nprocesses && !error; i++) {
        error = read_process(t, &t->processes[i], &next_id);
    }
    if (!error) {
        error = read_lanes(t, &names);
    }
    t->bytes = t->run.head.file.head_size + t->run.head.text;
    for (size_t i = 0; i < t->nprocesses; i++) {
        t->bytes += t->processes[i].bytes;
        find_scale(t, &t->processes[i]);
    }
    if (!error) {
        read_failures(t, &names);
        error = ft_trace_index_done(t);
    }
    for (size_t i = 0; i < names.n; i++) {
        free(names.items[i]);
    }
    free(names.items);
    if (error) {
        ft_trace_free(t);
        return error;
    }
    *trace = t;
    return 0;
}

static void
free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    free(texts);
}

void
ft_trace_free(struct ft_trace *t)
{
    for (size_t i = 0; i < t->nprocesses; i++) {
        process_free(&t->processes[i]);
    }
    for (size_t i = 0; i < t->nthreads; i++) {
        free(t->threads[i].name);
        free(t->threads[i].segments);
    }
    free(t->processes);
    free(t->threads);
    free_texts(t->lanes, t->nlanes);
    free_texts(t->failures, t->nfailures);
    if (t->unknown != NULL) {
        ft_func_unref(t->unknown);
    }
    ft_run_free(&t->run);
    ft_strbuf_fini(&t->damage);
    free(t->folder);
    free(t);
}
