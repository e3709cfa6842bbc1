/* test_lines: the count of line ends against a plain loop, at every length and alignment. */
#include "lib/base/lines.h"

#include "tests/unit/test.h"
#include <stdlib.h>
#include <string.h>

static uint64_t count_slowly(const char *data, size_t len) {
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            count++;
        }
    }
    return count;
}

Test(lines, nothing) {
    cr_assert_eq(mr_lines_count(NULL, 0), 0u);
}

Test(lines, every_length_and_alignment) {
    enum { SIZE = 700 };
    char data[SIZE];
    uint32_t state = 1;
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (state >> 24) % 3 ? (char)(state >> 16) : '\n';
    }
    for (size_t start = 0; start < 40; start++) {
        for (size_t len = 0; start + len <= SIZE; len++) {
            cr_assert_eq(mr_lines_count(data + start, len), count_slowly(data + start, len));
        }
    }
}

/* Nothing but line ends: the narrow counters must not run over. */
Test(lines, only_line_ends) {
    const size_t size = (size_t)1 << 18;
    char *data = malloc(size);
    cr_assert_not_null(data);
    memset(data, '\n', size);
    for (size_t len = size; len > 100; len -= len / 3) {
        cr_assert_eq(mr_lines_count(data, len), len);
    }
    memset(data, '\n' ^ 0x80, size);
    cr_assert_eq(mr_lines_count(data, size), 0u);
    free(data);
}
