/* reduce_task: reduces one partition, its key ranges by any number of threads at once. */
#include "reducer/reduce_task.h"

#include "lib/base/error.h"
#include "reducer/lanes.h"
#include <stdlib.h>

#define STOP_CHECK_GROUPS 1024 /* a power of two */

struct mr_reduce_task {
    struct mr_reduce_task_source source;
    struct mr_key_range *ranges;
    size_t range_count;
    atomic_size_t range_next;
    struct mr_lanes *lanes;
    atomic_uint_fast64_t records;
};

int mr_reduce_task_open(const struct mr_reduce_task_source *source, struct mr_reduce_task **task,
                        struct mr_error *err) {
    struct mr_reduce_task *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a reduce task");
    }
    made->source = *source;
    const struct mr_round *round = source->round;
    bool is_whole = source->pairs || round->compare || round->group || round->reduce_end;
    uint64_t range_bytes = is_whole ? UINT64_MAX : source->range_bytes;
    if (mr_run_store_ranges(source->store, source->partition, range_bytes, &made->ranges,
                            &made->range_count, err) ||
        (source->part && mr_lanes_create(source->part, made->range_count, source->buffered_max,
                                         &made->lanes, err))) {
        mr_reduce_task_close(made);
        return err->code;
    }
    *task = made;
    return MR_OK;
}

void mr_reduce_task_close(struct mr_reduce_task *task) {
    if (!task) {
        return;
    }
    mr_lanes_destroy(task->lanes);
    free(task->ranges);
    free(task);
}

bool mr_reduce_task_has_more(const struct mr_reduce_task *task) {
    return atomic_load(&task->range_next) < task->range_count;
}

uint64_t mr_reduce_task_records(const struct mr_reduce_task *task) {
    return atomic_load(&task->records);
}

double mr_reduce_task_fraction(const struct mr_reduce_task *task) {
    size_t taken = atomic_load(&task->range_next);
    return taken < task->range_count ? (double)taken / (double)task->range_count : 1;
}

void mr_reduce_task_fail(struct mr_reduce_task *task) {
    atomic_store(&task->range_next, task->range_count);
    if (task->lanes) {
        mr_lanes_fail(task->lanes);
    }
}

/* Reduces the groups of an open stream. */
static int reduce_groups(struct mr_reducer *reducer, const atomic_bool *stop) {
    struct mr_context *context = mr_reducer_context(reducer);
    for (uint64_t groups = 0;; groups++) {
        bool is_time = groups % STOP_CHECK_GROUPS == 0;
        if (is_time && stop && atomic_load_explicit(stop, memory_order_relaxed)) {
            return mr_error_set(&context->err, MR_ERR_INTERRUPTED, "interrupted");
        }
        int more = mr_reducer_next(reducer);
        if (more <= 0) {
            return more;
        }
    }
}

/* With reduce_end, a partition has a state of its own. */
static int begin_partition(struct mr_reduce_task *task, struct mr_reducer *reducer) {
    struct mr_context *context = mr_reducer_context(reducer);
    context->ctx.partition = task->source.partition;
    context->where->task = task->source.partition;
    if (context->has_state && !task->source.round->reduce_end) {
        return MR_OK;
    }
    mr_context_teardown(context);
    return mr_context_setup(context);
}

static int reduce_range(struct mr_reduce_task *task, struct mr_reducer *reducer, size_t range,
                        const atomic_bool *stop, struct mr_reduce_counts *counts) {
    struct mr_context *context = mr_reducer_context(reducer);
    struct mr_reducer_output output = {.lanes = task->lanes,
                                       .range = range,
                                       .pairs = task->source.pairs,
                                       .raw_numbers = task->source.raw_numbers,
                                       .pool = task->source.pool,
                                       .pairs_limit = task->source.pairs_limit,
                                       .tmp = task->source.tmp,
                                       .stop = stop};
    size_t count;
    struct mr_run *const *runs = mr_run_store_runs(task->source.store, &count);
    if (begin_partition(task, reducer) ||
        mr_reducer_open(reducer, runs, count, task->source.partition, &task->ranges[range], &output,
                        counts)) {
        return context->err.code;
    }
    uint64_t before = counts->records_out;
    if (!reduce_groups(reducer, stop)) {
        (void)!mr_reducer_finish(reducer);
    }
    mr_reducer_close(reducer);
    atomic_fetch_add(&task->records, counts->records_out - before);
    return context->err.code;
}

int mr_reduce_task_work(struct mr_reduce_task *task, struct mr_reducer *reducer,
                        const atomic_bool *stop, struct mr_reduce_counts *counts) {
    struct mr_context *context = mr_reducer_context(reducer);
    mr_context_where = context->where;
    bool has_more = true;
    while (has_more && !context->err.code) {
        if (task->source
                .large) { /* before the range is claimed: ranges wait for those before them */
            pthread_mutex_lock(task->source.large);
        }
        size_t range = atomic_fetch_add(&task->range_next, 1);
        has_more = range < task->range_count;
        if (has_more) {
            (void)!reduce_range(task, reducer, range, stop, counts);
        }
        if (task->source.large) {
            pthread_mutex_unlock(task->source.large);
        }
    }
    mr_context_where = NULL;
    return context->err.code;
}
