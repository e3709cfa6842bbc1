/* seal: turns a full table or log into a sorted run. */
#include "mapper/seal.h"

#include "lib/base/error.h"
#include "lib/base/pages.h"
#include <endian.h>
#include <stdlib.h>

#define PREFETCH_AHEAD 16
#define SMALL_RUN 64 /* entries, which take no more chunks than that */
#define HUGE_SHARE 8 /* a pair of that part of the collector's budget is huge */
#define STOP_CHECK_ENTRIES ((size_t)1 << 16) /* a power of two */

void mr_seal_release(struct mr_collector *c) {
    mr_pages_unmap(c->refs, c->refs_bytes);
    c->refs = NULL;
}

/* Entries to sort: references in order of arrival, then the sorted ones, then the partition of
 * each. */
struct batch {
    size_t count;
    struct mr_key_ref *arrived;
    struct mr_key_ref *sorted;
    uint32_t *partitions;
    size_t *ends; /* of each partition, in `sorted` */
};

static int reserve_refs(struct mr_collector *c, struct batch *batch) {
    size_t bytes = mr_table_sort_bytes(batch->count);
    if (bytes > c->refs_bytes) {
        mr_seal_release(c);
        c->refs = mr_pages_map(bytes);
        if (!c->refs) {
            c->refs_bytes = 0;
            return mr_error_nomem(&c->context.err, "sorting");
        }
        c->refs_bytes = bytes;
    }
    batch->arrived = c->refs;
    batch->sorted = c->refs + batch->count;
    batch->partitions = (uint32_t *)(void *)(batch->sorted + batch->count);
    return MR_OK;
}

static bool is_log(const struct mr_collector *c) {
    return c->kind == MR_VALUES;
}

static const struct mr_table_entry *entry_at(const struct mr_collector *c, uint32_t at) {
    return (const struct mr_table_entry *)(const void *)(c->arena + (size_t)at * 8);
}

/* The bytes of a key that a reference's 16 can't hold; for mr_key_sort. */
static const char *long_key(const void *arg, uint32_t index) {
    const struct mr_collector *c = arg;
    return is_log(c) ? (const char *)(entry_at(c, index) + 1) : c->arena + (size_t)index * 8;
}

/* The slot of a reference: of a long key's, the one that stands before the key. */
static struct mr_table_slot *slot_of(const struct mr_collector *c, const struct mr_key_ref *ref) {
    uint64_t index = ref->index;
    if (ref->len > MR_TABLE_SHORT_MAX) {
        memcpy(&index, long_key(c, ref->index) - sizeof index, sizeof index);
    }
    return mr_table_slot_at(c, index);
}

/* The key of a reference; `words` holds a short one. */
static struct mr_bytes key_of(const struct mr_collector *c, const struct mr_key_ref *ref,
                              uint64_t words[2]) {
    if (ref->len > MR_TABLE_SHORT_MAX) {
        return (struct mr_bytes){long_key(c, ref->index), ref->len};
    }
    words[0] = htobe64(ref->hi);
    words[1] = htobe64(ref->lo);
    return (struct mr_bytes){(const char *)words, ref->len};
}

/* Looks at the stop with every so many entries. */
static inline bool is_stopped(struct mr_collector *c, size_t entry) {
    return entry % STOP_CHECK_ENTRIES == 0 && c->stop &&
           atomic_load_explicit(c->stop, memory_order_relaxed) &&
           mr_error_set(&c->context.err, MR_ERR_INTERRUPTED, "interrupted");
}

/* Notes entry number i: its reference, and its partition, while its key is in cache. */
static int refer(struct mr_collector *c, struct batch *batch, size_t i, struct mr_key_ref ref) {
    uint64_t words[2];
    uint32_t *partition = &batch->partitions[i];
    batch->arrived[i] = ref;
    if (is_stopped(c, i) || mr_context_partition(&c->context, key_of(c, &ref, words), partition)) {
        return c->context.err.code;
    }
    batch->ends[*partition + 1]++;
    return MR_OK;
}

/* The keys of slots ahead are fetched early: their places in the arena follow no order. (What does
 * nothing but prefetch must be inlined by force: a call of it has no effect that GCC knows, and is
 * left out.) */
MR_TABLE_INLINE void prefetch_long_key(const struct mr_collector *c, uint64_t index) {
    const struct mr_table_slot *slot = mr_table_slot_at(c, index & c->mask);
    if (slot->len1 > MR_TABLE_SHORT_MAX + 1) {
        __builtin_prefetch(mr_table_long_key(c, slot));
    }
}

