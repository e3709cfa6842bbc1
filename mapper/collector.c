/* collector: takes what map emits, folds equal keys on the spot, and seals full tables as sorted runs. */
#include "mapper/collector.h"

#include "lib/base/error.h"
#include "mapper/seal.h"
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SLOTS_MIN ((uint64_t)1 << 12)
#define SLOTS_PLAIN ((uint64_t)1 << 19) /* grown to without asking for benefit */
#ifndef SLOTS_MAX
#define SLOTS_MAX ((uint64_t)1 << 20)
#endif
#define ADDS_PER_KEY 8                  /* the benefit that more slots than that ask for */
#define ARENA_START 8
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Keys are loaded 16 bytes at a time, reading past their end where that stays inside the page; sanitizers are told
 * to look away, since the bytes beyond the key are masked off. */
#define READS_PAST_END __attribute__((no_sanitize("address", "thread", "undefined")))

ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

ALWAYS_INLINE uint64_t load64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static const uint64_t low_bytes[9] = {0,
                                      0xFF,
                                      0xFFFF,
                                      0xFFFFFF,
                                      0xFFFFFFFF,
                                      0xFFFFFFFFFF,
                                      0xFFFFFFFFFFFF,
                                      0xFFFFFFFFFFFFFF,
                                      0xFFFFFFFFFFFFFFFF};

READS_PAST_END static inline void load_short(const char *key, size_t len, uint64_t *k0,
                                             uint64_t *k1) {
    uint64_t words[2];
    if (__builtin_expect(((uintptr_t)key & 4095) <= 4096 - sizeof words, 1)) {
        memcpy(words, key, sizeof words);
    } else {
        words[0] = 0;
        words[1] = 0;
        memcpy(words, key, len);
    }
    size_t first = len < 8 ? len : 8;
    *k0 = words[0] & low_bytes[first];
    *k1 = words[1] & low_bytes[len - first];
}

ALWAYS_INLINE uint64_t hash_short(const struct mr_collector *c, uint64_t k0, uint64_t k1,
                                  size_t len) {
    return mix(k0 ^ c->seed0, k1 ^ c->seed1 ^ len * 0x9E3779B97F4A7C15u);
}

/* For more than 16 bytes. */
static uint64_t hash_long(const struct mr_collector *c, const char *key, size_t len) {
    uint64_t hash = c->seed0 ^ len;
    const char *last = key + len - 16;
    for (; key < last; key += 16) {
        hash = mix(hash ^ load64(key), c->seed1 ^ load64(key + 8));
    }
    return mix(hash ^ load64(last), c->seed1 ^ load64(last + 8));
}

static uint64_t hash_of_slot(const struct mr_collector *c, const struct mr_table_slot *slot) {
    return slot->len1 - 1 > MR_TABLE_SHORT_MAX
               ? slot->k1
               : hash_short(c, slot->k0, slot->k1, slot->len1 - 1);
}

/* What sealing needs for each entry: two references and a partition. */
static size_t sort_bytes(uint64_t entries) {
    return entries * (2 * sizeof(struct mr_key_ref) + sizeof(uint32_t));
}

/* Arena that a table of `slots` leaves within the budget. */
static size_t arena_beside(const struct mr_collector *c, uint64_t slots) {
    size_t taken = slots * c->stride + sort_bytes(slots * 5 / 8);
    return taken < c->budget ? c->budget - taken : 0;
}

static void set_size(struct mr_collector *c, uint64_t slots) {
    c->mask = slots - 1;
    c->used_max = slots * 5 / 8;
    c->arena_max = arena_beside(c, slots);
}

/* Doubles the table, or leaves it as it is where memory is short. */
static bool grow(struct mr_collector *c) {
    uint64_t slots = (c->mask + 1) * 2;
    char *old = c->slots;
    uint64_t old_slots = c->mask + 1;
    if (arena_beside(c, slots) < c->arena_used) {
        return false;
    }
    char *grown = mr_seal_reserve(slots * c->stride);
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
    munmap(old, old_slots * c->stride);
    return true;
}

