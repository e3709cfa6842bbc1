/* play: a job for a staged worker: its spec, and the messages that have it done; for tests. */
#ifndef MR_TESTS_UNIT_NODE_PLAY_H
#define MR_TESTS_UNIT_NODE_PLAY_H

#include "tests/unit/worker/node/stage.h"

/* ---- jobs -------------------------------------------------------------------------------------*/

static inline struct mr_hash_128 stage_put(struct stage *stage, const void *data, size_t len) {
    struct stage_blob *blob = &stage->blobs[stage->blob_count++];
    struct mr_error err = {0};
    cr_assert_leq(stage->blob_count, STAGE_BLOBS);
    *blob = (struct stage_blob){.hash = mr_hash_xxh3_128(data, len)};
    cr_assert_eq(mr_buffer_append(&blob->bytes, data, len, &err), 0);
    return blob->hash;
}

static inline void stage_read(const char *path, struct mr_buffer *bytes) {
    struct mr_error err = {0};
    struct stat about;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(fstat(fd, &about), 0);
    cr_assert_eq(mr_buffer_reserve(bytes, (size_t)about.st_size + 1, &err), 0);
    cr_assert_eq(mr_file_read(fd, 0, bytes->data, (size_t)about.st_size, path, &got, &err), 0);
    bytes->len = got;
    bytes->data[got] = '\0';
    (void)close(fd);
}

