/* Functions as uftrace's symbol files have them: each a name, an address and a line of source.
 * Python functions lie in a module called "python", C callables in one called "C" and of the kind
 * that --no-libcall leaves out. */
#ifndef FT_SINK_UFTRACE_NAMES_H
#define FT_SINK_UFTRACE_NAMES_H

#include "base/ptrmap.h"
#include "sink/folder.h"
#include "sink/func.h"

/* The module of Python functions: to uftrace, the program that was run. */
#define FT_UFTRACE_PROGRAM "/python"

enum ft_uftrace_module {
    FT_UFTRACE_PYTHON,
    FT_UFTRACE_C,
    FT_UFTRACE_MODULES,
};

struct ft_uftrace_names {
    struct ft_folder *folder;            /* borrowed */
    uint64_t *places;                    /* owned: an address by function id; 0: not yet */
    uint32_t nplaces;
    struct ft_ptrmap known;              /* what tells functions apart, hashed -> address */
    struct ft_ptrmap taken;              /* a name, hashed -> how many have asked for it */
    uint32_t n[FT_UFTRACE_MODULES];
    struct ft_strbuf symbols[FT_UFTRACE_MODULES], lines;   /* not written yet */
    struct ft_strbuf name;               /* scratch */
};

void ft_uftrace_names_init(struct ft_uftrace_names *names, struct ft_folder *folder);
void ft_uftrace_names_fini(struct ft_uftrace_names *names);
/* The function's address; 0: no memory. */
uint64_t ft_uftrace_address(struct ft_uftrace_names *names, const struct ft_func *func);
/* That of a call of which no more is known than that it is open: a recording calls it so too. */
uint64_t ft_uftrace_unknown(struct ft_uftrace_names *names);
/* Writes the rest. */
void ft_uftrace_names_end(struct ft_uftrace_names *names);
/* Adds the text of a file sid-*.map: where the modules lie. */
void ft_uftrace_map(const struct ft_uftrace_names *names, struct ft_strbuf *b);

#endif
