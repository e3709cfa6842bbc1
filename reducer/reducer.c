/* reducer: hands each group of equal keys to the job's reduce, and takes what it emits. */
#include "reducer/reducer.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/output/line.h"
#include "reducer/stream.h"
#include <stdlib.h>

#define FLUSH_BYTES ((size_t)256 << 10)
#define LONG_SHARE 16 /* a pair of that part of the limit goes to disk from where it lies */

/* The group that reduce is looking at. */
struct mr_values {
    struct mr_reducer *reducer;
    bool at_first;  /* its first record is taken and not handed out */
    bool has_ended; /* the next record belongs to another group */
};

struct mr_reducer {
    struct mr_context context; /* first: callbacks' ctx is at offset 0 */
    struct mr_stream stream;
    struct mr_values values;
    struct mr_fold group_fold; /* over the keys that `group` joins */
    struct mr_buffer group_key;
    struct mr_buffer text; /* output not handed to the lane yet */
    char number[MR_NUMBER_TEXT_MAX];
    struct mr_reducer_output output;
    struct mr_reduce_counts *counts;
};

static struct mr_reducer *reducer_of(struct mr_ctx *ctx) {
    return (struct mr_reducer *)ctx;
}

/* ---- emits --------------------------------------------------------------------------------------
 */

static int flush(struct mr_reducer *r) {
    r->counts->bytes_out += r->text.len;
    size_t kept = r->text.len;
    int status = mr_lanes_flush(r->output.lanes, r->output.range, &r->text,
                                &r->counts->wait_seconds, &r->context.err);
    r->counts->bytes_out -= r->text.len == kept ? kept : 0; /* not its turn: counted later */
    if (!r->text.len) {
        mr_buffer_trim(&r->text);
    }
    return status;
}

static int write_line(struct mr_reducer *r, struct mr_bytes key, struct mr_bytes value) {
    if (mr_line_append(&r->text, key, value, &r->context.err)) {
        return r->context.err.code;
    }
    r->counts->records_out++;
    return r->text.len >= FLUSH_BYTES ? flush(r) : MR_OK;
}

static int write_pair(struct mr_reducer *r, struct mr_bytes key, struct mr_bytes value) {
    struct mr_run_writer *pairs = r->output.pairs;
    struct mr_error *err = &r->context.err;
    size_t len = key.len + value.len;
    bool is_over = mr_pool_bytes(r->output.pool) > r->output.pairs_limit ||
                   len > r->output.pairs_limit / LONG_SHARE;
    if (pairs->run->fd < 0 && is_over && mr_run_writer_to_disk(pairs, r->output.tmp, err)) {
        return err->code;
    }
    r->counts->records_out++;
    return mr_run_writer_add(pairs, 0, mr_run_prefix(key.data, key.len), key, value, err);
}

static int emit(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    struct mr_reducer *r = reducer_of(ctx);
    if (r->context.err.code) {
        return r->context.err.code;
    }
    return r->output.pairs ? write_pair(r, key, value) : write_line(r, key, value);
}

static struct mr_bytes raw_number(const void *number) {
    return (struct mr_bytes){number, sizeof(uint64_t)};
}

static int emit_u64(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, (struct mr_bytes){key, len},
                reducer_of(ctx)->output.raw_numbers
                    ? raw_number(&value)
                    : (struct mr_bytes){text, mr_number_put_u64(text, value)});
}

static int emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, key,
                reducer_of(ctx)->output.raw_numbers
                    ? raw_number(&value)
                    : (struct mr_bytes){text, mr_number_put_i64(text, value)});
}

static int emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, key,
                reducer_of(ctx)->output.raw_numbers
                    ? raw_number(&value)
                    : (struct mr_bytes){text, mr_number_put_f64(text, value)});
}

/* ---- the values of a group
 * ------------------------------------------------------------------------ */

/* An encoded value as reduce sees it: bytes without their place, numbers as text. */
static int show_value(struct mr_reducer *r, struct mr_bytes key, struct mr_bytes encoded,
                      struct mr_bytes *value) {
    enum mr_value kind = r->stream.kind;
    struct mr_error *err = &r->context.err;
    value->data = r->number;
    if (mr_fold_is_placed(kind)) {
        *value = (struct mr_bytes){encoded.data + MR_FOLD_PLACE_BYTES,
                                   encoded.len - MR_FOLD_PLACE_BYTES};
    } else if (kind == MR_COMBINED) {
        *value = encoded;
    } else if (mr_fold_is_u64(kind)) {
        uint64_t number = 0;
        (void)!mr_fold_number_u64(encoded, &number, err);
        value->len = mr_number_put_u64(r->number, number);
    } else if (mr_fold_is_i64(kind)) {
        int64_t number = 0;
        (void)!mr_fold_number_i64(key, encoded, &number, err);
        value->len = mr_number_put_i64(r->number, number);
    } else {
        double number = 0;
        (void)!mr_fold_number_f64(kind, encoded, &number, err);
        value->len = mr_number_put_f64(r->number, number);
    }
    return err->code;
}

