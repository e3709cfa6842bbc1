/* rounds: a job's way from its submission through its rounds to its end. */
#ifndef MR_CORE_ROUNDS_H
#define MR_CORE_ROUNDS_H

#include "master/core/state.h"

/* The answers to events about a job. MR_ERR_INTERNAL: no shell may send this; nothing changed. */
MR_MUST_USE int mr_rounds_submit(struct mr_core *core, const struct mr_core_event *event,
                                 struct mr_error *err);
MR_MUST_USE int mr_rounds_cancel(struct mr_core *core, const struct mr_core_event *event,
                                 struct mr_error *err);
MR_MUST_USE int mr_rounds_close(struct mr_core *core, const struct mr_core_event *event,
                                struct mr_error *err);
MR_MUST_USE int mr_rounds_again(struct mr_core *core, const struct mr_core_event *event,
                                struct mr_error *err);
MR_MUST_USE int mr_rounds_fail(struct mr_core *core, const struct mr_core_event *event,
                               struct mr_error *err);
MR_MUST_USE int mr_rounds_publish(struct mr_core *core, const struct mr_core_event *event,
                                  struct mr_error *err);

/* Makes the tasks of a phase, none of which has started. */
MR_MUST_USE int mr_rounds_make_phase(uint32_t count, struct mr_state_phase *phase,
                                     struct mr_error *err);

/* Puts a job in its place among those that have not ended. */
MR_MUST_USE int mr_rounds_reserve_job(struct mr_core *core, struct mr_error *err);
void mr_rounds_destroy_job(struct mr_state_job *job);

/* Goes on as far as the job can without another event: a round that is done, a stopped job whose
 * last attempt has ended. The job may be gone afterwards. */
void mr_rounds_advance(struct mr_core *core, struct mr_state_job *job);

/* Ends a job: its attempts are stopped, FINISHED comes when the last has ended. The job may be gone
 * afterwards. */
void mr_rounds_stop(struct mr_core *core, struct mr_state_job *job, int status,
                    const struct mr_core_attempt *cause);

/* A job whose committed part was lost goes back to its round. */
void mr_rounds_reopen(struct mr_core *core, struct mr_state_job *job);

#endif
