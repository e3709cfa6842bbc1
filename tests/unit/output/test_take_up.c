/* test_take_up: an output that a journal remembers waits for its run, and for as long as it does.
 */
#include "lib/output/commit.h"

#include "lib/output/part.h"
#include "lib/output/tree.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "0123456789abcdef0123456789abcdef"
#define OTHER_ID "ffffffffffffffffffffffffffffffff"
#define PENDING "counts.pending-" ID
#define MANIFEST "{\"format\": 1, \"result\": {\"parts\": []}, \"run\": {\"id\": \"" ID "\"}}\n"

static char folder[] = "/tmp/millrace-take-up-XXXXXX";
static char owner[128];

static void enter(void) {
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(mkdir("state", 0700), 0);
    cr_assert_eq(close(open("state/journal.db", O_CREAT | O_WRONLY, 0600)), 0);
    snprintf(owner, sizeof owner, "%s/state", folder);
}

static void leave(void) {
    struct mr_error err = {0};
    cr_assert_eq(mr_tree_remove(AT_FDCWD, folder, &err), 0, "%s", err.text);
    cr_assert_eq(chdir("/"), 0);
}

static bool is_there(const char *path) {
    struct stat about;
    return lstat(path, &about) == 0;
}

static struct mr_commit *take_up(enum mr_commit_standing want, bool overwrite) {
    struct mr_commit *commit = NULL;
    struct mr_error err = {0};
    enum mr_commit_standing standing;
    cr_assert_eq(mr_commit_take_up("counts", overwrite, ID, owner, &commit, &standing, &err), 0,
                 "%s", err.text);
    cr_assert_eq(standing, want);
    return commit;
}

static struct mr_run_part write_part(struct mr_commit *commit, uint32_t task, uint32_t attempt) {
    struct mr_error err = {0};
    struct mr_part part;
    struct mr_run_part result = {.records = 1};
    char name[MR_PART_NAME_MAX];
    int fd = -1;
    mr_part_name(name, sizeof name, task);
    cr_assert_eq(mr_commit_attempt(commit, task, attempt, &fd, &err), 0, "%s", err.text);
    cr_assert_eq(mr_part_create(&part, fd, name, &err), 0);
    cr_assert_eq(mr_part_write(&part, "a\t1\n", 4, &err), 0);
    cr_assert_eq(mr_part_finish(&part, &result, &err), 0);
    close(fd);
    cr_assert_eq(mr_commit_sync(commit, &err), 0);
    return result;
}

static bool is_whole(struct mr_commit *commit, uint32_t task, uint32_t attempt,
                     const struct mr_run_part *part) {
    bool whole = false;
    struct mr_error err = {0};
    cr_assert_eq(mr_commit_check(commit, task, attempt, part, &whole, &err), 0, "%s", err.text);
    return whole;
}

/* What another run on the same output makes of it. */
static void rival(void) {
    struct mr_commit *commit = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_commit_begin("counts", true, OTHER_ID, &commit, &err), 0, "%s", err.text);
    mr_commit_end(commit);
}

Test(take_up, what_attempts_left_is_there_again) {
    enter();
    struct mr_commit *commit = take_up(MR_COMMIT_OPEN, false);
    struct mr_run_part part = write_part(commit, 0, 1);
    (void)write_part(commit, 0, 2);
    (void)write_part(commit, 1, 1);
    mr_commit_leave(commit);
    rival();
    cr_assert(is_there(PENDING), "a journal remembers it");
    commit = take_up(MR_COMMIT_OPEN, false);
    cr_assert(is_whole(commit, 0, 1, &part));
    const uint32_t winners[2] = {1, 0};
    struct mr_error err = {0};
    cr_assert_eq(mr_commit_sweep(commit, winners, 2, &err), 0, "%s", err.text);
    cr_assert(is_there(PENDING "/attempt-0-1"));
    cr_assert_not(is_there(PENDING "/attempt-0-2"));
    cr_assert_not(is_there(PENDING "/attempt-1-1"));
    cr_assert_not(is_whole(commit, 1, 1, &part));
    part.xxh3 ^= 1;
    cr_assert_not(is_whole(commit, 0, 1, &part));
    part.xxh3 ^= 1;
    cr_assert_eq(rename(PENDING "/attempt-0-1/part-00000", PENDING "/out/part-00000"), 0);
    cr_assert(is_whole(commit, 0, 1, &part), "moved already");
    cr_assert_eq(truncate(PENDING "/out/part-00000", 3), 0);
    cr_assert_not(is_whole(commit, 0, 1, &part));
    cr_assert_eq(mr_commit_discard(commit, 0, 1, &err), 0);
    cr_assert_not(is_there(PENDING "/attempt-0-1"));
    mr_commit_end(commit);
    cr_assert_not(is_there(PENDING));
    leave();
}

