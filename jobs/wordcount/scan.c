/* scan: the choice of a path, and the path in plain C. */
#include "jobs/wordcount/scan.h"
#include <string.h>

enum {
    LETTER = 1,
    DIGIT = 2,
    UNDERSCORE = 4,
    JOINS_BOTH = 8,
    JOINS_LETTERS = 16,
    JOINS_DIGITS = 32,
    QUOTE = 64,
    SPACE = 128,
};

static const uint8_t class_of[256] = {
    ['A' ... 'Z'] = LETTER, ['a' ... 'z'] = LETTER, ['0' ... '9'] = DIGIT,   ['_'] = UNDERSCORE,
    ['\''] = JOINS_BOTH,    ['.'] = JOINS_BOTH,     [':'] = JOINS_LETTERS,   [','] = JOINS_DIGITS,
    [';'] = JOINS_DIGITS,   ['"'] = QUOTE,          ['\t' ... '\r'] = SPACE, [' '] = SPACE,
};

static const struct mr_scan *const all_paths[] = {
#if defined(__x86_64__)
    &mr_scan_x86_vbmi2, &mr_scan_x86_avx512, &mr_scan_x86_avx2, &mr_scan_x86_sse2,
#elif defined(__aarch64__)
    &mr_scan_neon,
#endif
    &mr_scan_plain,
};

const struct mr_scan *mr_scan_path(size_t index) {
    for (size_t i = 0; i < sizeof(all_paths) / sizeof(all_paths[0]); i++) {
        if (!all_paths[i]->usable()) {
            continue;
        }
        if (index == 0) {
            return all_paths[i];
        }
        index--;
    }
    return NULL;
}

static bool always(void) {
    return true;
}

static unsigned class_at(const char *text, size_t index) {
    return class_of[(unsigned char)text[index]];
}

static void plain_whitespace(const char *text, size_t rows, uint64_t *word, uint64_t *newline) {
    for (size_t row = 0; row < rows; row++, text += MR_SCAN_ROW) {
        uint64_t words = 0, newlines = 0;
        for (unsigned i = 0; i < MR_SCAN_ROW; i++) {
            words |= (uint64_t) !(class_at(text, i) & SPACE) << i;
            newlines |= (uint64_t)(text[i] == '\n') << i;
        }
        word[row] = words;
        newline[row] = newlines;
    }
}

static void plain_letters(const char *text, size_t rows, uint64_t *word, uint64_t *newline) {
    for (size_t row = 0; row < rows; row++, text += MR_SCAN_ROW) {
        uint64_t words = 0, newlines = 0;
        for (unsigned i = 0; i < MR_SCAN_ROW; i++) {
            words |= (uint64_t)(class_at(text, i) & LETTER) << i;
            newlines |= (uint64_t)(text[i] == '\n') << i;
        }
        word[row] = words;
        newline[row] = newlines;
    }
}

static void plain_classes(const char *text, size_t rows, struct mr_scan_classes *classes) {
    for (size_t row = 0; row < rows; row++, text += MR_SCAN_ROW) {
        struct mr_scan_classes found = {0};
        for (unsigned i = 0; i < MR_SCAN_ROW; i++) {
            unsigned class = class_at(text, i);
            uint64_t bit = (uint64_t)1 << i;
            found.letter |= class & LETTER ? bit : 0;
            found.digit |= class & DIGIT ? bit : 0;
            found.underscore |= class & UNDERSCORE ? bit : 0;
            found.joins_both |= class & JOINS_BOTH ? bit : 0;
            found.joins_letters |= class & JOINS_LETTERS ? bit : 0;
            found.joins_digits |= class & JOINS_DIGITS ? bit : 0;
            found.quote |= class & QUOTE ? bit : 0;
            found.high |= (unsigned char)text[i] & 0x80 ? bit : 0;
            found.newline |= text[i] == '\n' ? bit : 0;
        }
        classes[row] = found;
    }
}

static void plain_lower(const char *text, size_t rows, char *out) {
    for (size_t i = 0; i < rows * MR_SCAN_ROW; i++) {
        unsigned char byte = (unsigned char)text[i];
        out[i] = (char)(byte | (byte >= 'A' && byte <= 'Z' ? 0x20 : 0));
    }
}

/* Adds neighbouring bits, pairs, nibbles, and with the product all bytes into the highest. */
static uint64_t plain_count(const uint64_t *masks, size_t rows) {
    uint64_t count = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t bits = masks[row];
        bits -= bits >> 1 & 0x5555555555555555u;
        bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
        bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
        count += bits * 0x0101010101010101u >> 56;
    }
    return count;
}

static size_t plain_edges(const uint64_t *masks, size_t rows, uint32_t *edges) {
    size_t count = 0;
    uint64_t inside = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t bits = masks[row] ^ (masks[row] << 1 | inside);
        inside = masks[row] >> 63;
        for (; bits; bits &= bits - 1) {
            edges[count++] = (uint32_t)(row * MR_SCAN_ROW + (size_t)__builtin_ctzll(bits));
        }
    }
    return count;
}

const struct mr_scan mr_scan_plain = {
    .name = "plain",
    .usable = always,
    .whitespace = plain_whitespace,
    .letters = plain_letters,
    .classes = plain_classes,
    .lower = plain_lower,
    .edges = plain_edges,
    .count = plain_count,
};
