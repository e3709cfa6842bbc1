/* attempt: one attempt at a task by one thread, its result in files that outlive the process. */
#include "master/local/attempt.h"

#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "lib/base/file.h"
#include "mapper/map_task.h"
#include "reducer/reduce_task.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Map outputs that all threads together have open at once: more are merged in steps. */
#define OPEN_ALL 512
#define OPEN_LEAST 8

static bool is_last(const struct mr_attempt_source *source, const struct mr_core_attempt *id) {
    return id->round + 1 == source->plan->round_count;
}

static uint32_t partitions(const struct mr_attempt_source *source, uint32_t round) {
    return mr_plan_partitions(source->plan, source->spec, round);
}

static int name_file(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                     struct mr_buffer *path, struct mr_error *err) {
    path->len = 0;
    return mr_buffer_printf(path, err, "%s/%s-%u-%u-%u", source->dir,
                            id->phase == MR_PHASE_MAP ? "map" : "pairs", id->round, id->task,
                            id->attempt);
}

static struct mr_map_output_identity identify(const struct mr_attempt_source *source,
                                              const struct mr_core_attempt *id) {
    bool is_map = id->phase == MR_PHASE_MAP;
    struct mr_map_output_identity identity = {
        .round = id->round,
        .task = id->task,
        .attempt = id->attempt,
        .partitions = is_map ? partitions(source, id->round) : 1,
        .order = is_map ? MR_MAP_OUTPUT_BY_KEY : MR_MAP_OUTPUT_BY_ARRIVAL,
        .value = source->plan->rounds[id->round].value};
    memcpy(identity.job, source->id, sizeof identity.job);
    return identity;
}

static struct mr_context_source contexts(const struct mr_attempt_source *source, uint32_t round) {
    return (struct mr_context_source){.job = source->plan->job,
                                      .params = source->plan->params,
                                      .rounds = source->plan->rounds,
                                      .round = round,
                                      .partitions = partitions(source, round),
                                      .verbose = source->spec->verbose};
}

static int make_store(const struct mr_attempt_source *source, struct mr_run_store **store,
                      struct mr_error *err) {
    struct mr_run_store_options options = {.pool = source->pool,
                                           .limit_bytes = source->plan->memory.pool_limit,
                                           .fan_in = source->plan->memory.fan_in,
                                           .tmp = source->plan->tmp,
                                           .stop = source->stop};
    return mr_run_store_create(&options, store, err);
}

/* Makes an attempt's file anew: one of the same name is from before a crash, and nobody's. */
static int make_file(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                     struct mr_map_output_writer *writer, struct mr_error *err) {
    struct mr_map_output_identity identity = identify(source, id);
    struct mr_buffer path = {0};
    if (!name_file(source, id, &path, err)) {
        if (unlink(path.data) != 0 && errno != ENOENT) {
            mr_error_errno(err, MR_ERR_IO, errno, "replace \"%s\"", path.data);
        } else {
            (void)!mr_map_output_create(writer, source->pool, source->dir, path.data, &identity,
                                        err);
        }
    }
    mr_buffer_fini(&path);
    return err->code;
}

static int open_file(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                     uint32_t partition, struct mr_run **run, struct mr_error *err) {
    struct mr_map_output_identity identity = identify(source, id);
    struct mr_map_output *output = NULL;
    struct mr_buffer path = {0};
    if (!name_file(source, id, &path, err) &&
        !mr_map_output_open(path.data, &identity, &output, err)) {
        (void)!mr_map_output_run(output, partition, source->pool, run, err);
    }
    mr_map_output_close(output);
    mr_buffer_fini(&path);
    return err->code;
}

/* Makes a file and its name durable. */
static int sync_file(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                     struct mr_error *err) {
    struct mr_buffer path = {0};
    int fd = -1;
    int dir_fd = -1;
    if (!name_file(source, id, &path, err)) {
        fd = open(path.data, O_RDONLY | O_CLOEXEC);
        dir_fd = open(source->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || dir_fd < 0) {
            mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path.data);
        } else if (!mr_file_sync(fd, path.data, err)) {
            (void)!mr_file_sync(dir_fd, source->dir, err);
        }
    }
    if (fd >= 0) {
        (void)close(fd); /* it was synced */
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    mr_buffer_fini(&path);
    return err->code;
}

