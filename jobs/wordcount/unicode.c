/* unicode: finds and folds the words of text beyond ASCII, by libunistring. */
#include "jobs/wordcount/unicode.h"
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwbrk.h>

#define BREAKS_MIN 4096u
#define FOLDED_MIN 256u
#define KEEP_MAX ((size_t)1 << 20) /* scratch that a giant word needed is given back */

/* A character that each version was the first to assign, newest first. */
struct version {
    ucs4_t since;
    const char *facts[2];
};

static const struct version versions[] = {
    {0x16EA0, {"unicode=17.0.0 or later", NULL}}, /* Beria Erfe capital letter arkab */
    {0x1C89, {"unicode=16.0.0", NULL}},           /* Cyrillic capital letter tje */
    {0x2FFC, {"unicode=15.1.0", NULL}},           /* ideographic description: surround from right */
    {0x0CF3, {"unicode=15.0.0", NULL}},           /* Kannada sign anusvara above right */
    {0x061D, {"unicode=14.0.0", NULL}},           /* Arabic end of text mark */
    {0x10E80, {"unicode=13.0.0", NULL}},          /* Yezidi letter elif */
    {0x0C77, {"unicode=12.0.0", NULL}},           /* Telugu sign siddham */
    {0x0560, {"unicode=11.0.0", NULL}},           /* Armenian small letter turned ayb */
    {0, {"unicode=10.0.0 or earlier", NULL}},
};

void mr_unicode_fini(struct mr_unicode *unicode) {
    free(unicode->breaks);
    free(unicode->folded);
    *unicode = (struct mr_unicode){0};
}

static int take_valid(struct mr_unicode *unicode, struct mr_bytes text, bool fold,
                      int (*take)(void *to, struct mr_bytes word), void *to);

int mr_unicode_words(struct mr_unicode *unicode, struct mr_bytes stretch, bool fold,
                     int (*take)(void *to, struct mr_bytes word), void *to) {
    int status = 0;
    if (stretch.len > 0 &&
        (stretch.data[0] == ' ' || (stretch.data[0] >= '\t' && stretch.data[0] <= '\r'))) {
        stretch = (struct mr_bytes){stretch.data + 1, stretch.len - 1};
    }
    while (!status && stretch.len > 0) {
        const uint8_t *from = (const uint8_t *)stretch.data;
        const uint8_t *bad = u8_check(from, stretch.len);
        size_t valid = bad ? (size_t)(bad - from) : stretch.len;
        if (valid > 0) {
            status = take_valid(unicode, (struct mr_bytes){stretch.data, valid}, fold, take, to);
        }
        if (bad) {
            unicode->invalid_bytes++;
            valid++;
        }
        stretch = (struct mr_bytes){stretch.data + valid, stretch.len - valid};
    }
    if (unicode->breaks_capacity > KEEP_MAX || unicode->folded_capacity > KEEP_MAX) {
        uint64_t invalid_bytes = unicode->invalid_bytes;
        mr_unicode_fini(unicode);
        unicode->invalid_bytes = invalid_bytes;
    }
    return status;
}

static int reserve_breaks(struct mr_unicode *unicode, size_t len) {
    if (len <= unicode->breaks_capacity) {
        return 0;
    }
    free(unicode->breaks);
    unicode->breaks_capacity = 0;
    size_t capacity = len < BREAKS_MIN ? BREAKS_MIN : len;
    unicode->breaks = malloc(capacity);
    if (!unicode->breaks) {
        return MR_ERR_NOMEM;
    }
    unicode->breaks_capacity = capacity;
    return 0;
}

static bool holds_word(struct mr_bytes segment) {
    const uint8_t *at = (const uint8_t *)segment.data, *end = at + segment.len;
    while (at < end) {
        ucs4_t character;
        int len = u8_mbtouc_unsafe(&character, at, (size_t)(end - at));
        if (uc_is_general_category_withtable(character, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N)) {
            return true;
        }
        at += len;
    }
    return false;
}

static int take_segment(struct mr_unicode *unicode, struct mr_bytes segment, bool fold,
                        int (*take)(void *to, struct mr_bytes word), void *to) {
    if (!holds_word(segment)) {
        return 0;
    }
    if (fold) {
        int status = mr_unicode_fold(unicode, segment, &segment);
        if (status) {
            return status;
        }
    }
    return take(to, segment);
}

/* Each break but the first and the last is a 1 at the byte that it stands before. */
static int take_valid(struct mr_unicode *unicode, struct mr_bytes text, bool fold,
                      int (*take)(void *to, struct mr_bytes word), void *to) {
    int status = reserve_breaks(unicode, text.len);
    if (status) {
        return status;
    }
    u8_wordbreaks((const uint8_t *)text.data, text.len, unicode->breaks);
    for (size_t begin = 0, end; !status && begin < text.len; begin = end) {
        const char *next = memchr(unicode->breaks + begin + 1, 1, text.len - begin - 1);
        end = next ? (size_t)(next - unicode->breaks) : text.len;
        struct mr_bytes segment = {text.data + begin, end - begin};
        status = take_segment(unicode, segment, fold, take, to);
    }
    return status;
}

/* The library writes into our buffer if that is large enough, else it allocates one, which becomes
 * ours. */
int mr_unicode_fold(struct mr_unicode *unicode, struct mr_bytes text, struct mr_bytes *folded) {
    if (!unicode->folded) {
        unicode->folded = malloc(FOLDED_MIN);
        if (!unicode->folded) {
            return MR_ERR_NOMEM;
        }
        unicode->folded_capacity = FOLDED_MIN;
    }
    size_t len = unicode->folded_capacity;
    uint8_t *result =
        u8_casefold((const uint8_t *)text.data, text.len, NULL, NULL, unicode->folded, &len);
    if (!result) {
        return MR_ERR_NOMEM;
    }
    if (result != unicode->folded) {
        free(unicode->folded);
        unicode->folded = result;
        unicode->folded_capacity = len;
    }
    *folded = (struct mr_bytes){(const char *)result, len};
    return 0;
}

bool mr_unicode_is_valid(struct mr_bytes text) {
    return text.len == 0 || !u8_check((const uint8_t *)text.data, text.len);
}

static int expected_property(unsigned character) {
    switch (character) {
    case '\n':
        return WBP_LF;
    case '\r':
        return WBP_CR;
    case '\v':
    case '\f':
        return WBP_NEWLINE;
    case ' ':
        return WBP_WSS;
    case '_':
        return WBP_EXTENDNUMLET;
    case '"':
        return WBP_DQ;
    case '\'':
        return WBP_SQ;
    case '.':
        return WBP_MIDNUMLET;
    case ':':
        return WBP_MIDLETTER;
    case ',':
    case ';':
        return WBP_MIDNUM;
    default:
        break;
    }
    unsigned lower = character | 0x20;
    return lower >= 'a' && lower <= 'z'           ? WBP_ALETTER
           : character >= '0' && character <= '9' ? WBP_NUMERIC
                                                  : WBP_OTHER;
}

bool mr_unicode_knows_ascii(void) {
    for (unsigned character = 0; character < 0x80; character++) {
        if (uc_wordbreak_property(character) != expected_property(character)) {
            return false;
        }
    }
    return true;
}

const char *const *mr_unicode_facts(void) {
    const struct version *version = versions;
    while (version->since && uc_is_general_category(version->since, UC_UNASSIGNED)) {
        version++;
    }
    return version->facts;
}