static int refer_to_slots(struct mr_collector *c, struct batch *batch) {
    size_t count = 0;
    for (uint64_t i = 0; i <= c->mask; i++) {
        const struct mr_table_slot *slot = mr_table_slot_at(c, i);
        prefetch_long_key(c, i + PREFETCH_AHEAD);
        if (!slot->len1) {
            continue;
        }
        uint32_t len = slot->len1 - 1;
        struct mr_key_ref ref = {be64toh(slot->k0), be64toh(slot->k1), (uint32_t)i, len};
        if (len > MR_TABLE_SHORT_MAX) {
            char *key = c->arena + (size_t)slot->at * 8;
            memcpy(key - sizeof i, &i, sizeof i);
            ref.lo = mr_run_prefix(key, len).lo;
            ref.index = slot->at;
        }
        if (refer(c, batch, count++, ref)) {
            return c->context.err.code;
        }
    }
    return MR_OK;
}

static int refer_to_log(struct mr_collector *c, struct batch *batch) {
    size_t at = 8;
    for (size_t i = 0; i < batch->count; i++) {
        const struct mr_table_entry *entry = entry_at(c, (uint32_t)(at / 8));
        struct mr_prefix prefix = mr_run_prefix((const char *)(entry + 1), entry->key_len);
        struct mr_key_ref ref = {prefix.hi, prefix.lo, (uint32_t)(at / 8), entry->key_len};
        if (refer(c, batch, i, ref)) {
            return c->context.err.code;
        }
        at += (sizeof *entry + entry->key_len + entry->value_len + 7) & ~(size_t)7;
    }
    return MR_OK;
}

/* Moves the references into their partitions, keeping the order of arrival within each. */
static int distribute(struct mr_collector *c, struct batch *batch) {
    for (uint32_t p = 0; p < c->context.ctx.partitions; p++) {
        batch->ends[p + 1] += batch->ends[p];
    }
    for (size_t i = 0; i < batch->count; i++) { /* ends[p] walks from p's start to its end */
        if (is_stopped(c, i)) {
            return c->context.err.code;
        }
        batch->sorted[batch->ends[batch->partitions[i]]++] = batch->arrived[i];
    }
    return MR_OK;
}

static int sort_partition(struct mr_collector *c, struct mr_key_ref *refs, size_t count,
                          struct mr_key_ref *scratch) {
    struct mr_record_rules rules = mr_context_rules(&c->context);
    struct mr_key_source source = {.key = long_key, .arg = c, .stop = c->stop};
    int status = MR_OK;
    if (rules.order.compare) {
        struct mr_key_order order = {rules.order.compare, rules.order.arg};
        status = mr_key_sort_by(refs, count, scratch, &source, &order);
    } else {
        mr_key_sort(refs, count, scratch, &source);
    }
    return is_stopped(c, 0) ? c->context.err.code : status;
}

size_t mr_seal_encode(const struct mr_collector *c, const void *value, char *out) {
    uint64_t number;
    memcpy(&number, value, sizeof number);
    switch (c->kind) {
    case MR_SUM_I64: {
        __int128 sum;
        memcpy(&sum, value, sizeof sum);
        return mr_fold_put_i128(out, sum);
    }
    case MR_MIN_I64:
    case MR_MAX_I64:
        return mr_fold_put_i128(out, (int64_t)(number ^ (uint64_t)1 << 63));
    case MR_MIN_F64:
    case MR_MAX_F64:
        number = htobe64(number);
        memcpy(out, &number, sizeof number);
        return sizeof number;
    case MR_SUM_F64: {
        const struct mr_exact_window *sum = value;
        return sum->spare ? mr_exact_sum_wide_encode(
                                (const void *)(c->arena + (size_t)sum->spare * 8), out)
                          : mr_exact_sum_window_encode(sum, out);
    }
    default:
        return mr_fold_put_u64(out, number);
    }
}

/* The encoded value of a reference; `encoded` holds a number. */
static struct mr_bytes value_of(const struct mr_collector *c, const struct mr_key_ref *ref,
                                char encoded[MR_FOLD_VALUE_MAX]) {
    if (is_log(c)) {
        const struct mr_table_entry *entry = entry_at(c, ref->index);
        return (struct mr_bytes){(const char *)(entry + 1) + entry->key_len, entry->value_len};
    }
    struct mr_table_slot *slot = slot_of(c, ref);
    if (c->kind == MR_FIRST || c->kind == MR_COMBINED) {
        const struct mr_table_bytes *bytes = mr_table_value(slot);
        return (struct mr_bytes){c->arena + (size_t)bytes->at * 8, bytes->len};
    }
    return (struct mr_bytes){encoded, mr_seal_encode(c, mr_table_value(slot), encoded)};
}

/* Fetches entries ahead: first what their reference leads to, then, when that is there, the slot
 * of a long key. */
