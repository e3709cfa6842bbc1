/* context: what the engine keeps behind the `struct mr_ctx` that a callback is handed. */
#include "lib/job/context.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include <stdio.h>
#include <stdlib.h>

#define NOT_SET SIZE_MAX /* for a length: combine has not called mr_set */

_Thread_local struct mr_where *mr_context_where;

static struct mr_context *context_of(const struct mr_ctx *ctx) {
    return (struct mr_context *)(uintptr_t)ctx; /* ctx is its first member */
}

static int no_emit(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    (void)key;
    (void)value;
    return mr_fail(ctx, "mr_emit can't be called here");
}
static int no_emit_u64(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    (void)key;
    (void)len;
    (void)value;
    return mr_fail(ctx, "mr_emit_u64 can't be called here: the round's value is of another kind");
}
/* In any phase: as emit_u64 does there. */
static int emit_u64_spans(struct mr_ctx *ctx, const char *text, const uint32_t *bounds,
                          size_t count, uint64_t value) {
    int status = context_of(ctx)->err.code;
    for (size_t i = 0; i < count && !status; i++, bounds += 2) {
        status = ctx->emit_u64(ctx, text + bounds[0], bounds[1] - bounds[0], value);
    }
    return status;
}
static int no_emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    (void)key;
    (void)value;
    return mr_fail(ctx, "mr_emit_i64 can't be called here: the round's value is of another kind");
}
static int no_emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    (void)key;
    (void)value;
    return mr_fail(ctx, "mr_emit_f64 can't be called here: the round's value is of another kind");
}
static void no_at(struct mr_ctx *ctx, uint64_t offset) {
    context_of(ctx)->where->record = offset;
}
static int no_next(struct mr_ctx *ctx, struct mr_values *values, struct mr_bytes *value) {
    (void)values;
    (void)value;
    return mr_fail(ctx, "mr_next can't be called here");
}
static struct mr_bytes no_values_key(const struct mr_values *values) {
    (void)values;
    return (struct mr_bytes){0};
}

static int no_result(struct mr_ctx *ctx, struct mr_results *results, struct mr_bytes *key,
                     struct mr_bytes *value) {
    (void)results;
    (void)key;
    (void)value;
    return mr_fail(ctx, "mr_next_result can be called in round_done only");
}
static int no_loop_state(struct mr_ctx *ctx, struct mr_bytes state) {
    (void)state;
    return mr_fail(ctx, "mr_set_loop_state can be called in start and round_done only");
}

static int set_value(struct mr_ctx *ctx, struct mr_bytes value) {
    struct mr_context *context = context_of(ctx);
    if (!context->set_target) {
        return mr_fail(ctx, "mr_set can be called inside combine only");
    }
    context->set_target->len = 0;
    return mr_buffer_append(context->set_target, value.data, value.len, &context->err);
}

/* A name or kind that the job did not declare would read as nothing: it fails the job instead. */
static bool is_declared(const struct mr_ctx *ctx, const char *name, bool as_number) {
    struct mr_context *context = context_of(ctx);
    const struct mr_param *param = context->job->params;
    while (param && param->name && strcmp(param->name, name) != 0) {
        param++;
    }
    if (!param || !param->name) {
        (void)mr_fail(&context->ctx, "the job declares no parameter \"%s\"", name);
        return false;
    }
    if (as_number && param->kind != MR_PARAM_U64 && param->kind != MR_PARAM_FLAG) {
        (void)mr_fail(&context->ctx, "the parameter \"%s\" is not a number", name);
        return false;
    }
    return true;
}

static const char *param_text(const struct mr_ctx *ctx, const char *name) {
    if (!is_declared(ctx, name, false)) {
        return NULL;
    }
    return mr_params_text(context_of(ctx)->params, name);
}
static uint64_t param_u64(const struct mr_ctx *ctx, const char *name) {
    if (!is_declared(ctx, name, true)) {
        return 0;
    }
    return mr_params_u64(context_of(ctx)->params, name);
}
static int side_input(struct mr_ctx *ctx, const char *param, struct mr_bytes *content) {
    *content = mr_params_file(context_of(ctx)->params, param);
    return MR_OK;
}
static int counter_add(struct mr_ctx *ctx, const char *name, uint64_t amount) {
    struct mr_context *context = context_of(ctx);
    return mr_context_counters_add(&context->counters, name, amount, &context->err);
}

