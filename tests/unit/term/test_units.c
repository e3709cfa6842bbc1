/* test_units: counts, bytes and times at the edges of their units. */
#include "lib/term/units.h"

#include "tests/unit/test.h"

static char text[MR_UNITS_TEXT_MAX];

Test(units, counts) {
    cr_assert_str_eq(mr_units_count(text, sizeof text, 0), "0");
    cr_assert_str_eq(mr_units_count(text, sizeof text, 999), "999");
    cr_assert_str_eq(mr_units_count(text, sizeof text, 1000), "1.0 k");
    cr_assert_str_eq(mr_units_count(text, sizeof text, 195000000), "195.0 M");
    cr_assert_str_eq(mr_units_count(text, sizeof text, 999999999), "1.0 G");
    cr_assert_str_eq(mr_units_count(text, sizeof text, UINT64_MAX), "18446744.1 T");
}

Test(units, bytes) {
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 0), "0 B");
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 812), "812 B");
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 1060000000), "1.06 GB");
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 9999999), "10.0 MB");
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 99990000), "100 MB");
    cr_assert_str_eq(mr_units_bytes(text, sizeof text, 999999), "1.00 MB");
}

Test(units, rates) {
    cr_assert_str_eq(mr_units_rate(text, sizeof text, 1060000000, 0.5), "2.12 GB/s");
    cr_assert_str_eq(mr_units_rate(text, sizeof text, 10, 0), "-");
}

Test(units, seconds) {
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, -1), "0 ms");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 0.0021), "2 ms");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 0.6), "0.6 s");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 9.96), "10 s");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 59.6), "1 min 00 s");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 125), "2 min 05 s");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 3725), "1 h 02 min");
    cr_assert_str_eq(mr_units_seconds(text, sizeof text, 1e300), "277777777777 h 46 min");
}