int mr_attempt_check(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                     struct mr_error *err) {
    struct mr_run *run = NULL;
    char *buffer = NULL;
    if (open_file(source, id, MR_MAP_OUTPUT_ALL, &run, err)) {
        return err->code;
    }
    buffer = mr_run_buffer_take(run);
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

void mr_attempt_discard(const struct mr_attempt_source *source, const struct mr_core_attempt *id) {
    struct mr_error ignored = {0}; /* what stays goes with the folder */
    struct mr_buffer path = {0};
    if (id->phase == MR_PHASE_REDUCE && is_last(source, id)) {
        (void)!mr_commit_discard(source->commit, id->task, id->attempt, &ignored);
    } else if (!name_file(source, id, &path, &ignored)) {
        (void)unlink(path.data);
    }
    mr_buffer_fini(&path);
}

int mr_attempt_check_input(const struct mr_input *input, struct mr_error *err) {
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

/* ---- map ------------------------------------------------------------------------------------- */

struct map {
    const struct mr_attempt_source *source;
    const struct mr_core_attempt *id;
    struct mr_run_store *store;
    struct mr_collector *collector;
    struct mr_map_task *task;
    struct mr_run *pairs;
    struct mr_block block;
    struct mr_map_output_writer output;
    struct mr_map_counts counts;
};

static int open_map_task(struct map *map, uint32_t before, struct mr_error *err) {
    const struct mr_attempt_source *source = map->source;
    const struct mr_plan *plan = source->plan;
    struct mr_map_task_source task = {.task = map->id->task,
                                      .reader = {.block_bytes = plan->memory.block_bytes,
                                                 .record_bytes_max = plan->record_bytes_max,
                                                 .stop = source->stop,
                                                 .large = source->large,
                                                 .windows = source->windows}};
    if (map->id->round == 0) {
        task.split = &plan->splits.items[map->id->task];
        task.input = &plan->inputs.items[task.split->input];
        if (mr_attempt_check_input(task.input, err)) {
            return err->code;
        }
    } else {
        struct mr_core_attempt from = {map->id->job, map->id->round - 1, MR_PHASE_REDUCE,
                                       map->id->task, before};
        if (open_file(source, &from, MR_MAP_OUTPUT_ALL, &map->pairs, err)) {
            return err->code;
        }
        task.pairs = map->pairs;
    }
    return mr_map_task_open(&task, &map->task, err);
}

static int open_map(struct map *map, uint32_t before, struct mr_error *err) {
    struct mr_collector_options options = {.source = contexts(map->source, map->id->round),
                                           .pool = map->source->pool,
                                           .budget_bytes =
                                               map->source->plan->memory.collector_bytes};
    if (make_store(map->source, &map->store, err)) {
        return err->code;
    }
    options.store = map->store;
    return open_map_task(map, before, err) ? err->code
                                           : mr_collector_create(&options, &map->collector, err);
}

/* Merges what the collector sealed into the file. */
static int write_output(struct map *map, struct mr_map_output_summary *summary) {
    struct mr_context *context = mr_collector_context(map->collector);
    struct mr_record_rules rules = mr_context_rules(context);
    if (mr_run_store_settle(map->store, map->source->plan->memory.merge_bytes, &rules,
                            &context->err) ||
        make_file(map->source, map->id, &map->output, &context->err) ||
        mr_run_store_merge(map->store, &map->output.run, &rules, &context->err)) {
        return context->err.code;
    }
    return mr_map_output_finish(&map->output, summary, &context->err);
}

static int work_map(struct map *map, struct mr_account *account, struct mr_error *err) {
    struct mr_context *context = mr_collector_context(map->collector);
    struct mr_map_output_summary summary = {0};
    if (mr_map_task_work(map->task, map->collector, &map->block, map->source->stop, &map->counts) ||
        mr_collector_finish(map->collector) || write_output(map, &summary)) {
        *err = context->err;
        return err->code;
    }
    if (map->id->round == 0) {
        const struct mr_plan *plan = map->source->plan;
        const struct mr_split *split = &plan->splits.items[map->id->task];
        if (mr_attempt_check_input(&plan->inputs.items[split->input], err)) {
            return err->code;
        }
    }
    struct mr_run_store_stats stats = mr_run_store_stats(map->store);
    *account =
        (struct mr_account){.attempt = map->id->attempt,
                            .records_read = map->counts.records_read,
                            .records_mapped = map->counts.records_mapped,
                            .bytes_read = map->counts.bytes,
                            .emitted = mr_collector_emitted(map->collector),
                            .combined = mr_collector_combined(map->collector) + stats.combined,
                            .spilled = stats.bytes_spilled,
                            .output_records = summary.records,
                            .output_bytes = summary.bytes,
                            .digest = summary.digest};
    return mr_account_count(account, &context->counters, err);
}

int mr_attempt_map(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                   uint32_t before, struct mr_account *account, struct mr_error *err) {
    struct map map = {.source = source, .id = id};
    if (!open_map(&map, before, err)) {
        (void)!work_map(&map, account, err);
    }
    mr_collector_destroy(map.collector);
    mr_map_task_close(map.task);
    mr_reader_block_fini(&map.block);
    mr_run_destroy(map.pairs);
    mr_run_store_destroy(map.store);
    mr_map_output_abandon(&map.output);
    if (err->code) {
        mr_attempt_discard(source, id);
    } else {
        MR_FAIL_POINT(map_output_made);
    }
    return err->code;
}

/* ---- reduce ---------------------------------------------------------------------------------- */

struct reduce {
    const struct mr_attempt_source *source;
    const struct mr_core_attempt *id;
    struct mr_run_store *store;
    struct mr_reducer *reducer;
    struct mr_reduce_task *task;
    int dir_fd;
    struct mr_part part;
    struct mr_map_output_writer pairs;
    struct mr_reduce_counts counts;
};

/* Adopts the partition of every map output; many are merged in steps. */
static int gather(struct reduce *reduce, const uint32_t *winners, uint32_t count) {
    struct mr_context *context = mr_reducer_context(reduce->reducer);
    struct mr_record_rules rules = mr_context_rules(context);
    rules.partition_begin = reduce->id->task;
    rules.partitions = reduce->id->task + 1;
    uint32_t open_max = OPEN_ALL / reduce->source->plan->threads;
    open_max = open_max < OPEN_LEAST ? OPEN_LEAST : open_max;
    int status = mr_context_setup(context); /* merging may call compare or combine */
    for (uint32_t i = 0; i < count && !status; i++) {
        struct mr_core_attempt from = {reduce->id->job, reduce->id->round, MR_PHASE_MAP, i,
                                       winners[i]};
        struct mr_run *run = NULL;
        status = open_file(reduce->source, &from, reduce->id->task, &run, &context->err);
        if (!status) {
            status = mr_run_store_adopt(reduce->store, run, &context->err);
        }
        if (!status && (i + 1) % open_max == 0) {
            status = mr_run_store_settle(reduce->store, MR_POOL_CHUNK_BYTES, &rules, &context->err);
        }
    }
    return status ? status
                  : mr_run_store_settle(reduce->store, reduce->source->plan->memory.merge_bytes,
                                        &rules, &context->err);
}

/* Where the output goes: a part in a directory of the attempt's own, or a file of pairs. */
static int open_output(struct reduce *reduce, struct mr_error *err) {
    const struct mr_attempt_source *source = reduce->source;
    const struct mr_core_attempt *id = reduce->id;
    char name[MR_PART_NAME_MAX];
    if (!is_last(source, id)) {
        return make_file(source, id, &reduce->pairs, err);
    }
    mr_part_name(name, sizeof name, id->task);
    return mr_commit_attempt(source->commit, id->task, id->attempt, &reduce->dir_fd, err)
               ? err->code
               : mr_part_create(&reduce->part, reduce->dir_fd, name, err);
}

static int open_reduce_task(struct reduce *reduce, struct mr_error *err) {
    const struct mr_attempt_source *source = reduce->source;
    const struct mr_plan_memory *memory = &source->plan->memory;
    bool last = is_last(source, reduce->id);
    struct mr_reduce_task_source task = {.partition = reduce->id->task,
                                         .round = &source->plan->rounds[reduce->id->round],
                                         .store = reduce->store,
                                         .range_bytes = memory->range_bytes,
                                         .buffered_max = memory->buffered_max,
                                         .part = last ? &reduce->part : NULL,
                                         .pairs = last ? NULL : &reduce->pairs.run,
                                         .pool = source->pool,
                                         .pairs_limit = memory->pool_limit,
                                         .tmp = source->plan->tmp};
    if (mr_run_store_is_tight(reduce->store, memory->merge_bytes)) {
        task.large = source->large;
    }
    return open_output(reduce, err) ? err->code : mr_reduce_task_open(&task, &reduce->task, err);
}

/* Makes what was written durable. */
static int keep_output(struct reduce *reduce, struct mr_account *account, struct mr_error *err) {
    struct mr_run_part part = {0};
    struct mr_map_output_summary summary = {0};
    if (!is_last(reduce->source, reduce->id)) {
        return mr_map_output_finish(&reduce->pairs, &summary, err)
                   ? err->code
                   : sync_file(reduce->source, reduce->id, err);
    }
    if (mr_part_finish(&reduce->part, &part, err) ||
        mr_file_sync(reduce->dir_fd, "the directory of an attempt", err) ||
        mr_commit_sync(reduce->source->commit, err)) {
        return err->code;
    }
    account->part_bytes = part.bytes;
    account->part_xxh3 = part.xxh3;
    return MR_OK;
}

static int work_reduce(struct reduce *reduce, const uint32_t *winners, uint32_t count,
                       struct mr_account *account, struct mr_error *err) {
    struct mr_context *context = mr_reducer_context(reduce->reducer);
    if (gather(reduce, winners, count) || open_reduce_task(reduce, &context->err) ||
        mr_reduce_task_work(reduce->task, reduce->reducer, reduce->source->stop, &reduce->counts)) {
        *err = context->err;
        return err->code;
    }
    *account = (struct mr_account){.attempt = reduce->id->attempt,
                                   .merged = mr_run_store_stats(reduce->store).combined,
                                   .spilled = mr_run_store_stats(reduce->store).bytes_spilled,
                                   .pairs_reduced = reduce->counts.pairs_reduced,
                                   .groups = reduce->counts.groups,
                                   .groups_with_output = reduce->counts.groups_with_output,
                                   .groups_without_output = reduce->counts.groups_without_output,
                                   .records_out = reduce->counts.records_out,
                                   .bytes_out = reduce->counts.bytes_out};
    return keep_output(reduce, account, err) ? err->code
                                             : mr_account_count(account, &context->counters, err);
}

int mr_attempt_reduce(const struct mr_attempt_source *source, const struct mr_core_attempt *id,
                      const uint32_t *winners, uint32_t winner_count, struct mr_account *account,
                      struct mr_error *err) {
    struct reduce reduce = {.source = source, .id = id, .dir_fd = -1, .part = {.fd = -1}};
    struct mr_context_source context = contexts(source, id->round);
    if (!make_store(source, &reduce.store, err) &&
        !mr_reducer_create(&context, &reduce.reducer, err)) {
        (void)!work_reduce(&reduce, winners, winner_count, account, err);
    }
    mr_reduce_task_close(reduce.task);
    mr_reducer_destroy(reduce.reducer);
    mr_run_store_destroy(reduce.store);
    mr_part_abandon(&reduce.part);
    mr_map_output_abandon(&reduce.pairs);
    if (reduce.dir_fd >= 0) {
        (void)close(reduce.dir_fd); /* it was synced */
    }
    if (err->code) {
        mr_attempt_discard(source, id);
    } else {
        MR_FAIL_POINT(part_synced);
    }
    return err->code;
}
