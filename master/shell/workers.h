/* workers: how they come, prove that they live, and go.
 *
 * A registration is answered when the journal has it: REGISTERED, then everything that the worker
 * shall do, as if nothing had ever been said. A worker that the core gave up is told so and comes
 * again as a new incarnation. */
#ifndef MR_SHELL_WORKERS_H
#define MR_SHELL_WORKERS_H

#include "master/shell/sessions.h"

/* Messages. */
void mr_workers_register(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);
void mr_workers_more_held(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame);
void mr_workers_heartbeat(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame);
void mr_workers_leave(struct mr_session *session, union mr_wire_any *message,
                      const struct mr_frame *frame);

/* The connection is gone: the worker is not lost by that alone. */
void mr_workers_disconnected(struct mr_session *session);

/* The worker that speaks on this connection, as the core has it. False: it is none, or was given
 * up, and is told so. */
bool mr_workers_identify(struct mr_session *session, struct mr_core_worker *worker);

/* The core has given a node up: what else must be known of that. */
void mr_workers_lost(struct mr_master *master, uint32_t node);
/* Tells workers that leave, and that nobody needs any more, that they may end. */
void mr_workers_let_go(struct mr_master *master);

#endif
