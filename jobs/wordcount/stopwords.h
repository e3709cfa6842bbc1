/* stopwords: a set of words, for leaving them out. */
#ifndef MR_STOPWORDS_H
#define MR_STOPWORDS_H

#include <mr/job.h>

struct mr_stopwords_slot {
    uint64_t hash;
    size_t at, len; /* in the set's bytes; len 0: a free slot */
};

/* Open addressing, half full at most. Zero-initialise; release with mr_stopwords_fini. */
struct mr_stopwords {
    char *bytes;
    size_t bytes_len, bytes_capacity;
    struct mr_stopwords_slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t word_count;
};

/* Adds a word, which is copied, with A-Z as a-z if `lower`. Returns 0 or MR_ERR_NOMEM (then the set
 * is as it was). */
MR_MUST_USE int mr_stopwords_add(struct mr_stopwords *set, struct mr_bytes word, bool lower);

/* Any number of threads may ask at once, as long as none adds. */
bool mr_stopwords_has(const struct mr_stopwords *set, struct mr_bytes word);

void mr_stopwords_fini(struct mr_stopwords *set);

#endif
