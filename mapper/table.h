/* table: the collector's inside: an open-addressing table of distinct keys, and its arena.
 *
 * Shared by the rooms that emit (collector.c, numbers.c) and the one that seals (seal.c). What runs
 * once a pair is inline here. */
#ifndef MR_MAPPER_TABLE_H
#define MR_MAPPER_TABLE_H

#include "lib/job/context.h"
#include "lib/record/key_sort.h"

#define MR_TABLE_SHORT_MAX 16
#define MR_TABLE_KEY_MAX ((size_t)1 << 30) /* of a key, and of a key with its value */
#define MR_TABLE_RING 64
#define MR_TABLE_RING_KEY 64 /* longer keys skip the ring */

/* Followed by the value: a number (8 bytes), an i64 sum (16), a struct mr_exact_window (its
 * `spare`: where in the arena its wide sum is, in units of 8 bytes; 0: none), or a struct
 * mr_table_bytes. */
struct mr_table_slot {
    uint64_t k0;   /* the first 8 bytes, little-endian, zero padded */
    uint64_t k1;   /* the next 8; of keys longer than 16 bytes their hash */
    uint32_t len1; /* length + 1; 0: empty */
    uint32_t at;   /* of longer keys: where in the arena, in units of 8 bytes; in the 8 bytes before
                      it, while sealing, the slot's number */
};

/* The value of an MR_FIRST or MR_COMBINED slot: encoded as in a run, in the arena. */
struct mr_table_bytes {
    uint32_t at; /* in units of 8 bytes */
    uint32_t len;
    uint32_t room;
};

/* An entry of the log of an MR_VALUES round, at a multiple of 8 in the arena; key and value follow.
 */
struct mr_table_entry {
    uint32_t key_len;
    uint32_t value_len; /* place included */
};

/* A key as the table compares it, and the number on its way there. 32 bytes, so that a ring of them
 * is indexed by a shift and stays in cache. */
struct mr_table_pending {
    _Alignas(32) uint64_t k0;
    uint64_t k1;
    uint64_t bits; /* of the number */
    uint32_t hash; /* as much of it as finds one of 2^20 slots */
    uint32_t len1; /* 0: none */
};

struct mr_collector {
    struct mr_context context; /* first: callbacks' ctx is at offset 0 */
    struct mr_run_store *store;
    struct mr_pool *pool;
    const atomic_bool *stop;
    enum mr_value kind;
    size_t value_bytes;
    size_t stride;

    char *slots;
    uint64_t mask;
    uint64_t used;
    uint64_t used_max;
    uint64_t slots_max;
    uint64_t emitted_when_empty; /* what `emitted` was when the table was last empty */

    char *arena;       /* reserved whole, touched as needed */
    size_t arena_used; /* from 8: offset 0 means none */
    size_t arena_high; /* what `arena_used` was at most, when the arena was last emptied */
    size_t arena_max;
    uint64_t log_entries;

    struct mr_key_ref *refs; /* for sealing; reserved whole, likewise */
    size_t refs_bytes;
    size_t budget;
    struct mr_buffer combined; /* the result of a combine */

    uint64_t seed0;
    uint64_t seed1;
    uint64_t emitted;
    uint64_t folded; /* into a slot that had the key */
    uint64_t record; /* the record that `nth` counts in: its offset in the split */
    uint32_t nth;
    uint32_t split;
    unsigned ring_len;
    bool ring_has_long; /* keys of more than 16 bytes */
    struct mr_table_pending ring[MR_TABLE_RING];
    char ring_keys[MR_TABLE_RING][MR_TABLE_RING_KEY];
};

#define MR_TABLE_INLINE static inline __attribute__((always_inline))
/* Keys are loaded 16 bytes at a time, past their end where that stays inside the page, and masked;
 * sanitizers are told to look away. */
#define MR_TABLE_READS_PAST_END __attribute__((no_sanitize("address", "thread", "undefined")))