static inline void stage_write(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

/* A job of one plugin of the tests' on two small files. */
struct play {
    const char *plugin; /* below BUILD/tests */
    struct mr_spec_param params[4];
    size_t param_count;
    bool is_collected;
    bool loops;
    uint32_t partitions;
    const char *missing_input; /* instead of the second file */
    const char *texts[2];
};

static inline void stage_plan(struct stage *stage, const struct play *play) {
    char paths[2][STAGE_PATH];
    char plugin[STAGE_PATH];
    char output[STAGE_PATH];
    const char *build = getenv("BUILD");
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    struct stat about[2] = {0};
    if (!build) {
        cr_skip_test("BUILD does not name the folder of the build");
    }
    snprintf(plugin, sizeof plugin, "%s/tests/%s", build, play->plugin);
    snprintf(output, sizeof output, "%s/out", stage->dir);
    stage_read(plugin, &bytes);
    struct mr_hash_128 code = stage_put(stage, bytes.data, bytes.len);
    for (size_t i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/input-%zu", stage->dir, i);
        stage_write(paths[i], play->texts[i]);
        cr_assert_eq(stat(paths[i], &about[i]), 0);
    }
    struct mr_spec_input inputs[2];
    struct mr_spec_split splits[2];
    for (size_t i = 0; i < 2; i++) {
        inputs[i] = (struct mr_spec_input){.path = paths[i],
                                           .kind = MR_INPUT_FILE,
                                           .size = (uint64_t)about[i].st_size,
                                           .mtime_seconds = (uint64_t)about[i].st_mtim.tv_sec,
                                           .mtime_nanoseconds = (uint64_t)about[i].st_mtim.tv_nsec,
                                           .inode = about[i].st_ino};
        splits[i] = (struct mr_spec_split){i, 0, (uint64_t)about[i].st_size};
    }
    if (play->missing_input) {
        inputs[1].path = play->missing_input;
    }
    struct mr_spec_round round = {.name = "only", .partitions = play->partitions};
    struct mr_spec spec = {.version = MR_VERSION,
                           .job = "job.so",
                           .plugin_high = code.high,
                           .plugin_low = code.low,
                           .params = play->params,
                           .params_count = play->param_count,
                           .label = "a test",
                           .rounds = &round,
                           .rounds_count = 1,
                           .loops = play->loops,
                           .inputs = inputs,
                           .inputs_count = 2,
                           .splits = splits,
                           .splits_count = 2,
                           .block_bytes = 1 << 20,
                           .collector_bytes = 8 << 20,
                           .pool_limit = 16 << 20,
                           .merge_bytes = 4 << 20,
                           .range_bytes = 1 << 20,
                           .buffered_max = 1 << 20,
                           .fan_in = 16,
                           .record_bytes_max = 4 << 20,
                           .state_max = 1 << 20,
                           .task_timeout_ms = 600000,
                           .max_attempts = 4,
                           .codec = 1,
                           .output = play->is_collected ? NULL : output};
    bytes.len = 0;
    cr_assert_eq(mr_spec_encode(&spec, &bytes, &err), 0, "%s", err.text);
    stage->spec = stage_put(stage, bytes.data, bytes.len);
    mr_buffer_fini(&bytes);
}

static inline void stage_send_job(struct stage *stage, unsigned seat) {
    struct mr_wire_job job = {.job = STAGE_JOB,
                              .id = STAGE_ID,
                              .spec_high = stage->spec.high,
                              .spec_low = stage->spec.low};
    stage_send(stage, seat, MR_WIRE_JOB, &job);
}

static inline void stage_start(struct stage *stage, unsigned seat, unsigned phase, uint32_t task,
                               uint32_t attempt, uint32_t partitions) {
    struct mr_wire_start start = {.job = STAGE_JOB,
                                  .phase = phase,
                                  .task = task,
                                  .attempt = attempt,
                                  .partitions = partitions,
                                  .is_last = true, /* of the round, whatever the phase */
                                  .care_block = UINT64_MAX};
    stage_send(stage, seat, MR_WIRE_START, &start);
}

static inline void stage_answer(struct stage *stage, unsigned seat, unsigned phase, uint32_t task,
                                uint32_t attempt, bool is_accepted) {
    struct mr_wire_answer answer = {.job = STAGE_JOB,
                                    .phase = phase,
                                    .task = task,
                                    .attempt = attempt,
                                    .is_accepted = is_accepted};
    stage_send(stage, seat, MR_WIRE_ANSWER, &answer);
}

/* Has a map task done by a worker, and takes it. */
static inline void stage_map(struct stage *stage, unsigned seat, uint32_t task, uint32_t attempt,
                             uint32_t partitions) {
    struct heard heard;
    stage_start(stage, seat, 0, task, attempt, partitions);
    stage_hear(stage, seat, MR_WIRE_DONE, &heard);
    cr_assert_eq(heard.any.done_.task, task);
    cr_assert_eq(heard.any.done_.attempt, attempt);
    mr_layout_release(&heard.held);
    stage_answer(stage, seat, 0, task, attempt, true);
}

static inline void stage_introduce(struct stage *stage, unsigned to, unsigned whom) {
    const struct seat *seat = &stage->seats[whom];
    struct mr_wire_peer peer = {.node = whom,
                                .incarnation = seat->incarnation,
                                .name = seat->name,
                                .host = seat->host,
                                .address = seat->address,
                                .scratch = seat->scratch};
    stage_send(stage, to, MR_WIRE_PEER, &peer);
}

static inline void stage_source(struct stage *stage, unsigned to, uint32_t task, uint32_t attempt,
                                unsigned node) {
    struct mr_wire_row_source row = {.task = task, .attempt = attempt, .node = node};
    struct mr_wire_sources sources = {
        .job = STAGE_JOB, .phase = 1, .total = 2, .sources = &row, .sources_count = 1};
    stage_send(stage, to, MR_WIRE_SOURCES, &sources);
}

static inline void stage_job_path(const struct cast *cast, const char *name,
                                  char path[STAGE_PATH]) {
    snprintf(path, STAGE_PATH, "%.300s/jobs/" STAGE_ID "/%s", cast->scratch, name);
}

static inline void stage_forget(struct stage *stage, unsigned seat, const struct cast *cast) {
    char path[STAGE_PATH];
    struct mr_wire_forget message = {.job = STAGE_JOB, .id = STAGE_ID};
    stage_job_path(cast, "", path);
    stage_send(stage, seat, MR_WIRE_FORGET, &message);
    stage_until(stage, access(path, F_OK) != 0);
}

#define SUM "plugins/sum_u64.so"
#define NUMBERS                                                                                    \
    { "a\t1\nb\t2\na\t3\n", "b\t4\nc\t5\n" }

/* What most tests play: sums, into one part. */
static const struct play sum_play = {.plugin = SUM, .partitions = 1, .texts = NUMBERS};

/* A stage with one worker that knows the job. */
static inline void begin(struct stage *stage, struct cast *cast, const struct play *play) {
    stage_open(stage);
    stage_plan(stage, play);
    cast_prepare(stage, cast, "one");
    cast_start(stage, cast);
    stage_send_job(stage, 0);
}

static inline void finish(struct stage *stage, struct cast *cast) {
    cast_end(stage, cast);
    stage_close(stage);
}

static inline bool is_there(const char *path) {
    struct stat about;
    return lstat(path, &about) == 0;
}

/* Whether the worker's file about itself says so. */
static inline bool has_noted(const struct cast *cast, const char *words) {
    char path[STAGE_PATH];
    struct mr_buffer bytes = {0};
    snprintf(path, sizeof path, "%.300s/node", cast->scratch);
    stage_read(path, &bytes);
    bool is_noted = strstr(bytes.data, words) != NULL;
    mr_buffer_fini(&bytes);
    return is_noted;
}

#endif
