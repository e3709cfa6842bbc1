/* test_fold: the encodings of values, and folding in any grouping against plain arithmetic. */
#include "lib/record/fold.h"

#include "lib/base/error.h"
#include "tests/unit/record/pairs.h"
#include <endian.h>
#include <float.h>
#include <math.h>

#define VALUES_MAX 40

static const uint64_t u64s[] = {0,
                                1,
                                2,
                                127,
                                128,
                                255,
                                256,
                                65535,
                                65536,
                                (uint64_t)1 << 24,
                                1u << 31,
                                UINT32_MAX,
                                UINT64_MAX / 2,
                                UINT64_MAX - 1,
                                UINT64_MAX};
static const int64_t i64s[] = {
    0,   1,   -1,   2,         -2,        63,        -64,           64,
    127, 128, -128, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MIN + 1, INT64_MAX};
static const double f64s[] = {-INFINITY, -DBL_MAX, -1.5, -1, -DBL_MIN, -5e-324, -0.0,    0.0,
                              5e-324,    DBL_MIN,  0.1,  1,  1.5,      DBL_MAX, INFINITY};
#define COUNT(array) (sizeof(array) / sizeof *(array))

Test(fold, u64_round_trip) {
    for (size_t i = 0; i < COUNT(u64s); i++) {
        char bytes[8];
        uint64_t back = 77;
        size_t len = mr_fold_put_u64(bytes, u64s[i]);
        cr_assert(len == 0 || bytes[len - 1] != 0, "zero bytes are left out");
        cr_assert_eq(len == 0, u64s[i] == 0);
        cr_assert(mr_fold_get_u64((struct mr_bytes){bytes, len}, &back));
        cr_assert_eq(back, u64s[i]);
    }
    uint64_t none;
    cr_assert(!mr_fold_get_u64((struct mr_bytes){"123456789", 9}, &none));
}

static void check_i128(__int128 value) {
    char bytes[MR_FOLD_NUMBER_MAX];
    __int128 back = 77;
    size_t len = mr_fold_put_i128(bytes, value);
    cr_assert_leq(len, (size_t)MR_FOLD_NUMBER_MAX);
    cr_assert(len == 0 || bytes[len - 1] != 0);
    cr_assert(mr_fold_get_i128((struct mr_bytes){bytes, len}, &back));
    cr_assert(back == value);
}

Test(fold, i128_round_trip) {
    for (size_t i = 0; i < COUNT(i64s); i++) {
        for (size_t j = 0; j < COUNT(i64s); j++) {
            check_i128(i64s[i]);
            check_i128((__int128)i64s[i] * i64s[j]);
            check_i128((__int128)i64s[i] + i64s[j]);
        }
    }
    __int128 max = (__int128)(~(unsigned __int128)0 >> 1);
    check_i128(max);
    check_i128(-max - 1);
    __int128 none;
    char zeros[17] = {0};
    cr_assert(!mr_fold_get_i128((struct mr_bytes){zeros, 17}, &none));
}

Test(fold, ranks_order_like_numbers) {
    for (size_t i = 0; i < COUNT(f64s); i++) {
        uint64_t rank = mr_fold_rank(f64s[i]);
        double back = mr_fold_unrank(rank);
        cr_assert_eq(memcmp(&back, &f64s[i], sizeof back), 0, "row %zu", i);
        if (i > 0) {
            cr_assert_lt(mr_fold_rank(f64s[i - 1]), rank, "row %zu", i);
        }
    }
}

Test(fold, places_order_like_bytes) {
    static const struct mr_place places[] = {
        {0, 0, 0}, {0, 0, 1},   {0, 0, 256}, {0, 0, UINT32_MAX},
        {0, 1, 0}, {0, 255, 9}, {0, 256, 0}, {0, UINT64_MAX, 0},
        {1, 0, 0}, {255, 3, 3}, {256, 0, 0}, {UINT32_MAX, 0, 0}};
    for (size_t i = 1; i < COUNT(places); i++) {
        char a[MR_FOLD_PLACE_BYTES];
        char b[MR_FOLD_PLACE_BYTES];
        mr_fold_put_place(a, places[i - 1]);
        mr_fold_put_place(b, places[i]);
        cr_assert_lt(memcmp(a, b, sizeof a), 0, "row %zu", i);
    }
}

