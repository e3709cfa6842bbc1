/* test_exact_sum: exact sums against integers, permutations, cancellation and known roundings. */
#include "lib/record/exact_sum.h"

#include "tests/unit/test.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TINY 0x1p-1074 /* the least subnormal */

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

/* A finite value whose exponent is anywhere. */
static double random_finite(uint64_t *state) {
    double value;
    do {
        value = from_bits(next_random(state));
    } while (!isfinite(value));
    return value;
}

/* A sum the way a collector holds it: a window until a value does not fit. */
struct sum {
    struct mr_exact_window window;
    struct mr_exact_wide wide;
    bool is_wide;
};

static void widen(struct sum *sum) {
    if (!sum->is_wide) {
        mr_exact_sum_wide_add_window(&sum->wide, &sum->window);
        sum->is_wide = true;
    }
}

static void add(struct sum *sum, double value) {
    if (!sum->is_wide && mr_exact_sum_window_add(&sum->window, value)) {
        return;
    }
    widen(sum);
    mr_exact_sum_wide_add(&sum->wide, value);
}

static double rounded(const struct sum *sum) {
    return sum->is_wide ? mr_exact_sum_wide_round(&sum->wide)
                        : mr_exact_sum_window_round(&sum->window);
}

static size_t encode(const struct sum *sum, char *out) {
    return sum->is_wide ? mr_exact_sum_wide_encode(&sum->wide, out)
                        : mr_exact_sum_window_encode(&sum->window, out);
}

static void assert_same_encoding(const struct sum *a, const struct sum *b) {
    char bytes[2][MR_EXACT_SUM_BYTES_MAX];
    size_t len = encode(a, bytes[0]);
    cr_assert_eq(len, encode(b, bytes[1]));
    cr_assert_eq(memcmp(bytes[0], bytes[1], len), 0);
}

/* Sums `values` both ways and checks that they agree with `expected` and with one another. */
static void assert_sum(const double *values, size_t count, double expected) {
    struct sum sum = {.is_wide = false};
    struct sum wide = {.is_wide = true};
    for (size_t i = 0; i < count; i++) {
        add(&sum, values[i]);
        add(&wide, values[i]);
    }
    cr_assert(same_bits(rounded(&sum), expected), "%a, expected %a", rounded(&sum), expected);
    cr_assert(same_bits(rounded(&wide), expected), "wide: %a, expected %a", rounded(&wide),
              expected);
    assert_same_encoding(&sum, &wide);
}

#define ASSERT_SUM(expected, ...)                                                                  \
    do {                                                                                           \
        const double values_[] = {__VA_ARGS__};                                                    \
        assert_sum(values_, sizeof values_ / sizeof *values_, expected);                           \
    } while (0)

/* -1, 0 or 1: the sign of an exact sum, read from its encoding. */
static int sign_of(const struct mr_exact_wide *sum) {
    char bytes[MR_EXACT_SUM_BYTES_MAX];
    size_t len = mr_exact_sum_wide_encode(sum, bytes);
    if (len == 1) {
        return 0;
    }
    return (uint8_t)bytes[1] & 0x80 ? -1 : 1;
}

/* The sign of 2*(sum - from) - (towards - from), exactly: how the sum lies to the middle of the
 * two. */
static int side_of_middle(const struct mr_exact_wide *sum, double from, double towards) {
    struct mr_exact_wide twice = *sum;
    mr_exact_sum_wide_merge(&twice, sum);
    mr_exact_sum_wide_add(&twice, -from);
    mr_exact_sum_wide_add(&twice, -towards);
    return sign_of(&twice);
}

/* Checks a finite rounding with exact arithmetic alone: no neighbour is nearer, ties are even. */
static void assert_nearest(const struct mr_exact_wide *sum, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    double up = nextafter(value, INFINITY);
    double down = nextafter(value, -INFINITY);
    if (isfinite(up)) {
        int side = side_of_middle(sum, value, up);
        cr_assert(side < 0 || (side == 0 && !(bits & 1)), "%a rounds up", value);
    }
    if (isfinite(down)) {
        int side = side_of_middle(sum, value, down);
        cr_assert(side > 0 || (side == 0 && !(bits & 1)), "%a rounds down", value);
    }
}

Test(exact_sum, window_is_small) {
    cr_assert_leq(sizeof(struct mr_exact_window), 24u);
}

