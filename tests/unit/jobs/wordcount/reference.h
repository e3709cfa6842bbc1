/* reference: word count's words by the plainest means, to compare with. */
#ifndef MR_TESTS_REFERENCE_H
#define MR_TESTS_REFERENCE_H

#include "jobs/wordcount/words.h"
#include "tests/unit/jobs/wordcount/fake_ctx.h"
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwbrk.h>

#define REFERENCE_WORDS_MAX 16384

struct reference {
    const struct mr_words_options *options;
    struct fake_log *log;
    uint64_t invalid_bytes;
    char *words[REFERENCE_WORDS_MAX]; /* of the line, on the heap */
    size_t lens[REFERENCE_WORDS_MAX];
    size_t count;
};

static inline bool reference_is_space(char byte) {
    return byte != '\0' && strchr(" \t\n\v\f\r", byte);
}

static inline bool reference_is_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The word as it is counted, on the heap. */
static inline char *reference_fold(const struct mr_words_options *options, const char *word,
                                   size_t *len) {
    if (options->fold && options->kind == MR_WORDS_UNICODE) {
        return (char *)u8_casefold((const uint8_t *)word, *len, NULL, NULL, NULL, len);
    }
    char *folded = malloc(*len);
    for (size_t i = 0; folded && i < *len; i++) {
        bool upper = options->fold && word[i] >= 'A' && word[i] <= 'Z';
        folded[i] = (char)(upper ? word[i] - 'A' + 'a' : word[i]);
    }
    return folded;
}

static inline bool reference_is_stopword(const struct mr_words_options *options, const char *word,
                                         size_t len) {
    struct mr_bytes list = options->stopwords;
    for (size_t i = 0, end; i < list.len; i = end + 1) {
        for (end = i; end < list.len && !reference_is_space(list.data[end]);) {
            end++;
        }
        size_t stop_len = end - i;
        char *stop = stop_len > 0 ? reference_fold(options, list.data + i, &stop_len) : NULL;
        bool same = stop && stop_len == len && memcmp(stop, word, len) == 0;
        free(stop);
        if (same) {
            return true;
        }
    }
    return false;
}

static inline void reference_word(struct reference *reference, const char *word, size_t len) {
    char *folded = reference_fold(reference->options, word, &len);
    if (!folded || reference_is_stopword(reference->options, folded, len) ||
        reference->count == REFERENCE_WORDS_MAX) {
        free(folded);
        return;
    }
    reference->words[reference->count] = folded;
    reference->lens[reference->count++] = len;
}

static inline bool reference_holds_word(const char *segment, size_t len) {
    for (size_t i = 0; i < len;) {
        ucs4_t character;
        i += (size_t)u8_mbtouc(&character, (const uint8_t *)segment + i, len - i);
        if (uc_is_general_category(character, UC_LETTER) ||
            uc_is_general_category(character, UC_NUMBER)) {
            return true;
        }
    }
    return false;
}

/* Well-formed and without white space: all of it to the library. */
static inline void reference_segments(struct reference *reference, const char *text, size_t len) {
    char *breaks = malloc(len + 1);
    if (!breaks) {
        return;
    }
    u8_wordbreaks((const uint8_t *)text, len, breaks);
    breaks[len] = 1;
    for (size_t begin = 0, end = 1; end <= len; end++) {
        if (breaks[end]) {
            if (reference_holds_word(text + begin, end - begin)) {
                reference_word(reference, text + begin, end - begin);
            }
            begin = end;
        }
    }
    free(breaks);
}

/* The length of the character at the start, 0 where there is none. */
static inline size_t reference_character(const char *text, size_t len) {
    ucs4_t character;
    int size = u8_mbtoucr(&character, (const uint8_t *)text, len);
    return size > 0 ? (size_t)size : 0;
}

static inline bool reference_is_word_byte(struct reference *reference, const char *text, size_t len,
                                          size_t *size) {
    *size = 1;
    if (reference->options->kind == MR_WORDS_LETTERS) {
        return reference_is_letter(*text);
    }
    if (reference_is_space(*text)) {
        return false;
    }
    if (reference->options->kind == MR_WORDS_UNICODE) {
        *size = reference_character(text, len);
        reference->invalid_bytes += *size == 0;
    }
    return *size > 0;
}

static inline void reference_emit_runs(struct reference *reference) {
    uint64_t ngram = reference->options->ngram;
    for (size_t i = 0; i + ngram <= reference->count; i++) {
        char *run = calloc(1, 1);
        size_t len = 0;
        for (size_t k = i; k < i + ngram; k++) {
            run = realloc(run, len + reference->lens[k] + 1);
            memcpy(run + len, reference->words[k], reference->lens[k]);
            len += reference->lens[k];
            run[len++] = ' ';
        }
        fake_log_add(reference->log, (struct mr_bytes){run, len - 1}, 1);
        free(run);
    }
    for (size_t i = 0; i < reference->count; i++) {
        free(reference->words[i]);
    }
    reference->count = 0;
}

/* Logs what a block emits, in order, and returns the number of lines. */
static inline uint64_t reference_block(struct reference *reference, struct mr_bytes block) {
    uint64_t lines = 0;
    for (size_t at = 0, end; at < block.len; at = end) {
        const char *newline = memchr(block.data + at, '\n', block.len - at);
        end = newline ? (size_t)(newline + 1 - block.data) : block.len;
        for (size_t begin = at, i = at, size; i <= end; i += size ? size : 1) {
            size = 0;
            if (i < end && reference_is_word_byte(reference, block.data + i, end - i, &size)) {
                continue;
            }
            size = 0;
            if (i > begin && reference->options->kind == MR_WORDS_UNICODE) {
                reference_segments(reference, block.data + begin, i - begin);
            } else if (i > begin) {
                reference_word(reference, block.data + begin, i - begin);
            }
            begin = i + 1;
        }
        reference_emit_runs(reference);
        lines++;
    }
    return lines;
}

#endif