MR_TABLE_INLINE void prefetch(const struct mr_collector *c, const struct mr_key_ref *refs, size_t i,
                              size_t count) {
    if (i + 2 * PREFETCH_AHEAD < count) {
        const struct mr_key_ref *ref = &refs[i + 2 * PREFETCH_AHEAD];
        bool leads_to_slot = !is_log(c) && ref->len <= MR_TABLE_SHORT_MAX;
        __builtin_prefetch(leads_to_slot ? (const char *)mr_table_slot_at(c, ref->index)
                                         : c->arena + (size_t)ref->index * 8);
    }
    if (i + PREFETCH_AHEAD < count && !is_log(c)) {
        __builtin_prefetch(slot_of(c, &refs[i + PREFETCH_AHEAD]));
    }
}

static int write_partition(struct mr_collector *c, struct mr_run_writer *writer, uint32_t partition,
                           const struct mr_key_ref *refs, size_t count) {
    char encoded[MR_FOLD_VALUE_MAX];
    uint64_t words[2];
    for (size_t i = 0; i < count; i++) {
        prefetch(c, refs, i, count);
        if (is_stopped(c, i)) {
            return c->context.err.code;
        }
        struct mr_prefix prefix = {refs[i].hi, refs[i].lo};
        if (mr_run_writer_add(writer, partition, prefix, key_of(c, &refs[i], words),
                              value_of(c, &refs[i], encoded), &c->context.err)) {
            return c->context.err.code;
        }
    }
    return MR_OK;
}

static int put_run(struct mr_collector *c, struct mr_run_writer *writer) {
    struct mr_run *run;
    if (mr_run_writer_finish(writer, &run, &c->context.err)) {
        return c->context.err.code;
    }
    struct mr_record_rules rules = mr_context_rules(&c->context);
    const char *input = mr_context_leave_record(&c->context); /* it may merge others */
    (void)!mr_run_store_put(c->store, run, &rules, &c->context.err);
    mr_context_return_to_record(&c->context, input);
    return c->context.err.code;
}

static int write_run(struct mr_collector *c, struct batch *batch) {
    struct mr_run_writer writer;
    /* Each partition takes a chunk: with many of them a run in memory would be mostly empty. */
    size_t chunks = (size_t)c->context.ctx.partitions * MR_POOL_CHUNK_BYTES;
    const char *tmp =
        chunks > c->budget / 2 && batch->count > SMALL_RUN ? mr_run_store_tmp(c->store) : NULL;
    if (mr_run_writer_open(&writer, c->pool, tmp, &c->context.err)) {
        return c->context.err.code;
    }
    size_t begin = 0;
    for (uint32_t p = 0; p < c->context.ctx.partitions; p++) {
        struct mr_key_ref *refs = batch->sorted + begin;
        size_t count = batch->ends[p] - begin;
        if (count && (sort_partition(c, refs, count, batch->arrived) ||
                      write_partition(c, &writer, p, refs, count))) {
            break;
        }
        begin = batch->ends[p];
    }
    if (c->context.err.code) {
        mr_run_writer_abandon(&writer);
        return c->context.err.code;
    }
    return put_run(c, &writer);
}

int mr_seal_table(struct mr_collector *c) {
    struct batch batch = {.count = is_log(c) ? c->log_entries : c->used};
    if (c->context.err.code || !batch.count) {
        return c->context.err.code;
    }
    batch.ends = calloc((size_t)c->context.ctx.partitions + 1, sizeof *batch.ends);
    if (!batch.ends) {
        return mr_error_nomem(&c->context.err, "sorting");
    }
    const char *input = mr_context_leave_record(&c->context); /* what is sealed is of others too */
    if (!reserve_refs(c, &batch)) {
        int status = is_log(c) ? refer_to_log(c, &batch) : refer_to_slots(c, &batch);
        if (!status) {
            (void)!(distribute(c, &batch) || write_run(c, &batch));
        }
    }
    mr_context_return_to_record(&c->context, input);
    free(batch.ends);
    mr_table_empty(c);
    return c->context.err.code;
}

int mr_seal_make_room(struct mr_collector *c) {
    return mr_table_grow(c) ? MR_OK : mr_seal_table(c);
}

int mr_seal_alone(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value) {
    struct mr_run_writer writer;
    uint32_t partition;
    /* What takes much of the pool goes to disk from where it lies. */
    bool is_huge = key.len + value.len > c->budget / HUGE_SHARE;
    if (mr_context_partition(&c->context, key, &partition) ||
        mr_run_writer_open(&writer, c->pool, is_huge ? mr_run_store_tmp(c->store) : NULL,
                           &c->context.err)) {
        return c->context.err.code;
    }
    if (mr_run_writer_add(&writer, partition, mr_run_prefix(key.data, key.len), key, value,
                          &c->context.err)) {
        mr_run_writer_abandon(&writer);
        return c->context.err.code;
    }
    return put_run(c, &writer);
}
