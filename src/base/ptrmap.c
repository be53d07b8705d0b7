/* Open addressing with linear probing; see ptrmap.h. No locks. */
#include "base/ptrmap.h"

#include <stdlib.h>

void
ft_ptrmap_init(struct ft_ptrmap *m)
{
    *m = (struct ft_ptrmap){NULL, 0, 0};
}

void
ft_ptrmap_fini(struct ft_ptrmap *m)
{
    free(m->slots);
    ft_ptrmap_init(m);
}

/* Addresses share their low and high bits: mix before masking. */
static size_t
home(const struct ft_ptrmap *m, uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15u;
    return (size_t)(key >> 20) & m->mask;
}

/* The key's slot, or the free one where it would go. */
static struct ft_ptrmap_slot *
find(const struct ft_ptrmap *m, uint64_t key)
{
    size_t at = home(m, key);
    while (m->slots[at].key != 0 && m->slots[at].key != key) {
        at = (at + 1) & m->mask;
    }
    return &m->slots[at];
}

uint64_t *
ft_ptrmap_get(struct ft_ptrmap *m, uint64_t key)
{
    if (m->slots == NULL) {
        return NULL;
    }
    struct ft_ptrmap_slot *slot = find(m, key);
    return slot->key == key ? &slot->value : NULL;
}

static bool
grow(struct ft_ptrmap *m)
{
    size_t slots = m->slots ? (m->mask + 1) * 2 : 16;
    struct ft_ptrmap bigger = {calloc(slots, sizeof(struct ft_ptrmap_slot)), slots - 1, m->used};
    if (bigger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; m->slots != NULL && i <= m->mask; i++) {
        if (m->slots[i].key != 0) {
            *find(&bigger, m->slots[i].key) = m->slots[i];
        }
    }
    free(m->slots);
    *m = bigger;
    return true;
}

bool
ft_ptrmap_put(struct ft_ptrmap *m, uint64_t key, uint64_t value)
{
    /* At most three quarters full. */
    if ((m->slots == NULL || m->used * 4 >= (m->mask + 1) * 3) && !grow(m)
        && ft_ptrmap_get(m, key) == NULL) {
        return false;
    }
    struct ft_ptrmap_slot *slot = find(m, key);
    m->used += slot->key == 0;
    *slot = (struct ft_ptrmap_slot){key, value};
    return true;
}

bool
ft_ptrmap_take(struct ft_ptrmap *m, uint64_t key, uint64_t *value)
{
    struct ft_ptrmap_slot *slot = m->slots ? find(m, key) : NULL;
    if (slot == NULL || slot->key != key) {
        return false;
    }
    if (value != NULL) {
        *value = slot->value;
    }
    /* Close the gap: whoever probed past it moves back. */
    size_t gap = (size_t)(slot - m->slots);
    for (size_t at = (gap + 1) & m->mask; m->slots[at].key != 0; at = (at + 1) & m->mask) {
        size_t want = home(m, m->slots[at].key);
        if (((at - want) & m->mask) >= ((at - gap) & m->mask)) {
            m->slots[gap] = m->slots[at];
            gap = at;
        }
    }
    m->slots[gap].key = 0;
    m->used--;
    return true;
}

void
ft_ptrmap_each(const struct ft_ptrmap *m, void (*visit)(void *ctx, uint64_t key, uint64_t value),
               void *ctx)
{
    for (size_t i = 0; m->slots != NULL && i <= m->mask; i++) {
        if (m->slots[i].key != 0) {
            visit(ctx, m->slots[i].key, m->slots[i].value);
        }
    }
}