/* ---- groupings ------------------------------------------------------------------------------ */

/* Encoded values, each in a buffer of its own. */
struct values {
    struct mr_buffer items[VALUES_MAX];
    size_t count;
};

static void add_value(struct values *values, const void *data, size_t len) {
    struct mr_error err = {0};
    struct mr_buffer *item = &values->items[values->count++];
    item->len = 0;
    cr_assert_eq(mr_buffer_append(item, data, len, &err), 0);
}

static struct mr_bytes view(const struct mr_buffer *buffer) {
    return (struct mr_bytes){buffer->len ? buffer->data : "", buffer->len};
}

static void values_fini(struct values *values) {
    for (size_t i = 0; i < VALUES_MAX; i++) {
        mr_buffer_fini(&values->items[i]);
    }
}

/* The bytes of both, sorted: associative and commutative. */
static int merge_sorted(void *arg, struct mr_bytes key, struct mr_bytes into, struct mr_bytes value,
                        struct mr_buffer *out) {
    struct mr_error err = {0};
    cr_assert_eq(key.len, (size_t)3);
    ++*(unsigned *)arg;
    out->len = 0;
    cr_assert_eq(mr_buffer_reserve(out, into.len + value.len, &err), 0);
    while (into.len || value.len) {
        struct mr_bytes *from =
            !value.len || (into.len && (uint8_t)*into.data <= (uint8_t)*value.data) ? &into
                                                                                    : &value;
        out->data[out->len++] = *from->data;
        from->data++;
        from->len--;
    }
    return 0;
}

static unsigned combines;

static void fold_two(enum mr_value kind, struct mr_buffer *into, const struct mr_buffer *from) {
    struct mr_fold fold = {.kind = kind, .combine = merge_sorted, .arg = &combines};
    struct mr_error err = {0};
    struct mr_bytes result;
    struct mr_bytes key = {"key", 3};
    cr_assert_eq(mr_fold_begin(&fold, view(into), &err), 0, "%s", err.text);
    cr_assert_eq(mr_fold_add(&fold, key, view(from), &err), 0, "%s", err.text);
    cr_assert_eq(mr_fold_result(&fold, &result, &err), 0);
    cr_assert_not_null(result.data);
    into->len = 0;
    cr_assert_eq(mr_buffer_append(into, result.data, result.len, &err), 0);
    mr_fold_fini(&fold);
}

/* Folds copies of the values two by two, in random pairs, into `result`. */
static void fold_as_tree(enum mr_value kind, const struct values *values, uint64_t *state,
                         struct mr_buffer *result) {
    struct values copy = {0};
    struct mr_error err = {0};
    for (size_t i = 0; i < values->count; i++) {
        add_value(&copy, values->items[i].data, values->items[i].len);
    }
    while (copy.count > 1) {
        size_t a = pairs_random(state) % copy.count;
        size_t b = (a + 1 + pairs_random(state) % (copy.count - 1)) % copy.count;
        fold_two(kind, &copy.items[a], &copy.items[b]);
        struct mr_buffer last = copy.items[copy.count - 1];
        copy.items[--copy.count] = copy.items[b];
        copy.items[b] = b == copy.count ? copy.items[b] : last;
    }
    result->len = 0;
    cr_assert_eq(mr_buffer_append(result, copy.items[0].data, copy.items[0].len, &err), 0);
    values_fini(&copy);
}

/* Folds the values one after the other into `result`, and checks every other grouping against it.
 */
static void fold_all(enum mr_value kind, const struct values *values, struct mr_buffer *result) {
    struct mr_fold fold = {.kind = kind, .combine = merge_sorted, .arg = &combines};
    struct mr_error err = {0};
    struct mr_bytes key = {"key", 3};
    struct mr_bytes bytes;
    struct mr_buffer tree = {0};
    uint64_t state = values->count;
    cr_assert_eq(mr_fold_begin(&fold, view(&values->items[0]), &err), 0, "%s", err.text);
    for (size_t i = 1; i < values->count; i++) {
        cr_assert_eq(mr_fold_add(&fold, key, view(&values->items[i]), &err), 0, "%s", err.text);
    }
    cr_assert_eq(mr_fold_result(&fold, &bytes, &err), 0);
    result->len = 0;
    cr_assert_eq(mr_buffer_append(result, bytes.data, bytes.len, &err), 0);
    for (int i = 0; i < 12; i++) {
        fold_as_tree(kind, values, &state, &tree);
        cr_assert(pairs_equal(view(&tree), view(result)), "kind %d, grouping %d", (int)kind, i);
    }
    mr_buffer_fini(&tree);
    mr_fold_fini(&fold);
}

