/* test_pool: chunks are apart, aligned, counted and used again, by many threads too. */
#include "lib/base/pool.h"

#include "tests/unit/test.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKS 200 /* 12.5 MiB: several slabs */

static struct mr_pool *make_pool(void) {
    struct mr_pool *pool = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    return pool;
}

static int compare_addresses(const void *left, const void *right) {
    const char *a = *(char *const *)left;
    const char *b = *(char *const *)right;
    return (a > b) - (a < b);
}

Test(pool, chunks_do_not_overlap) {
    struct mr_pool *pool = make_pool();
    char *chunks[CHUNKS];
    for (size_t i = 0; i < CHUNKS; i++) {
        chunks[i] = mr_pool_take(pool);
        cr_assert_not_null(chunks[i]);
        cr_assert_eq((uintptr_t)chunks[i] % 4096, (uintptr_t)0);
        memset(chunks[i], (int)i, MR_POOL_CHUNK_BYTES);
        cr_assert_eq(mr_pool_bytes(pool), (i + 1) * MR_POOL_CHUNK_BYTES);
    }
    for (size_t i = 0; i < CHUNKS; i++) {
        cr_assert_eq(chunks[i][0], (char)i);
        cr_assert_eq(chunks[i][MR_POOL_CHUNK_BYTES - 1], (char)i);
    }
    qsort(chunks, CHUNKS, sizeof *chunks, compare_addresses);
    for (size_t i = 1; i < CHUNKS; i++) {
        cr_assert_geq((size_t)(chunks[i] - chunks[i - 1]), MR_POOL_CHUNK_BYTES);
    }
    mr_pool_destroy(pool); /* with all of them still taken */
}

Test(pool, uses_chunks_again) {
    struct mr_pool *pool = make_pool();
    char *chunks[CHUNKS];
    char *again[CHUNKS];
    for (size_t i = 0; i < CHUNKS; i++) {
        cr_assert_not_null(chunks[i] = mr_pool_take(pool));
    }
    for (size_t i = 0; i < CHUNKS; i++) {
        mr_pool_give(pool, chunks[i]);
    }
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    for (size_t i = 0; i < CHUNKS; i++) {
        cr_assert_not_null(again[i] = mr_pool_take(pool));
    }
    qsort(chunks, CHUNKS, sizeof *chunks, compare_addresses);
    qsort(again, CHUNKS, sizeof *again, compare_addresses);
    cr_assert_eq(memcmp(chunks, again, sizeof chunks), 0);
    mr_pool_destroy(pool);
}

Test(pool, counts_large_blocks) {
    struct mr_pool *pool = make_pool();
    void *large = mr_pool_take_large(pool, 5000000);
    void *chunk = mr_pool_take(pool);
    cr_assert(large && chunk);
    memset(large, 1, 5000000);
    cr_assert_eq(mr_pool_bytes(pool), 5000000 + MR_POOL_CHUNK_BYTES);
    mr_pool_give_large(pool, large, 5000000);
    cr_assert_eq(mr_pool_bytes(pool), MR_POOL_CHUNK_BYTES);
    mr_pool_give(pool, chunk);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    mr_pool_destroy(pool);
    mr_pool_destroy(NULL);
}

struct taker {
    struct mr_pool *pool;
    unsigned number;
    bool found_another; /* somebody else wrote into a chunk of ours */
};

static void *take_and_give(void *arg) {
    struct taker *taker = arg;
    unsigned char *chunks[8] = {0};
    for (unsigned i = 0; i < 4000; i++) {
        unsigned slot = i * 2654435761u >> 29;
        if (chunks[slot]) {
            taker->found_another |= chunks[slot][100] != taker->number;
            taker->found_another |= chunks[slot][MR_POOL_CHUNK_BYTES - 1] != taker->number;
            mr_pool_give(taker->pool, chunks[slot]);
            chunks[slot] = NULL;
        } else if ((chunks[slot] = mr_pool_take(taker->pool))) {
            chunks[slot][100] = (unsigned char)taker->number;
            chunks[slot][MR_POOL_CHUNK_BYTES - 1] = (unsigned char)taker->number;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (chunks[i]) {
            mr_pool_give(taker->pool, chunks[i]);
        }
    }
    return NULL;
}

Test(pool, serves_many_threads) {
    struct mr_pool *pool = make_pool();
    struct taker takers[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        takers[i] = (struct taker){pool, i + 1, false};
        cr_assert_eq(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
    }
    bool found_another = false;
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        found_another |= takers[i].found_another;
    }
    cr_assert(!found_another);
    cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
    mr_pool_destroy(pool);
}
