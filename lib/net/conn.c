/* conn: one encrypted connection that carries frames both ways, with back-pressure. */
#include "lib/net/conn.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/net/conn_inside.h"
#include "lib/net/dial.h"

#include <stdlib.h>
#include <uv.h>

#define READ_BYTES ((size_t)64 << 10) /* room for plain bytes at a time */
#define DEADLINE_LOOKS 8              /* until it is over: of a standstill, one counts */

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

static void on_deadline_look(uv_timer_t *timer) {
    struct mr_conn *conn = timer->data;
    if (++conn->looks == DEADLINE_LOOKS) {
        conn->late(conn);
    }
}

void mr_conn_set_deadline(struct mr_conn *conn, uint32_t within_ms,
                          void (*late)(struct mr_conn *conn)) {
    uint32_t look_ms = within_ms < DEADLINE_LOOKS ? 1 : within_ms / DEADLINE_LOOKS;
    conn->late = late;
    conn->looks = 0;
    uv_timer_start(&conn->timer, on_deadline_look, look_ms, look_ms);
}

static void end_late(struct mr_conn *conn) {
    mr_conn_end(conn, false, NULL);
}

void mr_conn_leave(struct mr_conn *conn, const struct mr_error *why) {
    if (why) {
        conn->why = *why;
    }
    mr_conn_set_state(conn, MR_CONN_LEAVING);
    mr_conn_set_deadline(conn, conn->net->limits.farewell_ms, end_late);
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

/* ---- sending ------------------------------------------------------------------------------- */

int mr_conn_send_made(struct mr_conn *conn, struct mr_error *err) {
    const struct mr_buffer *frame = &conn->net->frame;
    mr_pulse_sent(&conn->pulse, uv_now(conn->net->loop));
    return conn->is_at_door ? mr_buffer_append(&conn->early, frame->data, frame->len, err)
                            : mr_cipher_write(conn->stream, frame->data, frame->len, err);
}

/* ---- the pulse ------------------------------------------------------------------------------- */

/* What waits to be sent says as much as a pulse, once it goes; a stream that has ended is about to
 * say why. */
static void beat(struct mr_conn *conn) {
    struct mr_buffer *frame = &conn->net->frame;
    struct mr_error err = {0};
    frame->len = 0;
    if (mr_conn_queued(conn) == 0 &&
        (mr_frame_append(frame, &conn->net->rules, MR_NET_KIND_PULSE, (struct mr_bytes){0}, &err) ||
         mr_conn_send_made(conn, &err)) &&
        err.code != MR_ERR_CLOSED) {
        mr_conn_end(conn, false, &err);
    }
}

static void on_pulse(uv_timer_t *timer) {
    struct mr_conn *conn = timer->data;
    uint64_t now = uv_now(timer->loop);
    struct mr_net *net = conn->net;
    if (conn->is_paused) {
        mr_pulse_begin(&conn->pulse, now);
    }
    if (mr_pulse_is_silent(&conn->pulse, &net->limits, mr_cipher_heard_ms(conn->stream), now)) {
        struct mr_error why = {0};
        mr_error_set(&why, MR_ERR_CLOSED, "%s said nothing for %u ms", conn->label,
                     net->limits.silence_ms);
        net->counters.silent++;
        mr_conn_end(conn, false, &why);
    } else if (mr_pulse_is_due(&conn->pulse, &net->limits, now)) {
        beat(conn);
    }
}

void mr_conn_set_ready(struct mr_conn *conn) {
    uint32_t pulse_ms = conn->net->limits.pulse_ms;
    mr_conn_set_state(conn, MR_CONN_READY);
    conn->heard_ms = uv_now(conn->net->loop);
    mr_pulse_begin(&conn->pulse, conn->heard_ms);
    uv_timer_start(&conn->timer, on_pulse, pulse_ms, pulse_ms);
    mr_cipher_trust(conn->stream);
    if (conn->is_paused) {
        mr_cipher_pause(conn->stream);
    }
}

/* ---- frames that come ------------------------------------------------------------------------ */

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
            conn->entry->greeting(conn, &frame);
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
        conn->entry->up(conn);
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
        mr_error_set(&early, conn->door ? MR_ERR_CLUSTER : MR_ERR_CLOSED,
                     "%s closed before it said who it is", conn->label);
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

struct mr_conn *mr_conn_create(struct mr_net *net, const struct mr_conn_entry *entry,
                               const struct mr_conn_events *events, void *user,
                               struct mr_error *err) {
    struct mr_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        (void)mr_error_nomem(err, "opening a connection");
        return NULL;
    }
    conn->net = net;
    conn->entry = entry;
    conn->events = events;
    conn->user = user;
    conn->peer.address = conn->address;
    (void)uv_timer_init(net->loop, &conn->timer);
    conn->timer.data = conn;
    conn->parts = 1;
    conn->heard_ms = uv_now(net->loop);
    return conn;
}

int mr_conn_shake(struct mr_conn *conn, int fd, enum mr_tls_side side, struct mr_error *err) {
    if (mr_cipher_open(conn->net, fd, side, conn->label, &stream_events, conn, &conn->stream,
                       err)) {
        return err->code;
    }
    conn->parts++;
    mr_conn_set_state(conn, MR_CONN_SHAKING);
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
    mr_pulse_begin(&conn->pulse, uv_now(conn->net->loop));
    if (conn->state == MR_CONN_READY) {
        mr_cipher_resume(conn->stream);
    }
}

uint64_t mr_conn_heard_ms(const struct mr_conn *conn) {
    return conn->heard_ms;
}
