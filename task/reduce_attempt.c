/* reduce_attempt: one attempt at a reduce task: from map outputs to a part, or to pairs. */
#include "task/reduce_attempt.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "reducer/reduce_task.h"
#include "task/surroundings.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define OPEN_MAX 256 /* map outputs at once: more are merged in steps */

struct attempt {
    struct mr_session *session;
    const struct mr_orders_task *task;
    struct mr_run_store *store;
    struct mr_reducer *reducer;
    struct mr_reduce_task *reduce;
    int dir_fd;
    struct mr_part part;
    struct mr_map_output_writer pairs;
    struct mr_reduce_counts counts;
    struct mr_run_part written;
};

/* Where the output goes, before the job's code can change umask or folder. */
static int open_output(struct attempt *attempt, struct mr_error *err) {
    struct mr_session *session = attempt->session;
    const struct mr_orders_task *task = attempt->task;
    char path[MR_ORDERS_PATH_MAX];
    if (!task->is_last) {
        struct mr_map_output_identity identity = mr_session_identity(session, task);
        return mr_orders_path(session->order.scratch, task, path, err)
                   ? err->code
                   : mr_map_output_create(&attempt->pairs, session->pool, session->order.scratch,
                                          path, &identity, err);
    }
    attempt->dir_fd = open(task->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (attempt->dir_fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", task->output);
    }
    mr_part_name(path, sizeof path, task->task);
    return mr_part_create(&attempt->part, attempt->dir_fd, path, err);
}

/* Adds this partition of a map task's output to the store. */
static int adopt(struct attempt *attempt, uint32_t map, struct mr_error *err) {
    struct mr_session *session = attempt->session;
    struct mr_orders_task source = {.phase = MR_PHASE_MAP,
                                    .pass = attempt->task->pass,
                                    .round = attempt->task->round,
                                    .task = map,
                                    .attempt = attempt->task->winners[map],
                                    .partitions = attempt->task->partitions};
    struct mr_map_output_identity identity = mr_session_identity(session, &source);
    struct mr_map_output *output = NULL;
    struct mr_run *run = NULL;
    char path[MR_ORDERS_PATH_MAX];
    if (mr_orders_path(session->order.scratch, &source, path, err) ||
        mr_map_output_open(path, &identity, &output, err)) {
        return err->code;
    }
    if (!mr_map_output_run(output, attempt->task->task, session->pool, &run, err)) {
        (void)!mr_run_store_adopt(attempt->store, run, err);
    }
    mr_map_output_close(output);
    return err->code;
}

/* Gathers the partition; more runs than may be open, or than buffers suffice for, are merged. */
static int gather(struct attempt *attempt, struct mr_error *err) {
    const struct mr_orders_task *task = attempt->task;
    struct mr_context *context = mr_reducer_context(attempt->reducer);
    uint64_t merge_bytes = attempt->session->order.memory.merge_bytes;
    struct mr_record_rules rules = mr_context_rules(context);
    rules.partition_begin = task->task;
    rules.partitions = task->task + 1;
    int status = mr_context_setup(context); /* merging may call compare or combine */
    for (size_t i = 0; i < task->winner_count && !status; i++) {
        bool is_full = (i + 1) % OPEN_MAX == 0;
        status = adopt(attempt, (uint32_t)i, &context->err);
        if (is_full && !status) {
            status =
                mr_run_store_settle(attempt->store, MR_POOL_CHUNK_BYTES, &rules, &context->err);
        }
    }
    if (!status) {
        status = mr_run_store_settle(attempt->store, merge_bytes, &rules, &context->err);
    }
    *err = context->err;
    return err->code;
}

static int open_attempt(struct attempt *attempt, struct mr_error *err) {
    struct mr_session *session = attempt->session;
    const struct mr_orders_memory *memory = &session->order.memory;
    struct mr_context_source contexts = mr_session_contexts(session, attempt->task);
    bool is_result = session->job->round_done && contexts.round + 1 == session->chosen.round_count;
    struct mr_run_store_options store = {.pool = session->pool,
                                         .limit_bytes = memory->pool_limit,
                                         .fan_in = memory->fan_in,
                                         .tmp = session->order.scratch,
                                         .beats = &session->where->beats};
    if (open_output(attempt, err) || mr_run_store_create(&store, &attempt->store, err) ||
        mr_reducer_create(&contexts, &attempt->reducer, err) || gather(attempt, err)) {
        return err->code;
    }
    struct mr_reduce_task_source source = {.partition = attempt->task->task,
                                           .round = &session->chosen.rounds[attempt->task->round],
                                           .store = attempt->store,
                                           .range_bytes = memory->range_bytes,
                                           .part = attempt->task->is_last ? &attempt->part : NULL,
                                           .pairs =
                                               attempt->task->is_last ? NULL : &attempt->pairs.run,
                                           .raw_numbers = is_result,
                                           .buffered_max = memory->buffered_max,
                                           .pool = session->pool,
                                           .pairs_limit = memory->pool_limit,
                                           .tmp = session->order.scratch};
    return mr_reduce_task_open(&source, &attempt->reduce, err);
}

/* Makes durable what was written. */
static int finish(struct attempt *attempt, struct mr_error *err) {
    mr_surroundings_meet(attempt->session->where);
    if (!attempt->task->is_last) {
        struct mr_map_output_summary summary = {0};
        int status = mr_map_output_finish(&attempt->pairs, &summary, err);
        attempt->written = (struct mr_run_part){summary.records, summary.bytes, summary.digest};
        return status;
    }
    if (mr_part_finish(&attempt->part, &attempt->written, err)) {
        return err->code;
    }
    attempt->written.records = mr_reduce_task_records(attempt->reduce);
    return mr_file_sync(attempt->dir_fd, "the directory of an attempt", err);
}

static void fill_result(const struct attempt *attempt, struct mr_orders_result *result) {
    struct mr_run_store_stats stats = mr_run_store_stats(attempt->store);
    result->combined = stats.combined;
    result->spilled = stats.bytes_spilled;
    result->pairs_reduced = attempt->counts.pairs_reduced;
    result->groups = attempt->counts.groups;
    result->groups_with_output = attempt->counts.groups_with_output;
    result->groups_without_output = attempt->counts.groups_without_output;
    result->records_out = attempt->counts.records_out;
    result->bytes_out = attempt->counts.bytes_out;
    result->wait_us = (uint64_t)(attempt->counts.wait_seconds * 1e6);
    result->output_records = attempt->written.records;
    result->output_bytes = attempt->written.bytes;
    result->output_xxh3 = attempt->written.xxh3;
}

int mr_reduce_attempt_run(struct mr_session *session, const struct mr_orders_task *task,
                          struct mr_orders_result *result, struct mr_counters *counters,
                          struct mr_error *err) {
    struct attempt attempt = {.session = session, .task = task, .dir_fd = -1, .part = {.fd = -1}};
    if (!open_attempt(&attempt, err)) {
        struct mr_context *context = mr_reducer_context(attempt.reducer);
        if (mr_reduce_task_work(attempt.reduce, attempt.reducer, NULL, &attempt.counts)) {
            *err = context->err;
        } else if (!finish(&attempt, err)) {
            fill_result(&attempt, result);
        }
        for (size_t i = 0; i < context->counters.count && !err->code; i++) {
            const struct mr_run_counter *counter = &context->counters.items[i];
            (void)!mr_context_counters_add(counters, counter->name, counter->value, err);
        }
    }
    mr_reduce_task_close(attempt.reduce);
    mr_reducer_destroy(attempt.reducer);
    mr_run_store_destroy(attempt.store);
    mr_part_abandon(&attempt.part);
    mr_map_output_abandon(&attempt.pairs);
    struct mr_error closing = {0};
    if (mr_file_close(&attempt.dir_fd, "the directory of an attempt", &closing) && !err->code) {
        *err = closing;
    }
    return err->code;
}