MR_TABLE_INLINE struct mr_table_slot *mr_table_slot_at(const struct mr_collector *c,
                                                       uint64_t index) {
    return (struct mr_table_slot *)(void *)(c->slots + index * c->stride);
}
MR_TABLE_INLINE void *mr_table_value(struct mr_table_slot *slot) {
    return slot + 1;
}
MR_TABLE_INLINE const char *mr_table_long_key(const struct mr_collector *c,
                                              const struct mr_table_slot *slot) {
    return c->arena + (size_t)slot->at * 8;
}

MR_TABLE_INLINE uint64_t mr_table_mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of keys of up to 16 bytes; the length, which is compared, need not enter. */
MR_TABLE_INLINE uint64_t mr_table_hash_short(const struct mr_collector *c, uint64_t k0,
                                             uint64_t k1) {
    return mr_table_mix(k0 ^ c->seed0, k1 ^ c->seed1);
}

/* Masks of the first bytes of two little-endian integers, by how many. */
extern const uint64_t mr_table_first_bytes[MR_TABLE_SHORT_MAX + 1][2];

/* Whether 16 bytes can be read at `key`, whatever its length. */
MR_TABLE_INLINE bool mr_table_is_loadable(const char *key) {
    return ((uintptr_t)key & 4095) <= 4096 - MR_TABLE_SHORT_MAX;
}

/* The halves of a loadable key of up to 16 bytes. */
MR_TABLE_READS_PAST_END static inline void mr_table_load_short(const char *key, size_t len,
                                                               uint64_t *k0, uint64_t *k1) {
    uint64_t halves[2];
    memcpy(halves, key, sizeof halves);
    *k0 = halves[0] & mr_table_first_bytes[len][0];
    *k1 = halves[1] & mr_table_first_bytes[len][1];
}

/* The slot that holds the pair's key (all its bytes at `key`, if it is long), or the empty one
 * where it belongs. */
MR_TABLE_INLINE struct mr_table_slot *mr_table_find(const struct mr_collector *c,
                                                    const struct mr_table_pending *pair,
                                                    const char *key, size_t stride) {
    uint64_t index = pair->hash & c->mask;
    for (;;) {
        struct mr_table_slot *slot = (struct mr_table_slot *)(void *)(c->slots + index * stride);
        if (slot->k0 == pair->k0 && slot->k1 == pair->k1 && slot->len1 == pair->len1 &&
            (pair->len1 <= MR_TABLE_SHORT_MAX + 1 ||
             memcmp(mr_table_long_key(c, slot), key, pair->len1 - 1) == 0)) {
            return slot;
        }
        if (!slot->len1) {
            return slot;
        }
        index = (index + 1) & c->mask;
    }
}

/* Fills in how the table compares a key, short or long. */
void mr_table_prepare(const struct mr_collector *c, const char *key, size_t len,
                      struct mr_table_pending *pair);

/* Fills an empty slot's key part. False: no room; make some (mr_seal_make_room) and look again. */
bool mr_table_insert(struct mr_collector *c, struct mr_table_slot *slot,
                     const struct mr_table_pending *pair, const char *key);

/* Reserves `len` bytes of the arena at a multiple of 8; 0: full. */
size_t mr_table_take_arena(struct mr_collector *c, size_t len);

/* Doubles the table where that pays. False: it is as large as it should be; seal it. */
bool mr_table_grow(struct mr_collector *c);

/* What sealing needs for so many entries. */
static inline size_t mr_table_sort_bytes(uint64_t entries) {
    return entries * (2 * sizeof(struct mr_key_ref) + sizeof(uint32_t));
}

/* Forgets all entries; the memory stays. */
void mr_table_empty(struct mr_collector *c);
/* Bytes of slots and arena that were touched since the table was opened. */
size_t mr_table_touched(const struct mr_collector *c);

MR_MUST_USE int mr_table_open(struct mr_collector *c, struct mr_error *err);
void mr_table_close(struct mr_collector *c);

#endif