static void log_line(struct mr_ctx *ctx, const char *format, va_list args) {
    struct mr_context *context = context_of(ctx);
    if (!context->verbose) {
        return;
    }
    char line[512];
    vsnprintf(line, sizeof line, format, args);
    fprintf(stderr, "millrace: %s: %s\n", context->job->name, line);
}

/* Adds where the record stands, and the keys that the callback looks at. */
static void add_place(struct mr_context *context) {
    const struct mr_where *where = context->where;
    struct mr_error *err = &context->err;
    const char *before = " (";
    if (where->input) {
        mr_error_add(err, " (%s, at offset %llu", where->input,
                     (unsigned long long)(where->offset + where->record));
        before = ", ";
    } else if (where->phase == MR_PHASE_REDUCE) {
        mr_error_add(err, " (reducing partition %u", where->task);
        before = ", ";
    } else if (where->phase == MR_PHASE_LOOP) {
        mr_error_add(err, " (in %s", where->pass ? "round_done" : "start");
        before = ", ";
    }
    if (where->pass) {
        mr_error_add(err, "%spass %llu", before, (unsigned long long)where->pass);
        before = ", ";
    }
    for (unsigned i = 0; i < context->key_count; i++) {
        char text[MR_FOLD_KEY_TEXT_MAX];
        mr_error_add(err, "%s%s%s", before, i ? "" : "key ",
                     mr_fold_key_text(context->keys[i], text));
        before = " and ";
    }
    if (strcmp(before, " (") != 0) {
        mr_error_add(err, ")");
    }
}

const char *mr_context_leave_record(struct mr_context *context) {
    const char *input = context->where->input;
    context->where->input = NULL;
    return input;
}

void mr_context_return_to_record(struct mr_context *context, const char *input) {
    context->where->input = input;
}

static int fail(struct mr_ctx *ctx, const char *format, va_list args) {
    struct mr_context *context = context_of(ctx);
    if (!context->err.code) {
        char text[MR_ERROR_TEXT_MAX / 2];
        vsnprintf(text, sizeof text, format, args);
        mr_error_set(&context->err, MR_ERR_JOB, "%s: %s", context->job->name, text);
        add_place(context);
    }
    return context->err.code;
}

int mr_context_failed(struct mr_context *context, const char *callback, int status) {
    if (!context->err.code && status == MR_ERR_NOMEM) {
        mr_error_set(&context->err, status, "out of memory in %s of job %s", callback,
                     context->job->name);
        add_place(context);
    } else if (!context->err.code) {
        mr_error_set(&context->err, MR_ERR_JOB, "%s: %s failed with status %d and no message",
                     context->job->name, callback, status);
        add_place(context);
    }
    return context->err.code;
}

int mr_context_counters_add(struct mr_counters *counters, const char *name, uint64_t amount,
                            struct mr_error *err) {
    for (size_t i = 0; i < counters->count; i++) {
        if (counters->items[i].name == name || strcmp(counters->items[i].name, name) == 0) {
            counters->items[i].value += amount;
            return MR_OK;
        }
    }
    struct mr_run_counter *items =
        realloc(counters->items, (counters->count + 1) * sizeof *counters->items);
    if (!items) {
        return mr_error_nomem(err, "adding a counter");
    }
    counters->items = items;
    counters->items[counters->count++] = (struct mr_run_counter){name, amount};
    return MR_OK;
}

