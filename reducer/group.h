/* group: hands each group of equal keys to the job's reduce, and takes what it emits. */
#ifndef MR_REDUCER_GROUP_H
#define MR_REDUCER_GROUP_H

#include "reducer/lanes.h"
#include "reducer/reduce_task.h"

/* Where emits go: a lane of a part, as text, or pairs for the next round. */
struct mr_group_output {
    struct mr_lanes *lanes;
    size_t range;
    struct mr_run_writer *pairs;
    struct mr_pool *pool;
    size_t pairs_limit;
    const char *tmp;
    const atomic_bool *stop; /* may be NULL: looked at within a group too, which may be long */
};

/* Opens one key range of a partition. Close it in any case. */
MR_MUST_USE int mr_group_open(struct mr_reducer *reducer, struct mr_run *const *runs, size_t count,
                              uint32_t partition, const struct mr_key_range *range,
                              const struct mr_group_output *output,
                              struct mr_reduce_counts *counts);
/* Reduces the next group: 1, 0 when there was none, or the context's sticky status. */
MR_MUST_USE int mr_group_next(struct mr_reducer *reducer);
/* After the last group: calls reduce_end, and ends the lane. */
MR_MUST_USE int mr_group_finish(struct mr_reducer *reducer);
void mr_group_close(struct mr_reducer *reducer);

#endif
