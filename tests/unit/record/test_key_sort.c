/* test_key_sort: sorted references against a sort by plain comparison, and keys made to hurt. */
#include "lib/record/key_sort.h"

#include "tests/unit/test.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Keys, the references to them, and what a comparing sort makes of them. */
struct keys {
    size_t count;
    struct mr_bytes *bytes;
    char *store;
    struct mr_key_ref *refs;
    struct mr_key_ref *scratch;
};

/* Writes key number `i` to `out`, of KEY_MAX bytes at most; returns its length. */
typedef size_t (*make_function)(uint64_t *state, size_t i, char *out);

static const char *key_at(const void *arg, uint32_t index) {
    const struct keys *keys = arg;
    cr_assert_gt(keys->bytes[index].len, (size_t)MR_KEY_SORT_PREFIX);
    return keys->bytes[index].data;
}

static void must(const void *memory) {
    cr_assert_not_null(memory);
}

static void keys_init(struct keys *keys, size_t count, size_t key_max, make_function make) {
    uint64_t state = count;
    keys->count = count;
    must(keys->bytes = calloc(count + 1, sizeof *keys->bytes));
    must(keys->store = malloc(count * key_max + 1));
    must(keys->refs = calloc(count + 1, sizeof *keys->refs));
    must(keys->scratch = calloc(count + 1, sizeof *keys->scratch));
    char *next = keys->store;
    for (size_t i = 0; i < count; i++) {
        keys->bytes[i] = (struct mr_bytes){next, make(&state, i, next)};
        next += keys->bytes[i].len;
        struct mr_key_ref *ref = &keys->refs[i];
        mr_key_sort_prefix(ref, keys->bytes[i].data, keys->bytes[i].len);
        ref->index = (uint32_t)i;
        ref->len = (uint32_t)keys->bytes[i].len;
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = next_random(&state) % i;
        struct mr_key_ref other = keys->refs[j];
        keys->refs[j] = keys->refs[i - 1];
        keys->refs[i - 1] = other;
    }
}

static void keys_fini(struct keys *keys) {
    free(keys->scratch);
    free(keys->refs);
    free(keys->store);
    free(keys->bytes);
}

static int compare_bytes(struct mr_bytes a, struct mr_bytes b) {
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    if (order) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* Checks that every reference is there once, in order, with its first bytes. */
static void assert_sorted(const struct keys *keys) {
    bool *seen = calloc(keys->count + 1, sizeof *seen);
    must(seen);
    for (size_t i = 0; i < keys->count; i++) {
        const struct mr_key_ref *ref = &keys->refs[i];
        cr_assert_lt(ref->index, keys->count);
        cr_assert(!seen[ref->index]);
        seen[ref->index] = true;
        struct mr_bytes bytes = keys->bytes[ref->index];
        struct mr_key_ref fresh;
        mr_key_sort_prefix(&fresh, bytes.data, bytes.len);
        cr_assert(fresh.hi == ref->hi && fresh.lo == ref->lo && ref->len == bytes.len);
        if (i > 0) {
            int order = compare_bytes(keys->bytes[ref[-1].index], bytes);
            cr_assert(order < 0 || (order == 0 && ref[-1].index < ref->index), "at %zu", i);
        }
    }
    free(seen);
}

static void assert_sorts(size_t count, size_t key_max, make_function make) {
    struct keys keys;
    keys_init(&keys, count, key_max, make);
    struct mr_key_source source = {.key = key_at, .arg = &keys};
    mr_key_sort(keys.refs, keys.count, keys.scratch, &source);
    assert_sorted(&keys);
    keys_fini(&keys);
}

static size_t random_bytes(uint64_t *state, size_t alphabet, size_t len, char *out) {
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(uint8_t)(next_random(state) % alphabet);
    }
    return len;
}

/* Any bytes, mostly shorter than 16. */
static size_t make_random(uint64_t *state, size_t i, char *out) {
    (void)i;
    return random_bytes(state, 256, next_random(state) % 20, out);
}

/* Few values, NUL among them, and every length around the window's: ties of all kinds. */
static size_t make_ties(uint64_t *state, size_t i, char *out) {
    (void)i;
    return random_bytes(state, 2, next_random(state) % 40, out);
}

static size_t make_nuls(uint64_t *state, size_t i, char *out) {
    (void)i;
    return random_bytes(state, 1, next_random(state) % 70, out);
}

static size_t make_equal(uint64_t *state, size_t i, char *out) {
    (void)state;
    (void)i;
    memset(out, 'x', 40);
    return 40;
}

static size_t make_equal_short(uint64_t *state, size_t i, char *out) {
    (void)state;
    (void)i;
    out[0] = 'x';
    return 1;
}

