/* See uftrace_names.h. A recorded process has definitions of its own: the same function of another
 * process gets the same address. uftrace adds up by name, so that names must differ. */
#include "sink/uftrace_names.h"

#include <stdlib.h>
#include <string.h>

#define STEP 16                          /* bytes of address space that a function takes */
#define FLUSH_AT (1 << 15)
/* uftrace 0.13 crashes in `dump --chrome` over names of which it makes more than 2100 bytes, with
 * five for each that is not ASCII. */
#define NAME_MAX_BYTES 320
#define FILE_MAX_BYTES 320
#define NO_MEMORY UINT64_MAX

static const struct {
    const char *path;                    /* of the file that uftrace would look for symbols in */
    const char *file;
    uint64_t at;
    char kind;                           /* as nm has it; P: through a procedure linkage table */
} modules[] = {
    [FT_UFTRACE_PYTHON] = {FT_UFTRACE_PROGRAM, "python.sym", 0x100000000, 'T'},
    [FT_UFTRACE_C] = {"/C", "C.sym", 0x200000000, 'P'},
};

static void
add_hex(struct ft_strbuf *b, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        ft_strbuf_add_char(b, "0123456789abcdef"[value >> (4 * i) & 15]);
    }
}

static void
begin_file(struct ft_strbuf *b, enum ft_uftrace_module module)
{
    ft_strbuf_init(b);
    ft_strbuf_add_cstr(b, "# path name: ");
    ft_strbuf_add_cstr(b, modules[module].path);
    ft_strbuf_add_char(b, '\n');
}

void
ft_uftrace_names_init(struct ft_uftrace_names *names, struct ft_folder *folder)
{
    *names = (struct ft_uftrace_names){.folder = folder};
    ft_ptrmap_init(&names->known);
    ft_ptrmap_init(&names->taken);
    for (int i = 0; i < FT_UFTRACE_MODULES; i++) {
        begin_file(&names->symbols[i], (enum ft_uftrace_module)i);
    }
    begin_file(&names->lines, FT_UFTRACE_PYTHON);
    ft_strbuf_init(&names->name);
}

