/* test_file: reads and writes over descriptors, and what their failures say. */
#include "lib/base/file.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Test(file, scratch_is_read_and_written) {
    struct mr_error err = {0};
    int fd = -1;
    char data[16] = "";
    size_t got = 0;
    cr_assert_eq(mr_file_scratch("/tmp", &fd, &err), 0, "%s", err.text);
    cr_assert_eq(mr_file_write(fd, "0123456789", 10, "scratch", &err), 0);
    cr_assert_eq(mr_file_write_at(fd, 3, "abc", 3, "scratch", &err), 0);
    cr_assert_eq(mr_file_write_at(fd, 12, "z", 1, "scratch", &err), 0);
    cr_assert_eq(mr_file_read(fd, 2, data, 5, "scratch", &got, &err), 0);
    cr_assert_eq(got, 5u);
    cr_assert(memcmp(data, "2abc6", 5) == 0);
    cr_assert_eq(mr_file_read(fd, 9, data, sizeof data, "scratch", &got, &err), 0);
    cr_assert_eq(got, 4u, "less only at the end");
    cr_assert(memcmp(data, "9\0\0z", 4) == 0);
    cr_assert_eq(mr_file_read(fd, 13, data, sizeof data, "scratch", &got, &err), 0);
    cr_assert_eq(got, 0u);
    cr_assert_eq(mr_file_sync(fd, "scratch", &err), 0);
    cr_assert_eq(mr_file_close(&fd, "scratch", &err), 0);
    cr_assert_eq(fd, -1);
    cr_assert_eq(mr_file_close(&fd, "scratch", &err), 0, "closing twice is harmless");
}

Test(file, scratch_has_no_name) {
    struct mr_error err = {0};
    int fd = -1;
    struct stat info;
    cr_assert_eq(mr_file_scratch("/tmp", &fd, &err), 0, "%s", err.text);
    cr_assert_eq(fstat(fd, &info), 0);
    cr_assert_eq(info.st_nlink, 0u);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(mr_file_close(&fd, "scratch", &err), 0);
}

Test(file, scratch_where_there_is_no_folder) {
    struct mr_error err = {0};
    int fd = -1;
    cr_assert_eq(mr_file_scratch("/nowhere/at/all", &fd, &err), MR_ERR_IO);
    cr_assert_eq(fd, -1);
    cr_assert_str_eq(err.text, "make a scratch file in \"/nowhere/at/all\": "
                               "No such file or directory");
}

static void *write_slowly(void *arg) {
    int fd = *(int *)arg;
    for (int i = 0; i < 5; i++) {
        if (write(fd, "ab", 2) != 2) {
            break;
        }
        usleep(1000);
    }
    close(fd);
    return NULL;
}

Test(file, reads_through_short_reads_of_a_pipe) {
    struct mr_error err = {0};
    int ends[2];
    char data[32];
    size_t got = 0;
    pthread_t writer;
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0); /* EAGAIN is waited out too */
    cr_assert_eq(pthread_create(&writer, NULL, write_slowly, &ends[1]), 0);
    cr_assert_eq(mr_file_read(ends[0], -1, data, sizeof data, "pipe", &got, &err), 0);
    pthread_join(writer, NULL);
    cr_assert_eq(got, 10u);
    cr_assert(memcmp(data, "ababababab", 10) == 0);
    close(ends[0]);
}

struct drain {
    int fd;
    size_t got;
};

static void *read_all(void *arg) {
    struct drain *drain = arg;
    char data[4096];
    ssize_t count;
    while ((count = read(drain->fd, data, sizeof data)) > 0) {
        drain->got += (size_t)count;
    }
    return NULL;
}

Test(file, writes_through_short_writes_of_a_pipe) {
    struct mr_error err = {0};
    int ends[2];
    pthread_t reader;
    size_t len = (size_t)1 << 20;
    char *data = calloc(1, len);
    cr_assert_not_null(data);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    struct drain drain = {ends[0], 0};
    cr_assert_eq(pthread_create(&reader, NULL, read_all, &drain), 0);
    cr_assert_eq(mr_file_write(ends[1], data, len, "pipe", &err), 0, "%s", err.text);
    close(ends[1]);
    pthread_join(reader, NULL);
    cr_assert_eq(drain.got, len);
    close(ends[0]);
    free(data);
}

Test(file, a_closed_pipe_is_no_io_error) {
    struct mr_error err = {0};
    int ends[2];
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    cr_assert_eq(mr_file_write(ends[1], "x", 1, "standard output", &err), MR_ERR_CLOSED);
    cr_assert_str_eq(err.text, "write \"standard output\": Broken pipe");
    close(ends[1]);
    signal(SIGPIPE, before);
}

Test(file, failures_name_the_file) {
    struct mr_error full = {0};
    struct mr_error closed = {0};
    struct mr_error unread = {0};
    struct mr_error unsynced = {0};
    size_t got = 0;
    char data[4];
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    cr_assert_eq(mr_file_write(fd, "x", 1, "out", &full), MR_ERR_IO);
    cr_assert_str_eq(full.text, "write \"out\": No space left on device");
    cr_assert_eq(mr_file_read(fd, -1, data, sizeof data, "out", &got, &unread), MR_ERR_IO);
    cr_assert_str_eq(unread.text, "read \"out\": Bad file descriptor");
    cr_assert_eq(got, 0u);
    cr_assert_eq(mr_file_sync(fd, "out", &unsynced), MR_ERR_IO);
    cr_assert(strncmp(unsynced.text, "sync \"out\": ", 12) == 0);
    close(fd);
    cr_assert_eq(mr_file_close(&fd, "out", &closed), MR_ERR_IO);
    cr_assert_str_eq(closed.text, "close \"out\": Bad file descriptor");
    cr_assert_eq(fd, -1);
}

Test(file, offsets_past_all_files) {
    struct mr_error err = {0};
    cr_assert_eq(mr_file_write_at(1, UINT64_MAX, "x", 1, "out", &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "write \"out\": File too large");
}

Test(file, a_link_takes_the_place_of_a_file) {
    char dir[] = "/tmp/test_file-XXXXXX";
    struct stat one;
    struct stat two;
    cr_assert(mkdtemp(dir) && chdir(dir) == 0);
    cr_assert(mkdir("dir", 0700) == 0);
    for (int i = 0; i < 2; i++) {
        int fd = open(i ? "to" : "from", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        cr_assert(fd >= 0 && close(fd) == 0);
    }
    for (int i = 0; i < 2; i++) { /* of another file, and of the same */
        cr_assert_eq(mr_file_link("from", "to"), 0);
        cr_assert(stat("from", &one) == 0 && stat("to", &two) == 0);
        cr_assert_eq(one.st_ino, two.st_ino);
    }
    cr_assert(mr_file_link("none", "to") != 0 && errno == ENOENT);
    cr_assert(mr_file_link("from", "dir") != 0 && errno == EISDIR);
    cr_assert(unlink("from") == 0 && unlink("to") == 0 && rmdir("dir") == 0 && rmdir(dir) == 0);
}
