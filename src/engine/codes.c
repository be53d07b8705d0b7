/* The registry of Python functions: a code object is described and judged at first sight, and its
 * record hangs on it by co_extra. Code objects equal in file, name, line and positions share one
 * record, so text exec'd again and again does not grow it. The registry is freed by whoever comes
 * last: the engine or the last code object, which may outlive it at interpreter end.
 *
 * A record whose code objects are all gone may still be on a stack (greenlets, lost events): it
 * becomes a zombie and is freed by a sweep that looks at the stacks first. GIL held. */
#include "engine/codes.h"
#include "engine/lock.h"

#include <stdlib.h>

#define FIRST_SWEEP 1024

/* ---- the table ------------------------------------------------------------------------------- */

int
ft_codes_init(struct ft_codes *codes)
{
    codes->index = -1;
    codes->mask = 255;
    codes->sweep_at = FIRST_SWEEP;
    codes->owners = 1;
    codes->buckets = calloc(codes->mask + 1, sizeof(*codes->buckets));
    return codes->buckets == NULL ? -1 : 0;
}

static void
codes_free(struct ft_codes *codes)
{
    free(codes->buckets);
    free(codes->free_ids);
    ft_ptrmap_fini(&codes->own);
    free(codes);
}

void
ft_codes_release(struct ft_codes *codes)
{
    if (codes != NULL && --codes->owners == 0) {
        codes_free(codes);
    }
}

/* The engine's end: records live on with their code objects. */
void
ft_codes_end(struct ft_codes *codes)
{
    if (codes != NULL) {
        codes->engine = NULL;
        ft_codes_bury(codes);
        ft_codes_release(codes);
    }
}

static void
record_free(struct ft_func *func)
{
    struct ft_code *c = (struct ft_code *)func;
    struct ft_codes *codes = c->codes;
    ft_codes_give_id(codes, func->id);
    ft_func_fini(func);
    free(c->lines);
    free(c);
    ft_codes_release(codes);
}

bool
ft_codes_take_id(struct ft_codes *codes, uint32_t *id)
{
    if (codes->nfree > 0) {
        *id = codes->free_ids[--codes->nfree];
        return true;
    }
    if (codes->next_id == codes->capfree) {   /* room to give every id back without memory */
        uint32_t cap = codes->capfree ? codes->capfree * 2 : 256;
        uint32_t *ids = realloc(codes->free_ids, cap * sizeof(*ids));
        if (ids == NULL) {
            return false;
        }
        codes->free_ids = ids;
        codes->capfree = cap;
    }
    *id = codes->next_id++;
    return true;
}

void
ft_codes_give_id(struct ft_codes *codes, uint32_t id)
{
    codes->free_ids[codes->nfree++] = id;
}

static void
bucket_add(struct ft_codes *codes, struct ft_code *c)
{
    if (codes->used > codes->mask) {
        size_t mask = codes->mask * 2 + 1;
        struct ft_code **buckets = calloc(mask + 1, sizeof(*buckets));
        for (size_t i = 0; buckets != NULL && i <= codes->mask; i++) {
            for (struct ft_code *at = codes->buckets[i], *next; at != NULL; at = next) {
                next = at->next;
                at->next = buckets[at->key & mask];
                buckets[at->key & mask] = at;
            }
        }
        if (buckets != NULL) {
            free(codes->buckets);
            codes->buckets = buckets;
            codes->mask = mask;
        }
    }
    c->next = codes->buckets[c->key & codes->mask];
    codes->buckets[c->key & codes->mask] = c;
    codes->used++;
}

static void
bucket_remove(struct ft_codes *codes, struct ft_code *c)
{
    struct ft_code **at = &codes->buckets[c->key & codes->mask];
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    codes->used--;
}

void
ft_codes_each(struct ft_codes *codes, void (*visit)(void *ctx, struct ft_code *c), void *ctx)
{
    for (size_t i = 0; i <= codes->mask; i++) {
        for (struct ft_code *c = codes->buckets[i]; c != NULL; c = c->next) {
            visit(ctx, c);
        }
    }
}

/* ---- the end of a code object ---------------------------------------------------------------- */

