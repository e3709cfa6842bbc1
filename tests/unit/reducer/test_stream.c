/* test_stream: keys in order, each with all of its values folded, as a plain fold over the sorted
 * records has them. */
#include "reducer/stream.h"

#include "tests/unit/record/pairs.h"
#include <endian.h>

#define RUNS 7

/* Takes the bytes of the longer one, of equally long ones the larger. */
static int combine(void *arg, struct mr_bytes key, struct mr_bytes into, struct mr_bytes value,
                   struct mr_buffer *out) {
    struct mr_error err = {0};
    (void)arg, (void)key;
    bool keeps =
        into.len != value.len ? into.len > value.len : pairs_compare_bytes(into, value) > 0;
    out->len = 0;
    return mr_buffer_append(out, keeps ? into.data : value.data, keeps ? into.len : value.len,
                            &err);
}

/* An encoded value of the kind. */
static size_t put_value(enum mr_value kind, uint64_t *state, char out[MR_FOLD_VALUE_MAX]) {
    uint64_t random = pairs_random(state);
    double f64 = (double)(int64_t)random * 1e-300;
    if (mr_fold_is_u64(kind)) {
        return mr_fold_put_u64(out, random >> (16 + random % 48));
    }
    if (mr_fold_is_i64(kind)) {
        return mr_fold_put_i128(out, (int64_t)random);
    }
    if (kind == MR_SUM_F64) {
        struct mr_exact_wide wide = {0};
        mr_exact_sum_wide_add(&wide, random % 2 ? f64 : (double)(int64_t)random);
        return mr_exact_sum_wide_encode(&wide, out);
    }
    if (mr_fold_is_f64(kind)) {
        uint64_t rank = htobe64(mr_fold_rank(f64));
        memcpy(out, &rank, sizeof rank);
        return sizeof rank;
    }
    mr_fold_put_place(out, (struct mr_place){(uint32_t)(random % 3), random % 1000, 0});
    memset(out + MR_FOLD_PLACE_BYTES, (int)random, 30);
    return (kind == MR_COMBINED ? 0 : MR_FOLD_PLACE_BYTES) + random % 30;
}

static void make_pairs(struct pairs *pairs, enum mr_value kind, size_t count) {
    uint64_t state = kind;
    char key[PAIRS_KEY_MAX];
    char value[MR_FOLD_VALUE_MAX];
    for (size_t i = 0; i < count; i++) {
        uint64_t which = pairs_random(&state) % (count / 3);
        size_t key_len = pairs_random_key(&which, key);
        size_t value_len = put_value(kind, &state, value);
        pairs_add(pairs, 0, (struct mr_bytes){key, key_len}, (struct mr_bytes){value, value_len});
    }
}

/* Folds the pairs of one key; returns the first pair of the next. */
static size_t fold_key(const struct pairs *sorted, size_t begin, struct mr_fold *fold) {
    struct mr_error err = {0};
    struct mr_bytes key = sorted->items[begin].key;
    size_t i = begin;
    do {
        cr_assert_eq(i == begin ? mr_fold_begin(fold, sorted->items[i].value, &err)
                                : mr_fold_add(fold, key, sorted->items[i].value, &err),
                     0);
        i++;
    } while (i < sorted->count && pairs_equal(sorted->items[i].key, key));
    return i;
}

static void check_stream(struct mr_stream *stream, const struct pairs *sorted, bool peeks) {
    struct mr_error err = {0};
    struct mr_fold fold = {.kind = stream->kind, .combine = combine};
    const struct mr_cursor *head = NULL;
    struct mr_bytes got;
    struct mr_bytes expected;
    for (size_t nth = 0; nth < sorted->count;) {
        const struct pair *pair = &sorted->items[nth];
        for (unsigned i = 0; peeks && i < nth % 3; i++) {
            cr_assert_eq(mr_stream_peek(stream, &head, &err), 1);
            cr_assert(pairs_equal(head->key, pair->key));
        }
        cr_assert_eq(mr_stream_take(stream, &err), 1, "%s", err.text);
        cr_assert(pairs_equal(mr_stream_key(stream), pair->key));
        cr_assert_eq(mr_stream_value(stream, &got, &err), 0);
        if (stream->kind == MR_VALUES) {
            expected = pair->value;
            nth++;
        } else {
            nth = fold_key(sorted, nth, &fold);
            cr_assert_eq(mr_fold_result(&fold, &expected, &err), 0);
        }
        cr_assert(pairs_equal(got, expected), "kind %d, before pair %zu", (int)stream->kind, nth);
        cr_assert_eq(stream->taken, (uint64_t)nth);
        if (mr_fold_is_u64(stream->kind)) {
            cr_assert_eq(stream->u64, fold.u64);
        }
    }
    cr_assert_eq(mr_stream_peek(stream, &head, &err), 0);
    cr_assert_null(head);
    cr_assert_eq(mr_stream_take(stream, &err), 0);
    cr_assert_eq(mr_stream_take(stream, &err), 0);
    mr_fold_fini(&fold);
}

