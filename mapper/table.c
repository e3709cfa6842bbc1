/* table: the collector's inside: an open-addressing table of distinct keys, and its arena. */
#include "mapper/table.h"

#include "lib/base/error.h"
#include "lib/base/pages.h"
#include <sys/mman.h>

#define SLOTS_START ((uint64_t)1 << 8)  /* few keys: little to clear and to look through */
#define SLOTS_MIN ((uint64_t)1 << 12)   /* may always be grown to */
#define SLOTS_PLAIN ((uint64_t)1 << 18) /* grown to without asking for benefit */
#define SLOTS_MAX ((uint64_t)1 << 20)   /* more cost more to touch than they save */
#define ADDS_PER_KEY 16                 /* the benefit that growing beyond SLOTS_PLAIN asks for */
#define ARENA_START 8

#define FIRST(bytes) (~(uint64_t)0 >> (64 - 8 * (bytes)))
const uint64_t mr_table_first_bytes[MR_TABLE_SHORT_MAX + 1][2] = {
    {0, 0},
    {FIRST(1), 0},
    {FIRST(2), 0},
    {FIRST(3), 0},
    {FIRST(4), 0},
    {FIRST(5), 0},
    {FIRST(6), 0},
    {FIRST(7), 0},
    {FIRST(8), 0},
    {FIRST(8), FIRST(1)},
    {FIRST(8), FIRST(2)},
    {FIRST(8), FIRST(3)},
    {FIRST(8), FIRST(4)},
    {FIRST(8), FIRST(5)},
    {FIRST(8), FIRST(6)},
    {FIRST(8), FIRST(7)},
    {FIRST(8), FIRST(8)},
};

static uint64_t load64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* For more than 16 bytes. */
static uint64_t hash_long(const struct mr_collector *c, const char *key, size_t len) {
    uint64_t hash = c->seed0 ^ len;
    const char *last = key + len - 16;
    for (; key < last; key += 16) {
        hash = mr_table_mix(hash ^ load64(key), c->seed1 ^ load64(key + 8));
    }
    return mr_table_mix(hash ^ load64(last), c->seed1 ^ load64(last + 8));
}

static uint64_t hash_of_slot(const struct mr_collector *c, const struct mr_table_slot *slot) {
    return slot->len1 - 1 > MR_TABLE_SHORT_MAX ? slot->k1
                                               : mr_table_hash_short(c, slot->k0, slot->k1);
}

/* The two halves of a key of up to 16 bytes, wherever it lies. */
static void load_short(const char *key, size_t len, uint64_t *k0, uint64_t *k1) {
    uint64_t words[2] = {0, 0};
    if (len) {
        memcpy(words, key, len);
    }
    *k0 = words[0];
    *k1 = words[1];
}

void mr_table_prepare(const struct mr_collector *c, const char *key, size_t len,
                      struct mr_table_pending *pair) {
    pair->len1 = (uint32_t)len + 1;
    if (len <= MR_TABLE_SHORT_MAX) {
        load_short(key, len, &pair->k0, &pair->k1);
        pair->hash = (uint32_t)mr_table_hash_short(c, pair->k0, pair->k1);
    } else {
        pair->k0 = load64(key);
        pair->k1 = hash_long(c, key, len);
        pair->hash = (uint32_t)pair->k1;
    }
}

/* Arena that a table of `slots` leaves within the budget. */
static size_t arena_beside(const struct mr_collector *c, uint64_t slots) {
    size_t taken = slots * c->stride + mr_table_sort_bytes(slots * 5 / 8);
    return taken < c->budget ? c->budget - taken : 0;
}

static void set_size(struct mr_collector *c, uint64_t slots) {
    c->mask = slots - 1;
    c->used_max = slots * 5 / 8;
    c->arena_max = arena_beside(c, slots);
}