Test(exact_sum, empty_and_zeros_are_plus_zero) {
    ASSERT_SUM(0.0, 0.0);
    ASSERT_SUM(0.0, -0.0);
    ASSERT_SUM(0.0, -0.0, -0.0);
    ASSERT_SUM(0.0, 1.5, -1.5);
    struct mr_exact_window window = {0};
    cr_assert(same_bits(mr_exact_sum_window_round(&window), 0.0));
    char bytes[MR_EXACT_SUM_WINDOW_BYTES_MAX];
    cr_assert_eq(mr_exact_sum_window_encode(&window, bytes), 1u);
    cr_assert_eq(bytes[0], 0);
}

Test(exact_sum, known_roundings) {
    ASSERT_SUM(0.1, 0.1);
    ASSERT_SUM(-0.1, -0.1);
    ASSERT_SUM(1.0, 0x1p60, 1.0, -0x1p60);
    ASSERT_SUM(2.0, 1.0, 1e100, 1.0, -1e100);
    ASSERT_SUM(1.0, 1.0, 0x1p-53);                     /* a tie, to the even 1 */
    ASSERT_SUM(1.0 + 0x1p-52, 1.0, 0x1p-53, TINY);     /* just above the tie */
    ASSERT_SUM(1.0, 1.0, 0x1p-53, -TINY);              /* just below */
    ASSERT_SUM(1.0 + 0x1p-51, 1.0 + 0x1p-52, 0x1p-53); /* a tie, to the even above */
    ASSERT_SUM(1.0 - 0x1p-53, 1.0, -0x1p-53);          /* exact */
    ASSERT_SUM(1.0, 1.0, -0x1p-54);                    /* a tie below a power of two */
    ASSERT_SUM(1.0 - 0x1p-53, 1.0, -0x1p-54, -TINY);   /* */
    ASSERT_SUM(2.0, 2.0 - 0x1p-52, 0x1p-53);           /* carries out of the mantissa */
    ASSERT_SUM(-1.0 - 0x1p-52, -1.0, -0x1p-53, -TINY); /* */
    ASSERT_SUM(0x1p-1000, 0x1p1000, 0x1p-1000, -0x1p1000);
}

Test(exact_sum, decimal_cents_add_up) {
    struct sum sum = {.is_wide = false};
    for (int i = 0; i < 1000000; i++) {
        add(&sum, i % 2 ? 1234.56 : 0.01);
    }
    cr_assert(!sum.is_wide, "ordinary values leave the window");
    /* 500000 * (0x1.34a3d70a3d70ap+10 + 0x1.47ae147ae147bp-7), the nearest double. */
    cr_assert(same_bits(rounded(&sum), 617285000.0), "%a", rounded(&sum));
    char bytes[MR_EXACT_SUM_BYTES_MAX];
    cr_assert_leq(encode(&sum, bytes), 14u);
}

Test(exact_sum, subnormals) {
    ASSERT_SUM(TINY, TINY);
    ASSERT_SUM(3 * TINY, TINY, TINY, TINY);
    ASSERT_SUM(0.0, TINY, -TINY);
    ASSERT_SUM(DBL_MIN, DBL_MIN - TINY, TINY);
    ASSERT_SUM(DBL_MIN - TINY, DBL_MIN, -TINY);
    ASSERT_SUM(TINY, 0x1p1000, TINY, -0x1p1000);
    ASSERT_SUM(-0x1p-1060, 0x1p-1000, -0x1p-1060, -0x1p-1000);
}

Test(exact_sum, overflow) {
    const double half_ulp = 0x1p970; /* of DBL_MAX */
    ASSERT_SUM(DBL_MAX, DBL_MAX);
    ASSERT_SUM(DBL_MAX, DBL_MAX, nextafter(half_ulp, 0));
    ASSERT_SUM((double)INFINITY, DBL_MAX, half_ulp);
    ASSERT_SUM(DBL_MAX, DBL_MAX, half_ulp, -TINY);
    ASSERT_SUM((double)INFINITY, DBL_MAX, DBL_MAX);
    ASSERT_SUM((double)-INFINITY, -DBL_MAX, -DBL_MAX);
    ASSERT_SUM(DBL_MAX, DBL_MAX, DBL_MAX, -DBL_MAX); /* only the end is rounded */
    ASSERT_SUM(1.0, DBL_MAX, DBL_MAX, 1.0, -DBL_MAX, -DBL_MAX);
}

