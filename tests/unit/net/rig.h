/* rig: two nets on one loop, a listener of the one, and what their owners saw; for tests. */
#ifndef MR_TESTS_UNIT_NET_RIG_H
#define MR_TESTS_UNIT_NET_RIG_H

#include "lib/net/address.h"
#include "lib/net/conn.h"
#include "lib/net/entry.h"
#include "lib/net/listener.h"
#include "lib/net/tls.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define RIG_KIND 16u
#define RIG_BULK (MR_FRAME_BULK | 17u)
#define RIG_PATIENCE_MS 20000 /* what never happens fails the test */

/* One end of a connection, and what happened to it. */
struct end {
    struct mr_conn *conn; /* NULL: gone */
    int ready;
    int frames;
    int drained;
    int closed;
    bool by_peer;
    struct mr_error why;
    struct mr_buffer bodies; /* of control frames, in a row */
    uint64_t piece_bytes;
    uint64_t piece_sum; /* of their bytes, each times its place */
    void (*on_frame)(struct end *end, const struct mr_frame *frame);
};

#define RIG_ENDS 8

struct rig {
    uv_loop_t loop;
    struct mr_net *server;
    struct mr_net *client;
    struct mr_listener *listener;
    char address[MR_ADDRESS_TEXT_MAX];
    struct end accepted[RIG_ENDS];
    int accepted_count;
    struct end dialed;
    bool pauses;         /* whoever comes, at the door */
    const char *refuses; /* what the owner of the listener tells whoever comes */
    int turned_away;
    struct mr_error last_turned_away;
    bool listener_closed;
    bool is_late;
};

static inline int64_t rig_limit(uint16_t kind) {
    return kind == RIG_KIND   ? (int64_t)MR_FRAME_CONTROL_MAX
           : kind == RIG_BULK ? (int64_t)MR_FRAME_BULK_MAX
                              : -1;
}

static inline void rig_on_ready(struct mr_conn *conn, void *user) {
    struct end *end = user;
    cr_assert_eq(end->conn, conn);
    end->ready++;
}

static inline void rig_on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct end *end = user;
    struct mr_error err = {0};
    cr_assert_eq(end->conn, conn);
    end->frames++;
    if (frame->kind == RIG_KIND) {
        cr_assert_eq(mr_buffer_append(&end->bodies, frame->body.data, frame->body.len, &err), 0);
    }
    for (size_t i = 0; i < frame->piece.len; i++) {
        end->piece_sum += (unsigned char)frame->piece.data[i] * (end->piece_bytes + i);
    }
    end->piece_bytes += frame->piece.len;
    if (end->on_frame) {
        end->on_frame(end, frame);
    }
}

static inline void rig_on_drained(struct mr_conn *conn, void *user) {
    struct end *end = user;
    cr_assert_lt(mr_conn_queued(conn), MR_CONN_DRAINED_BYTES);
    cr_assert_not(mr_conn_is_full(conn));
    end->drained++;
}

static inline void rig_on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why,
                                 void *user) {
    struct end *end = user;
    cr_assert_eq(end->conn, conn);
    end->conn = NULL;
    end->closed++;
    end->by_peer = by_peer;
    end->why = *why;
}

static const struct mr_conn_events rig_events = {.ready = rig_on_ready,
                                                 .frame = rig_on_frame,
                                                 .drained = rig_on_drained,
                                                 .closed = rig_on_closed};

static inline int rig_on_accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                                  struct mr_error *err) {
    struct rig *rig = user;
    (void)listener;
    if (rig->refuses) {
        err->code = MR_ERR_USAGE;
        snprintf(err->text, sizeof err->text, "%s", rig->refuses);
        return err->code;
    }
    struct end *end = &rig->accepted[rig->accepted_count++ % RIG_ENDS];
    cr_assert_null(end->conn);
    end->conn = conn;
    mr_conn_set_owner(conn, &rig_events, end);
    if (rig->pauses) {
        mr_conn_pause(conn);
    }
    return 0;
}

