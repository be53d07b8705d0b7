/* What a function is called, copied once into one block, with the forms that are printed. */
#include "sink/func.h"

#include <stdlib.h>

static struct ft_str
last_part(struct ft_str path)
{
    size_t at = path.len;
    while (at > 0 && path.s[at - 1] != '/') {
        at--;
    }
    return at ? (struct ft_str){path.s + at, path.len - at} : path;
}

/* Places `s` at the end of the block; only its place is known until the block stops moving. */
static void
add(struct ft_strbuf *block, struct ft_str s, struct ft_str *place, bool printable)
{
    size_t start = block->len;
    if (printable) {
        ft_strbuf_add_printable(block, s);
    }
    else {
        ft_strbuf_add_str(block, s);
    }
    *place = (struct ft_str){(const char *)(uintptr_t)start, block->len - start};
}

void
ft_func_cut(struct ft_func_names *names)
{
    names->name = ft_str_cut(names->name, FT_FUNC_TEXT_MAX);
    names->module = ft_str_cut(names->module, FT_FUNC_TEXT_MAX);
    names->file = ft_str_cut(names->file, FT_FUNC_TEXT_MAX);
}

bool
ft_func_init(struct ft_func *func, const struct ft_func_names *whole)
{
    struct ft_func_names names = *whole;
    struct ft_strbuf block;
    ft_func_cut(&names);
    ft_strbuf_init(&block);
    add(&block, names.name, &func->name, false);
    add(&block, names.module, &func->module, false);
    add(&block, names.file, &func->file, false);
    add(&block, names.name, &func->shown_name, true);
    add(&block, names.module, &func->shown_module, true);
    add(&block, names.file, &func->shown_path, true);
    add(&block, last_part(names.file), &func->shown_file, true);
    ft_strbuf_add_char(&block, '\0');    /* never empty: pointers into it are valid */
    if (block.failed) {
        ft_strbuf_fini(&block);
        return false;
    }
    struct ft_str *places[] = {&func->name,        &func->module,     &func->file,
                               &func->shown_name,  &func->shown_path, &func->shown_file,
                               &func->shown_module};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        places[i]->s = block.data + (uintptr_t)places[i]->s;
    }
    atomic_init(&func->refs, 1);
    func->line = names.line;
    func->column = names.column;
    func->flags = names.flags;
    func->strings = block.data;
    return true;
}

void
ft_func_fini(struct ft_func *func)
{
    free(func->strings);
    func->strings = NULL;
}

bool
ft_func_same_name(const struct ft_func *a, const struct ft_func *b)
{
    return a->line == b->line && ft_str_equal(a->name, b->name) && ft_str_equal(a->file, b->file)
           && ((a->flags | b->flags) & FT_FUNC_C ? ft_str_equal(a->module, b->module) : true);
}

bool
ft_func_is_unnamed(const struct ft_func *f)
{
    return f->name.len > 0 && f->name.s[f->name.len - 1] == '>' && !(f->flags & FT_FUNC_MODULE);
}

bool
ft_func_same(const struct ft_func *a, const struct ft_func *b)
{
    return a == b
           || (ft_func_same_name(a, b) && (a->column == b->column || !ft_func_is_unnamed(a)));
}

uint64_t
ft_func_hash(const struct ft_func *f)
{
    return ft_str_hash(f->name) ^ ft_str_hash(f->file) * 31 ^ f->line;
}
