/* wants: blobs that come from the master, and those that go to it.
 *
 * Who lacks a blob says so; when it has come, everybody is told, and looks whether it is his. A
 * blob that came damaged is asked for again; after that, and where the master has none, it is
 * refused. What goes out goes in pieces, as the connection has room, in the order of giving; a
 * message that must follow it is sent when it is out. */
#ifndef MR_NODE_WANTS_H
#define MR_NODE_WANTS_H

#include "lib/worker/blobs.h"
#include "lib/worker/node/link.h"

struct mr_wants; /* opaque */

/* `came`: a blob is here now (err->code 0), or can't be had. All is borrowed. The link may be set
 * later: mr_wants_begin. */
MR_MUST_USE int mr_wants_create(struct mr_blobs *blobs,
                                void (*came)(void *user, struct mr_hash_128 hash,
                                             const struct mr_error *err),
                                void *user, struct mr_wants **wants, struct mr_error *err);
void mr_wants_destroy(struct mr_wants *wants);

/* A connection to the master begins, or ended (NULL): asks again for all that is wanted, gives
 * anew what was being given. */
void mr_wants_begin(struct mr_wants *wants, struct mr_link *link);

/* Whether the blob is here; where not, it is asked for. */
MR_MUST_USE int mr_wants_ask(struct mr_wants *wants, struct mr_hash_128 hash, bool *is_here,
                             struct mr_error *err);
/* A piece came. An error is the peer's mistake. */
MR_MUST_USE int mr_wants_take(struct mr_wants *wants, const struct mr_wire_blob *head,
                              struct mr_bytes piece, struct mr_error *err);

/* Gives a blob of the folder, wanted or not (one that isn't there: says so). */
MR_MUST_USE int mr_wants_give(struct mr_wants *wants, struct mr_hash_128 hash,
                              struct mr_error *err);
/* The connection has room. */
void mr_wants_go_on(struct mr_wants *wants);
/* Nothing is under way to the master. */
bool mr_wants_is_idle(const struct mr_wants *wants);

#endif
