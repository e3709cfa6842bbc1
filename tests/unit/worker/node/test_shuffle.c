/* test_shuffle: workers hand one another what their tasks left, and notice what is gone or wrong.
 */
#include "tests/unit/worker/node/play.h"

#include <sys/resource.h>

/* The client's part of a job with an output. */
static void prepare_output(struct stage *stage) {
    char output[STAGE_PATH];
    struct mr_commit *commit = NULL;
    enum mr_commit_standing standing;
    struct mr_error err = {0};
    snprintf(output, sizeof output, "%s/out", stage->dir);
    cr_assert_eq(
        mr_commit_take_up(output, false, STAGE_ID, MR_COMMIT_CLUSTER, &commit, &standing, &err), 0,
        "%s", err.text);
    mr_commit_leave(commit);
}

/* ---- a whole job ------------------------------------------------------------------------------*/

/* Two workers: maps on the first, reduces on the second, which gets the outputs by `host`. */
static void run_job(const char *host, bool is_linked) {
    static struct cast casts[2];
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .texts = NUMBERS};
    struct heard heard;
    struct mr_buffer bytes = {0};
    struct mr_account account;
    struct mr_error err = {0};
    struct stat about;
    char path[STAGE_PATH];
    stage_open(&stage);
    prepare_output(&stage);
    stage_plan(&stage, &play);
    for (unsigned i = 0; i < 2; i++) {
        cast_prepare(&stage, &casts[i], i ? "two" : "one");
        casts[i].options.host = i ? host : NULL;
        cast_start(&stage, &casts[i]);
        stage_send_job(&stage, i);
    }
    stage_start(&stage, 1, 1, 0, 1, 1); /* early: its sources come later */
    stage_introduce(&stage, 1, 0);
    for (uint32_t i = 0; i < 2; i++) {
        stage_map(&stage, 0, i, 1, 1);
        stage_source(&stage, 1, i, 1, 0);
    }
    stage_hear(&stage, 1, MR_WIRE_DONE, &heard);
    struct mr_wire_done *done = &heard.any.done_;
    cr_assert_eq(mr_account_get(&account, done->account.data, done->account.len, &err), 0);
    cr_assert_eq(account.groups, 3u);
    cr_assert_eq(account.part_xxh3, done->digest);
    stage_answer(&stage, 1, 1, 0, 1, true);
    stage_job_path(&casts[1], "map-0-0-1", path);
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_eq(about.st_nlink, is_linked ? 3u : 1u); /* its own, and in own/, and here */
    static const char manifest[] = "{\"format\": 1, \"run\": {\"id\": \"" STAGE_ID "\"}}\n";
    struct mr_hash_128 text = stage_put(&stage, manifest, sizeof manifest - 1);
    struct mr_wire_row_part part = {.attempt = 1,
                                    .records = account.records_out,
                                    .bytes = account.part_bytes,
                                    .xxh3 = account.part_xxh3};
    struct mr_wire_publish publish = {.job = STAGE_JOB,
                                      .parts = &part,
                                      .parts_count = 1,
                                      .manifest_high = text.high,
                                      .manifest_low = text.low};
    stage_send(&stage, 1, MR_WIRE_PUBLISH, &publish);
    mr_layout_release(&heard.held);
    stage_hear(&stage, 1, MR_WIRE_PUBLISHED, &heard);
    cr_assert_eq(heard.any.published_.status, 0u, "%s", heard.any.published_.why);
    mr_layout_release(&heard.held);
    snprintf(path, sizeof path, "%s/out/part-00000", stage.dir);
    stage_read(path, &bytes);
    cr_assert_str_eq(bytes.data, "a\t4\nb\t6\nc\t5\n");
    stage_forget(&stage, 0, &casts[0]);
    stage_forget(&stage, 1, &casts[1]);
    cast_end(&stage, &casts[0]);
    cast_end(&stage, &casts[1]);
    mr_buffer_fini(&bytes);
    mr_account_fini(&account);
    stage_close(&stage);
}

Test(node, runs_a_job_over_the_wire) {
    run_job("another-machine", false);
}

Test(node, runs_a_job_on_one_machine) {
    run_job(NULL, true);
}

/* ---- outputs that are gone or wrong -----------------------------------------------------------*/

