/* best: keeps the N most frequent of any number of words, as long as these take little memory. */
#include "jobs/wordcount/best.h"
#include <stdlib.h>

#define CAPACITY_MIN 16u
#define ALLOCATION_BYTES 16u /* what an allocation takes besides its bytes, about */

static void put_count(char *bytes, uint64_t count) {
    for (unsigned i = 0; i < MR_BEST_COUNT_BYTES; i++) {
        bytes[i] = (char)(unsigned char)(~count >> (56 - 8 * i));
    }
}

static uint64_t get_count(const char *bytes) {
    uint64_t complement = 0;
    for (unsigned i = 0; i < MR_BEST_COUNT_BYTES; i++) {
        complement = complement << 8 | (unsigned char)bytes[i];
    }
    return ~complement;
}

static bool is_before(struct mr_bytes a, struct mr_bytes b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order < 0 || (order == 0 && a.len < b.len);
}

static struct mr_bytes view(const struct mr_best_rank *rank) {
    return (struct mr_bytes){rank->bytes, rank->len};
}

/* Whether a word would come before a rank. */
static bool beats(struct mr_bytes word, uint64_t count, const struct mr_best_rank *rank) {
    uint64_t other = get_count(rank->bytes);
    struct mr_bytes other_word = {rank->bytes + MR_BEST_COUNT_BYTES,
                                  rank->len - MR_BEST_COUNT_BYTES};
    return count > other || (count == other && is_before(word, other_word));
}

int mr_best_rank(struct mr_best_rank *rank, struct mr_bytes word, uint64_t count) {
    size_t len = MR_BEST_COUNT_BYTES + word.len;
    if (len > rank->capacity) {
        char *bytes = realloc(rank->bytes, len);
        if (!bytes) {
            return MR_ERR_NOMEM;
        }
        rank->bytes = bytes;
        rank->capacity = len;
    }
    put_count(rank->bytes, count);
    memcpy(rank->bytes + MR_BEST_COUNT_BYTES, word.data, word.len);
    rank->len = len;
    return 0;
}

static void swap(struct mr_best_rank *a, struct mr_best_rank *b) {
    struct mr_best_rank kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct mr_best *best, size_t at) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_before(view(&best->ranks[parent]), view(&best->ranks[at]))) {
            return;
        }
        swap(&best->ranks[parent], &best->ranks[at]);
        at = parent;
    }
}

static void sift_down(struct mr_best *best, size_t at) {
    for (size_t child = 2 * at + 1; child < best->count; child = 2 * at + 1) {
        if (child + 1 < best->count &&
            is_before(view(&best->ranks[child]), view(&best->ranks[child + 1]))) {
            child++;
        }
        if (!is_before(view(&best->ranks[at]), view(&best->ranks[child]))) {
            return;
        }
        swap(&best->ranks[at], &best->ranks[child]);
        at = child;
    }
}

static size_t allocated(const struct mr_best_rank *rank) {
    return rank->bytes ? rank->capacity + ALLOCATION_BYTES : 0;
}

/* Whether a word may take a rank's place, in an array of so many. */
static bool has_room(const struct mr_best *best, const struct mr_best_rank *rank, size_t capacity,
                     struct mr_bytes word) {
    size_t len = MR_BEST_COUNT_BYTES + word.len;
    size_t grown = len > rank->capacity ? len + ALLOCATION_BYTES : allocated(rank);
    size_t held = best->bytes - allocated(rank) + capacity * sizeof(*rank);
    return grown <= MR_BEST_BYTES_MAX && held <= MR_BEST_BYTES_MAX - grown;
}

/* Writes a word over a rank of the heap. */
static int set_rank(struct mr_best *best, struct mr_best_rank *rank, struct mr_bytes word,
                    uint64_t count) {
    best->bytes -= allocated(rank);
    int status = mr_best_rank(rank, word, count);
    best->bytes += allocated(rank);
    return status;
}

static int reserve(struct mr_best *best, size_t capacity) {
    if (capacity == best->capacity) {
        return 0;
    }
    struct mr_best_rank *ranks = realloc(best->ranks, capacity * sizeof(*ranks));
    if (!ranks) {
        return MR_ERR_NOMEM;
    }
    best->ranks = ranks;
    best->capacity = capacity;
    return 0;
}

/* While there are fewer than wanted. */
static int append(struct mr_best *best, struct mr_bytes word, uint64_t count) {
    static const struct mr_best_rank none = {0};
    size_t doubled = best->capacity ? 2 * best->capacity : CAPACITY_MIN;
    size_t capacity = best->count < best->capacity ? best->capacity : doubled;
    if (!has_room(best, &none, capacity, word)) {
        return MR_BEST_FULL;
    }
    int status = reserve(best, capacity);
    if (status) {
        return status;
    }
    best->ranks[best->count] = none;
    status = set_rank(best, &best->ranks[best->count], word, count);
    if (!status) {
        sift_up(best, best->count++);
    }
    return status;
}

int mr_best_add(struct mr_best *best, struct mr_bytes word, uint64_t count) {
    if (best->count < best->want) {
        return append(best, word, count);
    }
    if (!beats(word, count, &best->ranks[0])) {
        return 0;
    }
    if (!has_room(best, &best->ranks[0], best->capacity, word)) {
        return MR_BEST_FULL;
    }
    int status = set_rank(best, &best->ranks[0], word, count);
    if (!status) {
        sift_down(best, 0);
    }
    return status;
}

bool mr_best_parse(struct mr_bytes rank, struct mr_bytes *word, uint64_t *count) {
    if (rank.len < MR_BEST_COUNT_BYTES) {
        return false;
    }
    *count = get_count(rank.data);
    *word = (struct mr_bytes){rank.data + MR_BEST_COUNT_BYTES, rank.len - MR_BEST_COUNT_BYTES};
    return true;
}

void mr_best_clear(struct mr_best *best) {
    for (size_t i = 0; i < best->count; i++) {
        free(best->ranks[i].bytes);
    }
    free(best->ranks);
    *best = (struct mr_best){.want = best->want};
}

void mr_best_fini(struct mr_best *best) {
    mr_best_clear(best);
}
