/* test_reduce_task: a partition cut into any ranges for any threads comes out as the same bytes. */
#include "reducer/reduce_task.h"

#include "tests/unit/reducer/reduction.h"
#include <pthread.h>
#include <sched.h>

#define RUNS 12

/* Twelve runs of about 700 KB each: keys of all shapes, and some that share their first 16 bytes.
 */
static void fill(struct reduction *r) {
    char key[PAIRS_KEY_MAX];
    char value[8];
    for (uint64_t run = 0; run < RUNS; run++) {
        struct pairs pairs = {0};
        uint64_t state = run;
        for (uint64_t i = 0; i < 12000; i++) {
            uint64_t which = pairs_random(&state) % 20000;
            size_t len = pairs_random_key(&which, key);
            if (i % 4 == 0) {
                len = (size_t)snprintf(key, sizeof key, "%016u%llu", 7u,
                                       (unsigned long long)(which % 3000));
            } else if (i % 4 == 1) {
                len = (size_t)snprintf(key, sizeof key, "%llx-and-a-long-tail-to-fill-many-blocks",
                                       (unsigned long long)which);
            }
            size_t value_len = mr_fold_put_u64(value, 1 + i % 1000);
            pairs_add(&pairs, 0, (struct mr_bytes){key, len}, (struct mr_bytes){value, value_len});
        }
        pairs_sort(&pairs, (struct pairs_order){0});
        reduction_put(r, pairs_to_run(pairs.items, pairs.count, r->pool, run % 2 ? "/tmp" : NULL));
        pairs_fini(&pairs);
    }
}

struct helper {
    struct reduction *reduction;
    const atomic_bool *stop;
    struct mr_reduce_counts counts;
    struct mr_error err;
};

static void *help(void *arg) {
    struct helper *helper = arg;
    struct mr_context_source contexts = {
        .job = &helper->reduction->job, .rounds = helper->reduction->job.rounds, .partitions = 1};
    struct mr_reducer *reducer = NULL;
    if (mr_reducer_create(&contexts, &reducer, &helper->err)) {
        return NULL;
    }
    if (mr_reduce_task_work(helper->reduction->task, reducer, helper->stop, &helper->counts)) {
        mr_reduce_task_fail(helper->reduction->task);
        helper->err = mr_reducer_context(reducer)->err;
    }
    mr_reducer_destroy(reducer);
    return NULL;
}

/* Reduces with `threads`; returns the first error that is not an interruption, if there is one. */
static int run_threads(struct reduction *r, unsigned threads, const atomic_bool *stop) {
    struct helper helpers[8];
    pthread_t ids[8];
    int status = MR_OK;
    r->counts = (struct mr_reduce_counts){0};
    for (unsigned i = 0; i < threads; i++) {
        helpers[i] = (struct helper){.reduction = r, .stop = stop};
        cr_assert_eq(pthread_create(&ids[i], NULL, help, &helpers[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        r->counts.pairs_reduced += helpers[i].counts.pairs_reduced;
        r->counts.groups += helpers[i].counts.groups;
        r->counts.records_out += helpers[i].counts.records_out;
        r->counts.bytes_out += helpers[i].counts.bytes_out;
        bool is_cause = status == MR_OK || status == MR_ERR_INTERRUPTED;
        status = is_cause && helpers[i].err.code ? helpers[i].err.code : status;
    }
    return status;
}

Test(reduce_task, same_bytes_for_any_ranges_and_threads) {
    static const size_t range_bytes[] = {SIZE_MAX, 1000000, 70000, 1, 0};
    struct reduction r;
    char *first = NULL;
    size_t first_len = 0;
    reduction_setup(&r, MR_SUM_U64);
    fill(&r);
    for (size_t i = 0; i < 5; i++) {
        for (unsigned threads = 1; threads <= 8; threads *= 2) {
            reduction_open(&r, range_bytes[i]);
            cr_assert_eq(run_threads(&r, threads, NULL), 0);
            cr_assert(!mr_reduce_task_has_more(r.task));
            cr_assert_eq(mr_reduce_task_fraction(r.task), 1.0);
            cr_assert_eq(mr_reduce_task_records(r.task), r.counts.records_out);
            cr_assert_eq(r.counts.pairs_reduced, (uint64_t)RUNS * 12000);
            reduction_close(&r);
            cr_assert_eq(r.counts.bytes_out, (uint64_t)r.text_len);
            if (!first) {
                first = r.text;
                first_len = r.text_len;
                r.text = NULL;
                continue;
            }
            cr_assert_eq(r.text_len, first_len);
            cr_assert_eq(memcmp(r.text, first, first_len), 0);
            free(r.text);
            r.text = NULL;
        }
    }
    free(first);
    reduction_teardown(&r);
}

static atomic_bool is_waited_for; /* by the key that fails */
static atomic_bool is_beyond;     /* a range behind it is being reduced */

static int fail_at_key(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    static const struct mr_bytes bad = {"000000000000000710", 18};
    (void)state;
    if (key.len > bad.len && memcmp(key.data, bad.data, bad.len) == 0) {
        while (atomic_load(&is_waited_for) && !atomic_load(&is_beyond)) {
            sched_yield();
        }
        return mr_fail(ctx, "that key");
    }
    if (pairs_compare_bytes(key, bad) > 0) {
        atomic_store(&is_beyond, true);
    }
    return mr_emit_u64(ctx, key, value);
}

/* A failure in one range lets the threads on all others end too, which wait for it. */
Test(reduce_task, a_failure_ends_all_threads) {
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        struct reduction r;
        atomic_store(&is_waited_for, threads > 1);
        atomic_store(&is_beyond, false);
        reduction_setup(&r, MR_SUM_U64);
        r.round.reduce_u64 = fail_at_key;
        r.buffered_max = 0;
        fill(&r);
        reduction_open(&r, 70000);
        cr_assert_eq(run_threads(&r, threads, NULL), MR_ERR_JOB);
        reduction_close(&r);
        reduction_teardown(&r);
    }
}

Test(reduce_task, stops_when_asked) {
    struct reduction r;
    atomic_bool stop = true;
    reduction_setup(&r, MR_SUM_U64);
    fill(&r);
    reduction_open(&r, 70000);
    cr_assert_eq(run_threads(&r, 4, &stop), MR_ERR_INTERRUPTED);
    reduction_close(&r);
    cr_assert_eq(r.text_len, (size_t)0);
    reduction_teardown(&r);
}