/* Two map outputs on one worker; what is done to the first is found by the other's reduce task. */
static void lose(void (*harm)(struct stage *stage, const struct cast *cast), bool is_near,
                 bool is_damaged) {
    static struct cast casts[2];
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .is_collected = true, .texts = NUMBERS};
    struct heard heard;
    stage_open(&stage);
    stage_plan(&stage, &play);
    for (unsigned i = 0; i < 2; i++) {
        cast_prepare(&stage, &casts[i], i ? "two" : "one");
        casts[i].options.host = i && !is_near ? "another-machine" : NULL;
        cast_start(&stage, &casts[i]);
        stage_send_job(&stage, i);
    }
    stage_map(&stage, 0, 0, 1, 1);
    stage_map(&stage, 0, 1, 1, 1);
    harm(&stage, &casts[0]);
    stage_introduce(&stage, 1, 0);
    stage_source(&stage, 1, 0, 1, 0);
    stage_source(&stage, 1, 1, 1, 0);
    stage_start(&stage, 1, 1, 0, 1, 1);
    stage_hear(&stage, 1, MR_WIRE_LOST, &heard);
    cr_assert_eq(heard.any.lost_.lost_task, 0u);
    cr_assert_eq(heard.any.lost_.lost_attempt, 1u);
    cr_assert_eq(heard.any.lost_.is_damaged, is_damaged, "%s", heard.any.lost_.why);
    cr_assert_not_null(heard.any.lost_.why);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 1, 1, 0, 1, false);
    stage_source(&stage, 1, 0, 0, 0); /* withdrawn, and made again */
    stage_map(&stage, 0, 0, 2, 1);
    stage_source(&stage, 1, 0, 2, 0);
    stage_start(&stage, 1, 1, 0, 2, 1);
    stage_hear(&stage, 1, MR_WIRE_DONE, &heard);
    cr_assert_eq(heard.any.done_.attempt, 2u);
    mr_layout_release(&heard.held);
    cast_end(&stage, &casts[0]);
    cast_end(&stage, &casts[1]);
    stage_close(&stage);
}

static void flip_byte(struct stage *stage, const struct cast *cast) {
    char path[STAGE_PATH];
    char byte = 0;
    (void)stage;
    stage_job_path(cast, "map-0-0-1", path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, 70), 1); /* in the first block */
    byte ^= 4;
    cr_assert_eq(pwrite(fd, &byte, 1, 70), 1);
    (void)close(fd);
}

static void remove_it(struct stage *stage, const struct cast *cast) {
    char path[STAGE_PATH];
    (void)stage;
    stage_job_path(cast, "map-0-0-1", path);
    cr_assert_eq(unlink(path), 0);
}

static void swap_them(struct stage *stage, const struct cast *cast) {
    char one[STAGE_PATH];
    char two[STAGE_PATH];
    char three[STAGE_PATH];
    (void)stage;
    stage_job_path(cast, "map-0-0-1", one);
    stage_job_path(cast, "map-0-1-1", two);
    stage_job_path(cast, "three", three);
    cr_assert_eq(link(two, three), 0); /* the second stays right */
    cr_assert_eq(rename(three, one), 0);
}

/* F26 */
Test(node, damaged_output_is_lost_over_the_wire) {
    lose(flip_byte, false, true);
}

Test(node, damaged_output_is_lost_on_one_machine) {
    lose(flip_byte, true, true);
}

/* F18 */
Test(node, missing_output_is_lost) {
    lose(remove_it, false, false);
}

/* F27 */
Test(node, another_output_in_its_place_is_refused) {
    lose(swap_them, false, false);
}

/* F14: the worker that has it can't be reached. */
static void stop_serving(struct stage *stage, const struct cast *cast) {
    (void)cast;
    snprintf(stage->seats[0].address, sizeof stage->seats[0].address, "127.0.0.1:1");
    snprintf(stage->seats[0].scratch, sizeof stage->seats[0].scratch, "/nowhere");
}

