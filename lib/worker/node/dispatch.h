/* dispatch: hands each message of the master to the room that it is for. */
#ifndef MR_NODE_DISPATCH_H
#define MR_NODE_DISPATCH_H

#include "lib/worker/node/daemon.h"

/* An error: the master says what it may not; the connection is of no more use. */
MR_MUST_USE int mr_dispatch_message(struct mr_daemon *daemon, unsigned kind,
                                    const union mr_wire_any *message, struct mr_bytes piece,
                                    struct mr_error *err);

/* All that is known and held of a job goes. `is_over`: for everybody, so that what was written
 * beside its output, by whomever, goes too. */
void mr_dispatch_forget(struct mr_daemon *daemon, struct mr_dossier *job, bool is_over);
/* Of all jobs, which may go on elsewhere. */
void mr_dispatch_forget_all(struct mr_daemon *daemon);

#endif
