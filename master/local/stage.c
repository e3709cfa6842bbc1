/* stage: what the tasks of one round work on, and what they leave behind. */
#include "master/local/stage.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include <stdio.h>
#include <stdlib.h>

void mr_stage_pairs_fini(struct mr_stage_pairs *pairs) {
    for (uint32_t i = 0; pairs->runs && i < pairs->count; i++) {
        mr_run_destroy(pairs->runs[i]);
    }
    free(pairs->runs);
    *pairs = (struct mr_stage_pairs){0};
}

int mr_stage_open(struct mr_stage *stage, const struct mr_stage_source *source,
                  struct mr_pool *pool, uint32_t round, struct mr_stage_pairs *pairs,
                  struct mr_error *err) {
    const struct mr_plan *plan = source->plan;
    *stage =
        (struct mr_stage){.source = source,
                          .pool = pool,
                          .round = round,
                          .is_last = round + 1 == plan->round_count,
                          .contexts = {.job = plan->job,
                                       .params = plan->params,
                                       .rounds = plan->rounds,
                                       .round = round,
                                       .partitions = mr_plan_partitions(plan, source->spec, round),
                                       .verbose = source->spec->verbose},
                          .in = *pairs};
    *pairs = (struct mr_stage_pairs){0};
    struct mr_run_store_options options = {.pool = pool,
                                           .limit_bytes = plan->memory.pool_limit,
                                           .fan_in = plan->memory.fan_in,
                                           .tmp = plan->tmp,
                                           .stop = source->stop};
    if (!stage->is_last) {
        stage->out.count = stage->contexts.partitions;
        stage->out.runs = calloc(stage->out.count, sizeof(struct mr_run *));
        if (!stage->out.runs) {
            return mr_error_nomem(err, "opening a round");
        }
    }
    return mr_run_store_create(&options, &stage->store, err);
}

void mr_stage_close(struct mr_stage *stage) {
    mr_run_store_destroy(stage->store);
    mr_stage_pairs_fini(&stage->in);
    mr_stage_pairs_fini(&stage->out);
    *stage = (struct mr_stage){0};
}

uint32_t mr_stage_map_tasks(const struct mr_stage *stage) {
    return stage->round == 0 ? (uint32_t)stage->source->plan->splits.count : stage->in.count;
}

int mr_stage_open_map(const struct mr_stage *stage, uint32_t task, struct mr_map_task **map,
                      struct mr_error *err) {
    const struct mr_plan *plan = stage->source->plan;
    struct mr_map_task_source source = {
        .task = task,
        .reader = {.block_bytes = plan->memory.block_bytes,
                   .record_bytes_max = plan->record_bytes_max,
                   .large = stage->source->large,
                   .pool = stage->pool,
                   .windows = stage->source->windows,
                   .stop = stage->source->stop},
    };
    if (stage->round == 0) {
        source.split = &plan->splits.items[task];
        source.input = &plan->inputs.items[source.split->input];
    } else {
        source.pairs = stage->in.runs[task];
    }
    return mr_map_task_open(&source, map, err);
}

/* Opens the part of an attempt, or the stream. */
static int open_part(struct mr_stage *stage, struct mr_stage_reduce *reduce, uint32_t attempt,
                     struct mr_error *err) {
    char name[32];
    if (!stage->source->commit) {
        int status = mr_part_stream(&reduce->part, stage->source->spec->output_fd, err);
        reduce->part.stop = stage->source->stop;
        return status;
    }
    snprintf(name, sizeof name, "part-%05u", reduce->partition);
    if (mr_commit_attempt(stage->source->commit, reduce->partition, attempt, &reduce->dir_fd,
                          err)) {
        return err->code;
    }
    return mr_part_create(&reduce->part, reduce->dir_fd, name, err);
}

int mr_stage_open_reduce(struct mr_stage *stage, uint32_t partition, uint32_t attempt,
                         struct mr_stage_reduce **reduce, struct mr_error *err) {
    const struct mr_plan_memory *memory = &stage->source->plan->memory;
    struct mr_stage_reduce *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a reduce task");
    }
    made->partition = partition;
    made->dir_fd = -1;
    made->part.fd = -1;
    struct mr_reduce_task_source source = {.partition = partition,
                                           .round = &stage->contexts.rounds[stage->round],
                                           .store = stage->store,
                                           .range_bytes = memory->range_bytes,
                                           .buffered_max = memory->buffered_max,
                                           .pool = stage->pool,
                                           .pairs_limit = memory->pool_limit,
                                           .tmp = stage->source->plan->tmp};
    if (mr_run_store_is_tight(stage->store, memory->merge_bytes)) {
        source.large = stage->source->large;
    }
    if (stage->is_last) {
        source.part = &made->part;
        (void)!open_part(stage, made, attempt, err);
    } else {
        source.pairs = &made->pairs;
        (void)!mr_run_writer_open(&made->pairs, stage->pool, NULL, err);
    }
    if (!err->code && !mr_reduce_task_open(&source, &made->task, err)) {
        *reduce = made;
        return MR_OK;
    }
    (void)!mr_stage_close_reduce(stage, made, true, err);
    return err->code;
}

/* Makes the part durable and notes what it holds. */
static int finish_part(struct mr_stage *stage, struct mr_stage_reduce *reduce,
                       struct mr_error *err) {
    struct mr_run_result *result = stage->source->result;
    struct mr_run_part done = {0};
    if (mr_part_finish(&reduce->part, &done, err)) {
        return err->code;
    }
    done.records = mr_reduce_task_records(reduce->task);
    if (reduce->dir_fd >= 0) {
        result->parts[reduce->partition] = done; /* each task has a row of its own */
        return mr_file_sync(reduce->dir_fd, "the directory of an attempt", err);
    }
    return MR_OK;
}

int mr_stage_close_reduce(struct mr_stage *stage, struct mr_stage_reduce *reduce, bool failed,
                          struct mr_error *err) {
    if (!failed && stage->is_last) {
        (void)!finish_part(stage, reduce, err);
    } else if (!failed) {
        (void)!mr_run_writer_finish(&reduce->pairs, &stage->out.runs[reduce->partition], err);
    }
    mr_part_abandon(&reduce->part);
    mr_run_writer_abandon(&reduce->pairs);
    mr_reduce_task_close(reduce->task);
    struct mr_error ignored = {0};
    if (mr_file_close(&reduce->dir_fd, "the directory of an attempt", &ignored) && !failed) {
        *err = err->code ? *err : ignored;
    }
    free(reduce);
    return err->code;
}
