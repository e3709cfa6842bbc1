/* test_inputs: what names, folders and patterns lead to, and what is said where they lead nowhere.
 */
#include "lib/input/inputs.h"

#include "tests/unit/input/scratch.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int expand(const char *name, struct mr_inputs *inputs, struct mr_error *err) {
    return mr_inputs_expand(&name, 1, inputs, err);
}

/* The i-th input is `name` in the folder. */
static void check(const struct mr_inputs *inputs, size_t i, struct scratch *scratch,
                  const char *name, enum mr_input_kind kind, uint64_t size) {
    cr_assert_lt(i, inputs->count);
    cr_assert_str_eq(inputs->items[i].path, scratch_path(scratch, name));
    cr_assert_eq(inputs->items[i].kind, kind);
    cr_assert_eq(inputs->items[i].size, size);
}

Test(inputs, kinds_are_told_by_content) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "a.gz", "plain", 5);
    scratch_write(&scratch, "b.txt", "\x1f\x8b\x08", 3);
    scratch_write(&scratch, "c", "\x28\xb5\x2f\xfd", 4);
    scratch_write(&scratch, "d", "\x5f\x2a\x4d\x18", 4);
    scratch_write(&scratch, "e", "", 0);
    scratch_write(&scratch, "f", "\x28\xb5\x2f", 3);
    cr_assert_eq(expand(scratch.path, &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 6u);
    check(&inputs, 0, &scratch, "a.gz", MR_INPUT_FILE, 5);
    check(&inputs, 1, &scratch, "b.txt", MR_INPUT_GZIP, 3);
    check(&inputs, 2, &scratch, "c", MR_INPUT_ZSTD, 4);
    check(&inputs, 3, &scratch, "d", MR_INPUT_ZSTD, 4);
    check(&inputs, 4, &scratch, "e", MR_INPUT_FILE, 0);
    check(&inputs, 5, &scratch, "f", MR_INPUT_FILE, 3);
    cr_assert_eq(inputs.bytes, 19u);
    cr_assert_eq(inputs.weighted_bytes, 8u + 4 * 11);
    cr_assert(!inputs.has_stream);
    cr_assert_neq(inputs.items[0].ino, 0u);
    cr_assert_neq(inputs.items[0].mtime.tv_sec, 0);
    mr_inputs_fini(&inputs);
    cr_assert_null(inputs.items);
    scratch_remove(&scratch);
}

