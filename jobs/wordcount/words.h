/* words: finds the words of a block of lines and emits each, or each run of them, with the count 1.
 */
#ifndef MR_WORDS_H
#define MR_WORDS_H

#include "jobs/wordcount/scan.h"
#include <mr/job.h>

enum mr_words_kind {
    MR_WORDS_WHITESPACE, /* what white space of the C locale separates */
    MR_WORDS_LETTERS,    /* runs of A-Z a-z */
    MR_WORDS_UNICODE,    /* unicode.h says what */
};

struct mr_words_options {
    enum mr_words_kind kind;
    bool fold;                  /* case: all of it in MR_WORDS_UNICODE, else A-Z */
    uint64_t ngram;             /* words in a run, at least 1 */
    struct mr_bytes stopwords;  /* separated by white space; until destroy */
    const struct mr_scan *scan; /* a path of this machine */
};

struct mr_words; /* one thread's scratch; opaque */

/* Returns 0 or MR_ERR_NOMEM. */
MR_MUST_USE int mr_words_create(const struct mr_words_options *options, struct mr_words **words);
void mr_words_destroy(struct mr_words *words);

/* Maps a block, as mr_round's map_block: whole lines, with 64 readable bytes behind them. Stores
 * the number of lines. */
MR_MUST_USE int mr_words_map(struct mr_words *words, struct mr_ctx *ctx, struct mr_bytes block,
                             uint64_t *lines);

#endif
