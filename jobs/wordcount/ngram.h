/* ngram: joins consecutive words of a line to runs of N words. */
#ifndef MR_NGRAM_H
#define MR_NGRAM_H

#include <mr/job.h>

/* The last words of the line, joined by spaces: of words that hold none, so a space tells where one
 * ends. Zero-initialise, set `want`, release with mr_ngram_fini. Its memory grows to twice the
 * longest run, or line if that is shorter; of large ones, to no more than these, until the next
 * line. */
struct mr_ngram {
    uint64_t want; /* words in a run, at least 1 */
    uint64_t held; /* words in text[begin..end) */
    char *text;
    size_t begin, end, capacity;
};

/* Adds a word, which is copied: 1 and the run that ends with it (valid until the next call); 0
 * where the line has too few words so far; or MR_ERR_NOMEM. */
MR_MUST_USE int mr_ngram_add(struct mr_ngram *ngram, struct mr_bytes word, struct mr_bytes *run);

/* Begins a new line, and gives back what a large run took. */
void mr_ngram_reset(struct mr_ngram *ngram);

void mr_ngram_fini(struct mr_ngram *ngram);

#endif
