/* attempt: one attempt at a task by one thread, its result in files that outlive the process.
 *
 * A map attempt has a collector and a run store of its own, and leaves one map output (see
 * lib/record/map_output.h). A reduce attempt merges its partition of all map outputs and leaves a
 * durable part in the directory of its attempt, or, in a round before the last, a durable file of
 * pairs for the next. Nothing of either counts before the journal has the attempt as winner; and a
 * file is believed only after its checksums are seen to be right. */
#ifndef MR_LOCAL_ATTEMPT_H
#define MR_LOCAL_ATTEMPT_H

#include "lib/input/windows.h"
#include "lib/output/commit.h"
#include "lib/record/map_output.h"
#include "lib/worker/account.h"
#include "master/core/terms.h"
#include "master/local/plan.h"
#include <pthread.h>

/* What all attempts of a run work with; borrowed. */
struct mr_attempt_source {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_pool *pool;
    pthread_mutex_t *large;     /* held by who has a record that takes much memory */
    struct mr_windows *windows; /* of decompressors */
    const atomic_bool *stop;
    struct mr_commit *commit;
    const char *dir; /* for files from task to task */
    unsigned char id[MR_MAP_OUTPUT_JOB_BYTES];
};

/* `before`: in a round behind the first, the attempt that won the reduce task of the round before
 * whose pairs are mapped. */
MR_MUST_USE int mr_attempt_map(const struct mr_attempt_source *source,
                               const struct mr_core_attempt *id, uint32_t before,
                               struct mr_account *account, struct mr_error *err);

/* `winners`: the attempts that won the round's map tasks. */
MR_MUST_USE int mr_attempt_reduce(const struct mr_attempt_source *source,
                                  const struct mr_core_attempt *id, const uint32_t *winners,
                                  uint32_t winner_count, struct mr_account *account,
                                  struct mr_error *err);

/* Reads all of the file that an attempt left and checks it. */
MR_MUST_USE int mr_attempt_check(const struct mr_attempt_source *source,
                                 const struct mr_core_attempt *id, struct mr_error *err);

/* Removes what an attempt left, where it is there. */
void mr_attempt_discard(const struct mr_attempt_source *source, const struct mr_core_attempt *id);

/* Sees that no input is another than when the run was planned (MR_ERR_INPUT, naming the first). */
MR_MUST_USE int mr_attempt_check_input(const struct mr_input *input, struct mr_error *err);

#endif
