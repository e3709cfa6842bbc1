/* test_loop: jobs that loop, inside this process: what round_done sees, what it may do, and how a
 * run of it ends. */
#include <mr/run.h>

#include "lib/base/hash.h"
#include "tests/unit/input/scratch.h"

#define MIB ((uint64_t)1 << 20)
#define PASSES 4

/* ---- a job: each pass counts lines times the state's number ---------------------------------- */

static uint64_t number_of(const struct mr_ctx *ctx) {
    uint64_t number = 0;
    struct mr_bytes state = mr_loop_state(ctx);
    if (state.len == sizeof number) {
        memcpy(&number, state.data, sizeof number);
    }
    return number;
}

static int set_number(struct mr_ctx *ctx, uint64_t number) {
    return mr_set_loop_state(ctx, (struct mr_bytes){(const char *)&number, sizeof number});
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    return mr_emit_u64(ctx, line, number_of(ctx));
}

static int start(struct mr_ctx *ctx) {
    cr_assert_eq(ctx->phase, MR_PHASE_LOOP);
    cr_assert_eq(mr_loop_state(ctx).len, (size_t)0);
    return set_number(ctx, 10);
}

/* Writes the results; the state doubles, but for the third pass, which leaves it. */
static int round_done(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct mr_bytes key;
    uint64_t value;
    int more;
    cr_assert_eq(ctx->phase, MR_PHASE_LOOP);
    cr_assert(!*again);
    while ((more = mr_next_result_u64(ctx, results, &key, &value)) > 0) {
        if (mr_emit_u64(ctx, key, value)) {
            return MR_ERR_JOB;
        }
    }
    cr_assert_eq(mr_next_result_u64(ctx, results, &key, &value), more); /* and stays at the end */
    *again = ctx->pass + 1 < PASSES;
    return ctx->pass == 2 ? more : set_number(ctx, 2 * number_of(ctx));
}

static const struct mr_round rounds[] = {{.name = "count", .map = map, .value = MR_SUM_U64}};
static const struct mr_job job = {.abi = MR_JOB_ABI,
                                  .name = "loop",
                                  .rounds = rounds,
                                  .round_count = 1,
                                  .start = start,
                                  .round_done = round_done};

/* ---- runs ------------------------------------------------------------------------------------ */

struct fixture {
    struct scratch scratch;
    char input[80];
    const char *inputs[1];
    int out[2]; /* a pipe: what is written is little */
    struct mr_run_result result;
    struct mr_error err;
    char text[4096];
};

static void setup(struct fixture *fixture, const char *lines, size_t times) {
    size_t len = strlen(lines);
    char *text = malloc(len * times + 1);
    *fixture = (struct fixture){0};
    cr_assert_not_null(text);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * len, lines, len);
    }
    scratch_make(&fixture->scratch);
    scratch_write(&fixture->scratch, "input", text, len * times);
    free(text);
    snprintf(fixture->input, sizeof fixture->input, "%s", scratch_path(&fixture->scratch, "input"));
    fixture->inputs[0] = fixture->input;
    cr_assert_eq(pipe(fixture->out), 0);
}

static int run(struct fixture *fixture, const struct mr_job *what, const atomic_bool *stop) {
    struct mr_run_spec spec = {.job = what,
                               .inputs = fixture->inputs,
                               .input_count = 1,
                               .output_fd = fixture->out[1],
                               .threads = 2,
                               .memory_bytes = 32 * MIB,
                               .stop = stop};
    fixture->err = (struct mr_error){0};
    int status = mr_run(&spec, &fixture->result, &fixture->err);
    cr_assert_eq(write(fixture->out[1], "", 1), (ssize_t)1); /* ends the text */
    cr_assert_gt(read(fixture->out[0], fixture->text, sizeof fixture->text), (ssize_t)0);
    return status;
}

static void teardown(struct fixture *fixture) {
    mr_run_result_fini(&fixture->result);
    close(fixture->out[0]);
    close(fixture->out[1]);
    scratch_remove(&fixture->scratch);
}

Test(loop, passes_states_and_lines) {
    struct fixture fixture;
    setup(&fixture, "b\na\nb\n", 1);
    cr_assert_eq(run(&fixture, &job, NULL), 0, "%s", fixture.err.text);
    cr_assert_str_eq(fixture.text, "a\t10\nb\t20\na\t20\nb\t40\na\t40\nb\t80\na\t40\nb\t80\n");
    const struct mr_run_loop *loop = &fixture.result.loop;
    uint64_t last = 80;
    struct mr_hash_128 name = mr_hash_xxh3_128(&last, sizeof last);
    cr_assert_eq(loop->passes, (uint64_t)PASSES);
    cr_assert_eq(loop->state_bytes, (uint64_t)sizeof last);
    cr_assert_eq(loop->state_xxh3[0], name.high);
    cr_assert_eq(loop->state_xxh3[1], name.low);
    cr_assert_eq(fixture.result.output_records, (uint64_t)8);
    cr_assert_eq(fixture.result.output_bytes, (uint64_t)strlen(fixture.text));
    cr_assert_eq(fixture.result.round_count, (size_t)1);
    cr_assert_eq(fixture.result.rounds[0].books.records_mapped, (uint64_t)3 * PASSES);
    teardown(&fixture);
}

