/* Formatting of values inside one budget of characters; shared by value.c (built-in types) and
 * value_std.c (value types of the standard library). */
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

PyObject *ft_value_said(struct ft_valuer *v, reprfunc say, PyObject *value);
void ft_value_any(struct ft_valuer *v, PyObject *value);
void ft_value_quoted(struct ft_valuer *v, PyObject *str);
/* `<module.Class object>`, or with other words than " object". */
void ft_value_type_name(struct ft_valuer *v, PyTypeObject *type, bool with_module);
/* An exact value type of the standard library, read by its fields; false: it is none. */
bool ft_value_std(struct ft_valuer *v, PyObject *value);

#endif