static int make_room(struct mr_collector *c) {
    uint64_t slots = c->mask + 1;
    bool pays = slots < c->slots_plain || c->adds / ADDS_PER_KEY >= c->used;
    if (c->used >= c->used_max && pays && slots < c->slots_max && grow(c)) {
        return MR_OK;
    }
    c->adds = 0;
    return mr_seal_table(c);
}

/* Reserves `len` bytes of the arena at a multiple of 8; 0: full. */
static size_t take_arena(struct mr_collector *c, size_t len) {
    size_t at = c->arena_used;
    size_t end = at + ((len + 7) & ~(size_t)7);
    if (end > c->arena_max) {
        return 0;
    }
    c->arena_used = end;
    return at;
}

static int fail_overflow(struct mr_collector *c, struct mr_bytes key) {
    char text[MR_FOLD_KEY_TEXT_MAX];
    return mr_fail(&c->context.ctx, "the sum of %s is larger than 2^64-1",
                   mr_fold_key_text(key, text));
}

static struct mr_exact_wide *wide_at(struct mr_collector *c, uint32_t at) {
    return (struct mr_exact_wide *)(void *)(c->arena + (size_t)at * 8);
}

/* Adds to an exact sum, which moves to the arena when it outgrows its window. False: the arena is full. */
static bool fold_f64(struct mr_collector *c, struct mr_exact_window *sum, double value) {
    if (!sum->spare) {
        if (mr_exact_sum_window_add(sum, value)) {
            return true;
        }
        size_t at = take_arena(c, sizeof(struct mr_exact_wide));
        if (!at) {
            return false;
        }
        sum->spare = (uint32_t)(at / 8);
        memset(wide_at(c, sum->spare), 0, sizeof(struct mr_exact_wide));
        mr_exact_sum_wide_add_window(wide_at(c, sum->spare), sum);
    }
    mr_exact_sum_wide_add(wide_at(c, sum->spare), value);
    return true;
}

/* Folds a number into a slot. False: it needs room that the arena has not. */
ALWAYS_INLINE bool fold_number(struct mr_collector *c, enum mr_value kind, void *value,
                               uint64_t bits) {
    uint64_t *number = value;
    switch (kind) {
    case MR_SUM_U64:
        if (__builtin_expect(__builtin_add_overflow(*number, bits, number), 0)) {
            const struct mr_table_slot *slot = (const struct mr_table_slot *)value - 1;
            bool is_short = slot->len1 - 1 <= MR_TABLE_SHORT_MAX;
            const char *key = is_short ? (const char *)slot : mr_table_long_key(c, slot);
            (void)!fail_overflow(c, (struct mr_bytes){key, slot->len1 - 1});
        }
        return true;
    case MR_MIN_U64:
    case MR_MIN_I64:
    case MR_MIN_F64:
        *number = bits < *number ? bits : *number;
        return true;
    case MR_MAX_U64:
    case MR_MAX_I64:
    case MR_MAX_F64:
        *number = bits > *number ? bits : *number;
        return true;
    case MR_SUM_I64: {
        __int128 sum;
        memcpy(&sum, value, sizeof sum);
        sum += (int64_t)bits;
        memcpy(value, &sum, sizeof sum);
        return true;
    }
    case MR_SUM_F64: {
        double f64;
        memcpy(&f64, &bits, sizeof f64);
        return fold_f64(c, value, f64);
    }
    default:
        return true;
    }
}

ALWAYS_INLINE void start_number(struct mr_collector *c, enum mr_value kind, void *value,
                                uint64_t bits) {
    if (kind == MR_SUM_I64 || kind == MR_SUM_F64) {
        memset(value, 0, c->value_bytes);
        (void)fold_number(c, kind, value, bits); /* into an empty sum: needs no room */
    } else {
        memcpy(value, &bits, sizeof bits);
    }
}