/* co_extra's freefunc: may run at any time, after the engine's end too. */
static void
code_freed(struct ft_code *c)
{
    if (c == NULL || --c->codes_alive > 0) {
        return;
    }
    bucket_remove(c->codes, c);
    c->next = c->codes->zombies;
    c->codes->zombies = c;
    c->codes->nzombies++;
    if (c->codes->engine == NULL) {
        ft_codes_bury(c->codes);
    }
}

static void
on_code_freed(void *extra)
{
    ft_lock();
    code_freed(extra);
    ft_unlock();
}

/* Frees all zombies that are not marked. */
void
ft_codes_bury(struct ft_codes *codes)
{
    codes->owners++;
    struct ft_code **at = &codes->zombies;
    for (struct ft_code *c = *at; c != NULL; c = *at) {
        if (c->marked) {
            c->marked = false;
            at = &c->next;
            continue;
        }
        *at = c->next;
        codes->nzombies--;
        ft_func_unref(&c->func);
    }
    ft_codes_release(codes);
}

void
ft_codes_sweep(struct ft_engine *e)
{
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        for (const struct ft_frame *f = t->stack; f < t->top; f++) {
            if (!f->kind.c) {
                ((struct ft_code *)f->func)->marked = true;
            }
        }
    }
    ft_codes_bury(e->codes);
    e->codes->sweep_at = e->codes->nzombies * 2 + FIRST_SWEEP;
    for (struct ft_thread *t = e->threads; t != NULL; t = t->next) {
        for (const struct ft_frame *f = t->stack; f < t->top; f++) {
            if (!f->kind.c) {
                ((struct ft_code *)f->func)->marked = false;
            }
        }
    }
}

/* ---- first sight ----------------------------------------------------------------------------- */

static uint64_t
identity(const struct ft_func_names *names, PyCodeObject *code)
{
    struct ft_str table = {PyBytes_AS_STRING(code->co_linetable),
                           (size_t)PyBytes_GET_SIZE(code->co_linetable)};
    uint64_t key = ft_str_hash(names->name) * 31 + ft_str_hash(names->file);
    key = key * 31 + ft_str_hash(names->module);
    key = key * 31 + ft_str_hash(table);
    if (ft_is_unnamed(code)) {              /* `lambda: 1` has no column: its constants tell */
        key = key * 31 + (uint64_t)PyObject_Hash((PyObject *)code);
        PyErr_Clear();
    }
    return (key * 31 + names->line) * 31 + (uint64_t)Py_SIZE(code);
}

static struct ft_code *
find(struct ft_codes *codes, uint64_t key, const struct ft_func_names *names)
{
    for (struct ft_code *c = codes->buckets[key & codes->mask]; c != NULL; c = c->next) {
        if (c->key == key && c->func.line == names->line && ft_str_equal(c->func.name, names->name)
            && ft_str_equal(c->func.file, names->file)
            && ft_str_equal(c->func.module, names->module) && c->func.flags == names->flags) {
            return c;
        }
    }
    return NULL;
}

/* Library functions that start a process or an interpreter that is not traced: each of their calls
 * is counted, for the note at exit. */
static const struct {
    const char *module, *name;
    enum ft_spawn spawn;
} spawners[] = {
    {"subprocess", "Popen._execute_child", FT_SPAWN_PROCESS},
    {"multiprocessing.util", "spawnv_passfds", FT_SPAWN_PROCESS},
    {"concurrent.interpreters", "create", FT_SPAWN_INTERPRETER},
    {"concurrent.futures.interpreter", "WorkerContext.initialize", FT_SPAWN_INTERPRETER},
};

static bool
is_text(struct ft_str s, const char *text)
{
    return ft_str_equal(s, (struct ft_str){text, strlen(text)});
}

static enum ft_spawn
spawn_of(const struct ft_func_names *names, enum ft_origin origin)
{
    for (size_t i = 0; i < sizeof(spawners) / sizeof(spawners[0]); i++) {
        if (origin == FT_ORIGIN_STDLIB && is_text(names->module, spawners[i].module)
            && is_text(names->name, spawners[i].name)) {
            return spawners[i].spawn;
        }
    }
    return FT_SPAWN_NOTHING;
}

