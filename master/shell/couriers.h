/* couriers: blobs that come from and go to the other side of a connection.
 *
 * A blob is asked of one peer at a time, whoever waits for it. Pieces go out as long as the
 * connection takes them; other messages go between them. */
#ifndef MR_SHELL_COURIERS_H
#define MR_SHELL_COURIERS_H

#include "master/shell/sessions.h"

/* What a worker sends, and is no longer than that, is not on disk when it is here: turning.c puts
 * it in the journal. */
#define MR_COURIERS_LIGHT_MAX ((uint64_t)64 << 10)

/* Whether the blob is here; else it is asked of this peer, where nobody was asked for it yet. When
 * one has come, or a peer that was asked is gone, all who wait look again (couriers.c). */
bool mr_couriers_need(struct mr_session *session, struct mr_hash_128 hash);

/* Messages. */
void mr_couriers_wanted(struct mr_session *session, union mr_wire_any *message,
                        const struct mr_frame *frame);
void mr_couriers_arrived(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);

/* The connection takes more. */
void mr_couriers_go_on(struct mr_session *session);
void mr_couriers_disconnected(struct mr_session *session);
/* Time has passed: a peer that was asked for a blob, and sends none, does not hold up others. */
void mr_couriers_look(struct mr_master *master);
/* Forgets all that is wanted. */
void mr_couriers_fini(struct mr_master *master);

#endif