Test(take_up, without_its_journal_it_is_cleared) {
    enter();
    mr_commit_leave(take_up(MR_COMMIT_OPEN, false));
    rival();
    cr_assert(is_there(PENDING));
    cr_assert_eq(unlink("state/journal.db"), 0);
    rival();
    cr_assert_not(is_there(PENDING));
    leave();
}

Test(take_up, published_and_not_known_to_be) {
    enter();
    struct mr_commit *commit = take_up(MR_COMMIT_OPEN, false);
    struct mr_run_part part = write_part(commit, 0, 1);
    const uint32_t winners[1] = {1};
    struct mr_error err = {0};
    bool is_done = true;
    cr_assert_eq(mr_commit_is_done("counts", ID, &is_done, &err), 0);
    cr_assert_not(is_done);
    cr_assert_eq(mr_commit_publish(commit, &part, winners, 1, MANIFEST, &err), 0, "%s", err.text);
    mr_commit_end(commit);
    cr_assert_eq(mr_commit_is_done("counts", ID, &is_done, &err), 0);
    cr_assert(is_done);
    cr_assert_eq(mr_commit_is_done("counts", OTHER_ID, &is_done, &err), 0);
    cr_assert_not(is_done);
    commit = take_up(MR_COMMIT_PUBLISHED, false);
    mr_commit_end(commit);
    cr_assert(is_there("counts/part-00000"));
    cr_assert_not(is_there(PENDING));
    enum mr_commit_standing standing;
    cr_assert_eq(mr_commit_take_up("counts", false, OTHER_ID, owner, &commit, &standing, &err),
                 MR_ERR_USAGE, "another's");
    leave();
}

static struct mr_commit *prepare_for_cluster(void) {
    struct mr_commit *commit = NULL;
    struct mr_error err = {0};
    enum mr_commit_standing standing;
    cr_assert_eq(
        mr_commit_take_up("counts", false, ID, MR_COMMIT_CLUSTER, &commit, &standing, &err), 0,
        "%s", err.text);
    cr_assert_eq(standing, MR_COMMIT_OPEN);
    return commit;
}

static struct mr_commit *join(void) {
    struct mr_commit *commit = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_commit_join("counts", ID, "reducer-1", &commit, &err), 0, "%s", err.text);
    return commit;
}

Test(take_up, a_clusters_is_worked_in_by_many_and_published_by_one) {
    enter();
    enum mr_pending_left left;
    struct mr_error err = {0};
    mr_commit_leave(prepare_for_cluster());
    rival();
    struct mr_commit *one = join();
    struct mr_commit *two = join();
    struct mr_run_part parts[2] = {write_part(one, 0, 1), {0}};
    parts[1] = write_part(two, 1, 2);
    (void)write_part(two, 0, 2);
    cr_assert(is_whole(two, 0, 1, &parts[0]), "seen by all");
    const uint32_t winners[2] = {1, 2};
    cr_assert_eq(mr_commit_publish(one, parts, winners, 2, MANIFEST, &err), MR_ERR_INTERNAL);
    mr_commit_end(one);
    rival();
    cr_assert(is_there(PENDING "/attempt-0-1"), "a cluster remembers it");

    err = (struct mr_error){0};
    struct mr_commit *publisher = prepare_for_cluster();
    cr_assert_eq(mr_commit_publish(publisher, parts, winners, 2, MANIFEST, &err), 0, "%s",
                 err.text);
    mr_commit_end(publisher);
    mr_commit_leave(two);
    cr_assert(is_there("counts/part-00001"));
    cr_assert_not(is_there(PENDING));
    cr_assert_eq(mr_commit_drop("counts", ID, &left, &err), 0);
    cr_assert(is_there("counts/part-00001"));
    leave();
}