static const size_t value_counts[] = {1, 2, 3, 7, 40};

Test(fold, u64_in_any_grouping) {
    uint64_t state = 1;
    struct mr_buffer result = {0};
    struct values values = {0};
    for (size_t round = 0; round < 100; round++) {
        uint64_t sum = 0;
        uint64_t least = UINT64_MAX;
        uint64_t most = 0;
        values.count = 0;
        for (size_t i = value_counts[round % COUNT(value_counts)]; i > 0; i--) {
            uint64_t random = pairs_random(&state);
            uint64_t number = random % 4 ? random >> (6 + random % 58) : u64s[(random >> 8) % 10];
            char bytes[8];
            add_value(&values, bytes, mr_fold_put_u64(bytes, number));
            sum += number;
            least = number < least ? number : least;
            most = number > most ? number : most;
        }
        uint64_t expected[] = {[MR_SUM_U64] = sum, [MR_MIN_U64] = least, [MR_MAX_U64] = most};
        for (enum mr_value kind = MR_SUM_U64; kind <= MR_MAX_U64; kind++) {
            struct mr_error err = {0};
            uint64_t number = 0;
            fold_all(kind, &values, &result);
            cr_assert_eq(mr_fold_number_u64(view(&result), &number, &err), 0);
            cr_assert_eq(number, expected[kind]);
        }
    }
    values_fini(&values);
    mr_buffer_fini(&result);
}

Test(fold, i64_in_any_grouping) {
    uint64_t state = 2;
    struct mr_buffer result = {0};
    struct values values = {0};
    struct mr_bytes key = {"key", 3};
    for (size_t round = 0; round < 100; round++) {
        __int128 sum = 0;
        int64_t least = INT64_MAX;
        int64_t most = INT64_MIN;
        values.count = 0;
        for (size_t i = value_counts[round % COUNT(value_counts)]; i > 0; i--) {
            uint64_t random = pairs_random(&state);
            int64_t number = (int64_t)random >> (random >> 32) % 64;
            number = random % 2 ? number : i64s[(random >> 8) % COUNT(i64s)];
            char bytes[MR_FOLD_NUMBER_MAX];
            add_value(&values, bytes, mr_fold_put_i128(bytes, number));
            sum += number;
            least = number < least ? number : least;
            most = number > most ? number : most;
        }
        __int128 expected[] = {[MR_SUM_I64] = sum, [MR_MIN_I64] = least, [MR_MAX_I64] = most};
        for (enum mr_value kind = MR_SUM_I64; kind <= MR_MAX_I64; kind++) {
            struct mr_error err = {0};
            int64_t number = 0;
            fold_all(kind, &values, &result);
            int status = mr_fold_number_i64(key, view(&result), &number, &err);
            bool fits = expected[kind] >= INT64_MIN && expected[kind] <= INT64_MAX;
            cr_assert_eq(status, fits ? 0 : MR_ERR_JOB);
            cr_assert(!fits || number == expected[kind]);
        }
    }
    values_fini(&values);
    mr_buffer_fini(&result);
}

