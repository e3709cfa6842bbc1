/* stopwords: a set of words, for leaving them out. */
#include "jobs/wordcount/stopwords.h"
#include <stdlib.h>

#define SEPARATOR '\n'

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), mixed once more. */
static uint64_t hash_of(struct mr_bytes word) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < word.len; i++) {
        hash = (hash ^ (unsigned char)word.data[i]) * 0x100000001B3u;
    }
    return (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u;
}

static bool is_at(const struct mr_stopwords *set, struct mr_bytes word, uint32_t at) {
    return word.len < set->bytes_len - at && set->bytes[at + word.len] == SEPARATOR &&
           memcmp(set->bytes + at, word.data, word.len) == 0;
}

/* The slot that holds the word, or the free one where it belongs. */
static struct mr_stopwords_slot *find(const struct mr_stopwords *set, struct mr_bytes word,
                                      uint64_t hash) {
    size_t i = (size_t)((hash >> 32) * set->slot_count >> 32);
    for (;; i = i + 1 < set->slot_count ? i + 1 : 0) {
        struct mr_stopwords_slot *slot = &set->slots[i];
        if (slot->at == 0 || (slot->tag == (uint32_t)hash && is_at(set, word, slot->at))) {
            return slot;
        }
    }
}

/* Makes room for a word and its separator. */
static int reserve_bytes(struct mr_stopwords *set, size_t len) {
    size_t need = set->bytes_len + len + 1;
    if (need <= set->bytes_capacity) {
        return 0;
    }
    size_t capacity = need + need / 8;
    char *bytes = need < UINT32_MAX ? realloc(set->bytes, capacity) : NULL;
    if (!bytes) {
        return MR_ERR_NOMEM;
    }
    set->bytes = bytes;
    set->bytes_capacity = capacity;
    return 0;
}

int mr_stopwords_init(struct mr_stopwords *set, size_t word_max, size_t bytes) {
    *set =
        (struct mr_stopwords){.word_max = word_max, .slot_count = word_max + word_max * 3 / 7 + 1};
    set->slots = calloc(set->slot_count, sizeof(*set->slots));
    if (!set->slots || reserve_bytes(set, bytes)) {
        mr_stopwords_fini(set);
        return MR_ERR_NOMEM;
    }
    set->bytes[0] = SEPARATOR;
    set->bytes_len = 1;
    return 0;
}

int mr_stopwords_add(struct mr_stopwords *set, struct mr_bytes word, bool lower) {
    if (word.len == 0 || set->word_count == set->word_max) {
        return 0;
    }
    int status = reserve_bytes(set, word.len);
    if (status) {
        return status;
    }
    char *copy = set->bytes + set->bytes_len;
    for (size_t i = 0; i < word.len; i++) {
        char byte = word.data[i];
        copy[i] = lower && byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    struct mr_bytes copied = {copy, word.len};
    uint64_t hash = hash_of(copied);
    struct mr_stopwords_slot *slot = find(set, copied, hash);
    if (slot->at == 0) {
        *slot = (struct mr_stopwords_slot){(uint32_t)hash, (uint32_t)set->bytes_len};
        copy[word.len] = SEPARATOR;
        set->bytes_len += word.len + 1;
        set->word_count++;
    }
    return 0;
}

bool mr_stopwords_has(const struct mr_stopwords *set, struct mr_bytes word) {
    return set->word_count > 0 && find(set, word, hash_of(word))->at > 0;
}

void mr_stopwords_fini(struct mr_stopwords *set) {
    free(set->bytes);
    free(set->slots);
    *set = (struct mr_stopwords){0};
}
