/* reduce_attempt: one attempt at a reduce task by one thread: from map outputs to a part, or pairs.
 */
#include "reducer/reduce_attempt.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "reducer/reduce_task.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Map outputs that all threads together have open at once: more are merged in steps. */
#define OPEN_ALL 512
#define OPEN_MAX 256
#define OPEN_LEAST 8

struct attempt {
    const struct mr_workplace *place;
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
    const struct mr_orders_task *task = attempt->task;
    char name[MR_PART_NAME_MAX];
    if (!task->is_last) {
        return mr_workplace_create(attempt->place, task, &attempt->pairs, err);
    }
    attempt->dir_fd = open(task->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (attempt->dir_fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", task->output);
    }
    mr_part_name(name, sizeof name, task->task);
    return mr_part_create(&attempt->part, attempt->dir_fd, name, err);
}

/* Adds this partition of a map task's output to the store. */
static int adopt(struct attempt *attempt, uint32_t map, struct mr_error *err) {
    struct mr_orders_task source = mr_workplace_source(attempt->task, map);
    struct mr_run *run = NULL;
    return mr_workplace_open(attempt->place, &source, attempt->task->task, &run, err)
               ? err->code
               : mr_run_store_adopt(attempt->store, run, err);
}

/* Gathers the partition; more runs than may be open, or than buffers suffice for, are merged. */
static int gather(struct attempt *attempt, struct mr_error *err) {
    const struct mr_orders_task *task = attempt->task;
    struct mr_context *context = mr_reducer_context(attempt->reducer);
    struct mr_record_rules rules = mr_context_rules(context);
    uint32_t open_max = OPEN_ALL / (attempt->place->threads ? attempt->place->threads : 1);
    open_max = open_max > OPEN_MAX ? OPEN_MAX : open_max < OPEN_LEAST ? OPEN_LEAST : open_max;
    rules.partition_begin = task->task;
    rules.partitions = task->task + 1;
    int status = mr_context_setup(context); /* merging may call compare or combine */
    for (uint32_t i = 0; i < task->winner_count && !status; i++) {
        bool is_full = (i + 1) % open_max == 0;
        status = adopt(attempt, i, &context->err);
        if (is_full && !status) {
            status =
                mr_run_store_settle(attempt->store, MR_POOL_CHUNK_BYTES, &rules, &context->err);
        }
    }
    if (!status) {
        status = mr_run_store_settle(attempt->store, attempt->place->memory.merge_bytes, &rules,
                                     &context->err);
    }
    *err = context->err;
    return err->code;
}

static int open_reduce(struct attempt *attempt, struct mr_error *err) {
    const struct mr_workplace *place = attempt->place;
    const struct mr_orders_task *task = attempt->task;
    const struct mr_orders_memory *memory = &place->memory;
    struct mr_reduce_task_source source = {.partition = task->task,
                                           .round = &place->rounds[task->round],
                                           .store = attempt->store,
                                           .range_bytes = memory->range_bytes,
                                           .part = task->is_last ? &attempt->part : NULL,
                                           .pairs = task->is_last ? NULL : &attempt->pairs.run,
                                           .raw_numbers = place->job->round_done &&
                                                          task->round + 1 == place->round_count,
                                           .buffered_max = memory->buffered_max,
                                           .pool = place->pool,
                                           .pairs_limit = memory->pool_limit,
                                           .tmp = place->tmp};
    if (mr_run_store_is_tight(attempt->store, memory->merge_bytes)) {
        source.large = place->large;
    }
    return mr_reduce_task_open(&source, &attempt->reduce, err);
}

static int open_attempt(struct attempt *attempt, struct mr_error *err) {
    struct mr_context_source contexts = mr_workplace_contexts(attempt->place, attempt->task);
    return open_output(attempt, err) || mr_workplace_store(attempt->place, &attempt->store, err) ||
                   mr_reducer_create(&contexts, &attempt->reducer, err) || gather(attempt, err) ||
                   open_reduce(attempt, err)
               ? err->code
               : MR_OK;
}

/* Makes durable what was written. */
static int finish(struct attempt *attempt, struct mr_error *err) {
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

int mr_reduce_attempt_run(const struct mr_workplace *place, const struct mr_orders_task *task,
                          struct mr_workplace_account *account, struct mr_error *err) {
    struct attempt attempt = {.place = place, .task = task, .dir_fd = -1, .part = {.fd = -1}};
    if (!open_attempt(&attempt, err)) {
        struct mr_context *context = mr_reducer_context(attempt.reducer);
        if (mr_reduce_task_work(attempt.reduce, attempt.reducer, place->stop, &attempt.counts)) {
            *err = context->err;
        } else if (!finish(&attempt, err)) {
            fill_result(&attempt, &account->result);
        }
        (void)(err->code || mr_workplace_count(account, &context->counters, err));
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
    if (err->code == MR_ERR_IO) {
        account->lost = mr_workplace_find_lost(place, task);
    }
    return err->code;
}
