/* scan_rows: the loops over rows, compiled once for each instruction set that includes this file.
 *
 * Includers define, and this file undefines at its end:
 *   ROWS(name)          the name of this instruction set's function
 *   ROWS_TARGET         the attribute that permits its instructions
 *   ROWS_BYTES          the type that holds 64 bytes, with these functions on it:
 *   ROWS(load)(text)    64 bytes, unaligned       ROWS(store)(out, bytes)
 *   ROWS(fold)(bytes)   A-Z as a-z
 *   ROWS(equal)(bytes, byte)             -> mask  of bytes that equal `byte`
 *   ROWS(between)(bytes, first, last)    -> mask  of first <= byte <= last, unsigned
 *   ROWS(high)(bytes)                    -> mask  of bytes from 0x80
 *   ROWS(ones)(mask)                     -> number of bits set
 * There is no include guard, for this is text to include several times; alone it is empty. */
#ifdef ROWS
#include "jobs/wordcount/scan.h"

ROWS_TARGET static void ROWS(whitespace)(const char *text, size_t rows, uint64_t *word,
                                         uint64_t *newline) {
    for (size_t row = 0; row < rows; row++) {
        ROWS_BYTES bytes = ROWS(load)(text + row * MR_SCAN_ROW);
        word[row] = ~(ROWS(equal)(bytes, ' ') | ROWS(between)(bytes, '\t', '\r'));
        newline[row] = ROWS(equal)(bytes, '\n');
    }
}

ROWS_TARGET static void ROWS(letters)(const char *text, size_t rows, uint64_t *word,
                                      uint64_t *newline) {
    for (size_t row = 0; row < rows; row++) {
        ROWS_BYTES bytes = ROWS(load)(text + row * MR_SCAN_ROW);
        word[row] = ROWS(between)(ROWS(fold)(bytes), 'a', 'z');
        newline[row] = ROWS(equal)(bytes, '\n');
    }
}

ROWS_TARGET static void ROWS(classes)(const char *text, size_t rows,
                                      struct mr_scan_classes *classes) {
    for (size_t row = 0; row < rows; row++) {
        ROWS_BYTES bytes = ROWS(load)(text + row * MR_SCAN_ROW);
        classes[row] = (struct mr_scan_classes){
            .letter = ROWS(between)(ROWS(fold)(bytes), 'a', 'z'),
            .digit = ROWS(between)(bytes, '0', '9'),
            .underscore = ROWS(equal)(bytes, '_'),
            .joins_both = ROWS(equal)(bytes, '\'') | ROWS(equal)(bytes, '.'),
            .joins_letters = ROWS(equal)(bytes, ':'),
            .joins_digits = ROWS(equal)(bytes, ',') | ROWS(equal)(bytes, ';'),
            .quote = ROWS(equal)(bytes, '"'),
            .high = ROWS(high)(bytes),
            .newline = ROWS(equal)(bytes, '\n'),
        };
    }
}

ROWS_TARGET static void ROWS(lower)(const char *text, size_t rows, char *out) {
    for (size_t at = 0; at < rows * MR_SCAN_ROW; at += MR_SCAN_ROW) {
        ROWS(store)(out + at, ROWS(fold)(ROWS(load)(text + at)));
    }
}

ROWS_TARGET static uint64_t ROWS(count)(const uint64_t *masks, size_t rows) {
    uint64_t count = 0;
    for (size_t row = 0; row < rows; row++) {
        count += ROWS(ones)(masks[row]);
    }
    return count;
}

/* Sixteen at a time, needed or not: a loop that ends with the bits would end where no branch
 * predictor expects it. */
ROWS_TARGET static size_t ROWS(edges)(const uint64_t *masks, size_t rows, uint32_t *edges) {
    uint32_t *out = edges;
    uint64_t inside = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t bits = masks[row] ^ (masks[row] << 1 | inside);
        size_t base = row * MR_SCAN_ROW;
        size_t count = ROWS(ones)(bits);
        inside = masks[row] >> 63;
        for (size_t i = 0; i < count; i += 16) {
            for (size_t k = i; k < i + 16; k++) {
                out[k] = (uint32_t)(base + (size_t)__builtin_ctzll(bits | (uint64_t)1 << 63));
                bits &= bits - 1;
            }
        }
        out += count;
    }
    return (size_t)(out - edges);
}

#undef ROWS
#undef ROWS_TARGET
#undef ROWS_BYTES
#endif
