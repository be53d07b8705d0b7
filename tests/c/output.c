/* The file that -o names: what is in it after whatever the program does to our descriptor. */
#include "sink/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define FILE_NAME "out.txt"

static struct ft_strbuf content;

static struct ft_str
read_file(const char *path)
{
    ft_strbuf_fini(&content);
    FILE *f = fopen(path, "r");
    for (int c; f != NULL && (c = getc(f)) != EOF;) {
        ft_strbuf_add_char(&content, (char)c);
    }
    if (f != NULL) {
        fclose(f);
    }
    return held(&content);
}

static void
put(struct ft_output *out, const char *line)
{
    out->write(out, str(line));
}

/* The number that our descriptor has: the highest one open. */
static int
our_fd(void)
{
    for (int fd = 4096; fd > 2; fd--) {
        if (fcntl(fd, F_GETFD) >= 0) {
            return fd;
        }
    }
    return -1;
}

static void
make_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

CASE(an_old_file_is_emptied_and_lines_wait_for_the_flush)
{
    make_file(FILE_NAME, "old\n");
    struct ft_output *out = ft_output_file(FILE_NAME);
    put(out, "one\n");
    CHECK_TEXT(read_file(FILE_NAME), "");
    out->flush(out);
    CHECK_TEXT(read_file(FILE_NAME), "one\n");
    put(out, "two\n");
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "one\ntwo\n");
    ft_strbuf_fini(&content);
}

CASE(more_than_a_buffer_arrives_whole_and_in_order)
{
    static char line[100000];
    struct ft_output *out = ft_output_file(FILE_NAME);
    size_t expected = 0;
    for (int i = 0; i < 300; i++) {
        size_t len = i == 150 ? sizeof(line) - 1 : 1000;
        memset(line, 'a' + i % 26, len);
        line[len - 1] = '\n';
        out->write(out, (struct ft_str){line, len});
        expected += len;
    }
    CHECK(out->error == 0 && out->lost_lines == 0);
    out->close(out);
    struct ft_str text = read_file(FILE_NAME);
    CHECK_NUMBER(text.len, expected);
    int i = 0;
    for (size_t at = 0; at < text.len; i++) {
        CHECK(text.s[at] == 'a' + i % 26);
        at += (size_t)((const char *)memchr(text.s + at, '\n', text.len - at) - text.s - at) + 1;
    }
    CHECK_NUMBER((uint64_t)i, 300);
    ft_strbuf_fini(&content);
}

CASE(the_descriptor_is_high_and_closed_on_exec)
{
    int before = dup(0);
    close(before);
    struct ft_output *out = ft_output_file(FILE_NAME);
    int after = dup(0), fd = our_fd();
    close(after);
    CHECK(before == after);
    CHECK(fd >= 1000 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_APPEND));
    out->close(out);
    CHECK(fcntl(fd, F_GETFD) < 0);
}

CASE(a_low_limit_of_descriptors_is_no_reason_to_fail)
{
    struct rlimit old, low;
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &low);
    struct ft_output *out = ft_output_file(FILE_NAME);
    int fd = our_fd();
    CHECK(out != NULL && fd >= 40);
    put(out, "line\n");
    out->close(out);
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK_TEXT(read_file(FILE_NAME), "line\n");
    ft_strbuf_fini(&content);
}

CASE(a_stranger_under_our_number_is_never_written_into)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    int fd = our_fd();
    make_file("stranger.txt", "theirs\n");
    int theirs = open("stranger.txt", O_RDWR);
    dup2(theirs, fd);
    put(out, "ours\n");
    out->flush(out);
    CHECK_TEXT(read_file("stranger.txt"), "theirs\n");
    CHECK_TEXT(read_file(FILE_NAME), "ours\n");
    out->close(out);
    CHECK(fcntl(fd, F_GETFD) >= 0);      /* and never closed */
    close(fd);
    close(theirs);
    ft_strbuf_fini(&content);
}

CASE(a_closed_descriptor_is_opened_again_by_name)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    put(out, "one\n");
    out->flush(out);
    close(our_fd());
    CHECK(chdir("/") == 0);              /* the name was made absolute */
    put(out, "two\n");
    out->flush(out);
    CHECK(out->lost_lines == 0 && our_fd() >= 1000);
    out->close(out);
}

CASE(lines_for_a_file_that_is_gone_are_counted)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    close(our_fd());
    unlink(FILE_NAME);
    make_file(FILE_NAME, "another's\n");
    put(out, "one\n");
    put(out, "two\n");
    out->flush(out);
    CHECK_NUMBER(out->lost_lines, 2);
    CHECK_NUMBER((uint64_t)out->error, EBADF);
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "another's\n");
    ft_strbuf_fini(&content);
}

CASE(a_link_planted_under_our_name_is_not_followed)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    close(our_fd());
    unlink(FILE_NAME);
    make_file("victim.txt", "victim\n");
    CHECK(symlink("victim.txt", FILE_NAME) == 0);
    put(out, "one\n");
    out->flush(out);
    CHECK_NUMBER(out->lost_lines, 1);
    out->close(out);
    CHECK_TEXT(read_file("victim.txt"), "victim\n");
    ft_strbuf_fini(&content);
}

