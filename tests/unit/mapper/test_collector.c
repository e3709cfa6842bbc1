/* test_collector: what comes out of collectors of any size against a plain sort of what went in. */
#include "mapper/collector.h"

#include "lib/base/hash.h"
#include "mapper/table.h"
#include "tests/unit/record/pairs.h"
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)
#define PARTITIONS 3
#define COMBINED_MAX 64 /* bytes of a combined value; more are dropped from its end */

/* Keeps the smallest bytes of both, sorted: associative and commutative. */
static int combine(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value) {
    char out[COMBINED_MAX];
    size_t len = 0;
    (void)state, (void)key;
    while (len < COMBINED_MAX && (into.len || value.len)) {
        struct mr_bytes *from =
            !value.len || (into.len && *into.data <= *value.data) ? &into : &value;
        out[len++] = *from->data;
        from->data++;
        from->len--;
    }
    return mr_set(ctx, (struct mr_bytes){out, len});
}

/* A job of one round, and a collector for it. */
struct fixture {
    struct mr_round round;
    struct mr_job job;
    struct mr_pool *pool;
    struct mr_run_store *store;
    struct mr_collector *collector;
    struct mr_ctx *ctx;
    struct pairs emitted; /* value: the number's 8 bytes, or the bytes */
};

static void setup(struct fixture *fixture, enum mr_value kind, size_t budget) {
    struct mr_error err = {0};
    *fixture = (struct fixture){.round = {.name = "round", .value = kind},
                                .job = {.abi = MR_JOB_ABI, .name = "test", .round_count = 1}};
    fixture->round.combine = kind == MR_COMBINED ? combine : NULL;
    fixture->job.rounds = &fixture->round;
    cr_assert_eq(mr_pool_create(&fixture->pool, &err), 0);
    struct mr_run_store_options store = {
        .pool = fixture->pool, .limit_bytes = SIZE_MAX, .fan_in = 8, .tmp = "/tmp"};
    cr_assert_eq(mr_run_store_create(&store, &fixture->store, &err), 0);
    struct mr_collector_options options = {
        .source = {.job = &fixture->job, .rounds = fixture->job.rounds, .partitions = PARTITIONS},
        .store = fixture->store,
        .pool = fixture->pool,
        .budget_bytes = budget};
    cr_assert_eq(mr_collector_create(&options, &fixture->collector, &err), 0, "%s", err.text);
    fixture->ctx = &mr_collector_context(fixture->collector)->ctx;
}

static void teardown(struct fixture *fixture) {
    mr_collector_destroy(fixture->collector);
    mr_run_store_destroy(fixture->store);
    mr_pool_destroy(fixture->pool);
    pairs_fini(&fixture->emitted);
}

static void add_expected(struct fixture *fixture, struct mr_bytes key, struct mr_bytes value) {
    uint32_t partition = (uint32_t)(mr_hash_xxh3(key.data, key.len) % PARTITIONS);
    pairs_add(&fixture->emitted, partition, key, value);
}

static void emit_bits(struct fixture *fixture, struct mr_bytes key, uint64_t bits) {
    enum mr_value kind = fixture->round.value;
    double number;
    memcpy(&number, &bits, sizeof number);
    int status = mr_fold_is_u64(kind)   ? mr_emit_u64(fixture->ctx, key, bits)
                 : mr_fold_is_i64(kind) ? mr_emit_i64(fixture->ctx, key, (int64_t)bits)
                                        : mr_emit_f64(fixture->ctx, key, number);
    cr_assert_eq(status, 0, "%s", mr_collector_context(fixture->collector)->err.text);
    add_expected(fixture, key, (struct mr_bytes){(const char *)&bits, sizeof bits});
}

static void emit_bytes(struct fixture *fixture, struct mr_bytes key, struct mr_bytes value) {
    cr_assert_eq(mr_emit(fixture->ctx, key, value), 0, "%s",
                 mr_collector_context(fixture->collector)->err.text);
    add_expected(fixture, key, value);
}

/* ---- what is expected ----------------------------------------------------------------------- */

/* The value of one key, by plain arithmetic over what was emitted, and by the engine's folding. */
struct outcome {
    __int128 whole;
    double f64;
    struct mr_buffer bytes; /* of all values one after the other, or combined */
};

