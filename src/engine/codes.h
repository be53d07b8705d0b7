/* What the rest of the engine may ask of the registry of functions beyond engine.h. */
#ifndef FT_ENGINE_CODES_H
#define FT_ENGINE_CODES_H

#include "engine/engine.h"

struct ft_str ft_utf8(PyObject *str, PyObject **keep);
int ft_codes_index(struct ft_codes *codes, PyObject *interp_dict);
bool ft_codes_take_id(struct ft_codes *codes, uint32_t *id);
void ft_codes_give_id(struct ft_codes *codes, uint32_t id);
void ft_codes_release(struct ft_codes *codes);
void ft_codes_bury(struct ft_codes *codes);
void ft_code_adopt(struct ft_code *c);

#endif
