/* test_run_store: spilling, settling and cutting into ranges lose nothing and count right. */
#include "lib/record/run_store.h"

#include "tests/unit/record/pairs.h"
#include <pthread.h>
#include <stdio.h>

#define PARTITIONS 3
#define KEYS 700

/* A store and what was put into it. */
struct fixture {
    struct mr_pool *pool;
    struct mr_run_store *store;
    struct mr_record_rules rules;
    atomic_uint_fast64_t sums[KEYS]; /* of the values put, by key */
    atomic_uint_fast64_t records;
};

static void setup(struct fixture *fixture, size_t limit, size_t fan_in, enum mr_value kind) {
    struct mr_error err = {0};
    *fixture = (struct fixture){.rules = {.order = {.placed = mr_fold_is_placed(kind)},
                                          .kind = kind,
                                          .partitions = PARTITIONS}};
    cr_assert_eq(mr_pool_create(&fixture->pool, &err), 0);
    struct mr_run_store_options options = {
        .pool = fixture->pool, .limit_bytes = limit, .fan_in = fan_in, .tmp = "/tmp"};
    cr_assert_eq(mr_run_store_create(&options, &fixture->store, &err), 0);
}

static void teardown(struct fixture *fixture) {
    mr_run_store_destroy(fixture->store);
    cr_assert_eq(mr_pool_bytes(fixture->pool), (size_t)0);
    mr_pool_destroy(fixture->pool);
}

/* Keys: "k" and a number, some with a long tail, the first empty. */
static struct mr_bytes key_of(uint32_t number, char out[64]) {
    size_t len = (size_t)snprintf(out, 64, "k%04u", number);
    if (number % 5 == 0) {
        memset(out + len, 'x', 40);
        len += 40;
    }
    return (struct mr_bytes){out, number ? len : 0};
}

static uint32_t number_of(struct mr_bytes key) {
    char text[8] = {0};
    memcpy(text, key.data + 1, key.len ? 4 : 0);
    return key.len ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

/* A run of some of the keys, each once, with its value. */
static struct mr_run *make_run(struct fixture *fixture, uint64_t *state, const char *tmp) {
    struct pairs pairs = {0};
    char text[64];
    char value[PAIRS_PLACE_BYTES + 600] = {0};
    bool is_placed = fixture->rules.order.placed;
    for (uint32_t k = 0; k < KEYS; k++) {
        uint64_t random = pairs_random(state);
        uint64_t amount = random >> 40;
        if (random % 3) {
            continue;
        }
        size_t len = mr_fold_put_u64(value, amount);
        if (is_placed) {
            mr_fold_put_place(value, (struct mr_place){0, random >> 8, 0});
            amount = 1;
            len = PAIRS_PLACE_BYTES + random % 600;
        }
        pairs_add(&pairs, k % PARTITIONS, key_of(k, text), (struct mr_bytes){value, len});
        atomic_fetch_add(&fixture->sums[k], amount);
        atomic_fetch_add(&fixture->records, 1);
    }
    pairs_sort(&pairs, (struct pairs_order){.placed = is_placed});
    struct mr_run *run = pairs_to_run(pairs.items, pairs.count, fixture->pool, tmp);
    pairs_fini(&pairs);
    return run;
}

static void put_runs(struct fixture *fixture, unsigned count, uint64_t seed) {
    uint64_t state = seed;
    for (unsigned i = 0; i < count; i++) {
        struct mr_error err = {0};
        struct mr_run *run = make_run(fixture, &state, i % 8 == 7 ? "/tmp" : NULL);
        cr_assert_eq(mr_run_store_put(fixture->store, run, &fixture->rules, &err), 0, "%s",
                     err.text);
    }
}

/* Adds up what the settled store holds in a range. */
static void take_range(const struct fixture *fixture, uint32_t partition,
                       const struct mr_key_range *range, uint64_t sums[KEYS], uint64_t *records) {
    struct mr_error err = {0};
    struct mr_merge merge;
    const struct mr_cursor *record;
    size_t count;
    int more;
    struct mr_run *const *runs = mr_run_store_runs(fixture->store, &count);
    cr_assert_eq(mr_merge_open(&merge, runs, count, partition, range, &fixture->rules.order, &err),
                 0);
    while ((more = mr_merge_next(&merge, &record, &err)) > 0) {
        uint64_t amount = 1;
        uint32_t number = number_of(record->key);
        cr_assert_lt(number, (uint32_t)KEYS);
        cr_assert_eq(number % PARTITIONS, partition);
        cr_assert(fixture->rules.order.placed || mr_fold_get_u64(record->value, &amount));
        sums[number] += amount;
        ++*records;
    }
    cr_assert_eq(more, 0, "%s", err.text);
    mr_merge_close(&merge);
}

static void check_sums(const struct fixture *fixture, const uint64_t sums[KEYS], uint64_t records) {
    struct mr_run_store_stats stats = mr_run_store_stats(fixture->store);
    for (uint32_t k = 0; k < KEYS; k++) {
        cr_assert_eq(sums[k], atomic_load(&fixture->sums[k]), "key %u", k);
    }
    cr_assert_eq(records, mr_run_store_records(fixture->store));
    cr_assert_eq(records + stats.combined, atomic_load(&fixture->records));
}

static void check_content(const struct fixture *fixture) {
    uint64_t sums[KEYS] = {0};
    uint64_t records = 0;
    struct mr_key_range all = {0};
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        take_range(fixture, p, &all, sums, &records);
    }
    check_sums(fixture, sums, records);
}

