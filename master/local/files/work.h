/* work: one attempt at a task, from its order to its report.
 *
 * The order says what is read and where the result goes; a thread (mapper/, reducer/) or a task
 * process (hand.h) does it; with a journal the result is made durable; then the core is told:
 *
 *     done                                     ATTEMPT_DONE, and its account is noted
 *     a map output is gone or wrong            OUTPUT_LOST: the map runs again
 *     pairs of a closed round are              the job fails: nothing here can make them again
 *     another failure, in a process            ATTEMPT_FAILED: it is tried again
 *     the job's code failed in a thread        ATTEMPT_FAILED, fatally: it would again
 *     with a journal, what may pass            nothing: this process ends, the job goes on later */
#ifndef MR_FILES_WORK_H
#define MR_FILES_WORK_H

#include "master/local/files/slots.h"

/* With the lock held, which is let go meanwhile. Not wanted: is only reported. */
void mr_work_do(struct mr_slot *slot, const struct mr_core_attempt *attempt, bool is_wanted);

/* With the lock held. The list of map winners is not right any more. */
void mr_work_drop_winners(struct mr_slots *run);

#endif