/* A long common prefix, then a number. */
static size_t make_prefixed(uint64_t *state, size_t i, char *out) {
    static const char prefix[] = "https://www.example.org/a/rather/long/path/to/the/item?number=";
    size_t len = sizeof prefix - 1;
    memcpy(out, prefix, len);
    return len + (size_t)snprintf(out + len, 24, "%llu",
                                  (unsigned long long)(next_random(state) % 3000 * (i % 7)));
}

/* "a", "aa", "aaa", ...: each split takes off a few keys. */
static size_t make_staircase(uint64_t *state, size_t i, char *out) {
    (void)state;
    memset(out, 'a', i);
    return i;
}

/* The same, each step ended by another byte. */
static size_t make_forked_staircase(uint64_t *state, size_t i, char *out) {
    memset(out, 'a', i);
    out[i] = (char)('b' + next_random(state) % 5);
    return i + 1;
}

/* Clusters that differ in every window of 16 bytes, down to the end: a window moved many times. */
static size_t make_deep(uint64_t *state, size_t i, char *out) {
    (void)i;
    memset(out, '-', 2000);
    for (size_t at = 20; at < 2000; at += 90) {
        if (next_random(state) % 8 == 0) {
            out[at] = '+';
        }
    }
    return 2000;
}

Test(key_sort, none_and_one) {
    mr_key_sort(NULL, 0, NULL, NULL);
    struct mr_key_ref ref = {.index = 7, .len = 0};
    struct mr_key_ref scratch;
    mr_key_sort(&ref, 1, &scratch, NULL);
    cr_assert_eq(ref.index, 7u);
}

Test(key_sort, prefix_is_big_endian_and_padded) {
    struct mr_key_ref ref;
    mr_key_sort_prefix(&ref, "ab", 2);
    cr_assert_eq(ref.hi, 0x6162000000000000u);
    cr_assert_eq(ref.lo, 0u);
    mr_key_sort_prefix(&ref, "0123456789abcdefg", 17);
    cr_assert_eq(ref.hi, 0x3031323334353637u);
    cr_assert_eq(ref.lo, 0x3839616263646566u);
}

Test(key_sort, every_small_count) {
    for (size_t count = 2; count < 200; count++) {
        assert_sorts(count, 20, make_random);
        assert_sorts(count, 40, make_ties);
    }
}

Test(key_sort, random_keys) {
    assert_sorts(30000, 20, make_random);
}

Test(key_sort, ties) {
    assert_sorts(30000, 40, make_ties);
    assert_sorts(5000, 70, make_nuls);
}

Test(key_sort, equal_keys_stand_by_index) {
    assert_sorts(10000, 40, make_equal);
    assert_sorts(10000, 1, make_equal_short);
}

Test(key_sort, common_prefixes) {
    assert_sorts(20000, 100, make_prefixed);
    assert_sorts(3000, 2000, make_deep);
}

Test(key_sort, staircases) {
    assert_sorts(3000, 3000, make_staircase);
    assert_sorts(3000, 3001, make_forked_staircase);
}

static void *sort_in_thread(void *arg) {
    const struct keys *keys = arg;
    struct mr_key_source source = {.key = key_at, .arg = keys};
    mr_key_sort(keys->refs, keys->count, keys->scratch, &source);
    return NULL;
}

/* Keys that split deeply must not need a deep stack. */
Test(key_sort, little_stack) {
    static const make_function makes[] = {make_forked_staircase, make_deep};
    for (size_t i = 0; i < sizeof makes / sizeof *makes; i++) {
        struct keys keys;
        keys_init(&keys, 3000, 3001, makes[i]);
        pthread_attr_t attr;
        pthread_t thread;
        cr_assert_eq(pthread_attr_init(&attr), 0);
        cr_assert_eq(pthread_attr_setstacksize(&attr, 256 << 10), 0);
        cr_assert_eq(pthread_create(&thread, &attr, sort_in_thread, &keys), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attr);
        assert_sorted(&keys);
        keys_fini(&keys);
    }
}

/* Orders by length, longest first; fails at the n-th call where `fail_at` is n. */
struct by_length {
    size_t calls;
    size_t fail_at;
};

static int compare_lengths(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    struct by_length *by = arg;
    if (++by->calls == by->fail_at) {
        return MR_ERR_JOB;
    }
    *order = a.len > b.len ? -1 : a.len < b.len;
    return MR_OK;
}

/* Reads the keys it is handed, so that the sanitizers see them. */
static int compare_reversed(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    (void)arg;
    *order = compare_bytes(b, a);
    return MR_OK;
}

static int compare_nonsense(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    (void)a;
    (void)b;
    *order = (int)(next_random(arg) % 3) - 1;
    return MR_OK;
}