Test(take_up, a_clusters_goes_when_the_cluster_says_so) {
    enter();
    enum mr_pending_left left;
    struct mr_error err = {0};
    struct mr_commit *commit = prepare_for_cluster();
    cr_assert_eq(mr_commit_drop("counts", ID, &left, &err), 0);
    cr_assert(is_there(PENDING), "somebody works on it");
    cr_assert_eq(left, MR_PENDING_STAYS);
    mr_commit_leave(commit);
    struct mr_commit *joined = join();
    (void)write_part(joined, 0, 1);
    mr_commit_leave(joined);
    cr_assert_eq(mr_commit_drop("counts", OTHER_ID, &left, &err), 0);
    cr_assert(is_there(PENDING));
    cr_assert_eq(mr_commit_drop("counts", ID, &left, &err), 0);
    cr_assert_not(is_there(PENDING));
    cr_assert_eq(left, MR_PENDING_DROPPED);
    cr_assert_eq(mr_commit_drop("counts", ID, &left, &err), 0);
    cr_assert_eq(left, MR_PENDING_NOTHING);
    mr_commit_end(prepare_for_cluster());
    cr_assert_not(is_there(PENDING), "its submission was refused");
    leave();
}

Test(take_up, what_was_made_in_vain_is_kept) {
    enter();
    enum mr_pending_left left;
    struct mr_error err = {0};
    struct mr_commit *commit = NULL;
    enum mr_commit_standing standing;
    mr_commit_leave(prepare_for_cluster());
    struct mr_commit *joined = join();
    struct mr_run_part part = write_part(joined, 0, 1);
    mr_commit_leave(joined);
    cr_assert_eq(mkdir("counts", 0700), 0);
    const uint32_t winner = 1;
    for (int i = 0; i < 2; i++) { /* and again, by who does not know that it was done */
        err = (struct mr_error){0};
        cr_assert_eq(mr_commit_take_over("counts", false, ID, &commit, &standing, &err), 0, "%s",
                     err.text);
        cr_assert_eq(standing, MR_COMMIT_OPEN);
        cr_assert_eq(mr_commit_publish(commit, &part, &winner, 1, MANIFEST, &err), MR_ERR_USAGE);
        cr_assert_not_null(strstr(err.text, "the result is kept: mv \"" PENDING "/out\" NAME"),
                           "%s", err.text);
        mr_commit_end(commit);
    }
    err = (struct mr_error){0};
    cr_assert_eq(mr_commit_drop("counts", ID, &left, &err), 0);
    cr_assert_eq(left, MR_PENDING_DROPPED, "what is kept is not to go");
    cr_assert(is_there(PENDING "/out/part-00000"));
    cr_assert(is_there(PENDING "/out/_SUCCESS"));
    leave();
}

Test(take_up, what_a_node_does_not_see_is_said) {
    enter();
    static const char *const places[] = {"counts", "nowhere/counts"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_error err = {0};
        struct mr_commit *commit = NULL;
        cr_assert_eq(mr_commit_join(places[i], ID, "reducer-1", &commit, &err), MR_ERR_IO);
        cr_assert_not_null(strstr(err.text, "node reducer-1 does not see \""), "%s", err.text);
        cr_assert_not_null(strstr(err.text, places[i]), "%s", err.text);
        cr_assert_null(commit);
    }
    leave();
}
