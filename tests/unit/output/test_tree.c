/* test_tree: walking and removing directories. */
#include "lib/output/tree.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/millrace-tree-XXXXXX";

static int open_folder(void) {
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

static void close_folder(int fd) {
    cr_assert_eq(close(fd), 0);
    cr_assert_eq(rmdir(folder), 0, "%s is not empty", folder);
}

static void touch(int dir_fd, const char *path) {
    int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
}

static int count_name(void *arg, const char *name, struct mr_error *err) {
    (void)err;
    unsigned *count = arg;
    *count += name[0] == 'f';
    return 0;
}

static int stop_at_once(void *arg, const char *name, struct mr_error *err) {
    (void)name;
    (void)err;
    ++*(unsigned *)arg;
    return MR_ERR_JOB;
}

Test(tree, visits_every_name) {
    struct mr_error err = {0};
    unsigned count = 0;
    int dir_fd = open_folder();
    for (int i = 0; i < 500; i++) {
        char name[100];
        snprintf(name, sizeof name, "f%d-a-name-so-long-that-one-buffer-does-not-hold-them-all", i);
        touch(dir_fd, name);
    }
    cr_assert_eq(mr_tree_each(dir_fd, count_name, &count, &err), 0);
    cr_assert_eq(count, 500u);
    count = 0;
    cr_assert_eq(mr_tree_each(dir_fd, count_name, &count, &err), 0); /* from the start again */
    cr_assert_eq(count, 500u);
    count = 0;
    cr_assert_eq(mr_tree_each(dir_fd, stop_at_once, &count, &err), MR_ERR_JOB);
    cr_assert_eq(count, 1u);
    cr_assert_eq(mr_tree_empty(dir_fd, NULL, &err), 0);
    close_folder(dir_fd);
}

Test(tree, removes_what_is_below) {
    struct mr_error err = {0};
    int dir_fd = open_folder();
    cr_assert_eq(mkdirat(dir_fd, "a", 0700), 0);
    cr_assert_eq(mkdirat(dir_fd, "a/b", 0700), 0);
    cr_assert_eq(mkdirat(dir_fd, "a/b/c", 0700), 0);
    touch(dir_fd, "a/b/c/f");
    touch(dir_fd, "a/f");
    cr_assert_eq(mkfifoat(dir_fd, "a/b/fifo", 0600), 0);
    cr_assert_eq(mr_tree_remove(dir_fd, "a", &err), 0, "%s", err.text);
    cr_assert_eq(mr_tree_remove(dir_fd, "a", &err), 0); /* is gone */
    touch(dir_fd, "f");
    cr_assert_eq(mr_tree_remove(dir_fd, "f", &err), 0);
    close_folder(dir_fd);
}

Test(tree, follows_no_link) {
    struct mr_error err = {0};
    int dir_fd = open_folder();
    cr_assert_eq(mkdirat(dir_fd, "safe", 0700), 0);
    touch(dir_fd, "safe/f");
    cr_assert_eq(mkdirat(dir_fd, "a", 0700), 0);
    cr_assert_eq(symlinkat("../safe", dir_fd, "a/link"), 0);
    cr_assert_eq(symlinkat("safe", dir_fd, "link"), 0);
    cr_assert_eq(mr_tree_remove(dir_fd, "a", &err), 0);
    cr_assert_eq(mr_tree_remove(dir_fd, "link", &err), 0);
    cr_assert_eq(faccessat(dir_fd, "safe/f", F_OK, 0), 0);
    cr_assert_eq(mr_tree_remove(dir_fd, "safe", &err), 0);
    close_folder(dir_fd);
}

Test(tree, keeps_one_name) {
    struct mr_error err = {0};
    int dir_fd = open_folder();
    touch(dir_fd, "lock");
    touch(dir_fd, "f");
    cr_assert_eq(mkdirat(dir_fd, "a", 0700), 0);
    touch(dir_fd, "a/lock");
    cr_assert_eq(mr_tree_empty(dir_fd, "lock", &err), 0);
    cr_assert_eq(faccessat(dir_fd, "lock", F_OK, 0), 0);
    cr_assert_eq(unlinkat(dir_fd, "lock", 0), 0);
    close_folder(dir_fd);
}

/* Makes 80 directories in one another, each called "d". */
static void nest(int dir_fd) {
    int fd = dup(dir_fd);
    for (int i = 0; i < 80; i++) {
        cr_assert_eq(mkdirat(fd, "d", 0700), 0);
        int inner_fd = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_geq(inner_fd, 0);
        close(fd);
        fd = inner_fd;
    }
    close(fd);
}

Test(tree, goes_only_so_deep) {
    struct mr_error err = {0};
    int dir_fd = open_folder();
    nest(dir_fd);
    touch(dir_fd, "f");
    cr_assert_eq(mr_tree_empty(dir_fd, NULL, &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "remove \"d\": more than 64 directories deep");
    cr_assert_eq(faccessat(dir_fd, "f", F_OK, 0), -1); /* the others went all the same */
    cr_assert_eq(renameat(dir_fd, "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d", dir_fd, "e"), 0);
    err = (struct mr_error){0};
    cr_assert_eq(mr_tree_empty(dir_fd, NULL, &err), 0);
    close_folder(dir_fd);
}

Test(tree, reports_what_is_no_directory) {
    struct mr_error err = {0};
    unsigned count = 0;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(mr_tree_each(fd, count_name, &count, &err), MR_ERR_IO);
    close(fd);
}
