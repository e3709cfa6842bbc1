/* map_attempt: one attempt at a map task by one thread: from its input to a map output.
 *
 * The same code in a thread of the engine and in a task process. The attempt has a collector and a
 * run store of its own, so that it can be thrown away whole; what it leaves is one file (see
 * lib/record/map_output.h), which is not synced: who loses it makes it again. */
#ifndef MR_MAPPER_MAP_ATTEMPT_H
#define MR_MAPPER_MAP_ATTEMPT_H

#include "lib/worker/workplace.h"

/* Fills the account. A failed attempt may leave its file. */
MR_MUST_USE int mr_map_attempt_run(const struct mr_workplace *place,
                                   const struct mr_orders_task *task,
                                   struct mr_workplace_account *account, struct mr_error *err);

/* Sees that an input is what it was when the run was planned (MR_ERR_INPUT): one that is not would
 * be read twice in two ways. The attempt looks before it reads; the engine looks when it is done,
 * as the job's code may have changed the folder that a path is relative to. */
MR_MUST_USE int mr_map_attempt_check_input(const struct mr_input *input, struct mr_error *err);

#endif