static void include(enum mr_value kind, struct outcome *out, struct mr_bytes value, bool is_first) {
    struct mr_error err = {0};
    uint64_t u64 = 0;
    double f64 = 0;
    if (kind == MR_VALUES || (kind == MR_FIRST && is_first) || kind == MR_COMBINED) {
        out->bytes.len = is_first ? 0 : out->bytes.len;
        cr_assert_eq(mr_buffer_append(&out->bytes, value.data, value.len, &err), 0);
        return;
    }
    if (kind == MR_FIRST) {
        return;
    }
    memcpy(&u64, value.data, sizeof u64);
    memcpy(&f64, value.data, sizeof f64);
    __int128 number = mr_fold_is_i64(kind) ? (__int128)(int64_t)u64 : (__int128)u64;
    bool is_least = kind == MR_MIN_U64 || kind == MR_MIN_I64;
    bool is_sum = kind == MR_SUM_U64 || kind == MR_SUM_I64;
    if (is_first) {
        out->whole = number;
        out->f64 = f64;
    } else if (mr_fold_is_f64(kind)) {
        out->f64 = kind == MR_SUM_F64   ? out->f64 + f64
                   : kind == MR_MIN_F64 ? fmin(out->f64, f64)
                                        : fmax(out->f64, f64);
    } else {
        out->whole = is_sum                              ? out->whole + number
                     : is_least == (number < out->whole) ? number
                                                         : out->whole;
    }
}

static int compare_chars(const void *a, const void *b) {
    return *(const char *)a - *(const char *)b;
}

static void finish_expected(enum mr_value kind, struct outcome *out) {
    if (kind == MR_COMBINED && out->bytes.len) {
        qsort(out->bytes.data, out->bytes.len, 1, compare_chars);
        out->bytes.len = out->bytes.len < COMBINED_MAX ? out->bytes.len : COMBINED_MAX;
    }
}

static void check_value(enum mr_value kind, const struct pair *pair, const struct outcome *expected,
                        const struct outcome *got) {
    if (mr_fold_is_f64(kind)) {
        cr_assert_eq(expected->f64, got->f64, "kind %d, pair %zu: %g, not %g", (int)kind, pair->nth,
                     got->f64, expected->f64);
    } else if (mr_fold_is_u64(kind) || mr_fold_is_i64(kind)) {
        cr_assert(expected->whole == got->whole, "kind %d, pair %zu", (int)kind, pair->nth);
    } else {
        struct mr_bytes a = {expected->bytes.data, expected->bytes.len};
        struct mr_bytes b = {got->bytes.data, got->bytes.len};
        cr_assert(pairs_equal(a, b), "kind %d, pair %zu: %zu bytes, not %zu", (int)kind, pair->nth,
                  b.len, a.len);
    }
}

/* ---- what came out -------------------------------------------------------------------------- */

/* Folds the encoded records of one key. */
static void take_record(enum mr_value kind, struct mr_fold *fold, struct outcome *got,
                        const struct mr_cursor *record, bool is_first) {
    struct mr_error err = {0};
    if (kind == MR_VALUES) {
        got->bytes.len = is_first ? 0 : got->bytes.len;
        cr_assert_geq(record->value.len, (size_t)MR_FOLD_PLACE_BYTES);
        cr_assert_eq(mr_buffer_append(&got->bytes, record->value.data + MR_FOLD_PLACE_BYTES,
                                      record->value.len - MR_FOLD_PLACE_BYTES, &err),
                     0);
    } else {
        cr_assert_eq(is_first ? mr_fold_begin(fold, record->value, &err)
                              : mr_fold_add(fold, record->key, record->value, &err),
                     0, "%s", err.text);
    }
}

static void finish_got(enum mr_value kind, struct mr_fold *fold, struct outcome *got) {
    struct mr_error err = {0};
    struct mr_bytes value;
    uint64_t u64 = 0;
    if (kind == MR_VALUES) {
        return;
    }
    cr_assert_eq(mr_fold_result(fold, &value, &err), 0);
    if (mr_fold_is_u64(kind)) {
        cr_assert(mr_fold_get_u64(value, &u64));
        got->whole = (__int128)u64;
    } else if (mr_fold_is_i64(kind)) {
        cr_assert(mr_fold_get_i128(value, &got->whole));
    } else if (mr_fold_is_f64(kind)) {
        cr_assert_eq(mr_fold_number_f64(kind, value, &got->f64, &err), 0);
    } else {
        size_t skip = kind == MR_FIRST ? MR_FOLD_PLACE_BYTES : 0;
        got->bytes.len = 0;
        cr_assert_eq(mr_buffer_append(&got->bytes, value.data + skip, value.len - skip, &err), 0);
    }
}

