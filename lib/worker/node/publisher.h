/* publisher: makes the output of a job appear, when the master says that all its parts are there.
 *
 * It checks every part that lies in the pending directory, then publishes as lib/output/commit
 * does. Doing it again is harmless. The disk's work happens in threads of libuv's pool, two jobs'
 * at a time: a disk that doesn't answer must leave some for look-ups of names, without which a
 * connection that broke is not made again. */
#ifndef MR_NODE_PUBLISHER_H
#define MR_NODE_PUBLISHER_H

#include "lib/worker/node/docket.h"
#include "lib/worker/node/link.h"

struct mr_publisher; /* opaque */

/* All is borrowed. */
struct mr_publisher_options {
    struct uv_loop_s *loop;
    struct mr_link *const *link;
    struct mr_folder *folder;
    struct mr_wants *wants;
    struct mr_docket *docket;
};

MR_MUST_USE int mr_publisher_create(const struct mr_publisher_options *options,
                                    struct mr_publisher **publisher, struct mr_error *err);
/* After what is under way; then `closed`. */
void mr_publisher_close(struct mr_publisher *publisher, void (*closed)(void *user), void *user);

/* PUBLISH: the list of parts, or more of it. PUBLISHED answers. */
MR_MUST_USE int mr_publisher_take(struct mr_publisher *publisher,
                                  const struct mr_wire_publish *message, struct mr_error *err);
/* A blob came, or can't be had. */
void mr_publisher_came(struct mr_publisher *publisher, struct mr_hash_128 hash,
                       const struct mr_error *err);
/* A job is over, or the connection has ended: nothing is to be told of it. */
void mr_publisher_forget(struct mr_publisher *publisher, const struct mr_dossier *job);

#endif
