/* unicode: finds and folds the words of text beyond ASCII, by libunistring.
 *
 * A word is a segment of UAX #29 that holds a letter or a number (general category L or N). Text is
 * cut at ASCII white space first, so no word contains any, and at each byte that isn't part of
 * well-formed UTF-8. */
#ifndef MR_UNICODE_H
#define MR_UNICODE_H

#include <mr/job.h>

/* Scratch of one thread. Zero-initialise; release with mr_unicode_fini. */
struct mr_unicode {
    char *breaks;
    size_t breaks_capacity;
    uint8_t *folded;
    size_t folded_capacity;
    uint64_t invalid_bytes; /* so far; the caller resets it */
};

void mr_unicode_fini(struct mr_unicode *unicode);

/* Hands each word of a stretch (between two cuts of mr_ascii_segment, or two bytes of white space;
 * it holds white space at its first byte at most) to `take`, in order, case-folded if `fold`. A
 * word is valid during the call. Returns 0, what `take` returned first, or MR_ERR_NOMEM. */
MR_MUST_USE int mr_unicode_words(struct mr_unicode *unicode, struct mr_bytes stretch, bool fold,
                                 int (*take)(void *to, struct mr_bytes word), void *to);

/* Full case folding (not normalised, whatever the locale) of well-formed UTF-8, not empty. Valid
 * until the next call on `unicode`. Returns 0 or MR_ERR_NOMEM. */
MR_MUST_USE int mr_unicode_fold(struct mr_unicode *unicode, struct mr_bytes text,
                                struct mr_bytes *folded);

bool mr_unicode_is_valid(struct mr_bytes text);

/* Whether the library's word breaks of ASCII are the ones that mr_ascii_segment knows. */
bool mr_unicode_knows_ascii(void);

/* "unicode=14.0.0": the Unicode version of the library that runs, followed by NULL. The library has
 * no call that tells; so it is asked for characters that came with each version. Versions beyond
 * the newest known here can't be told apart and read "unicode=17.0.0 or later". */
const char *const *mr_unicode_facts(void);

#endif
