/* test_loop: a worker calls a loop's start and round_done, and does the passes in between. */
#include "tests/unit/worker/node/play.h"

#include <inttypes.h>

#define PARTITIONS 5u

/* The blob of this name, as it came in pieces; false: it did not. */
static bool find_blob(struct stage *stage, uint64_t high, uint64_t low, struct mr_buffer *bytes) {
    for (const struct told *told = stage->told; told; told = told->next) {
        union mr_wire_any any;
        struct mr_layout_held held = {0};
        struct mr_error err = {0};
        if (told->kind != MR_WIRE_BLOB) {
            continue;
        }
        cr_assert_eq(mr_wire_decode(told->kind, (struct mr_bytes){told->body.data, told->body.len},
                                    &any, &held, &err),
                     0);
        if (any.blob_.high == high && any.blob_.low == low) {
            bytes->len = any.blob_.offset == 0 ? 0 : bytes->len;
            cr_assert_eq(mr_buffer_append(bytes, told->piece.data, told->piece.len, &err), 0);
        }
        mr_layout_release(&held);
    }
    struct mr_hash_128 hash = mr_hash_xxh3_128(bytes->data, bytes->len);
    return hash.high == high && hash.low == low;
}

/* Has a turn done; gives what it said, and its lines. */
static void turn(struct stage *stage, const struct mr_wire_turn *message,
                 struct mr_wire_turned *turned, struct mr_buffer *state, struct mr_buffer *lines) {
    struct heard heard;
    state->len = lines->len = 0;
    stage_send(stage, 0, MR_WIRE_TURN, message);
    stage_hear(stage, 0, MR_WIRE_TURNED, &heard);
    *turned = heard.any.turned_;
    cr_assert_eq(turned->status, 0u, "%s", turned->why);
    cr_assert_eq(turned->pass, message->pass);
    cr_assert(turned->state_len == 0 ||
              find_blob(stage, turned->state_high, turned->state_low, state));
    cr_assert(turned->lines_len == 0 ||
              find_blob(stage, turned->lines_high, turned->lines_low, lines));
    mr_layout_release(&heard.held);
    struct mr_wire_answer answer = {.job = STAGE_JOB,
                                    .round = message->round,
                                    .phase = 2,
                                    .attempt = message->attempt,
                                    .is_accepted = 1};
    stage_send(stage, 0, MR_WIRE_ANSWER, &answer);
}

static void run_pass(struct stage *stage, const struct mr_wire_turned *state) {
    for (uint32_t i = 0; i < 2 + PARTITIONS; i++) {
        bool is_map = i < 2;
        struct heard heard;
        struct mr_wire_start start = {.job = STAGE_JOB,
                                      .phase = !is_map,
                                      .task = is_map ? i : i - 2,
                                      .attempt = 1,
                                      .partitions = PARTITIONS,
                                      .care_block = UINT64_MAX,
                                      .pass = 1,
                                      .state_len = state->state_len,
                                      .state_high = state->state_high,
                                      .state_low = state->state_low};
        stage_send(stage, 0, MR_WIRE_START, &start);
        stage_hear(stage, 0, MR_WIRE_DONE, &heard);
        mr_layout_release(&heard.held);
        stage_answer(stage, 0, !is_map, (uint32_t)start.task, 1, true);
        if (is_map) {
            stage_source(stage, 0, i, 1, 0);
        }
    }
}

static bool has_state(const struct cast *cast, const struct mr_wire_turned *turned) {
    char name[64];
    char path[STAGE_PATH];
    snprintf(name, sizeof name, "state-%016" PRIx64 "%016" PRIx64, turned->state_high,
             turned->state_low);
    stage_job_path(cast, name, path);
    return access(path, F_OK) == 0;
}

static void tell_pairs(struct stage *stage) {
    struct mr_wire_row_source rows[PARTITIONS];
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        rows[i] = (struct mr_wire_row_source){.task = i, .attempt = 1, .node = 0};
    }
    struct mr_wire_sources sources = {.job = STAGE_JOB,
                                      .round = 1,
                                      .total = PARTITIONS,
                                      .sources = rows,
                                      .sources_count = PARTITIONS};
    stage_send(stage, 0, MR_WIRE_SOURCES, &sources);
}

