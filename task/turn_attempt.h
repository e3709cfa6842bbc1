/* turn_attempt: one attempt at what happens between two passes of a loop. */
#ifndef MR_TASK_TURN_ATTEMPT_H
#define MR_TASK_TURN_ATTEMPT_H

#include "task/session.h"

/* Calls start or round_done, and leaves its lines, and the state it set, in files. */
MR_MUST_USE int mr_turn_attempt_run(struct mr_session *session, const struct mr_orders_task *task,
                                    struct mr_orders_result *result, struct mr_counters *counters,
                                    struct mr_error *err);

#endif
