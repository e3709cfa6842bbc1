/* workplace: what attempts at tasks work with, in a thread of the engine or in a task process. */
#include "lib/worker/workplace.h"

#include "lib/base/error.h"
#include <errno.h>
#include <unistd.h>

int mr_workplace_count(struct mr_workplace_account *account, const struct mr_counters *counters,
                       struct mr_error *err) {
    for (size_t i = 0; i < counters->count && !err->code; i++) {
        const struct mr_run_counter *counter = &counters->items[i];
        (void)!mr_context_counters_add(&account->counters, counter->name, counter->value, err);
    }
    return err->code;
}

struct mr_context_source mr_workplace_contexts(const struct mr_workplace *place,
                                               const struct mr_orders_task *task) {
    return (struct mr_context_source){.job = place->job,
                                      .params = place->params,
                                      .rounds = place->rounds,
                                      .round = task->round,
                                      .partitions = task->partitions,
                                      .verbose = place->verbose,
                                      .where = place->where,
                                      .pass = task->pass,
                                      .loop_state = place->loop_state};
}

int mr_workplace_store(const struct mr_workplace *place, struct mr_run_store **store,
                       struct mr_error *err) {
    struct mr_run_store_options options = {.pool = place->pool,
                                           .limit_bytes = place->memory.pool_limit,
                                           .fan_in = place->memory.fan_in,
                                           .tmp = place->tmp,
                                           .stop = place->stop,
                                           .beats = place->where ? &place->where->beats : NULL};
    return mr_run_store_create(&options, store, err);
}

/* ---- files ------------------------------------------------------------------------------------*/

static struct mr_map_output_identity identify(const struct mr_workplace *place,
                                              const struct mr_orders_task *task) {
    bool is_map = task->phase == MR_PHASE_MAP;
    struct mr_map_output_identity identity = {
        .round = task->round,
        .task = task->task,
        .attempt = task->attempt,
        .partitions = is_map ? task->partitions : 1,
        .order = is_map ? MR_MAP_OUTPUT_BY_KEY : MR_MAP_OUTPUT_BY_ARRIVAL,
        .value = is_map ? place->rounds[task->round].value : MR_VALUES};
    memcpy(identity.job, place->id, sizeof identity.job);
    return identity;
}

int mr_workplace_create(const struct mr_workplace *place, const struct mr_orders_task *task,
                        struct mr_map_output_writer *writer, struct mr_error *err) {
    struct mr_map_output_identity identity = identify(place, task);
    char path[MR_ORDERS_PATH_MAX];
    if (mr_orders_path(place->scratch, task, path, err)) {
        return err->code;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return mr_error_errno(err, MR_ERR_IO, errno, "replace \"%s\"", path);
    }
    return mr_map_output_create(writer, place->pool, place->scratch, path, &identity, err);
}

int mr_workplace_open(const struct mr_workplace *place, const struct mr_orders_task *task,
                      uint32_t partition, struct mr_run **run, struct mr_error *err) {
    struct mr_map_output_identity identity = identify(place, task);
    struct mr_map_output *output = NULL;
    char path[MR_ORDERS_PATH_MAX];
    if (!mr_orders_path(place->scratch, task, path, err) &&
        !mr_map_output_open(path, &identity, &output, err)) {
        (void)!mr_map_output_run(output, partition, place->pool, run, err);
    }
    mr_map_output_close(output);
    return err->code;
}

static int check_partition(const struct mr_workplace *place, const struct mr_orders_task *task,
                           uint32_t partition, struct mr_error *err) {
    struct mr_run *run = NULL;
    if (mr_workplace_open(place, task, partition, &run, err)) {
        return err->code;
    }
    char *buffer = mr_run_buffer_take(run);
    if (!buffer) {
        mr_error_nomem(err, "checking a map output");
    }
    for (size_t i = 0; i < run->block_count && !err->code; i++) {
        (void)!mr_run_read_block(run, &run->blocks[i], buffer, err);
    }
    if (buffer) {
        mr_run_buffer_give(run, buffer);
    }
    mr_run_destroy(run);
    return err->code;
}

int mr_workplace_check(const struct mr_workplace *place, const struct mr_orders_task *task,
                       struct mr_error *err) {
    return check_partition(place, task, MR_MAP_OUTPUT_ALL, err);
}

struct mr_orders_task mr_workplace_source(const struct mr_orders_task *task, uint32_t i) {
    bool is_map = task->phase == MR_PHASE_MAP;
    return (struct mr_orders_task){.phase = task->phase == MR_PHASE_REDUCE ? MR_PHASE_MAP
                                                                           : MR_PHASE_REDUCE,
                                   .pass = task->pass,
                                   .round = is_map ? task->round - 1 : task->round,
                                   .task = is_map ? task->task : i,
                                   .attempt = task->winners[i],
                                   .partitions = task->partitions};
}

struct mr_orders_lost mr_workplace_find_lost(const struct mr_workplace *place,
                                             const struct mr_orders_task *task) {
    uint32_t partition = task->phase == MR_PHASE_REDUCE ? task->task : MR_MAP_OUTPUT_ALL;
    for (uint32_t i = 0; i < task->winner_count; i++) {
        struct mr_orders_task source = mr_workplace_source(task, i);
        struct mr_error why = {0};
        if (check_partition(place, &source, partition, &why) == MR_ERR_IO) {
            return (struct mr_orders_lost){true, source.task, source.attempt};
        }
    }
    return (struct mr_orders_lost){0};
}
