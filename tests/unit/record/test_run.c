/* test_run: what a writer makes of records, block by block, in memory and on disk. */
#include "lib/record/run.h"

#include "tests/unit/record/pairs.h"
#include <unistd.h>

struct expected {
    const char *bytes;
    size_t len;
    bool is_valid;
    uint32_t value;
};

static const struct expected varints[] = {
    {"\x00", 1, true, 0},
    {"\x7f", 1, true, 127},
    {"\x80\x01", 2, true, 128},
    {"\xff\xff\xff\xff\x0f", 5, true, UINT32_MAX},
    {"\x80\x80\x80\x80\x08", 5, true, (uint32_t)1 << 31},
    {"\xff\xff\xff\xff\x1f", 5, false, 0}, /* 33 bits */
    {"\x80\x80\x80\x80\x80\x01", 6, false, 0},
    {"\x80", 1, false, 0},
    {"\xff\xff\xff\xff", 4, false, 0},
    {"", 0, false, 0},
};

Test(run, varints) {
    for (size_t i = 0; i < sizeof varints / sizeof *varints; i++) {
        uint32_t value = 0;
        const char *end = varints[i].bytes + varints[i].len;
        const char *at = mr_run_get_varint(varints[i].bytes, end, &value);
        cr_assert_eq(at != NULL, varints[i].is_valid, "row %zu", i);
        if (at) {
            cr_assert_eq(at, end, "row %zu", i);
            cr_assert_eq(value, varints[i].value, "row %zu", i);
        }
    }
}

Test(run, prefixes_compare_like_bytes) {
    struct pairs pairs = {0};
    pairs_add_random(&pairs, 2000, 1, 0, 1);
    for (size_t i = 1; i < pairs.count; i++) {
        struct mr_bytes a = pairs.items[i - 1].key;
        struct mr_bytes b = pairs.items[i].key;
        struct mr_prefix left = mr_run_prefix(a.data, a.len);
        struct mr_prefix right = mr_run_prefix(b.data, b.len);
        char padded[2][16] = {{0}};
        memcpy(padded[0], a.data, a.len < 16 ? a.len : 16);
        memcpy(padded[1], b.data, b.len < 16 ? b.len : 16);
        cr_assert_eq(mr_prefix_less(left, right), memcmp(padded[0], padded[1], 16) < 0);
    }
    struct mr_prefix none = mr_run_prefix(NULL, 0);
    cr_assert_eq(none.hi | none.lo, (uint64_t)0);
    pairs_fini(&pairs);
}

/* How many bytes of its key a record need not repeat. */
static size_t shares(const struct pairs *pairs, size_t nth, bool is_first) {
    if (is_first) {
        return 0;
    }
    struct mr_bytes last = pairs->items[nth - 1].key, key = pairs->items[nth].key;
    size_t shared = 0;
    while (shared < last.len && shared < key.len && last.data[shared] == key.data[shared]) {
        shared++;
    }
    return last.len <= MR_RUN_SHARED_MAX && key.len <= MR_RUN_SHARED_MAX ? shared : 0;
}

