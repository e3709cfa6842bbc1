/* conn: one encrypted connection that carries frames both ways, with back-pressure. */
#include "lib/net/conn.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/net/address.h"
#include "lib/net/cipher.h"
#include "lib/net/dial.h"
#include "lib/net/greeting.h"
#include "lib/net/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define READ_BYTES ((size_t)64 << 10) /* room for plain bytes at a time */
#define LABEL_MAX (MR_ADDRESS_HOST_MAX + MR_ADDRESS_PORT_MAX + 4)

_Static_assert(MR_CONN_FULL_BYTES == MR_CIPHER_FULL_BYTES, "one bound");
_Static_assert(MR_CONN_DRAINED_BYTES == MR_CIPHER_DRAINED_BYTES, "one bound");

/* X(name, the states that may follow it) */
#define STATE_TABLE(X)                                                                             \
    X(DIALING, 1u << SHAKING | 1u << ENDED)                                                        \
    X(SHAKING, 1u << GREETING | 1u << ENDED)                                                       \
    X(GREETING, 1u << READY | 1u << LEAVING | 1u << ENDED)                                         \
    X(READY, 1u << LEAVING | 1u << ENDED)                                                          \
    X(LEAVING, 1u << ENDED)                                                                        \
    X(ENDED, 0)

enum state {
#define STATE_ROW(name, next) name,
    STATE_TABLE(STATE_ROW)
#undef STATE_ROW
};

static const unsigned allowed[] = {
#define STATE_ROW(name, next) [name] = (next),
    STATE_TABLE(STATE_ROW)
#undef STATE_ROW
};

struct mr_conn {
    struct mr_net *net;
    enum state state;
    const struct mr_conn_events *events;
    void *user;
    mr_conn_door door;     /* of an accepted one */
    char label[LABEL_MAX]; /* the other side, in sentences: as dialled, or its address */
    char address[MR_ADDRESS_TEXT_MAX];
    struct mr_greeting theirs;
    struct mr_conn_peer peer;
    struct mr_dial *dial;
    struct mr_cipher *stream;
    uv_timer_t timer; /* the deadline of the state */
    unsigned parts;   /* stream and timer, not gone yet */
    struct mr_intake intake;
    struct mr_buffer early; /* what the door's owner sent before the welcome */
    bool is_at_door;
    bool is_paused;
    bool by_peer;
    struct mr_error why;
};

static void set_state(struct mr_conn *conn, enum state state) {
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

static void end(struct mr_conn *conn, bool by_peer, const struct mr_error *why) {
    if (conn->state == ENDED) {
        return;
    }
    set_state(conn, ENDED);
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
    if (conn->state == LEAVING) {
        end(conn, false, NULL);
        return;
    }
    bool is_dialed = conn->door == NULL;
    conn->net->counters.late += !is_dialed;
    mr_error_set(
        &why, is_dialed ? MR_ERR_CLOSED : MR_ERR_CLUSTER,
        is_dialed ? "%s did not answer within %u ms" : "%s did not say who it is within %u ms",
        conn->label, is_dialed ? conn->net->limits.connect_ms : conn->net->limits.greeting_ms);
    end(conn, false, &why);
}

/* Closes it when what is queued is gone; why: what `closed` is told then. */
static void leave(struct mr_conn *conn, const struct mr_error *why) {
    if (why) {
        conn->why = *why;
    }
    set_state(conn, LEAVING);
    uv_timer_start(&conn->timer, on_deadline, conn->net->limits.farewell_ms, 0);
    mr_cipher_finish(conn->stream);
}

void mr_conn_drop(struct mr_conn *conn, const struct mr_error *why) {
    end(conn, false, why);
}

void mr_conn_close(struct mr_conn *conn) {
    if (conn->state == READY) {
        leave(conn, NULL);
    } else if (conn->state != LEAVING) {
        end(conn, false, NULL);
    }
}

/* ---- the greeting ---------------------------------------------------------------------------- */

static struct mr_greeting ours(const struct mr_conn *conn) {
    struct mr_greeting greeting = {.protocol = conn->net->protocol, .role = conn->net->role};
    strncpy(greeting.name, conn->net->name, MR_GREETING_NAME_MAX);
    strncpy(greeting.version, conn->net->version, MR_GREETING_VERSION_MAX);
    return greeting;
}

/* Sends the frame that stands in net->frame. */
static int send_made(struct mr_conn *conn, struct mr_error *err) {
    const struct mr_buffer *frame = &conn->net->frame;
    return conn->is_at_door ? mr_buffer_append(&conn->early, frame->data, frame->len, err)
                            : mr_cipher_write(conn->stream, frame->data, frame->len, err);
}

/* Says who we are. */
static int say_greeting(struct mr_conn *conn, enum mr_greeting_kind kind, struct mr_error *err) {
    struct mr_greeting greeting = ours(conn);
    conn->net->frame.len = 0;
    return mr_greeting_write(&conn->net->frame, kind, &greeting, err) ? err->code
                                                                      : send_made(conn, err);
}

static void refuse(struct mr_conn *conn, const struct mr_error *why) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    struct mr_error told = {0};
    conn->net->counters.refused++;
    conn->net->frame.len = 0;
    if (!mr_greeting_write_refusal(&conn->net->frame, why, &greeting, &err)) {
        (void)!send_made(conn, &err); /* who can't be told sees the connection close */
    }
    mr_error_set(&told, MR_ERR_CLUSTER, "%s was refused: %.800s", conn->label, why->text);
    leave(conn, &told);
}