/* The slot that holds the key, or the empty one where it belongs. */
ALWAYS_INLINE struct mr_table_slot *find_slot(const struct mr_collector *c,
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

/* Fills an empty slot's key part. False: the arena is full. */
ALWAYS_INLINE bool insert_key(struct mr_collector *c, struct mr_table_slot *slot,
                              const struct mr_table_pending *pair, const char *key) {
    uint32_t at = 0;
    if (pair->len1 > MR_TABLE_SHORT_MAX + 1) {
        size_t offset = take_arena(c, pair->len1 - 1);
        if (!offset) {
            return false;
        }
        memcpy(c->arena + offset, key, pair->len1 - 1);
        at = (uint32_t)(offset / 8);
    }
    *slot = (struct mr_table_slot){pair->k0, pair->k1, pair->len1, at};
    c->used++;
    return true;
}

ALWAYS_INLINE void add_number(struct mr_collector *c, const struct mr_table_pending *pair,
                              const char *key, enum mr_value kind, size_t stride) {
    for (;;) {
        struct mr_table_slot *slot = find_slot(c, pair, key, stride);
        if (__builtin_expect(slot->len1 != 0, 1)) {
            if (__builtin_expect(fold_number(c, kind, mr_table_value(slot), pair->bits), 1)) {
                c->folded++;
                return;
            }
        } else if (c->used < c->used_max && insert_key(c, slot, pair, key)) {
            start_number(c, kind, mr_table_value(slot), pair->bits);
            return;
        }
        if (make_room(c)) {
            return;
        }
    }
}

/* A number with a key that has no place in the ring. */
static int emit_long(struct mr_collector *c, const char *key, size_t len, uint64_t bits) {
    struct mr_table_pending pair = {
        .k0 = load64(key), .k1 = hash_long(c, key, len), .bits = bits, .len1 = (uint32_t)len + 1};
    pair.hash = pair.k1;
    c->adds++;
    if (len > c->arena_max / 2) {
        _Alignas(16) char value[sizeof(struct mr_exact_window)];
        char encoded[MR_FOLD_VALUE_MAX];
        start_number(c, c->kind, value, bits);
        size_t encoded_len = mr_seal_encode(c, value, encoded);
        return mr_seal_alone(c, (struct mr_bytes){key, len}, (struct mr_bytes){encoded, encoded_len});
    }
    add_number(c, &pair, key, c->kind, c->stride);
    return c->context.err.code;
}

/* Half a ring before its turn a pair's slot has arrived: a long key's bytes are fetched, to be compared with. */
ALWAYS_INLINE void prefetch_long(const struct mr_collector *c, size_t stride) {
    const struct mr_table_pending *pair = &c->ring[(c->ring_at + MR_TABLE_RING / 2) % MR_TABLE_RING];
    if (__builtin_expect(pair->len1 > MR_TABLE_SHORT_MAX + 1, 0)) {
        const struct mr_table_slot *slot =
            (const void *)(c->slots + (pair->hash & c->mask) * stride);
        __builtin_prefetch(mr_table_long_key(c, slot));
    }
}

ALWAYS_INLINE int emit_number(struct mr_collector *c, const char *key, size_t len, uint64_t bits,
                              enum mr_value kind, size_t stride) {
    struct mr_table_pending *pair = &c->ring[c->ring_at];
    char *kept = c->ring_keys[c->ring_at];
    c->emitted++;
    if (__builtin_expect(len > MR_TABLE_RING_KEY, 0)) {
        return emit_long(c, key, len, bits);
    }
    if (__builtin_expect(pair->len1 != 0, 1)) {
        add_number(c, pair, kept, kind, stride);
    }
    prefetch_long(c, stride);
    c->ring_at = (c->ring_at + 1) % MR_TABLE_RING;
    c->adds++;
    pair->bits = bits;
    pair->len1 = (uint32_t)len + 1;
    if (__builtin_expect(len <= MR_TABLE_SHORT_MAX, 1)) {
        load_short(key, len, &pair->k0, &pair->k1);
        pair->hash = hash_short(c, pair->k0, pair->k1, len);
    } else {
        memcpy(kept, key, len);
        pair->k0 = load64(key);
        pair->k1 = hash_long(c, key, len);
        pair->hash = pair->k1;
    }
    __builtin_prefetch(c->slots + (pair->hash & c->mask) * stride, 1);
    return c->context.err.code;
}

static void drain_ring(struct mr_collector *c) {
    for (unsigned i = 0; i < MR_TABLE_RING && !c->context.err.code; i++) {
        unsigned at = (c->ring_at + i) % MR_TABLE_RING;
        if (c->ring[at].len1) {
            add_number(c, &c->ring[at], c->ring_keys[at], c->kind, c->stride);
            c->ring[at].len1 = 0;
        }
    }
}

static struct mr_collector *collector_of(struct mr_ctx *ctx) {
    return (struct mr_collector *)ctx;
}

static int emit_u64_sum(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    return emit_number(collector_of(ctx), key, len, value, MR_SUM_U64,
                       sizeof(struct mr_table_slot) + sizeof(uint64_t));
}

static int emit_u64_extreme(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    struct mr_collector *c = collector_of(ctx);
    return emit_number(c, key, len, value, c->kind, c->stride);
}

static int emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    struct mr_collector *c = collector_of(ctx);
    uint64_t bits = (uint64_t)value;
    if (c->kind != MR_SUM_I64) {
        bits ^= (uint64_t)1 << 63; /* orders as u64 */
    }
    return emit_number(c, key.data, key.len, bits, c->kind, c->stride);
}

