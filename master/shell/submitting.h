/* submitting: takes up jobs: brings what they need, checks it, and journals them.
 *
 * A client names the job's spec by its hash; what the master lacks of it, and of what it names in
 * turn, is asked of the client. SUBMITTED is said when the job is in the journal. */
#ifndef MR_SHELL_SUBMITTING_H
#define MR_SHELL_SUBMITTING_H

#include "master/shell/sessions.h"

/* Message. */
void mr_submitting_submit(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame);
/* A blob came, or can't come: submissions that wait for one are looked at again. */
void mr_submitting_look(struct mr_master *master);
/* Whether a submission waits for this blob, or has it already. */
bool mr_submitting_names(const struct mr_master *master, struct mr_hash_128 hash);

#endif
