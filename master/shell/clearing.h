/* clearing: has removed what is left beside the output of a job that did not succeed.
 *
 * The client makes DIR.pending-ID when it submits a job; who publishes the output removes it. When
 * the job fails or is cancelled, workers that have its spec remove what they see; but none may have
 * it, or be there at all. So the end of such a job notes a fact, and a reducer, one after the
 * other, is told to CLEAR until one says that nothing is left: the next that comes where there is
 * none. The fact goes with that, or with all that is remembered of the job. */
#ifndef MR_SHELL_CLEARING_H
#define MR_SHELL_CLEARING_H

#include "master/shell/inside.h"
#include "master/shell/session.h"

/* Notes it of a job that ends, as a fact of the same transaction. */
MR_MUST_USE int mr_clearing_note(struct mr_master *master, const struct mr_jobs_row *job,
                                 struct mr_error *err);
/* The end of that job is durable: asks the first reducer. */
void mr_clearing_begin(struct mr_master *master, uint32_t job);
/* Asks a worker that has come for all that is to be cleared, where it is a reducer. */
void mr_clearing_all(struct mr_session *session);

/* A message. */
void mr_clearing_cleared(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);

#endif
