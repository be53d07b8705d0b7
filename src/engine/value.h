/* Formatting of values inside one budget of characters; shared by value.c (built-in types),
 * value_std.c (value types of the standard library) and value_exc.c (exceptions). */
#ifndef FT_ENGINE_VALUE_H
#define FT_ENGINE_VALUE_H

#include "engine/engine.h"

struct ft_valuer {
    struct ft_strbuf *b;
    size_t end;                          /* b->len at which there is enough: the rest is cut */
    int depth;                           /* containers open */
    const struct ft_value_style *style;
    PyObject *raised;                    /* owned: what a signal's handler raised meanwhile */
};

static inline bool
ft_value_full(const struct ft_valuer *v)
{
    return v->b->len >= v->end;
}

/* Decimal digits of an int take CPython a time that grows with their square: at most so many of 30
 * bits, which are 361 decimal ones. */
#define FT_VALUE_INT_DIGITS 40

PyObject *ft_value_said(struct ft_valuer *v, reprfunc say, PyObject *value);
void ft_value_any(struct ft_valuer *v, PyObject *value);
/* What a C function of CPython said: steals the str, which may be NULL with an exception. */
void ft_value_str(struct ft_valuer *v, PyObject *str);
void ft_value_int(struct ft_valuer *v, PyObject *value);
void ft_value_quoted(struct ft_valuer *v, PyObject *str);
/* `<module.Class object>`, or with other words than " object". */
void ft_value_type_name(struct ft_valuer *v, PyTypeObject *type, bool with_module);
/* An exact value type of the standard library, read by its fields; false: it is none. */
bool ft_value_std(struct ft_valuer *v, PyObject *value);
/* Cuts what was added since `start` to `length` characters, the last three of them dots. */
void ft_value_cut(struct ft_strbuf *b, size_t start, size_t length);
/* Ends with the exception that was set before, or with the one that a handler raised. */
void ft_value_restore(struct ft_valuer *v, PyObject *saved);

#endif
