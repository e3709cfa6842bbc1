/* best: keeps the N most frequent of any number of words, as long as these take little memory.
 *
 * A *rank* is a word with its count before it, written so that plain byte order is the order
 * wanted: the most frequent first, of equally frequent ones the one whose bytes are smaller. It is
 * 8 bytes, the count's complement, highest byte first; then the word. The N first ranks are held in
 * a heap with the last of them on top, so that most words cost one comparison. */
#ifndef MR_BEST_H
#define MR_BEST_H

#include <mr/job.h>

#define MR_BEST_COUNT_BYTES 8u
#define MR_BEST_BYTES_MAX ((size_t)1 << 20) /* of the words held, and of what holds them */
#define MR_BEST_FULL 1

struct mr_best_rank {
    char *bytes;
    size_t len, capacity;
};

/* Zero-initialise, set `want`, release with mr_best_fini. */
struct mr_best {
    uint64_t want; /* at least 1 */
    struct mr_best_rank *ranks;
    size_t count, capacity;
    size_t bytes; /* of the words, each with what its allocation takes */
};

/* Offers a word, which is copied where it is kept. Returns 0; MR_BEST_FULL where it would be kept
 * but for MR_BEST_BYTES_MAX (nothing has changed then); or MR_ERR_NOMEM. */
MR_MUST_USE int mr_best_add(struct mr_best *best, struct mr_bytes word, uint64_t count);

/* Forgets all words. */
void mr_best_clear(struct mr_best *best);

/* Writes a word's rank; rank->bytes is zeroed at first, used again, and the caller's to free.
 * Returns 0 or MR_ERR_NOMEM. */
MR_MUST_USE int mr_best_rank(struct mr_best_rank *rank, struct mr_bytes word, uint64_t count);

/* Takes a rank apart; the word is a view of it. Returns false for what is no rank. */
bool mr_best_parse(struct mr_bytes rank, struct mr_bytes *word, uint64_t *count);

void mr_best_fini(struct mr_best *best);

#endif
