/* Unsigned numbers of 7 bits a byte, lowest first; the top bit says that another byte follows
 * (LEB128). At most 10 bytes. */
#ifndef FT_BASE_VARINT_H
#define FT_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define FT_VARINT_MAX 10

/* Writes at `p`, which has room for FT_VARINT_MAX bytes; gives the place behind. */
static inline uint8_t *
ft_varint_put(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)value | 0x80;
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

/* Reads at `p`, never at or behind `end`; the place behind, or NULL: cut short or too long. */
static inline const uint8_t *
ft_varint_get(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    uint64_t v = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t byte = *p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = v;
            return p;
        }
    }
    return NULL;
}

/* Signed numbers, those near 0 short: 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
static inline uint64_t
ft_zigzag(uint64_t difference)
{
    return difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0);
}

static inline uint64_t
ft_unzigzag(uint64_t value)
{
    return value >> 1 ^ (value & 1 ? UINT64_MAX : 0);
}

#endif
