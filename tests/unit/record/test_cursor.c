/* test_cursor: every partition and key range of a run, against a filter over its records. */
#include "lib/record/cursor.h"

#include "tests/unit/record/pairs.h"

#define PARTITIONS 6 /* the third and the last stay empty */

struct fixture {
    struct mr_pool *pool;
    struct pairs pairs;
    struct mr_run *run;
};

static void setup(struct fixture *fixture, const char *tmp) {
    struct mr_error err = {0};
    *fixture = (struct fixture){0};
    cr_assert_eq(mr_pool_create(&fixture->pool, &err), 0);
    pairs_add_random(&fixture->pairs, 6000, PARTITIONS - 1, 200, 7);
    pairs_add_alike(&fixture->pairs);
    for (size_t i = 0; i < fixture->pairs.count; i++) {
        uint32_t *partition = &fixture->pairs.items[i].partition;
        *partition = *partition == 2 ? 1 : *partition;
    }
    pairs_sort(&fixture->pairs, (struct pairs_order){0});
    fixture->run = pairs_to_run(fixture->pairs.items, fixture->pairs.count, fixture->pool, tmp);
    cr_assert_gt(fixture->run->block_count, (size_t)10);
}

static void teardown(struct fixture *fixture) {
    mr_run_destroy(fixture->run);
    cr_assert_eq(mr_pool_bytes(fixture->pool), (size_t)0);
    mr_pool_destroy(fixture->pool);
    pairs_fini(&fixture->pairs);
}

static bool is_in(const struct pair *pair, uint32_t partition, const struct mr_key_range *range) {
    struct mr_prefix prefix = mr_run_prefix(pair->key.data, pair->key.len);
    return pair->partition == partition &&
           !(range->bounded_below && mr_prefix_less(prefix, range->from)) &&
           !(range->bounded_above && !mr_prefix_less(prefix, range->to));
}

/* Steps through a range and compares each record; returns how many there were. */
static size_t check_range(const struct fixture *fixture, uint32_t partition,
                          const struct mr_key_range *range) {
    struct mr_error err = {0};
    struct mr_cursor cursor;
    size_t found = 0;
    cr_assert_eq(mr_cursor_open(&cursor, fixture->run, partition, range, &err), 0);
    for (size_t i = 0; i < fixture->pairs.count; i++) {
        const struct pair *pair = &fixture->pairs.items[i];
        if (!is_in(pair, partition, range)) {
            continue;
        }
        struct mr_prefix prefix = mr_run_prefix(pair->key.data, pair->key.len);
        cr_assert_eq(mr_cursor_step(&cursor, &err), 0, "%s", err.text);
        cr_assert(!cursor.at_end);
        cr_assert(pairs_equal(cursor.key, pair->key));
        cr_assert(pairs_equal(cursor.value, pair->value));
        cr_assert(cursor.prefix.hi == prefix.hi && cursor.prefix.lo == prefix.lo);
        found++;
    }
    for (int again = 0; again < 3; again++) {
        cr_assert_eq(mr_cursor_step(&cursor, &err), 0);
        cr_assert(cursor.at_end);
        cr_assert(cursor.prefix.hi == UINT64_MAX && cursor.prefix.lo == UINT64_MAX);
    }
    mr_cursor_close(&cursor);
    mr_cursor_close(&cursor);
    return found;
}

/* A bound: at a key, beside one, at the first key of a block, or anywhere. */
static struct mr_prefix random_bound(const struct fixture *fixture, uint64_t *state) {
    uint64_t random = pairs_random(state);
    struct mr_bytes key = fixture->pairs.items[(random >> 8) % fixture->pairs.count].key;
    struct mr_prefix bound = mr_run_prefix(key.data, key.len);
    switch (random % 5) {
    case 0:
        bound.lo++;
        bound.hi += bound.lo == 0;
        break;
    case 1:
        bound.hi -= bound.lo == 0;
        bound.lo--;
        break;
    case 2:
        bound = fixture->run->blocks[(random >> 8) % fixture->run->block_count].first;
        break;
    case 3:
        bound = (struct mr_prefix){pairs_random(state), pairs_random(state)};
        break;
    default:
        break;
    }
    return bound;
}

