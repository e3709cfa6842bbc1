/* conn: one encrypted connection that carries frames both ways, with back-pressure. */
#include "lib/net/conn.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/net/conn_inside.h"
#include "lib/net/dial.h"
#include "lib/net/pulse.h"
#include "lib/net/welcome.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define READ_BYTES ((size_t)64 << 10) /* room for plain bytes at a time */

_Static_assert(MR_CONN_FULL_BYTES == MR_CIPHER_FULL_BYTES, "one bound");
_Static_assert(MR_CONN_DRAINED_BYTES == MR_CIPHER_DRAINED_BYTES, "one bound");

void mr_conn_set_state(struct mr_conn *conn, enum mr_conn_state state) {
    static const unsigned allowed[] = {
#define ALLOWED_ROW(name, next) [MR_CONN_##name] = (next),
        MR_CONN_STATE_TABLE(ALLOWED_ROW)
#undef ALLOWED_ROW
    };
    MR_CHECK(allowed[conn->state] & 1u << state);
    conn->state = state;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void part_gone(struct mr_conn *conn) {
    if (--conn->parts == 0) {
        mr_intake_fini(&conn->intake);
        mr_buffer_fini(&conn->early);
        if (conn->events) {
            conn->events->closed(conn, conn->by_peer, &conn->why, conn->user);
        }
        free(conn);
    }
}

static void on_stream_gone(void *user) {
    part_gone(user);
}

static void on_timer_closed(uv_handle_t *handle) {
    part_gone(handle->data);
}

void mr_conn_end(struct mr_conn *conn, bool by_peer, const struct mr_error *why) {
    if (conn->state == MR_CONN_ENDED) {
        return;
    }
    mr_conn_set_state(conn, MR_CONN_ENDED);
    if (why && !conn->why.code) {
        conn->why = *why;
    }
    conn->by_peer = by_peer;
    if (conn->dial) {
        mr_dial_cancel(conn->dial);
        conn->dial = NULL;
    }
    if (conn->stream) {
        mr_cipher_destroy(conn->stream);
    }
    uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
}

static void on_deadline(uv_timer_t *timer) {
    struct mr_conn *conn = timer->data;
    struct mr_error why = {0};
    if (conn->state == MR_CONN_LEAVING) {
        mr_conn_end(conn, false, NULL);
        return;
    }
    bool is_dialed = conn->door == NULL;
    conn->net->counters.late += !is_dialed;
    mr_error_set(
        &why, MR_ERR_CLUSTER,
        is_dialed ? "%s did not answer within %u ms" : "%s did not say who it is within %u ms",
        conn->label, is_dialed ? conn->net->limits.connect_ms : conn->net->limits.greeting_ms);
    mr_conn_end(conn, false, &why);
}

void mr_conn_leave(struct mr_conn *conn, const struct mr_error *why) {
    if (why) {
        conn->why = *why;
    }
    mr_conn_set_state(conn, MR_CONN_LEAVING);
    uv_timer_start(&conn->timer, on_deadline, conn->net->limits.farewell_ms, 0);
    mr_cipher_finish(conn->stream);
}

void mr_conn_drop(struct mr_conn *conn, const struct mr_error *why) {
    mr_conn_end(conn, false, why);
}

void mr_conn_close(struct mr_conn *conn) {
    if (conn->state == MR_CONN_READY) {
        mr_conn_leave(conn, NULL);
    } else if (conn->state != MR_CONN_LEAVING) {
        mr_conn_end(conn, false, NULL);
    }
}

void mr_conn_set_ready(struct mr_conn *conn) {
    mr_conn_set_state(conn, MR_CONN_READY);
    conn->heard_ms = uv_now(conn->net->loop);
    mr_pulse_start(conn);
    mr_cipher_trust(conn->stream);
    if (conn->is_paused) {
        mr_cipher_pause(conn->stream);
    }
}

/* ---- frames that go, and come ------------------------------------------------------------------
 */

int mr_conn_send_made(struct mr_conn *conn, struct mr_error *err) {
    const struct mr_buffer *frame = &conn->net->frame;
    conn->sent_ms = uv_now(conn->net->loop);
    return conn->is_at_door ? mr_buffer_append(&conn->early, frame->data, frame->len, err)
                            : mr_cipher_write(conn->stream, frame->data, frame->len, err);
}

static void complain(struct mr_conn *conn, const char *what) {
    struct mr_error why = {0};
    mr_error_set(&why, MR_ERR_IO, "%s %s", conn->label, what);
    conn->net->counters.bad_frames++;
    mr_conn_end(conn, false, &why);
}

static bool may_deliver(const struct mr_conn *conn) {
    return conn->state == MR_CONN_GREETING || (conn->state == MR_CONN_READY && !conn->is_paused);
}

/* Hands out what is whole. */
static void deliver(struct mr_conn *conn) {
    struct mr_frame frame;
    enum mr_frame_fault fault = MR_FRAME_SOUND;
    while (may_deliver(conn)) {
        bool is_greeting = conn->state == MR_CONN_GREETING;
        if (!mr_intake_next(&conn->intake, is_greeting ? &mr_greeting_rules : &conn->net->rules,
                            &frame, &fault)) {
            break;
        }
        if (is_greeting) {
            mr_welcome_hear(conn, &frame);
        } else if (frame.kind != MR_NET_KIND_PULSE) {
            conn->heard_ms = uv_now(conn->net->loop);
            conn->events->frame(conn, &frame, conn->user);
        }
    }
    if (fault) {
        complain(conn, mr_frame_fault_text(fault));
    }
}

static void on_readable(void *user) {
    struct mr_conn *conn = user;
    struct mr_error err = {0};
    for (;;) {
        char *where;
        size_t there;
        deliver(conn);
        if (!may_deliver(conn)) {
            return;
        }
        size_t room = conn->state == MR_CONN_READY ? READ_BYTES : MR_CIPHER_STRANGER_BYTES;
        if (mr_intake_reserve(&conn->intake, room, &where, &there, &err)) {
            mr_conn_end(conn, false, &err);
            return;
        }
        size_t got = mr_cipher_read(conn->stream, where, there);
        if (got == 0) {
            return;
        }
        mr_intake_add(&conn->intake, got);
        if (mr_intake_is_long(&conn->intake)) {
            conn->heard_ms = uv_now(conn->net->loop); /* a part of what is no pulse */
        }
    }
}

/* ---- what the stream tells ------------------------------------------------------------------- */

static void on_up(void *user) {
    struct mr_conn *conn = user;
    if (conn->state == MR_CONN_SHAKING) {
        mr_conn_set_state(conn, MR_CONN_GREETING);
        mr_welcome_begin(conn);
    }
}

static void on_drained(void *user) {
    struct mr_conn *conn = user;
    if (conn->state == MR_CONN_READY && conn->events->drained) {
        conn->events->drained(conn, conn->user);
    }
}

static void on_ended(const struct mr_error *why, void *user) {
    struct mr_conn *conn = user;
    bool by_peer = conn->state == MR_CONN_READY && !why->code;
    if (by_peer && !mr_intake_is_between(&conn->intake)) {
        complain(conn, "closed in the middle of a message");
        return;
    }
    struct mr_error early = {0};
    if (!why->code && conn->state < MR_CONN_READY) {
        mr_error_set(&early, MR_ERR_CLUSTER, "%s closed before it said who it is", conn->label);
        why = &early;
    }
    mr_conn_end(conn, by_peer, conn->state == MR_CONN_LEAVING ? NULL : why);
}

static const struct mr_cipher_events stream_events = {
    .up = on_up,
    .readable = on_readable,
    .drained = on_drained,
    .ended = on_ended,
    .gone = on_stream_gone,
};

/* ---- its beginning --------------------------------------------------------------------------- */

static struct mr_conn *create(struct mr_net *net, const struct mr_conn_events *events, void *user,
                              struct mr_error *err) {
    struct mr_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        (void)mr_error_nomem(err, "opening a connection");
        return NULL;
    }
    conn->net = net;
    conn->events = events;
    conn->user = user;
    conn->peer.address = conn->address;
    (void)uv_timer_init(net->loop, &conn->timer);
    conn->timer.data = conn;
    conn->parts = 1;
    conn->heard_ms = uv_now(net->loop);
    return conn;
}

