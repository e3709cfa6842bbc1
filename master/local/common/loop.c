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
 * Lines gather in a buffer; a stream gets them after a pass, unless the last ones were written a
 * moment ago: a loop of a thousand passes a second shall not make a thousand system calls. */
#include "master/local/common/loop.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "master/local/common/books.h"
#include <inttypes.h>
#include <stdlib.h>

#define FLUSH_BYTES ((size_t)64 << 10)
#define FLUSH_SECONDS 0.1 /* a person sees no delay */

struct mr_loop {
    struct mr_loop_source source;
    struct mr_outlet outlet;
    struct mr_turn turn;
    struct mr_buffer state;
    struct mr_hash_128 name; /* of the state */
    uint64_t pass;           /* that is under way, or was last; 0: none yet */
    uint64_t bytes;
    double flushed; /* when */
};

/* ---- between two passes ---- */

/* Writes the lines that have gathered. */
static int flush(struct mr_loop *loop, struct mr_error *err) {
    const struct mr_run_spec *spec = loop->source.spec;
    struct mr_buffer *text = &loop->turn.text;
    if (!text->len) {
        return MR_OK;
    }
    if (!loop->source.commit && spec->progress) { /* a line drawn on the same terminal must go */
        struct mr_run_progress progress = {.job = spec->job->name,
                                           .round = loop->turn.context.round->name,
                                           .phase = MR_PHASE_LOOP,
                                           .pass = loop->pass};
        spec->progress(spec->progress_arg, &progress);
    }
    if (mr_part_write(&loop->outlet.part, text->data, text->len, err)) {
        return err->code;
    }
    loop->bytes += text->len;
    text->len = 0;
    loop->flushed = mr_clock_seconds();
    return MR_OK;
}

int mr_loop_flush_long(struct mr_loop *loop, struct mr_error *err) {
    bool is_due = !loop->source.keeps_lines && loop->turn.text.len >= FLUSH_BYTES;
    return is_due ? flush(loop, err) : MR_OK;
}

static int flush_if_due(struct mr_loop *loop, struct mr_error *err) {
    bool is_stream = !loop->source.commit;
    if (loop->source.keeps_lines) {
        return MR_OK;
    }
    bool is_due = loop->turn.text.len >= FLUSH_BYTES ||
                  (is_stream && mr_clock_seconds() - loop->flushed >= FLUSH_SECONDS);
    return is_due ? flush(loop, err) : MR_OK;
}

static void log_state(struct mr_loop *loop) {
    mr_log(&loop->turn.context.ctx,
           "pass %" PRIu64 " reads a state of %zu bytes, %016" PRIx64 "%016" PRIx64, loop->pass + 1,
           loop->state.len, loop->name.high, loop->name.low);
}

/* Takes over the state that was set, if one was. */
static void take_state(struct mr_loop *loop) {
    struct mr_run_loop *result = &loop->source.result->loop;
    if (loop->turn.has_next) {
        struct mr_buffer before = loop->state;
        loop->state = loop->turn.next;
        loop->turn.next = before;
        loop->turn.has_next = false;
        loop->name = mr_hash_xxh3_128(loop->state.data, loop->state.len);
    }
    result->state_bytes = loop->state.len;
    result->state_xxh3[0] = loop->name.high;
    result->state_xxh3[1] = loop->name.low;
}

struct mr_bytes mr_loop_borrow_state(const struct mr_loop *loop) {
    return (struct mr_bytes){loop->state.data, loop->state.len};
}

struct mr_hash_128 mr_loop_state_name(const struct mr_loop *loop) {
    return loop->name;
}

struct mr_turn *mr_loop_begin_turn(struct mr_loop *loop, uint64_t pass) {
    loop->pass = pass;
    return &loop->turn;
}

int mr_loop_end_turn(struct mr_loop *loop, double seconds, struct mr_error *err) {
    struct mr_run_loop *result = &loop->source.result->loop;
    result->passes = loop->pass;
    result->seconds += seconds;
    if (err->code) {
        return err->code;
    }
    take_state(loop);
    log_state(loop);
    return flush_if_due(loop, err);
}

int mr_loop_turn(struct mr_loop *loop, uint64_t pass, struct mr_run *const *runs, uint32_t count,
                 bool *again, struct mr_error *err) {
    double started = mr_clock_seconds();
    struct mr_turn_pass ended = {
        .number = pass, .loop_state = mr_loop_borrow_state(loop), .runs = runs, .count = count};
    (void)!mr_turn_call(mr_loop_begin_turn(loop, pass), &ended, again, err);
    return mr_loop_end_turn(loop, mr_clock_seconds() - started, err);
}

int mr_loop_restore(struct mr_loop *loop, uint64_t pass, struct mr_bytes state, uint64_t records,
                    struct mr_error *err) {
    loop->pass = pass;
    loop->turn.records = records;
    loop->turn.next.len = 0;
    if (mr_buffer_append(&loop->turn.next, state.data, state.len, err)) {
        return err->code;
    }
    loop->turn.has_next = true;
    loop->source.result->loop.passes = pass;
    take_state(loop);
    log_state(loop);
    return MR_OK;
}

const struct mr_counters *mr_loop_counters(const struct mr_loop *loop) {
    return &loop->turn.context.counters;
}

int mr_loop_count(struct mr_loop *loop, const struct mr_counters *counters, struct mr_error *err) {
    for (size_t i = 0; i < counters->count && !err->code; i++) {
        const struct mr_run_counter *counter = &counters->items[i];
        (void)!mr_context_counters_add(&loop->turn.context.counters, counter->name, counter->value,
                                       err);
    }
    return err->code;
}

struct mr_bytes mr_loop_take_lines(struct mr_loop *loop, uint64_t *records) {
    struct mr_bytes lines = {loop->turn.text.data, loop->turn.text.len};
    loop->turn.text.len = 0;
    *records = loop->turn.records;
    return lines;
}

int mr_loop_finish(struct mr_loop *loop, struct mr_error *err) {
    struct mr_run_result *result = loop->source.result;
    if (flush(loop, err) ||
        mr_outlet_finish(&loop->outlet, loop->turn.records, &result->parts[0], err)) {
        return err->code;
    }
    result->output_records = loop->turn.records;
    result->output_bytes = loop->bytes;
    return mr_books_merge_counters(&loop->turn.context.counters, result, err);
}

int mr_loop_create(const struct mr_loop_source *source, struct mr_loop **loop,
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
    mr_turn_init(&made->turn, &contexts, plan->memory.state_max, source->spec->stop);
    made->source = *source;
    made->outlet = MR_OUTLET_CLOSED;
    made->name = mr_hash_xxh3_128(NULL, 0);
    struct mr_outlet_source to = {source->commit, source->spec->output_fd, source->spec->stop};
    if (!source->keeps_lines && mr_outlet_open(&made->outlet, &to, 0, 1, err)) {
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
    mr_turn_fini(&loop->turn);
    mr_buffer_fini(&loop->state);
    free(loop);
}
