/* test_part: what a part holds, what it says of itself, and how it fails. */
#include "lib/output/part.h"

#include "lib/base/hash.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/millrace-part-XXXXXX";

static int open_folder(void) {
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

static void close_folder(int fd, const char *name) {
    cr_assert_eq(unlinkat(fd, name, 0), 0);
    cr_assert_eq(close(fd), 0);
    cr_assert_eq(rmdir(folder), 0);
}

Test(part, holds_what_was_written) {
    struct mr_error err = {0};
    struct mr_part part = {0};
    struct mr_run_part result = {.records = 7};
    int dir_fd = open_folder();
    cr_assert_eq(mr_part_create(&part, dir_fd, "part-00000", &err), 0, "%s", err.text);
    cr_assert_eq(mr_part_write(&part, "milk", 4, &err), 0);
    cr_assert_eq(mr_part_write(&part, "", 0, &err), 0);
    cr_assert_eq(mr_part_write(&part, "race", 4, &err), 0);
    cr_assert_eq(mr_part_finish(&part, &result, &err), 0);
    cr_assert_eq(result.bytes, 8u);
    cr_assert_eq(result.records, 7u);
    cr_assert_eq(result.xxh3, mr_hash_xxh3("milkrace", 8));
    cr_assert_eq(part.fd, -1);
    mr_part_abandon(&part);

    char text[16] = {0};
    int fd = openat(dir_fd, "part-00000", O_RDONLY);
    cr_assert_eq(read(fd, text, sizeof text), 8);
    cr_assert_str_eq(text, "milkrace");
    close(fd);
    close_folder(dir_fd, "part-00000");
}

Test(part, grows_past_the_write_back_step) {
    struct mr_error err = {0};
    struct mr_part part;
    struct mr_run_part result = {0};
    size_t piece = (size_t)3 << 20;
    char *data = calloc(1, piece);
    int dir_fd = open_folder();
    cr_assert_not_null(data);
    cr_assert_eq(mr_part_create(&part, dir_fd, "big", &err), 0);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(mr_part_write(&part, data, piece, &err), 0);
    }
    cr_assert_eq(part.flushed, 6 * piece);
    cr_assert_eq(mr_part_finish(&part, &result, &err), 0);
    cr_assert_eq(result.bytes, 6 * piece);
    free(data);
    close_folder(dir_fd, "big");
}

Test(part, refuses_what_exists) {
    struct mr_error err = {0};
    struct mr_part part;
    int dir_fd = open_folder();
    cr_assert_eq(mr_part_create(&part, dir_fd, "twice", &err), 0);
    mr_part_abandon(&part);
    cr_assert_eq(mr_part_create(&part, dir_fd, "twice", &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "make \"twice\": File exists");
    mr_part_abandon(&part);
    cr_assert_eq(symlinkat("elsewhere", dir_fd, "link"), 0);
    err = (struct mr_error){0};
    cr_assert_eq(mr_part_create(&part, dir_fd, "link", &err), MR_ERR_IO);
    cr_assert_eq(unlinkat(dir_fd, "link", 0), 0);
    close_folder(dir_fd, "twice");
}

/* A limit on the size of files stands in for a full disk: the write is cut short, then fails. */
Test(part, says_how_far_it_came) {
    struct mr_error err = {0};
    struct mr_part part;
    struct rlimit before;
    char data[3000] = {0};
    int dir_fd = open_folder();
    cr_assert_eq(mr_part_create(&part, dir_fd, "part-00003", &err), 0);
    cr_assert_eq(mr_part_write(&part, data, 2000, &err), 0);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    int status = mr_part_write(&part, data, sizeof data, &err);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert_eq(status, MR_ERR_IO);
    char wanted[256];
    snprintf(wanted, sizeof wanted,
             "write \"%s/part-00003\": File too large: 4.10 kB of it written", folder);
    cr_assert_str_eq(err.text, wanted);
    mr_part_abandon(&part);
    close_folder(dir_fd, "part-00003");
}

Test(part, says_what_a_full_disk_lacks) {
    struct mr_error err = {0};
    struct mr_part part = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        cr_skip_test("there is no /dev/full");
    }
    cr_assert_eq(mr_part_stream(&part, fd, &err), 0);
    part.is_stream = false; /* as if it were a file of ours */
    cr_assert_eq(mr_part_write(&part, "1234567", 7, &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "write \"the output stream\": No space left on device: 0 B of it"
                               " written; at least 7 B more is needed");
    mr_part_abandon(&part);
}

Test(part, leaves_a_stream_open) {
    struct mr_error err = {0};
    struct mr_part part;
    struct mr_run_part result = {0};
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(mr_part_stream(&part, ends[1], &err), 0);
    cr_assert_eq(mr_part_write(&part, "abc", 3, &err), 0);
    cr_assert_eq(mr_part_finish(&part, &result, &err), 0);
    cr_assert_eq(result.bytes, 3u);
    cr_assert_eq(result.xxh3, mr_hash_xxh3("abc", 3));
    cr_assert_eq(fcntl(ends[1], F_GETFD) >= 0, 1);
    close(ends[0]);
    close(ends[1]);
}

Test(part, tells_a_reader_that_went_from_a_full_device) {
    struct mr_error err = {0};
    struct mr_part part;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    cr_assert_eq(mr_part_stream(&part, ends[1], &err), 0);
    cr_assert_eq(mr_part_write(&part, "abc", 3, &err), MR_ERR_CLOSED);
    mr_part_abandon(&part);
    cr_assert_eq(close(ends[1]), 0); /* abandoning left it open */

    err = (struct mr_error){0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert_eq(mr_part_stream(&part, fd, &err), 0);
    cr_assert_eq(mr_part_write(&part, "abc", 3, &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "write \"the output stream\": No space left on device");
    mr_part_abandon(&part);
    close(fd);
}

Test(part, abandons_nothing_of_others) {
    struct mr_part part = {0};
    mr_part_abandon(&part); /* descriptor 0 is not its own */
    mr_part_abandon(&part);
    cr_assert_neq(fcntl(STDERR_FILENO, F_GETFD), -1);
    struct stat about;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct mr_error err = {0};
    cr_assert_eq(mr_part_stream(&part, fd, &err), 0);
    mr_part_abandon(&part);
    cr_assert_eq(fstat(fd, &about), 0);
    close(fd);
}

Test(part, shows_the_end_of_a_long_path) {
    struct mr_error err = {0};
    struct mr_part part;
    char name[200];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    int dir_fd = open_folder();
    cr_assert_eq(mkdirat(dir_fd, name, 0700), 0);
    int inner_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(mkdirat(inner_fd, name, 0700), 0);
    int inmost_fd = openat(inner_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(mr_part_create(&part, inmost_fd, "part-00000", &err), 0);
    cr_assert_eq(strlen(part.shown), sizeof part.shown - 1);
    cr_assert(strncmp(part.shown, "...ddd", 6) == 0);
    cr_assert_str_eq(part.shown + strlen(part.shown) - 11, "/part-00000");
    mr_part_abandon(&part);
    cr_assert_eq(unlinkat(inmost_fd, "part-00000", 0), 0);
    close(inmost_fd);
    cr_assert_eq(unlinkat(inner_fd, name, AT_REMOVEDIR), 0);
    close(inner_fd);
    cr_assert_eq(unlinkat(dir_fd, name, AT_REMOVEDIR), 0);
    close(dir_fd);
    cr_assert_eq(rmdir(folder), 0);
}
