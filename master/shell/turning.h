/* turning: what the turns of a loop came to. */
#ifndef MR_SHELL_TURNING_H
#define MR_SHELL_TURNING_H

#include "lib/worker/blobs.h"
#include "master/journal/journal.h"
#include "master/shell/sessions.h"

/* Message. What it made may have to come first. */
void mr_turning_turned(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame);
/* A blob came, or can't come: turns that waited for one are looked at again. */
void mr_turning_look(struct mr_master *master);
/* What turns left and the journal has is there again as blobs, whose files need not have survived.
 */
MR_MUST_USE int mr_turning_load(const struct mr_journal *journal, struct mr_blobs *blobs,
                                struct mr_error *err);
/* Forgets those that wait. */
void mr_turning_fini(struct mr_master *master);

#endif
