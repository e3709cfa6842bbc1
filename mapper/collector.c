/* collector: takes what map emits, folds equal keys, and seals what is full as sorted runs. */
#include "mapper/collector.h"

#include "lib/base/error.h"
#include "mapper/numbers.h"
#include "mapper/seal.h"
#include <stdlib.h>
#include <sys/random.h>

static struct mr_collector *collector_of(struct mr_ctx *ctx) {
    return (struct mr_collector *)ctx;
}

static struct mr_place place_now(struct mr_collector *c) {
    uint64_t record = c->context.where->offset + c->context.where->record;
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
    int status = mr_seal_alone(c, key, (struct mr_bytes){c->combined.data, c->combined.len});
    mr_buffer_trim(&c->combined);
    return status;
}

/* Appends {header, key, place, value} to the log. */
static int log_pair(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value) {
    struct mr_place place = place_now(c);
    size_t value_len = MR_FOLD_PLACE_BYTES + value.len;
    size_t need = sizeof(struct mr_table_entry) + key.len + value_len;
    size_t sorting = mr_table_sort_bytes(c->log_entries + 1);
    if (c->arena_used + need + 8 + sorting > c->budget && c->log_entries) {
        if (mr_seal_table(c)) {
            return c->context.err.code;
        }
        sorting = mr_table_sort_bytes(1);
    }
    if (c->arena_used + need + 8 + sorting > c->budget) {
        return seal_placed_alone(c, key, value, place);
    }
    struct mr_table_entry entry = {(uint32_t)key.len, (uint32_t)value_len};
    char *out = c->arena + c->arena_used;
    memcpy(out, &entry, sizeof entry);
    out += sizeof entry;
    if (key.len) {
        memcpy(out, key.data, key.len);
        out += key.len;
    }
    mr_fold_put_place(out, place);
    if (value.len) {
        memcpy(out + MR_FOLD_PLACE_BYTES, value.data, value.len);
    }
    c->arena_used += (need + 7) & ~(size_t)7;
    c->log_entries++;
    return MR_OK;
}

/* Stores an encoded value of two parts in the arena, over the old one where that has room. False:
 * the arena is full. */
static bool store_bytes(struct mr_collector *c, struct mr_table_bytes *slot, struct mr_bytes head,
                        struct mr_bytes body) {
    size_t len = head.len + body.len;
    if (len > slot->room) {
        size_t at = mr_table_take_arena(c, len);
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
    struct mr_table_pending pair = {0};
    mr_table_prepare(c, key.data, key.len, &pair);
    while (!c->context.err.code) {
        struct mr_table_slot *slot = mr_table_find(c, &pair, key.data, c->stride);
        if (slot->len1) {
            if (fold_bytes(c, mr_table_value(slot), key, head, body)) {
                c->folded++;
                break;
            }
        } else {
            struct mr_table_bytes value = {0};
            if (store_bytes(c, &value, head, body) && mr_table_insert(c, slot, &pair, key.data)) {
                memcpy(mr_table_value(slot), &value, sizeof value);
                break;
            }
        }
        (void)!mr_seal_make_room(c);
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
    if (key.len > MR_TABLE_KEY_MAX || value.len > MR_TABLE_KEY_MAX - key.len) {
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
    struct mr_context *context = &collector_of(ctx)->context;
    if (offset < context->where->record) { /* places must follow the order of emits */
        (void)mr_fail(ctx, "mr_at went back from %llu to %llu within a block",
                      (unsigned long long)context->where->record, (unsigned long long)offset);
        return;
    }
    context->where->record = offset;
    context->where->is_exact = true;
}

static void choose_functions(struct mr_collector *c) {
    struct mr_ctx *ctx = &c->context.ctx;
    ctx->at = at_record;
    mr_numbers_choose(c);
    if (mr_fold_is_placed(c->kind) || c->kind == MR_COMBINED) {
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

/* Begins a phase: an account of zero, the job's setup, and then the emits. */
static int begin_phase(struct mr_collector *c, const struct mr_context_source *source,
                       struct mr_error *err) {
    mr_context_init(&c->context, source, MR_PHASE_MAP);
    c->emitted = c->folded = c->emitted_when_empty = 0;
    c->ring_len = 0;
    c->ring_has_long = false;
    c->split = 0;
    if (mr_context_setup(&c->context)) {
        *err = c->context.err;
    }
    choose_functions(c); /* only now: setup may not emit */
    return err->code;
}

int mr_collector_create(const struct mr_collector_options *options, struct mr_collector **collector,
                        struct mr_error *err) {
    struct mr_collector *c = aligned_alloc(_Alignof(struct mr_collector), sizeof *c);
    if (!c) {
        return mr_error_nomem(err, "making a collector");
    }
    memset(c, 0, sizeof *c);
    c->store = options->store;
    c->pool = options->pool;
    c->stop = options->stop;
    c->kind = options->source.rounds[options->source.round].value;
    c->value_bytes = value_bytes(c->kind);
    c->stride = sizeof(struct mr_table_slot) + c->value_bytes;
    c->budget = options->budget_bytes;
    uint64_t seeds[2] = {0x243F6A8885A308D3u, 0x13198A2E03707344u};
    (void)!getrandom(seeds, sizeof seeds, GRND_NONBLOCK); /* without: still correct */
    c->seed0 = seeds[0];
    c->seed1 = seeds[1];
    if (mr_table_open(c, err) || begin_phase(c, &options->source, err)) {
        mr_collector_destroy(c);
        return err->code;
    }
    *collector = c;
    return MR_OK;
}

void mr_collector_rest(struct mr_collector **collector) {
    struct mr_collector *c = *collector;
    if (mr_table_touched(c) + c->refs_bytes + c->combined.cap > MR_COLLECTOR_REST_BYTES) {
        mr_collector_destroy(c);
        *collector = NULL;
        return;
    }
    mr_context_fini(&c->context);
    mr_table_empty(c);
}

int mr_collector_wake(const struct mr_collector_options *options, struct mr_collector **collector,
                      struct mr_error *err) {
    struct mr_collector *c = *collector;
    *collector = NULL;
    if (!c || c->kind != options->source.rounds[options->source.round].value) {
        mr_collector_destroy(c);
        return mr_collector_create(options, collector, err);
    }
    if (begin_phase(c, &options->source, err)) {
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
    mr_table_close(c);
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
    c->context.where->offset = 0;
    c->context.where->record = 0;
}

int mr_collector_finish(struct mr_collector *c) {
    c->context.where->input = NULL; /* sealing concerns no one record */
    mr_context_where = c->context.where;
    mr_numbers_drain(c);
    int status = c->context.err.code ? c->context.err.code : mr_seal_table(c);
    mr_context_where = NULL;
    return status;
}

uint64_t mr_collector_emitted(const struct mr_collector *c) {
    return c->emitted;
}

uint64_t mr_collector_combined(const struct mr_collector *c) {
    return c->folded;
}
