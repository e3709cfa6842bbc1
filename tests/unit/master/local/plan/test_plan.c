/* test_plan: what the answer depends on never depends on threads or memory; memory is never shared
 * out twice. */
#include "master/local/plan/plan.h"

#include "lib/base/pool.h"
#include "tests/unit/input/scratch.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)state;
    return mr_emit_u64(ctx, record, 1);
}

static int map_again(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value) {
    (void)state, (void)value;
    return mr_emit_u64(ctx, key, 1);
}

static const struct mr_round rounds[] = {
    {.name = "one", .map = map, .value = MR_SUM_U64},
    {.name = "two", .map_pair = map_again, .value = MR_SUM_U64, .partitions = 5},
    {.name = "three", .map_pair = map_again, .value = MR_SUM_U64}};
static const struct mr_job job = {
    .abi = MR_JOB_ABI, .name = "test", .rounds = rounds, .round_count = 3};
static const struct mr_job short_job = {
    .abi = MR_JOB_ABI, .name = "test", .rounds = rounds, .round_count = 1};

/* Files of these sizes, all holes, and a spec that names their folder. */
struct fixture {
    struct scratch scratch;
    const char *inputs[1];
    struct mr_run_spec spec;
};

static void setup(struct fixture *fixture, const uint64_t *sizes, size_t count) {
    *fixture = (struct fixture){0};
    scratch_make(&fixture->scratch);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "file-%zu", i);
        scratch_write(&fixture->scratch, name, "", 0);
        cr_assert_eq(truncate(scratch_path(&fixture->scratch, name), (off_t)sizes[i]), 0);
    }
    fixture->inputs[0] = fixture->scratch.path;
    fixture->spec = (struct mr_run_spec){
        .job = &job, .inputs = fixture->inputs, .input_count = 1, .output = "out"};
}

static void make(const struct fixture *fixture, struct mr_plan *plan) {
    struct mr_error err = {0};
    cr_assert_eq(mr_plan_make(&fixture->spec, plan, &err), 0, "%s", err.text);
}

static const uint64_t memories[] = {16 * MIB,  17 * MIB, 24 * MIB, 32 * MIB, 63 * MIB, 128 * MIB,
                                    300 * MIB, GIB,      5 * GIB,  16 * GIB, 64 * GIB};
static const unsigned thread_counts[] = {1,  2,  3,  4,  5,  7,   8,   12,  16,  24,
                                         32, 48, 64, 96, 97, 128, 200, 255, 256, 1000};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Whatever the plan says of memory fits into the total, phase by phase. */
static void check_memory(const struct mr_plan *plan) {
    const struct mr_plan_memory *memory = &plan->memory;
    uint64_t threads = plan->threads;
    uint64_t own = 8 * MIB + threads * (2 * memory->block_bytes + MIB / 4);
    uint64_t mapping = own + threads * memory->collector_bytes + memory->pool_limit;
    /* Each collector may seal about half of its size while the pool is just below its limit. */
    uint64_t sealing = mapping + threads * memory->collector_bytes / 2;
    uint64_t reducing =
        own + memory->pool_limit + threads * memory->merge_bytes + memory->buffered_max;
    cr_assert_leq(sealing, memory->total, "%u threads", plan->threads);
    cr_assert_leq(reducing, memory->total, "%u threads", plan->threads);
    cr_assert_geq(memory->collector_bytes, MIB, "%u threads", plan->threads);
    cr_assert_geq(memory->fan_in, (size_t)2);
    cr_assert_geq(memory->merge_bytes, memory->fan_in * MR_POOL_CHUNK_BYTES);
    cr_assert_geq(memory->range_bytes, (size_t)MR_POOL_CHUNK_BYTES);
    cr_assert_eq(memory->block_bytes & (memory->block_bytes - 1), (size_t)0);
    cr_assert_leq(plan->record_bytes_max, memory->total / 4);
}

Test(plan, memory_is_shared_out_once) {
    static const uint64_t sizes[] = {3 * GIB, 200 * GIB};
    struct fixture fixture;
    setup(&fixture, sizes, 2);
    for (size_t m = 0; m < COUNT(memories); m++) {
        unsigned before = 0;
        for (size_t t = 0; t < COUNT(thread_counts); t++) {
            struct mr_plan plan;
            fixture.spec.memory_bytes = memories[m];
            fixture.spec.threads = thread_counts[t];
            make(&fixture, &plan);
            cr_assert_eq(plan.memory.total, memories[m]);
            cr_assert_geq(plan.threads, 1u);
            cr_assert_leq(plan.threads, thread_counts[t] < 256 ? thread_counts[t] : 256u);
            cr_assert_geq(plan.threads, before, "more wanted, fewer granted");
            before = plan.threads;
            check_memory(&plan);
            mr_plan_fini(&plan);
        }
        cr_assert(memories[m] < 5 * GIB || before == 256, "%u threads", before);
    }
    scratch_remove(&fixture.scratch);
}

