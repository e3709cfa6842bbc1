/* stopwords: a set of words, for leaving them out. */
#include "jobs/wordcount/stopwords.h"
#include <stdlib.h>

#define SLOTS_MIN 64u
#define BYTES_MIN 1024u

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(struct mr_bytes word) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < word.len; i++) {
        hash = (hash ^ (unsigned char)word.data[i]) * 0x100000001B3u;
    }
    return hash ^ hash >> 32;
}

/* The slot that holds the word, or the free one where it belongs. */
static struct mr_stopwords_slot *find(const struct mr_stopwords *set, struct mr_bytes word,
                                      uint64_t hash) {
    for (size_t i = hash & (set->slot_count - 1);; i = (i + 1) & (set->slot_count - 1)) {
        struct mr_stopwords_slot *slot = &set->slots[i];
        if (slot->len == 0 || (slot->hash == hash && slot->len == word.len &&
                               memcmp(set->bytes + slot->at, word.data, word.len) == 0)) {
            return slot;
        }
    }
}

static int reserve_slot(struct mr_stopwords *set) {
    if (2 * (set->word_count + 1) <= set->slot_count) {
        return 0;
    }
    struct mr_stopwords grown = *set;
    grown.slot_count = set->slot_count ? 2 * set->slot_count : SLOTS_MIN;
    grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
    if (!grown.slots) {
        return MR_ERR_NOMEM;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        struct mr_stopwords_slot old = set->slots[i];
        if (old.len > 0) {
            *find(&grown, (struct mr_bytes){set->bytes + old.at, old.len}, old.hash) = old;
        }
    }
    free(set->slots);
    *set = grown;
    return 0;
}

static int reserve_bytes(struct mr_stopwords *set, size_t more) {
    if (more <= set->bytes_capacity - set->bytes_len) {
        return 0;
    }
    size_t capacity = BYTES_MIN + 2 * (set->bytes_len + more);
    char *bytes = realloc(set->bytes, capacity);
    if (!bytes) {
        return MR_ERR_NOMEM;
    }
    set->bytes = bytes;
    set->bytes_capacity = capacity;
    return 0;
}

int mr_stopwords_add(struct mr_stopwords *set, struct mr_bytes word, bool lower) {
    if (word.len == 0) {
        return 0;
    }
    int status = reserve_slot(set);
    status = status ? status : reserve_bytes(set, word.len);
    if (status) {
        return status;
    }
    char *copy = set->bytes + set->bytes_len;
    for (size_t i = 0; i < word.len; i++) {
        char byte = word.data[i];
        copy[i] = lower && byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    struct mr_bytes copied = {copy, word.len};
    struct mr_stopwords_slot *slot = find(set, copied, hash_of(copied));
    if (slot->len == 0) {
        *slot = (struct mr_stopwords_slot){hash_of(copied), set->bytes_len, word.len};
        set->bytes_len += word.len;
        set->word_count++;
    }
    return 0;
}

bool mr_stopwords_has(const struct mr_stopwords *set, struct mr_bytes word) {
    return set->word_count > 0 && find(set, word, hash_of(word))->len > 0;
}

void mr_stopwords_fini(struct mr_stopwords *set) {
    free(set->bytes);
    free(set->slots);
    *set = (struct mr_stopwords){0};
}
