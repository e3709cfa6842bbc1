/* reducer: hands each group of equal keys to the job's reduce, and takes what it emits. */
#ifndef MR_REDUCER_REDUCER_H
#define MR_REDUCER_REDUCER_H

#include "lib/job/context.h"
#include "reducer/lanes.h"

struct mr_reducer; /* one thread's context and buffers; opaque */

/* One thread's account, added to. */
struct mr_reduce_counts {
    uint64_t pairs_reduced;
    uint64_t groups;
    uint64_t groups_with_output;
    uint64_t groups_without_output;
    uint64_t records_out;
    uint64_t bytes_out;
    double wait_seconds; /* for the turn to write */
};

/* Makes a thread's reducer. The job's setup is called when it first works (with reduce_end: for
 * each partition). */
MR_MUST_USE int mr_reducer_create(const struct mr_context_source *source,
                                  struct mr_reducer **reducer, struct mr_error *err);
void mr_reducer_destroy(struct mr_reducer *reducer);
struct mr_context *mr_reducer_context(struct mr_reducer *reducer);

/* Where emits go: a lane of a part, as text, or pairs for the next round. */
struct mr_reducer_output {
    struct mr_lanes *lanes;
    size_t range;
    struct mr_run_writer *pairs;
    bool raw_numbers; /* pairs: the 8 bytes of a typed emit's number, not its digits */
    struct mr_pool *pool;
    size_t pairs_limit;
    const char *tmp;
    const atomic_bool *stop; /* may be NULL: looked at within a group too, which may be long */
};

/* Opens one key range of a partition. Close it in any case. */
MR_MUST_USE int mr_reducer_open(struct mr_reducer *reducer, struct mr_run *const *runs,
                                size_t count, uint32_t partition, const struct mr_key_range *range,
                                const struct mr_reducer_output *output,
                                struct mr_reduce_counts *counts);
/* Reduces the next group: 1, 0 when there was none, or the context's sticky status. */
MR_MUST_USE int mr_reducer_next(struct mr_reducer *reducer);
/* After the last group: calls reduce_end, and ends the lane. */
MR_MUST_USE int mr_reducer_finish(struct mr_reducer *reducer);
void mr_reducer_close(struct mr_reducer *reducer);

#endif