static struct ft_code *
record_new(struct ft_engine *e, const struct ft_func_names *names, uint64_t key)
{
    struct ft_codes *codes = e->codes;
    struct ft_code *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    if (!ft_func_init(&c->func, names)) {
        free(c);
        return NULL;
    }
    if (!ft_codes_take_id(codes, &c->func.id)) {
        ft_func_fini(&c->func);
        free(c);
        return NULL;
    }
    c->func.free = record_free;
    c->codes = codes;
    codes->owners++;
    c->key = key;
    c->origin = ft_origin_of_file(&e->paths, c->func.file);
    c->spawns = spawn_of(names, c->origin);
    bucket_add(codes, c);
    return c;
}

static struct ft_code *
learn_named(struct ft_engine *e, PyCodeObject *code, PyObject *globals, struct ft_strbuf *file)
{
    bool is_main;
    PyObject *module = ft_module_name(globals, &is_main);
    PyObject *keep[2];
    PyObject *keep_file;
    struct ft_str given = ft_utf8(code->co_filename, &keep_file);
    /* Text that the program exec'd may share __main__'s name, but not its lines. */
    bool in_main = is_main
                   && (given.len == 0 || given.s[0] != '<'
                       || ft_ptrmap_get(&e->codes->own, (uintptr_t)code) != NULL);
    struct ft_func_names names = {
        .name = ft_utf8(code->co_qualname, &keep[0]),
        .module = ft_utf8(module, &keep[1]),
        .line = (uint32_t)code->co_firstlineno,
        .column = ft_first_column(code),
        .flags = ft_flags_of(code) | (in_main ? FT_FUNC_MAIN : 0),
    };
    ft_add_absolute(file, e->cwd, given);
    names.file = (struct ft_str){file->data ? file->data : "", file->len};
    uint64_t key = identity(&names, code); /* of the whole names: those cut may be alike */
    ft_func_cut(&names);
    /* Half a name could be another's: that a library's function is the program's own, say. */
    struct ft_code *c = file->failed ? NULL : find(e->codes, key, &names);
    if (c == NULL && !file->failed) {
        if (names.column == 0 && ft_is_unnamed(code)) {
            names.column = ++e->codes->unnamed;
        }
        c = record_new(e, &names, key);
    }
    Py_XDECREF(keep[0]);
    Py_XDECREF(keep[1]);
    Py_XDECREF(keep_file);
    Py_XDECREF(module);
    return c;
}

/* Every record that is hung on a code object is looked for where we think it lies. */
static void
check_layout(struct ft_codes *codes, PyCodeObject *code, const struct ft_code *c)
{
#ifndef Py_GIL_DISABLED
    const struct ft_code_extra *extra = code->co_extra;
    bool right = extra != NULL && extra->size > codes->index && extra->size <= 255
                 && extra->items[codes->index] == c;
    bool before = codes->in_place;
    codes->not_in_place |= !right;
    codes->in_place = !codes->not_in_place;
    for (struct ft_thread *t = codes->engine->threads; t && before != codes->in_place;
         t = t->next) {
        ft_thread_settle(codes->engine, t);
    }
#else
    (void)codes, (void)code, (void)c;
#endif
}

/* `frame` runs the code, NULL: the current one. Keeps the exception state. */
struct ft_code *
ft_code_learn(struct ft_engine *e, PyCodeObject *code, PyFrameObject *frame)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyFrameObject *current = frame ? NULL : PyThreadState_GetFrame(PyThreadState_Get());
    PyObject *globals = frame || current ? PyFrame_GetGlobals(frame ? frame : current) : NULL;
    struct ft_strbuf file;
    ft_strbuf_init(&file);
    if (e->codes->nzombies >= e->codes->sweep_at) {
        ft_codes_sweep(e);
    }
    if (e->program != FT_PROGRAM_MAIN) {
        ft_boot_learn(e, code, globals);
    }
    struct ft_code *c = learn_named(e, code, globals, &file);
    if (c != NULL) {
        if (ft_ptrmap_take(&e->codes->own, (uintptr_t)code, NULL)) {
            ft_code_adopt(c);
        }
        if (PyUnstable_Code_SetExtra((PyObject *)code, e->codes->index, c) == 0) {
            c->codes_alive++;
            check_layout(e->codes, code, c);
        }
        else {
            /* Not hung on its code: it stays in the table and is found again by name. */
            PyErr_Clear();
        }
    }
    ft_strbuf_fini(&file);
    Py_XDECREF(globals);
    Py_XDECREF(current);
    PyErr_SetRaisedException(exc);
    return c;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