static void check_same_answer(const struct fixture *fixture, const struct mr_plan *a,
                              const struct mr_plan *b) {
    cr_assert_eq(a->partitions, b->partitions);
    cr_assert_eq(a->rounds, b->rounds);
    cr_assert_eq(a->round_count, b->round_count);
    cr_assert_eq(a->splits.count, b->splits.count);
    for (size_t i = 0; i < a->splits.count; i++) {
        cr_assert_eq(a->splits.items[i].input, b->splits.items[i].input);
        cr_assert_eq(a->splits.items[i].begin, b->splits.items[i].begin);
        cr_assert_eq(a->splits.items[i].end, b->splits.items[i].end);
    }
    for (uint32_t round = 0; round < a->round_count; round++) {
        cr_assert_eq(mr_plan_partitions(a, &fixture->spec, round),
                     mr_plan_partitions(b, &fixture->spec, round));
    }
}

Test(plan, answers_do_not_depend_on_threads_or_memory) {
    static const uint64_t sizes[][3] = {
        {0, 0, 0}, {1, 2, 3}, {MIB, 0, 5}, {64 * MIB, 64 * MIB + 1, 1}, {3 * GIB, 0, 700 * GIB}};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct fixture fixture;
        struct mr_plan first;
        setup(&fixture, sizes[s], 3);
        make(&fixture, &first);
        for (size_t m = 0; m < COUNT(memories); m++) {
            for (size_t t = 0; t < COUNT(thread_counts); t += 3) {
                struct mr_plan plan;
                fixture.spec.memory_bytes = memories[m];
                fixture.spec.threads = thread_counts[t];
                make(&fixture, &plan);
                check_same_answer(&fixture, &first, &plan);
                mr_plan_fini(&plan);
            }
        }
        mr_plan_fini(&first);
        scratch_remove(&fixture.scratch);
    }
}

Test(plan, partitions_of_rounds) {
    static const uint64_t size = 1024 * MIB;
    struct fixture fixture;
    struct mr_plan plan;
    setup(&fixture, &size, 1);
    make(&fixture, &plan);
    cr_assert_eq(plan.partitions, 16u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 0), 16u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 1), 5u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 2), 16u);
    fixture.spec.partitions = 7; /* the user's, of the last round alone */
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 0), 16u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 1), 5u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 2), 7u);
    fixture.spec.output = NULL; /* one sorted stream */
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 0), 16u);
    cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 2), 1u);
    mr_plan_fini(&plan);
    scratch_remove(&fixture.scratch);
}

/* Small inputs take few threads, the smallest none at all. */
static int end_loop(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    (void)ctx, (void)results, (void)again;
    return 0;
}

Test(plan, a_loop_writes_one_part_and_keeps_its_partitions) {
    static const uint64_t sizes[] = {300 * MIB};
    struct mr_job loop = job;
    loop.round_done = end_loop;
    struct fixture fixture;
    struct mr_plan plan;
    setup(&fixture, sizes, 1);
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        fixture.spec.job = &loop;
        fixture.spec.output = is_stream ? NULL : "out";
        make(&fixture, &plan);
        cr_assert(plan.loops);
        cr_assert_eq(mr_plan_parts(&plan, &fixture.spec), 1u);
        cr_assert_eq(mr_plan_partitions(&plan, &fixture.spec, 2), 4u, "stream: %d", is_stream);
        cr_assert_not(mr_plan_is_output(&plan, 2));
        cr_assert_eq(plan.memory.state_max,
                     plan.memory.total / 32 < GIB ? plan.memory.total / 32 : GIB);
        mr_plan_fini(&plan);
    }
    fixture.spec.job = &job;
    make(&fixture, &plan);
    cr_assert_not(plan.loops);
    cr_assert_eq(mr_plan_parts(&plan, &fixture.spec), 1u); /* the stream */
    cr_assert(mr_plan_is_output(&plan, 2));
    mr_plan_fini(&plan);
    scratch_remove(&fixture.scratch);
}

