/* test_commit: an output directory appears whole or not at all, and nothing else is touched. */
#include "lib/output/commit.h"

#include "lib/output/manifest.h"
#include "lib/output/part.h"
#include "lib/output/tree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "0123456789abcdef0123456789abcdef"
#define OTHER_ID "ffffffffffffffffffffffffffffffff"
#define PENDING "counts.pending-" ID
#define MANIFEST "{\"format\": 1, \"result\": {\"parts\": []}}\n"

/* ---- the file systems of others: what they don't know, and what happens just before a rename ----
 */

static unsigned lacking_flags;
static void (*before_rename)(unsigned flags);

/* Takes the place of the C library's. */
int renameat2(int old_fd, const char *old_path, int new_fd, const char *new_path, unsigned flags) {
    if (before_rename) {
        before_rename(flags);
    }
    if (flags & lacking_flags) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, old_fd, old_path, new_fd, new_path, flags);
}

/* ---- a folder to work in ---- */

static char folder[] = "/tmp/millrace-commit-XXXXXX";

static void enter(void) {
    lacking_flags = 0;
    before_rename = NULL;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static int count_name(void *arg, const char *name, struct mr_error *err) {
    (void)name;
    (void)err;
    ++*(unsigned *)arg;
    return 0;
}

/* How many names the folder holds. */
static unsigned count_names(const char *path) {
    struct mr_error err = {0};
    unsigned count = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(mr_tree_each(fd, count_name, &count, &err), 0);
    close(fd);
    return count;
}

static void leave(void) {
    struct mr_error err = {0};
    cr_assert_eq(mr_tree_remove(AT_FDCWD, folder, &err), 0, "%s", err.text);
    cr_assert_eq(chdir("/"), 0);
}

static bool is_there(const char *path) {
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static bool holds(const char *path, const char *text) {
    char found[256] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, found, sizeof found - 1);
    if (fd >= 0) {
        close(fd);
    }
    return len >= 0 && strcmp(found, text) == 0;
}

/* An output of an earlier run. */
static void make_old_output(void) {
    cr_assert_eq(mkdir("counts", 0755), 0);
    put_file("counts/_manifest.json", MANIFEST);
    put_file("counts/part-00000", "old");
}

/* ---- a job of two tasks; task 1 needed two attempts ---- */

static const uint32_t winners[] = {0, 1};
static const struct mr_run_part parts[] = {{.bytes = 3}, {.bytes = 5}};

static void write_attempt(struct mr_commit *commit, uint32_t task, uint32_t attempt,
                          const char *text) {
    struct mr_error err = {0};
    struct mr_part part;
    struct mr_run_part result;
    char name[MR_PART_NAME_MAX];
    int dir_fd = -1;
    cr_assert_eq(mr_commit_attempt(commit, task, attempt, &dir_fd, &err), 0, "%s", err.text);
    mr_part_name(name, sizeof name, task);
    cr_assert_eq(mr_part_create(&part, dir_fd, name, &err), 0);
    cr_assert_eq(mr_part_write(&part, text, strlen(text), &err), 0);
    cr_assert_eq(mr_part_finish(&part, &result, &err), 0);
    close(dir_fd);
}

static struct mr_commit *begin(bool overwrite) {
    struct mr_error err = {0};
    struct mr_commit *commit = NULL;
    cr_assert_eq(mr_commit_begin("counts", overwrite, ID, &commit, &err), 0, "%s", err.text);
    write_attempt(commit, 0, 0, "abc");
    write_attempt(commit, 1, 0, "xx");
    write_attempt(commit, 1, 1, "defgh");
    return commit;
}

static int publish(struct mr_commit *commit, struct mr_error *err) {
    return mr_commit_publish(commit, parts, winners, 2, MANIFEST, err);
}

static bool is_published(void) {
    return holds("counts/part-00000", "abc") && holds("counts/part-00001", "defgh") &&
           holds("counts/_manifest.json", MANIFEST) && holds("counts/_SUCCESS", "") &&
           count_names("counts") == 4;
}

static int try_begin(const char *dir, bool overwrite, struct mr_error *err) {
    struct mr_commit *commit = NULL;
    *err = (struct mr_error){0};
    int status = mr_commit_begin(dir, overwrite, ID, &commit, err);
    if (!status) {
        mr_commit_end(commit);
    }
    return status;
}

Test(commit, publishes_the_winners) {
    struct mr_error err = {0};
    enter();
    struct mr_commit *commit = begin(false);
    cr_assert(!is_there("counts"));
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    cr_assert_eq(count_names("."), 1u); /* nothing beside it */
    leave();
}

Test(commit, leaves_nothing_when_ended) {
    enter();
    mr_commit_end(begin(false));
    cr_assert_eq(count_names("."), 0u);
    mr_commit_end(NULL);
    leave();
}

Test(commit, takes_paths_of_all_kinds) {
    struct mr_error err = {0};
    char absolute[64];
    enter();
    cr_assert_eq(mkdir("a", 0700), 0);
    cr_assert_eq(try_begin("a/counts", false, &err), 0);
    cr_assert_eq(try_begin("./a//counts///", false, &err), 0);
    snprintf(absolute, sizeof absolute, "%s/counts", folder);
    cr_assert_eq(try_begin(absolute, false, &err), 0);
    cr_assert_eq(count_names("a"), 0u);
    leave();
}

Test(commit, refuses_paths_in_words) {
    struct mr_error err;
    char name[260];
    enter();
    cr_assert_eq(try_begin("", false, &err), MR_ERR_USAGE);
    cr_assert_eq(try_begin("/", true, &err), MR_ERR_USAGE);
    cr_assert_eq(try_begin("..", true, &err), MR_ERR_USAGE);
    cr_assert_str_eq(err.text, "output \"..\": the name of a directory to make is wanted");
    cr_assert_eq(try_begin("no/such/counts", false, &err), MR_ERR_USAGE);
    cr_assert_str_eq(err.text,
                     "output \"no/such/counts\": open \"no/such\": No such file or directory");
    memset(name, 'n', sizeof name);
    name[230] = '\0';
    cr_assert_eq(try_begin(name, false, &err), MR_ERR_USAGE);
    name[214] = '\0'; /* with the mark and the id just 255 */
    cr_assert_eq(try_begin(name, false, &err), 0, "%s", err.text);
    struct mr_commit *commit = NULL;
    err = (struct mr_error){0};
    cr_assert_eq(mr_commit_begin("counts", false, "../../etc", &commit, &err), MR_ERR_INTERNAL);
    cr_assert_eq(count_names("."), 0u);
    leave();
}

Test(commit, refuses_a_parent_it_may_not_write) {
    struct mr_error err;
    enter();
    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(mkdir("a", 0555), 0);
    uid_t user = geteuid();
    if (user == 0) {
        cr_assert_eq(seteuid(65534), 0); /* root may write everywhere */
    }
    int status = try_begin("a/counts", false, &err);
    cr_assert_eq(seteuid(user), 0);
    cr_assert_eq(status, MR_ERR_IO);
    cr_assert_str_eq(err.text, "make \"a/counts.pending-" ID "\": Permission denied");
    leave();
}

Test(commit, refuses_what_exists) {
    struct mr_error err;
    enter();
    make_old_output();
    cr_assert_eq(try_begin("counts", false, &err), MR_ERR_USAGE);
    cr_assert_str_eq(err.text, "output \"counts\" exists: name another, or give --overwrite");
    cr_assert_eq(try_begin("counts/", true, &err), 0);
    put_file("file", "");
    cr_assert_eq(try_begin("file", true, &err), MR_ERR_USAGE);
    cr_assert_eq(symlink("counts", "link"), 0);
    cr_assert_eq(try_begin("link", true, &err), MR_ERR_USAGE);
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    cr_assert_eq(try_begin("dangling", false, &err), MR_ERR_USAGE);
    cr_assert(holds("counts/part-00000", "old"));
    leave();
}

Test(commit, overwrites_only_what_is_ours) {
    struct mr_error err;
    enter();
    cr_assert_eq(mkdir("counts", 0755), 0);
    put_file("counts/diary", "dear");
    cr_assert_eq(try_begin("counts", true, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "manifest of ours"));
    put_file("counts/_manifest.json", "{\"name\": \"a web page\"}");
    cr_assert_eq(try_begin("counts", true, &err), MR_ERR_USAGE);
    cr_assert(holds("counts/diary", "dear"));
    cr_assert_eq(count_names("."), 1u);
    leave();
}

static void overwrite_without(unsigned flags) {
    struct mr_error err = {0};
    enter();
    make_old_output();
    lacking_flags = flags;
    struct mr_commit *commit = begin(true);
    cr_assert(holds("counts/part-00000", "old"));
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    cr_assert_eq(count_names("."), 1u);
    leave();
}

Test(commit, overwrites) {
    overwrite_without(0);
    overwrite_without(RENAME_EXCHANGE);
    overwrite_without(RENAME_EXCHANGE | RENAME_NOREPLACE);
}

static void publish_without(unsigned flags, bool overwrite) {
    struct mr_error err = {0};
    enter();
    lacking_flags = flags;
    struct mr_commit *commit = begin(overwrite);
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    leave();
}

Test(commit, publishes_on_any_file_system) {
    publish_without(RENAME_NOREPLACE, false);
    publish_without(RENAME_NOREPLACE | RENAME_EXCHANGE, false);
    publish_without(RENAME_NOREPLACE | RENAME_EXCHANGE, true);
    publish_without(0, true);
}

/* A run on the output that comes to nothing. */
static void begin_and_end(const char *id) {
    struct mr_error err = {0};
    struct mr_commit *commit = NULL;
    cr_assert_eq(mr_commit_begin("counts", true, id, &commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
}

static void lose_the_race(unsigned flags) {
    struct mr_error err = {0};
    enter();
    lacking_flags = flags;
    struct mr_commit *commit = begin(false);
    make_old_output();
    cr_assert_eq(publish(commit, &err), MR_ERR_USAGE);
    cr_assert_str_eq(err.text, "output \"counts\" has appeared while the job ran; the result is"
                               " kept: mv \"" PENDING "/out\" NAME publishes it");
    err = (struct mr_error){0};
    cr_assert_eq(publish(commit, &err), MR_ERR_INTERNAL);
    mr_commit_end(commit);
    cr_assert(holds("counts/part-00000", "old"));
    cr_assert_eq(count_names("counts"), 2u);

    begin_and_end("11111111111111111111111111111111"); /* does not clear it */
    cr_assert_eq(rename(PENDING "/out", "counts-2"), 0);
    cr_assert(holds("counts-2/part-00001", "defgh"));
    begin_and_end(OTHER_ID); /* now it does */
    cr_assert_eq(count_names("."), 2u);
    leave();
}

Test(commit, keeps_the_result_of_a_lost_race) {
    lose_the_race(0);
    lose_the_race(RENAME_NOREPLACE);
}

Test(commit, replaces_another_runs_output) {
    struct mr_error err = {0};
    enter();
    struct mr_commit *commit = begin(true); /* nothing there yet */
    make_old_output();
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    leave();
}

/* Somebody puts a directory of their own in the place of the output. */
static void put_home(unsigned flags) {
    if (flags == RENAME_EXCHANGE && !is_there("moved")) {
        rename("counts", "moved");
        mkdir("counts", 0755);
        put_file("counts/diary", "dear");
    }
}

static void meet_a_home(unsigned flags) {
    struct mr_error err = {0};
    enter();
    make_old_output();
    lacking_flags = flags;
    before_rename = put_home;
    struct mr_commit *commit = begin(true);
    cr_assert_eq(publish(commit, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "; the result is kept: mv \"" PENDING "/out\" NAME"));
    mr_commit_end(commit);
    cr_assert(holds("counts/diary", "dear"));
    cr_assert(holds("moved/part-00000", "old"));
    cr_assert(holds(PENDING "/out/part-00001", "defgh"));
    cr_assert_eq(count_names("."), 3u);
    leave();
}

Test(commit, puts_back_what_is_not_ours) {
    meet_a_home(0);
    meet_a_home(RENAME_EXCHANGE);
}

Test(commit, refuses_a_part_of_the_wrong_size) {
    struct mr_error err = {0};
    enter();
    struct mr_commit *commit = begin(false);
    put_file(PENDING "/attempt-1-1/part-00001", "defg");
    cr_assert_eq(publish(commit, &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "output \"counts\": attempt-1-1/part-00001 has 4 bytes, though 5"
                               " were written");
    cr_assert(!is_there("counts"));
    put_file(PENDING "/attempt-1-1/part-00001", "defgh"); /* mended: goes on where it was */
    err = (struct mr_error){0};
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    leave();
}

Test(commit, misses_a_part) {
    struct mr_error err = {0};
    enter();
    struct mr_commit *commit = begin(false);
    cr_assert_eq(unlink(PENDING "/attempt-0-0/part-00000"), 0);
    cr_assert_eq(publish(commit, &err), MR_ERR_IO);
    cr_assert_str_eq(err.text, "find \"" PENDING "/attempt-0-0/part-00000\": No such file or"
                               " directory");
    mr_commit_end(commit);
    cr_assert_eq(count_names("."), 0u);
    leave();
}

/* ---- what the dead leave ---- */

/* Runs `die` in a process that ends without cleaning up. */
static void let_die(void (*die)(void)) {
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        die();
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void begin_only(void) {
    (void)begin(false);
}

static void kill_self(unsigned flags) {
    (void)flags;
    kill(getpid(), SIGKILL);
}

static void kill_self_at_noreplace(unsigned flags) {
    if (flags == RENAME_NOREPLACE && !is_there("counts")) {
        kill(getpid(), SIGKILL);
    }
}

static void publish_half(void) {
    struct mr_error err = {0};
    before_rename = kill_self;
    (void)publish(begin(false), &err);
}

static void replace_half(void) {
    struct mr_error err = {0};
    lacking_flags = RENAME_EXCHANGE;
    before_rename = kill_self_at_noreplace;
    (void)publish(begin(true), &err);
}

Test(commit, clears_what_the_dead_left) {
    struct mr_error err;
    enter();
    let_die(begin_only);
    cr_assert(is_there(PENDING "/attempt-1-1/part-00001"));
    cr_assert_eq(try_begin("counts", false, &err), 0, "%s", err.text);
    cr_assert_eq(count_names("."), 0u);
    let_die(publish_half);
    cr_assert(is_there(PENDING "/out/_SUCCESS"));
    cr_assert(!is_there("counts"));
    cr_assert_eq(try_begin("counts", false, &err), 0, "%s", err.text);
    cr_assert_eq(count_names("."), 0u);
    leave();
}

Test(commit, finishes_a_replacement_cut_short) {
    struct mr_error err;
    enter();
    make_old_output();
    let_die(replace_half);
    cr_assert(!is_there("counts"));
    cr_assert(holds("counts.old-" ID "/part-00000", "old"));
    cr_assert_eq(try_begin("counts", false, &err), MR_ERR_USAGE);
    cr_assert(is_published());
    cr_assert_eq(count_names("."), 1u);
    leave();
}

Test(commit, undoes_a_replacement_that_lost_its_result) {
    struct mr_error err;
    enter();
    make_old_output();
    let_die(replace_half);
    cr_assert_eq(unlink(PENDING "/out/_SUCCESS"), 0);
    cr_assert_eq(try_begin("counts", false, &err), MR_ERR_USAGE);
    cr_assert(holds("counts/part-00000", "old"));
    cr_assert_eq(count_names("."), 1u);
    leave();
}

Test(commit, leaves_the_living_and_strangers_alone) {
    struct mr_error err = {0};
    struct mr_commit *next = NULL;
    enter();
    cr_assert_eq(mkdir("counts.pending-mine", 0700), 0);
    cr_assert_eq(mkdir("counts.old-2024", 0700), 0);
    cr_assert_eq(mkdir("count.pending-" ID, 0700), 0);
    put_file("counts.pending-" OTHER_ID, "a file");
    struct mr_commit *commit = begin(false);
    cr_assert_eq(mr_commit_begin("counts", false, "11111111111111111111111111111111", &next, &err),
                 0, "%s", err.text);
    mr_commit_end(next);
    cr_assert(holds(PENDING "/attempt-1-1/part-00001", "defgh"));
    cr_assert_eq(publish(commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert(is_published());
    cr_assert_eq(count_names("."), 5u);
    leave();
}

/* ---- many at once on one output ---- */

#define THREADS 4
#define ROUNDS 200

static struct {
    atomic_uint failed;
    atomic_uint published;
    bool must_publish;
} crowd;

static void *join_crowd(void *arg) {
    unsigned number = *(unsigned *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct mr_error err = {0};
        struct mr_commit *commit = NULL;
        char id[33];
        snprintf(id, sizeof id, "%016x%016x", number, i);
        int status = mr_commit_begin("counts", true, id, &commit, &err);
        if (status) {
            printf("# %s\n", err.text);
            atomic_fetch_add(&crowd.failed, 1);
            continue;
        }
        if (crowd.must_publish) {
            status = mr_commit_publish(commit, NULL, NULL, 0, MANIFEST, &err);
            atomic_fetch_add(status ? &crowd.failed : &crowd.published, 1);
            if (status) {
                printf("# %s\n", err.text);
            }
        }
        mr_commit_end(commit);
    }
    return NULL;
}

static void gather(bool must_publish) {
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    enter();
    crowd.must_publish = must_publish;
    atomic_store(&crowd.failed, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, join_crowd, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    }
    cr_assert_eq(atomic_load(&crowd.failed), 0u);
}

Test(commit, makers_and_clearers_do_not_meet) {
    gather(false);
    cr_assert_eq(count_names("."), 0u);
    leave();
}

Test(commit, many_may_overwrite) {
    gather(true);
    cr_assert(holds("counts/_manifest.json", MANIFEST));
    cr_assert_eq(count_names("counts"), 2u);
    cr_assert_eq(count_names("."), 1u);
    leave();
}
