/* loop: a job's loop: its state, what it makes of a pass's results, and the lines it emits.
 *
 * A pass is a run through the job's list of rounds; the engine does it as it does any rounds. Here
 * is what happens between two passes, in the thread that called mr_run, while no task runs:
 *
 *     start ─> state 1 ─> pass 1 ─> results 1 ─> round_done ─> state 2 ─> pass 2 ─> …
 *
 * The state is bytes, named by their XXH3-128. Tasks read it where it lies: it is replaced only
 * between two passes. Two copies exist while round_done runs, the one the pass read and the one it
 * is making; hence its limit.
 *
 * Results are the pairs of the last round as reduce emitted them, partition after partition, each
 * in order of arrival, in memory or on disk like the pairs between two rounds.
 *
 * Lines gather in a buffer; a stream gets them after a pass, unless the last ones were written a
 * moment ago: a loop of a thousand passes a second shall not make a thousand system calls. */
#include "master/local/loop.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/base/number.h"
#include "lib/output/line.h"
#include "master/local/books.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FLUSH_BYTES ((size_t)64 << 10)
#define FLUSH_SECONDS 0.1       /* a person sees no delay */
#define STOP_CHECK_RESULTS 1024 /* a power of two */

/* Where round_done is in the results of its pass. */
struct mr_results {
    const struct mr_stage_pairs *pairs; /* NULL: none, in start */
    struct mr_cursor cursor;
    uint32_t next; /* the partition behind that of the cursor */
    bool is_open;  /* the cursor stands in a partition */
    uint64_t steps;
};

struct mr_loop {
    struct mr_context context; /* first: callbacks' ctx is at offset 0 */
    const struct mr_stage_source *source;
    struct mr_outlet outlet;
    struct mr_results results;
    struct mr_buffer state;
    struct mr_buffer next; /* the state that is being made */
    bool has_next;
    struct mr_hash_128 name; /* of the state */
    struct mr_buffer text;   /* lines not written yet */
    uint64_t records;
    uint64_t bytes;
    double flushed; /* when */
};

static struct mr_loop *loop_of(struct mr_ctx *ctx) {
    return (struct mr_loop *)ctx;
}

/* ---- what the callbacks call ---- */

static int emit(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    struct mr_loop *loop = loop_of(ctx);
    struct mr_error *err = &loop->context.err;
    if (err->code || mr_line_append(&loop->text, key, value, err)) {
        return err->code;
    }
    loop->records++;
    return MR_OK;
}

static int emit_u64(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, (struct mr_bytes){key, len},
                (struct mr_bytes){text, mr_number_put_u64(text, value)});
}

static int emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, key, (struct mr_bytes){text, mr_number_put_i64(text, value)});
}

static int emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    char text[MR_NUMBER_TEXT_MAX];
    return emit(ctx, key, (struct mr_bytes){text, mr_number_put_f64(text, value)});
}

static int set_state(struct mr_ctx *ctx, struct mr_bytes state) {
    struct mr_loop *loop = loop_of(ctx);
    size_t limit = loop->source->plan->memory.state_max;
    if (loop->context.err.code) {
        return loop->context.err.code;
    }
    if (state.len > limit) {
        char size[MR_NUMBER_TEXT_MAX];
        char most[MR_NUMBER_TEXT_MAX];
        mr_number_put_size(size, sizeof size, state.len);
        mr_number_put_size(most, sizeof most, limit);
        return mr_fail(ctx, "a state of %s: the limit is %s, 1/32 of --memory", size, most);
    }
    loop->has_next = true;
    loop->next.len = 0;
    return mr_buffer_append(&loop->next, state.data, state.len, &loop->context.err);
}

static bool is_stopped(struct mr_loop *loop) {
    const atomic_bool *stop = loop->source->spec->stop;
    return stop && atomic_load_explicit(stop, memory_order_relaxed) &&
           mr_error_set(&loop->context.err, MR_ERR_INTERRUPTED, "interrupted");
}

/* Opens the next partition; false: there is none, or it failed. */
static bool open_partition(struct mr_loop *loop) {
    struct mr_results *results = &loop->results;
    struct mr_key_range all = {0};
    mr_cursor_close(&results->cursor);
    results->is_open = results->pairs && results->next < results->pairs->count;
    if (results->is_open) {
        results->is_open = !mr_cursor_open(&results->cursor, results->pairs->runs[results->next++],
                                           0, &all, &loop->context.err);
    }
    return results->is_open;
}

static int next_result(struct mr_ctx *ctx, struct mr_results *results, struct mr_bytes *key,
                       struct mr_bytes *value) {
    struct mr_loop *loop = loop_of(ctx);
    struct mr_error *err = &loop->context.err;
    bool is_time = results->steps++ % STOP_CHECK_RESULTS == 0;
    if (err->code || (is_time && is_stopped(loop))) {
        return err->code;
    }
    while (results->is_open || open_partition(loop)) {
        if (mr_cursor_step(&results->cursor, err)) {
            return err->code;
        }
        if (!results->cursor.at_end) {
            *key = results->cursor.key;
            *value = results->cursor.value;
            return 1;
        }
        results->is_open = false;
    }
    return err->code;
}

/* ---- between two passes ---- */

/* Writes the lines that have gathered. */
static int flush(struct mr_loop *loop, struct mr_error *err) {
    const struct mr_run_spec *spec = loop->source->spec;
    if (!loop->text.len) {
        return MR_OK;
    }
    if (!loop->source->commit && spec->progress) { /* a line drawn on the same terminal must go */
        struct mr_run_progress progress = {.job = spec->job->name,
                                           .round = loop->context.round->name,
                                           .phase = MR_PHASE_LOOP,
                                           .pass = loop->context.where->pass};
        spec->progress(spec->progress_arg, &progress);
    }
    if (mr_part_write(&loop->outlet.part, loop->text.data, loop->text.len, err)) {
        return err->code;
    }
    loop->bytes += loop->text.len;
    loop->text.len = 0;
    loop->flushed = mr_clock_seconds();
    return MR_OK;
}

