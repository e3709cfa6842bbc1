/* conn: one encrypted connection that carries frames both ways, with back-pressure.
 *
 * Life: it is dialled (entry.h), or made by a listener. It becomes ready when TLS is up and both
 * sides have said who they are. Then frames come and go, until either side closes it, or it fails.
 * Its last callback is `closed`, exactly once, however it ends; afterwards it is gone. No callback
 * is called from within a function of this room: all come from the loop. Inside a callback
 * everything may be called, closing included; after mr_conn_close or mr_conn_drop only `closed`
 * comes.
 *
 * Back-pressure: what is sent is encrypted and queued at once, so the caller's bytes are free when
 * the call returns. A writer of much data asks mr_conn_is_full, which is true from 4 MiB queued
 * until the queue has drained below 1 MiB; then `drained` tells it to go on. Sending more than that
 * is allowed for control frames. A peer that takes nothing for stall_ms is closed. A reader that
 * has enough calls mr_conn_pause.
 *
 * A peer from which nothing comes for silence_ms, not even a pulse (pulse.h), is closed; what its
 * owner expects of it is for the owner to watch, who asks mr_conn_heard_ms. All functions: the
 * loop's thread. */
#ifndef MR_NET_CONN_H
#define MR_NET_CONN_H

#include "lib/net/frame.h"
#include "lib/net/net.h"

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CONN_FULL_BYTES ((size_t)4 << 20)
#define MR_CONN_DRAINED_BYTES ((size_t)1 << 20)

struct mr_conn; /* opaque */

/* Who is at the other end, as it says itself; what its key allows was checked. */
struct mr_conn_peer {
    enum mr_net_role role;
    uint32_t protocol;
    const char *version; /* "0.1.0" */
    const char *name;
    const char *address; /* "10.0.0.7:41234", of the socket */
};

/* Who decides about a peer that said who it is; returns 0, or a code and its sentence. */
typedef int (*mr_conn_door)(struct mr_conn *conn, void *user, struct mr_error *err);

/* What the owner hears. Those that are NULL are left out, but for frame and closed. */
struct mr_conn_events {
    /* Both sides are known; frames may be sent. For accepted ones the listener's `accepted` stands
     * in its place. */
    void (*ready)(struct mr_conn *conn, void *user);
    /* A frame came; valid until the callback returns. Its body is not checked yet beyond its
     * checksum: mr_message_open does that. */
    void (*frame)(struct mr_conn *conn, const struct mr_frame *frame, void *user);
    /* The queue is below MR_CONN_DRAINED_BYTES again, after mr_conn_is_full was true. */
    void (*drained)(struct mr_conn *conn, void *user);
    /* It is over, and gone when this returns. why->code: 0 where this side closed it, or the other
     * closed it properly, between frames (by_peer tells); MR_ERR_CLOSED: the peer can't be
     * reached, or not any more, which may pass: nothing answers, it broke, it went silent;
     * MR_ERR_CLUSTER: refused, another secret, another version; MR_ERR_IO: the peer sent what is no
     * frame; MR_ERR_NOMEM. The sentence names the peer. */
    void (*closed)(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user);
};

/* Gives it another owner, as a listener's `accepted` does. */
void mr_conn_set_owner(struct mr_conn *conn, const struct mr_conn_events *events, void *user);
void *mr_conn_user(const struct mr_conn *conn);

/* Valid while the connection is. Before it is ready, only the address is known. */
const struct mr_conn_peer *mr_conn_peer(const struct mr_conn *conn);
bool mr_conn_is_ready(const struct mr_conn *conn);

/* Queues a control frame; copies it. MR_ERR_CLOSED: it is not ready, or is closing; nothing more
 * has to be done then, `closed` comes. MR_ERR_INTERNAL: a frame that the limits forbid. */
MR_MUST_USE int mr_conn_send(struct mr_conn *conn, uint16_t kind, struct mr_bytes body,
                             struct mr_error *err);
/* Queues a piece of a file, at most MR_FRAME_PIECE_MAX, behind a small head of at most
 * MR_FRAME_PIECE_HEAD_MAX. Both are free when it returns. `kind` has the bit MR_FRAME_BULK. */
MR_MUST_USE int mr_conn_send_bulk(struct mr_conn *conn, uint16_t kind, struct mr_bytes head,
                                  struct mr_bytes piece, struct mr_error *err);

/* Bytes that the kernel has not taken yet. */
size_t mr_conn_queued(const struct mr_conn *conn);
bool mr_conn_is_full(const struct mr_conn *conn);

/* Stops and resumes reading: no frame comes in between, and the other side's queue fills. Pausing
 * inside `frame` holds back the frames behind it too. */
void mr_conn_pause(struct mr_conn *conn);
void mr_conn_resume(struct mr_conn *conn);

/* The loop's time (uv_now) when a frame or a part of one last came from the peer, or since when it
 * is there; pulses don't count. */
uint64_t mr_conn_heard_ms(const struct mr_conn *conn);

/* Closes it when all that is queued was taken by the peer's kernel, at the latest after
 * farewell_ms. */
void mr_conn_close(struct mr_conn *conn);
/* Closes it now, for this reason, which `closed` is given; NULL: none. */
void mr_conn_drop(struct mr_conn *conn, const struct mr_error *why);

#endif
