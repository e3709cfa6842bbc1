/* test_unicode: UAX #29 in ASCII by masks against the library, cuts, folding, versions, bad bytes.
 */
#include "jobs/wordcount/ascii.h"
#include "jobs/wordcount/unicode.h"
#include "tests/unit/jobs/wordcount/odd_text.h"
#include "tests/unit/test.h"
#include <stdlib.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwbrk.h>

#define ROWS 4u
#define LEN_MAX ((size_t)ROWS * MR_SCAN_ROW)

struct segmented {
    uint64_t word[ROWS], cut[ROWS], high[ROWS], newline[ROWS];
    struct mr_ascii_masks masks;
};

static bool bit(const uint64_t *masks, size_t index) {
    return masks[index / MR_SCAN_ROW] >> index % MR_SCAN_ROW & 1;
}

static void segment(const char *text, size_t len, struct segmented *segmented) {
    struct mr_scan_classes classes[ROWS];
    segmented->masks = (struct mr_ascii_masks){.word = segmented->word,
                                               .cut = segmented->cut,
                                               .high = segmented->high,
                                               .newline = segmented->newline};
    mr_scan_path(0)->classes(text, (len + MR_SCAN_ROW - 1) / MR_SCAN_ROW, classes);
    mr_ascii_segment(classes, len, &segmented->masks);
}

/* Masks and library must agree on ASCII: a byte is of a word exactly if its segment holds a letter,
 * digit or '_', and between neighbours of words there is no break. */
static void check_ascii(const char *text, size_t len) {
    struct segmented segmented;
    char breaks[LEN_MAX + 1];
    segment(text, len, &segmented);
    u8_wordbreaks((const uint8_t *)text, len, breaks);
    breaks[len] = 1;
    for (size_t begin = 0, end = 1; end <= len; end++) {
        if (!breaks[end]) {
            continue;
        }
        bool word = false;
        for (size_t i = begin; i < end; i++) {
            unsigned char byte = (unsigned char)text[i], lower = byte | 0x20;
            word |= byte == '_' || (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
        }
        for (size_t i = begin; i < end; i++) {
            cr_assert_eq(bit(segmented.word, i), word, "byte %zu of %.*s", i, (int)len, text);
        }
        bool joined = word && begin > 0 && bit(segmented.word, begin - 1);
        cr_assert(!joined, "break at %zu of %.*s", begin, (int)len, text);
        begin = end;
    }
}

/* All strings of up to 6 of these bytes, where the row begins and across the edge of two rows. */
Test(unicode, ascii_as_the_library_says) {
    static const char alphabet[] = "aZ19_'.:,;\"-";
    const unsigned letters = sizeof(alphabet) - 1;
    char storage[LEN_MAX + 128];
    memset(storage, '-', sizeof(storage));
    for (unsigned len = 1, strings = letters; len <= 5; len++, strings *= letters) {
        for (unsigned string = 0; string < strings; string++) {
            char *text = storage + 64;
            memset(text, '-', 64 + len);
            for (unsigned i = 0, rest = string; i < len; i++, rest /= letters) {
                text[64 - len / 2 + i] = alphabet[rest % letters];
            }
            check_ascii(text, 64 + len);
            check_ascii(text + 64 - len / 2, len);
        }
    }
}

Test(unicode, ascii_random) {
    static const char alphabet[] = "abYZ0129_'.:,;\" \t-!/";
    char storage[LEN_MAX + 128];
    for (uint64_t seed = 1, round = 0; round < 20000; round++) {
        size_t len = 1 + odd_random(&seed) % LEN_MAX;
        memset(storage, 'm', sizeof(storage));
        for (size_t i = 0; i < len; i++) {
            storage[64 + i] = alphabet[odd_random(&seed) % (sizeof(alphabet) - 1)];
        }
        check_ascii(storage + 64, len);
    }
}

Test(unicode, knows_the_ascii_of_this_library) {
    cr_assert(mr_unicode_knows_ascii());
}

/* Before each cut but white space, which is none by rule, the library puts a break, whatever stands
 * around. */
Test(unicode, cuts_are_breaks) {
    char storage[LEN_MAX + 128], breaks[LEN_MAX];
    uint64_t cuts = 0;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        size_t len = LEN_MAX - seed % 64;
        char *text = storage + 64;
        odd_text(text, len, (unsigned)(seed % 17), seed);
        const uint8_t *bad;
        while ((bad = u8_check((const uint8_t *)text, len))) {
            text[(const char *)bad - text] = '\'';
        }
        struct segmented segmented;
        segment(text, len, &segmented);
        u8_wordbreaks((const uint8_t *)text, len, breaks);
        for (size_t i = 1; i < len; i++) {
            if (bit(segmented.cut, i) && !strchr(" \t\n\v\f\r", text[i])) {
                cr_assert(breaks[i], "byte %zu, seed %u", i, (unsigned)seed);
                cuts++;
            }
        }
    }
    cr_assert_gt(cuts, 100000u);
}

Test(unicode, fact_is_the_version_of_the_library) {
    const char *const *facts = mr_unicode_facts();
    cr_assert_not_null(facts[0]);
    cr_assert_null(facts[1]);
    bool has_14 = !uc_is_general_category(0x061D, UC_UNASSIGNED);
    bool has_15 = !uc_is_general_category(0x1E030, UC_UNASSIGNED); /* Cyrillic modifier a */
    if (has_14 && !has_15) {
        cr_assert_str_eq(facts[0], "unicode=14.0.0");
    } else if (has_15) {
        cr_assert_gt(strcmp(facts[0], "unicode=14.0.0"), 0);
    }
}