static int flush_if_due(struct mr_loop *loop, struct mr_error *err) {
    bool is_stream = !loop->source->commit;
    bool is_due = loop->text.len >= FLUSH_BYTES ||
                  (is_stream && mr_clock_seconds() - loop->flushed >= FLUSH_SECONDS);
    return is_due ? flush(loop, err) : MR_OK;
}

static void log_state(struct mr_loop *loop) {
    mr_log(&loop->context.ctx,
           "pass %" PRIu64 " reads a state of %zu bytes, %016" PRIx64 "%016" PRIx64,
           loop->context.where->pass + 1, loop->state.len, loop->name.high, loop->name.low);
}

/* Takes over the state that was set, if one was. */
static void take_state(struct mr_loop *loop) {
    struct mr_run_loop *result = &loop->source->result->loop;
    if (loop->has_next) {
        struct mr_buffer before = loop->state;
        loop->state = loop->next;
        loop->next = before;
        loop->has_next = false;
        loop->name = mr_hash_xxh3_128(loop->state.data, loop->state.len);
    }
    result->state_bytes = loop->state.len;
    result->state_xxh3[0] = loop->name.high;
    result->state_xxh3[1] = loop->name.low;
}

/* Ends a callback: its failure, or its state and its lines. */
static int settle(struct mr_loop *loop, const char *callback, int status, struct mr_error *err) {
    struct mr_context *context = &loop->context;
    mr_context_where = NULL;
    mr_cursor_close(&loop->results.cursor);
    loop->results = (struct mr_results){0};
    if (status || context->err.code) {
        mr_context_failed(context, callback, status);
        *err = context->err;
        return err->code;
    }
    take_state(loop);
    log_state(loop);
    return flush_if_due(loop, err);
}

int mr_loop_start(struct mr_loop *loop, struct mr_error *err) {
    struct mr_context *context = &loop->context;
    double started = mr_clock_seconds();
    int status = MR_OK;
    mr_context_where = context->where;
    if (context->job->start) {
        status = context->job->start(&context->ctx);
    }
    status = settle(loop, "start", status, err);
    loop->source->result->loop.seconds += mr_clock_seconds() - started;
    return status;
}

struct mr_bytes mr_loop_borrow_state(const struct mr_loop *loop) {
    return (struct mr_bytes){loop->state.data, loop->state.len};
}

int mr_loop_turn(struct mr_loop *loop, const struct mr_stage_pairs *results, bool *again,
                 struct mr_error *err) {
    struct mr_context *context = &loop->context;
    struct mr_run_loop *result = &loop->source->result->loop;
    double started = mr_clock_seconds();
    context->ctx.pass = context->where->pass++;
    context->ctx.loop_state = mr_loop_borrow_state(loop);
    loop->results = (struct mr_results){.pairs = results};
    *again = false;
    mr_context_where = context->where;
    int status = context->job->round_done(&context->ctx, &loop->results, again);
    status = settle(loop, "round_done", status, err);
    result->passes = context->where->pass;
    result->seconds += mr_clock_seconds() - started;
    return status;
}

int mr_loop_finish(struct mr_loop *loop, struct mr_error *err) {
    struct mr_run_result *result = loop->source->result;
    if (flush(loop, err) ||
        mr_outlet_finish(&loop->outlet, loop->records, &result->parts[0], err)) {
        return err->code;
    }
    result->output_records = loop->records;
    result->output_bytes = loop->bytes;
    return mr_books_merge_counters(&loop->context.counters, result, err);
}

int mr_loop_create(const struct mr_stage_source *source, struct mr_loop **loop,
                   struct mr_error *err) {
    const struct mr_plan *plan = source->plan;
    struct mr_loop *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making a loop");
    }
    uint32_t last = plan->round_count - 1;
    struct mr_context_source contexts = {.job = plan->job,
                                         .params = plan->params,
                                         .rounds = plan->rounds,
                                         .round = last,
                                         .partitions = mr_plan_partitions(plan, source->spec, last),
                                         .verbose = source->spec->verbose};
    mr_context_init(&made->context, &contexts, MR_PHASE_LOOP);
    made->context.ctx.emit = emit;
    made->context.ctx.emit_u64 = emit_u64;
    made->context.ctx.emit_i64 = emit_i64;
    made->context.ctx.emit_f64 = emit_f64;
    made->context.ctx.next_result = next_result;
    made->context.ctx.set_loop_state = set_state;
    made->source = source;
    made->outlet = MR_OUTLET_CLOSED;
    made->name = mr_hash_xxh3_128(NULL, 0);
    struct mr_outlet_source to = {source->commit, source->spec->output_fd, source->spec->stop};
    if (mr_outlet_open(&made->outlet, &to, 0, 1, err)) {
        mr_loop_destroy(made);
        return err->code;
    }
    *loop = made;
    return MR_OK;
}

void mr_loop_destroy(struct mr_loop *loop) {
    struct mr_error closing = {0};
    if (!loop) {
        return;
    }
    (void)!mr_outlet_close(&loop->outlet, &closing); /* what counts was finished */
    mr_context_fini(&loop->context);
    mr_buffer_fini(&loop->state);
    mr_buffer_fini(&loop->next);
    mr_buffer_fini(&loop->text);
    free(loop);
}
