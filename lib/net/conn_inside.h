/* conn_inside: what a connection is made of, for the rooms that make it: conn and entry. */
#ifndef MR_NET_CONN_INSIDE_H
#define MR_NET_CONN_INSIDE_H

#include "lib/net/address.h"
#include "lib/net/cipher.h"
#include "lib/net/conn.h"
#include "lib/net/greeting.h"
#include "lib/net/intake.h"
#include "lib/net/pulse.h"

#include <uv.h>

#define MR_CONN_LABEL_MAX (MR_ADDRESS_HOST_MAX + MR_ADDRESS_PORT_MAX + 4)

/* What is done before it is ready. */
struct mr_conn_entry {
    void (*up)(struct mr_conn *conn); /* TLS is: its state is GREETING now */
    void (*greeting)(struct mr_conn *conn, const struct mr_frame *frame);
};

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
    const struct mr_conn_entry *entry;
    const struct mr_conn_events *events;
    void *user;
    mr_conn_door door;             /* of an accepted one; NULL: it was dialled */
    char label[MR_CONN_LABEL_MAX]; /* the other side, in sentences: as dialled, or its address */
    char address[MR_ADDRESS_TEXT_MAX];
    struct mr_greeting theirs;
    struct mr_conn_peer peer;
    struct mr_dial *dial;
    struct mr_cipher *stream;
    uv_timer_t timer;                   /* the deadline of the state; when it is ready, the pulse */
    void (*late)(struct mr_conn *conn); /* what the deadline is for */
    unsigned looks;                     /* at that */
    unsigned parts;                     /* stream and timer, not gone yet */
    struct mr_intake intake;
    struct mr_buffer early; /* what the door's owner sent before the welcome */
    bool is_at_door;
    bool is_paused;
    bool by_peer;
    struct mr_pulse pulse;
    uint64_t heard_ms; /* when something other than a pulse last came */
    struct mr_error why;
};

/* Makes one that has no socket yet; NULL: no memory. */
struct mr_conn *mr_conn_create(struct mr_net *net, const struct mr_conn_entry *entry,
                               const struct mr_conn_events *events, void *user,
                               struct mr_error *err);
/* Begins TLS on a socket that is connected, which it takes in any case. */
MR_MUST_USE int mr_conn_shake(struct mr_conn *conn, int fd, enum mr_tls_side side,
                              struct mr_error *err);
/* Has `late` called when so much time has passed, in place of the deadline before: not counted what
 * this process stood still for, since what came meanwhile is there to be heard. */
void mr_conn_set_deadline(struct mr_conn *conn, uint32_t within_ms,
                          void (*late)(struct mr_conn *conn));
/* Both sides are known. */
void mr_conn_set_ready(struct mr_conn *conn);
/* Sends the frame that stands in net->frame. */
MR_MUST_USE int mr_conn_send_made(struct mr_conn *conn, struct mr_error *err);
/* Closes it when what is queued is gone; why: what `closed` is told then. */
void mr_conn_leave(struct mr_conn *conn, const struct mr_error *why);
/* It is over: `closed` comes from the loop. */
void mr_conn_end(struct mr_conn *conn, bool by_peer, const struct mr_error *why);
/* The only one who writes the state. */
void mr_conn_set_state(struct mr_conn *conn, enum mr_conn_state state);

#endif
