/* test_scan: every path of this machine against a reference that looks at one byte at a time. */
#include "jobs/wordcount/scan.h"
#include "tests/unit/jobs/wordcount/odd_text.h"
#include "tests/unit/test.h"

#define ROWS 40u
#define LEN ((size_t)ROWS * MR_SCAN_ROW)

static char storage[LEN + 192];

static bool is_among(char byte, const char *set) {
    return byte != '\0' && strchr(set, byte);
}

static bool is_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool bit(uint64_t mask, unsigned index) {
    return mask >> index & 1;
}

static void check_masks(const struct mr_scan *scan, const char *text) {
    uint64_t word[ROWS], newline[ROWS];
    scan->whitespace(text, ROWS, word, newline);
    for (unsigned i = 0; i < LEN; i++) {
        cr_assert_eq(bit(word[i / 64], i % 64), !is_among(text[i], " \t\n\v\f\r"));
        cr_assert_eq(bit(newline[i / 64], i % 64), text[i] == '\n');
    }
    scan->letters(text, ROWS, word, newline);
    uint64_t newlines = 0;
    for (unsigned i = 0; i < LEN; i++) {
        cr_assert_eq(bit(word[i / 64], i % 64), is_letter(text[i]));
        cr_assert_eq(bit(newline[i / 64], i % 64), text[i] == '\n');
        newlines += text[i] == '\n';
    }
    cr_assert_eq(scan->count(newline, ROWS), newlines);
}

static void check_classes(const struct mr_scan *scan, const char *text) {
    static struct mr_scan_classes rows[ROWS];
    scan->classes(text, ROWS, rows);
    for (unsigned i = 0; i < LEN; i++) {
        const struct mr_scan_classes *row = &rows[i / 64];
        char byte = text[i];
        cr_assert_eq(bit(row->letter, i % 64), is_letter(byte));
        cr_assert_eq(bit(row->digit, i % 64), byte >= '0' && byte <= '9');
        cr_assert_eq(bit(row->underscore, i % 64), byte == '_');
        cr_assert_eq(bit(row->joins_both, i % 64), is_among(byte, "'."));
        cr_assert_eq(bit(row->joins_letters, i % 64), byte == ':');
        cr_assert_eq(bit(row->joins_digits, i % 64), is_among(byte, ",;"));
        cr_assert_eq(bit(row->quote, i % 64), byte == '"');
        cr_assert_eq(bit(row->high, i % 64), (unsigned char)byte >= 0x80);
        cr_assert_eq(bit(row->newline, i % 64), byte == '\n');
    }
}

static void check_lower(const struct mr_scan *scan, const char *text) {
    static char lowered[LEN + 2];
    lowered[LEN] = 'S';
    scan->lower(text, ROWS, lowered);
    for (unsigned i = 0; i < LEN; i++) {
        char want = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        cr_assert_eq(lowered[i], want);
    }
    cr_assert_eq(lowered[LEN], 'S');
}

static void check_edges(const struct mr_scan *scan, const char *text) {
    uint64_t word[ROWS], newline[ROWS];
    static uint32_t edges[LEN + MR_SCAN_EDGES_SLACK];
    scan->whitespace(text, ROWS, word, newline);
    size_t count = scan->edges(word, ROWS, edges), next = 0;
    bool inside = false;
    for (unsigned i = 0; i < LEN; i++) {
        if (bit(word[i / 64], i % 64) != inside) {
            inside = !inside;
            cr_assert_lt(next, count);
            cr_assert_eq(edges[next], i);
            next++;
        }
    }
    cr_assert_eq(next, count);
}

static void check_all(const char *text) {
    const struct mr_scan *scan;
    for (size_t path = 0; (scan = mr_scan_path(path)); path++) {
        check_masks(scan, text);
        check_classes(scan, text);
        check_lower(scan, text);
        check_edges(scan, text);
    }
}

Test(scan, every_byte_at_every_place) {
    for (unsigned shift = 0; shift < 64; shift++) {
        char *text = storage + 64 + shift % 3;
        for (unsigned i = 0; i < LEN; i++) {
            text[i] = (char)(i + i / 256 * 7 + shift);
        }
        check_all(text);
    }
}

Test(scan, odd_texts) {
    for (uint64_t seed = 0; seed < 40; seed++) {
        odd_text(storage + 64, LEN, 12, seed);
        check_all(storage + 64);
    }
}

Test(scan, counts_every_bit) {
    uint64_t masks[3] = {~(uint64_t)0, 0, (uint64_t)1 << 63 | 5};
    const struct mr_scan *scan;
    for (size_t path = 0; (scan = mr_scan_path(path)); path++) {
        cr_assert_eq(scan->count(masks, 3), 67u);
        cr_assert_eq(scan->count(masks, 0), 0u);
    }
}

Test(scan, paths_end_with_plain_c) {
    size_t count = 0;
    while (mr_scan_path(count)) {
        count++;
    }
    cr_assert_gt(count, 0u);
    cr_assert(mr_scan_path(count - 1) == &mr_scan_plain);
}
