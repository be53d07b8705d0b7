/* One fuzz input: a plan byte (which sink, which part) and pieces of a recording's files.
 *
 *     plan    1 byte
 *     piece   file (1 byte), place in it (3 bytes, in units of 64), length (3 bytes), the bytes
 *
 * Numbers are little-endian. Several pieces of one file leave holes of zeros between them, as a
 * ring's lane has. make_corpus.py writes the same. */
#ifndef FUZZ_CONTAINER_H
#define FUZZ_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECE_HEAD 7
#define PIECE_UNIT 64
#define FILES 8

/* By number; make_corpus.py has the same list. */
#define FUZZ_FILE_NAMES                                                                            \
    {"run", "1-1.defs", "1-1.0.lane", "1-1.1.lane", "2-2.defs", "2-2.0.lane", "3-3.defs", "4.fail"}
#define FILE_RUN 0
#define IS_DEFS(file) ((file) == 1 || (file) == 4 || (file) == 6)
#define IS_LANE(file) ((file) == 2 || (file) == 3 || (file) == 5)

struct piece {
    unsigned file;
    size_t at, len;          /* in the file */
    size_t body;             /* of its bytes, in the input */
};

static inline size_t
fuzz_get24(const uint8_t *p)
{
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

static inline void
fuzz_put24(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
}

/* The piece at *next, which is moved behind it; a length beyond the end is cut. False: no more. */
static inline bool
fuzz_piece(const uint8_t *data, size_t size, size_t *next, struct piece *piece)
{
    if (size < PIECE_HEAD || *next > size - PIECE_HEAD) {
        return false;
    }
    const uint8_t *p = data + *next;
    piece->file = p[0] % FILES;
    piece->at = fuzz_get24(p + 1) * PIECE_UNIT;
    piece->len = fuzz_get24(p + 4);
    piece->body = *next + PIECE_HEAD;
    if (piece->len > size - piece->body) {
        piece->len = size - piece->body;
    }
    *next = piece->body + piece->len;
    return true;
}

#endif
