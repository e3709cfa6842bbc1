/* closing: ends a round: adds it up, sees that nothing was lost, and opens the next.
 *
 * At the end of a loop's pass, a turn (turns.h) stands between the two. */
#ifndef MR_FILES_CLOSING_H
#define MR_FILES_CLOSING_H

#include "master/local/files/slots.h"

/* With the lock held, which may be let go meanwhile; the core waits for the round's end. Closes it,
 * and commits; or the job fails by it; or results of the pass are gone and are made again. An error
 * ends this process. */
MR_MUST_USE int mr_closing_round(struct mr_slots *run, struct mr_error *err);

/* Likewise, before the first pass: has start called. The slots have not begun. An error is the
 * job's, unless it may pass. */
MR_MUST_USE int mr_closing_start(struct mr_slots *run, struct mr_error *err);

/* Adds up the accounts of the tasks that are done. */
MR_MUST_USE int mr_closing_sum(const struct mr_slots *run, const struct mr_core_job_view *view,
                               struct mr_account *sum, struct mr_error *err);

/* Whether the round that the core waits for is the last of a loop's pass: then its end need not be
 * on disk before its turn is done. */
bool mr_closing_is_turn(const struct mr_slots *run, const struct mr_core_job_view *view);

#endif
