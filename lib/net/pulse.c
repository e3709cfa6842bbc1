/* pulse: sees that the other side of a connection is there, while nothing else is said. */
#include "lib/net/pulse.h"

#include "lib/base/error.h"
#include "lib/net/conn_inside.h"

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static bool is_silent(struct mr_conn *conn, uint64_t now) {
    const struct mr_net_limits *limits = &conn->net->limits;
    bool stood_still = now - conn->looked_ms > 2 * (uint64_t)limits->pulse_ms;
    if (stood_still || conn->is_paused) {
        conn->since_ms = now;
    }
    return now - later(mr_cipher_heard_ms(conn->stream), conn->since_ms) > limits->silence_ms;
}

/* What waits to be sent says as much as a pulse, once it goes. */
static void beat(struct mr_conn *conn, uint64_t now) {
    struct mr_buffer *frame = &conn->net->frame;
    struct mr_error err = {0};
    if (now - conn->sent_ms < conn->net->limits.pulse_ms || mr_conn_queued(conn)) {
        return;
    }
    frame->len = 0;
    if (mr_frame_append(frame, &conn->net->rules, MR_NET_KIND_PULSE, (struct mr_bytes){0}, &err) ||
        mr_conn_send_made(conn, &err)) {
        mr_conn_end(conn, false, &err);
    }
}

static void on_pulse(uv_timer_t *timer) {
    struct mr_conn *conn = timer->data;
    uint64_t now = uv_now(timer->loop);
    if (is_silent(conn, now)) {
        struct mr_error why = {0};
        mr_error_set(&why, MR_ERR_CLOSED, "%s said nothing for %u ms", conn->label,
                     conn->net->limits.silence_ms);
        conn->net->counters.silent++;
        mr_conn_end(conn, false, &why);
        return;
    }
    conn->looked_ms = now;
    beat(conn, now);
}

void mr_pulse_start(struct mr_conn *conn) {
    uint32_t pulse_ms = conn->net->limits.pulse_ms;
    conn->looked_ms = conn->since_ms = uv_now(conn->net->loop);
    uv_timer_start(&conn->timer, on_pulse, pulse_ms, pulse_ms);
}