/* Ranges follow one another without gap or overlap, from no bound to no bound, and hold everything.
 */
static void check_ranges(const struct fixture *fixture, uint64_t bytes) {
    uint64_t sums[KEYS] = {0};
    uint64_t records = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct mr_error err = {0};
        struct mr_key_range *ranges = NULL;
        size_t count = 0;
        cr_assert_eq(mr_run_store_ranges(fixture->store, p, bytes, &ranges, &count, &err), 0);
        cr_assert_geq(count, (size_t)1);
        cr_assert(!ranges[0].bounded_below && !ranges[count - 1].bounded_above);
        for (size_t i = 0; i < count; i++) {
            if (i > 0) {
                cr_assert(ranges[i - 1].bounded_above && ranges[i].bounded_below);
                cr_assert_eq(memcmp(&ranges[i - 1].to, &ranges[i].from, sizeof ranges[i].from), 0);
            }
            if (ranges[i].bounded_below && ranges[i].bounded_above) {
                cr_assert(mr_prefix_less(ranges[i].from, ranges[i].to));
            }
            take_range(fixture, p, &ranges[i], sums, &records);
        }
        if (bytes == UINT64_MAX) {
            cr_assert_eq(count, (size_t)1);
        } else if (mr_run_store_bytes(fixture->store, p) > 20 * bytes + 10 * MR_POOL_CHUNK_BYTES) {
            cr_assert_gt(count, (size_t)3);
        }
        free(ranges);
    }
    check_sums(fixture, sums, records);
}

static size_t disk_buffers(const struct fixture *fixture, size_t *disk_runs, size_t *level_max) {
    size_t count;
    size_t bytes = 0;
    struct mr_run *const *runs = mr_run_store_runs(fixture->store, &count);
    *disk_runs = 0;
    *level_max = 0;
    for (size_t i = 0; i < count; i++) {
        *disk_runs += runs[i]->fd >= 0;
        bytes += runs[i]->fd >= 0 ? MR_POOL_CHUNK_BYTES : 0;
        *level_max = runs[i]->level > *level_max ? runs[i]->level : *level_max;
    }
    return bytes;
}

static const enum mr_value kinds[] = {MR_SUM_U64, MR_VALUES};

Test(run_store, keeps_all_in_memory) {
    for (size_t k = 0; k < 2; k++) {
        struct fixture fixture;
        struct mr_error err = {0};
        size_t disk_runs;
        size_t level_max;
        setup(&fixture, SIZE_MAX, 4, kinds[k]);
        put_runs(&fixture, 6, 1);
        cr_assert_eq(mr_run_store_settle(fixture.store, 0, &fixture.rules, &err), 0);
        disk_buffers(&fixture, &disk_runs, &level_max);
        cr_assert_eq(disk_runs, (size_t)0);
        cr_assert_eq(mr_run_store_stats(fixture.store).bytes_spilled, (uint64_t)0);
        check_content(&fixture);
        teardown(&fixture);
    }
}

Test(run_store, spills_in_levels) {
    for (size_t k = 0; k < 2; k++) {
        struct fixture fixture;
        size_t disk_runs;
        size_t level_max;
        setup(&fixture, 0, 4, kinds[k]);
        put_runs(&fixture, 40, 2);
        disk_buffers(&fixture, &disk_runs, &level_max);
        cr_assert_leq(disk_runs, (size_t)3 * 4, "%zu runs", disk_runs);
        cr_assert(level_max >= 3 && level_max <= 5, "level %zu", level_max);
        cr_assert_gt(mr_run_store_stats(fixture.store).bytes_spilled, (uint64_t)0);
        check_content(&fixture);
        teardown(&fixture);
    }
}

