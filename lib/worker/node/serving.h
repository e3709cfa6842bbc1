/* serving: gives other workers, and clients that collect, what this worker holds.
 *
 * A request is answered with pieces of the file, as the connection has room for them, and FETCHED
 * behind the last: of a map output its header, the wanted partitions, its index and trailer; of a
 * part all of it. Requests of one connection are answered in their order, those of different
 * connections in turn. The loop's thread. */
#ifndef MR_NODE_SERVING_H
#define MR_NODE_SERVING_H

#include "lib/worker/node/docket.h"

struct mr_serving; /* opaque */

MR_MUST_USE int mr_serving_create(const struct mr_docket *docket, struct mr_serving **serving,
                                  struct mr_error *err);
/* Takes over an accepted connection. */
MR_MUST_USE int mr_serving_accept(struct mr_serving *serving, struct mr_conn *conn,
                                  struct mr_error *err);
/* Ends all connections; then `closed`. */
void mr_serving_close(struct mr_serving *serving, void (*closed)(void *user), void *user);

#endif