/* Reads one key's records off the merge and compares it with the pairs from `begin` on; returns the
 * first pair of the next key. */
static size_t check_key(struct fixture *fixture, struct mr_merge *merge,
                        const struct mr_cursor **record, size_t begin, struct outcome out[2]) {
    const struct pairs *emitted = &fixture->emitted;
    enum mr_value kind = fixture->round.value;
    struct mr_error err = {0};
    struct mr_fold fold = {.kind = kind,
                           .combine = mr_context_combine,
                           .arg = mr_collector_context(fixture->collector)};
    const struct pair *pair = &emitted->items[begin];
    size_t end = begin;
    for (; end < emitted->count && emitted->items[end].partition == pair->partition &&
           pairs_equal(emitted->items[end].key, pair->key);
         end++) {
        include(kind, &out[0], emitted->items[end].value, end == begin);
    }
    finish_expected(kind, &out[0]);
    cr_assert_not_null(*record, "key of pair %zu is missing", pair->nth);
    cr_assert(pairs_equal((*record)->key, pair->key), "key of pair %zu", pair->nth);
    for (bool is_first = true; *record && pairs_equal((*record)->key, pair->key);
         is_first = false) {
        take_record(kind, &fold, &out[1], *record, is_first);
        if (mr_merge_next(merge, record, &err) <= 0) {
            *record = NULL;
        }
    }
    cr_assert_eq(err.code, 0, "%s", err.text);
    finish_got(kind, &fold, &out[1]);
    check_value(kind, pair, &out[0], &out[1]);
    mr_fold_fini(&fold);
    return end;
}

/* Seals the collector and compares all that is in the store with what was emitted. */
static void check(struct fixture *fixture, size_t runs_least) {
    struct mr_error err = {0};
    struct mr_key_range all = {0};
    struct mr_order order = {.placed = mr_fold_is_placed(fixture->round.value)};
    struct outcome out[2] = {{0}, {0}};
    size_t count;
    size_t nth = 0;
    cr_assert_eq(mr_collector_finish(fixture->collector), 0, "%s",
                 mr_collector_context(fixture->collector)->err.text);
    struct mr_run *const *runs = mr_run_store_runs(fixture->store, &count);
    cr_assert_geq(count, runs_least, "%zu runs", count);
    cr_assert_eq(mr_collector_emitted(fixture->collector), (uint64_t)fixture->emitted.count);
    uint64_t combined =
        mr_collector_combined(fixture->collector) + mr_run_store_stats(fixture->store).combined;
    cr_assert_eq(combined + mr_run_store_records(fixture->store), (uint64_t)fixture->emitted.count);
    pairs_sort(&fixture->emitted, (struct pairs_order){0});
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct mr_merge merge;
        const struct mr_cursor *record = NULL;
        cr_assert_eq(mr_merge_open(&merge, runs, count, p, &all, &order, &err), 0);
        if (mr_merge_next(&merge, &record, &err) <= 0) {
            record = NULL;
        }
        while (nth < fixture->emitted.count && fixture->emitted.items[nth].partition == p) {
            nth = check_key(fixture, &merge, &record, nth, out);
        }
        cr_assert_null(record, "partition %u holds a key that was not emitted", p);
        mr_merge_close(&merge);
    }
    cr_assert_eq(nth, fixture->emitted.count);
    mr_buffer_fini(&out[0].bytes);
    mr_buffer_fini(&out[1].bytes);
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* A number of the kind that never overflows, and whose sum is exact. */
static uint64_t random_bits(enum mr_value kind, uint64_t *state) {
    uint64_t random = pairs_random(state);
    double number = (double)(int64_t)(random % 4001) / 16 - 125;
    if (kind == MR_SUM_U64) {
        return random >> (20 + random % 44);
    }
    if (!mr_fold_is_f64(kind)) {
        return random % 8 ? (uint64_t)((int64_t)random >> (random >> 8) % 64)
                          : (uint64_t)INT64_MIN - (random >> 9) % 2;
    }
    if (kind != MR_SUM_F64 && random % 16 == 0) {
        number = random % 32 ? INFINITY : -INFINITY;
    }
    memcpy(&random, &number, sizeof random);
    return random;
}

