/* fake: a master (and worker) in a thread of the test, which answers as the test says. */
#ifndef MR_TESTS_UNIT_CLIENT_FAKE_H
#define MR_TESTS_UNIT_CLIENT_FAKE_H

#include "lib/client/client.h"
#include "lib/net/listener.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define FAKE_CONNS_MAX 16
#define FAKE_KIND_MAX 128

struct fake {
    /* The test's: hears every message, on the fake's thread. */
    void (*hear)(struct fake *fake, struct mr_conn *conn, unsigned kind,
                 const union mr_wire_any *any, struct mr_bytes piece);
    void *arg;

    char address[128];
    char secret[64];               /* its file */
    unsigned heard[FAKE_KIND_MAX]; /* how many of each kind */
    pthread_t thread;
    pthread_barrier_t begun;
    uv_loop_t loop;
    uv_async_t stop;
    struct mr_net *net;
    struct mr_listener *listener;
    struct mr_conn *conns[FAKE_CONNS_MAX];
    struct mr_error err; /* of its own */
};

static void fake_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct fake *fake = user;
    union mr_wire_any any;
    struct mr_layout_held held;
    if (!mr_wire_decode(frame->kind, frame->body, &any, &held, &fake->err)) {
        fake->heard[frame->kind & (FAKE_KIND_MAX - 1)]++;
        fake->hear(fake, conn, frame->kind, &any, frame->piece);
    }
    mr_layout_release(&held);
}

static void fake_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why,
                        void *user) {
    struct fake *fake = user;
    (void)by_peer;
    (void)why;
    for (size_t i = 0; i < FAKE_CONNS_MAX; i++) {
        fake->conns[i] = fake->conns[i] == conn ? NULL : fake->conns[i];
    }
}

static const struct mr_conn_events fake_events = {.frame = fake_frame, .closed = fake_closed};

static int fake_accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                         struct mr_error *err) {
    struct fake *fake = user;
    (void)listener;
    for (size_t i = 0; i < FAKE_CONNS_MAX; i++) {
        if (!fake->conns[i]) {
            fake->conns[i] = conn;
            mr_conn_set_owner(conn, &fake_events, fake);
            return 0;
        }
    }
    err->code = MR_ERR_CLUSTER;
    return MR_ERR_CLUSTER;
}

static const struct mr_listener_events fake_listener_events = {.accepted = fake_accepted};

static void fake_stopping(uv_async_t *async) {
    struct fake *fake = async->data;
    mr_listener_close(fake->listener);
    for (size_t i = 0; i < FAKE_CONNS_MAX; i++) {
        if (fake->conns[i]) {
            mr_conn_drop(fake->conns[i], NULL);
        }
    }
    uv_close((uv_handle_t *)async, NULL);
}

static void *fake_run(void *arg) {
    struct fake *fake = arg;
    struct mr_secret secret;
    struct mr_listener_options options = {.address = "127.0.0.1:0"};
    (void)uv_loop_init(&fake->loop);
    (void)uv_async_init(&fake->loop, &fake->stop, fake_stopping);
    fake->stop.data = fake;
    struct mr_net_config config = {.loop = &fake->loop,
                                   .secret = &secret,
                                   .role = MR_NET_MASTER,
                                   .name = "fake",
                                   .limit = mr_wire_limit};
    if (!mr_secret_read(fake->secret, &secret, &fake->err) &&
        !mr_net_create(&config, &fake->net, &fake->err) &&
        !mr_listener_open(fake->net, &options, "master", &fake_listener_events, fake,
                          &fake->listener, &fake->err)) {
        snprintf(fake->address, sizeof fake->address, "%s", mr_listener_address(fake->listener));
    }
    pthread_barrier_wait(&fake->begun);
    (void)uv_run(&fake->loop, UV_RUN_DEFAULT);
    mr_net_destroy(fake->net);
    (void)uv_loop_close(&fake->loop);
    return NULL;
}

/* Starts it; `hear` and `arg` are set. */
static inline void fake_start(struct fake *fake) {
    struct mr_error err = {0};
    signal(SIGPIPE, SIG_IGN); /* as the commands do */
    snprintf(fake->secret, sizeof fake->secret, "/tmp/millrace-fake-%d.key", (int)getpid());
    (void)unlink(fake->secret);
    cr_assert_eq(mr_secret_new(fake->secret, &err), 0, "%s", err.text);
    pthread_barrier_init(&fake->begun, NULL, 2);
    cr_assert_eq(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
    pthread_barrier_wait(&fake->begun);
    cr_assert_eq(fake->err.code, 0, "%s", fake->err.text);
}

static inline void fake_end(struct fake *fake) {
    (void)uv_async_send(&fake->stop);
    pthread_join(fake->thread, NULL);
    pthread_barrier_destroy(&fake->begun);
    (void)unlink(fake->secret);
    cr_assert_eq(fake->err.code, 0, "%s", fake->err.text);
}

static inline struct mr_client *fake_client(const struct fake *fake, uint64_t connect_ms) {
    struct mr_error err = {0};
    struct mr_client *client = NULL;
    struct mr_client_options options = {
        .master = fake->address, .secret = fake->secret, .connect_ms = connect_ms};
    cr_assert_eq(mr_client_open(&options, &client, &err), 0, "%s", err.text);
    return client;
}

static inline void fake_say(struct fake *fake, struct mr_conn *conn, enum mr_wire_kind kind,
                            const void *message) {
    struct mr_error err = {0};
    if (mr_wire_send(conn, kind, message, &err) && err.code != MR_ERR_CLOSED) {
        fake->err = err;
    }
}

/* Sends all of a blob. */
static inline void fake_send_blob(struct fake *fake, struct mr_conn *conn, struct mr_hash_128 hash,
                                  struct mr_bytes bytes) {
    struct mr_wire_blob blob = {.high = hash.high, .low = hash.low, .total = bytes.len};
    if (mr_wire_send_piece(conn, MR_WIRE_BLOB, &blob, bytes, &fake->err)) {
        return;
    }
}

#endif
