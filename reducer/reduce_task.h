/* reduce_task: reduces one partition, its key ranges by any number of threads at once. */
#ifndef MR_REDUCER_REDUCE_TASK_H
#define MR_REDUCER_REDUCE_TASK_H

#include "reducer/reducer.h"
#include <pthread.h>
#include <stdatomic.h>

struct mr_reduce_task; /* one partition; opaque */

/* What to reduce, and where to. Borrowed until the task is closed. */
struct mr_reduce_task_source {
    uint32_t partition;
    const struct mr_round *round;
    const struct mr_run_store *store; /* settled */
    size_t range_bytes;               /* of runs, about, in a key range */
    struct mr_part *part;             /* the last round: text */
    struct mr_run_writer *pairs;      /* an earlier round: pairs for the next one, in partition 0 */
    bool raw_numbers;                 /* of pairs: see reducer.h */
    pthread_mutex_t *large; /* held while a range is reduced, where long records leave no room for
                               two at once; or NULL */
    size_t buffered_max;    /* of output that waits for its turn */
    struct mr_pool *pool;
    size_t pairs_limit; /* beyond it in the pool, pairs go to disk */
    const char *tmp;
};

MR_MUST_USE int mr_reduce_task_open(const struct mr_reduce_task_source *source,
                                    struct mr_reduce_task **task, struct mr_error *err);

/* Reduces key ranges until none are left or *stop is set (MR_ERR_INTERRUPTED). Any thread, with a
 * reducer of its own. The error is its context's; after one, call mr_reduce_task_fail, so that
 * nobody waits for this thread's range. */
MR_MUST_USE int mr_reduce_task_work(struct mr_reduce_task *task, struct mr_reducer *reducer,
                                    const atomic_bool *stop, struct mr_reduce_counts *counts);
void mr_reduce_task_fail(struct mr_reduce_task *task);

bool mr_reduce_task_has_more(const struct mr_reduce_task *task);

/* Records written by the task. */
uint64_t mr_reduce_task_records(const struct mr_reduce_task *task);

/* How much of the task has been taken up, 0 to 1. Any thread. */
double mr_reduce_task_fraction(const struct mr_reduce_task *task);

void mr_reduce_task_close(struct mr_reduce_task *task);

#endif