Test(loop, threads_that_rest_between_passes) {
    struct fixture fixture;
    setup(&fixture, "b\na\nb\n", 500000); /* 3 MB: two threads */
    cr_assert_eq(run(&fixture, &job, NULL), 0, "%s", fixture.err.text);
    cr_assert_eq(fixture.result.threads, 2u);
    cr_assert_str_eq(fixture.text, "a\t5000000\nb\t10000000\na\t10000000\nb\t20000000\n"
                                   "a\t20000000\nb\t40000000\na\t20000000\nb\t40000000\n");
    teardown(&fixture);
}

/* What differs from the job above. */
static int run_with(struct fixture *fixture, int (*begin)(struct mr_ctx *),
                    int (*done)(struct mr_ctx *, struct mr_results *, bool *)) {
    struct mr_job other = job;
    other.start = begin;
    other.round_done = done;
    return run(fixture, &other, NULL);
}

static int end_at_once(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    (void)ctx, (void)results, (void)again;
    return 0;
}

Test(loop, without_start_the_state_is_empty_and_results_need_not_be_read) {
    struct fixture fixture;
    setup(&fixture, "a\n", 1);
    cr_assert_eq(run_with(&fixture, NULL, end_at_once), 0, "%s", fixture.err.text);
    struct mr_hash_128 name = mr_hash_xxh3_128(NULL, 0);
    cr_assert_eq(fixture.result.loop.passes, (uint64_t)1);
    cr_assert_eq(fixture.result.loop.state_bytes, (uint64_t)0);
    cr_assert_eq(fixture.result.loop.state_xxh3[1], name.low);
    cr_assert_str_eq(fixture.text, "");
    teardown(&fixture);
}

static int set_too_much(struct mr_ctx *ctx) {
    char *state = calloc(1, 2 * MIB);
    cr_assert_not_null(state);
    int fits = mr_set_loop_state(ctx, (struct mr_bytes){state, MIB}); /* 1/32 of 32 MiB */
    int status = mr_set_loop_state(ctx, (struct mr_bytes){state, MIB + 1});
    free(state);
    cr_assert_eq(fits, 0);
    cr_assert_eq(status, MR_ERR_JOB);
    return 0; /* the failure is remembered */
}

Test(loop, a_state_that_is_too_large) {
    struct fixture fixture;
    setup(&fixture, "a\n", 1);
    cr_assert_eq(run_with(&fixture, set_too_much, end_at_once), MR_ERR_JOB);
    cr_assert_not_null(strstr(fixture.err.text, "a state of "));
    cr_assert_not_null(strstr(fixture.err.text, "the limit is 1M, 1/32 of --memory (in start)"));
    teardown(&fixture);
}

static int fail_second(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    (void)results;
    *again = true;
    return ctx->pass == 1 ? mr_fail(ctx, "enough") : 0;
}

Test(loop, a_failure_says_in_which_pass) {
    struct fixture fixture;
    setup(&fixture, "a\n", 1);
    cr_assert_eq(run_with(&fixture, start, fail_second), MR_ERR_JOB);
    cr_assert_str_eq(fixture.err.text, "loop: enough (in round_done, pass 2)");
    cr_assert_eq(fixture.result.loop.passes, (uint64_t)2);
    teardown(&fixture);
}

static int read_as_text(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct mr_bytes key;
    double number;
    (void)again;
    return mr_next_result_f64(ctx, results, &key, &number) < 0 ? MR_ERR_JOB : 0;
}
static int reduce_to_text(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state, (void)value;
    return mr_emit(ctx, key, mr_bytes_text("words"));
}

Test(loop, a_result_that_is_no_number) {
    struct fixture fixture;
    const struct mr_round texts[] = {
        {.name = "count", .map = map, .value = MR_SUM_U64, .reduce_u64 = reduce_to_text}};
    struct mr_job other = job;
    other.rounds = texts;
    other.round_done = read_as_text;
    setup(&fixture, "a\n", 1);
    cr_assert_eq(run(&fixture, &other, NULL), MR_ERR_JOB);
    cr_assert_not_null(strstr(fixture.err.text, "the result \"a\" is no number: it has 5 bytes"));
    teardown(&fixture);
}

static int call_in_map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    return mr_set_loop_state(ctx, line);
}

Test(loop, tasks_only_read_the_state) {
    struct fixture fixture;
    const struct mr_round wrong[] = {{.name = "count", .map = call_in_map, .value = MR_SUM_U64}};
    struct mr_job other = job;
    other.rounds = wrong;
    setup(&fixture, "a\n", 1);
    cr_assert_eq(run(&fixture, &other, NULL), MR_ERR_JOB);
    cr_assert_not_null(
        strstr(fixture.err.text, "mr_set_loop_state can be called in start and round_done only"));
    teardown(&fixture);
}

static atomic_bool stop_now;

/* Stops the run from within, and goes on looking at results. */
static int stop_here(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct mr_bytes key;
    uint64_t value;
    atomic_store(&stop_now, true);
    *again = true;
    for (int i = 0; i < 100000; i++) {
        int more = mr_next_result_u64(ctx, results, &key, &value);
        if (more < 0) {
            return more;
        }
    }
    return mr_fail(ctx, "it was not stopped");
}

Test(loop, is_stopped_between_results) {
    struct fixture fixture;
    struct mr_job other = job;
    other.round_done = stop_here;
    setup(&fixture, "a\nb\nc\n", 1);
    atomic_store(&stop_now, false);
    cr_assert_eq(run(&fixture, &other, &stop_now), MR_ERR_INTERRUPTED);
    teardown(&fixture);
}
