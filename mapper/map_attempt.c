/* map_attempt: one attempt at a map task by one thread: from its input to a map output. */
#include "mapper/map_attempt.h"

#include "lib/base/error.h"
#include "mapper/map_task.h"
#include <errno.h>
#include <sys/stat.h>

struct attempt {
    const struct mr_workplace *place;
    const struct mr_orders_task *task;
    struct mr_run_store *store;
    struct mr_collector *collector;
    struct mr_map_task *map;
    struct mr_block block;
    struct mr_run *pairs;
    struct mr_map_output_writer output;
    struct mr_map_counts counts;
    struct mr_map_care care;
};

static int set_aside(void *arg, uint64_t offset, struct mr_bytes record, struct mr_error *err) {
    const struct mr_workplace *place = arg;
    struct mr_orders_skipped skipped = {.offset = offset, .len = record.len, .record = record};
    return place->set_aside(place->arg, &skipped, err);
}

static int open_map(struct attempt *attempt, struct mr_error *err) {
    const struct mr_orders_task *task = attempt->task;
    const struct mr_workplace *place = attempt->place;
    struct mr_map_task_source source = {
        .task = task->task,
        .reader = {.block_bytes = place->memory.block_bytes,
                   .record_bytes_max = place->memory.record_bytes_max,
                   .stop = place->stop,
                   .large = place->large,
                   .windows = place->windows}};
    if (task->round > 0) {
        struct mr_orders_task before = mr_workplace_source(task, 0);
        if (mr_workplace_open(place, &before, MR_MAP_OUTPUT_ALL, &attempt->pairs, err)) {
            return err->code;
        }
        source.pairs = attempt->pairs;
    } else {
        if (mr_map_attempt_check_input(&task->input, err)) {
            return err->code;
        }
        attempt->care = (struct mr_map_care){.block = task->care_block,
                                             .skips = task->skips,
                                             .skip_count = task->skip_count,
                                             .skipped = set_aside,
                                             .arg = (void *)(uintptr_t)place}; /* only read */
        source.care = place->set_aside ? &attempt->care : NULL;
        source.input = &task->input;
        source.split = &task->split;
    }
    return mr_map_task_open(&source, &attempt->map, err);
}

/* All that is needed, the output first: what the job's code does to umask or folder comes later. */
static int open_attempt(struct attempt *attempt, struct mr_error *err) {
    const struct mr_workplace *place = attempt->place;
    if (mr_workplace_create(place, attempt->task, &attempt->output, err) ||
        mr_workplace_store(place, &attempt->store, err) || open_map(attempt, err)) {
        return err->code;
    }
    struct mr_collector_options options = {.source = mr_workplace_contexts(place, attempt->task),
                                           .store = attempt->store,
                                           .pool = place->pool,
                                           .budget_bytes = place->memory.collector_bytes};
    return mr_collector_create(&options, &attempt->collector, err);
}

/* Maps, and writes what came of it; the error is the context's. */
static int work(struct attempt *attempt, struct mr_map_output_summary *summary) {
    struct mr_context *context = mr_collector_context(attempt->collector);
    struct mr_record_rules rules = mr_context_rules(context);
    const struct mr_workplace *place = attempt->place;
    return mr_map_task_work(attempt->map, attempt->collector, &attempt->block, place->stop,
                            &attempt->counts) ||
                   mr_collector_finish(attempt->collector) ||
                   mr_run_store_settle(attempt->store, place->memory.merge_bytes, &rules,
                                       &context->err) ||
                   mr_run_store_merge(attempt->store, &attempt->output.run, &rules,
                                      &context->err) ||
                   mr_map_output_finish(&attempt->output, summary, &context->err)
               ? context->err.code
               : MR_OK;
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

int mr_map_attempt_check_input(const struct mr_input *input, struct mr_error *err) {
    struct stat now;
    if (stat(input->path, &now) != 0) {
        bool is_gone = errno == ENOENT || errno == ENOTDIR;
        return is_gone ? mr_error_errno(err, MR_ERR_INPUT, errno,
                                        "input \"%s\" is not there any more", input->path)
                       : mr_error_errno(err, MR_ERR_IO, errno, "read \"%s\"", input->path);
    }
    return mr_inputs_is_same(input, &now)
               ? MR_OK
               : mr_error_set(err, MR_ERR_INPUT,
                              "input \"%s\" changed since the run began: what was read of it "
                              "before may be something else",
                              input->path);
}

int mr_map_attempt_run(const struct mr_workplace *place, const struct mr_orders_task *task,
                       struct mr_workplace_account *account, struct mr_error *err) {
    struct attempt attempt = {.place = place, .task = task};
    struct mr_map_output_summary summary = {0};
    if (!open_attempt(&attempt, err)) {
        struct mr_context *context = mr_collector_context(attempt.collector);
        if (work(&attempt, &summary)) {
            *err = context->err;
        } else {
            fill_result(&attempt, &summary, &account->result);
            (void)!mr_workplace_count(account, &context->counters, err);
        }
    }
    mr_map_task_close(attempt.map);
    mr_collector_destroy(attempt.collector);
    mr_reader_block_fini(&attempt.block);
    mr_run_store_destroy(attempt.store);
    mr_run_destroy(attempt.pairs);
    mr_map_output_abandon(&attempt.output);
    if (err->code == MR_ERR_IO) {
        account->lost = mr_workplace_find_lost(place, task);
    }
    return err->code;
}