/* Nobody knows it yet: it goes without a word. */
static void discard(struct mr_conn *conn) {
    conn->events = NULL;
    mr_conn_end(conn, false, NULL);
}

static void write_peer_address(struct mr_conn *conn, int fd) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    (void)!getpeername(fd, (struct sockaddr *)&name, &len); /* gone already: "?" */
    mr_address_write((struct sockaddr *)&name, conn->address);
}

/* Goes on with a socket that is connected. */
static int begin(struct mr_conn *conn, int fd, enum mr_tls_side side, struct mr_error *err) {
    if (mr_cipher_open(conn->net, fd, side, conn->label, &stream_events, conn, &conn->stream,
                       err)) {
        return err->code;
    }
    conn->parts++;
    mr_conn_set_state(conn, MR_CONN_SHAKING);
    return MR_OK;
}

static void on_dialed(int fd, const struct mr_error *why, void *user) {
    struct mr_conn *conn = user;
    struct mr_error err = {0};
    conn->dial = NULL;
    if (fd < 0) {
        mr_conn_end(conn, false, why);
        return;
    }
    write_peer_address(conn, fd);
    if (begin(conn, fd, MR_TLS_CLIENT, &err)) {
        mr_conn_end(conn, false, &err);
    }
}

int mr_conn_open(struct mr_net *net, const char *address, const struct mr_conn_events *events,
                 void *user, struct mr_conn **conn, struct mr_error *err) {
    struct mr_address target;
    if (mr_address_read(address, "the address", &target, err)) {
        return err->code;
    }
    struct mr_conn *made = create(net, events, user, err);
    if (!made) {
        return err->code;
    }
    strncpy(made->label, address, MR_CONN_LABEL_MAX - 1);
    strncpy(made->address, address, MR_ADDRESS_TEXT_MAX - 1);
    uint32_t within_ms = net->limits.connect_ms;
    if (mr_dial_start(net->loop, &target, within_ms, on_dialed, made, &made->dial, err)) {
        discard(made);
        return err->code;
    }
    uv_timer_start(&made->timer, on_deadline, within_ms, 0);
    *conn = made;
    return MR_OK;
}