Test(plan, threads_follow_the_input) {
    static const uint64_t sizes[] = {0, MIB - 1, MIB, 3 * MIB, 100 * MIB};
    static const unsigned expected[] = {1, 1, 2, 4, 16};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct fixture fixture;
        struct mr_plan plan;
        setup(&fixture, &sizes[i], 1);
        fixture.spec.threads = 16;
        fixture.spec.memory_bytes = GIB;
        make(&fixture, &plan);
        cr_assert_eq(plan.threads, expected[i], "%u", plan.threads);
        cr_assert_eq(plan.is_inline, i < 2);
        mr_plan_fini(&plan);
        scratch_remove(&fixture.scratch);
    }
}

static int check_refusal(const struct mr_run_spec *spec, const char *words) {
    struct mr_plan plan;
    struct mr_error err = {0};
    int status = mr_plan_make(spec, &plan, &err);
    cr_assert_neq(status, 0);
    cr_assert_not_null(strstr(err.text, words), "%s", err.text);
    mr_plan_fini(&plan);
    return status;
}

static int ask_for_none(struct mr_ctx *ctx, const struct mr_round **list, uint32_t *count) {
    (void)ctx, (void)list;
    *count = 0;
    return 0;
}
static int dislike(struct mr_ctx *ctx, const struct mr_round **list, uint32_t *count) {
    (void)list, (void)count;
    return mr_fail(ctx, "--this does not go with --that");
}

static int take_the_last(struct mr_ctx *ctx, const struct mr_round **list, uint32_t *count) {
    static const struct mr_round others[] = {
        {.name = "other", .map = map, .value = MR_SUM_U64},
        {.name = "last", .map_pair = map_again, .value = MR_SUM_U64}};
    (void)ctx;
    cr_assert_eq(*list, rounds);
    cr_assert_eq(*count, 3u);
    *list = others;
    *count = 2;
    return 0;
}

Test(plan, a_job_chooses_its_rounds) {
    static const uint64_t size = 10;
    struct fixture fixture;
    struct mr_plan plan;
    struct mr_job choosing = job;
    setup(&fixture, &size, 1);
    fixture.spec.job = &choosing;
    choosing.plan = take_the_last;
    make(&fixture, &plan);
    cr_assert_eq(plan.round_count, 2u);
    cr_assert_str_eq(plan.rounds[1].name, "last");
    mr_plan_fini(&plan);
    scratch_remove(&fixture.scratch);
}

Test(plan, refusals) {
    static const uint64_t size = 10;
    struct fixture fixture;
    setup(&fixture, &size, 1);
    struct mr_run_spec spec = fixture.spec;
    spec.memory_bytes = 16 * MIB - 1;
    cr_assert_eq(check_refusal(&spec, "16M"), MR_ERR_USAGE);
    spec = fixture.spec;
    spec.partitions = 4097;
    cr_assert_eq(check_refusal(&spec, "4096"), MR_ERR_USAGE);
    spec = fixture.spec;
    spec.partitions = 3;
    spec.output = NULL;
    cr_assert_eq(check_refusal(&spec, "-o DIR"), MR_ERR_USAGE);
    static const struct mr_round five = {
        .name = "five", .map = map, .value = MR_SUM_U64, .partitions = 5};
    struct mr_job fixed = short_job;
    fixed.rounds = &five;
    spec = fixture.spec;
    spec.partitions = 3;
    spec.job = &fixed;
    cr_assert_eq(check_refusal(&spec, "round five of test, which always makes 5"), MR_ERR_USAGE);
    spec = fixture.spec;
    spec.job = NULL;
    cr_assert_eq(check_refusal(&spec, "job"), MR_ERR_USAGE);
    spec = fixture.spec;
    const char *missing[] = {"/nowhere/at/all"};
    spec.inputs = missing;
    cr_assert_eq(check_refusal(&spec, "/nowhere/at/all"), MR_ERR_INPUT);
    struct mr_job asking = short_job;
    spec = fixture.spec;
    spec.job = &asking;
    asking.plan = ask_for_none;
    cr_assert_eq(check_refusal(&spec, "round"), MR_ERR_JOB);
    asking.plan = dislike;
    cr_assert_eq(check_refusal(&spec, "--this does not go with --that"), MR_ERR_USAGE);
    scratch_remove(&fixture.scratch);
}
