/* test_collector_rest: a collector that rested between two passes of a loop is as a new one. */
#include "mapper/collector.h"

#include "tests/unit/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
#define PARTITIONS 3

/* A job of one round, and a collector for it. */
struct fixture {
    struct mr_round round;
    struct mr_job job;
    struct mr_pool *pool;
    struct mr_run_store *store;
    struct mr_collector *collector;
    struct mr_ctx *ctx;
};

static void wake(struct fixture *fixture, uint64_t pass);

static void setup(struct fixture *fixture) {
    struct mr_error err = {0};
    *fixture = (struct fixture){.round = {.name = "round", .value = MR_SUM_U64},
                                .job = {.abi = MR_JOB_ABI, .name = "test", .round_count = 1}};
    fixture->job.rounds = &fixture->round;
    cr_assert_eq(mr_pool_create(&fixture->pool, &err), 0);
    struct mr_run_store_options store = {
        .pool = fixture->pool, .limit_bytes = SIZE_MAX, .fan_in = 8, .tmp = "/tmp"};
    cr_assert_eq(mr_run_store_create(&store, &fixture->store, &err), 0);
}

static void teardown(struct fixture *fixture) {
    mr_collector_destroy(fixture->collector);
    mr_run_store_destroy(fixture->store);
    mr_pool_destroy(fixture->pool);
}

static unsigned teardowns;

static int make_state(struct mr_ctx *ctx, void **state) {
    *state = (void *)(uintptr_t)(ctx->pass + 1);
    return 0;
}
static void drop_state(void *state) {
    (void)state;
    teardowns++;
}

/* The context of a pass for a collector that rests, or a new one. */
static void wake(struct fixture *fixture, uint64_t pass) {
    struct mr_error err = {0};
    struct mr_collector_options options = {.source = {.job = &fixture->job,
                                                      .rounds = fixture->job.rounds,
                                                      .partitions = PARTITIONS,
                                                      .pass = pass},
                                           .store = fixture->store,
                                           .pool = fixture->pool,
                                           .budget_bytes = 4 * MIB};
    cr_assert_eq(mr_collector_wake(&options, &fixture->collector, &err), 0, "%s", err.text);
    fixture->ctx = &mr_collector_context(fixture->collector)->ctx;
}

static void emit_keys(struct fixture *fixture, unsigned keys) {
    char key[24];
    for (unsigned i = 0; i < keys; i++) {
        size_t len = (size_t)snprintf(key, sizeof key, "key %u", i);
        cr_assert_eq(mr_emit_u64(fixture->ctx, (struct mr_bytes){key, len}, i), 0);
    }
}

Test(collector_rest, begins_anew_when_woken) {
    struct fixture fixture;
    struct mr_collector *first = NULL;
    setup(&fixture);
    fixture.job.setup = make_state;
    fixture.job.teardown = drop_state;
    for (uint64_t pass = 1; pass <= 4; pass++) {
        wake(&fixture, pass);
        first = first ? first : fixture.collector;
        cr_assert_eq(fixture.collector, first, "the memory is used again");
        struct mr_context *context = mr_collector_context(fixture.collector);
        cr_assert_eq(context->state, (void *)(uintptr_t)pass, "setup sees its pass");
        emit_keys(&fixture, 100);
        emit_keys(&fixture, 50);
        if (pass != 3) { /* a pass that failed leaves what it had */
            cr_assert_eq(mr_collector_finish(fixture.collector), 0);
            cr_assert_eq(mr_collector_emitted(fixture.collector), (uint64_t)150);
            cr_assert_eq(mr_collector_combined(fixture.collector), (uint64_t)50);
            cr_assert_eq(mr_run_store_records(fixture.store), (uint64_t)100);
        }
        mr_collector_rest(&fixture.collector);
        cr_assert_eq(teardowns, (unsigned)pass);
        mr_run_store_clear(fixture.store);
    }
    teardown(&fixture);
}

Test(collector_rest, is_made_anew_for_another_kind) {
    struct fixture fixture;
    setup(&fixture);
    wake(&fixture, 1);
    mr_collector_rest(&fixture.collector);
    fixture.round.value = MR_SUM_F64;
    wake(&fixture, 1);
    cr_assert_eq(mr_emit_f64(fixture.ctx, mr_bytes_text("k"), 0.5), 0);
    cr_assert_eq(mr_collector_finish(fixture.collector), 0);
    teardown(&fixture);
}

Test(collector_rest, keeps_not_much_memory) {
    struct fixture fixture;
    setup(&fixture);
    wake(&fixture, 1);
    emit_keys(&fixture, 40000);
    cr_assert_eq(mr_collector_finish(fixture.collector), 0);
    mr_collector_rest(&fixture.collector);
    cr_assert_null(fixture.collector);
    wake(&fixture, 2);
    emit_keys(&fixture, 10);
    cr_assert_eq(mr_collector_finish(fixture.collector), 0);
    teardown(&fixture);
}