Test(run_store, settles_within_its_buffers) {
    static const size_t chunks[] = {0, 1, 2, 3, 5, 8, 100};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
            struct fixture fixture;
            struct mr_error err = {0};
            size_t buffer = chunks[i] * MR_POOL_CHUNK_BYTES;
            size_t disk_runs;
            size_t level_max;
            setup(&fixture, 2 * MR_POOL_CHUNK_BYTES, 6, kinds[k]);
            put_runs(&fixture, 30, 3 + i);
            cr_assert_eq(mr_run_store_settle(fixture.store, buffer, &fixture.rules, &err), 0);
            size_t bytes = disk_buffers(&fixture, &disk_runs, &level_max);
            cr_assert(bytes <= buffer || disk_runs <= 1, "%zu runs", disk_runs);
            check_content(&fixture);
            teardown(&fixture);
        }
    }
}

Test(run_store, ranges_cover_all_keys_once) {
    static const uint64_t sizes[] = {0, 1, 70000, 200000, 1000000, UINT64_MAX};
    for (size_t k = 0; k < 2; k++) {
        struct fixture fixture;
        struct mr_error err = {0};
        setup(&fixture, 40 * MR_POOL_CHUNK_BYTES, 4, kinds[k]);
        put_runs(&fixture, 40, 4);
        cr_assert_eq(
            mr_run_store_settle(fixture.store, 10 * MR_POOL_CHUNK_BYTES, &fixture.rules, &err), 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            check_ranges(&fixture, sizes[i]);
        }
        teardown(&fixture);
    }
}

Test(run_store, of_nothing_has_one_range) {
    struct fixture fixture;
    struct mr_error err = {0};
    setup(&fixture, 0, 4, MR_SUM_U64);
    struct mr_run *empty = pairs_to_run(NULL, 0, fixture.pool, NULL);
    cr_assert_eq(mr_run_store_put(fixture.store, empty, &fixture.rules, &err), 0);
    cr_assert_eq(mr_run_store_settle(fixture.store, 0, &fixture.rules, &err), 0);
    cr_assert_eq(mr_run_store_records(fixture.store), (uint64_t)0);
    cr_assert_eq(mr_run_store_bytes(fixture.store, 1), (uint64_t)0);
    check_ranges(&fixture, 1);
    teardown(&fixture);
}

struct putter {
    struct fixture *fixture;
    uint64_t seed;
    unsigned failures;
};

static void *put_in_thread(void *arg) {
    struct putter *putter = arg;
    uint64_t state = putter->seed;
    for (unsigned i = 0; i < 15; i++) {
        struct mr_error err = {0};
        struct mr_run *run = make_run(putter->fixture, &state, NULL);
        putter->failures +=
            mr_run_store_put(putter->fixture->store, run, &putter->fixture->rules, &err) != 0;
    }
    return NULL;
}

Test(run_store, takes_runs_from_many_threads) {
    struct fixture fixture;
    struct mr_error err = {0};
    struct putter putters[4];
    pthread_t threads[4];
    setup(&fixture, 3 * MR_POOL_CHUNK_BYTES, 3, MR_SUM_U64);
    for (unsigned i = 0; i < 4; i++) {
        putters[i] = (struct putter){&fixture, 100 + i, 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, put_in_thread, &putters[i]), 0);
    }
    unsigned failures = 0;
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        failures += putters[i].failures;
    }
    cr_assert_eq(failures, 0u);
    cr_assert_eq(mr_run_store_settle(fixture.store, MR_POOL_CHUNK_BYTES, &fixture.rules, &err), 0);
    check_content(&fixture);
    teardown(&fixture);
}

/* A sum that overflows only when runs meet names its key. */
Test(run_store, spilling_notices_an_overflow) {
    struct fixture fixture;
    struct mr_error err = {0};
    char value[8];
    struct mr_bytes key = mr_bytes_text("many");
    struct pairs pairs = {0};
    setup(&fixture, SIZE_MAX, 8, MR_SUM_U64);
    size_t len = mr_fold_put_u64(value, UINT64_MAX);
    pairs_add(&pairs, 0, key, (struct mr_bytes){value, len});
    for (int i = 0; i < 2; i++) {
        struct mr_run *run = pairs_to_run(pairs.items, 1, fixture.pool, "/tmp");
        cr_assert_eq(mr_run_store_put(fixture.store, run, &fixture.rules, &err), 0);
    }
    cr_assert_eq(mr_run_store_settle(fixture.store, 0, &fixture.rules, &err), MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, "\"many\""), "%s", err.text);
    pairs_fini(&pairs);
    teardown(&fixture);
}