static void emit_random(struct fixture *fixture, size_t count, size_t distinct, uint64_t seed) {
    enum mr_value kind = fixture->round.value;
    bool is_number = mr_fold_is_u64(kind) || mr_fold_is_i64(kind) || mr_fold_is_f64(kind);
    uint64_t state = seed;
    char key[PAIRS_KEY_MAX];
    char value[200];
    for (size_t i = 0; i < count; i++) {
        uint64_t which = pairs_random(&state) % distinct; /* the key's own seed */
        struct mr_bytes bytes = {key, pairs_random_key(&which, key)};
        size_t len = pairs_random(&state) % (kind == MR_COMBINED ? COMBINED_MAX : sizeof value);
        mr_collector_context(fixture->collector)->where->record = i / 3;
        memset(value, (int)(i % 128), len);
        if (is_number) {
            emit_bits(fixture, bytes, random_bits(kind, &state));
        } else {
            emit_bytes(fixture, bytes, (struct mr_bytes){value, len % (i % 5 ? 8 : 200)});
        }
    }
}

static void check_kind(enum mr_value kind) {
    struct fixture fixture;
    setup(&fixture, kind, 64 * MIB); /* all of it in one table */
    emit_random(&fixture, 15000, 3000, kind);
    check(&fixture, 1);
    teardown(&fixture);
    setup(&fixture, kind, MIB); /* many seals */
    emit_random(&fixture, 40000, SIZE_MAX, kind + 100);
    check(&fixture, 3);
    teardown(&fixture);
}

Test(collector, values) {
    check_kind(MR_VALUES);
}
Test(collector, sum_u64) {
    check_kind(MR_SUM_U64);
}
Test(collector, min_u64) {
    check_kind(MR_MIN_U64);
}
Test(collector, max_u64) {
    check_kind(MR_MAX_U64);
}
Test(collector, sum_i64) {
    check_kind(MR_SUM_I64);
}
Test(collector, min_i64) {
    check_kind(MR_MIN_I64);
}
Test(collector, max_i64) {
    check_kind(MR_MAX_I64);
}
Test(collector, sum_f64) {
    check_kind(MR_SUM_F64);
}
Test(collector, min_f64) {
    check_kind(MR_MIN_F64);
}
Test(collector, max_f64) {
    check_kind(MR_MAX_F64);
}
Test(collector, first) {
    check_kind(MR_FIRST);
}
Test(collector, combined) {
    check_kind(MR_COMBINED);
}

/* Sums that outgrow their window move to the arena, one a key, until it is full of them. */
Test(collector, wide_sums_fill_the_arena) {
    struct fixture fixture;
    char key[8];
    setup(&fixture, MR_SUM_F64, MIB);
    for (uint32_t i = 0; i < 12000; i++) {
        struct mr_bytes bytes = {key, (size_t)snprintf(key, sizeof key, "%u", i / 4)};
        /* 5e-324 does not show in the rounded sum, but makes it wide. */
        const double numbers[] = {i, 5e-324, 0, 0.5};
        double number = numbers[i % 4];
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        emit_bits(&fixture, bytes, bits);
    }
    check(&fixture, 2);
    teardown(&fixture);
}

/* Keys of the same first bytes that differ in trailing zeros or length alone are different keys. */
Test(collector, keys_that_look_alike) {
    static const enum mr_value kinds[] = {MR_SUM_U64, MR_MAX_I64, MR_VALUES, MR_COMBINED};
    for (size_t k = 0; k < 4; k++) {
        struct fixture fixture;
        char key[80];
        setup(&fixture, kinds[k], MIB);
        for (int fill = 0; fill < 3; fill++) {
            memset(key, fill == 0 ? 0 : fill == 1 ? 0xFF : 'a', sizeof key);
            for (size_t len = 0; len <= sizeof key; len++) {
                for (size_t zeros = 0; zeros <= len && zeros < 20; zeros++) {
                    char with_zeros[80] = {0};
                    memcpy(with_zeros, key, len);
                    memset(with_zeros + len - zeros, 0, zeros);
                    struct mr_bytes bytes = {with_zeros, len};
                    if (k < 2) {
                        emit_bits(&fixture, bytes, len * 100 + zeros);
                    } else {
                        emit_bytes(&fixture, bytes,
                                   (struct mr_bytes){with_zeros, k == 2 ? len : 1});
                    }
                }
            }
        }
        check(&fixture, 1);
        teardown(&fixture);
    }
}

