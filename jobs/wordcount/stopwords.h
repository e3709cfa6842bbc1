/* stopwords: a set of words, for leaving them out. */
#ifndef MR_STOPWORDS_H
#define MR_STOPWORDS_H

#include <mr/job.h>

struct mr_stopwords_slot {
    uint32_t tag; /* of the word's hash */
    uint32_t at;  /* in the set's bytes; 0: a free slot */
};

/* Open addressing, 7/10 full at most; 11 bytes a word besides its own. Words lie one behind the
 * other in `bytes`, each with a line end before and behind it. */
struct mr_stopwords {
    char *bytes;
    size_t bytes_len, bytes_capacity;
    struct mr_stopwords_slot *slots;
    size_t slot_count;
    size_t word_count, word_max;
};

/* Makes an empty set for `word_max` words of about `bytes` in all. Returns 0 or MR_ERR_NOMEM. */
MR_MUST_USE int mr_stopwords_init(struct mr_stopwords *set, size_t word_max, size_t bytes);

/* Adds a word without line ends, which is copied, with A-Z as a-z if `lower`; at most `word_max`
 * different ones. Returns 0 or MR_ERR_NOMEM (then the set is as it was). */
MR_MUST_USE int mr_stopwords_add(struct mr_stopwords *set, struct mr_bytes word, bool lower);

/* Any number of threads may ask at once, as long as none adds. */
bool mr_stopwords_has(const struct mr_stopwords *set, struct mr_bytes word);

/* Harmless on a zeroed set. */
void mr_stopwords_fini(struct mr_stopwords *set);

#endif
