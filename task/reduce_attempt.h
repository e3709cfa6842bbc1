/* reduce_attempt: one attempt at a reduce task: from map outputs to a part, or to pairs. */
#ifndef MR_TASK_REDUCE_ATTEMPT_H
#define MR_TASK_REDUCE_ATTEMPT_H

#include "task/session.h"

/* Fills the result and adds the job's counters, whose names are the plugin's. */
MR_MUST_USE int mr_reduce_attempt_run(struct mr_session *session, const struct mr_orders_task *task,
                                      struct mr_orders_result *result, struct mr_counters *counters,
                                      struct mr_error *err);

#endif
