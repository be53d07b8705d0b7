/* The arguments of a call, read from its frame as it begins: "a=10, b=2, *args=(1, 2), **kw={}".
 * GIL held. */
#include "engine/codes.h"

#define ARG_LENGTH 80
#define LIST_LENGTH 200 /* characters of all, the mark included */
#define MORE ", ..."

static size_t
characters(const struct ft_strbuf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++) {
        n += ((unsigned char)b->data[i] & 0xc0) != 0x80;
    }
    return n;
}

static void
add_argument(struct ft_strbuf *b, PyFrameObject *frame, PyObject *name, const char *stars,
             const struct ft_value_style *style)
{
    PyObject *keep, *value = PyFrame_GetVar(frame, name);
    if (value == NULL) {
        PyErr_Clear();
        return;
    }
    if (b->len > 0) {
        ft_strbuf_add_cstr(b, ", ");
    }
    ft_strbuf_add_cstr(b, stars);
    struct ft_str s = ft_utf8(name, &keep);
    ft_strbuf_add_printable(b, s);
    Py_XDECREF(keep);
    ft_strbuf_add_char(b, '=');
    ft_value_add(b, value, style);
    Py_DECREF(value);
}

void
ft_args_add(struct ft_strbuf *b, PyCodeObject *code, PyFrameObject *frame,
            const struct ft_value_style *style)
{
    /* Arguments asked for are shown even where values are not. */
    struct ft_value_style arg_style = {style->mode == FT_VALUES_NONE ? FT_VALUES_SAFE : style->mode,
                                       style->length < ARG_LENGTH ? style->length : ARG_LENGTH};
    PyObject *names = PyCode_GetVarnames(code);
    if (names == NULL) {
        PyErr_Clear();
        return;
    }
    int positional = code->co_argcount, named = code->co_kwonlyargcount;
    int star = code->co_flags & CO_VARARGS ? positional + named : -1;
    int stars = code->co_flags & CO_VARKEYWORDS ? positional + named + (star >= 0) : -1;
    int n = positional + named + (star >= 0) + (stars >= 0);
    for (int i = 0; i < n && !PyErr_Occurred(); i++) {
        size_t before = b->len;
        /* As written: positional, *args, keyword-only, **kwargs. */
        int at = i < positional    ? i
                 : star < 0        ? i
                 : i == positional ? star
                 : i == stars      ? stars
                                   : i - 1;
        add_argument(b, frame, PyTuple_GET_ITEM(names, at),
                     at == star    ? "*"
                     : at == stars ? "**"
                                   : "",
                     &arg_style);
        size_t room = i + 1 < n ? LIST_LENGTH - strlen(MORE) : LIST_LENGTH;
        if (characters(b) > room) {
            b->len = before;
            ft_strbuf_add_cstr(b, before > 0 ? MORE : MORE + 2);
            break;
        }
    }
    Py_DECREF(names);
}