static void check_ranges(const char *tmp, unsigned rounds) {
    struct fixture fixture;
    uint64_t state = 11;
    size_t found = 0;
    setup(&fixture, tmp);
    for (unsigned i = 0; i < rounds; i++) {
        struct mr_key_range range = {.from = random_bound(&fixture, &state),
                                     .to = random_bound(&fixture, &state)};
        if (mr_prefix_less(range.to, range.from)) {
            struct mr_prefix swap = range.from;
            range.from = range.to;
            range.to = swap;
        }
        range.bounded_below = i % 4 != 0;
        range.bounded_above = i % 3 != 0;
        found += check_range(&fixture, (uint32_t)(pairs_random(&state) % PARTITIONS), &range);
    }
    cr_assert_gt(found, (size_t)1000);
    teardown(&fixture);
}

Test(cursor, ranges_in_memory) {
    check_ranges(NULL, 400);
}

Test(cursor, ranges_on_disk) {
    check_ranges("/tmp", 150);
}

Test(cursor, partitions) {
    struct fixture fixture;
    struct mr_key_range all = {0};
    size_t found = 0;
    setup(&fixture, NULL);
    for (uint32_t p = 0; p < PARTITIONS + 2; p++) {
        size_t here = check_range(&fixture, p, &all);
        cr_assert_eq(here == 0, p == 2 || p >= PARTITIONS - 1);
        found += here;
    }
    cr_assert_eq(found, fixture.pairs.count);
    teardown(&fixture);
}

/* Neighbouring ranges meet: no record is in both or in none, also where one key fills many blocks.
 */
Test(cursor, ranges_that_meet_inside_equal_keys) {
    struct mr_pool *pool = NULL;
    struct mr_error err = {0};
    struct pairs pairs = {0};
    char value[1000] = {0};
    static const char *const keys[] = {"a", "same", "same", "same", "sane", "z"};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (size_t i = 0; i < 100; i++) {
            pairs_add(&pairs, 0, mr_bytes_text(keys[k]), (struct mr_bytes){value, sizeof value});
        }
    }
    struct fixture fixture = {pool, pairs, pairs_to_run(pairs.items, pairs.count, pool, NULL)};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct mr_prefix cut = mr_run_prefix(keys[k], strlen(keys[k]));
        struct mr_key_range below = {.bounded_above = true, .to = cut};
        struct mr_key_range above = {.bounded_below = true, .from = cut};
        cr_assert_eq(check_range(&fixture, 0, &below) + check_range(&fixture, 0, &above),
                     pairs.count);
    }
    teardown(&fixture);
}

Test(cursor, of_one_run_are_independent) {
    struct fixture fixture;
    struct mr_key_range all = {0};
    struct mr_error err = {0};
    struct mr_cursor fast;
    struct mr_cursor slow;
    setup(&fixture, "/tmp");
    cr_assert_eq(mr_cursor_open(&fast, fixture.run, 0, &all, &err), 0);
    cr_assert_eq(mr_cursor_open(&slow, fixture.run, 0, &all, &err), 0);
    cr_assert_eq(mr_cursor_step(&slow, &err), 0);
    while (!fast.at_end) {
        cr_assert_eq(mr_cursor_step(&fast, &err), 0);
    }
    cr_assert(pairs_equal(slow.key, fixture.pairs.items[0].key));
    mr_cursor_close(&fast);
    mr_cursor_close(&slow);
    struct mr_cursor zeroed = {0};
    mr_cursor_close(&zeroed);
    teardown(&fixture);
}

/* A block that lies about its records is an error, not a read beyond it. */
Test(cursor, refuses_a_malformed_record) {
    struct fixture fixture;
    struct mr_key_range all = {0};
    struct mr_error err = {0};
    struct mr_cursor cursor;
    setup(&fixture, NULL);
    static const char *const lies[] = {
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", /* no varint */
        "\x01\x01\x01xy",                               /* shares with nothing */
        "\x00\xff\xff\x7f\x01",                         /* longer than the block */
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        memcpy(fixture.run->blocks[0].data, lies[i], strlen(lies[i] + 1) + 1);
        cr_assert_eq(mr_cursor_open(&cursor, fixture.run, 0, &all, &err), 0);
        cr_assert_eq(mr_cursor_step(&cursor, &err), MR_ERR_INTERNAL, "row %zu", i);
        mr_cursor_close(&cursor);
        err = (struct mr_error){0};
    }
    teardown(&fixture);
}
