/* pairs: made-up keys and values, runs made of them, and a plain sort to compare with. */
#ifndef MR_TESTS_UNIT_RECORD_PAIRS_H
#define MR_TESTS_UNIT_RECORD_PAIRS_H

#include "tests/unit/test.h"

#include "lib/record/run.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_PLACE_BYTES 16

struct pair {
    uint32_t partition;
    uint32_t run; /* the run it is in */
    size_t nth;   /* in order of arrival */
    struct mr_bytes key;
    struct mr_bytes value;
};

/* Owns the bytes of its pairs. Zero-initialise; release with pairs_fini. */
struct pairs {
    struct pair *items;
    size_t count;
    size_t capacity;
};

/* How pairs_sort orders. */
struct pairs_order {
    bool (*before)(struct mr_bytes a, struct mr_bytes b); /* first of all, or NULL */
    bool by_run;                                          /* the run's number first of all */
    bool placed;                                          /* equal keys by their values' places */
};

static inline uint64_t pairs_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline void pairs_must(const void *memory) {
    cr_assert_not_null(memory);
}

#define PAIRS_KEY_MAX 320

/* A key of any shape: empty, short, long; few or all byte values; zeros or 0xFF at its end. */
static inline size_t pairs_random_key(uint64_t *state, char out[PAIRS_KEY_MAX]) {
    static const unsigned char few[] = {0, 0xFF, 'a', 'a', 'b', 1, 0xFE, 0};
    uint64_t shape = pairs_random(state);
    size_t len = shape % 3 == 0 ? (shape >> 8) % 4 : (shape >> 8) % 40;
    len = shape % 61 == 0 ? 60 + (shape >> 8) % 250 : len;
    for (size_t i = 0; i < len; i++) {
        uint64_t random = pairs_random(state);
        bool is_few = (shape >> 32) % 4 != 0;
        out[i] = (char)(is_few ? few[random % sizeof few] : (unsigned char)random);
    }
    size_t same = (shape >> 40) % 24;
    if ((shape >> 36) % 4 == 0) {
        memset(out, (shape >> 37) % 2 ? 0xFF : 0, same < len ? same : len);
    }
    if ((shape >> 38) % 8 == 0) { /* nothing but 0xFF, around the length of a prefix */
        len = 14 + (shape >> 44) % 5;
        memset(out, 0xFF, len);
    }
    return len;
}

static inline struct mr_bytes pairs_copy(struct mr_bytes bytes) {
    char *copy = malloc(bytes.len + 1);
    pairs_must(copy);
    if (bytes.len) {
        memcpy(copy, bytes.data, bytes.len);
    }
    return (struct mr_bytes){copy, bytes.len};
}

static inline struct pair *pairs_add(struct pairs *pairs, uint32_t partition, struct mr_bytes key,
                                     struct mr_bytes value) {
    if (pairs->count == pairs->capacity) {
        pairs->capacity = pairs->capacity ? pairs->capacity * 2 : 64;
        pairs->items = realloc(pairs->items, pairs->capacity * sizeof *pairs->items);
        pairs_must(pairs->items);
    }
    struct pair *pair = &pairs->items[pairs->count];
    *pair = (struct pair){.partition = partition,
                          .nth = pairs->count++,
                          .key = pairs_copy(key),
                          .value = pairs_copy(value)};
    return pair;
}

/* Adds `count` pairs of random keys; values of up to `value_max` bytes that begin with a place: few
 * places, so that they tie. */
static inline void pairs_add_random(struct pairs *pairs, size_t count, uint32_t partitions,
                                    size_t value_max, uint64_t seed) {
    uint64_t state = seed;
    char key[PAIRS_KEY_MAX];
    char *value = malloc(value_max + PAIRS_PLACE_BYTES);
    pairs_must(value);
    for (size_t i = 0; i < count; i++) {
        size_t key_len = pairs_random_key(&state, key);
        size_t value_len = pairs_random(&state) % (value_max + 1);
        memset(value, 0, PAIRS_PLACE_BYTES);
        value[15] = (char)(pairs_random(&state) % 4);
        for (size_t at = 0; at < value_len; at++) {
            value[PAIRS_PLACE_BYTES + at] = (char)(at + i);
        }
        pairs_add(pairs, (uint32_t)(pairs_random(&state) % partitions),
                  (struct mr_bytes){key, key_len},
                  (struct mr_bytes){value, PAIRS_PLACE_BYTES + value_len});
    }
    free(value);
}

