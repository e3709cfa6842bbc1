/* map_attempt: one attempt at a map task: from its input to a map output. */
#include "task/map_attempt.h"

#include "lib/base/error.h"
#include "mapper/map_task.h"
#include "task/surroundings.h"
#include <stdlib.h>
#include <sys/stat.h>

struct attempt {
    struct mr_session *session;
    const struct mr_orders_task *task;
    struct mr_run_store *store;
    struct mr_collector *collector;
    struct mr_map_task *map;
    struct mr_block block;
    struct mr_run *pairs;
    struct mr_map_output_writer output;
    struct mr_map_counts counts;
    struct mr_map_care care;
    struct mr_channel *channel;
};

/* A file that is not what it was when the run was planned would be read twice in two ways. */
static int check_input(const struct mr_input *input, struct mr_error *err) {
    struct stat now;
    if (stat(input->path, &now) == 0 && !mr_inputs_is_same(input, &now)) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%s\" changed since the run began: what was read of it before may be "
                            "something else",
                            input->path);
    }
    return MR_OK; /* missing: opening it says so */
}

/* Tells the engine of a record that was set aside. */
static int set_aside(void *arg, uint64_t offset, struct mr_bytes record, struct mr_error *err) {
    struct attempt *attempt = arg;
    mr_surroundings_meet(attempt->session->where);
    struct mr_orders_skipped skipped = {.offset = offset, .len = record.len, .record = record};
    return mr_orders_send_skipped(attempt->channel, &skipped, err);
}

static int open_pairs(struct attempt *attempt, struct mr_error *err) {
    struct mr_orders_task before = {.phase = MR_PHASE_REDUCE,
                                    .pass = attempt->task->pass,
                                    .round = attempt->task->round - 1,
                                    .task = attempt->task->task,
                                    .attempt = attempt->task->winners[0]};
    struct mr_map_output_identity identity = mr_session_identity(attempt->session, &before);
    struct mr_map_output *output = NULL;
    char path[MR_ORDERS_PATH_MAX];
    if (mr_orders_path(attempt->session->order.scratch, &before, path, err) ||
        mr_map_output_open(path, &identity, &output, err)) {
        return err->code;
    }
    int status =
        mr_map_output_run(output, MR_MAP_OUTPUT_ALL, attempt->session->pool, &attempt->pairs, err);
    mr_map_output_close(output);
    return status;
}

static int open_map(struct attempt *attempt, struct mr_error *err) {
    const struct mr_orders_task *task = attempt->task;
    const struct mr_orders_memory *memory = &attempt->session->order.memory;
    struct mr_map_task_source source = {.task = task->task};
    if (task->round > 0) {
        if (open_pairs(attempt, err)) {
            return err->code;
        }
        source.pairs = attempt->pairs;
    } else {
        if (check_input(&task->input, err)) {
            return err->code;
        }
        attempt->care = (struct mr_map_care){.block = task->care_block,
                                             .skips = task->skips,
                                             .skip_count = task->skip_count,
                                             .skipped = set_aside,
                                             .arg = attempt};
        source.care = &attempt->care;
        source.input = &task->input;
        source.split = &task->split;
        source.reader = (struct mr_reader_options){.block_bytes = memory->block_bytes,
                                                   .record_bytes_max = memory->record_bytes_max};
    }
    return mr_map_task_open(&source, &attempt->map, err);
}

/* All that is needed, the output first: what the job's code does to umask or folder comes later. */
static int open_attempt(struct attempt *attempt, struct mr_error *err) {
    struct mr_session *session = attempt->session;
    const struct mr_orders_memory *memory = &session->order.memory;
    struct mr_map_output_identity identity = mr_session_identity(session, attempt->task);
    char path[MR_ORDERS_PATH_MAX];
    struct mr_run_store_options store = {.pool = session->pool,
                                         .limit_bytes = memory->pool_limit,
                                         .fan_in = memory->fan_in,
                                         .tmp = session->order.scratch,
                                         .beats = &session->where->beats};
    if (mr_orders_path(session->order.scratch, attempt->task, path, err) ||
        mr_map_output_create(&attempt->output, session->pool, session->order.scratch, path,
                             &identity, err) ||
        mr_run_store_create(&store, &attempt->store, err) || open_map(attempt, err)) {
        return err->code;
    }
    struct mr_collector_options options = {.source = mr_session_contexts(session, attempt->task),
                                           .store = attempt->store,
                                           .pool = session->pool,
                                           .budget_bytes = memory->collector_bytes};
    return mr_collector_create(&options, &attempt->collector, err);
}

/* Maps, and writes what came of it; the error is the context's. */
static int work(struct attempt *attempt, struct mr_map_output_summary *summary) {
    struct mr_context *context = mr_collector_context(attempt->collector);
    struct mr_record_rules rules = mr_context_rules(context);
    uint64_t merge_bytes = attempt->session->order.memory.merge_bytes;
    if (mr_map_task_work(attempt->map, attempt->collector, &attempt->block, NULL,
                         &attempt->counts) ||
        mr_collector_finish(attempt->collector) ||
        mr_run_store_settle(attempt->store, merge_bytes, &rules, &context->err) ||
        mr_run_store_merge(attempt->store, &attempt->output.run, &rules, &context->err)) {
        return context->err.code;
    }
    mr_surroundings_meet(attempt->session->where);
    return mr_map_output_finish(&attempt->output, summary, &context->err);
}

static void fill_result(const struct attempt *attempt, const struct mr_map_output_summary *summary,
                        struct mr_orders_result *result) {
    struct mr_run_store_stats stats = mr_run_store_stats(attempt->store);
    result->records_read = attempt->counts.records_read;
    result->records_mapped = attempt->counts.records_mapped;
    result->records_skipped = attempt->counts.records_skipped;
    result->bytes_read = attempt->counts.bytes;
    result->read_us = (uint64_t)(attempt->counts.read_seconds * 1e6);
    result->emitted = mr_collector_emitted(attempt->collector);
    result->combined = mr_collector_combined(attempt->collector) + stats.combined;
    result->spilled = stats.bytes_spilled;
    result->output_records = summary->records;
    result->output_bytes = summary->bytes;
    result->output_xxh3 = summary->digest;
}

int mr_map_attempt_run(struct mr_session *session, const struct mr_orders_task *task,
                       struct mr_channel *channel, struct mr_map_attempt_account *account,
                       struct mr_error *err) {
    struct attempt attempt = {.session = session, .task = task, .channel = channel};
    struct mr_map_output_summary summary = {0};
    if (!open_attempt(&attempt, err)) {
        struct mr_context *context = mr_collector_context(attempt.collector);
        if (work(&attempt, &summary)) {
            *err = context->err;
        } else {
            fill_result(&attempt, &summary, &account->result);
            for (size_t i = 0; i < context->counters.count && !err->code; i++) {
                const struct mr_run_counter *counter = &context->counters.items[i];
                (void)!mr_context_counters_add(&account->counters, counter->name, counter->value,
                                               err);
            }
        }
    }
    mr_map_task_close(attempt.map);
    mr_collector_destroy(attempt.collector);
    mr_reader_block_fini(&attempt.block);
    mr_run_store_destroy(attempt.store);
    mr_run_destroy(attempt.pairs);
    mr_map_output_abandon(&attempt.output);
    return err->code;
}
