/* conn_inside: what the rooms of one connection share: its state, and how it ends. Of lib/net
 * alone.
 *
 * conn.c makes it, moves frames and ends it; welcome.c does the greeting; pulse.c sees that both
 * sides are there. */
#ifndef MR_NET_CONN_INSIDE_H
#define MR_NET_CONN_INSIDE_H

#include "lib/net/address.h"
#include "lib/net/cipher.h"
#include "lib/net/conn.h"
#include "lib/net/greeting.h"
#include "lib/net/intake.h"

#include <uv.h>

#define MR_CONN_LABEL_MAX (MR_ADDRESS_HOST_MAX + MR_ADDRESS_PORT_MAX + 4)

/* X(name, the states that may follow it) */
#define MR_CONN_STATE_TABLE(X)                                                                     \
    X(DIALING, 1u << MR_CONN_SHAKING | 1u << MR_CONN_ENDED)                                        \
    X(SHAKING, 1u << MR_CONN_GREETING | 1u << MR_CONN_ENDED)                                       \
    X(GREETING, 1u << MR_CONN_READY | 1u << MR_CONN_LEAVING | 1u << MR_CONN_ENDED)                 \
    X(READY, 1u << MR_CONN_LEAVING | 1u << MR_CONN_ENDED)                                          \
    X(LEAVING, 1u << MR_CONN_ENDED)                                                                \
    X(ENDED, 0)

enum mr_conn_state {
#define MR_CONN_STATE_ROW(name, next) MR_CONN_##name,
    MR_CONN_STATE_TABLE(MR_CONN_STATE_ROW)
#undef MR_CONN_STATE_ROW
};

struct mr_conn {
    struct mr_net *net;
    enum mr_conn_state state;
    const struct mr_conn_events *events;
    void *user;
    mr_conn_door door;             /* of an accepted one; NULL: it was dialled */
    char label[MR_CONN_LABEL_MAX]; /* the other side, in sentences: as dialled, or its address */
    char address[MR_ADDRESS_TEXT_MAX];
    struct mr_greeting theirs;
    struct mr_conn_peer peer;
    struct mr_dial *dial;
    struct mr_cipher *stream;
    uv_timer_t timer; /* the deadline of the state; when it is ready, the pulse */
    unsigned parts;   /* stream and timer, not gone yet */
    struct mr_intake intake;
    struct mr_buffer early; /* what the door's owner sent before the welcome */
    bool is_at_door;
    bool is_paused;
    bool by_peer;
    uint64_t sent_ms;   /* when a frame was last sent */
    uint64_t heard_ms;  /* and when something other than a pulse last came */
    uint64_t looked_ms; /* when the pulse last looked */
    uint64_t since_ms;  /* since when silence counts, where nothing came after that */
    struct mr_error why;
};

/* The only one who writes the state. */
void mr_conn_set_state(struct mr_conn *conn, enum mr_conn_state state);
/* It is over: `closed` comes. */
void mr_conn_end(struct mr_conn *conn, bool by_peer, const struct mr_error *why);
/* Closes it when what is queued is gone; why: what `closed` is told then. */
void mr_conn_leave(struct mr_conn *conn, const struct mr_error *why);
/* Sends the frame that stands in net->frame. */
MR_MUST_USE int mr_conn_send_made(struct mr_conn *conn, struct mr_error *err);
/* Both sides are known. */
void mr_conn_set_ready(struct mr_conn *conn);

#endif