/* Numbers whose sum is exact in an f64 whatever the order, plus pairs of huge ones that cancel. */
Test(fold, f64_in_any_grouping) {
    uint64_t state = 3;
    struct mr_buffer result = {0};
    struct values values = {0};
    for (size_t round = 0; round < 100; round++) {
        double least = INFINITY;
        double most = -INFINITY;
        double sum = 0;
        double numbers[VALUES_MAX];
        size_t count = value_counts[round % COUNT(value_counts)];
        for (size_t i = 0; i < count; i++) {
            double number = (double)(int64_t)(pairs_random(&state) % 2001) / 8 - 125;
            sum += number;
            if (i + 2 < count && round % 2) {
                numbers[i++] = DBL_MAX * 0.75;
                numbers[i++] = -DBL_MAX * 0.75;
            }
            numbers[i] = number;
        }
        struct values ranks = {0};
        values.count = 0;
        for (size_t i = 0; i < count; i++) {
            char bytes[MR_EXACT_SUM_BYTES_MAX];
            struct mr_exact_wide wide = {0};
            mr_exact_sum_wide_add(&wide, numbers[i]);
            add_value(&values, bytes, mr_exact_sum_wide_encode(&wide, bytes));
            uint64_t rank = htobe64(mr_fold_rank(numbers[i]));
            add_value(&ranks, &rank, sizeof rank);
            least = numbers[i] < least ? numbers[i] : least;
            most = numbers[i] > most ? numbers[i] : most;
        }
        double expected[] = {[MR_SUM_F64] = sum, [MR_MIN_F64] = least, [MR_MAX_F64] = most};
        for (enum mr_value kind = MR_SUM_F64; kind <= MR_MAX_F64; kind++) {
            struct mr_error err = {0};
            double number = 0;
            fold_all(kind, kind == MR_SUM_F64 ? &values : &ranks, &result);
            cr_assert_eq(mr_fold_number_f64(kind, view(&result), &number, &err), 0);
            cr_assert_eq(number, expected[kind]);
        }
        values_fini(&ranks);
    }
    values_fini(&values);
    mr_buffer_fini(&result);
}

Test(fold, bytes_in_any_grouping) {
    uint64_t state = 4;
    struct mr_buffer result = {0};
    struct values values = {0};
    struct values placed = {0};
    for (size_t round = 0; round < 50; round++) {
        size_t bytes_in = 0;
        uint32_t first = UINT32_MAX;
        values.count = placed.count = 0;
        for (size_t i = value_counts[round % COUNT(value_counts)]; i > 0; i--) {
            char bytes[MR_FOLD_PLACE_BYTES + 100];
            uint32_t place = (uint32_t)pairs_random(&state);
            size_t len = pairs_random(&state) % 100;
            mr_fold_put_place(bytes, (struct mr_place){0, place, 0});
            memset(bytes + MR_FOLD_PLACE_BYTES, (int)place, len);
            add_value(&placed, bytes, MR_FOLD_PLACE_BYTES + len);
            add_value(&values, bytes + MR_FOLD_PLACE_BYTES, len);
            bytes_in += len;
            first = place < first ? place : first;
        }
        fold_all(MR_COMBINED, &values, &result);
        cr_assert_eq(result.len, bytes_in);
        fold_all(MR_FIRST, &placed, &result);
        char expected[MR_FOLD_PLACE_BYTES];
        mr_fold_put_place(expected, (struct mr_place){0, first, 0});
        cr_assert_eq(memcmp(expected, result.data, sizeof expected), 0);
        cr_assert(result.len == sizeof expected || result.data[sizeof expected] == (char)first);
    }
    cr_assert_gt(combines, 0u);
    values_fini(&values);
    values_fini(&placed);
    mr_buffer_fini(&result);
}

/* ---- failures ------------------------------------------------------------------------------- */

Test(fold, a_u64_sum_that_overflows_names_its_key) {
    struct mr_fold fold = {.kind = MR_SUM_U64};
    struct mr_error err = {0};
    char bytes[8];
    struct mr_bytes most = {bytes, mr_fold_put_u64(bytes, UINT64_MAX)};
    struct mr_bytes result;
    cr_assert_eq(mr_fold_begin(&fold, most, &err), 0);
    cr_assert_eq(mr_fold_add(&fold, mr_bytes_text("k\n"), (struct mr_bytes){"", 0}, &err), 0);
    cr_assert_eq(mr_fold_result(&fold, &result, &err), 0);
    cr_assert_eq(result.len, (size_t)8);
    cr_assert_eq(mr_fold_add(&fold, mr_bytes_text("k\n"), (struct mr_bytes){"\1", 1}, &err),
                 MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, "\"k\\x0a\""), "%s", err.text);
    mr_fold_fini(&fold);
}