static int emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    struct mr_collector *c = collector_of(ctx);
    uint64_t bits;
    if (c->kind == MR_SUM_F64) {
        memcpy(&bits, &value, sizeof bits);
    } else if (isnan(value)) {
        return mr_fail(ctx, "NaN has no place among numbers: min and max of it are undefined");
    } else {
        bits = mr_fold_rank(value);
    }
    return emit_number(c, key.data, key.len, bits, c->kind, c->stride);
}

static struct mr_place place_now(struct mr_collector *c) {
    uint64_t record = c->context.where.offset + c->context.where.record;
    if (record != c->record) {
        c->record = record;
        c->nth = 0;
    }
    return (struct mr_place){c->split, record, c->nth++};
}

/* A run of one pair whose value has a place. */
static int seal_placed_alone(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value,
                             struct mr_place place) {
    char head[MR_FOLD_PLACE_BYTES];
    mr_fold_put_place(head, place);
    c->combined.len = 0;
    if (mr_buffer_append(&c->combined, head, sizeof head, &c->context.err) ||
        mr_buffer_append(&c->combined, value.data, value.len, &c->context.err)) {
        return c->context.err.code;
    }
    return mr_seal_alone(c, key, (struct mr_bytes){c->combined.data, c->combined.len});
}

/* Appends {header, key, place, value} to the log. */
static int log_pair(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value) {
    struct mr_place place = place_now(c);
    size_t value_len = MR_FOLD_PLACE_BYTES + value.len;
    size_t need = sizeof(struct mr_table_entry) + key.len + value_len;
    size_t sorting = sort_bytes(c->log_entries + 1);
    if (c->arena_used + need + 8 + sorting > c->budget && c->log_entries) {
        if (mr_seal_table(c)) {
            return c->context.err.code;
        }
        sorting = sort_bytes(1);
    }
    if (c->arena_used + need + 8 + sorting > c->budget) {
        return seal_placed_alone(c, key, value, place);
    }
    struct mr_table_entry entry = {(uint32_t)key.len, (uint32_t)value_len};
    char *out = c->arena + c->arena_used;
    memcpy(out, &entry, sizeof entry);
    out += sizeof entry;
    memcpy(out, key.data, key.len);
    out += key.len;
    mr_fold_put_place(out, place);
    if (value.len) {
        memcpy(out + MR_FOLD_PLACE_BYTES, value.data, value.len);
    }
    c->arena_used += (need + 7) & ~(size_t)7;
    c->log_entries++;
    return MR_OK;
}