static inline void rig_on_turned_away(struct mr_listener *listener, const struct mr_error *why,
                                      void *user) {
    struct rig *rig = user;
    (void)listener;
    rig->turned_away++;
    rig->last_turned_away = *why;
}

static inline void rig_on_listener_closed(struct mr_listener *listener, void *user) {
    (void)listener;
    ((struct rig *)user)->listener_closed = true;
}

static const struct mr_listener_events rig_listener_events = {.accepted = rig_on_accepted,
                                                              .turned_away = rig_on_turned_away,
                                                              .closed = rig_on_listener_closed};

static inline struct mr_net *rig_net(struct rig *rig, enum mr_net_role role, unsigned char byte,
                                     const struct mr_net_config *more) {
    struct mr_net_config config = *more;
    struct mr_secret secret;
    struct mr_net *net = NULL;
    struct mr_error err = {0};
    memset(secret.bytes, byte, sizeof secret.bytes);
    config.loop = &rig->loop;
    config.secret = &secret;
    config.role = role;
    config.name = mr_net_role_name(role);
    config.limit = rig_limit;
    cr_assert_eq(mr_net_create(&config, &net, &err), 0, "%s", err.text);
    return net;
}

/* A master that listens, and a mapper's net. */
static inline void rig_start(struct rig *rig, const struct mr_net_config *server,
                             const struct mr_net_config *client, unsigned char client_secret) {
    struct mr_error err = {0};
    struct mr_listener_options options = {.address = "127.0.0.1:0"};
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->server = rig_net(rig, MR_NET_MASTER, 1, server);
    rig->client = rig_net(rig, MR_NET_MAPPER, client_secret, client);
    cr_assert_eq(mr_listener_open(rig->server, &options, "master", &rig_listener_events, rig,
                                  &rig->listener, &err),
                 0, "%s", err.text);
    snprintf(rig->address, sizeof rig->address, "%s", mr_listener_address(rig->listener));
    cr_assert_str_neq(rig->address, "127.0.0.1:0");
}

static inline void rig_plain(struct rig *rig) {
    static const struct mr_net_config none;
    rig_start(rig, &none, &none, 1);
}

static inline void rig_dial(struct rig *rig) {
    struct mr_error err = {0};
    cr_assert_eq(mr_entry_dial(rig->client, rig->address, &rig_events, &rig->dialed,
                               &rig->dialed.conn, &err),
                 0, "%s", err.text);
}

static inline void rig_on_late(uv_timer_t *timer) {
    ((struct rig *)timer->data)->is_late = true;
}

static inline void rig_on_tick(uv_timer_t *timer) {
    (void)timer;
}

static inline void rig_on_timer_closed(uv_handle_t *handle) {
    free(handle);
}

/* A timer that is freed when it is closed. */
static inline uv_timer_t *rig_timer(struct rig *rig, uv_timer_cb call, uint64_t ms,
                                    uint64_t again) {
    uv_timer_t *timer = malloc(sizeof *timer);
    cr_assert_not_null(timer);
    cr_assert_eq(uv_timer_init(&rig->loop, timer), 0);
    timer->data = rig;
    cr_assert_eq(uv_timer_start(timer, call, ms, again), 0);
    return timer;
}

