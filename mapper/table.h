/* table: the collector's inside: its slots, shared by emitting (collector.c) and sealing (seal.c). */
#ifndef MR_MAPPER_TABLE_H
#define MR_MAPPER_TABLE_H

#include "lib/record/key_sort.h"
#include "mapper/collector.h"

#define MR_TABLE_SHORT_MAX 16
#define MR_TABLE_RING 64
#define MR_TABLE_RING_KEY 64 /* longer keys skip the ring */

/* Followed by the value: a number (8 bytes), an i64 sum (16), a struct mr_exact_window (its
 * `spare`: where in the arena its wide sum is, in units of 8 bytes; 0: none), or a struct mr_table_bytes. */
struct mr_table_slot {
    uint64_t k0; /* the first 8 bytes, little-endian, zero padded */
    uint64_t k1; /* the next 8; of keys longer than 16 bytes their hash */
    uint32_t len1; /* length + 1; 0: empty */
    uint32_t at;   /* of longer keys: where in the arena, in units of 8 bytes */
};

/* The value of an MR_FIRST or MR_COMBINED slot: encoded as in a run, in the arena. */
struct mr_table_bytes {
    uint32_t at; /* in units of 8 bytes */
    uint32_t len;
    uint32_t room;
};

/* An entry of the log of an MR_VALUES round, at a multiple of 8 in the arena; key and value follow. */
struct mr_table_entry {
    uint32_t key_len;
    uint32_t value_len; /* place included */
};

/* A typed pair on its way into the table. */
struct mr_table_pending {
    uint64_t k0;
    uint64_t k1;
    uint64_t hash;
    uint64_t bits; /* of the number */
    uint32_t len1; /* 0: none */
};

struct mr_collector {
    struct mr_context context; /* first: callbacks' ctx is at offset 0 */
    struct mr_run_store *store;
    struct mr_pool *pool;
    enum mr_value kind;
    size_t value_bytes;
    size_t stride;

    char *slots;
    uint64_t mask;
    uint64_t used;
    uint64_t used_max;
    uint64_t adds; /* since the table was empty */
    uint64_t slots_max;
    uint64_t slots_plain;

    char *arena; /* reserved whole, touched as needed */
    size_t arena_used; /* from 8: offset 0 means none */
    size_t arena_max;
    uint64_t log_entries;

    struct mr_key_ref *refs; /* for sealing; reserved whole, likewise */
    size_t refs_bytes;
    size_t budget;
    struct mr_buffer combined; /* the result of a combine */

    uint64_t seed0;
    uint64_t seed1;
    uint64_t emitted;
    uint64_t folded;
    uint64_t record; /* the record that `nth` counts in: its offset in the split */
    uint32_t nth;
    uint32_t split;
    unsigned ring_at;
    struct mr_table_pending ring[MR_TABLE_RING];
    char ring_keys[MR_TABLE_RING][MR_TABLE_RING_KEY];
};

static inline struct mr_table_slot *mr_table_slot_at(const struct mr_collector *c, uint64_t index) {
    return (struct mr_table_slot *)(void *)(c->slots + index * c->stride);
}
static inline void *mr_table_value(struct mr_table_slot *slot) {
    return slot + 1;
}
static inline const char *mr_table_long_key(const struct mr_collector *c,
                                            const struct mr_table_slot *slot) {
    return c->arena + (size_t)slot->at * 8;
}

#endif
