/* numbers: folds typed emits into the table, through a ring of pending pairs.
 *
 * A pair is hashed and its slot prefetched when it is emitted; when 64 have gathered they are
 * folded in one loop, by when their slots have arrived in cache. The emit of a short key is
 * straight: load, hash, store, prefetch; and so is folding a sum of u64 whose key is in the table:
 * compare, add. Spans (many keys of one text) are the same without a call for each. */
#include "mapper/numbers.h"

#include "lib/base/error.h"
#include "mapper/seal.h"
#include <math.h>

#define PREFETCH_AHEAD 8
#define STRIDE_U64 (sizeof(struct mr_table_slot) + sizeof(uint64_t))
#define STRIDE_F64 (sizeof(struct mr_table_slot) + sizeof(struct mr_exact_window))

/* Pairs wait in the ring: the record being mapped need not be the one, nor is it one alone. */
static int fail_overflow(struct mr_collector *c, struct mr_bytes key) {
    char text[MR_FOLD_KEY_TEXT_MAX];
    const char *input = mr_context_leave_record(&c->context);
    int status = mr_fail(&c->context.ctx, "the sum of %s is larger than 2^64-1",
                         mr_fold_key_text(key, text));
    mr_context_return_to_record(&c->context, input);
    return status;
}

static struct mr_exact_wide *wide_at(struct mr_collector *c, uint32_t at) {
    return (struct mr_exact_wide *)(void *)(c->arena + (size_t)at * 8);
}

/* Adds to an exact sum, which moves to the arena when it outgrows its window. False: the arena is
 * full. */
