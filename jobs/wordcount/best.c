/* best: keeps the N most frequent of any number of words. */
#include "jobs/wordcount/best.h"
#include <stdlib.h>

#define CAPACITY_MIN 16u

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

static int set_rank(struct mr_best_rank *rank, struct mr_bytes word, uint64_t count) {
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

static int reserve(struct mr_best *best) {
    if (best->count < best->capacity) {
        return 0;
    }
    size_t capacity = best->capacity ? 2 * best->capacity : CAPACITY_MIN;
    struct mr_best_rank *ranks = realloc(best->ranks, capacity * sizeof(*ranks));
    if (!ranks) {
        return MR_ERR_NOMEM;
    }
    best->ranks = ranks;
    best->capacity = capacity;
    return 0;
}

int mr_best_add(struct mr_best *best, struct mr_bytes word, uint64_t count) {
    int status;
    if (best->count < best->want) {
        status = reserve(best);
        if (!status) {
            best->ranks[best->count] = (struct mr_best_rank){0};
            status = set_rank(&best->ranks[best->count], word, count);
        }
        if (!status) {
            sift_up(best, best->count++);
        }
        return status;
    }
    if (!beats(word, count, &best->ranks[0])) {
        return 0;
    }
    status = set_rank(&best->ranks[0], word, count);
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

void mr_best_fini(struct mr_best *best) {
    for (size_t i = 0; i < best->count; i++) {
        free(best->ranks[i].bytes);
    }
    free(best->ranks);
    *best = (struct mr_best){0};
}
