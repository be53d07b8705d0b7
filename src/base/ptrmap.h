/* A map from a non-zero 64-bit key (an address, a serial) to a 64-bit value: open addressing,
 * power-of-two size, backward-shift deletion (no tombstones). Not locked. */
#ifndef FT_BASE_PTRMAP_H
#define FT_BASE_PTRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ft_ptrmap_slot {
    uint64_t key;      /* 0: free */
    uint64_t value;
};

struct ft_ptrmap {
    struct ft_ptrmap_slot *slots;  /* owned; NULL while empty */
    size_t mask;                   /* slots - 1 */
    size_t used;
};

void ft_ptrmap_init(struct ft_ptrmap *m);
void ft_ptrmap_fini(struct ft_ptrmap *m);
/* The value's place, or NULL. Valid until the next put or take. */
uint64_t *ft_ptrmap_get(struct ft_ptrmap *m, uint64_t key);
/* Sets, replacing; false when memory ran out (the map is unchanged). */
bool ft_ptrmap_put(struct ft_ptrmap *m, uint64_t key, uint64_t value);
/* Removes; true and *value (if not NULL) set when it was there. */
bool ft_ptrmap_take(struct ft_ptrmap *m, uint64_t key, uint64_t *value);
/* Calls visit for each pair; the map must not change meanwhile. */
void ft_ptrmap_each(const struct ft_ptrmap *m,
                    void (*visit)(void *ctx, uint64_t key, uint64_t value), void *ctx);

#endif