/* Doubles the table, or leaves it as it is where memory is short. */
static bool double_slots(struct mr_collector *c) {
    uint64_t slots = (c->mask + 1) * 2;
    char *old = c->slots;
    uint64_t old_slots = c->mask + 1;
    if (arena_beside(c, slots) < c->arena_used) {
        return false;
    }
    char *grown = mr_pages_map(slots * c->stride);
    if (!grown) {
        return false;
    }
    /* All of it will be touched: without this, reading an empty slot maps the zero page first. */
    (void)madvise(grown, slots * c->stride, MADV_POPULATE_WRITE);
    c->slots = grown;
    set_size(c, slots);
    for (uint64_t i = 0; i < old_slots; i++) {
        struct mr_table_slot *slot = (struct mr_table_slot *)(void *)(old + i * c->stride);
        if (slot->len1) {
            uint64_t index = hash_of_slot(c, slot) & c->mask;
            while (mr_table_slot_at(c, index)->len1) {
                index = (index + 1) & c->mask;
            }
            memcpy(mr_table_slot_at(c, index), slot, c->stride);
        }
    }
    mr_pages_unmap(old, old_slots * c->stride);
    return true;
}

bool mr_table_grow(struct mr_collector *c) {
    uint64_t slots = c->mask + 1;
    uint64_t adds = c->emitted - c->emitted_when_empty;
    bool pays = slots < SLOTS_PLAIN || adds / ADDS_PER_KEY >= c->used;
    return c->used >= c->used_max && pays && slots < c->slots_max && double_slots(c);
}

size_t mr_table_take_arena(struct mr_collector *c, size_t len) {
    size_t at = c->arena_used;
    size_t end = at + ((len + 7) & ~(size_t)7);
    if (end > c->arena_max) {
        return 0;
    }
    c->arena_used = end;
    return at;
}

bool mr_table_insert(struct mr_collector *c, struct mr_table_slot *slot,
                     const struct mr_table_pending *pair, const char *key) {
    uint32_t at = 0;
    if (c->used >= c->used_max) {
        return false;
    }
    if (pair->len1 > MR_TABLE_SHORT_MAX + 1) {
        size_t offset = mr_table_take_arena(c, sizeof(uint64_t) + pair->len1 - 1);
        if (!offset) {
            return false;
        }
        offset += sizeof(uint64_t);
        memcpy(c->arena + offset, key, pair->len1 - 1);
        at = (uint32_t)(offset / 8);
    }
    *slot = (struct mr_table_slot){pair->k0, pair->k1, pair->len1, at};
    c->used++;
    return true;
}

void mr_table_empty(struct mr_collector *c) {
    if (c->used) {
        memset(c->slots, 0, (c->mask + 1) * c->stride);
    }
    c->used = 0;
    c->emitted_when_empty = c->emitted;
    c->log_entries = 0;
    c->arena_high = c->arena_used > c->arena_high ? c->arena_used : c->arena_high;
    c->arena_used = ARENA_START;
}

size_t mr_table_touched(const struct mr_collector *c) {
    size_t arena = c->arena_used > c->arena_high ? c->arena_used : c->arena_high;
    return arena + (c->mask + 1) * c->stride;
}

int mr_table_open(struct mr_collector *c, struct mr_error *err) {
    c->slots_max = SLOTS_MIN;
    while (c->slots_max < SLOTS_MAX &&
           3 * (c->slots_max * 2 * c->stride) / 2 + mr_table_sort_bytes(c->slots_max * 2 * 5 / 8) <
               c->budget * 3 / 4) {
        c->slots_max *= 2;
    }
    size_t arena_limit = (size_t)8 * UINT32_MAX / 2; /* offsets are 32-bit, in units of 8 */
    c->budget = c->budget < arena_limit ? c->budget : arena_limit;
    c->arena = mr_pages_map(c->budget);
    c->slots = mr_pages_map(SLOTS_START * c->stride);
    if (!c->arena || !c->slots) {
        return mr_error_nomem(err, "making the table of distinct keys");
    }
    set_size(c, SLOTS_START);
    c->arena_used = ARENA_START;
    return MR_OK;
}

void mr_table_close(struct mr_collector *c) {
    mr_pages_unmap(c->slots, (c->mask + 1) * c->stride);
    mr_pages_unmap(c->arena, c->budget);
}
