/* test_removal: what a worker removes, and what it does not. */
#include "tests/unit/worker/node/play.h"

/* F17: it came too late: nothing is left of it. */
Test(removal, refused_results_are_removed) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    char path[STAGE_PATH];
    char own[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    stage_job_path(&cast, "map-0-0-1", path);
    stage_job_path(&cast, "own/map-0-0-1", own);
    cr_assert(is_there(path) && is_there(own));
    stage_answer(&stage, 0, 0, 0, 1, false);
    stage_until(&stage, !is_there(path) && !is_there(own));
    stage_map(&stage, 0, 1, 1, 1); /* and when nobody needs it any more */
    stage_job_path(&cast, "map-0-1-1", path);
    cr_assert(is_there(path));
    struct mr_wire_discard discard = {.job = STAGE_JOB, .task = 1, .attempt = 1};
    stage_send(&stage, 0, MR_WIRE_DISCARD, &discard);
    stage_until(&stage, !is_there(path));
    stage_map(&stage, 0, 1, 2, 1);
    stage_job_path(&cast, "map-0-1-2", path);
    struct mr_wire_discard_round round = {.job = STAGE_JOB};
    stage_send(&stage, 0, MR_WIRE_DISCARD_ROUND, &round);
    stage_until(&stage, !is_there(path));
    finish(&stage, &cast);
}

/* What is large is moved away at once, and goes in its time. */
Test(removal, large_outputs_are_removed_beside_the_loop) {
    static struct cast cast;
    struct stage stage;
    char path[STAGE_PATH];
    char trash[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_map(&stage, 0, 1, 1, 1);
    stage_job_path(&cast, "map-0-1-1", path);
    stage_job_path(&cast, "../../trash", trash);
    cr_assert_eq(truncate(path, 5 << 20), 0);
    struct mr_wire_discard_round round = {.job = STAGE_JOB};
    stage_send(&stage, 0, MR_WIRE_DISCARD_ROUND, &round);
    stage_until(&stage, !is_there(path));
    stage_until(&stage, rmdir(trash) == 0); /* it is empty */
    finish(&stage, &cast);
}

Test(removal, scratch_of_another_cluster_is_cleared) {
    static struct cast cast;
    struct stage stage;
    char path[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_map(&stage, 0, 0, 1, 1);
    stage.sequence += 300; /* which the next renewal tells */
    stage_until(&stage, has_noted(&cast, "sequence 340"));
    cr_assert(has_noted(&cast, "cluster " STAGE_CLUSTER));
    cast_end(&stage, &cast);
    stage.cluster = "d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2";
    stage.sequence = 1; /* of another journal: not an older one */
    cast_start(&stage, &cast);
    cr_assert_eq(stage.seats[0].held_count, 0u);
    stage_job_path(&cast, "", path);
    cr_assert(!is_there(path));
    finish(&stage, &cast);
}

/* The job goes on there, and others write to it. */
Test(removal, output_of_another_cluster_is_left_alone) {
    static struct cast cast;
    struct stage stage;
    struct mr_commit *commit = NULL;
    enum mr_commit_standing standing;
    struct mr_error err = {0};
    char path[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    snprintf(path, sizeof path, "%s/out", stage.dir);
    cr_assert_eq(
        mr_commit_take_up(path, false, STAGE_ID, MR_COMMIT_CLUSTER, &commit, &standing, &err), 0,
        "%s", err.text);
    mr_commit_leave(commit);
    stage_map(&stage, 0, 0, 1, 1);
    cast_end(&stage, &cast);
    stage.cluster = "d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2";
    cast_start(&stage, &cast);
    cast_end(&stage, &cast); /* which ends what it had begun to remove */
    snprintf(path, sizeof path, "%s/out.pending-" STAGE_ID, stage.dir);
    cr_assert(is_there(path));
    stage_close(&stage);
}
