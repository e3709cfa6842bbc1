/* stage: what the tasks of one round work on, and what they leave behind. */
#include "master/local/threads/stage.h"

#include "lib/base/error.h"
#include <stdlib.h>

void mr_stage_pairs_fini(struct mr_stage_pairs *pairs) {
    for (uint32_t i = 0; pairs->runs && i < pairs->count; i++) {
        mr_run_destroy(pairs->runs[i]);
    }
    free(pairs->runs);
    *pairs = (struct mr_stage_pairs){0};
}

/* The store of the round before, emptied, or one made. */
static int open_store(struct mr_stage *stage, struct mr_run_store *before, struct mr_error *err) {
    const struct mr_plan *plan = stage->source->plan;
    if (before) {
        mr_run_store_clear(before);
        stage->store = before;
        return MR_OK;
    }
    struct mr_run_store_options options = {.pool = stage->pool,
                                           .limit_bytes = plan->memory.pool_limit,
                                           .fan_in = plan->memory.fan_in,
                                           .tmp = plan->tmp,
                                           .stop = stage->source->stop};
    return mr_run_store_create(&options, &stage->store, err);
}

int mr_stage_open(struct mr_stage *stage, const struct mr_stage_source *source,
                  struct mr_pool *pool, const struct mr_stage_turn *turn,
                  struct mr_stage_pairs *pairs, struct mr_error *err) {
    const struct mr_plan *plan = source->plan;
    struct mr_run_store *before = stage->store;
    uint32_t partitions = mr_plan_partitions(plan, source->spec, turn->round);
    mr_stage_pairs_fini(&stage->in);
    mr_stage_pairs_fini(&stage->out);
    *stage = (struct mr_stage){.source = source,
                               .pool = pool,
                               .round = turn->round,
                               .is_output = mr_plan_is_output(plan, turn->round),
                               .contexts = {.job = plan->job,
                                            .params = plan->params,
                                            .rounds = plan->rounds,
                                            .round = turn->round,
                                            .partitions = partitions,
                                            .verbose = source->spec->verbose,
                                            .pass = turn->pass,
                                            .loop_state = turn->loop_state},
                               .in = *pairs};
    *pairs = (struct mr_stage_pairs){0};
    if (open_store(stage, before, err)) {
        return err->code;
    }
    if (!stage->is_output) {
        stage->out.count = partitions;
        stage->out.runs = calloc(stage->out.count, sizeof(struct mr_run *));
        if (!stage->out.runs) {
            return mr_error_nomem(err, "opening a round");
        }
    }
    return MR_OK;
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
        source.replay = stage->source->replays ? &stage->source->replays[task] : NULL;
        bool is_again = stage->contexts.pass > 1 && !(source.replay && source.replay->is_whole);
        if (is_again && mr_inputs_check_same(source.input, err)) {
            return err->code;
        }
    } else {
        source.pairs = stage->in.runs[task];
    }
    return mr_map_task_open(&source, map, err);
}

int mr_stage_open_reduce(struct mr_stage *stage, uint32_t partition, uint32_t attempt,
                         struct mr_stage_reduce **reduce, struct mr_error *err) {
    const struct mr_plan_memory *memory = &stage->source->plan->memory;
    struct mr_stage_reduce *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a reduce task");
    }
    made->partition = partition;
    made->outlet = MR_OUTLET_CLOSED;
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
    if (stage->is_output) {
        struct mr_outlet_source to = {stage->source->commit, stage->source->spec->output_fd,
                                      stage->source->stop};
        source.part = &made->outlet.part;
        (void)!mr_outlet_open(&made->outlet, &to, partition, attempt, err);
    } else {
        source.pairs = &made->pairs;
        source.raw_numbers =
            stage->contexts.pass > 0 && stage->round + 1 == stage->source->plan->round_count;
        (void)!mr_run_writer_open(&made->pairs, stage->pool, NULL, err);
    }
    if (!err->code && !mr_reduce_task_open(&source, &made->task, err)) {
        *reduce = made;
        return MR_OK;
    }
    (void)!mr_stage_close_reduce(stage, made, true, err);
    return err->code;
}

/* Makes the part durable and notes what it holds: each task has a row of its own. */
static int finish_part(struct mr_stage *stage, struct mr_stage_reduce *reduce,
                       struct mr_error *err) {
    return mr_outlet_finish(&reduce->outlet, mr_reduce_task_records(reduce->task),
                            &stage->source->result->parts[reduce->partition], err);
}

int mr_stage_close_reduce(struct mr_stage *stage, struct mr_stage_reduce *reduce, bool failed,
                          struct mr_error *err) {
    if (!failed && stage->is_output) {
        (void)!finish_part(stage, reduce, err);
    } else if (!failed) {
        (void)!mr_run_writer_finish(&reduce->pairs, &stage->out.runs[reduce->partition], err);
    }
    mr_run_writer_abandon(&reduce->pairs);
    mr_reduce_task_close(reduce->task);
    struct mr_error closing = {0};
    if (mr_outlet_close(&reduce->outlet, &closing) && !failed) {
        *err = err->code ? *err : closing;
    }
    free(reduce);
    return err->code;
}