Test(loop, turns_and_a_pass_between_them) {
    static struct cast cast;
    struct stage stage;
    struct play play = {
        .plugin = "plugins/looping.so",
        .partitions = PARTITIONS,
        .loops = true,
        .is_collected = true,
        .params = {{.name = "passes", .value = "1"}, {.name = "rounds", .value = "1"}},
        .param_count = 2,
        .texts = {"a\nb\n", "b\n"}};
    struct mr_wire_turned turned;
    struct mr_buffer state = {0};
    struct mr_buffer lines = {0};
    struct mr_error err = {0};
    stage_open(&stage);
    stage_plan(&stage, &play);
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    stage_send_job(&stage, 0);
    struct mr_wire_turn message = {
        .job = STAGE_JOB, .round = UINT32_MAX, .attempt = 1, .partitions = PARTITIONS};
    turn(&stage, &message, &turned, &state, &lines);
    cr_assert_eq(lines.len, turned.lines_len);
    cr_assert_eq(memcmp(lines.data, "start\t0\n", 8), 0);
    cr_assert_eq(state.len, 40u);
    stage_put(&stage, state.data, state.len);
    run_pass(&stage, &turned);
    tell_pairs(&stage);
    message = (struct mr_wire_turn){.job = STAGE_JOB,
                                    .round = 0,
                                    .attempt = 1,
                                    .pass = 1,
                                    .partitions = PARTITIONS,
                                    .state_len = turned.state_len,
                                    .state_high = turned.state_high,
                                    .state_low = turned.state_low};
    turn(&stage, &message, &turned, &state, &lines);
    cr_assert_eq(turned.again, 0u);
    cr_assert_eq(turned.state_high | turned.state_low, 0u); /* the last turn sets none */
    cr_assert_eq(mr_buffer_append(&lines, "", 1, &err), 0);
    cr_assert(strstr(lines.data, "1.a\t1\n") && strstr(lines.data, "1.b\t2\n"), "%s", lines.data);
    stage_forget(&stage, 0, &cast);
    mr_buffer_fini(&state);
    mr_buffer_fini(&lines);
    cast_end(&stage, &cast);
    stage_close(&stage);
}

/* A loop of many passes does not fill the disk with its states: one that is older goes. */
Test(loop, states_of_earlier_passes_are_removed) {
    static struct cast cast;
    struct stage stage;
    struct play play = {
        .plugin = "plugins/looping.so",
        .partitions = PARTITIONS,
        .loops = true,
        .is_collected = true,
        .params = {{.name = "passes", .value = "2"}, {.name = "rounds", .value = "1"}},
        .param_count = 2,
        .texts = {"a\nb\n", "b\n"}};
    struct mr_wire_turned first;
    struct mr_wire_turned second;
    struct heard heard;
    struct mr_buffer state = {0};
    struct mr_buffer lines = {0};
    stage_open(&stage);
    stage_plan(&stage, &play);
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    stage_send_job(&stage, 0);
    struct mr_wire_turn message = {
        .job = STAGE_JOB, .round = UINT32_MAX, .attempt = 1, .partitions = PARTITIONS};
    turn(&stage, &message, &first, &state, &lines);
    stage_put(&stage, state.data, state.len);
    run_pass(&stage, &first);
    cr_assert(has_state(&cast, &first));
    tell_pairs(&stage);
    message = (struct mr_wire_turn){.job = STAGE_JOB,
                                    .attempt = 1,
                                    .pass = 1,
                                    .partitions = PARTITIONS,
                                    .state_len = first.state_len,
                                    .state_high = first.state_high,
                                    .state_low = first.state_low};
    turn(&stage, &message, &second, &state, &lines);
    cr_assert_eq(second.again, 1u);
    stage_put(&stage, state.data, state.len);
    struct mr_wire_start start = {.job = STAGE_JOB,
                                  .round = 1,
                                  .attempt = 1,
                                  .partitions = PARTITIONS,
                                  .care_block = UINT64_MAX,
                                  .pass = 2,
                                  .state_len = second.state_len,
                                  .state_high = second.state_high,
                                  .state_low = second.state_low};
    stage_send(&stage, 0, MR_WIRE_START, &start);
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    cr_assert_eq(heard.any.done_.round, 1u);
    mr_layout_release(&heard.held);
    stage_until(&stage, !has_state(&cast, &first));
    cr_assert(has_state(&cast, &second));
    mr_buffer_fini(&state);
    mr_buffer_fini(&lines);
    cast_end(&stage, &cast);
    stage_close(&stage);
}