int mr_conn_accept(struct mr_net *net, int fd, const char *address, mr_conn_door door,
                   const struct mr_conn_events *events, void *user, struct mr_conn **conn,
                   struct mr_error *err) {
    struct mr_conn *made = create(net, events, user, err);
    if (!made) {
        (void)close(fd);
        return err->code;
    }
    made->door = door;
    strncpy(made->label, address, MR_CONN_LABEL_MAX - 1);
    strncpy(made->address, address, MR_ADDRESS_TEXT_MAX - 1);
    if (begin(made, fd, MR_TLS_SERVER, err)) {
        discard(made);
        return err->code;
    }
    uv_timer_start(&made->timer, on_deadline, net->limits.greeting_ms, 0);
    *conn = made;
    return MR_OK;
}

/* ---- what its owner asks and does ------------------------------------------------------------ */

void mr_conn_set_owner(struct mr_conn *conn, const struct mr_conn_events *events, void *user) {
    conn->events = events;
    conn->user = user;
}

void *mr_conn_user(const struct mr_conn *conn) {
    return conn->user;
}

const struct mr_conn_peer *mr_conn_peer(const struct mr_conn *conn) {
    return &conn->peer;
}

bool mr_conn_is_ready(const struct mr_conn *conn) {
    return conn->state == MR_CONN_READY;
}

static int check_open(const struct mr_conn *conn, struct mr_error *err) {
    return conn->state == MR_CONN_READY || (conn->state == MR_CONN_GREETING && conn->is_at_door)
               ? MR_OK
               : mr_error_set(err, MR_ERR_CLOSED, "the connection with %s is closed", conn->label);
}

int mr_conn_send(struct mr_conn *conn, uint16_t kind, struct mr_bytes body, struct mr_error *err) {
    struct mr_buffer *frame = &conn->net->frame;
    frame->len = 0;
    return check_open(conn, err) || mr_frame_append(frame, &conn->net->rules, kind, body, err)
               ? err->code
               : mr_conn_send_made(conn, err);
}

int mr_conn_send_bulk(struct mr_conn *conn, uint16_t kind, struct mr_bytes head,
                      struct mr_bytes piece, struct mr_error *err) {
    struct mr_buffer *frame = &conn->net->frame;
    frame->len = 0;
    return check_open(conn, err) ||
                   mr_frame_append_bulk(frame, &conn->net->rules, kind, head, piece, err)
               ? err->code
               : mr_conn_send_made(conn, err);
}

size_t mr_conn_queued(const struct mr_conn *conn) {
    return conn->stream && conn->state != MR_CONN_ENDED
               ? mr_cipher_queued(conn->stream) + conn->early.len
               : 0;
}

bool mr_conn_is_full(const struct mr_conn *conn) {
    return conn->stream && conn->state != MR_CONN_ENDED && mr_cipher_is_full(conn->stream);
}

void mr_conn_pause(struct mr_conn *conn) {
    conn->is_paused = true;
    if (conn->state == MR_CONN_READY) {
        mr_cipher_pause(conn->stream);
    }
}

void mr_conn_resume(struct mr_conn *conn) {
    conn->is_paused = false;
    conn->since_ms = uv_now(conn->net->loop);
    if (conn->state == MR_CONN_READY) {
        mr_cipher_resume(conn->stream);
    }
}

uint64_t mr_conn_heard_ms(const struct mr_conn *conn) {
    return conn->heard_ms;
}
