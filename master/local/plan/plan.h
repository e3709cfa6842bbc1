/* plan: decides, before any work, what a run consists of: splits, partitions, threads, memory. */
#ifndef MR_PLAN_PLAN_H
#define MR_PLAN_PLAN_H

#include "lib/input/splits.h"
#include "lib/job/params.h"
#include <mr/run.h>

#define MR_PLAN_MEMORY_MIN ((uint64_t)16 << 20)
#define MR_PLAN_RECORD_MAX ((uint64_t)64 << 20)

/* How the memory is shared out. The process's own needs (code, stacks, read blocks, output buffers)
 * come first; what is left goes to the collectors and the pool of runs while mapping, to merge
 * buffers and the pool while reducing. */
struct mr_plan_memory {
    uint64_t total;
    uint64_t side_bytes;    /* of side inputs, and of what the job makes of them */
    size_t block_bytes;     /* of a read block, a thread */
    size_t collector_bytes; /* a thread */
    size_t pool_limit;      /* runs in memory beyond it are spilled */
    size_t merge_bytes;     /* buffers of runs on disk, a thread */
    size_t range_bytes;     /* of a key range in reduce */
    size_t buffered_max;    /* output that waits for its turn */
    size_t windows_max;     /* of decompressors, all at once; they leave the pool less */
    size_t fan_in;
    size_t state_max; /* of a loop's state, of which there are two for a moment */
};

struct mr_plan {
    const struct mr_job *job;
    struct mr_params *params;
    struct mr_inputs inputs;
    struct mr_splits splits;
    const struct mr_round *rounds; /* the job's own, or those it chose */
    uint32_t round_count;
    bool loops;          /* the rounds are a pass of a loop */
    uint32_t partitions; /* from the size of the input */
    unsigned threads;
    bool is_inline; /* so small that the calling thread does it all */
    uint64_t record_bytes_max;
    const char *tmp;
    const char *const *facts;
    struct mr_plan_memory memory;
};

/* Checks the spec and plans it; nothing is written. Release with mr_plan_fini, also after a
 * failure. */
MR_MUST_USE int mr_plan_make(const struct mr_run_spec *spec, struct mr_plan *plan,
                             struct mr_error *err);
void mr_plan_fini(struct mr_plan *plan);

/* The partitions of a round: the round's own number, or the user's for the last, or the plan's; 1
 * where it writes to a stream. */
uint32_t mr_plan_partitions(const struct mr_plan *plan, const struct mr_run_spec *spec,
                            uint32_t round);
/* Whether a round writes the output: the last one, unless the job loops. */
bool mr_plan_is_output(const struct mr_plan *plan, uint32_t round);
/* The parts of the output: the last round's partitions, or the one of a loop's lines. */
uint32_t mr_plan_parts(const struct mr_plan *plan, const struct mr_run_spec *spec);

#endif
