/* test_number: numbers as text, and back. */
#include "lib/base/number.h"

#include "tests/unit/test.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *u64_text(uint64_t value) {
    static char text[MR_NUMBER_TEXT_MAX + 1];
    text[mr_number_put_u64(text, value)] = '\0';
    return text;
}

static const char *i64_text(int64_t value) {
    static char text[MR_NUMBER_TEXT_MAX + 1];
    text[mr_number_put_i64(text, value)] = '\0';
    return text;
}

static const char *f64_text(double value) {
    static char text[MR_NUMBER_TEXT_MAX + 1];
    text[mr_number_put_f64(text, value)] = '\0';
    return text;
}

static const char *size_text(uint64_t bytes) {
    static char text[MR_NUMBER_TEXT_MAX];
    mr_number_put_size(text, sizeof text, bytes);
    return text;
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed ^ *seed >> 29;
}

Test(number, u64_is_what_printf_prints) {
    char want[MR_NUMBER_TEXT_MAX];
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t near = power - 2; near != power + 3; near++) {
            snprintf(want, sizeof want, "%" PRIu64, near);
            cr_assert_str_eq(u64_text(near), want);
        }
    }
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        uint64_t value = next_random(&seed) >> (i % 64);
        snprintf(want, sizeof want, "%" PRIu64, value);
        cr_assert_str_eq(u64_text(value), want);
    }
    cr_assert_str_eq(u64_text(0), "0");
    cr_assert_str_eq(u64_text(UINT64_MAX), "18446744073709551615");
}

Test(number, i64_has_its_sign) {
    cr_assert_str_eq(i64_text(0), "0");
    cr_assert_str_eq(i64_text(-1), "-1");
    cr_assert_str_eq(i64_text(INT64_MAX), "9223372036854775807");
    cr_assert_str_eq(i64_text(INT64_MIN), "-9223372036854775808");
}

Test(number, f64_is_short) {
    cr_assert_str_eq(f64_text(0.0), "0");
    cr_assert_str_eq(f64_text(-0.0), "-0");
    cr_assert_str_eq(f64_text(1.0), "1");
    cr_assert_str_eq(f64_text(-2.5), "-2.5");
    cr_assert_str_eq(f64_text(0.1), "0.1");
    cr_assert_str_eq(f64_text(0.1 + 0.2), "0.30000000000000004");
    cr_assert_str_eq(f64_text(123456789012345.0), "123456789012345");
    cr_assert_str_eq(f64_text(1e15), "1e+15");
    cr_assert_str_eq(f64_text(1e300), "1e+300");
    cr_assert_str_eq(f64_text(5e-324), "5e-324");
    cr_assert_str_eq(f64_text(0x1p-24), "5.960464477539063e-08");
    cr_assert_str_eq(f64_text(0x1p-791), "7.678447687145631e-239");
    cr_assert_str_eq(f64_text(1.7976931348623157e308), "1.7976931348623157e+308");
    cr_assert_str_eq(f64_text((double)INFINITY), "inf");
    cr_assert_str_eq(f64_text(-(double)INFINITY), "-inf");
    cr_assert_str_eq(f64_text((double)NAN), "nan");
}

Test(number, f64_reads_back_to_the_same_bits) {
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            double back = strtod(f64_text(value), NULL);
            cr_assert(memcmp(&back, &value, sizeof value) == 0, "%016" PRIx64, bits);
        }
    }
}

Test(number, reads_whole_numbers_only) {
    uint64_t value = 7;
    cr_assert(mr_number_read_u64("0", &value) && value == 0);
    cr_assert(mr_number_read_u64("0020", &value) && value == 20);
    cr_assert(mr_number_read_u64("18446744073709551615", &value) && value == UINT64_MAX);
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "1.5",
                                        "1e3",
                                        "18446744073709551616",
                                        "0x1",
                                        "x",
                                        "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        value = 7;
        cr_assert(!mr_number_read_u64(wrong[i], &value), "%s", wrong[i]);
        cr_assert_eq(value, 7u);
    }
}

Test(number, reads_sizes) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } right[] = {
        {"0", 0},
        {"17", 17},
        {"17B", 17},
        {"1K", 1024},
        {"256M", UINT64_C(256) << 20},
        {"256m", UINT64_C(256) << 20},
        {"256MB", UINT64_C(256) << 20},
        {"256MiB", UINT64_C(256) << 20},
        {"2G", UINT64_C(2) << 30},
        {"16777215T", UINT64_C(16777215) << 40},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        uint64_t bytes = 1;
        cr_assert(mr_number_read_size(right[i].text, &bytes), "%s", right[i].text);
        cr_assert_eq(bytes, right[i].bytes);
    }
    static const char *const wrong[] = {"",   "M",    "1X",  "1Mi", "1MBs",      "1iB",
                                        "-1", "1.5G", "1 M", "KB",  "16777216T", "1KK"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t bytes = 1;
        cr_assert(!mr_number_read_size(wrong[i], &bytes), "%s", wrong[i]);
        cr_assert_eq(bytes, 1u);
    }
}

Test(number, writes_sizes_for_people) {
    cr_assert_str_eq(size_text(0), "0 B");
    cr_assert_str_eq(size_text(999), "999 B");
    cr_assert_str_eq(size_text(1000), "1.0 kB");
    cr_assert_str_eq(size_text(1024), "1K");
    cr_assert_str_eq(size_text(UINT64_C(256) << 20), "256M");
    cr_assert_str_eq(size_text(UINT64_C(1023) << 20), "1023M");
    cr_assert_str_eq(size_text(1200000000), "1.2 GB");
    cr_assert_str_eq(size_text(99949), "99.9 kB");
    cr_assert_str_eq(size_text(99950), "100 kB");
    cr_assert_str_eq(size_text(999499), "999 kB");
    cr_assert_str_eq(size_text(999500), "1.0 MB");
    cr_assert_str_eq(size_text(UINT64_MAX), "18.4 EB");
}
