/* turn_attempt: one attempt at what happens between two passes of a loop. */
#ifndef MR_TASK_TURN_ATTEMPT_H
#define MR_TASK_TURN_ATTEMPT_H

#include "lib/worker/workplace.h"

/* Calls start or round_done, and leaves its lines, and the state it set, in files. Fills the
 * account. */
MR_MUST_USE int mr_turn_attempt_run(const struct mr_workplace *place,
                                    const struct mr_orders_task *task,
                                    struct mr_workplace_account *account, struct mr_error *err);

#endif
