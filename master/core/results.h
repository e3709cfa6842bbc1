/* results: what workers and the shell say of attempts. */
#ifndef MR_CORE_RESULTS_H
#define MR_CORE_RESULTS_H

#include "master/core/state.h"

/* The answers to events about attempts. MR_ERR_INTERNAL: no shell may send this; nothing changed.
 */
MR_MUST_USE int mr_results_done(struct mr_core *core, const struct mr_core_event *event,
                                struct mr_error *err);
MR_MUST_USE int mr_results_failed(struct mr_core *core, const struct mr_core_event *event,
                                  struct mr_error *err);
MR_MUST_USE int mr_results_output_lost(struct mr_core *core, const struct mr_core_event *event,
                                       struct mr_error *err);
MR_MUST_USE int mr_results_part_lost(struct mr_core *core, const struct mr_core_event *event,
                                     struct mr_error *err);
MR_MUST_USE int mr_results_backup(struct mr_core *core, const struct mr_core_event *event,
                                  struct mr_error *err);

/* An attempt ended without a result, through no fault of its task's. The task runs again where it
 * is still wanted. The job may be gone afterwards. */
void mr_results_drop(struct mr_core *core, struct mr_state_attempt *attempt);

#endif
