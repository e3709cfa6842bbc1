/* outputs: what winners made: where it is, and what happens when it is lost or not needed. */
#ifndef MR_CORE_OUTPUTS_H
#define MR_CORE_OUTPUTS_H

#include "master/core/state.h"

/* Makes an attempt's output the task's. `worker` holds a map's. */
void mr_outputs_win(struct mr_core *core, struct mr_state_job *job,
                    const struct mr_core_attempt *id, struct mr_core_worker worker,
                    uint64_t digest);

/* Takes the winner back, discards what it made, and has the task run again. */
void mr_outputs_withdraw(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                         uint32_t task);

/* Whether the worker that made a map task's output still lives. */
bool mr_outputs_is_held(const struct mr_core *core, const struct mr_state_task *task);

/* Reduce tasks want the round's map outputs: those whose worker is gone are made again, as are
 * those whose making was given up when nobody seemed to want them. */
void mr_outputs_want_maps(struct mr_core *core, struct mr_state_job *job);

/* A round's map outputs are not needed any more. */
void mr_outputs_release(struct mr_core *core, struct mr_state_job *job);

/* Tells of a draining node once it runs and holds nothing. */
void mr_outputs_tell_drained(struct mr_core *core, uint32_t node);

#endif