/* Adds keys that begin like their neighbours, up to and beyond the length that may be shared; then
 * so many, differing at their end alone, that they fill several blocks only if they stand in full.
 */
static inline void pairs_add_alike(struct pairs *pairs) {
    char key[600];
    char place[PAIRS_PLACE_BYTES] = {0};
    struct mr_bytes value = {place, sizeof place};
    memset(key, 'a', sizeof key);
    for (size_t len = 0; len < 300; len++) {
        pairs_add(pairs, 0, (struct mr_bytes){key, len}, value);
        key[len + len % 20] = 'b';
        pairs_add(pairs, 0, (struct mr_bytes){key, len + len % 20 + 1}, value);
        key[len + len % 20] = 'a';
    }
    memset(key, 'c', sizeof key);
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned digit = 0, left = i; digit < 4; digit++, left /= 10) {
            key[243 - digit] = (char)('0' + left % 10);
        }
        pairs_add(pairs, 0, (struct mr_bytes){key, 244 + i % 3}, value);
    }
}

static inline void pairs_fini(struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        free((char *)pairs->items[i].key.data);
        free((char *)pairs->items[i].value.data);
    }
    free(pairs->items);
    *pairs = (struct pairs){0};
}

static inline bool pairs_equal(struct mr_bytes a, struct mr_bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline int pairs_compare_bytes(struct mr_bytes a, struct mr_bytes b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline int pairs_compare(const void *left, const void *right, void *arg) {
    const struct pair *a = left;
    const struct pair *b = right;
    const struct pairs_order *order = arg;
    if (order->by_run && a->run != b->run) {
        return a->run < b->run ? -1 : 1;
    }
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    if (order->before && order->before(a->key, b->key) != order->before(b->key, a->key)) {
        return order->before(a->key, b->key) ? -1 : 1;
    }
    int found = pairs_compare_bytes(a->key, b->key);
    if (!found && order->placed) {
        found = memcmp(a->value.data, b->value.data, PAIRS_PLACE_BYTES);
    }
    if (!found && a->run != b->run) {
        return a->run < b->run ? -1 : 1;
    }
    return found ? found : (a->nth > b->nth) - (a->nth < b->nth);
}

static inline void pairs_sort(struct pairs *pairs, struct pairs_order order) {
    if (pairs->count) {
        qsort_r(pairs->items, pairs->count, sizeof *pairs->items, pairs_compare, &order);
    }
}

/* A run of pairs that are sorted, on disk where `tmp` is given. */
static inline struct mr_run *pairs_to_run(const struct pair *sorted, size_t count,
                                          struct mr_pool *pool, const char *tmp) {
    struct mr_run_writer writer;
    struct mr_error err = {0};
    struct mr_run *run = NULL;
    cr_assert_eq(mr_run_writer_open(&writer, pool, tmp, &err), 0, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        const struct pair *pair = &sorted[i];
        cr_assert_eq(mr_run_writer_add(&writer, pair->partition,
                                       mr_run_prefix(pair->key.data, pair->key.len), pair->key,
                                       pair->value, &err),
                     0, "%s", err.text);
    }
    cr_assert_eq(mr_run_writer_finish(&writer, &run, &err), 0, "%s", err.text);
    return run;
}

/* Deals the pairs out to runs of random sizes, some of them empty; the caller owns them. Leaves the
 * pairs sorted by run. */
static inline struct mr_run **pairs_to_runs(struct pairs *pairs, uint32_t run_count,
                                            struct pairs_order order, struct mr_pool *pool,
                                            const char *tmp, uint64_t seed) {
    uint64_t state = seed;
    struct mr_run **runs = calloc(run_count + 1, sizeof(struct mr_run *));
    pairs_must(runs);
    for (size_t i = 0; i < pairs->count; i++) {
        uint64_t random = pairs_random(&state);
        uint32_t among =
            random % 3 ? run_count : run_count / 4 + 1; /* the later ones are shorter */
        pairs->items[i].run = (uint32_t)((random >> 8) % among);
    }
    order.by_run = true;
    pairs_sort(pairs, order);
    size_t begin = 0;
    for (uint32_t r = 0; r < run_count; r++) {
        size_t end = begin;
        while (end < pairs->count && pairs->items[end].run == r) {
            end++;
        }
        runs[r] = pairs_to_run(begin < end ? &pairs->items[begin] : NULL, end - begin, pool,
                               r % 2 ? tmp : NULL);
        begin = end;
    }
    return runs;
}

static inline void pairs_destroy_runs(struct mr_run **runs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        mr_run_destroy(runs[i]);
    }
    free(runs);
}

#endif
