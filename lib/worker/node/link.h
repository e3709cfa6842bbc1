/* link: a worker's connection to its master: registering, heartbeats, the lease, incarnations.
 *
 * It connects, and again and again where that fails. On each connection it registers, with the same
 * incarnation as long as the lease goes on, and tells what the worker holds. A lease is extended by
 * RENEWED alone, from the moment at which the heartbeat that it answers was sent: so the worker
 * gives up before its master does, whichever way is cut. When the lease has ended, or the master
 * says FENCED, all attempts end, and the worker registers anew under another incarnation.
 *
 * The loop's thread. Time is the loop's, which is monotonic. */
#ifndef MR_NODE_LINK_H
#define MR_NODE_LINK_H

#include "lib/net/wire.h"

struct uv_loop_s;
struct mr_link; /* opaque */

/* What the owner is asked and told; all are needed. */
struct mr_link_events {
    /* Fills in what the worker says of itself, but for incarnation and the list of what it holds.
     */
    void (*describe)(void *user, struct mr_wire_register *message);
    /* Lists outputs that it holds, from number `from` on; returns how many there were. */
    size_t (*list_held)(void *user, size_t from, struct mr_wire_row_held *rows, size_t most);
    /* Lists attempts that run, and how far they are. */
    size_t (*list_moved)(void *user, struct mr_wire_row_moved *rows, size_t most);
    /* The master takes it in. A refusal to obey it (err set, its code returned) ends the
     * connection, and is tried again later. */
    int (*judge)(void *user, const struct mr_wire_registered *message, struct mr_error *err);
    /* It is registered: messages may be sent. */
    void (*registered)(void *user);
    /* The journal goes on. */
    void (*renewed)(void *user, const struct mr_wire_renewed *message);
    /* The lease has ended: all attempts are void. Another incarnation is in force already. */
    void (*fenced)(void *user, const char *why);
    /* The master doesn't take this worker in, and won't: it is to end. */
    void (*refused)(void *user, const char *why);
    /* Any other message from the master. An error (a message that may not come) ends the
     * connection. */
    int (*message)(void *user, unsigned kind, const union mr_wire_any *message,
                   struct mr_bytes piece, struct mr_error *err);
    /* The connection has room again. */
    void (*drained)(void *user);
    /* A sentence for the log. */
    void (*say)(void *user, const char *text);
    /* After mr_link_close: it is gone. */
    void (*closed)(void *user);
};

/* Begins to connect; `events` and the address must outlive it. */
MR_MUST_USE int mr_link_open(struct mr_net *net, const char *master,
                             const struct mr_link_events *events, void *user, struct mr_link **link,
                             struct mr_error *err);
/* Ends it; `closed` comes from the loop. */
void mr_link_close(struct mr_link *link);

/* The worker's number; meaningful once it was registered. */
uint32_t mr_link_node(const struct mr_link *link);
bool mr_link_is_registered(const struct mr_link *link);
/* The connection, while it is registered; else NULL. */
struct mr_conn *mr_link_conn(const struct mr_link *link);

/* Sends; false where it is not registered: whoever must be heard says it again in `registered`. */
bool mr_link_send(struct mr_link *link, enum mr_wire_kind kind, const void *message);

/* Whether the lease goes on at this moment. A worker that was stopped for long may find it has
 * ended before its timer told: then `fenced` is called from here, and what was to be said is void.
 */
bool mr_link_has_lease(struct mr_link *link);

/* Gives up this incarnation (the folder's cluster is another): `fenced`, then registers anew. */
void mr_link_begin_anew(struct mr_link *link, const char *why);

#endif
