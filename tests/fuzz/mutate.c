/* Mutations that get deep: a piece of one file is changed, then what the reader checks first (the
 * magics, the version, the run's id, the segments' extents) is mostly put right again. */
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "trace/format.h"

#define PIECES_MAX 32
#define NUMBERS 12

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static size_t
list(const uint8_t *data, size_t size, struct piece pieces[PIECES_MAX])
{
    size_t n = 0, next = 1;
    while (n < PIECES_MAX && fuzz_piece(data, size, &next, &pieces[n])) {
        n++;
    }
    return n;
}

/* ---- putting right --------------------------------------------------------------------------- */

static void
right_head(uint8_t *body, size_t len, const char *magic, uint32_t head_size)
{
    struct ft_file_head head;
    if (len < sizeof(head)) {
        return;
    }
    memcpy(&head, body, sizeof(head));
    memcpy(head.magic, magic, sizeof(head.magic));
    head.version = FT_TRACE_VERSION;
    head.endian = FT_TRACE_ENDIAN;
    head.head_size = head_size;
    memcpy(body, &head, sizeof(head));
}

/* A segment's extent: up to the piece's end, or for the earlier ones what it says itself. */
static void
right_segments(uint8_t *body, size_t len, size_t at)
{
    struct ft_segment s;
    while (at <= len && len - at >= sizeof(s)) {
        memcpy(&s, body + at, sizeof(s));
        s.magic = FT_SEGMENT_MAGIC;
        size_t left = len - at;
        if (s.size < sizeof(s) || s.size >= left || s.size % 8 != 0) {
            s.size = (left + 7) & ~(size_t)7;
            s.flags &= FT_SEGMENT_FORK;
        }
        if (s.used < sizeof(s) || s.used > s.size) {
            s.used = s.size < left ? s.size : left;
        }
        s.depth %= FT_DEPTH_MAX;
        s.last = s.last < s.first ? s.first : s.last;
        memcpy(body + at, &s, sizeof(s));
        at += s.size;
    }
}

static void
put_right(uint8_t *data, size_t size)
{
    struct piece pieces[PIECES_MAX];
    uint8_t id[16] = {0};
    size_t n = list(data, size, pieces);
    for (size_t i = 0; i < n; i++) {
        uint8_t *body = data + pieces[i].body;
        size_t len = pieces[i].len;
        if (pieces[i].at > 0) {
            if (IS_LANE(pieces[i].file)) {
                right_segments(body, len, 0);
            }
        }
        else if (pieces[i].file == FILE_RUN) {
            right_head(body, len, FT_RUN_MAGIC, sizeof(struct ft_run_head));
            if (len >= sizeof(struct ft_run_head)) {
                uint32_t text = (uint32_t)(len - sizeof(struct ft_run_head));
                memcpy(id, body + offsetof(struct ft_run_head, id), sizeof(id));
                memcpy(body + offsetof(struct ft_run_head, text), &text, sizeof(text));
            }
        }
        else if (IS_DEFS(pieces[i].file)) {
            right_head(body, len, FT_DEFS_MAGIC, sizeof(struct ft_defs_head));
            if (len >= sizeof(struct ft_defs_head)) {
                memcpy(body + offsetof(struct ft_defs_head, run), id, sizeof(id));
                body[offsetof(struct ft_defs_head, shift)] &= 7;
                memset(body + offsetof(struct ft_defs_head, shift) + 1, 0, 3);
            }
        }
        else if (IS_LANE(pieces[i].file)) {
            right_head(body, len, FT_LANE_MAGIC, sizeof(struct ft_lane_head));
            right_segments(body, len, sizeof(struct ft_lane_head));
        }
    }
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Bytes of a piece that a mutation of its contents leaves alone. */
static size_t
kept_head(const struct piece *piece)
{
    size_t head = piece->at > 0             ? 0
                  : piece->file == FILE_RUN ? sizeof(struct ft_run_head)
                  : IS_DEFS(piece->file)    ? sizeof(struct ft_defs_head)
                  : IS_LANE(piece->file)    ? sizeof(struct ft_lane_head)
                                            : 0;
    head += IS_LANE(piece->file) ? sizeof(struct ft_segment) : 0;
    return head < piece->len ? head : 0;
}

/* The contents, which may grow or shrink. */
static size_t
change_contents(uint8_t *data, size_t size, size_t max_size, const struct piece *piece)
{
    size_t head = kept_head(piece), old = piece->len - head;
    size_t at = piece->body + head, behind = size - at - old;
    size_t room = max_size - size + old;
    uint8_t *work = malloc(room + 1);
    if (work == NULL || room == 0) {
        free(work);
        return size;
    }
    memcpy(work, data + at, old);
    size_t len = LLVMFuzzerMutate(work, old, room);
    memmove(data + at + len, data + at + old, behind);
    memcpy(data + at, work, len);
    free(work);
    fuzz_put24(data + piece->body - 3, head + len);
    return size - old + len;
}

/* A number of a head or of a segment's head becomes a remarkable one. */
static void
change_number(uint8_t *data, const struct piece *piece, uint64_t random)
{
    static const uint64_t numbers[NUMBERS] = {
        0, 1, 7, 64, 104, 256, 4096, 1u << 20, 1u << 24, UINT32_MAX, (uint64_t)1 << 40, UINT64_MAX};
    size_t width = random & 1 ? 8 : 4;
    uint64_t value = numbers[(random >> 1) % NUMBERS] + (random >> 8 & 1);
    size_t words = piece->len / width, first = kept_head(piece) / width;
    if (words > 0) {
        size_t at = (random >> 16) % (random & 0x8000 && first > 0 ? first : words);
        memcpy(data + piece->body + at * width, &value, width);
    }
}

/* Another file's contents under this name, or the piece once more behind all. */
static size_t
copy_piece(uint8_t *data, size_t size, size_t max_size, const struct piece *piece, uint64_t random)
{
    size_t whole = PIECE_HEAD + piece->len;
    if (whole > max_size - size) {
        data[piece->body - PIECE_HEAD] = (uint8_t)(random >> 8);
        return size;
    }
    memcpy(data + size, data + piece->body - PIECE_HEAD, whole);
    if (random & 1) {
        data[size] = (uint8_t)(random >> 8);
    }
    else {
        fuzz_put24(data + size + 1,
                   (random & 2 ? piece->at + piece->len : random >> 16 & 0x3fff) / PIECE_UNIT);
    }
    return size + whole;
}

static size_t
drop_piece(uint8_t *data, size_t size, const struct piece *piece)
{
    size_t from = piece->body - PIECE_HEAD, to = piece->body + piece->len;
    memmove(data + from, data + to, size - to);
    return size - (to - from);
}

/* Every bit of the seed counts in every bit of the first number already (splitmix64). */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct piece pieces[PIECES_MAX];
    uint64_t state = seed;
    size_t n = list(data, size, pieces);
    uint64_t what = next_random(&state) % 16, random = next_random(&state);
    if (n == 0 || what == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    const struct piece *piece = &pieces[next_random(&state) % n];
    if (what <= 8) {
        size = change_contents(data, size, max_size, piece);
    }
    else if (what <= 12) {
        change_number(data, piece, random);
    }
    else if (what == 13) {
        size = copy_piece(data, size, max_size, piece, random);
    }
    else if (what == 14) {
        size = n > 1 ? drop_piece(data, size, piece) : size;
    }
    else {
        data[0] = (uint8_t)random;
    }
    if (next_random(&state) % 4 != 0) {
        put_right(data, size);
    }
    return size;
}