Test(exact_sum, values_that_are_not_finite) {
    const double inf = (double)INFINITY;
    const double nan = from_bits(0x7ff8000000000000u);
    ASSERT_SUM(inf, 1.0, inf, -DBL_MAX, TINY);
    ASSERT_SUM(-inf, -inf, 1.0, -inf);
    ASSERT_SUM(inf, DBL_MAX, inf); /* where the window stands over the greatest values */
    ASSERT_SUM(nan, -DBL_MAX, nan);
    ASSERT_SUM(nan, inf, 1.0, -inf);
    ASSERT_SUM(nan, from_bits(0xfff8000000000123u), 1.0);
    ASSERT_SUM(nan, from_bits(0x7ff0000000000001u), inf);
    ASSERT_SUM(nan, nan, inf);
}

/* Integers times 2^-20 whose sums stay within 128 bits, against the compiler's rounding of them. */
Test(exact_sum, matches_integers) {
    uint64_t state = 1;
    for (int round = 0; round < 300; round++) {
        struct sum sum = {.is_wide = false};
        struct sum wide = {.is_wide = true};
        __int128 reference = 0;
        for (int i = 0; i < 100; i++) {
            int64_t mantissa = (int64_t)(next_random(&state) & ((1u << 30) - 1)) - (1 << 29);
            unsigned shift = (unsigned)(next_random(&state) % 70);
            reference += (__int128)mantissa * ((__int128)1 << shift);
            add(&sum, ldexp((double)mantissa, (int)shift - 20));
            add(&wide, ldexp((double)mantissa, (int)shift - 20));
        }
        double expected = ldexp((double)reference, -20);
        cr_assert(!sum.is_wide);
        cr_assert(same_bits(rounded(&sum), expected));
        cr_assert(same_bits(rounded(&wide), expected));
        assert_same_encoding(&sum, &wide);
    }
}

/* The rounding of sums over the whole range, checked by exact arithmetic on its neighbours. */
Test(exact_sum, rounds_to_nearest) {
    uint64_t state = 2;
    for (int round = 0; round < 2000; round++) {
        struct sum sum = {.is_wide = false};
        double value = random_finite(&state);
        int exponent;
        frexp(value, &exponent);
        add(&sum, value);
        /* Half an ulp and its like, then something far below that breaks the tie, or nothing. */
        if (round % 5) {
            add(&sum, ldexp(round % 2 ? 1.0 : -1.0, exponent - 54 + round % 3));
        }
        if (round % 3) {
            add(&sum, round % 2 ? TINY : -TINY);
        }
        double result = rounded(&sum);
        widen(&sum);
        cr_assert(same_bits(rounded(&sum), result));
        if (isfinite(result)) {
            assert_nearest(&sum.wide, result);
        }
    }
}

static void shuffle(double *values, size_t count, uint64_t *state) {
    for (size_t i = count; i > 1; i--) {
        size_t j = next_random(state) % i;
        double other = values[j];
        values[j] = values[i - 1];
        values[i - 1] = other;
    }
}

/* Any order, any cut into partial sums, merged or sent as bytes: the same bits. */
Test(exact_sum, order_and_grouping_do_not_show) {
    enum { COUNT = 400 };
    uint64_t state = 3;
    double values[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_finite(&state);
    }
    struct sum first = {.is_wide = false};
    for (size_t i = 0; i < COUNT; i++) {
        add(&first, values[i]);
    }
    for (int round = 0; round < 50; round++) {
        shuffle(values, COUNT, &state);
        struct mr_exact_wide total = {.pending = 0};
        for (size_t i = 0; i < COUNT;) {
            struct sum part = {.is_wide = false};
            size_t end = i + 1 + next_random(&state) % 20;
            for (; i < end && i < COUNT; i++) {
                add(&part, values[i]);
            }
            char bytes[MR_EXACT_SUM_BYTES_MAX];
            struct mr_bytes encoded = {bytes, encode(&part, bytes)};
            struct mr_error err = {0};
            if (round % 2) {
                cr_assert_eq(mr_exact_sum_wide_decode_add(&total, encoded, &err), 0);
            } else if (part.is_wide) {
                mr_exact_sum_wide_merge(&total, &part.wide);
            } else {
                mr_exact_sum_wide_add_window(&total, &part.window);
            }
        }
        struct sum second = {.wide = total, .is_wide = true};
        assert_same_encoding(&first, &second);
        cr_assert(same_bits(rounded(&first), rounded(&second)));
    }
}

Test(exact_sum, cancels_to_nothing) {
    uint64_t state = 4;
    struct sum sum = {.is_wide = false};
    for (int i = 0; i < 500; i++) {
        add(&sum, random_finite(&state));
    }
    state = 4;
    for (int i = 0; i < 500; i++) {
        add(&sum, -random_finite(&state));
    }
    char bytes[MR_EXACT_SUM_BYTES_MAX];
    cr_assert_eq(encode(&sum, bytes), 1u);
    cr_assert(same_bits(rounded(&sum), 0.0));
}