void
ft_code_sync(struct ft_engine *e, struct ft_code *c)
{
    c->want = c->want_c = 0;
    for (uint32_t mask = e->attached; mask; mask &= mask - 1) {
        int slot = __builtin_ctz(mask);
        struct ft_tap *tap = e->taps[slot];
        if (c->taps[slot].epoch != tap->epoch) {
            c->taps[slot].epoch = tap->epoch;
            c->taps[slot].verdict = ft_filter_judge(tap->filter, &c->func, c->origin);
        }
        uint32_t v = c->taps[slot].verdict;
        c->want |= (uint32_t)!(v & FT_V_NEVER) << slot;
        c->want_c |= (uint32_t)((v & FT_V_CCALLS) && (tap->sink->needs & FT_NEED_CCALLS)) << slot;
    }
    c->func.plain = c->run = c->calls = 0;
    if (e->lone != NULL && (c->want_c >> e->lone->slot & 1)) {
        c->calls = e->lone->epoch;
    }
    if (e->lone != NULL && (c->taps[e->lone->slot].verdict & FT_V_PLAIN) && !c->spawns
        && !(c->func.flags & FT_FUNC_ASYNCGEN)) { /* whether it awaits is to be looked for */
        if (!(c->func.flags & (FT_FUNC_GENERATOR | FT_FUNC_COROUTINE))) {
            c->func.plain = e->lone->epoch;
        }
        else if (e->lone->sink->ops->resume_plain != NULL) {
            c->run = e->lone->epoch;
        }
    }
    c->generation = e->generation;
}

/* From now on it is user code, wherever its file lies: every verdict is asked again. */
void
ft_code_adopt(struct ft_code *c)
{
    if (c->origin != FT_ORIGIN_TARGET) {
        c->origin = FT_ORIGIN_TARGET;
        c->generation = 0;
        c->func.plain = c->run = c->calls = 0;
        memset(c->taps, 0, sizeof(c->taps));
    }
}

/* The code and all code nested in it count as user code. Those not yet seen are remembered by
 * address: the caller keeps `code` alive. */
void
ft_codes_own(struct ft_engine *e, PyCodeObject *code)
{
    void *extra = NULL;
    PyUnstable_Code_GetExtra((PyObject *)code, e->codes->index, &extra);
    if (extra != NULL) {
        ft_code_adopt(extra);
    }
    else {
        ft_ptrmap_put(&e->codes->own, (uintptr_t)code, 1);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item)) {
            ft_codes_own(e, (PyCodeObject *)item);
        }
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

int
ft_code_line(struct ft_code *c, PyCodeObject *code, int lasti)
{
    uint32_t at = (uint32_t)lasti / 2;
    if (c->lines == NULL) {
        c->nlines = (uint32_t)Py_SIZE(code);
        c->lines = calloc(c->nlines ? c->nlines : 1, sizeof(*c->lines));
        if (c->lines == NULL) {
            c->nlines = 0;
        }
    }
    if (lasti < 0 || at >= c->nlines) {
        return PyCode_Addr2Line(code, lasti);
    }
    if (c->lines[at] == 0) {
        c->lines[at] = PyCode_Addr2Line(code, lasti) + 1;
    }
    return c->lines[at] - 1;
}

/* The index is an interpreter's, asked for once: they are never given back. */
int
ft_codes_index(struct ft_codes *codes, PyObject *interp_dict)
{
    static const char key[] = "pyftrace.co_extra_index";
    PyObject *known = ft_dict_get(interp_dict, key);
    if (known != NULL) {
        codes->index = PyLong_AsSsize_t(known);
        Py_DECREF(known);
        return codes->index < 0 ? -1 : 0;
    }
    codes->index = PyUnstable_Eval_RequestCodeExtraIndex(on_code_freed);
    if (codes->index < 0) {
        PyErr_SetString(PyExc_RuntimeError, "no free co_extra index: other tools took all");
        return -1;
    }
    PyObject *index = PyLong_FromSsize_t(codes->index);
    int failed = index == NULL ? -1 : PyDict_SetItemString(interp_dict, key, index);
    Py_XDECREF(index);
    return failed;
}
