/* test_node: a worker does what a master tells it, and bears what may happen to both. */
#include "tests/unit/worker/node/stage.h"

#define SUM "plugins/sum_u64.so"
#define UNRULY "misbehave.so"
#define NUMBERS                                                                                    \
    { "a\t1\nb\t2\na\t3\n", "b\t4\nc\t5\n" }

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

static void job_path(const struct cast *cast, const char *name, char path[STAGE_PATH]) {
    snprintf(path, STAGE_PATH, "%.300s/jobs/" STAGE_ID "/%s", cast->scratch, name);
}

static void forget(struct stage *stage, unsigned seat, const struct cast *cast) {
    char path[STAGE_PATH];
    struct mr_wire_forget message = {.job = STAGE_JOB, .id = STAGE_ID};
    job_path(cast, "", path);
    stage_send(stage, seat, MR_WIRE_FORGET, &message);
    stage_until(stage, access(path, F_OK) != 0);
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
    job_path(&casts[1], "map-0-0-1", path);
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
    forget(&stage, 0, &casts[0]);
    forget(&stage, 1, &casts[1]);
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
