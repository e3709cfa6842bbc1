/* turn: calls a loop's start and round_done, and keeps what they make. */
#include "reducer/turn.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/output/line.h"
#include <stdlib.h>

#define STOP_CHECK_RESULTS 1024 /* a power of two */

static struct mr_turn *turn_of(struct mr_ctx *ctx) {
    return (struct mr_turn *)ctx;
}

/* ---- what the callbacks call ---- */

static int emit(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    struct mr_turn *turn = turn_of(ctx);
    struct mr_error *err = &turn->context.err;
    if (err->code || mr_line_append(&turn->text, key, value, err)) {
        return err->code;
    }
    turn->records++;
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
    struct mr_turn *turn = turn_of(ctx);
    if (turn->context.err.code) {
        return turn->context.err.code;
    }
    if (state.len > turn->state_max) {
        char size[MR_NUMBER_TEXT_MAX];
        char most[MR_NUMBER_TEXT_MAX];
        mr_number_put_size(size, sizeof size, state.len);
        mr_number_put_size(most, sizeof most, turn->state_max);
        return mr_fail(ctx, "a state of %s: the limit is %s, 1/32 of --memory", size, most);
    }
    turn->has_next = true;
    turn->next.len = 0;
    return mr_buffer_append(&turn->next, state.data, state.len, &turn->context.err);
}

static bool is_stopped(struct mr_turn *turn) {
    return turn->stop && atomic_load_explicit(turn->stop, memory_order_relaxed) &&
           mr_error_set(&turn->context.err, MR_ERR_INTERRUPTED, "interrupted");
}

static void close_partition(struct mr_results *results) {
    mr_cursor_close(&results->cursor);
    mr_run_destroy(results->opened);
    results->opened = NULL;
    results->is_open = false;
}

/* Opens the next partition; false: there is none, or it failed. */
static bool open_partition(struct mr_turn *turn) {
    struct mr_results *results = &turn->results;
    struct mr_error *err = &turn->context.err;
    struct mr_key_range all = {0};
    close_partition(results);
    if (results->next == results->count) {
        return false;
    }
    uint32_t next = results->next++;
    struct mr_run *run = results->runs ? results->runs[next] : NULL;
    if (!results->runs && !results->open(results->open_arg, next, &results->opened, err)) {
        run = results->opened;
    }
    results->is_open = run && !mr_cursor_open(&results->cursor, run, 0, &all, err);
    return results->is_open;
}

static int next_result(struct mr_ctx *ctx, struct mr_results *results, struct mr_bytes *key,
                       struct mr_bytes *value) {
    struct mr_turn *turn = turn_of(ctx);
    struct mr_error *err = &turn->context.err;
    bool is_time = turn->context.where->record++ % STOP_CHECK_RESULTS == 0;
    if (err->code || (is_time && is_stopped(turn))) {
        return err->code;
    }
    while (results->is_open || open_partition(turn)) {
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

/* ---- the turn ---- */

void mr_turn_init(struct mr_turn *turn, const struct mr_context_source *source, size_t state_max,
                  const atomic_bool *stop) {
    *turn = (struct mr_turn){.state_max = state_max, .stop = stop};
    mr_context_init(&turn->context, source, MR_PHASE_LOOP);
    turn->context.ctx.emit = emit;
    turn->context.ctx.emit_u64 = emit_u64;
    turn->context.ctx.emit_i64 = emit_i64;
    turn->context.ctx.emit_f64 = emit_f64;
    turn->context.ctx.next_result = next_result;
    turn->context.ctx.set_loop_state = set_state;
}

void mr_turn_fini(struct mr_turn *turn) {
    mr_context_fini(&turn->context);
    mr_buffer_fini(&turn->text);
    mr_buffer_fini(&turn->next);
}

int mr_turn_set_mark(const struct mr_turn *turn, struct mr_turn_mark *mark, struct mr_error *err) {
    const struct mr_counters *counters = &turn->context.counters;
    *mark = (struct mr_turn_mark){.text_len = turn->text.len, .records = turn->records};
    for (size_t i = 0; i < counters->count && !err->code; i++) {
        (void)!mr_context_counters_add(&mark->counters, counters->items[i].name,
                                       counters->items[i].value, err);
    }
    return err->code;
}

void mr_turn_go_back(struct mr_turn *turn, struct mr_turn_mark *mark) {
    free(turn->context.counters.items);
    turn->text.len = mark->text_len;
    turn->records = mark->records;
    turn->has_next = false;
    turn->context.counters = mark->counters;
    turn->context.err = (struct mr_error){0};
    mark->counters = (struct mr_counters){0};
}

void mr_turn_drop_mark(struct mr_turn_mark *mark) {
    free(mark->counters.items);
    *mark = (struct mr_turn_mark){0};
}

static int call(struct mr_turn *turn, bool is_start, bool *again) {
    const struct mr_job *job = turn->context.job;
    if (!is_start) {
        return job->round_done(&turn->context.ctx, &turn->results, again);
    }
    return job->start ? job->start(&turn->context.ctx) : MR_OK;
}

int mr_turn_call(struct mr_turn *turn, const struct mr_turn_pass *pass, bool *again,
                 struct mr_error *err) {
    struct mr_context *context = &turn->context;
    bool is_start = pass->number == 0;
    turn->results = (struct mr_results){
        .runs = pass->runs, .open = pass->open, .open_arg = pass->open_arg, .count = pass->count};
    turn->has_next = false;
    context->ctx.pass = is_start ? 0 : pass->number - 1;
    context->ctx.loop_state = pass->loop_state;
    context->where->pass = pass->number;
    context->where->record = 0;
    *again = false;
    mr_context_where = context->where;
    int status = call(turn, is_start, again);
    mr_context_where = NULL;
    close_partition(&turn->results);
    if (status || context->err.code) {
        mr_context_failed(context, is_start ? "start" : "round_done", status);
        *err = context->err;
    }
    return err->code;
}