static int current_value(struct mr_reducer *r, struct mr_bytes *value) {
    struct mr_bytes encoded;
    if (mr_stream_value(&r->stream, &encoded, &r->context.err)) {
        return r->context.err.code;
    }
    return show_value(r, mr_stream_key(&r->stream), encoded, value);
}

static bool is_stopped(struct mr_reducer *r) {
    const atomic_bool *stop = r->output.stop;
    return stop && atomic_load_explicit(stop, memory_order_relaxed) &&
           mr_error_set(&r->context.err, MR_ERR_INTERRUPTED, "interrupted");
}

/* Whether the next record belongs to the group under way. */
static bool continues_group(struct mr_reducer *r) {
    const struct mr_cursor *head;
    struct mr_context *context = &r->context;
    if (is_stopped(r)) {
        return false;
    }
    struct mr_bytes key = mr_stream_key(&r->stream); /* the last one taken: its neighbour */
    if (r->values.has_ended || mr_stream_peek(&r->stream, &head, &context->err) <= 0) {
        return false;
    }
    bool same = false;
    if (context->round->group) {
        int status = context->round->group(&context->ctx, context->state, key, head->key, &same);
        if (status) {
            mr_context_failed(context, "group", status);
        }
    } else {
        same = key.len == head->key.len &&
               (!key.len || memcmp(key.data, head->key.data, key.len) == 0);
    }
    r->values.has_ended = !same || context->err.code;
    return !r->values.has_ended;
}

static int next_value(struct mr_ctx *ctx, struct mr_values *values, struct mr_bytes *value) {
    struct mr_reducer *r = values->reducer;
    (void)ctx;
    r->context.where->record++;
    if (values->at_first) {
        values->at_first = false;
    } else {
        if (!continues_group(r)) {
            return r->context.err.code;
        }
        if (mr_stream_take(&r->stream, &r->context.err) < 0) {
            return r->context.err.code;
        }
    }
    return current_value(r, value) ? r->context.err.code : 1;
}

static struct mr_bytes values_key(const struct mr_values *values) {
    return mr_stream_key(&values->reducer->stream);
}

/* ---- calling reduce
 * --------------------------------------------------------------------------------- */

static int reduce_values(struct mr_reducer *r) {
    struct mr_context *context = &r->context;
    struct mr_bytes value;
    r->values = (struct mr_values){.reducer = r, .at_first = true};
    r->group_key.len = 0;
    if (mr_buffer_append(&r->group_key, r->stream.key.data, r->stream.key.len, &context->err)) {
        return context->err.code;
    }
    struct mr_bytes key = {r->group_key.data, r->group_key.len};
    if (context->round->reduce) {
        int status = context->round->reduce(&context->ctx, context->state, key, &r->values);
        if (status || context->err.code) {
            return mr_context_failed(context, "reduce", status);
        }
    } else {
        while (next_value(&context->ctx, &r->values, &value) > 0) {
            if (emit(&context->ctx, key, value)) {
                return context->err.code;
            }
        }
    }
    while (continues_group(r)) { /* what reduce left unread */
        if (mr_stream_take(&r->stream, &context->err) < 0) {
            return context->err.code;
        }
    }
    return context->err.code;
}

/* Calls the reduce for the number of one key, or emits it. */
static int reduce_number(struct mr_reducer *r, struct mr_bytes key, struct mr_bytes encoded) {
    struct mr_context *context = &r->context;
    const struct mr_round *round = context->round;
    struct mr_ctx *ctx = &context->ctx;
    struct mr_error *err = &context->err;
    int status = MR_OK;
    if (mr_fold_is_u64(r->stream.kind)) {
        uint64_t number = 0;
        status = mr_fold_number_u64(encoded, &number, err);
        status = status              ? status
                 : round->reduce_u64 ? round->reduce_u64(ctx, context->state, key, number)
                                     : emit_u64(ctx, key.data, key.len, number);
    } else if (mr_fold_is_i64(r->stream.kind)) {
        int64_t number = 0;
        status = mr_fold_number_i64(key, encoded, &number, err);
        status = status              ? status
                 : round->reduce_i64 ? round->reduce_i64(ctx, context->state, key, number)
                                     : emit_i64(ctx, key, number);
    } else {
        double number = 0;
        status = mr_fold_number_f64(r->stream.kind, encoded, &number, err);
        status = status              ? status
                 : round->reduce_f64 ? round->reduce_f64(ctx, context->state, key, number)
                                     : emit_f64(ctx, key, number);
    }
    return status || err->code ? mr_context_failed(context, "reduce", status) : MR_OK;
}

/* The plain sum of u64 without a `group`: the path of word count, free of encodings. */
static int reduce_plain_sum(struct mr_reducer *r) {
    struct mr_context *context = &r->context;
    struct mr_bytes key = mr_stream_key(&r->stream);
    if (!context->round->reduce_u64) {
        return emit_u64(&context->ctx, key.data, key.len, r->stream.u64);
    }
    int status = context->round->reduce_u64(&context->ctx, context->state, key, r->stream.u64);
    return status || context->err.code ? mr_context_failed(context, "reduce_u64", status) : MR_OK;
}

