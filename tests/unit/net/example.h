/* example: a message of each kind, made from its layout: for tests, and as seeds for the fuzzer. */
#ifndef MR_TESTS_UNIT_NET_EXAMPLE_H
#define MR_TESTS_UNIT_NET_EXAMPLE_H

#include "lib/net/layout.h"
#include <stdalign.h>
#include <string.h>

#define EXAMPLE_ROWS 2

/* A number within the bound that differs from field to field. */
static uint64_t example_number(uint64_t max, uint64_t salt) {
    uint64_t value = salt * UINT64_C(0x9E3779B97F4A7C15) >> (salt % 40);
    return max == UINT64_MAX ? value : value % (max + 1);
}

/* Where the lists of the last example lie. */
static alignas(max_align_t) char example_room[1 << 14];
static size_t example_used;

static inline void example_fill(const struct mr_layout *layout, char *to, uint64_t *salt) {
    static const char *const texts[] = {"text", "", "a longer text, with a comma", "\xc3\xa9"};
    memset(to, 0, layout->size);
    for (size_t i = 0; i < layout->count; i++) {
        const struct mr_layout_field *field = &layout->fields[i];
        char *at = to + field->offset;
        uint64_t number = example_number(field->max, ++*salt);
        const char *text = number % 7 == 0 ? NULL : texts[number % 4];
        struct mr_bytes bytes = {"\0\xff bytes", number % 8 < field->max ? number % 8 : 0};
        size_t count = EXAMPLE_ROWS < field->max ? EXAMPLE_ROWS : (size_t)field->max;
        char *rows = NULL;
        switch (field->kind) {
        case MR_LAYOUT_NUMBER:
            memcpy(at, &number, sizeof number);
            break;
        case MR_LAYOUT_TEXT:
            memcpy(at, &text, sizeof text);
            break;
        case MR_LAYOUT_BYTES:
            memcpy(at, &bytes, sizeof bytes);
            break;
        case MR_LAYOUT_ROWS:
            rows = example_room + example_used;
            example_used += count * field->row->size; /* a multiple of 8 */
            for (size_t row = 0; row < count; row++) {
                example_fill(field->row, rows + row * field->row->size, salt);
            }
            memcpy(at, &rows, sizeof rows);
            memcpy(to + field->count_offset, &count, sizeof count);
            break;
        }
    }
}

/* Fills in a struct; what it points to is there until the next example. */
static inline void example_make(const struct mr_layout *layout, char *to, uint64_t salt) {
    example_used = 0;
    example_fill(layout, to, &salt);
}

/* Whether two structs hold the same. */
static inline int example_equal(const struct mr_layout *layout, const char *a, const char *b) {
    for (size_t i = 0; i < layout->count; i++) {
        const struct mr_layout_field *field = &layout->fields[i];
        const char *texts[2];
        struct mr_bytes bytes[2];
        const char *rows[2];
        size_t counts[2];
        int same = 1;
        switch (field->kind) {
        case MR_LAYOUT_NUMBER:
            same = memcmp(a + field->offset, b + field->offset, sizeof(uint64_t)) == 0;
            break;
        case MR_LAYOUT_TEXT:
            memcpy(&texts[0], a + field->offset, sizeof *texts);
            memcpy(&texts[1], b + field->offset, sizeof *texts);
            same = !texts[0] == !texts[1] && (!texts[0] || strcmp(texts[0], texts[1]) == 0);
            break;
        case MR_LAYOUT_BYTES:
            memcpy(&bytes[0], a + field->offset, sizeof *bytes);
            memcpy(&bytes[1], b + field->offset, sizeof *bytes);
            same = bytes[0].len == bytes[1].len &&
                   (bytes[0].len == 0 || memcmp(bytes[0].data, bytes[1].data, bytes[0].len) == 0);
            break;
        case MR_LAYOUT_ROWS:
            memcpy(&rows[0], a + field->offset, sizeof *rows);
            memcpy(&rows[1], b + field->offset, sizeof *rows);
            memcpy(&counts[0], a + field->count_offset, sizeof *counts);
            memcpy(&counts[1], b + field->count_offset, sizeof *counts);
            same = counts[0] == counts[1];
            for (size_t row = 0; same && row < counts[0]; row++) {
                same = example_equal(field->row, rows[0] + row * field->row->size,
                                     rows[1] + row * field->row->size);
            }
            break;
        }
        if (!same) {
            return 0;
        }
    }
    return 1;
}

#endif