void
ft_uftrace_names_fini(struct ft_uftrace_names *names)
{
    free(names->places);
    ft_ptrmap_fini(&names->known);
    ft_ptrmap_fini(&names->taken);
    for (int i = 0; i < FT_UFTRACE_MODULES; i++) {
        ft_strbuf_fini(&names->symbols[i]);
    }
    ft_strbuf_fini(&names->lines);
    ft_strbuf_fini(&names->name);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
write_out(struct ft_uftrace_names *names, const char *file, struct ft_strbuf *b)
{
    names->folder->append(names->folder, file, (struct ft_str){b->data, b->len});
    ft_strbuf_clear(b);
}

/* A line was added at `at`: a part of it would spoil the next one. */
static void
end_line(struct ft_uftrace_names *names, const char *file, struct ft_strbuf *b, size_t at)
{
    if (b->failed) {
        b->len = at;
        b->failed = false;
        names->folder->out.lost_lines++;
    }
    if (b->len >= FLUSH_AT) {
        write_out(names, file, b);
    }
}

static void
add_symbol(struct ft_uftrace_names *names, enum ft_uftrace_module module, char kind,
           struct ft_str name)
{
    struct ft_strbuf *b = &names->symbols[module];
    size_t at = b->len;
    add_hex(b, (uint64_t)names->n[module] * STEP, 16);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_char(b, kind);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_str(b, name);
    ft_strbuf_add_char(b, '\n');
    end_line(names, modules[module].file, b, at);
}

static void
add_line(struct ft_uftrace_names *names, const struct ft_func *func, struct ft_str name)
{
    struct ft_strbuf *b = &names->lines;
    size_t at = b->len;
    ft_strbuf_add_cstr(b, "F: ");
    add_hex(b, (uint64_t)names->n[FT_UFTRACE_PYTHON] * STEP, 8);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_str(b, name);
    ft_strbuf_add_cstr(b, "\nL: ");
    ft_strbuf_add_u64(b, func->line);
    ft_strbuf_add_char(b, ' ');
    ft_strbuf_add_str(b, ft_str_cut(func->shown_path, FILE_MAX_BYTES));
    ft_strbuf_add_char(b, '\n');
    end_line(names, "python.dbg", b, at);
}

void
ft_uftrace_names_end(struct ft_uftrace_names *names)
{
    for (int i = 0; i < FT_UFTRACE_MODULES; i++) {
        add_symbol(names, (enum ft_uftrace_module)i, '?', FT_STR("__sym_end"));
        write_out(names, modules[i].file, &names->symbols[i]);
    }
    write_out(names, "python.dbg", &names->lines);
}

void
ft_uftrace_map(const struct ft_uftrace_names *names, struct ft_strbuf *b)
{
    for (int i = 0; i < FT_UFTRACE_MODULES; i++) {
        add_hex(b, modules[i].at, 12);
        ft_strbuf_add_char(b, '-');
        add_hex(b, modules[i].at + ((uint64_t)names->n[i] + 1) * STEP, 12);
        ft_strbuf_add_cstr(b, " r-xp 00000000 00:00 0 ");
        ft_strbuf_add_cstr(b, modules[i].path);
        ft_strbuf_add_char(b, '\n');
    }
    /* What lies above the stack is taken for the kernel's. */
    ft_strbuf_add_cstr(b, "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n");
}

/* ---- names ----------------------------------------------------------------------------------- */

static uint64_t
hash_more(uint64_t hash, uint64_t more)
{
    return (hash ^ more) * 0x9e3779b97f4a7c15u;
}

static uint64_t
key_of(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

static uint64_t
identity(const struct ft_func *func)
{
    uint64_t hash = hash_more(ft_str_hash(func->name), func->flags & FT_FUNC_C);
    hash = hash_more(hash, ft_str_hash(func->module));
    hash = hash_more(hash, ft_str_hash(func->file));
    return key_of(hash_more(hash, (uint64_t)func->line << 32 | func->column));
}

/* How often the name was asked for before; NO_MEMORY. */
static uint64_t
ask(struct ft_uftrace_names *names)
{
    uint64_t key = key_of(ft_str_hash((struct ft_str){names->name.data, names->name.len}));
    uint64_t *asked = ft_ptrmap_get(&names->taken, key);
    if (names->name.failed || (asked == NULL && !ft_ptrmap_put(&names->taken, key, 1))) {
        return NO_MEMORY;
    }
    return asked ? (*asked)++ : 0;
}

static uint64_t
ask_with(struct ft_uftrace_names *names, size_t len, char part, uint64_t number)
{
    names->name.len = len;
    ft_strbuf_add_char(&names->name, part);
    ft_strbuf_add_u64(&names->name, number);
    return ask(names);
}

/* MODULE.NAME; with a line or a number behind it where another function is called so. Always with
 * the module: uftrace thinks it knows what fork, longjmp or _Z1fv alone are. */
static void
add_label(struct ft_strbuf *b, const struct ft_func *func)
{
    ft_strbuf_clear(b);
    struct ft_str module = func->shown_module;
    if (module.len >= 2 && memcmp(module.s, "_Z", 2) == 0) {
        ft_strbuf_add_cstr(b, "\\x5f");
        module = (struct ft_str){module.s + 1, module.len - 1};
    }
    ft_strbuf_add_str(b, module.len > 0 ? module : FT_STR("?"));
    ft_strbuf_add_char(b, '.');
    ft_strbuf_add_str(b, func->shown_name);
    struct ft_str cut = ft_str_cut((struct ft_str){b->data, b->len}, NAME_MAX_BYTES);
    if (cut.len < b->len) {
        b->len = cut.len;
        ft_strbuf_add_cstr(b, "...");
    }
}

/* False: no memory. */
static bool
make_name(struct ft_uftrace_names *names, const struct ft_func *func)
{
    add_label(&names->name, func);
    size_t len = names->name.len;
    uint64_t before = ask(names), same = before;
    if (same != 0 && same != NO_MEMORY && func->line > 0) {
        same = ask_with(names, len, ':', func->line);
    }
    for (uint64_t n = before + 1; same != 0 && same != NO_MEMORY; n++) {
        same = ask_with(names, len, '#', n);
    }
    return same == 0;
}

static uint64_t
make_function(struct ft_uftrace_names *names, const struct ft_func *func, uint64_t key)
{
    if (!make_name(names, func)) {
        return 0;
    }
    enum ft_uftrace_module module = func->flags & FT_FUNC_C ? FT_UFTRACE_C : FT_UFTRACE_PYTHON;
    struct ft_str name = {names->name.data, names->name.len};
    if (module == FT_UFTRACE_PYTHON && func->line > 0 && func->shown_path.len > 0) {
        add_line(names, func, name);
    }
    add_symbol(names, module, modules[module].kind, name);
    uint64_t at = modules[module].at + (uint64_t)names->n[module]++ * STEP;
    return ft_ptrmap_put(&names->known, key, at) ? at : 0;
}

static bool
make_place(struct ft_uftrace_names *names, uint32_t id)
{
    uint32_t n = names->nplaces ? names->nplaces : 256;
    while (n <= id) {
        n *= 2;
    }
    uint64_t *places = realloc(names->places, n * sizeof(*places));
    if (places == NULL) {
        return false;
    }
    memset(places + names->nplaces, 0, (n - names->nplaces) * sizeof(*places));
    names->places = places;
    names->nplaces = n;
    return true;
}

uint64_t
ft_uftrace_address(struct ft_uftrace_names *names, const struct ft_func *func)
{
    if (func->id < names->nplaces && names->places[func->id] != 0) {
        return names->places[func->id];
    }
    if (func->id >= names->nplaces && !make_place(names, func->id)) {
        return 0;
    }
    uint64_t key = identity(func), *known = ft_ptrmap_get(&names->known, key);
    return names->places[func->id] = known ? *known : make_function(names, func, key);
}

uint64_t
ft_uftrace_unknown(struct ft_uftrace_names *names)
{
    struct ft_str name = FT_STR("(unknown)");
    struct ft_func func = {.name = name, .shown_name = name};
    uint64_t key = identity(&func), *known = ft_ptrmap_get(&names->known, key);
    return known ? *known : make_function(names, &func, key);
}
