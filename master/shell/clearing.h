/* clearing: has removed what is left beside the output of a job that did not succeed.
 *
 * The client makes DIR.pending-ID when it submits a job; who publishes the output removes it. When
 * the job fails or is cancelled, workers that have its spec remove what they see; but none may have
 * it, or be there at all. So the end of such a job notes a fact, and the reducers, one after the
 * other, are told to CLEAR until one says that it removed something. One that sees nothing may not
 * see the file system: that counts when all that are there say it. Who dies, or says nothing for
 * long, is passed over, and then all are asked again, seldom; so they are when one comes. The fact
 * goes with that answer, or with all that is remembered of the job. */
#ifndef MR_SHELL_CLEARING_H
#define MR_SHELL_CLEARING_H

#include "master/shell/inside.h"
#include "master/shell/session.h"

/* Notes it of a job that ends, as a fact of the same transaction. */
MR_MUST_USE int mr_clearing_note(struct mr_master *master, const struct mr_jobs_row *job,
                                 struct mr_error *err);
/* The end of that job is durable: asks the first reducer. */
void mr_clearing_begin(struct mr_master *master, uint32_t job);
/* A worker has come: where it is a reducer it is asked in its turn. */
void mr_clearing_all(struct mr_session *session);
/* A worker is lost: who was asked and is lost is passed over. */
void mr_clearing_pass_over_lost(struct mr_master *master);
/* Asks for what is due again. */
void mr_clearing_look(struct mr_master *master);

/* A message. */
void mr_clearing_cleared(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);

#endif
