/* Room in a file, mapped: what is stored there is in the kernel's hands at once and outlives the
 * process however it dies. The room is reserved on the disk before it is mapped, because storing
 * into a hole of a full disk is SIGBUS. No descriptor stays open. Not locked: a space belongs to
 * one thread at a time. */
#ifndef FT_BASE_SPACE_H
#define FT_BASE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ft_space {
    char *path;          /* owned, absolute */
    uint8_t *map;        /* the piece mapped now; NULL: none */
    size_t len;          /* its bytes */
    uint64_t at;         /* its place in the file */
    uint64_t dev, ino;   /* of the file made: one of that name made later is not ours */
    bool promised;       /* the file system promises room; else zeros are written */
};

/* Both give 0 or an errno and leave `s` without a map then.
 *
 * Makes the file (mode 0600; it must not exist, nor be a link) and maps its first `len` bytes, a
 * multiple of the page size, zero-filled. `path` is copied. */
int ft_space_create(struct ft_space *s, const char *path, size_t len);
/* Of a large piece that will be written slowly: the kernel is not to fetch all of it, zeros, at the
 * first touch, which takes milliseconds. */
void ft_space_slowly(struct ft_space *s);
/* Lets go of the piece mapped and maps the next `len` bytes behind it. */
int ft_space_next(struct ft_space *s, size_t len);
/* Unmaps; `used`: the file is cut to so many bytes, unless that is more than it has. */
void ft_space_close(struct ft_space *s, uint64_t used);
/* The same, but the file keeps its length: what was cut off is zeros that take no room. */
void ft_space_close_hole(struct ft_space *s, uint64_t used);
/* Unmaps and leaves the file alone: in a forked child it is the parent's. */
void ft_space_forget(struct ft_space *s);
/* open() with mode 0600 where neither the file nor its folder may have become a link meanwhile: it
 * would lead into another's. -1 and errno. */
int ft_space_open(const char *path, int flags);

#endif