Test(fold, an_i64_sum_may_leave_64_bits_meanwhile) {
    struct mr_fold fold = {.kind = MR_SUM_I64};
    struct mr_error err = {0};
    char most[MR_FOLD_NUMBER_MAX];
    char least[MR_FOLD_NUMBER_MAX];
    struct mr_bytes key = mr_bytes_text("key");
    struct mr_bytes up = {most, mr_fold_put_i128(most, INT64_MAX)};
    struct mr_bytes down = {least, mr_fold_put_i128(least, INT64_MIN)};
    struct mr_bytes result;
    int64_t number = 0;
    cr_assert_eq(mr_fold_begin(&fold, up, &err), 0);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(mr_fold_add(&fold, key, i % 2 ? down : up, &err), 0);
    }
    cr_assert_eq(mr_fold_result(&fold, &result, &err), 0);
    cr_assert_eq(mr_fold_number_i64(key, result, &number, &err), 0, "%s", err.text);
    cr_assert_eq(number, INT64_MAX - 500);
    cr_assert_eq(mr_fold_add(&fold, key, up, &err), 0);
    cr_assert_eq(mr_fold_result(&fold, &result, &err), 0);
    cr_assert_eq(mr_fold_number_i64(key, result, &number, &err), MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, "\"key\""), "%s", err.text);
    mr_fold_fini(&fold);
}

Test(fold, refuses_malformed_values) {
    static const char bytes[40] = {0};
    for (enum mr_value kind = MR_SUM_U64; kind <= MR_SUM_F64; kind++) {
        struct mr_fold fold = {.kind = kind};
        struct mr_error err = {0};
        struct mr_bytes value = {bytes, mr_fold_is_u64(kind) ? 9 : 17};
        cr_assert_neq(mr_fold_begin(&fold, value, &err), 0, "kind %d", (int)kind);
        mr_fold_fini(&fold);
    }
    struct mr_error err = {0};
    double number;
    cr_assert_neq(mr_fold_number_f64(MR_MIN_F64, (struct mr_bytes){bytes, 7}, &number, &err), 0);
}

static int refuse(void *arg, struct mr_bytes key, struct mr_bytes into, struct mr_bytes value,
                  struct mr_buffer *out) {
    (void)arg, (void)key, (void)into, (void)value, (void)out;
    return MR_ERR_JOB;
}

Test(fold, a_failing_combine_fails) {
    struct mr_fold fold = {.kind = MR_COMBINED, .combine = refuse};
    struct mr_error err = {0};
    struct mr_bytes one = mr_bytes_text("1");
    cr_assert_eq(mr_fold_begin(&fold, one, &err), 0);
    cr_assert_eq(mr_fold_add(&fold, one, one, &err), MR_ERR_JOB);
    mr_fold_fini(&fold);
}

/* An empty value is not a missing one: its data is not NULL, whatever was folded before. */
Test(fold, an_empty_result_has_data) {
    struct mr_fold fold = {.kind = MR_COMBINED, .combine = merge_sorted, .arg = &combines};
    struct mr_error err = {0};
    struct mr_bytes result = {0};
    cr_assert_eq(mr_fold_begin(&fold, (struct mr_bytes){"", 0}, &err), 0);
    cr_assert_eq(mr_fold_result(&fold, &result, &err), 0);
    cr_assert_eq(result.len, (size_t)0);
    cr_assert_not_null(result.data);
    mr_fold_fini(&fold);
}

Test(fold, key_text) {
    char out[MR_FOLD_KEY_TEXT_MAX];
    char wild[200];
    memset(wild, 0xFF, sizeof wild);
    cr_assert_str_eq(mr_fold_key_text(mr_bytes_text("a \"b\"\\"), out), "\"a \\x22b\\x22\\x5c\"");
    cr_assert_str_eq(mr_fold_key_text((struct mr_bytes){NULL, 0}, out), "\"\"");
    const char *text = mr_fold_key_text((struct mr_bytes){wild, 60}, out);
    cr_assert_eq(strlen(text), (size_t)242);
    text = mr_fold_key_text((struct mr_bytes){wild, 61}, out);
    cr_assert_eq(strlen(text), (size_t)245);
    cr_assert_str_eq(text + 241, "...\"");
}
