/* reduce_attempt: one attempt at a reduce task by one thread: from map outputs to a part, or pairs.
 *
 * The same code in a thread of the engine and in a task process. A part is durable in the folder
 * that the order names; pairs, for the next round or for round_done, lie in a file like a map
 * output's, which whoever needs it durable syncs (mr_workplace, lib/worker). */
#ifndef MR_REDUCER_REDUCE_ATTEMPT_H
#define MR_REDUCER_REDUCE_ATTEMPT_H

#include "lib/worker/workplace.h"

/* Fills the account. A failed attempt may leave what it wrote. */
MR_MUST_USE int mr_reduce_attempt_run(const struct mr_workplace *place,
                                      const struct mr_orders_task *task,
                                      struct mr_workplace_account *account, struct mr_error *err);

#endif
