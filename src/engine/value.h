/* Formatting of values inside one budget of characters; shared by value.c (the common built-in
 * types), value_builtin.c (the other ones), value_collections.c and value_std.c (types of the
 * standard library) and value_exc.c (exceptions). */
#ifndef FT_ENGINE_VALUE_H
#define FT_ENGINE_VALUE_H

#include "engine/engine.h"

#define FT_VALUE_NESTING 4 /* containers in containers: what lies deeper is not looked at */

struct ft_valuer {
    struct ft_strbuf *b;
    size_t end;                          /* b->len at which there is enough: the rest is cut */
    int depth;                           /* containers open */
    PyObject *open[FT_VALUE_NESTING];    /* borrowed: them, or NULL; their callers hold them */
    bool foreign;                        /* something came out as `<module.Class object>` */
    int wholes;                          /* ft_value_whole() calls under way */
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

/* A text of more characters is quoted by what is among the first so many: one of gigabytes is not
 * searched for quotes. */
#define FT_VALUE_QUOTED 4096

PyObject *ft_value_said(struct ft_valuer *v, reprfunc say, PyObject *value);
void ft_value_any(struct ft_valuer *v, PyObject *value);
/* What a C function of CPython said: steals the str, which may be NULL with an exception. */
void ft_value_str(struct ft_valuer *v, PyObject *str);
void ft_value_int(struct ft_valuer *v, PyObject *value);
void ft_value_quoted(struct ft_valuer *v, PyObject *str);
/* `<module.Class object>`, or with other words than " object". */
void ft_value_type_name(struct ft_valuer *v, PyTypeObject *type, bool with_module);

/* Before the items of a container and after. False: it is not to be looked into, `again` or `deep`
 * stands for them. `again` is what Python says of a container within itself; NULL where it does not
 * look for that. */
bool ft_value_open(struct ft_valuer *v, PyObject *container, const char *again, const char *deep);
void ft_value_close(struct ft_valuer *v);
void ft_value_item(struct ft_valuer *v, PyObject *item, bool first);
void ft_value_tuple(struct ft_valuer *v, PyObject *tuple);
/* Adds what stands or falls as a whole: false, and nothing is added, if something in it would come
 * out as `<module.Class object>`. */
bool ft_value_whole(struct ft_valuer *v, PyObject *value,
                    void (*add)(struct ft_valuer *v, PyObject *value));
/* Something cannot be shown: what would have to be shown as a whole is not looked at further. */
void ft_value_give_up(struct ft_valuer *v);

/* The keys and values of a dict in the order that its repr() has. */
struct ft_value_pairs {
    PyObject *dict;  /* borrowed; also of a subclass: what dict itself holds of it */
    PyObject *order; /* owned: a tuple of each key and its value, or NULL: as dict has them */
    Py_ssize_t at;
};
/* New references; false: no more. */
bool ft_value_next_pair(struct ft_value_pairs *pairs, PyObject **key, PyObject **item);
/* "{key: value}" */
void ft_value_dict(struct ft_valuer *v, struct ft_value_pairs *pairs);

/* Exact types that are read by their fields; false: it is none of them, or cannot be read. Of
 * built-in types; */
bool ft_value_builtin(struct ft_valuer *v, PyObject *value);
bool ft_value_exception(struct ft_valuer *v, PyObject *value);
/* of the standard library; */
bool ft_value_std(struct ft_valuer *v, PyObject *value);
/* of these by ft_value_std(), which has told their types by name and module. */
bool ft_value_deque(struct ft_valuer *v, PyObject *value);
bool ft_value_defaultdict(struct ft_valuer *v, PyObject *value);
bool ft_value_counter(struct ft_valuer *v, PyObject *value);
bool ft_value_namedtuple(struct ft_valuer *v, PyObject *value);
/* A field that C made, of an exact type: no code runs, whatever a program has put in its place. New
 * or NULL. */
PyObject *ft_value_field(PyObject *value, const char *name);

/* Cuts what was added since `start` to `length` characters, the last three of them dots. */
void ft_value_cut(struct ft_strbuf *b, size_t start, size_t length);
/* Ends with the exception that was set before, or with the one that a handler raised. */
void ft_value_restore(struct ft_valuer *v, PyObject *saved);

#endif
