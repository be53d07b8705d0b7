/* What the rest of the engine may ask of the registry of functions beyond engine.h. */
#ifndef FT_ENGINE_CODES_H
#define FT_ENGINE_CODES_H

#include "engine/engine.h"

/* ---- names.c --------------------------------------------------------------------------------- */

struct ft_str ft_utf8(PyObject *str, PyObject **keep);
void ft_add_absolute(struct ft_strbuf *b, struct ft_str cwd, struct ft_str file);
PyObject *ft_dict_get(PyObject *dict, const char *key);
PyObject *ft_dict_find(PyObject *dict, const char *key);
PyObject *ft_loaded(const char *module, const char *name);
PyObject *ft_type_module(PyTypeObject *type);
PyObject *ft_module_name(PyObject *globals, bool *is_main);
uint32_t ft_flags_of(PyCodeObject *code);
uint32_t ft_first_column(PyCodeObject *code);
bool ft_is_unnamed(PyCodeObject *code);

/* ---- codes.c --------------------------------------------------------------------------------- */

int ft_codes_index(struct ft_codes *codes, PyObject *interp_dict);
bool ft_codes_take_id(struct ft_codes *codes, uint32_t *id);
void ft_codes_give_id(struct ft_codes *codes, uint32_t id);
void ft_codes_release(struct ft_codes *codes);
void ft_codes_bury(struct ft_codes *codes);
void ft_code_adopt(struct ft_code *c);

#endif
