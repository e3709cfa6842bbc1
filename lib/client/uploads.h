/* uploads: blobs that a client has, sent piece by piece to whoever wants them. */
#ifndef MR_CLIENT_UPLOADS_H
#define MR_CLIENT_UPLOADS_H

#include "lib/base/hash.h"
#include "lib/net/conn.h"

#include <mr/bytes.h>
#include <mr/status.h>

struct mr_uploads_blob; /* opaque */

/* Zero-initialise; release with mr_uploads_fini. One connection at a time. */
struct mr_uploads {
    struct mr_uploads_blob *blobs; /* all */
    struct mr_uploads_blob *sending;
};

/* Has the bytes ready, borrowed, under the name of their hash. */
MR_MUST_USE int mr_uploads_offer(struct mr_uploads *uploads, struct mr_bytes bytes,
                                 struct mr_hash_128 *hash, struct mr_error *err);

/* Begins to send a blob that is wanted, after those that are being sent: again from its beginning.
 * One that isn't ours is answered by saying so. */
MR_MUST_USE int mr_uploads_start(struct mr_uploads *uploads, struct mr_conn *conn,
                                 struct mr_hash_128 hash, struct mr_error *err);
/* Sends as much as the connection takes; again when it has drained. */
MR_MUST_USE int mr_uploads_go_on(struct mr_uploads *uploads, struct mr_conn *conn,
                                 struct mr_error *err);

/* The connection is gone. */
void mr_uploads_stop(struct mr_uploads *uploads);
void mr_uploads_fini(struct mr_uploads *uploads);

#endif
