/* attempts: which attempts run, and on whose slots. */
#ifndef MR_CORE_ATTEMPTS_H
#define MR_CORE_ATTEMPTS_H

#include "master/core/state.h"

/* Makes room for as many attempts as there are slots. */
MR_MUST_USE int mr_attempts_reserve(struct mr_core *core, uint64_t slots, struct mr_error *err);

/* Takes a slot of the node for the task's attempt `number`, as the latest of all lists. Adds no
 * effect and leaves the task's counters alone. */
struct mr_state_attempt *mr_attempts_add(struct mr_core *core, struct mr_state_job *job,
                                         const struct mr_core_attempt *id, uint32_t node,
                                         bool is_stopping, bool is_backup);

/* The attempt of this identity that this worker runs, or NULL. Looks at the worker's slots. */
struct mr_state_attempt *mr_attempts_find(const struct mr_core *core, struct mr_core_worker worker,
                                          const struct mr_core_attempt *id);

/* Gives the slot back and forgets the attempt. */
void mr_attempts_remove(struct mr_core *core, struct mr_state_attempt *attempt);

/* Wants the attempt to end: its task knows it no longer. Harmless on one that is stopping. */
void mr_attempts_stop(struct mr_core *core, struct mr_state_attempt *attempt);
/* The same for every running attempt of a task, and of a job. */
void mr_attempts_stop_task(struct mr_core *core, const struct mr_state_task *task);
void mr_attempts_stop_job(struct mr_core *core, const struct mr_state_job *job);

#endif