/* Stores an encoded value of two parts in the arena, over the old one where that has room. False: the arena is full. */
static bool store_bytes(struct mr_collector *c, struct mr_table_bytes *slot, struct mr_bytes head,
                        struct mr_bytes body) {
    size_t len = head.len + body.len;
    if (len > slot->room) {
        size_t at = take_arena(c, len);
        if (!at) {
            return false;
        }
        slot->at = (uint32_t)(at / 8);
        slot->room = (uint32_t)((len + 7) & ~(size_t)7);
    }
    char *out = c->arena + (size_t)slot->at * 8;
    if (head.len) {
        memcpy(out, head.data, head.len);
    }
    if (body.len) {
        memcpy(out + head.len, body.data, body.len);
    }
    slot->len = (uint32_t)len;
    return true;
}

/* Folds a new value into a slot's bytes. False: the arena is full. */
static bool fold_bytes(struct mr_collector *c, struct mr_table_bytes *slot, struct mr_bytes key,
                       struct mr_bytes head, struct mr_bytes body) {
    struct mr_bytes old = {c->arena + (size_t)slot->at * 8, slot->len};
    if (c->kind == MR_FIRST) {
        return memcmp(head.data, old.data, MR_FOLD_PLACE_BYTES) >= 0 ||
               store_bytes(c, slot, head, body);
    }
    if (mr_context_combine(&c->context, key, old, body, &c->combined)) {
        return true; /* failed, and remembered */
    }
    return store_bytes(c, slot, head, (struct mr_bytes){c->combined.data, c->combined.len});
}

static int add_bytes(struct mr_collector *c, struct mr_bytes key, struct mr_bytes head,
                     struct mr_bytes body) {
    struct mr_table_pending pair = {.len1 = (uint32_t)key.len + 1};
    if (key.len <= MR_TABLE_SHORT_MAX) {
        load_short(key.data, key.len, &pair.k0, &pair.k1);
        pair.hash = hash_short(c, pair.k0, pair.k1, key.len);
    } else {
        pair.k0 = load64(key.data);
        pair.k1 = pair.hash = hash_long(c, key.data, key.len);
    }
    c->adds++;
    while (!c->context.err.code) {
        struct mr_table_slot *slot = find_slot(c, &pair, key.data, c->stride);
        if (slot->len1) {
            if (fold_bytes(c, mr_table_value(slot), key, head, body)) {
                c->folded++;
                break;
            }
        } else if (c->used < c->used_max) {
            struct mr_table_bytes value = {0};
            if (store_bytes(c, &value, head, body) && insert_key(c, slot, &pair, key.data)) {
                memcpy(mr_table_value(slot), &value, sizeof value);
                break;
            }
        }
        (void)!make_room(c);
    }
    return c->context.err.code;
}

/* MR_VALUES, MR_FIRST, MR_COMBINED. */
static int emit_bytes(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    struct mr_collector *c = collector_of(ctx);
    char place[MR_FOLD_PLACE_BYTES];
    if (c->context.err.code) {
        return c->context.err.code;
    }
    if (key.len >= UINT32_MAX / 4 || value.len >= UINT32_MAX / 4) {
        return mr_fail(ctx, "a pair of %zu bytes: the limit is 1 GiB", key.len + value.len);
    }
    c->emitted++;
    if (c->kind == MR_VALUES) {
        return log_pair(c, key, value);
    }
    struct mr_place here = place_now(c);
    struct mr_bytes head = {place, 0};
    if (c->kind == MR_FIRST) {
        mr_fold_put_place(place, here);
        head.len = sizeof place;
    }
    if (key.len + value.len > c->arena_max / 4) {
        return c->kind == MR_FIRST ? seal_placed_alone(c, key, value, here)
                                   : mr_seal_alone(c, key, value);
    }
    return add_bytes(c, key, head, value);
}

int mr_collector_emit_pair(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value) {
    return c->context.ctx.emit(&c->context.ctx, key, value);
}

static void at_record(struct mr_ctx *ctx, uint64_t offset) {
    collector_of(ctx)->context.where.record = offset;
}

static void choose_functions(struct mr_collector *c) {
    struct mr_ctx *ctx = &c->context.ctx;
    ctx->at = at_record;
    if (c->kind == MR_SUM_U64) {
        ctx->emit_u64 = emit_u64_sum;
    } else if (mr_fold_is_u64(c->kind)) {
        ctx->emit_u64 = emit_u64_extreme;
    } else if (mr_fold_is_i64(c->kind)) {
        ctx->emit_i64 = emit_i64;
    } else if (mr_fold_is_f64(c->kind)) {
        ctx->emit_f64 = emit_f64;
    } else {
        ctx->emit = emit_bytes;
    }
}