static void set_ready(struct mr_conn *conn) {
    set_state(conn, READY);
    uv_timer_stop(&conn->timer);
    mr_cipher_trust(conn->stream);
    if (conn->is_paused) {
        mr_cipher_pause(conn->stream);
    }
}

/* Asks the owner of the door, and answers. */
static void hear_hello(struct mr_conn *conn) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    conn->is_at_door = true;
    if (!mr_greeting_judge(&greeting, &conn->theirs, mr_cipher_role(conn->stream), &err)) {
        (void)conn->door(conn, conn->user, &err);
    }
    conn->is_at_door = false;
    if (conn->state != GREETING) {
        return; /* it was closed there */
    }
    if (err.code) {
        refuse(conn, &err);
        return;
    }
    conn->net->counters.greeted++;
    set_ready(conn);
    if (say_greeting(conn, MR_GREETING_WELCOME, &err) ||
        mr_cipher_write(conn->stream, conn->early.data, conn->early.len, &err)) {
        end(conn, false, &err);
    }
    mr_buffer_fini(&conn->early);
}

static void hear_welcome(struct mr_conn *conn) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    if (mr_greeting_judge(&greeting, &conn->theirs, MR_ROLE_KEY_WORKER, &err)) {
        end(conn, false, &err);
        return;
    }
    set_ready(conn);
    if (conn->events->ready) {
        conn->events->ready(conn, conn->user);
    }
}

/* Reads the one message of the greeting that belongs here. */
static void hear_greeting(struct mr_conn *conn, const struct mr_frame *frame) {
    struct mr_error err = {0};
    bool is_dialed = conn->door == NULL;
    if (is_dialed && frame->kind == MR_GREETING_REFUSED) {
        (void)mr_greeting_read_refusal(frame->body, conn->label, &err);
    } else if (frame->kind != (is_dialed ? MR_GREETING_WELCOME : MR_GREETING_HELLO)) {
        mr_error_set(&err, MR_ERR_IO, "%s greets with a message that does not belong there",
                     conn->label);
    } else if (mr_greeting_read(frame->body, &conn->theirs, &err)) {
        mr_error_add(&err, " (from %s)", conn->label);
    }
    if (err.code) {
        conn->net->counters.bad_frames += err.code == MR_ERR_IO;
        end(conn, false, &err);
        return;
    }
    conn->peer = (struct mr_conn_peer){.role = conn->theirs.role,
                                       .protocol = conn->theirs.protocol,
                                       .version = conn->theirs.version,
                                       .name = conn->theirs.name,
                                       .address = conn->address};
    if (is_dialed) {
        hear_welcome(conn);
    } else {
        hear_hello(conn);
    }
}

/* ---- frames that come ------------------------------------------------------------------------ */

static void complain(struct mr_conn *conn, const char *what) {
    struct mr_error why = {0};
    mr_error_set(&why, MR_ERR_IO, "%s %s", conn->label, what);
    conn->net->counters.bad_frames++;
    end(conn, false, &why);
}

static bool may_deliver(const struct mr_conn *conn) {
    return conn->state == GREETING || (conn->state == READY && !conn->is_paused);
}