/* Values of nearby exponents, so that windows move, refuse and merge in every way. */
Test(exact_sum, windows_agree_with_wide_sums) {
    uint64_t state = 5;
    size_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        struct mr_exact_window windows[2] = {{0}, {0}};
        struct mr_exact_wide wide = {.pending = 0};
        int centre = (int)(next_random(&state) % 2000) - 1070;
        for (int i = 0; i < 8; i++) {
            uint64_t bits = next_random(&state) >> (next_random(&state) % 64);
            int exponent = centre - 32 + (int)(next_random(&state) % 120) - 60;
            double value = ldexp((double)(int64_t)bits, exponent);
            if (isfinite(value) && mr_exact_sum_window_add(&windows[i % 2], value)) {
                mr_exact_sum_wide_add(&wide, value);
            }
        }
        struct mr_exact_window merged = windows[0];
        if (!mr_exact_sum_window_merge(&merged, &windows[1])) {
            cr_assert_eq(memcmp(&merged, &windows[0], sizeof merged), 0);
            refused++;
            continue;
        }
        char bytes[2][MR_EXACT_SUM_BYTES_MAX];
        size_t len = mr_exact_sum_window_encode(&merged, bytes[0]);
        cr_assert_leq(len, (size_t)MR_EXACT_SUM_WINDOW_BYTES_MAX);
        cr_assert_eq(len, mr_exact_sum_wide_encode(&wide, bytes[1]));
        cr_assert_eq(memcmp(bytes[0], bytes[1], len), 0);
        cr_assert(same_bits(mr_exact_sum_window_round(&merged), mr_exact_sum_wide_round(&wide)));
        struct mr_exact_window decoded = {0};
        struct mr_error err = {0};
        bool fitted = false;
        cr_assert_eq(mr_exact_sum_window_decode_add(&decoded, (struct mr_bytes){bytes[0], len},
                                                    &fitted, &err),
                     0);
        cr_assert(fitted);
        cr_assert_eq(mr_exact_sum_window_encode(&decoded, bytes[1]), len);
        cr_assert_eq(memcmp(bytes[0], bytes[1], len), 0);
    }
    cr_assert_gt(refused, 100u);
    cr_assert_lt(refused, 15000u);
}

/* 1 + 2 + 4 + ... takes a bit each time: the window moves down as far as it can, then refuses. */
Test(exact_sum, a_full_window_refuses) {
    struct mr_exact_window window = {0};
    int count = 0;
    while (mr_exact_sum_window_add(&window, ldexp(1.0, count))) {
        count++;
        cr_assert_lt(count, 1000);
    }
    cr_assert_geq(count, 125);
    cr_assert_leq(count, 127);
    struct mr_exact_window before = window;
    cr_assert(!mr_exact_sum_window_add(&window, 0x1p-10));
    cr_assert(!mr_exact_sum_window_add(&window, -0x1p200));
    cr_assert_eq(memcmp(&before, &window, sizeof window), 0);
    cr_assert(same_bits(mr_exact_sum_window_round(&window), ldexp(1.0, count)));
}

static void double_often(struct mr_exact_wide *sum, int times) {
    for (int i = 0; i < times; i++) {
        mr_exact_sum_wide_merge(sum, sum);
    }
}

/* Limbs as 2^30 additions leave them at most: 2^30 * (2^32 - 1) each. */
Test(exact_sum, full_limbs_are_settled_in_time) {
    enum { FILLED = 60 };
    struct mr_exact_wide full = {.pending = (uint32_t)1 << 30};
    struct sum a = {.is_wide = true};
    struct sum b = {.is_wide = true};
    for (size_t i = 0; i < FILLED; i++) {
        full.limb[i] = ((int64_t)1 << 62) - ((int64_t)1 << 30);
        a.wide.limb[i] = 1;
        b.wide.limb[i] = 1;
    }
    double_often(&a.wide, 63);
    double_often(&b.wide, 31);
    mr_exact_sum_wide_merge(&b.wide, &full);
    mr_exact_sum_wide_merge(&b.wide, &full);
    assert_same_encoding(&a, &b);
    mr_exact_sum_wide_merge(&full, &full); /* needs room on both sides */
    cr_assert_leq(full.pending, 1u);
    struct sum c = {.is_wide = true};
    for (size_t i = 0; i < FILLED; i++) {
        c.wide.limb[i] = 1;
    }
    double_often(&c.wide, 31);
    mr_exact_sum_wide_merge(&c.wide, &full);
    assert_same_encoding(&a, &c);
}