/* Reads all blocks of a run and compares them with what was written. */
static void check_run(const struct mr_run *run, const struct pairs *pairs) {
    struct mr_error err = {0};
    char *buffer = mr_run_buffer_take(run);
    size_t nth = 0;
    uint64_t bytes = 0;
    uint32_t block_max = 0;
    cr_assert_not_null(buffer);
    for (size_t i = 0; i < run->block_count; i++) {
        const struct mr_run_block *block = &run->blocks[i];
        const char *at = block->data;
        if (run->fd >= 0) {
            cr_assert_null(block->data);
            cr_assert_eq(mr_run_read_block(run, block, buffer, &err), 0, "%s", err.text);
            at = buffer;
        }
        const char *end = at + block->len;
        size_t full_len = block->len;
        cr_assert(block->len <= MR_RUN_BLOCK_BYTES || block->records == 1);
        cr_assert_gt(block->records, 0u);
        for (uint32_t r = 0; r < block->records; r++, nth++) {
            const struct pair *pair = &pairs->items[nth];
            uint32_t key_len;
            uint32_t value_len;
            cr_assert_lt(nth, pairs->count);
            size_t shared = (uint8_t)*at++;
            cr_assert_eq(shared, shares(pairs, nth, r == 0));
            full_len += shared;
            at = mr_run_get_varint(at, end, &key_len);
            cr_assert_not_null(at);
            at = mr_run_get_varint(at, end, &value_len);
            cr_assert_not_null(at);
            cr_assert_leq((size_t)key_len + value_len, (size_t)(end - at));
            cr_assert_eq(shared + key_len, pair->key.len, "key %zu", nth);
            cr_assert(pairs_equal((struct mr_bytes){at, key_len},
                                  (struct mr_bytes){pair->key.data + shared, key_len}),
                      "key %zu", nth);
            at += key_len;
            cr_assert(pairs_equal((struct mr_bytes){at, value_len}, pair->value), "value %zu", nth);
            at += value_len;
            cr_assert_eq(block->partition, pair->partition);
            if (r == 0) {
                struct mr_prefix first = mr_run_prefix(pair->key.data, pair->key.len);
                cr_assert(first.hi == block->first.hi && first.lo == block->first.lo);
            }
        }
        cr_assert_eq(at, end);
        cr_assert_eq(block->full_len, full_len);
        cr_assert(full_len <= 4 * MR_RUN_BLOCK_BYTES || block->records == 1);
        bytes += block->len;
        block_max = block->len > block_max ? block->len : block_max;
    }
    mr_run_buffer_give(run, buffer);
    cr_assert_eq(nth, pairs->count);
    cr_assert_eq(run->records, (uint64_t)pairs->count);
    cr_assert_eq(run->bytes, bytes);
    cr_assert_eq(run->block_max, block_max);
    cr_assert_eq(run->file_bytes, run->fd >= 0 ? bytes : 0);
}

static struct mr_pool *make_pool(void) {
    struct mr_pool *pool = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    return pool;
}

static void check_round_trip(const struct pairs *sorted, const char *tmp) {
    struct mr_pool *pool = make_pool();
    struct mr_run *run = pairs_to_run(sorted->items, sorted->count, pool, tmp);
    cr_assert_eq(run->fd >= 0, tmp != NULL);
    check_run(run, sorted);
    mr_run_destroy(run);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    mr_pool_destroy(pool);
}

Test(run, keeps_every_record) {
    struct pairs pairs = {0};
    pairs_add_random(&pairs, 8000, 5, 200, 2);
    pairs_sort(&pairs, (struct pairs_order){0});
    check_round_trip(&pairs, NULL);
    check_round_trip(&pairs, "/tmp");
    pairs_fini(&pairs);
}

Test(run, keeps_records_of_keys_alike) {
    struct pairs pairs = {0};
    pairs_add_alike(&pairs);
    pairs_sort(&pairs, (struct pairs_order){0});
    check_round_trip(&pairs, NULL);
    check_round_trip(&pairs, "/tmp");
    struct mr_pool *pool = make_pool();
    struct mr_run *run = pairs_to_run(pairs.items, pairs.count, pool, NULL);
    cr_assert_gt(run->block_count, (size_t)2);
    cr_assert_lt(run->bytes, (uint64_t)(3600 * 40));
    mr_run_destroy(run);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}

/* Records around the size of a block, and far beyond, between small ones. */
Test(run, keeps_records_of_block_size) {
    struct pairs pairs = {0};
    char *value = calloc(1, 4 * MR_RUN_BLOCK_BYTES);
    pairs_must(value);
    for (unsigned i = 0; i < 80; i++) {
        char key[20];
        size_t key_len = i % 3 ? 8 : 20;
        for (size_t k = 0; k < sizeof key; k++) {
            key[k] = (char)i;
        }
        size_t len = MR_RUN_BLOCK_BYTES - 50 + i;
        len = i % 7 == 0 ? 4 * MR_RUN_BLOCK_BYTES - i : len;
        len = i % 5 == 0 ? i : len;
        memset(value, (int)i, len);
        pairs_add(&pairs, i / 40, (struct mr_bytes){key, key_len}, (struct mr_bytes){value, len});
    }
    check_round_trip(&pairs, NULL);
    check_round_trip(&pairs, "/tmp");
    free(value);
    pairs_fini(&pairs);
}