/* Fills `text` with keys to its end, but for gaps; returns how many. */
static size_t fill_spans(char *text, size_t len, uint32_t *bounds, uint64_t *state) {
    size_t count = 0;
    char key[PAIRS_KEY_MAX];
    for (size_t at = 0; at < len; count++) {
        uint64_t which = pairs_random(state) % 500;
        size_t gap = pairs_random(state) % 3;
        size_t key_len = pairs_random_key(&which, key);
        at = at + gap < len ? at + gap : len;
        key_len = key_len < len - at ? key_len : len - at;
        memcpy(text + at, key, key_len);
        bounds[2 * count] = (uint32_t)at;
        at += key_len;
        bounds[2 * count + 1] = (uint32_t)at;
    }
    return count;
}

/* Of texts of any length, which end where the memory that can be read ends. */
Test(collector, spans) {
    static uint32_t bounds[2 * 4096];
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    for (enum mr_value kind = MR_SUM_U64; kind <= MR_MAX_U64; kind++) {
        struct fixture fixture;
        uint64_t state = kind;
        setup(&fixture, kind, MIB);
        for (size_t i = 0; i < 400; i++) {
            size_t len = i % 4 ? i : 4096;
            char *text = pages + 4096 - len;
            size_t count = fill_spans(text, len, bounds, &state);
            cr_assert_eq(mr_emit_u64_spans(fixture.ctx, text, bounds, count, i), 0);
            for (size_t k = 0; k < count; k++) {
                struct mr_bytes key = {text + bounds[2 * k], bounds[2 * k + 1] - bounds[2 * k]};
                add_expected(&fixture, key, (struct mr_bytes){(const char *)&i, sizeof i});
            }
        }
        check(&fixture, 1);
        teardown(&fixture);
    }
    munmap(pages, 8192);
}

/* Keys that end where the memory that can be read ends; the empty one begins there. */
Test(collector, keys_at_the_end_of_memory) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    memset(pages, 'p', 4096);
    cr_assert_eq(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    for (enum mr_value kind = MR_VALUES; kind < MR_VALUE_KINDS; kind++) {
        bool is_number = kind != MR_VALUES && kind != MR_FIRST && kind != MR_COMBINED;
        struct fixture fixture;
        setup(&fixture, kind, MIB);
        for (size_t i = 0; i < 300; i++) {
            size_t len = i % 100;
            struct mr_bytes key = {pages + 4096 - len, len};
            if (is_number) {
                emit_bits(&fixture, key, 0);
            } else {
                emit_bytes(&fixture, key, (struct mr_bytes){key.data, len % COMBINED_MAX});
            }
        }
        check(&fixture, 1);
        teardown(&fixture);
    }
    munmap(pages, 8192);
}

/* Views without data. */
Test(collector, nothing_as_key_and_value) {
    struct mr_bytes none = {NULL, 0};
    for (enum mr_value kind = MR_VALUES; kind < MR_VALUE_KINDS; kind++) {
        bool is_number = kind != MR_VALUES && kind != MR_FIRST && kind != MR_COMBINED;
        struct fixture fixture;
        setup(&fixture, kind, MIB);
        for (size_t i = 0; i < 200; i++) {
            struct mr_bytes key = i % 2 ? none : mr_bytes_text("key");
            if (is_number) {
                emit_bits(&fixture, key, 0);
            } else {
                emit_bytes(&fixture, key, none);
            }
        }
        check(&fixture, 1);
        teardown(&fixture);
    }
}

/* Pairs around and beyond what the arena takes, between small ones. */
Test(collector, oversized_pairs) {
    char *large = malloc(3 * MIB);
    pairs_must(large);
    memset(large, 'l', 3 * MIB);
    for (enum mr_value kind = MR_VALUES; kind < MR_VALUE_KINDS; kind++) {
        bool is_number = kind != MR_VALUES && kind != MR_FIRST && kind != MR_COMBINED;
        struct fixture fixture;
        setup(&fixture, kind, MIB);
        for (size_t i = 0; i < 60; i++) {
            size_t len = i % 3 == 0 ? 10 + i : i * i * 800 % (i % 4 ? MIB : 3 * MIB);
            mr_collector_context(fixture.collector)->where->record = i;
            if (is_number) {
                emit_bits(&fixture, (struct mr_bytes){large, len},
                          random_bits(kind, &(uint64_t){i}));
            } else if (kind == MR_COMBINED || i % 2) {
                emit_bytes(&fixture, (struct mr_bytes){large, len}, (struct mr_bytes){large, 10});
            } else {
                emit_bytes(&fixture, (struct mr_bytes){large, 20}, (struct mr_bytes){large, len});
            }
        }
        check(&fixture, 2);
        teardown(&fixture);
    }
    free(large);
}

