/* test_merge: merged runs against a sort of all their records. */
#include "lib/record/merge.h"

#include "tests/unit/record/pairs.h"

#define PARTITIONS 3

static struct mr_pool *make_pool(void) {
    struct mr_pool *pool = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    return pool;
}

/* Merges all partitions and compares each record with the sorted pairs. */
static void check_merge(const struct pairs *sorted, struct mr_run *const *runs, uint32_t count,
                        const struct mr_order *order) {
    struct mr_error err = {0};
    struct mr_key_range all = {0};
    const struct mr_cursor *record;
    size_t nth = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct mr_merge merge;
        int more;
        cr_assert_eq(mr_merge_open(&merge, runs, count, p, &all, order, &err), 0, "%s", err.text);
        while ((more = mr_merge_next(&merge, &record, &err)) > 0) {
            cr_assert_lt(nth, sorted->count);
            const struct pair *pair = &sorted->items[nth++];
            cr_assert_eq(pair->partition, p);
            cr_assert(pairs_equal(record->key, pair->key), "key %zu, %u runs", nth, count);
            cr_assert(pairs_equal(record->value, pair->value), "value %zu, %u runs", nth, count);
        }
        cr_assert_eq(more, 0);
        cr_assert_eq(mr_merge_next(&merge, &record, &err), 0);
        mr_merge_close(&merge);
    }
    cr_assert_eq(nth, sorted->count);
}

static void check_runs(uint32_t count, size_t records, const struct mr_order *order,
                       struct pairs_order plain) {
    struct mr_pool *pool = make_pool();
    struct pairs pairs = {0};
    pairs_add_random(&pairs, records, PARTITIONS, 12, count + records);
    struct mr_run **runs = pairs_to_runs(&pairs, count, plain, pool, "/tmp", count);
    pairs_sort(&pairs, plain);
    check_merge(&pairs, runs, count, order);
    pairs_destroy_runs(runs, count);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}

static const uint32_t run_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 64, 127, 200};
#define RUN_COUNTS (sizeof run_counts / sizeof *run_counts)

Test(merge, byte_order) {
    struct mr_order order = {0};
    for (size_t i = 0; i < RUN_COUNTS; i++) {
        check_runs(run_counts[i], 4000, &order, (struct pairs_order){0});
    }
}

Test(merge, more_runs_than_records) {
    struct mr_order order = {0};
    for (size_t records = 0; records < 20; records++) {
        check_runs(9, records, &order, (struct pairs_order){0});
    }
}

Test(merge, equal_keys_by_place) {
    struct mr_order order = {.placed = true};
    for (size_t i = 0; i < RUN_COUNTS; i++) {
        check_runs(run_counts[i], 3000, &order, (struct pairs_order){.placed = true});
    }
}

/* A job's order that looks at lengths alone: most keys tie, and stand in byte order. */
static bool is_longer(struct mr_bytes a, struct mr_bytes b) {
    return a.len / 4 > b.len / 4;
}
static int compare_lengths(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    ++*(size_t *)arg;
    *order = is_longer(a, b) ? -7 : is_longer(b, a) ? 7 : 0;
    return 0;
}

Test(merge, order_of_the_job) {
    size_t calls = 0;
    for (size_t i = 0; i < RUN_COUNTS; i++) {
        for (int placed = 0; placed < 2; placed++) {
            struct mr_order order = {compare_lengths, &calls, placed};
            struct pairs_order plain = {.before = is_longer, .placed = placed};
            check_runs(run_counts[i], 2000, &order, plain);
        }
    }
    cr_assert_gt(calls, (size_t)0);
}

static int fail_later(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    size_t *left = arg;
    *order = pairs_compare_bytes(a, b);
    return *left == 0 ? -1 : (--*left, 0);
}

Test(merge, a_failing_comparison_ends_it) {
    struct mr_pool *pool = make_pool();
    struct pairs pairs = {0};
    pairs_add_random(&pairs, 500, 1, 0, 5);
    struct mr_run **runs = pairs_to_runs(&pairs, 6, (struct pairs_order){0}, pool, NULL, 5);
    for (size_t after = 0; after < 40; after += 3) {
        size_t left = after;
        struct mr_order order = {fail_later, &left, false};
        struct mr_key_range all = {0};
        struct mr_error err = {0};
        struct mr_merge merge;
        const struct mr_cursor *record;
        int more;
        cr_assert_eq(mr_merge_open(&merge, runs, 6, 0, &all, &order, &err), 0);
        while ((more = mr_merge_next(&merge, &record, &err)) > 0) {
        }
        cr_assert_eq(more, MR_ERR_JOB);
        cr_assert_eq(err.code, MR_ERR_JOB);
        mr_merge_close(&merge);
    }
    pairs_destroy_runs(runs, 6);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}

/* Keys whose prefix is that of a run's end, in runs that end at different times. */
Test(merge, keys_like_the_end_mark) {
    struct mr_pool *pool = make_pool();
    struct mr_order order = {0};
    char bytes[24];
    memset(bytes, 0xFF, sizeof bytes);
    for (uint32_t count = 1; count <= 12; count++) {
        struct pairs pairs = {0};
        for (size_t i = 0; i < 60; i++) {
            char value = (char)i;
            pairs_add(&pairs, (uint32_t)(i % PARTITIONS), (struct mr_bytes){bytes, 13 + i % 7},
                      (struct mr_bytes){&value, 1});
        }
        struct mr_run **runs =
            pairs_to_runs(&pairs, count, (struct pairs_order){0}, pool, "/tmp", count);
        pairs_sort(&pairs, (struct pairs_order){0});
        check_merge(&pairs, runs, count, &order);
        pairs_destroy_runs(runs, count);
        pairs_fini(&pairs);
    }
    mr_pool_destroy(pool);
}

Test(merge, of_no_runs) {
    struct pairs none = {0};
    struct mr_order order = {0};
    check_merge(&none, NULL, 0, &order);
}

static bool is_same(struct mr_bytes a, struct mr_bytes b) {
    return mr_merge_same_key(mr_run_prefix(a.data, a.len), a, mr_run_prefix(b.data, b.len), b);
}

Test(merge, same_key_is_same_bytes) {
    struct pairs pairs = {0};
    pairs_add_random(&pairs, 3000, 1, 0, 9);
    pairs_sort(&pairs, (struct pairs_order){0});
    size_t same = 0;
    for (size_t i = 1; i < pairs.count; i++) {
        struct mr_bytes a = pairs.items[i - 1].key;
        struct mr_bytes b = pairs.items[i].key;
        cr_assert_eq(is_same(a, b), pairs_equal(a, b));
        same += is_same(a, b);
    }
    cr_assert_gt(same, (size_t)100);
    cr_assert(!is_same((struct mr_bytes){"a\0", 2}, (struct mr_bytes){"a", 1}));
    pairs_fini(&pairs);
}
