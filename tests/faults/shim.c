/* Preloaded into a traced program: lets one kind of call that pyftrace's extension makes fail, by
 * its number. Calls of anybody else go through, so the program itself must notice nothing at all.
 *   FAIL=malloc:17    the 17th (malloc, calloc, realloc, strdup and strndup count together)
 *   FAIL=malloc:17+   that one and all after it
 *   FAIL=malloc:0     none; the number of calls is written at the end
 *   FAIL_LOG=FILE     where the number goes, and that a call has failed ("!") */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char kind[32];
static long nth;
static int forever;
static atomic_long count;
static atomic_uintptr_t low, high; /* of the extension's text */

static void
note(const char *text, size_t len)
{
    const char *path = getenv("FAIL_LOG");
    if (path != NULL) {
        long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd >= 0) {
            syscall(SYS_write, fd, text, len);
            syscall(SYS_close, fd);
        }
    }
}

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("FAIL");
    if (text != NULL) {
        const char *colon = strchr(text, ':');
        if (colon != NULL && (size_t)(colon - text) < sizeof(kind)) {
            memcpy(kind, text, (size_t)(colon - text));
            nth = atol(colon + 1);
            forever = text[strlen(text) - 1] == '+';
        }
    }
}

__attribute__((destructor)) static void
end(void)
{
    if (nth == 0 && kind[0] != '\0') {
        char text[32];
        int len = snprintf(text, sizeof(text), "%ld\n", atomic_load(&count));
        note(text, (size_t)len);
    }
}

static int
look(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (strstr(info->dlpi_name, "/_engine.") == NULL) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X)) {
            atomic_store(&high, info->dlpi_addr + h->p_vaddr + h->p_memsz);
            atomic_store(&low, info->dlpi_addr + h->p_vaddr);
        }
    }
    return 1;
}

static int
fails(const char *what, void *from)
{
    uintptr_t at = (uintptr_t)from;
    if (kind[0] == '\0' || strcmp(what, kind) != 0) {
        return 0;
    }
    if (at < atomic_load(&low) || at >= atomic_load(&high)) {
        return 0;
    }
    long n = atomic_fetch_add(&count, 1) + 1;
    if (nth == 0 || !(n == nth || (forever && n > nth))) {
        return 0;
    }
    if (n == nth) {
        note("!\n", 2);
    }
    return 1;
}

#define REAL(name) ((__typeof__(&name))real_##name)
#define FROM __builtin_return_address(0)
#define FIND(name)                                                                                 \
    static void *real_##name;                                                                      \
    if (real_##name == NULL) {                                                                     \
        real_##name = dlsym(RTLD_NEXT, #name);                                                     \
    }

/* Where the extension lies is known before its first call. */
void *
dlopen(const char *name, int flags)
{
    FIND(dlopen)
    void *found = REAL(dlopen)(name, flags);
    if (name != NULL && strstr(name, "/_engine.") != NULL) {
        dl_iterate_phdr(look, NULL);
    }
    return found;
}

/* dlsym may allocate before anything is found: glibc's own names need no looking for. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

#define FAILS(what, error, value)                                                                  \
    if (fails(what, FROM)) {                                                                       \
        errno = error;                                                                             \
        return value;                                                                              \
    }

void *
malloc(size_t n)
{
    FAILS("malloc", ENOMEM, NULL)
    return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
    FAILS("malloc", ENOMEM, NULL)
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
    FAILS("malloc", ENOMEM, NULL)
    return __libc_realloc(p, n);
}

char *
strdup(const char *s)
{
    FAILS("malloc", ENOMEM, NULL)
    size_t len = strlen(s) + 1;
    char *copy = __libc_malloc(len);
    return copy != NULL ? memcpy(copy, s, len) : NULL;
}

char *
strndup(const char *s, size_t most)
{
    FAILS("malloc", ENOMEM, NULL)
    size_t len = strnlen(s, most);
    char *copy = __libc_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

void *
mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    FAILS("mmap", ENOMEM, MAP_FAILED)
    FIND(mmap)
    return REAL(mmap)(at, len, prot, flags, fd, offset);
}

int
posix_fallocate(int fd, off_t at, off_t len)
{
    if (fails("fallocate", FROM)) {
        return ENOSPC;
    }
    FIND(posix_fallocate)
    return REAL(posix_fallocate)(fd, at, len);
}

int
ftruncate(int fd, off_t len)
{
    FAILS("ftruncate", EIO, -1)
    FIND(ftruncate)
    return REAL(ftruncate)(fd, len);
}

int
mkdir(const char *path, mode_t mode)
{
    FAILS("folder", ENOSPC, -1)
    FIND(mkdir)
    return REAL(mkdir)(path, mode);
}

int
rename(const char *from, const char *to)
{
    FAILS("folder", ENOSPC, -1)
    FIND(rename)
    return REAL(rename)(from, to);
}

int
open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    FAILS("open", EMFILE, -1)
    FIND(open)
    return REAL(open)(path, flags, mode);
}

int
openat(int folder, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    FAILS("open", EMFILE, -1)
    FIND(openat)
    return REAL(openat)(folder, path, flags, mode);
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
    FAILS("write", ENOSPC, -1)
    FIND(write)
    return REAL(write)(fd, bytes, n);
}

/* Where writes fail, those that do not write half: whoever asks must go on with the rest. */
ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
    FAILS("write", ENOSPC, -1)
    FIND(pwritev)
    return REAL(pwritev)(fd, parts, strcmp(kind, "write") == 0 ? (n + 1) / 2 : n, at);
}

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
    FAILS("read", EIO, -1)
    FIND(pread)
    return REAL(pread)(fd, bytes, n, at);
}