Test(inputs, folders_are_walked_in_byte_order) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    cr_assert_eq(mkdir(scratch_path(&scratch, "b"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path(&scratch, "b/deep"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path(&scratch, ".git"), 0700), 0);
    cr_assert_eq(mkfifo(scratch_path(&scratch, "fifo"), 0600), 0);
    scratch_write(&scratch, ".git/x", "x", 1);
    scratch_write(&scratch, "b/deep/z", "1", 1);
    scratch_write(&scratch, "b/a", "1", 1);
    scratch_write(&scratch, "b.txt", "1", 1);
    scratch_write(&scratch, "Z", "1", 1);
    scratch_write(&scratch, "\xc3\xa4", "1", 1);
    scratch_write(&scratch, "_SUCCESS", "1", 1);
    cr_assert_eq(symlink("b", scratch_path(&scratch, "m")), 0);
    cr_assert_eq(symlink("Z", scratch_path(&scratch, "n")), 0);
    cr_assert_eq(expand(scratch.path, &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 6u);
    check(&inputs, 0, &scratch, "Z", MR_INPUT_FILE, 1);
    check(&inputs, 1, &scratch, "b/a", MR_INPUT_FILE, 1);
    check(&inputs, 2, &scratch, "b/deep/z", MR_INPUT_FILE, 1);
    check(&inputs, 3, &scratch, "b.txt", MR_INPUT_FILE, 1);
    check(&inputs, 4, &scratch, "n", MR_INPUT_FILE, 1);
    check(&inputs, 5, &scratch, "\xc3\xa4", MR_INPUT_FILE, 1);
    cr_assert_eq(inputs.skipped_count, 4u);
    cr_assert_str_eq(inputs.skipped[0].path, scratch_path(&scratch, ".git"));
    cr_assert_str_eq(inputs.skipped[0].why, "hidden");
    cr_assert_str_eq(inputs.skipped[1].path, scratch_path(&scratch, "_SUCCESS"));
    cr_assert_str_eq(inputs.skipped[1].why, "hidden");
    cr_assert_str_eq(inputs.skipped[2].why, "not a regular file");
    cr_assert_str_eq(inputs.skipped[3].why, "a link to a directory");
    mr_inputs_fini(&inputs);
    cr_assert_eq(expand(scratch_path(&scratch, "m/"), &inputs, &err), 0, "a named link is walked");
    cr_assert_eq(inputs.count, 2u);
    check(&inputs, 0, &scratch, "m/a", MR_INPUT_FILE, 1);
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}

/* What a run has made inside the folder that it reads is not read by the next one. */
Test(inputs, outputs_in_a_folder_are_skipped) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    cr_assert_eq(mkdir(scratch_path(&scratch, "done"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path(&scratch, "half"), 0700), 0);
    scratch_write(&scratch, "done/part-00000", "1", 1);
    scratch_write(&scratch, "done/_SUCCESS", "", 0);
    scratch_write(&scratch, "done/_manifest.json", "{}", 2);
    cr_assert_eq(expand(scratch.path, &inputs, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "holds no input files but outputs of Millrace"));
    mr_inputs_fini(&inputs);
    scratch_write(&scratch, "half/part-00000", "1", 1);
    scratch_write(&scratch, "half/_SUCCESS", "", 0); /* of somebody else */
    err = (struct mr_error){0};
    cr_assert_eq(expand(scratch.path, &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 1u);
    check(&inputs, 0, &scratch, "half/part-00000", MR_INPUT_FILE, 1);
    cr_assert_str_eq(inputs.skipped[0].path, scratch_path(&scratch, "done"));
    cr_assert_str_eq(inputs.skipped[0].why, MR_INPUTS_OUTPUT);
    mr_inputs_fini(&inputs);
    cr_assert_eq(expand(scratch_path(&scratch, "done"), &inputs, &err), 0, "one that is named");
    check(&inputs, 0, &scratch, "done/part-00000", MR_INPUT_FILE, 1);
    mr_inputs_fini(&inputs);
    cr_assert_eq(expand(scratch_path(&scratch, "d*"), &inputs, &err), 0, "one that matches");
    cr_assert_eq(inputs.count, 1u);
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}

Test(inputs, patterns_are_matched_in_byte_order) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "b.log", "1", 1);
    scratch_write(&scratch, "B.log", "1", 1);
    scratch_write(&scratch, "a.log", "1", 1);
    scratch_write(&scratch, "[x].log", "22", 2);
    scratch_write(&scratch, ".hidden.log", "1", 1);
    cr_assert_eq(expand(scratch_path(&scratch, "*.log"), &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 4u);
    check(&inputs, 0, &scratch, "B.log", MR_INPUT_FILE, 1);
    check(&inputs, 1, &scratch, "[x].log", MR_INPUT_FILE, 2);
    check(&inputs, 2, &scratch, "a.log", MR_INPUT_FILE, 1);
    check(&inputs, 3, &scratch, "b.log", MR_INPUT_FILE, 1);
    mr_inputs_fini(&inputs);
    cr_assert_eq(mkdir(scratch_path(&scratch, "d"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path(&scratch, "e"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path(&scratch, "e/sub"), 0700), 0);
    scratch_write(&scratch, "e/sub/x", "1", 1);
    cr_assert_eq(expand(scratch_path(&scratch, "*/sub/*"), &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 1u, "where some folder has no sub");
    check(&inputs, 0, &scratch, "e/sub/x", MR_INPUT_FILE, 1);
    mr_inputs_fini(&inputs);
    cr_assert_eq(expand(scratch_path(&scratch, "[x].log"), &inputs, &err), 0, "an existing name");
    cr_assert_eq(inputs.count, 1u);
    check(&inputs, 0, &scratch, "[x].log", MR_INPUT_FILE, 2);
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}

Test(inputs, order_is_the_users) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "a", "1", 1);
    scratch_write(&scratch, "b", "1", 1);
    const char *names[] = {scratch_path(&scratch, "b"), scratch_path(&scratch, "a"),
                           scratch_path(&scratch, "b")};
    cr_assert_eq(mr_inputs_expand(names, 3, &inputs, &err), 0);
    cr_assert_eq(inputs.count, 3u);
    check(&inputs, 0, &scratch, "b", MR_INPUT_FILE, 1);
    check(&inputs, 1, &scratch, "a", MR_INPUT_FILE, 1);
    check(&inputs, 2, &scratch, "b", MR_INPUT_FILE, 1);
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}

Test(inputs, streams_are_not_opened) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    cr_assert_eq(mkfifo(scratch_path(&scratch, "fifo"), 0600), 0);
    const char *names[] = {scratch_path(&scratch, "fifo"), "/dev/null", "/proc/self/status"};
    cr_assert_eq(mr_inputs_expand(names, 3, &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 3u);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(inputs.items[i].kind, MR_INPUT_STREAM);
        cr_assert_eq(inputs.items[i].size, 0u);
    }
    cr_assert(inputs.has_stream);
    cr_assert_eq(inputs.bytes, 0u);
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}

/* Runs `body` with standard input replaced. */
static void with_stdin(int fd, void (*body)(void)) {
    int before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    cr_assert_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    body();
    if (before >= 0) {
        dup2(before, STDIN_FILENO);
        close(before);
    }
}

static void expect_one_stream(void) {
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_inputs_expand(NULL, 0, &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 1u);
    cr_assert_str_eq(inputs.items[0].path, "-");
    cr_assert_eq(inputs.items[0].kind, MR_INPUT_STREAM);
    mr_inputs_fini(&inputs);
}

static void expect_one_file(void) {
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    cr_assert_eq(expand("-", &inputs, &err), 0, "%s", err.text);
    cr_assert_eq(inputs.count, 1u);
    cr_assert_str_eq(inputs.items[0].path, "-");
    cr_assert_eq(inputs.items[0].kind, MR_INPUT_FILE);
    cr_assert_eq(inputs.items[0].size, 4u);
    mr_inputs_fini(&inputs);
}

Test(inputs, standard_input) {
    struct scratch scratch;
    int ends[2];
    scratch_make(&scratch);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    with_stdin(ends[0], expect_one_stream);
    close(ends[0]);
    close(ends[1]);
    scratch_write(&scratch, "file", "1\n2\n", 4);
    int fd = open(scratch_path(&scratch, "file"), O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    with_stdin(fd, expect_one_file);
    cr_assert_eq(lseek(fd, 2, SEEK_SET), 2);
    with_stdin(fd, expect_one_stream);
    close(fd);
    scratch_remove(&scratch);
}

static void expect_twice_refused(void) {
    const char *names[] = {"-", "-"};
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_inputs_expand(names, 2, &inputs, &err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "\"-\" is named twice: standard input can be read only once");
    cr_assert_eq(inputs.count, 0u);
}

Test(inputs, standard_input_twice) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    with_stdin(fd, expect_twice_refused);
    close(fd);
}

Test(inputs, all_problems_are_named) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    char wanted[512];
    scratch_make(&scratch);
    scratch_write(&scratch, "good", "1", 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", scratch.path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    const char *names[] = {"/nowhere/a", scratch_path(&scratch, "good"), "/nowhere/*.gz",
                           address.sun_path};
    cr_assert_eq(mr_inputs_expand(names, 4, &inputs, &err), MR_ERR_INPUT);
    snprintf(wanted, sizeof wanted,
             "open \"/nowhere/a\": No such file or directory\n"
             "\"/nowhere/*.gz\" matches no file\n"
             "\"%s\" is a socket, not a file",
             address.sun_path);
    cr_assert_str_eq(err.text, wanted, "%s", err.text);
    cr_assert_eq(inputs.count, 0u);
    cr_assert_null(inputs.items);
    close(fd);
    scratch_remove(&scratch);
}

Test(inputs, many_problems_are_counted) {
    const char *names[25];
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    for (size_t i = 0; i < 25; i++) {
        names[i] = "/nowhere";
    }
    cr_assert_eq(mr_inputs_expand(names, 25, &inputs, &err), MR_ERR_INPUT);
    const char *line = "open \"/nowhere\": No such file or directory\n";
    for (size_t i = 0; i < 10; i++) {
        cr_assert(strncmp(err.text + i * strlen(line), line, strlen(line)) == 0);
    }
    cr_assert_str_eq(err.text + 10 * strlen(line), "and 15 more");
}

Test(inputs, long_names_leave_room_for_the_reason) {
    const char *names[10];
    static char name[5000];
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    memset(name, 'x', sizeof name - 1);
    for (size_t i = 0; i < 10; i++) {
        names[i] = name;
    }
    cr_assert_eq(mr_inputs_expand(names, 10, &inputs, &err), MR_ERR_INPUT);
    cr_assert(strncmp(err.text, "open \"...xxx", 12) == 0);
    cr_assert_not_null(strstr(err.text, "x\": File name too long\n"));
    const char *last = strrchr(err.text, '\n');
    cr_assert_not_null(last);
    cr_assert_str_eq(last, "\nand 6 more");
}

Test(inputs, nothing_found) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error one = {0};
    struct mr_error two = {0};
    char wanted[128];
    scratch_make(&scratch);
    scratch_write(&scratch, "_SUCCESS", "", 0);
    cr_assert_eq(expand(scratch.path, &inputs, &one), MR_ERR_INPUT);
    snprintf(wanted, sizeof wanted, "\"%s\" holds no input files", scratch.path);
    cr_assert_str_eq(one.text, wanted);
    const char *names[] = {scratch.path, scratch.path};
    cr_assert_eq(mr_inputs_expand(names, 2, &inputs, &two), MR_ERR_INPUT);
    cr_assert_str_eq(two.text, "no input files in any of the 2 names given");
    cr_assert_eq(inputs.skipped_count, 0u);
    scratch_remove(&scratch);
}

Test(inputs, a_broken_link_is_missing) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "good", "1", 1);
    cr_assert_eq(symlink("gone", scratch_path(&scratch, "link")), 0);
    cr_assert_eq(expand(scratch.path, &inputs, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "/link\": No such file or directory"));
    scratch_remove(&scratch);
}

Test(inputs, unreadable_ones_are_named) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    if (geteuid() == 0) {
        cr_skip_test("root reads everything");
    }
    scratch_make(&scratch);
    scratch_write(&scratch, "secret", "1", 1);
    cr_assert_eq(mkdir(scratch_path(&scratch, "shut"), 0), 0);
    cr_assert_eq(chmod(scratch_path(&scratch, "secret"), 0), 0);
    cr_assert_eq(expand(scratch.path, &inputs, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "/secret\": Permission denied\nopen \""));
    cr_assert_not_null(strstr(err.text, "/shut\": Permission denied"));
    scratch_remove(&scratch);
}

Test(inputs, running_out_of_descriptors_is_no_fault_of_the_input) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    struct rlimit before;
    scratch_make(&scratch);
    scratch_write(&scratch, "good", "1", 1);
    const char *name = scratch_path(&scratch, "good");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = expand(name, &inputs, &err);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_eq(status, MR_ERR_IO);
    cr_assert_not_null(strstr(err.text, "/good\": Too many open files"));
    cr_assert_eq(inputs.count, 0u);
    scratch_remove(&scratch);
}

/* Whether a file, read a second time, is still the one that was listed. */
static int same(const struct mr_inputs *inputs, struct mr_error *err) {
    *err = (struct mr_error){0};
    return mr_inputs_check_same(&inputs->items[0], err);
}

Test(inputs, a_file_that_is_another_is_not_read_again) {
    struct scratch scratch;
    struct mr_inputs inputs = {0};
    struct mr_error err = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "data", "1", 1);
    const char *path = scratch_path(&scratch, "data");
    cr_assert_eq(expand(path, &inputs, &err), 0);
    cr_assert_eq(same(&inputs, &err), 0);
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}}; /* touched */
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_eq(same(&inputs, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "/data\" changed since the run began"));
    times[1] = inputs.items[0].mtime;
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_eq(same(&inputs, &err), 0);
    cr_assert_eq(truncate(path, 0), 0); /* of another size, but as old */
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_eq(same(&inputs, &err), MR_ERR_INPUT);
    scratch_write(&scratch, "other", "1", 1); /* as large and as old, but another file */
    cr_assert_eq(rename(scratch_path(&scratch, "other"), path), 0);
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_eq(same(&inputs, &err), MR_ERR_INPUT);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(same(&inputs, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "again: No such file"));
    mr_inputs_fini(&inputs);
    scratch_remove(&scratch);
}