Test(key_sort, by_a_jobs_order) {
    struct keys keys;
    keys_init(&keys, 5000, 40, make_ties);
    struct mr_key_source source = {.key = key_at, .arg = &keys};
    struct by_length by = {0, 0};
    struct mr_key_order order = {compare_lengths, &by};
    cr_assert_eq(mr_key_sort_by(keys.refs, keys.count, keys.scratch, &source, &order), 0);
    for (size_t i = 1; i < keys.count; i++) {
        struct mr_bytes a = keys.bytes[keys.refs[i - 1].index];
        struct mr_bytes b = keys.bytes[keys.refs[i].index];
        int bytes = compare_bytes(a, b);
        bool by_index = keys.refs[i - 1].index < keys.refs[i].index;
        cr_assert(a.len > b.len || (a.len == b.len && (bytes < 0 || (bytes == 0 && by_index))));
    }
    order = (struct mr_key_order){compare_reversed, NULL};
    cr_assert_eq(mr_key_sort_by(keys.refs, keys.count, keys.scratch, &source, &order), 0);
    for (size_t i = 1; i < keys.count; i++) {
        struct mr_bytes a = keys.bytes[keys.refs[i - 1].index];
        cr_assert_geq(compare_bytes(a, keys.bytes[keys.refs[i].index]), 0);
    }
    keys_fini(&keys);
}

static int compare_refs(const void *a, const void *b) {
    const struct mr_key_ref *left = a;
    const struct mr_key_ref *right = b;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Whatever the order does, every reference is still there. */
static void assert_complete(struct keys *keys) {
    qsort(keys->refs, keys->count, sizeof *keys->refs, compare_refs);
    for (size_t i = 0; i < keys->count; i++) {
        cr_assert_eq(keys->refs[i].index, i);
    }
}

Test(key_sort, an_order_that_fails_loses_nothing) {
    struct keys keys;
    keys_init(&keys, 300, 40, make_ties);
    struct mr_key_source source = {.key = key_at, .arg = &keys};
    struct by_length by = {0, 0};
    struct mr_key_order order = {compare_lengths, &by};
    size_t fail_at = 1;
    for (;; fail_at++) {
        by = (struct by_length){0, fail_at};
        int status = mr_key_sort_by(keys.refs, keys.count, keys.scratch, &source, &order);
        assert_complete(&keys);
        if (!status) {
            break;
        }
        cr_assert_eq(status, MR_ERR_JOB);
        cr_assert_eq(by.calls, fail_at, "called again after it failed");
    }
    cr_assert_gt(fail_at, 300u);
    keys_fini(&keys);
}

Test(key_sort, an_order_that_contradicts_itself_loses_nothing) {
    struct keys keys;
    keys_init(&keys, 2000, 40, make_ties);
    struct mr_key_source source = {.key = key_at, .arg = &keys};
    uint64_t state = 1;
    struct mr_key_order order = {compare_nonsense, &state};
    cr_assert_eq(mr_key_sort_by(keys.refs, keys.count, keys.scratch, &source, &order), 0);
    assert_complete(&keys);
    keys_fini(&keys);
}

static size_t make_long_number(uint64_t *state, size_t i, char *out) {
    return (size_t)snprintf(out, 60, "a beginning that all have%020llu",
                            (unsigned long long)(next_random(state) + i));
}

/* Stops it from a thread of its own, some time after the sort has begun. */
static void *stop_soon(void *arg) {
    atomic_bool *stop = arg;
    usleep(3000);
    atomic_store(stop, true);
    return NULL;
}

Test(key_sort, stops_when_told_to) {
    struct keys keys;
    atomic_bool stop = true;
    keys_init(&keys, (size_t)1 << 20, 60, make_long_number);
    struct mr_key_source source = {.key = key_at, .arg = &keys, .stop = &stop};
    struct by_length by = {0, 0};
    struct mr_key_order order = {compare_lengths, &by};
    struct mr_key_ref first = keys.refs[0];
    mr_key_sort(keys.refs, keys.count, keys.scratch, &source);
    cr_assert_eq(keys.refs[0].index, first.index, "sorted all the same");
    cr_assert_eq(mr_key_sort_by(keys.refs, keys.count, keys.scratch, &source, &order),
                 MR_ERR_INTERRUPTED);
    cr_assert_eq(by.calls, (size_t)0);
    for (int i = 0; i < 5; i++) { /* at any moment: what a scatter left is not looked at */
        pthread_t thread;
        atomic_store(&stop, false);
        memset(keys.scratch, 0xff, keys.count * sizeof *keys.scratch);
        cr_assert_eq(pthread_create(&thread, NULL, stop_soon, &stop), 0);
        mr_key_sort(keys.refs, keys.count, keys.scratch, &source);
        pthread_join(thread, NULL);
        for (size_t k = 0; k < keys.count; k++) { /* references once more */
            mr_key_sort_prefix(&keys.refs[k], keys.bytes[k].data, keys.bytes[k].len);
            keys.refs[k].index = (uint32_t)k;
            keys.refs[k].len = (uint32_t)keys.bytes[k].len;
        }
    }
    keys_fini(&keys);
}