CASE(a_full_disk_is_an_error_and_a_count)
{
    struct ft_output *out = ft_output_file("/dev/full");
    errno = 77;
    put(out, "one\n");
    put(out, "two\n");
    out->flush(out);
    CHECK(errno == 77);
    CHECK_NUMBER((uint64_t)out->error, ENOSPC);
    CHECK_NUMBER(out->lost_lines, 2);
    out->close(out);
}

CASE(a_file_at_its_size_limit_loses_the_rest)
{
    struct rlimit old, low;
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 6;
    signal(SIGXFSZ, SIG_IGN);            /* as the interpreter does */
    struct ft_output *out = ft_output_file(FILE_NAME);
    setrlimit(RLIMIT_FSIZE, &low);
    put(out, "one\n");
    put(out, "two\n");
    put(out, "three\n");
    out->flush(out);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_NUMBER((uint64_t)out->error, EFBIG);
    CHECK_NUMBER(out->lost_lines, 2);
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "one\ntw");
    ft_strbuf_fini(&content);
}

CASE(what_cannot_be_opened_says_why)
{
    errno = 0;
    CHECK(ft_output_file("no/such/folder/out.txt") == NULL && errno == ENOENT);
    CHECK(ft_output_file(".") == NULL && errno == EISDIR);
    out_of_memory_in = 0;
    CHECK(ft_output_file(FILE_NAME) == NULL);
}

CASE(what_is_no_regular_file_is_written)
{
    CHECK(mkfifo("fifo", 0600) == 0);
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    struct ft_output *out = ft_output_file("fifo");
    put(out, "through\n");
    out->flush(out);
    char got[20];
    ssize_t n = read(reader, got, sizeof(got));
    CHECK(n == 8 && memcmp(got, "through\n", 8) == 0);
    out->close(out);
    close(reader);
    out = ft_output_file("/dev/null");
    put(out, "nowhere\n");
    out->close(out);
}

CASE(a_file_that_is_also_standard_error_is_not_emptied)
{
    make_file(FILE_NAME, "said before\n");
    int saved = dup(2), fd = open(FILE_NAME, O_WRONLY | O_APPEND);
    dup2(fd, 2);
    struct ft_output *out = ft_output_file("/dev/stderr");
    dup2(saved, 2);
    close(fd);
    close(saved);
    CHECK(out != NULL);
    put(out, "ours\n");
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "said before\nours\n");
    ft_strbuf_fini(&content);
}

CASE(a_forked_child_writes_at_once_and_only_its_own)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    put(out, "parent's, in its buffer\n");
    pid_t pid = fork();
    if (pid == 0) {
        ft_output_file_forked(out);
        put(out, "child's\n");
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    CHECK_TEXT(read_file(FILE_NAME), "child's\n");
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "child's\nparent's, in its buffer\n");
    ft_strbuf_fini(&content);
}

CASE(the_emergency_write_empties_the_buffer_once)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    put(out, "one\n");
    long before = allocations;
    ft_output_file_emergency(out);
    ft_output_file_emergency(out);
    CHECK_NUMBER((uint64_t)allocations, (uint64_t)before);
    CHECK_TEXT(read_file(FILE_NAME), "one\n");
    put(out, "two\n");
    out->close(out);
    CHECK_TEXT(read_file(FILE_NAME), "one\ntwo\n");
    ft_strbuf_fini(&content);
}

CASE(the_emergency_write_spares_a_stranger)
{
    struct ft_output *out = ft_output_file(FILE_NAME);
    int fd = our_fd();
    put(out, "ours\n");
    make_file("stranger.txt", "");
    int theirs = open("stranger.txt", O_RDWR);
    dup2(theirs, fd);
    ft_output_file_emergency(out);
    CHECK_TEXT(read_file("stranger.txt"), "");
    close(theirs);
    out->close(out);
    close(fd);
    ft_strbuf_fini(&content);
}

/* Lines of one length, so that a line that went out twice or was torn is seen. */
static struct ft_output *dying;

static void
on_signal(int signum)
{
    (void)signum;
    ft_output_file_emergency(dying);
    _exit(0);
}

CASE(death_by_signal_loses_and_repeats_nothing_that_was_complete)
{
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            dying = ft_output_file(FILE_NAME);
            signal(SIGALRM, on_signal);
            ualarm((useconds_t)(3000 + round * 700), 0);
            char line[20];
            for (int i = 0;; i++) {
                snprintf(line, sizeof(line), "%09d\n", i);
                put(dying, line);
            }
        }
        int status;
        waitpid(pid, &status, 0);
        CHECK(WIFEXITED(status));
        struct ft_str text = read_file(FILE_NAME);
        CHECK(text.len > 0 && text.len % 10 == 0);
        for (size_t i = 0; i + 10 <= text.len; i += 10) {
            char expected[20];
            snprintf(expected, sizeof(expected), "%09u\n", (unsigned)(i / 10));
            if (memcmp(text.s + i, expected, 10) != 0) {
                CHECK(!"a line is missing, torn or there twice");
                break;
            }
        }
    }
    ft_strbuf_fini(&content);
}

CASE(memory_collects)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    struct ft_output *out = ft_output_memory(&b);
    put(out, "a\n");
    put(out, "b\n");
    out->flush(out);
    out->close(out);
    CHECK_TEXT(held(&b), "a\nb\n");
    ft_strbuf_fini(&b);
}