void mr_context_init(struct mr_context *context, const struct mr_context_source *source,
                     enum mr_phase phase) {
    *context = (struct mr_context){
        .ctx = {.emit = no_emit,
                .emit_u64 = no_emit_u64,
                .emit_u64_spans = emit_u64_spans,
                .emit_i64 = no_emit_i64,
                .emit_f64 = no_emit_f64,
                .at = no_at,
                .next = no_next,
                .values_key = no_values_key,
                .set = set_value,
                .param = param_text,
                .param_u64 = param_u64,
                .side_input = side_input,
                .counter_add = counter_add,
                .log = log_line,
                .fail = fail,
                .phase = phase,
                .round = source->round,
                .partitions = source->partitions,
                .next_result = no_result,
                .set_loop_state = no_loop_state,
                .loop_state = source->loop_state,
                .pass = source->pass ? source->pass - 1 : 0},
        .job = source->job,
        .round = &source->rounds[source->round],
        .params = source->params,
        .verbose = source->verbose,
    };
    context->where = source->where ? source->where : &context->own_where;
    *context->where = (struct mr_where){.job = source->job->name,
                                        .round = source->rounds[source->round].name,
                                        .pass = source->pass,
                                        .phase = phase};
}

int mr_context_setup(struct mr_context *context) {
    int status = MR_OK;
    if (context->job->setup) {
        struct mr_where *before = mr_context_where;
        mr_context_where = context->where;
        status = context->job->setup(&context->ctx, &context->state);
        mr_context_where = before;
    }
    context->has_state = status == MR_OK; /* also where it only said mr_fail: teardown follows */
    return status || context->err.code ? mr_context_failed(context, "setup", status) : MR_OK;
}

void mr_context_teardown(struct mr_context *context) {
    if (context->has_state && context->job->teardown) {
        context->job->teardown(context->state);
    }
    context->has_state = false;
    context->state = NULL;
}

void mr_context_fini(struct mr_context *context) {
    mr_context_teardown(context);
    free(context->counters.items);
    context->counters = (struct mr_counters){0};
}

static int compare_keys(void *arg, struct mr_bytes a, struct mr_bytes b, int *order) {
    struct mr_context *context = arg;
    context->keys[0] = a;
    context->keys[1] = b;
    context->key_count = 2;
    int status = context->round->compare(&context->ctx, context->state, a, b, order);
    if (status || context->err.code) {
        (void)!mr_context_failed(context, "compare", status);
    }
    context->key_count = 0;
    return context->err.code;
}

static int combine(struct mr_context *context, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value, struct mr_buffer *out) {
    context->set_target = out;
    out->len = NOT_SET;
    int status = context->round->combine(&context->ctx, context->state, key, into, value);
    context->set_target = NULL;
    if (out->len == NOT_SET) {
        out->len = 0;
        if (!status) {
            return mr_fail(&context->ctx, "combine gave no value: mr_set was not called");
        }
    }
    return status || context->err.code ? mr_context_failed(context, "combine", status) : MR_OK;
}

int mr_context_combine(void *arg, struct mr_bytes key, struct mr_bytes into, struct mr_bytes value,
                       struct mr_buffer *out) {
    struct mr_context *context = arg;
    context->keys[0] = key;
    context->key_count = 1;
    int status = combine(context, key, into, value, out);
    context->key_count = 0;
    return status;
}

struct mr_record_rules mr_context_rules(struct mr_context *context) {
    const struct mr_round *round = context->round;
    return (struct mr_record_rules){
        .order = {.compare = round->compare ? compare_keys : NULL,
                  .arg = context,
                  .placed = mr_fold_is_placed(round->value)},
        .kind = round->value,
        .combine = mr_context_combine,
        .arg = context,
        .partitions = context->ctx.partitions,
    };
}

/* By the job's own function. */
static int partition_by_job(struct mr_context *context, struct mr_bytes key, uint32_t *partition) {
    uint32_t partitions = context->ctx.partitions;
    int status =
        context->round->partition(&context->ctx, context->state, key, partitions, partition);
    if (status || context->err.code) {
        return mr_context_failed(context, "partition", status);
    }
    if (*partition >= partitions) {
        return mr_fail(&context->ctx, "partition gave %u: there are %u", *partition, partitions);
    }
    return MR_OK;
}

int mr_context_partition(struct mr_context *context, struct mr_bytes key, uint32_t *partition) {
    uint32_t partitions = context->ctx.partitions;
    if (!context->round->partition) {
        *partition = partitions == 1 ? 0 : (uint32_t)(mr_hash_xxh3(key.data, key.len) % partitions);
        return MR_OK;
    }
    context->keys[0] = key;
    context->key_count = 1;
    int status = partition_by_job(context, key, partition);
    context->key_count = 0;
    return status;
}