struct taken {
    char text[256]; /* words, each followed by '|' */
    int status;     /* to return */
};

static int take(void *to, struct mr_bytes word) {
    struct taken *taken = to;
    strncat(taken->text, word.data, word.len);
    strncat(taken->text, "|", 2);
    return taken->status;
}

static const char *words_of(struct taken *taken, const char *text, bool fold, uint64_t invalid) {
    struct mr_unicode unicode = {0};
    *taken = (struct taken){.status = 0};
    int status = mr_unicode_words(&unicode, mr_bytes_text(text), fold, take, taken);
    cr_assert_eq(status, 0);
    cr_assert_eq(unicode.invalid_bytes, invalid);
    mr_unicode_fini(&unicode);
    return taken->text;
}

Test(unicode, words) {
    struct taken taken;
    cr_assert_str_eq(words_of(&taken, " na\xC3\xAFve-caf\xC3\xA9", false, 0),
                     "na\xC3\xAFve|caf\xC3\xA9|");
    cr_assert_str_eq(words_of(&taken, "l\xE2\x80\x99\xC3\xA9t\xC3\xA9", false, 0),
                     "l\xE2\x80\x99\xC3\xA9t\xC3\xA9|");
    cr_assert_str_eq(words_of(&taken, "__\xE2\x82\xAC\xE2\x80\xBF", false, 0), "");
    cr_assert_str_eq(words_of(&taken, "\xE4\xB8\xAD\xE6\x96\x87", false, 0),
                     "\xE4\xB8\xAD|\xE6\x96\x87|");
    cr_assert_str_eq(words_of(&taken, "\xE2\x85\xA7", false, 0), "\xE2\x85\xA7|"); /* number VIII */
    cr_assert_str_eq(words_of(&taken, "", false, 0), "");
    cr_assert_str_eq(words_of(&taken, "\n", false, 0), "");
}

Test(unicode, invalid_bytes_separate) {
    struct taken taken;
    cr_assert_str_eq(words_of(&taken,
                              "a\xFF"
                              "b\xC3",
                              false, 2),
                     "a|b|");
    cr_assert_str_eq(words_of(&taken,
                              "\xE2\x82"
                              "1.\x80"
                              "2",
                              false, 3),
                     "1|2|");
    cr_assert_str_eq(words_of(&taken, "x\xED\xA0\x80y", false, 3), "x|y|"); /* a surrogate */
    cr_assert_str_eq(words_of(&taken, "\xC0\xAF", false, 2), "");           /* overlong */
}

Test(unicode, full_case_folding) {
    struct taken taken;
    cr_assert_str_eq(words_of(&taken,
                              "STRA\xC3\x9F"
                              "E",
                              true, 0),
                     "strasse|");
    cr_assert_str_eq(words_of(&taken, "\xCE\xA3\xCE\x91\xCF\x82", true, 0),
                     "\xCF\x83\xCE\xB1\xCF\x83|"); /* final sigma folds to sigma */
    cr_assert_str_eq(words_of(&taken, "\xC4\xB0I", true, 0), "i\xCC\x87i|"); /* no Turkish rules */
    cr_assert_str_eq(words_of(&taken, "\xEF\xAC\x83", true, 0), "ffi|");
    cr_assert_str_eq(words_of(&taken, "e\xCC\x81", true, 0), "e\xCC\x81|"); /* not normalised */
}

/* Runs are joined by spaces and taken apart at them. */
Test(unicode, nothing_folds_to_a_space) {
    struct mr_unicode unicode = {0};
    for (ucs4_t character = 0x80; character < 0x110000; character++) {
        uint8_t text[6];
        int len = u8_uctomb(text, character, 6);
        if (len > 0) {
            struct mr_bytes one = {(const char *)text, (size_t)len}, folded;
            cr_assert_eq(mr_unicode_fold(&unicode, one, &folded), 0);
            cr_assert_null(memchr(folded.data, ' ', folded.len));
        }
    }
    mr_unicode_fini(&unicode);
}

Test(unicode, status_of_take_is_returned) {
    struct mr_unicode unicode = {0};
    struct taken taken = {.status = MR_ERR_IO};
    struct mr_bytes text = mr_bytes_text("\xC3\xA9 \xC3\xA9");
    cr_assert_eq(mr_unicode_words(&unicode, text, true, take, &taken), MR_ERR_IO);
    cr_assert_str_eq(taken.text, "\xC3\xA9|");
    mr_unicode_fini(&unicode);
}

Test(unicode, giant_scratch_is_given_back) {
    struct mr_unicode unicode = {0};
    struct taken taken = {.status = 0};
    size_t len = (size_t)2 << 20;
    char *giant = malloc(len);
    cr_assert_not_null(giant);
    memset(giant, '-', len);
    memcpy(giant + len - 2, "\xC3\x89", 2);
    cr_assert_eq(mr_unicode_words(&unicode, (struct mr_bytes){giant, len}, true, take, &taken), 0);
    cr_assert_str_eq(taken.text, "\xC3\xA9|");
    cr_assert_eq(unicode.breaks_capacity, 0u);
    free(giant);
    mr_unicode_fini(&unicode);
}