Test(run_store, stops_when_asked) {
    struct mr_error err = {0};
    struct mr_pool *pool = NULL;
    struct mr_run_store *store = NULL;
    struct pairs pairs = {0};
    atomic_bool stop = true;
    struct mr_record_rules rules = {.kind = MR_VALUES, .partitions = 1};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    struct mr_run_store_options options = {.pool = pool, .fan_in = 2, .tmp = "/tmp", .stop = &stop};
    cr_assert_eq(mr_run_store_create(&options, &store, &err), 0);
    pairs_add_random(&pairs, 20000, 1, 0, 6);
    pairs_sort(&pairs, (struct pairs_order){0});
    struct mr_run *run = pairs_to_run(pairs.items, pairs.count, pool, NULL);
    cr_assert_eq(mr_run_store_put(store, run, &rules, &err), MR_ERR_INTERRUPTED);
    mr_run_store_destroy(store);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}

/* Runs that another process left: kept as they are however many, merged when they must be, and
 * then, one partition alone, into a writer. */
Test(run_store, adopted_runs_merge_by_partition) {
    enum { RUNS = 40 };
    struct fixture fixture;
    struct mr_error err = {0};
    uint64_t state = 77;
    setup(&fixture, (size_t)64 << 10, 4, MR_SUM_U64);
    for (unsigned i = 0; i < RUNS; i++) {
        struct mr_run *run = make_run(&fixture, &state, "/tmp");
        cr_assert_eq(mr_run_store_adopt(fixture.store, run, &err), 0, "%s", err.text);
    }
    size_t count;
    mr_run_store_runs(fixture.store, &count);
    cr_assert_eq(count, (size_t)RUNS); /* far beyond limit and fan-in */
    fixture.rules.partition_begin = 1;
    fixture.rules.partitions = 2;
    cr_assert_eq(mr_run_store_settle(fixture.store, 2 * MR_POOL_CHUNK_BYTES, &fixture.rules, &err),
                 0, "%s", err.text);
    mr_run_store_runs(fixture.store, &count);
    cr_assert_leq(count, (size_t)2);
    struct mr_run_writer writer;
    struct mr_run *merged = NULL;
    cr_assert_eq(mr_run_writer_open(&writer, fixture.pool, NULL, &err), 0);
    cr_assert_eq(mr_run_store_merge(fixture.store, &writer, &fixture.rules, &err), 0, "%s",
                 err.text);
    cr_assert_eq(mr_run_writer_finish(&writer, &merged, &err), 0);
    struct mr_cursor cursor;
    struct mr_key_range all = {0};
    uint64_t seen = 0;
    cr_assert_eq(mr_cursor_open(&cursor, merged, 1, &all, &err), 0);
    while (!mr_cursor_step(&cursor, &err) && !cursor.at_end) {
        uint64_t sum;
        uint32_t number = number_of(cursor.key);
        cr_assert(mr_fold_get_u64(cursor.value, &sum));
        cr_assert_eq(number % PARTITIONS, 1u);
        cr_assert_eq(sum, atomic_load(&fixture.sums[number]));
        seen++;
    }
    mr_cursor_close(&cursor);
    cr_assert_eq(merged->records, seen);
    cr_assert_gt(seen, (uint64_t)KEYS / PARTITIONS - 10);
    mr_run_destroy(merged);
    teardown(&fixture);
}

Test(run_store, is_as_new_once_cleared) {
    struct fixture fixture;
    struct mr_error err = {0};
    uint64_t state = 5;
    size_t count;
    setup(&fixture, MR_POOL_CHUNK_BYTES, 4, MR_SUM_U64); /* spills */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 9; i++) {
            struct mr_run *run = make_run(&fixture, &state, NULL);
            cr_assert_eq(mr_run_store_put(fixture.store, run, &fixture.rules, &err), 0, "%s",
                         err.text);
        }
        cr_assert_gt(mr_run_store_stats(fixture.store).bytes_spilled, (uint64_t)0);
        mr_run_store_clear(fixture.store);
        mr_run_store_runs(fixture.store, &count);
        cr_assert_eq(count, (size_t)0);
        cr_assert_eq(mr_run_store_records(fixture.store), (uint64_t)0);
        cr_assert_eq(mr_run_store_stats(fixture.store).bytes_spilled, (uint64_t)0);
        cr_assert_eq(mr_run_store_stats(fixture.store).combined, (uint64_t)0);
        cr_assert_eq(mr_pool_bytes(fixture.pool), (size_t)0);
    }
    teardown(&fixture);
}
