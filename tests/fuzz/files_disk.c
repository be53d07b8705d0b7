/* The files of an input, on disk (in memory where there is /dev/shm). */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "files.h"

#define PATH_ROOM 256

static const char *const file_names[FILES] = FUZZ_FILE_NAMES;
static char folder[PATH_ROOM];

static void
path_of(char path[PATH_ROOM], unsigned file)
{
    int n = snprintf(path, PATH_ROOM, "%.200s/%s", folder, file_names[file]);
    MUST(n > 0 && n < PATH_ROOM);
}

static void
remove_folder(void)
{
    char path[PATH_ROOM];
    for (unsigned file = 0; file < FILES; file++) {
        path_of(path, file);
        unlink(path);
    }
    rmdir(folder);
}

static void
make_folder(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof(folder), "%s/pyftrace-fuzz-XXXXXX", base);
    MUST(mkdtemp(folder) != NULL);
    atexit(remove_folder);
}

/* Files not named by the input are removed; `there` remembers what the one before left. */
static void
write_files(const uint8_t *data, size_t size)
{
    static unsigned there;
    char path[PATH_ROOM];
    int fds[FILES];
    struct piece piece;
    memset(fds, 0xff, sizeof(fds));
    for (size_t next = 1; fuzz_piece(data, size, &next, &piece);) {
        if (fds[piece.file] < 0) {
            path_of(path, piece.file);
            fds[piece.file] = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
            MUST(fds[piece.file] >= 0);
        }
        ssize_t n = pwrite(fds[piece.file], data + piece.body, piece.len, (off_t)piece.at);
        MUST(n == (ssize_t)piece.len);
    }
    for (unsigned file = 0; file < FILES; file++) {
        if (fds[file] >= 0) {
            close(fds[file]);
            there |= 1u << file;
        }
        else if (there & 1u << file) {
            path_of(path, file);
            unlink(path);
            there &= ~(1u << file);
        }
    }
}

const char *
fuzz_files(const uint8_t *data, size_t size)
{
    if (folder[0] == '\0') {
        make_folder();
    }
    write_files(data, size);
    return folder;
}
