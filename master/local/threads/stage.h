/* stage: what the tasks of one round work on, and what they leave behind. */
#ifndef MR_THREADS_STAGE_H
#define MR_THREADS_STAGE_H

#include "mapper/map_task.h"
#include "master/local/common/outlet.h"
#include "master/local/plan/plan.h"
#include "reducer/reduce_task.h"
#include <pthread.h>

/* What a run works with; borrowed. */
struct mr_stage_source {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_run_result *result; /* filled as rounds end */
    struct mr_commit *commit;     /* NULL: the last round writes to spec->output_fd */
    pthread_mutex_t *large;       /* the crew's: held by who has a record that takes much memory */
    struct mr_windows *windows;   /* the crew's: of decompressors */
    const atomic_bool *stop;      /* what the tasks look at; set by the crew itself */
    struct mr_replay *replays;    /* of each split, in a loop over a small input; or NULL */
};

/* Pairs that a round hands to the next: a run for each of its partitions, in order. */
struct mr_stage_pairs {
    struct mr_run **runs;
    uint32_t count;
};
void mr_stage_pairs_fini(struct mr_stage_pairs *pairs);

/* Which round of which pass; and the state that a loop's pass reads, borrowed until the stage is
 * closed. */
struct mr_stage_turn {
    uint32_t round;
    uint64_t pass; /* from 1; 0: the job doesn't loop */
    struct mr_bytes loop_state;
};

struct mr_stage {
    const struct mr_stage_source *source;
    struct mr_pool *pool; /* borrowed */
    uint32_t round;
    bool is_output; /* its lines are the job's output; else its pairs go on */
    struct mr_context_source contexts;
    struct mr_run_store *store;
    struct mr_stage_pairs in;  /* of the round before; owned */
    struct mr_stage_pairs out; /* for the next; owned */
};

/* Opens a round, in a zeroed stage or in place of the round before; takes over `pairs`, which is
 * empty for the first round. */
MR_MUST_USE int mr_stage_open(struct mr_stage *stage, const struct mr_stage_source *source,
                              struct mr_pool *pool, const struct mr_stage_turn *turn,
                              struct mr_stage_pairs *pairs, struct mr_error *err);
void mr_stage_close(struct mr_stage *stage);

uint32_t mr_stage_map_tasks(const struct mr_stage *stage);
MR_MUST_USE int mr_stage_open_map(const struct mr_stage *stage, uint32_t task,
                                  struct mr_map_task **map, struct mr_error *err);

/* A reduce task and where it writes. */
struct mr_stage_reduce {
    struct mr_reduce_task *task;
    uint32_t partition;
    struct mr_outlet outlet; /* of the last round */
    struct mr_run_writer pairs;
};
MR_MUST_USE int mr_stage_open_reduce(struct mr_stage *stage, uint32_t partition, uint32_t attempt,
                                     struct mr_stage_reduce **reduce, struct mr_error *err);
/* Ends a task: makes its output durable and notes its size, unless `failed`. Frees it in any case.
 */
MR_MUST_USE int mr_stage_close_reduce(struct mr_stage *stage, struct mr_stage_reduce *reduce,
                                      bool failed, struct mr_error *err);

#endif