Test(stream, every_kind) {
    for (enum mr_value kind = MR_VALUES; kind < MR_VALUE_KINDS; kind++) {
        struct mr_error err = {0};
        struct mr_pool *pool = NULL;
        struct pairs pairs = {0};
        struct pairs_order order = {.placed = mr_fold_is_placed(kind)};
        struct mr_record_rules rules = {.kind = kind, .combine = combine, .partitions = 1};
        struct mr_key_range all = {0};
        rules.order.placed = order.placed;
        cr_assert_eq(mr_pool_create(&pool, &err), 0);
        make_pairs(&pairs, kind, 4000);
        struct mr_run **runs = pairs_to_runs(&pairs, RUNS, order, pool, "/tmp", kind);
        pairs_sort(&pairs, order);
        for (int peeks = 0; peeks < 2; peeks++) {
            struct mr_stream stream;
            cr_assert_eq(mr_stream_open(&stream, runs, RUNS, 0, &all, &rules, &err), 0);
            check_stream(&stream, &pairs, peeks);
            mr_stream_close(&stream);
        }
        pairs_destroy_runs(runs, RUNS);
        cr_assert_eq(mr_pool_bytes(pool), (size_t)0);
        mr_pool_destroy(pool);
        pairs_fini(&pairs);
    }
}

Test(stream, of_nothing) {
    struct mr_error err = {0};
    struct mr_stream stream;
    struct mr_key_range all = {0};
    struct mr_record_rules rules = {.kind = MR_SUM_U64, .partitions = 1};
    const struct mr_cursor *head;
    cr_assert_eq(mr_stream_open(&stream, NULL, 0, 0, &all, &rules, &err), 0);
    cr_assert_eq(mr_stream_take(&stream, &err), 0);
    cr_assert_eq(mr_stream_peek(&stream, &head, &err), 0);
    mr_stream_close(&stream);
}

/* Runs of one pair each, with this value. */
static int take_two(struct mr_bytes value, struct mr_error *err) {
    struct mr_pool *pool = NULL;
    struct pairs pairs = {0};
    struct mr_stream stream;
    struct mr_key_range all = {0};
    struct mr_record_rules rules = {.kind = MR_SUM_U64, .partitions = 1};
    struct mr_run *runs[2];
    cr_assert_eq(mr_pool_create(&pool, err), 0);
    pairs_add(&pairs, 0, mr_bytes_text("a key"), value);
    for (int i = 0; i < 2; i++) {
        runs[i] = pairs_to_run(pairs.items, 1, pool, NULL);
    }
    cr_assert_eq(mr_stream_open(&stream, runs, 2, 0, &all, &rules, err), 0);
    int status = mr_stream_take(&stream, err);
    mr_stream_close(&stream);
    mr_run_destroy(runs[0]);
    mr_run_destroy(runs[1]);
    mr_pool_destroy(pool);
    pairs_fini(&pairs);
    return status;
}

Test(stream, a_sum_that_overflows_names_its_key) {
    struct mr_error err = {0};
    char value[8];
    size_t len = mr_fold_put_u64(value, (uint64_t)1 << 63);
    cr_assert_eq(take_two((struct mr_bytes){value, len}, &err), MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, "\"a key\""), "%s", err.text);
    err = (struct mr_error){0};
    len = mr_fold_put_u64(value, ((uint64_t)1 << 63) - 1);
    cr_assert_eq(take_two((struct mr_bytes){value, len}, &err), 1);
}

Test(stream, refuses_malformed_numbers) {
    struct mr_error err = {0};
    cr_assert_eq(take_two((struct mr_bytes){"123456789", 9}, &err), MR_ERR_INTERNAL);
}