/* Values keep the order of the input, whichever collector they went through, and when. */
Test(collector, values_of_several_splits) {
    for (int k = 0; k < 2; k++) {
        struct fixture fixture;
        setup(&fixture, k ? MR_FIRST : MR_VALUES, MIB);
        static const uint32_t splits[] = {3, 4, 1, 7, 0, 2};
        struct pairs later = {0};
        for (size_t s = 0; s < 6; s++) {
            mr_collector_set_split(fixture.collector, splits[s]);
            for (uint64_t record = 0; record < 500; record++) {
                char value[32];
                size_t len = (size_t)snprintf(value, sizeof value, "%u.%llu;", splits[s],
                                              (unsigned long long)record);
                struct mr_bytes key = {"key", record % 4};
                mr_at(fixture.ctx, record * 300);
                cr_assert_eq(mr_emit(fixture.ctx, key, (struct mr_bytes){value, len}), 0);
                uint32_t partition = (uint32_t)(mr_hash_xxh3(key.data, key.len) % PARTITIONS);
                pairs_add(&later, partition, key, (struct mr_bytes){value, len})->nth =
                    splits[s] * 1000 + record;
            }
        }
        fixture.emitted = later;
        check(&fixture, k ? 1 : 3);
        teardown(&fixture);
    }
}

Test(collector, a_sum_that_overflows_fails) {
    struct fixture fixture;
    setup(&fixture, MR_SUM_U64, MIB);
    struct mr_context *context = mr_collector_context(fixture.collector);
    for (int i = 0; i < 2; i++) {
        (void)!mr_emit_u64(fixture.ctx, mr_bytes_text("largest"), UINT64_MAX);
    }
    cr_assert_eq(mr_collector_finish(fixture.collector), MR_ERR_JOB);
    cr_assert_not_null(strstr(context->err.text, "\"largest\""), "%s", context->err.text);
    teardown(&fixture);
}

Test(collector, min_and_max_refuse_nan) {
    for (enum mr_value kind = MR_MIN_F64; kind <= MR_MAX_F64; kind++) {
        struct fixture fixture;
        setup(&fixture, kind, MIB);
        cr_assert_eq(mr_emit_f64(fixture.ctx, mr_bytes_text("k"), (double)NAN), MR_ERR_JOB);
        cr_assert_eq(mr_emit_f64(fixture.ctx, mr_bytes_text("k"), 1), MR_ERR_JOB);
        cr_assert_eq(mr_collector_finish(fixture.collector), MR_ERR_JOB);
        teardown(&fixture);
    }
}

/* Each kind takes its own emit alone, and says so. */
Test(collector, refuses_values_of_another_kind) {
    for (enum mr_value kind = MR_VALUES; kind < MR_VALUE_KINDS; kind++) {
        for (int emit = 0; emit < 5; emit++) {
            static const uint32_t bounds[2] = {0, 3};
            struct fixture fixture;
            setup(&fixture, kind, MIB);
            struct mr_bytes key = mr_bytes_text("key");
            bool fits = emit == 0   ? mr_fold_is_u64(kind)
                        : emit == 1 ? mr_fold_is_i64(kind)
                        : emit == 2 ? mr_fold_is_f64(kind)
                        : emit == 3 ? mr_fold_is_u64(kind)
                                    : mr_fold_is_placed(kind) || kind == MR_COMBINED;
            int status = emit == 0   ? mr_emit_u64(fixture.ctx, key, 1)
                         : emit == 1 ? mr_emit_i64(fixture.ctx, key, 1)
                         : emit == 2 ? mr_emit_f64(fixture.ctx, key, 1)
                         : emit == 3 ? mr_emit_u64_spans(fixture.ctx, key.data, bounds, 1, 1)
                                     : mr_emit(fixture.ctx, key, key);
            cr_assert_eq(status, fits ? 0 : MR_ERR_JOB);
            teardown(&fixture);
        }
    }
}
