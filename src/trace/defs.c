/* What a process's ids mean: its functions, threads and facts, read once when a recording is
 * opened. Cold. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/varint.h"
#include "trace/reader.h"

#define FUNC_ID_MAX (1u << 22)
#define WINDOW (1 << 16)

struct body {
    const uint8_t *p, *end; /* p NULL: something did not fit */
};

static uint64_t
number(struct body *b)
{
    uint64_t value = 0;
    if (b->p != NULL) {
        b->p = ft_varint_get(b->p, b->end, &value);
    }
    return value;
}

static struct ft_str
text(struct body *b)
{
    uint64_t len = number(b);
    if (b->p == NULL || len > (uint64_t)(b->end - b->p)) {
        b->p = NULL;
        return FT_STR("");
    }
    struct ft_str s = {(const char *)b->p, (size_t)len};
    b->p += len;
    return s;
}

static void
func_free(struct ft_func *f)
{
    ft_func_fini(f);
    free(f);
}

struct ft_func *
ft_trace_func_new(const struct ft_func_names *names)
{
    struct ft_func *f = calloc(1, sizeof(*f));
    if (f == NULL || !ft_func_init(f, names)) {
        free(f);
        return NULL;
    }
    f->free = func_free;
    return f;
}

/* The new part is not written to: memory follows the functions, however large an id is said. */
static bool
make_room(struct ft_trace_process *p, uint64_t id)
{
    size_t n = p->nfuncs ? p->nfuncs : 64;
    while (n <= id) {
        n *= 2;
    }
    struct ft_func **funcs = n > p->nfuncs ? calloc(n, sizeof(*funcs)) : NULL;
    if (n == p->nfuncs || funcs == NULL) {
        return n == p->nfuncs;
    }
    if (p->nfuncs > 0) {
        memcpy(funcs, p->funcs, p->nfuncs * sizeof(*funcs));
    }
    free(p->funcs);
    p->funcs = funcs;
    p->nfuncs = n;
    return true;
}

static bool
read_func(struct ft_trace_process *p, struct body *b, uint32_t *next_id)
{
    uint64_t id = number(b);
    struct ft_func_names names = {0};
    names.flags = (uint32_t)number(b);
    names.line = (uint32_t)number(b);
    names.column = (uint32_t)number(b);
    names.name = text(b);
    names.module = text(b);
    names.file = text(b);
    if (b->p == NULL || id >= FUNC_ID_MAX || names.name.len > FT_NAME_MAX
        || names.module.len > FT_NAME_MAX || names.file.len > FT_NAME_MAX || !make_room(p, id)) {
        return false;
    }
    if (p->funcs[id] != NULL) {
        return true; /* said twice: the first holds */
    }
    p->funcs[id] = ft_trace_func_new(&names);
    if (p->funcs[id] != NULL) {
        p->funcs[id]->id = (*next_id)++;
    }
    return p->funcs[id] != NULL;
}

static bool
read_thread(struct ft_trace *t, struct ft_trace_process *p, struct body *b)
{
    uint64_t serial = number(b), native = number(b);
    struct ft_str name = text(b);
    struct ft_trace_thread *thread = b->p ? ft_trace_thread_of(t, p, serial) : NULL;
    struct ft_strbuf shown;
    ft_strbuf_init(&shown);
    ft_strbuf_add_printable(&shown, name);
    ft_strbuf_add_char(&shown, '\0');
    if (thread == NULL || shown.failed) {
        ft_strbuf_fini(&shown);
        return false;
    }
    free(thread->name);
    thread->name = shown.data;
    thread->native = native;
    return true;
}

static bool
read_definition(struct ft_trace *t, struct ft_trace_process *p, unsigned kind, struct body *b,
                uint32_t *next_id)
{
    struct ft_trace_thread *thread;
    struct ft_str key, value;
    switch (kind) {
    case FT_DEF_FUNC:
        return read_func(p, b, next_id);
    case FT_DEF_THREAD:
        return read_thread(t, p, b);
    case FT_DEF_THREAD_END:
        thread = ft_trace_thread_of(t, p, number(b));
        if (thread == NULL) {
            return false;
        }
        thread->total = number(b);
        return b->p != NULL;
    case FT_DEF_FACT:
        key = text(b);
        value = text(b);
        if (b->p != NULL) {
            ft_strbuf_add_str(&p->facts, key);
            ft_strbuf_add_char(&p->facts, '\0');
            ft_strbuf_add_str(&p->facts, value);
            ft_strbuf_add_char(&p->facts, '\0');
        }
        return b->p != NULL && !p->facts.failed;
    default:
        return true; /* of a later version: passed over */
    }
}

/* From `at` to the first zero byte, a window at a time. */
void
ft_trace_read_defs(struct ft_trace *t, struct ft_trace_process *p, int fd, const char *path,
                   uint64_t at, uint32_t *next_id)
{
    uint8_t *window = malloc(WINDOW);
    if (window == NULL) {
        ft_trace_damaged(t, path, strerror(ENOMEM), at);
        return;
    }
    for (;;) {
        ssize_t n = pread(fd, window, WINDOW, (off_t)at);
        if (n < 0) {
            ft_trace_damaged(t, path, strerror(errno), at);
            break;
        }
        const uint8_t *b = window, *end = window + n;
        if (n == 0 && at > (uint64_t)lseek(fd, 0, SEEK_END)) {
            ft_trace_damaged(t, path, "the file is cut short", at);
        }
        while (b < end && *b != FT_DEF_END) {
            uint64_t len;
            const uint8_t *body = ft_varint_get(b + 1, end, &len);
            if (*b == FT_DEF_SKIP && body != NULL && len > (uint64_t)(end - body)) {
                if (len > FT_DEFS_MOST) {
                    ft_trace_damaged(t, path, "bad length", at + (uint64_t)(b - window));
                    goto done;
                }
                at += (uint64_t)(body - window) + len;
                goto next;
            }
            if (body == NULL || len > (uint64_t)(end - body)) {
                if (b > window && n == WINDOW) {
                    break; /* cut by the window, not by the file */
                }
                ft_trace_damaged(t, path, "a definition is cut short", at + (uint64_t)(b - window));
                goto done;
            }
            struct body one = {body, body + len};
            if (!read_definition(t, p, *b, &one, next_id)) {
                const char *why = p->facts.failed ? strerror(ENOMEM) : "a bad definition";
                ft_trace_damaged(t, path, why, at + (uint64_t)(b - window));
            }
            b = body + len;
        }
        if (b >= end || *b == FT_DEF_END) {
            if (n < WINDOW || (b < end && *b == FT_DEF_END)) {
                break;
            }
        }
        at += (uint64_t)(b - window);
next:;
    }
done:
    free(window);
}
