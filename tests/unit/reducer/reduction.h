/* reduction: runs in a store, and a reduce task over them whose text is read back. */
#ifndef MR_TESTS_UNIT_REDUCER_REDUCTION_H
#define MR_TESTS_UNIT_REDUCER_REDUCTION_H

#include "reducer/reduce_task.h"
#include "tests/unit/record/pairs.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* One round of a job, what it reduces, and what came out. */
struct reduction {
    struct mr_round round;
    struct mr_job job;
    struct mr_pool *pool;
    struct mr_run_store *store;
    struct mr_part part;
    struct mr_reduce_task *task;
    struct mr_reduce_counts counts;
    struct mr_error err; /* of the reducer */
    char *text;          /* written; terminated */
    size_t text_len;
    size_t buffered_max;
    int fd;
};

static inline void reduction_setup(struct reduction *r, enum mr_value kind) {
    struct mr_error err = {0};
    *r = (struct reduction){.round = {.name = "round", .value = kind},
                            .job = {.abi = MR_JOB_ABI, .name = "test", .round_count = 1},
                            .buffered_max = 100000,
                            .fd = -1};
    r->job.rounds = &r->round;
    cr_assert_eq(mr_pool_create(&r->pool, &err), 0);
    struct mr_run_store_options options = {
        .pool = r->pool, .limit_bytes = SIZE_MAX, .fan_in = 8, .tmp = "/tmp"};
    cr_assert_eq(mr_run_store_create(&options, &r->store, &err), 0);
}

static inline void reduction_put(struct reduction *r, struct mr_run *run) {
    struct mr_error err = {0};
    struct mr_record_rules rules = {.kind = r->round.value, .partitions = 1};
    cr_assert_eq(mr_run_store_put(r->store, run, &rules, &err), 0, "%s", err.text);
}

/* Puts one record into a run of its own; the value of a placed kind gets the place `nth`. */
static inline void reduction_add(struct reduction *r, const char *key, struct mr_bytes encoded,
                                 uint32_t nth) {
    char value[MR_FOLD_PLACE_BYTES + MR_FOLD_VALUE_MAX];
    struct pairs pairs = {0};
    bool is_placed = mr_fold_is_placed(r->round.value);
    size_t head = is_placed ? MR_FOLD_PLACE_BYTES : 0;
    mr_fold_put_place(value, (struct mr_place){0, nth, 0});
    memcpy(value + head, encoded.data, encoded.len);
    pairs_add(&pairs, 0, mr_bytes_text(key), (struct mr_bytes){value, head + encoded.len});
    reduction_put(r, pairs_to_run(pairs.items, 1, r->pool, NULL));
    pairs_fini(&pairs);
}

static inline void reduction_add_text(struct reduction *r, const char *key, const char *value,
                                      uint32_t nth) {
    reduction_add(r, key, mr_bytes_text(value), nth);
}

static inline void reduction_add_u64(struct reduction *r, const char *key, uint64_t number) {
    char value[8];
    reduction_add(r, key, (struct mr_bytes){value, mr_fold_put_u64(value, number)}, 0);
}

static inline void reduction_add_i64(struct reduction *r, const char *key, __int128 number) {
    char value[MR_FOLD_NUMBER_MAX];
    reduction_add(r, key, (struct mr_bytes){value, mr_fold_put_i128(value, number)}, 0);
}

static inline void reduction_open(struct reduction *r, size_t range_bytes) {
    struct mr_error err = {0};
    cr_assert_geq(r->fd = memfd_create("reduction", MFD_CLOEXEC), 0);
    cr_assert_eq(mr_part_stream(&r->part, r->fd, &err), 0, "%s", err.text);
    struct mr_reduce_task_source source = {.round = &r->round,
                                           .store = r->store,
                                           .range_bytes = range_bytes,
                                           .part = &r->part,
                                           .buffered_max = r->buffered_max,
                                           .pool = r->pool,
                                           .tmp = "/tmp"};
    cr_assert_eq(mr_reduce_task_open(&source, &r->task, &err), 0, "%s", err.text);
}

/* Reads what was written. */
static inline void reduction_close(struct reduction *r) {
    off_t size = lseek(r->fd, 0, SEEK_END);
    r->text_len = (size_t)size;
    pairs_must(r->text = calloc(1, (size_t)size + 1));
    for (off_t at = 0; at < size;) {
        ssize_t got = pread(r->fd, r->text + at, (size_t)(size - at), at);
        cr_assert_gt(got, (ssize_t)0);
        at += got;
    }
    mr_reduce_task_close(r->task);
    mr_part_abandon(&r->part);
    close(r->fd);
    r->fd = -1;
}

/* Reduces all in the calling thread. */
static inline int reduction_run(struct reduction *r) {
    struct mr_context_source contexts = {.job = &r->job, .rounds = r->job.rounds, .partitions = 1};
    struct mr_reducer *reducer = NULL;
    struct mr_error err = {0};
    reduction_open(r, SIZE_MAX);
    cr_assert_eq(mr_reducer_create(&contexts, &reducer, &err), 0);
    int status = mr_reduce_task_work(r->task, reducer, NULL, &r->counts);
    r->err = mr_reducer_context(reducer)->err;
    mr_reducer_destroy(reducer);
    reduction_close(r);
    return status;
}

static inline void reduction_teardown(struct reduction *r) {
    free(r->text);
    mr_run_store_destroy(r->store);
    cr_assert_eq(mr_pool_bytes(r->pool), (size_t)0);
    mr_pool_destroy(r->pool);
}

#endif