Test(exact_sum, additions_beyond_the_range_come_back) {
    struct mr_exact_wide sum = {.pending = ((uint32_t)1 << 30) - 3};
    for (int i = 0; i < 10; i++) {
        mr_exact_sum_wide_add(&sum, -DBL_MAX);
        mr_exact_sum_wide_merge(&sum, &sum);
    }
    /* x = 2 * (x - 1), ten times from 0: -2046 */
    for (int i = 0; i < 2045; i++) {
        mr_exact_sum_wide_add(&sum, DBL_MAX);
    }
    cr_assert(same_bits(mr_exact_sum_wide_round(&sum), -DBL_MAX));
}

Test(exact_sum, encoding_is_fixed) {
    static const struct {
        double value;
        const char *bytes;
        size_t len;
    } rows[] = {
        {0.0, "\0", 1},
        {1.0, "\x86\x00\x04", 3}, /* 2^1074 = 4 * 2^(8*134) */
        {-1.0, "\x86\x80\x04", 3},
        {TINY, "\x00\x00\x01", 3},
        {1e6, "\x87\x00\x09\x3d", 4}, /* 0x3d09 * 2^(8*135-1074) */
        {(double)INFINITY, "\x01", 1},
        {(double)-INFINITY, "\x02", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mr_exact_window sum = {0};
        char bytes[MR_EXACT_SUM_WINDOW_BYTES_MAX];
        cr_assert(mr_exact_sum_window_add(&sum, rows[i].value));
        cr_assert_eq(mr_exact_sum_window_encode(&sum, bytes), rows[i].len, "row %zu", i);
        cr_assert_eq(memcmp(bytes, rows[i].bytes, rows[i].len), 0, "row %zu", i);
    }
}

Test(exact_sum, malformed_bytes_are_refused) {
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {NULL, 0},
        {"\x04", 1},
        {"\xff", 1},
        {"\x86\x00", 2},
        {"\x86\x00\x00", 3},     /* zero, the long way */
        {"\x86\x00\x00\x01", 4}, /* a trailing zero byte */
        {"\x86\x00\x01\x00", 4}, /* a leading one */
        {"\x10\x01\x01", 3},     /* beyond the range: index 272 */
        {"\x0f\x01\x01\x01", 4}, /* reaches beyond it */
        {"\x86\x40\x04", 3},     /* an index that no sum has */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mr_bytes bytes = {rows[i].bytes, rows[i].len};
        struct mr_exact_wide wide = {.pending = 0};
        struct mr_exact_window window = {0};
        struct mr_error err = {0};
        bool fitted;
        cr_assert_eq(mr_exact_sum_wide_decode_add(&wide, bytes, &err), MR_ERR_INPUT, "row %zu", i);
        cr_assert_gt(strlen(err.text), 0u);
        cr_assert_eq(mr_exact_sum_window_decode_add(&window, bytes, &fitted, &err), MR_ERR_INPUT);
        cr_assert_eq(mr_exact_sum_wide_encode(&wide, (char[MR_EXACT_SUM_BYTES_MAX]){0}), 1u);
    }
}

/* Random bytes are refused, or come back as they were. */
Test(exact_sum, any_bytes_are_safe) {
    uint64_t state = 6;
    size_t taken = 0;
    for (int round = 0; round < 50000; round++) {
        size_t len = next_random(&state) % 300;
        char *bytes = malloc(len + 1); /* of exact size, for the sanitizer */
        cr_assert_not_null(bytes);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)(uint8_t)next_random(&state);
        }
        if (len > 1) {
            bytes[1] &= (char)0x81;
        }
        struct mr_exact_wide wide = {.pending = 0};
        struct mr_exact_window window = {0};
        struct mr_error err = {0};
        char again[MR_EXACT_SUM_BYTES_MAX];
        bool fitted = false;
        struct mr_bytes view = {bytes, len};
        int status = mr_exact_sum_wide_decode_add(&wide, view, &err);
        cr_assert_eq(mr_exact_sum_window_decode_add(&window, view, &fitted, &err), status);
        if (!status) {
            taken++;
            cr_assert_eq(mr_exact_sum_wide_encode(&wide, again), len);
            cr_assert_eq(memcmp(again, bytes, len), 0);
        }
        if (!status && fitted) {
            cr_assert_eq(mr_exact_sum_window_encode(&window, again), len);
            cr_assert_eq(memcmp(again, bytes, len), 0);
        }
        free(bytes);
    }
    cr_assert_gt(taken, 1000u);
}
