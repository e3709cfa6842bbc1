/* turning: what the turns of a loop came to. */
#ifndef MR_SHELL_TURNING_H
#define MR_SHELL_TURNING_H

#include "master/shell/sessions.h"

/* Message. What it made may have to come first. */
void mr_turning_turned(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame);
/* A blob came, or can't come: turns that waited for one are looked at again. */
void mr_turning_look(struct mr_master *master);
/* Forgets those that wait. */
void mr_turning_fini(struct mr_master *master);

#endif