/* Runs the loop until the condition is true. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        uv_timer_t *late = rig_timer((rig), rig_on_late, RIG_PATIENCE_MS, 0);                      \
        uv_timer_t *tick = rig_timer((rig), rig_on_tick, 1, 1);                                    \
        while (!(condition) && !(rig)->is_late) {                                                  \
            uv_run(&(rig)->loop, UV_RUN_ONCE);                                                     \
        }                                                                                          \
        uv_close((uv_handle_t *)late, rig_on_timer_closed);                                        \
        uv_close((uv_handle_t *)tick, rig_on_timer_closed);                                        \
        cr_assert(!(rig)->is_late, "in time: %s", #condition);                                     \
    } while (0)

static inline void rig_connect(struct rig *rig) {
    int before = rig->accepted_count;
    rig_dial(rig);
    RIG_UNTIL(rig, rig->dialed.closed || (rig->dialed.ready && rig->accepted_count > before));
    cr_assert_eq(rig->dialed.closed, 0, "%s", rig->dialed.why.text);
}

static inline void rig_say(struct end *end, const char *text) {
    struct mr_error err = {0};
    cr_assert_eq(mr_conn_send(end->conn, RIG_KIND, mr_bytes_text(text), &err), 0, "%s", err.text);
}

static inline bool rig_heard(const struct end *end, const char *text) {
    return end->bodies.len == strlen(text) && memcmp(end->bodies.data, text, strlen(text)) == 0;
}

/* Ends all, and sees that nothing is left on the loop. */
static inline void rig_stop(struct rig *rig) {
    if (rig->dialed.conn) {
        mr_conn_drop(rig->dialed.conn, NULL);
    }
    for (int i = 0; i < RIG_ENDS; i++) {
        if (rig->accepted[i].conn) {
            mr_conn_drop(rig->accepted[i].conn, NULL);
        }
    }
    if (rig->listener && !rig->listener_closed) {
        mr_listener_close(rig->listener);
    }
    RIG_UNTIL(rig, rig->listener_closed && !rig->dialed.conn);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&rig->loop), 0, "a handle is left");
    mr_net_destroy(rig->server);
    mr_net_destroy(rig->client);
    mr_buffer_fini(&rig->dialed.bodies);
    for (int i = 0; i < RIG_ENDS; i++) {
        cr_assert_null(rig->accepted[i].conn);
        mr_buffer_fini(&rig->accepted[i].bodies);
    }
}

/* ---- a client made by hand, which may do anything -------------------------------------------- */

struct stranger {
    int fd;
    struct mr_tls_keys *keys;
    struct mr_tls *tls;
};

static inline int rig_raw(const struct rig *rig) {
    struct sockaddr_in target = {.sin_family = AF_INET};
    const char *port = strrchr(rig->address, ':') + 1;
    target.sin_port = htons((uint16_t)atol(port));
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&target, sizeof target), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Sends what its TLS made. */
static inline void stranger_flush(struct stranger *stranger) {
    struct mr_buffer *out = mr_tls_output(stranger->tls);
    cr_assert_eq(write(stranger->fd, out->data, out->len), (ssize_t)out->len);
    out->len = 0;
}

/* Connects and shakes hands, with the key of a role. */
static inline struct stranger stranger_shake(struct rig *rig, enum mr_role_key role) {
    struct stranger stranger = {.fd = rig_raw(rig)};
    struct mr_secret secret;
    struct mr_error err = {0};
    char bytes[4096];
    ssize_t got = 0;
    memset(secret.bytes, 1, sizeof secret.bytes);
    cr_assert_eq(mr_tls_keys_create(&secret, &stranger.keys, &err), 0);
    cr_assert_eq(mr_tls_create(stranger.keys, MR_TLS_CLIENT, role, &stranger.tls, &err), 0);
    cr_assert_eq(mr_tls_shake(stranger.tls), MR_TLS_MORE);
    stranger_flush(&stranger);
    RIG_UNTIL(rig, (got = read(stranger.fd, bytes, sizeof bytes)) > 0);
    mr_tls_give(stranger.tls, (struct mr_bytes){bytes, (size_t)got});
    cr_assert_eq(mr_tls_shake(stranger.tls), MR_TLS_DATA);
    stranger_flush(&stranger);
    return stranger;
}

static inline void stranger_say(struct stranger *stranger, const void *data, size_t len) {
    struct mr_error err = {0};
    cr_assert_eq(mr_tls_write(stranger->tls, data, len, &err), 0);
    stranger_flush(stranger);
}

static inline void stranger_end(struct stranger *stranger) {
    if (stranger->fd >= 0) {
        close(stranger->fd);
    }
    mr_tls_destroy(stranger->tls);
    mr_tls_keys_destroy(stranger->keys);
}

#endif