Test(node, unreachable_output_is_lost) {
    static struct cast casts[2];
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .is_collected = true, .texts = NUMBERS};
    struct heard heard;
    stage_open(&stage);
    stage_plan(&stage, &play);
    for (unsigned i = 0; i < 2; i++) {
        cast_prepare(&stage, &casts[i], i ? "two" : "one");
        cast_start(&stage, &casts[i]);
        stage_send_job(&stage, i);
    }
    stage_map(&stage, 0, 0, 1, 1);
    stop_serving(&stage, &casts[0]);
    stage_introduce(&stage, 1, 0);
    stage_source(&stage, 1, 0, 1, 0);
    stage_start(&stage, 1, 1, 0, 1, 1);
    stage_hear(&stage, 1, MR_WIRE_LOST, &heard); /* though task 1 has no winner yet */
    cr_assert_eq(heard.any.lost_.is_damaged, 0u);
    mr_layout_release(&heard.held);
    cast_end(&stage, &casts[0]);
    cast_end(&stage, &casts[1]);
    stage_close(&stage);
}

/* F28: what can't be kept here, for want of room or whatever, is not the fault of who sent it. */
Test(node, output_that_cannot_be_kept_is_no_loss) {
    static struct cast casts[2];
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .is_collected = true, .texts = NUMBERS};
    struct heard heard;
    char path[STAGE_PATH];
    stage_open(&stage);
    stage_plan(&stage, &play);
    for (unsigned i = 0; i < 2; i++) {
        cast_prepare(&stage, &casts[i], i ? "two" : "one");
        casts[i].options.host = i ? "another-machine" : NULL;
        cast_start(&stage, &casts[i]);
        stage_send_job(&stage, i);
    }
    stage_introduce(&stage, 1, 0);
    stage_map(&stage, 0, 0, 1, 1);
    stage_map(&stage, 0, 1, 1, 1);
    stage_job_path(&casts[1], "own", path);
    stage_until(&stage, access(path, F_OK) == 0);
    stage_job_path(&casts[1], "map-0-1-1", path); /* something is in the way */
    cr_assert_eq(mkdir(path, 0700), 0);
    stage_source(&stage, 1, 0, 1, 0);
    stage_source(&stage, 1, 1, 1, 0);
    stage_start(&stage, 1, 1, 0, 1, 1);
    stage_hear(&stage, 1, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.is_fatal, 0u);
    cr_assert(strstr(heard.any.failed_.why, "map-0-1-1"), "%s", heard.any.failed_.why);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 1, 1, 0, 1, false);
    cr_assert_null(stage_find(&stage, 1, MR_WIRE_LOST));
    cr_assert_eq(rmdir(path), 0);
    stage_start(&stage, 1, 1, 0, 2, 1); /* and it is tried again */
    stage_hear(&stage, 1, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    cast_end(&stage, &casts[0]);
    cast_end(&stage, &casts[1]);
    stage_close(&stage);
}

/* However many outputs are wanted at once: those that wait for their turn need no descriptor. */
Test(node, more_outputs_than_descriptors) {
    static struct cast casts[2];
    static struct mr_wire_row_source rows[400];
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .is_collected = true, .texts = NUMBERS};
    struct rlimit limit = {.rlim_cur = 250, .rlim_max = 250};
    struct heard heard;
    stage_open(&stage);
    stage_plan(&stage, &play);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned i = 0; i < 2; i++) {
        cast_prepare(&stage, &casts[i], i ? "two" : "one");
        casts[i].options.host = i ? "another-machine" : NULL;
        cast_start(&stage, &casts[i]);
        stage_send_job(&stage, i);
    }
    stage_introduce(&stage, 1, 0);
    for (uint32_t i = 0; i < 400; i++) {
        rows[i] = (struct mr_wire_row_source){.task = i, .attempt = 1, .node = 0};
    }
    struct mr_wire_sources sources = {
        .job = STAGE_JOB, .phase = 1, .total = 400, .sources = rows, .sources_count = 400};
    stage_send(&stage, 1, MR_WIRE_SOURCES, &sources);
    stage_start(&stage, 1, 1, 0, 1, 1);
    stage_until(&stage, stage_find(&stage, 1, MR_WIRE_LOST) || /* it has none of them */
                            stage_find(&stage, 1, MR_WIRE_FAILED));
    cr_assert_null(stage_find(&stage, 1, MR_WIRE_FAILED)); /* "Too many open files" */
    stage_hear(&stage, 1, MR_WIRE_LOST, &heard);
    cr_assert(strstr(heard.any.lost_.why, "not here"), "%s", heard.any.lost_.why);
    mr_layout_release(&heard.held);
    cast_end(&stage, &casts[0]);
    cast_end(&stage, &casts[1]);
    stage_close(&stage);
}