static bool fold_f64(struct mr_collector *c, struct mr_exact_window *sum, double value) {
    if (!sum->spare) {
        if (mr_exact_sum_window_add(sum, value)) {
            return true;
        }
        size_t at = mr_table_take_arena(c, sizeof(struct mr_exact_wide));
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
MR_TABLE_INLINE bool fold_number(struct mr_collector *c, enum mr_value kind, void *value,
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

MR_TABLE_INLINE void start_number(struct mr_collector *c, enum mr_value kind, void *value,
                                  uint64_t bits) {
    if (kind == MR_SUM_I64 || kind == MR_SUM_F64) {
        memset(value, 0, c->value_bytes);
        (void)fold_number(c, kind, value, bits); /* into an empty sum: needs no room */
    } else {
        memcpy(value, &bits, sizeof bits);
    }
}

/* Folds a pair into the table, wherever its key is. */
static void add_number(struct mr_collector *c, const struct mr_table_pending *pair,
                       const char *key) {
    while (!c->context.err.code) {
        struct mr_table_slot *slot = mr_table_find(c, pair, key, c->stride);
        if (slot->len1) {
            if (fold_number(c, c->kind, mr_table_value(slot), pair->bits)) {
                c->folded++;
                return;
            }
        } else if (mr_table_insert(c, slot, pair, key)) {
            start_number(c, c->kind, mr_table_value(slot), pair->bits);
            return;
        }
        (void)!mr_seal_make_room(c);
    }
}

/* A run of one pair, for a key that fits no arena. */
static int seal_alone(struct mr_collector *c, const char *key, size_t len, uint64_t bits) {
    _Alignas(16) char value[sizeof(struct mr_exact_window)];
    char encoded[MR_FOLD_VALUE_MAX];
    start_number(c, c->kind, value, bits);
    size_t encoded_len = mr_seal_encode(c, value, encoded);
    return mr_seal_alone(c, (struct mr_bytes){key, len}, (struct mr_bytes){encoded, encoded_len});
}

/* Folds the ring into the table: pairs of any kind. */
static void fold_pairs(struct mr_collector *c, unsigned count) {
    for (unsigned i = 0; i < count && !c->context.err.code; i++) {
        add_number(c, &c->ring[i], c->ring_keys[i]);
    }
}

/* A long key's slot has arrived: its bytes are fetched, to be compared with. */
MR_TABLE_INLINE void prefetch_long(const struct mr_collector *c, unsigned at, unsigned count) {
    if (at < count && c->ring[at].len1 > MR_TABLE_SHORT_MAX + 1) {
        const struct mr_table_slot *slot = mr_table_slot_at(c, c->ring[at].hash & c->mask);
        __builtin_prefetch(mr_table_long_key(c, slot));
    }
}

/* Adds to a sum of u64 whose key is short and in the table already. False: it is something else. */
MR_TABLE_INLINE bool fold_short_sum(const struct mr_table_pending *pair, char *slots,
                                    uint64_t mask) {
    const size_t stride = STRIDE_U64;
    for (uint64_t index = pair->hash & mask;; index = (index + 1) & mask) {
        struct mr_table_slot *slot = (void *)(slots + index * stride);
        uint64_t differs =
            (slot->k0 ^ pair->k0) | (slot->k1 ^ pair->k1) | (slot->len1 ^ pair->len1);
        if (!differs) {
            uint64_t *sum = mr_table_value(slot);
            uint64_t folded;
            if (__builtin_add_overflow(*sum, pair->bits, &folded)) {
                return false;
            }
            *sum = folded;
            return true;
        }
        if (!slot->len1) {
            return false;
        }
    }
}

/* The same for sums of u64; `has_long` is constant where it is inlined. */
MR_TABLE_INLINE void fold_sums(struct mr_collector *c, unsigned count, bool has_long) {
    uint64_t folded = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct mr_table_pending *pair = &c->ring[i];
        if (has_long) {
            prefetch_long(c, i + PREFETCH_AHEAD, count);
        }
        bool is_short = !has_long || pair->len1 <= MR_TABLE_SHORT_MAX + 1;
        if (__builtin_expect(is_short && fold_short_sum(pair, c->slots, c->mask), 1)) {
            folded++;
        } else {
            add_number(c, pair, c->ring_keys[i]);
        }
    }
    c->folded += folded;
}

/* The same for exact sums of f64 that fit their window. */
static void fold_exact_sums(struct mr_collector *c, unsigned count) {
    uint64_t folded = 0;
    for (unsigned i = 0; i < count && !c->context.err.code; i++) {
        const struct mr_table_pending *pair = &c->ring[i];
        struct mr_table_slot *slot = mr_table_find(c, pair, c->ring_keys[i], STRIDE_F64);
        struct mr_exact_window *sum = mr_table_value(slot);
        double value;
        memcpy(&value, &pair->bits, sizeof value);
        if (slot->len1 && !sum->spare && mr_exact_sum_window_add(sum, value)) {
            folded++;
        } else {
            add_number(c, pair, c->ring_keys[i]);
        }
    }
    c->folded += folded;
}

static __attribute__((noinline)) int drain(struct mr_collector *c) {
    unsigned count = c->ring_len;
    c->ring_len = 0;
    c->emitted += count;
    if (c->kind == MR_SUM_F64) {
        fold_exact_sums(c, count);
    } else if (c->kind != MR_SUM_U64) {
        fold_pairs(c, count);
    } else if (c->ring_has_long) {
        fold_sums(c, count, true);
    } else {
        fold_sums(c, count, false);
    }
    c->ring_has_long = false;
    return c->context.err.code;
}

/* Any key, any kind. */
static __attribute__((noinline)) int emit_any(struct mr_collector *c, const char *key, size_t len,
                                              uint64_t bits) {
    struct mr_table_pending *pair = &c->ring[c->ring_len];
    if (len > MR_TABLE_RING_KEY) { /* takes no part in the ring */
        struct mr_table_pending now = {.bits = bits};
        c->emitted++;
        if (len > MR_TABLE_KEY_MAX) {
            return mr_fail(&c->context.ctx, "a key of %zu bytes: the limit is 1 GiB", len);
        }
        if (len > c->arena_max / 2) {
            return seal_alone(c, key, len, bits);
        }
        mr_table_prepare(c, key, len, &now);
        add_number(c, &now, key);
        return c->context.err.code;
    }
    mr_table_prepare(c, key, len, pair);
    pair->bits = bits;
    if (len > MR_TABLE_SHORT_MAX) {
        c->ring_has_long = true;
        memcpy(c->ring_keys[c->ring_len], key, len);
    }
    __builtin_prefetch(mr_table_slot_at(c, pair->hash & c->mask), 1);
    return ++c->ring_len == MR_TABLE_RING ? drain(c) : c->context.err.code;
}

static struct mr_collector *collector_of(struct mr_ctx *ctx) {
    return (struct mr_collector *)ctx;
}

/* Puts a key of 1 to 16 bytes, which can be loaded, in a place of the ring. `stride` is the
 * table's, constant where it is inlined. */
MR_TABLE_INLINE void put_short(const struct mr_collector *c, struct mr_table_pending *pair,
                               const char *key, size_t len, uint64_t value, size_t stride) {
    mr_table_load_short(key, len, &pair->k0, &pair->k1);
    uint64_t hash = mr_table_hash_short(c, pair->k0, pair->k1);
    __builtin_prefetch(c->slots + (hash & c->mask) * stride, 1);
    pair->bits = value;
    pair->hash = (uint32_t)hash;
    pair->len1 = (uint32_t)len + 1;
}

static int emit_u64_sum(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    struct mr_collector *c = collector_of(ctx);
    bool is_plain = len - 1 < MR_TABLE_SHORT_MAX && mr_table_is_loadable(key);
    if (__builtin_expect(!is_plain, 0)) { /* empty, long, or at the end of a page */
        return emit_any(c, key, len, value);
    }
    put_short(c, &c->ring[c->ring_len], key, len, value, STRIDE_U64);
    c->ring_len++;
    return __builtin_expect(c->ring_len == MR_TABLE_RING, 0) ? drain(c) : c->context.err.code;
}

/* Puts keys in the ring up to the first that is empty or long; returns how many. All can be loaded,
 * and the ring has room. */
static size_t put_shorts(struct mr_collector *c, const char *text, const uint32_t *bounds,
                         size_t count, uint64_t value) {
    struct mr_table_pending *pair = &c->ring[c->ring_len];
    size_t i = 0;
    for (; i < count; i++) {
        size_t len = bounds[2 * i + 1] - bounds[2 * i];
        if (__builtin_expect(len - 1 >= MR_TABLE_SHORT_MAX, 0)) {
            break;
        }
        put_short(c, &pair[i], text + bounds[2 * i], len, value, STRIDE_U64);
    }
    c->ring_len += (unsigned)i;
    return i;
}

static int emit_u64_sum_spans(struct mr_ctx *ctx, const char *text, const uint32_t *bounds,
                              size_t count, uint64_t value) {
    struct mr_collector *c = collector_of(ctx);
    size_t inner = count; /* so many can be loaded without reading beyond the last key */
    while (inner && (size_t)bounds[2 * inner - 2] + MR_TABLE_SHORT_MAX > bounds[2 * count - 1]) {
        inner--;
    }
    for (size_t i = 0; i < inner;) {
        size_t room = MR_TABLE_RING - c->ring_len;
        size_t wanted = inner - i < room ? inner - i : room;
        size_t put = put_shorts(c, text, bounds + 2 * i, wanted, value);
        i += put;
        if (c->ring_len == MR_TABLE_RING) {
            (void)drain(c);
        } else if (put < wanted) {
            (void)emit_any(c, text + bounds[2 * i], bounds[2 * i + 1] - bounds[2 * i], value);
            i++;
        }
    }
    for (size_t i = inner; i < count; i++) {
        (void)emit_u64_sum(ctx, text + bounds[2 * i], bounds[2 * i + 1] - bounds[2 * i], value);
    }
    return c->context.err.code;
}

static int emit_u64(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    return emit_any(collector_of(ctx), key, len, value);
}

static int emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    struct mr_collector *c = collector_of(ctx);
    uint64_t bits = (uint64_t)value;
    if (c->kind != MR_SUM_I64) {
        bits ^= (uint64_t)1 << 63; /* orders as u64 */
    }
    return emit_any(c, key.data, key.len, bits);
}

/* A gradient's sums: a short key's way into the ring, as for sums of u64. */
static int emit_f64_sum(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    struct mr_collector *c = collector_of(ctx);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool is_plain = key.len - 1 < MR_TABLE_SHORT_MAX && mr_table_is_loadable(key.data);
    if (__builtin_expect(!is_plain, 0)) {
        return emit_any(c, key.data, key.len, bits);
    }
    put_short(c, &c->ring[c->ring_len], key.data, key.len, bits, STRIDE_F64);
    c->ring_len++;
    return __builtin_expect(c->ring_len == MR_TABLE_RING, 0) ? drain(c) : c->context.err.code;
}

static int emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    struct mr_collector *c = collector_of(ctx);
    uint64_t bits;
    if (isnan(value)) {
        return mr_fail(ctx, "NaN has no place among numbers: min and max of it are undefined");
    }
    bits = mr_fold_rank(value);
    return emit_any(c, key.data, key.len, bits);
}

void mr_numbers_choose(struct mr_collector *c) {
    struct mr_ctx *ctx = &c->context.ctx;
    if (c->kind == MR_SUM_U64) {
        ctx->emit_u64 = emit_u64_sum;
        ctx->emit_u64_spans = emit_u64_sum_spans;
    } else if (mr_fold_is_u64(c->kind)) {
        ctx->emit_u64 = emit_u64;
    } else if (mr_fold_is_i64(c->kind)) {
        ctx->emit_i64 = emit_i64;
    } else if (c->kind == MR_SUM_F64) {
        ctx->emit_f64 = emit_f64_sum;
    } else if (mr_fold_is_f64(c->kind)) {
        ctx->emit_f64 = emit_f64;
    }
}

void mr_numbers_drain(struct mr_collector *c) {
    (void)!drain(c);
}