static size_t value_bytes(enum mr_value kind) {
    switch (kind) {
    case MR_SUM_I64:
        return sizeof(__int128);
    case MR_SUM_F64:
        return sizeof(struct mr_exact_window);
    case MR_FIRST:
    case MR_COMBINED:
        return (sizeof(struct mr_table_bytes) + 7) & ~(size_t)7;
    default:
        return sizeof(uint64_t);
    }
}

static int allocate(struct mr_collector *c, struct mr_error *err) {
    c->slots_max = SLOTS_MIN;
    while (c->slots_max < SLOTS_MAX &&
           3 * (c->slots_max * 2 * c->stride) / 2 + sort_bytes(c->slots_max * 2 * 5 / 8) <
               c->budget * 3 / 4) {
        c->slots_max *= 2;
    }
    c->slots_plain = c->slots_max < SLOTS_PLAIN ? c->slots_max : SLOTS_PLAIN;
    size_t arena_limit = (size_t)8 * UINT32_MAX / 2; /* offsets are 32-bit, in units of 8 */
    c->budget = c->budget < arena_limit ? c->budget : arena_limit;
    c->arena = mr_seal_reserve(c->budget);
    c->slots = mr_seal_reserve(SLOTS_MIN * c->stride);
    if (!c->arena || !c->slots) {
        return mr_error_nomem(err, "making the table of distinct keys");
    }
    set_size(c, SLOTS_MIN);
    c->arena_used = ARENA_START;
    return MR_OK;
}

int mr_collector_create(const struct mr_collector_options *options,
                        struct mr_collector **collector, struct mr_error *err) {
    struct mr_collector *c = calloc(1, sizeof *c);
    if (!c) {
        return mr_error_nomem(err, "making a collector");
    }
    mr_context_init(&c->context, &options->source, MR_PHASE_MAP);
    c->store = options->store;
    c->pool = options->pool;
    c->kind = c->context.round->value;
    c->value_bytes = value_bytes(c->kind);
    c->stride = sizeof(struct mr_table_slot) + c->value_bytes;
    c->budget = options->budget_bytes;
    uint64_t seeds[2] = {0x243F6A8885A308D3u, 0x13198A2E03707344u};
    (void)!getrandom(seeds, sizeof seeds, GRND_NONBLOCK); /* without: still correct */
    c->seed0 = seeds[0];
    c->seed1 = seeds[1];
    choose_functions(c);
    if (!allocate(c, err) && mr_context_setup(&c->context)) {
        *err = c->context.err;
    }
    if (err->code) {
        mr_collector_destroy(c);
        return err->code;
    }
    *collector = c;
    return MR_OK;
}

void mr_collector_destroy(struct mr_collector *c) {
    if (!c) {
        return;
    }
    mr_context_fini(&c->context);
    if (c->slots) {
        munmap(c->slots, (c->mask + 1) * c->stride);
    }
    if (c->arena) {
        munmap(c->arena, c->budget);
    }
    mr_seal_release(c);
    mr_buffer_fini(&c->combined);
    free(c);
}

struct mr_context *mr_collector_context(struct mr_collector *c) {
    return &c->context;
}

void mr_collector_set_split(struct mr_collector *c, uint32_t split) {
    if (c->kind == MR_VALUES && split < c->split) {
        (void)!mr_seal_table(c); /* the order of arrival is the order of places within a run */
    }
    c->split = split;
    c->record = UINT64_MAX;
}

int mr_collector_finish(struct mr_collector *c) {
    drain_ring(c);
    return c->context.err.code ? c->context.err.code : mr_seal_table(c);
}

uint64_t mr_collector_emitted(const struct mr_collector *c) {
    return c->emitted;
}

uint64_t mr_collector_combined(const struct mr_collector *c) {
    return c->folded;
}
