/* allegiance: how a worker stands with its master: what it says of itself, whose it is, and fences.
 *
 * A worker belongs to the cluster that it was registered with last: what it holds for another goes.
 * When the lease ends, so do all attempts. Any other message is for `dispatch`. The loop's thread.
 */
#ifndef MR_NODE_ALLEGIANCE_H
#define MR_NODE_ALLEGIANCE_H

#include "lib/worker/node/daemon.h"

/* Opens the link, when all other rooms are open. */
MR_MUST_USE int mr_allegiance_begin(struct mr_daemon *daemon, struct mr_error *err);
/* Says that it wants to leave, now and when it is registered again (is_leaving). */
void mr_allegiance_leave(struct mr_daemon *daemon);

#endif