/* Folds the keys that `group` joins, then reduces their number. */
static int reduce_joined(struct mr_reducer *r) {
    struct mr_error *err = &r->context.err;
    struct mr_bytes value;
    r->values = (struct mr_values){.reducer = r};
    r->group_key.len = 0;
    if (mr_buffer_append(&r->group_key, r->stream.key.data, r->stream.key.len, err) ||
        mr_stream_value(&r->stream, &value, err) || mr_fold_begin(&r->group_fold, value, err)) {
        return err->code;
    }
    struct mr_bytes key = {r->group_key.data, r->group_key.len};
    while (continues_group(r)) {
        if (mr_stream_take(&r->stream, err) < 0 || mr_stream_value(&r->stream, &value, err) ||
            mr_fold_add(&r->group_fold, key, value, err)) {
            return err->code;
        }
    }
    return err->code || mr_fold_result(&r->group_fold, &value, err) ? err->code
                                                                    : reduce_number(r, key, value);
}

static int reduce_group(struct mr_reducer *r) {
    const struct mr_round *round = r->context.round;
    enum mr_value kind = r->stream.kind;
    bool is_number = mr_fold_is_u64(kind) || mr_fold_is_i64(kind) || mr_fold_is_f64(kind);
    if (!is_number || round->reduce) {
        return reduce_values(r);
    }
    if (round->group) {
        return reduce_joined(r);
    }
    if (kind == MR_SUM_U64) {
        return reduce_plain_sum(r);
    }
    struct mr_bytes value;
    if (mr_stream_value(&r->stream, &value, &r->context.err)) {
        return r->context.err.code;
    }
    return reduce_number(r, mr_stream_key(&r->stream), value);
}

int mr_reducer_next(struct mr_reducer *r) {
    int more = mr_stream_take(&r->stream, &r->context.err);
    if (more <= 0) {
        return more;
    }
    uint64_t before = r->counts->records_out;
    r->counts->groups++;
    r->context.where->record++;
    int status = reduce_group(r);
    if (r->counts->records_out > before) {
        r->counts->groups_with_output++;
    } else {
        r->counts->groups_without_output++;
    }
    return status ? status : 1;
}

int mr_reducer_open(struct mr_reducer *r, struct mr_run *const *runs, size_t count,
                    uint32_t partition, const struct mr_key_range *range,
                    const struct mr_reducer_output *output, struct mr_reduce_counts *counts) {
    struct mr_record_rules rules = mr_context_rules(&r->context);
    r->output = *output;
    r->counts = counts;
    r->group_fold.kind = rules.kind;
    return mr_stream_open(&r->stream, runs, count, partition, range, &rules, &r->context.err);
}

int mr_reducer_finish(struct mr_reducer *r) {
    struct mr_context *context = &r->context;
    if (context->round->reduce_end) {
        int status = context->round->reduce_end(&context->ctx, context->state);
        if (status || context->err.code) {
            return mr_context_failed(context, "reduce_end", status);
        }
    }
    if (!r->output.lanes) {
        return MR_OK;
    }
    r->counts->bytes_out += r->text.len;
    return mr_lanes_end(r->output.lanes, r->output.range, &r->text, &r->counts->wait_seconds,
                        &context->err);
}

void mr_reducer_close(struct mr_reducer *r) {
    r->counts->pairs_reduced += r->stream.taken;
    mr_stream_close(&r->stream);
    mr_fold_fini(&r->group_fold);
    mr_buffer_trim(&r->group_key);
    mr_buffer_trim(&r->text);
    r->text.len = 0;
}

int mr_reducer_create(const struct mr_context_source *source, struct mr_reducer **reducer,
                      struct mr_error *err) {
    struct mr_reducer *r = calloc(1, sizeof *r);
    if (!r || mr_buffer_reserve(&r->group_key, 1, err)) { /* a key has data, the empty one too */
        free(r);
        return mr_error_nomem(err, "starting a reducer");
    }
    mr_context_init(&r->context, source, MR_PHASE_REDUCE);
    r->context.ctx.emit = emit;
    r->context.ctx.emit_u64 = emit_u64;
    r->context.ctx.emit_i64 = emit_i64;
    r->context.ctx.emit_f64 = emit_f64;
    r->context.ctx.next = next_value;
    r->context.ctx.values_key = values_key;
    *reducer = r;
    return MR_OK;
}

void mr_reducer_destroy(struct mr_reducer *r) {
    if (!r) {
        return;
    }
    mr_context_fini(&r->context);
    mr_fold_fini(&r->group_fold);
    mr_buffer_fini(&r->group_key);
    mr_buffer_fini(&r->text);
    free(r);
}

struct mr_context *mr_reducer_context(struct mr_reducer *r) {
    return &r->context;
}