/* Blocks written to memory first move to disk, whatever was written when that was decided. */
Test(run, moves_to_disk_midway) {
    struct pairs pairs = {0};
    struct mr_error err = {0};
    struct mr_pool *pool = make_pool();
    pairs_add_random(&pairs, 3000, 2, 150, 3);
    pairs_sort(&pairs, (struct pairs_order){0});
    static const size_t moments[] = {0, 1, 700, 2999, 3000};
    for (size_t m = 0; m < sizeof moments / sizeof *moments; m++) {
        struct mr_run_writer writer;
        struct mr_run *run = NULL;
        cr_assert_eq(mr_run_writer_open(&writer, pool, NULL, &err), 0);
        for (size_t i = 0; i <= pairs.count; i++) {
            if (i == moments[m]) {
                cr_assert_eq(mr_run_writer_to_disk(&writer, "/tmp", &err), 0, "%s", err.text);
                cr_assert_leq(mr_pool_bytes(pool), MR_POOL_CHUNK_BYTES);
            }
            if (i < pairs.count) {
                const struct pair *pair = &pairs.items[i];
                struct mr_prefix prefix = mr_run_prefix(pair->key.data, pair->key.len);
                cr_assert_eq(mr_run_writer_add(&writer, pair->partition, prefix, pair->key,
                                               pair->value, &err),
                             0);
            }
        }
        cr_assert_eq(mr_run_writer_finish(&writer, &run, &err), 0);
        cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
        check_run(run, &pairs);
        mr_run_destroy(run);
    }
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}

Test(run, abandoning_leaves_nothing) {
    struct mr_pool *pool = make_pool();
    struct mr_error err = {0};
    struct mr_bytes key = {"key", 3};
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct mr_run_writer writer;
        cr_assert_eq(mr_run_writer_open(&writer, pool, on_disk ? "/tmp" : NULL, &err), 0);
        for (uint32_t p = 0; p < 4; p++) {
            cr_assert_eq(
                mr_run_writer_add(&writer, p, mr_run_prefix(key.data, key.len), key, key, &err), 0);
        }
        mr_run_writer_abandon(&writer);
        cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
        mr_run_writer_abandon(&writer);
    }
    mr_run_destroy(NULL);
    mr_pool_destroy(pool);
}

Test(run, of_nothing) {
    struct pairs none = {0};
    check_round_trip(&none, NULL);
    check_round_trip(&none, "/tmp");
}

Test(run, refuses_what_is_too_long) {
    struct mr_pool *pool = make_pool();
    struct mr_error err = {0};
    struct mr_run_writer writer;
    struct mr_bytes key = {"key", 3};
    struct mr_bytes huge = {"", (size_t)1 << 31}; /* refused by its length, never read */
    struct mr_prefix prefix = mr_run_prefix(key.data, key.len);
    cr_assert_eq(mr_run_writer_open(&writer, pool, NULL, &err), 0);
    cr_assert_eq(mr_run_writer_add(&writer, 0, prefix, key, huge, &err), MR_ERR_JOB);
    err = (struct mr_error){0};
    cr_assert_eq(mr_run_writer_add(&writer, 0, prefix, huge, key, &err), MR_ERR_JOB);
    mr_run_writer_abandon(&writer);
    mr_pool_destroy(pool);
}

Test(run, names_a_missing_directory) {
    struct mr_pool *pool = make_pool();
    struct mr_error err = {0};
    struct mr_run_writer writer;
    int status = mr_run_writer_open(&writer, pool, "/nowhere/at/all", &err);
    cr_assert_eq(status, MR_ERR_IO);
    cr_assert_not_null(strstr(err.text, "/nowhere/at/all"), "%s", err.text);
    mr_pool_destroy(pool);
}

Test(run, notices_a_failing_disk) {
    struct pairs pairs = {0};
    struct mr_error err = {0};
    struct mr_pool *pool = make_pool();
    pairs_add_random(&pairs, 1000, 1, 50, 4);
    pairs_sort(&pairs, (struct pairs_order){0});
    struct mr_run *run = pairs_to_run(pairs.items, pairs.count, pool, "/tmp");
    char *buffer = mr_run_buffer_take(run);
    pairs_must(buffer);
    char byte;
    cr_assert_eq(pread(run->fd, &byte, 1, 100), 1);
    byte = (char)(byte ^ 1);
    cr_assert_eq(pwrite(run->fd, &byte, 1, 100), 1);
    cr_assert_eq(mr_run_read_block(run, &run->blocks[0], buffer, &err), MR_ERR_IO);
    err = (struct mr_error){0};
    cr_assert_eq(ftruncate(run->fd, 99), 0);
    cr_assert_eq(mr_run_read_block(run, &run->blocks[0], buffer, &err), MR_ERR_IO);
    mr_run_buffer_give(run, buffer);
    mr_run_destroy(run);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
}