/* Hands out what is whole. */
static void deliver(struct mr_conn *conn) {
    struct mr_frame frame;
    enum mr_frame_fault fault = MR_FRAME_SOUND;
    while (may_deliver(conn)) {
        bool is_greeting = conn->state == GREETING;
        if (!mr_intake_next(&conn->intake, is_greeting ? &mr_greeting_rules : &conn->net->rules,
                            &frame, &fault)) {
            break;
        }
        if (is_greeting) {
            hear_greeting(conn, &frame);
        } else {
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
        size_t room = conn->state == READY ? READ_BYTES : MR_CIPHER_STRANGER_BYTES;
        if (mr_intake_reserve(&conn->intake, room, &where, &there, &err)) {
            end(conn, false, &err);
            return;
        }
        size_t got = mr_cipher_read(conn->stream, where, there);
        if (got == 0) {
            return;
        }
        mr_intake_add(&conn->intake, got);
    }
}

/* ---- what the stream tells ------------------------------------------------------------------- */

static void on_up(void *user) {
    struct mr_conn *conn = user;
    struct mr_error err = {0};
    if (conn->state != SHAKING) {
        return;
    }
    set_state(conn, GREETING);
    if (!conn->door && say_greeting(conn, MR_GREETING_HELLO, &err)) {
        end(conn, false, &err);
    }
}

static void on_drained(void *user) {
    struct mr_conn *conn = user;
    if (conn->state == READY && conn->events->drained) {
        conn->events->drained(conn, conn->user);
    }
}

static void on_ended(const struct mr_error *why, void *user) {
    struct mr_conn *conn = user;
    bool by_peer = conn->state == READY && !why->code;
    if (by_peer && !mr_intake_is_between(&conn->intake)) {
        complain(conn, "closed in the middle of a message");
        return;
    }
    struct mr_error early = {0};
    if (!why->code && conn->state < READY) {
        mr_error_set(&early, conn->door ? MR_ERR_CLUSTER : MR_ERR_CLOSED,
                     "%s closed before it said who it is", conn->label);
        why = &early;
    }
    end(conn, by_peer, conn->state == LEAVING ? NULL : why);
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
    return conn;
}

/* Nobody knows it yet: it goes without a word. */
static void discard(struct mr_conn *conn) {
    conn->events = NULL;
    end(conn, false, NULL);
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
    set_state(conn, SHAKING);
    return MR_OK;
}

static void on_dialed(int fd, const struct mr_error *why, void *user) {
    struct mr_conn *conn = user;
    struct mr_error err = {0};
    conn->dial = NULL;
    if (fd < 0) {
        end(conn, false, why);
        return;
    }
    write_peer_address(conn, fd);
    if (begin(conn, fd, MR_TLS_CLIENT, &err)) {
        end(conn, false, &err);
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
    strncpy(made->label, address, LABEL_MAX - 1);
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
    strncpy(made->label, address, LABEL_MAX - 1);
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
    return conn->state == READY;
}

static int check_open(const struct mr_conn *conn, struct mr_error *err) {
    return conn->state == READY || (conn->state == GREETING && conn->is_at_door)
               ? MR_OK
               : mr_error_set(err, MR_ERR_CLOSED, "the connection with %s is closed", conn->label);
}

int mr_conn_send(struct mr_conn *conn, uint16_t kind, struct mr_bytes body, struct mr_error *err) {
    struct mr_buffer *frame = &conn->net->frame;
    frame->len = 0;
    return check_open(conn, err) || mr_frame_append(frame, &conn->net->rules, kind, body, err)
               ? err->code
               : send_made(conn, err);
}

int mr_conn_send_bulk(struct mr_conn *conn, uint16_t kind, struct mr_bytes head,
                      struct mr_bytes piece, struct mr_error *err) {
    struct mr_buffer *frame = &conn->net->frame;
    frame->len = 0;
    return check_open(conn, err) ||
                   mr_frame_append_bulk(frame, &conn->net->rules, kind, head, piece, err)
               ? err->code
               : send_made(conn, err);
}

size_t mr_conn_queued(const struct mr_conn *conn) {
    return conn->stream && conn->state != ENDED ? mr_cipher_queued(conn->stream) + conn->early.len
                                                : 0;
}

bool mr_conn_is_full(const struct mr_conn *conn) {
    return conn->stream && conn->state != ENDED && mr_cipher_is_full(conn->stream);
}

void mr_conn_pause(struct mr_conn *conn) {
    conn->is_paused = true;
    if (conn->state == READY) {
        mr_cipher_pause(conn->stream);
    }
}

void mr_conn_resume(struct mr_conn *conn) {
    conn->is_paused = false;
    if (conn->state == READY) {
        mr_cipher_resume(conn->stream);
    }
}

uint64_t mr_conn_heard_ms(const struct mr_conn *conn) {
    return conn->stream ? mr_cipher_heard_ms(conn->stream) : 0;
}
