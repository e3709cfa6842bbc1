/* stage: a master that does as the test says, and workers in threads of the test; for tests. */
#ifndef MR_TESTS_UNIT_NODE_STAGE_H
#define MR_TESTS_UNIT_NODE_STAGE_H

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/net/listener.h"
#include "lib/net/wire.h"
#include "lib/output/commit.h"
#include "lib/worker/account.h"
#include "lib/worker/node/node.h"
#include "lib/worker/spec.h"
#include "tests/unit/net/port.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define STAGE_PATIENCE_MS 60000
#define STAGE_SEATS 3
#define STAGE_BLOBS 16
#define STAGE_PATH 512
#define STAGE_ID "0123456789abcdef0123456789abcdef"
#define STAGE_CLUSTER "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"
#define STAGE_JOB 7u

/* A message that came. */
struct told {
    struct told *next;
    unsigned seat;
    unsigned kind;
    struct mr_buffer body;
    struct mr_buffer piece;
    bool is_taken;
};

/* A worker as the master sees it. */
struct seat {
    struct mr_conn *conn;
    char name[64];
    char host[320];
    char address[320];
    char scratch[STAGE_PATH];
    uint64_t incarnation;
    struct mr_wire_register saw; /* of a journal: numbers alone */
    unsigned registrations;
    struct mr_wire_row_held held[16]; /* as offered last; without ids */
    size_t held_count;
};

struct stage_blob {
    struct mr_hash_128 hash;
    struct mr_buffer bytes;
};

struct stage {
    uv_loop_t loop;
    uv_timer_t tick;
    struct mr_net *net;
    struct mr_listener *listener;
    char dir[64];
    char secret[STAGE_PATH];
    char address[MR_ADDRESS_TEXT_MAX];
    struct seat seats[STAGE_SEATS];
    struct told *told;
    struct stage_blob blobs[STAGE_BLOBS];
    size_t blob_count;
    uint64_t epoch;
    uint64_t start;
    uint64_t sequence;
    const char *cluster;
    const char *refuses; /* those that don't accept an older journal: the reason; NULL: nobody */
    uint32_t lease_ms;
    bool is_mute; /* renews nothing */
    bool is_deaf; /* answers no registration */
    int open;     /* connections */
    bool listener_closed;
    int port_fd;             /* has the port, also while nobody listens there: workers come again */
    struct mr_hash_128 spec; /* of the job */
};

/* A worker in a thread. */
struct cast {
    struct mr_node_options options;
    struct mr_node_stop stop;
    pthread_t thread;
    atomic_bool is_ready;
    atomic_bool has_ended;
    int status;
    struct mr_error err;
    char scratch[STAGE_PATH];
    char said[4096];
    pthread_mutex_t lock;
};

/* ---- the master -------------------------------------------------------------------------------*/

static inline void stage_send(struct stage *stage, unsigned seat, enum mr_wire_kind kind,
                              const void *message) {
    struct mr_error err = {0};
    cr_assert_not_null(stage->seats[seat].conn);
    cr_assert_eq(mr_wire_send(stage->seats[seat].conn, kind, message, &err), 0, "%s", err.text);
}

static inline void stage_take_register(struct stage *stage, struct mr_conn *conn,
                                       const struct mr_wire_register *message) {
    unsigned at = 0;
    while (at < STAGE_SEATS && *stage->seats[at].name &&
           strcmp(stage->seats[at].name, message->name) != 0) {
        at++;
    }
    cr_assert_lt(at, STAGE_SEATS);
    struct seat *seat = &stage->seats[at];
    seat->conn = conn;
    snprintf(seat->name, sizeof seat->name, "%s", message->name);
    snprintf(seat->host, sizeof seat->host, "%s", message->host);
    snprintf(seat->address, sizeof seat->address, "%s", message->address);
    snprintf(seat->scratch, sizeof seat->scratch, "%s", message->scratch);
    seat->incarnation = message->incarnation;
    seat->saw = (struct mr_wire_register){.epoch = message->epoch,
                                          .start = message->start,
                                          .sequence = message->sequence,
                                          .accepts_older = message->accepts_older};
    bool is_of = message->cluster && strcmp(message->cluster, stage->cluster) == 0;
    seat->held_count = message->held_count < 16 ? message->held_count : 16;
    for (size_t i = 0; i < seat->held_count; i++) {
        seat->held[i] = message->held[i];
    }
    seat->registrations++;
    if (stage->refuses && is_of && !message->accepts_older) {
        struct mr_wire_refused refused = {.why = stage->refuses};
        stage_send(stage, at, MR_WIRE_REFUSED, &refused);
    } else if (!stage->is_deaf) {
        struct mr_wire_registered answer = {.node = at,
                                            .epoch = stage->epoch,
                                            .start = stage->start,
                                            .sequence = stage->sequence,
                                            .lease_ms = stage->lease_ms,
                                            .heartbeat_ms = 50,
                                            .cluster = stage->cluster};
        stage_send(stage, at, MR_WIRE_REGISTERED, &answer);
    }
}

static inline void stage_give(struct stage *stage, struct mr_conn *conn,
                              const struct mr_wire_want *want) {
    struct mr_wire_blob head = {.high = want->high, .low = want->low};
    struct mr_error err = {0};
    const struct mr_buffer *bytes = NULL;
    for (size_t i = 0; i < stage->blob_count; i++) {
        struct mr_hash_128 hash = stage->blobs[i].hash;
        bytes = hash.high == want->high && hash.low == want->low ? &stage->blobs[i].bytes : bytes;
    }
    head.total = bytes ? bytes->len : 0;
    do {
        uint64_t left = head.total - head.offset;
        struct mr_bytes piece = {bytes ? bytes->data + head.offset : NULL,
                                 left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX};
        cr_assert_eq(mr_wire_send_piece(conn, MR_WIRE_BLOB, &head, piece, &err), 0);
        head.offset += piece.len;
    } while (head.offset < head.total);
}

static inline unsigned stage_seat_of(struct stage *stage, const struct mr_conn *conn) {
    unsigned at = 0;
    while (at < STAGE_SEATS && stage->seats[at].conn != conn) {
        at++;
    }
    return at;
}

static inline void stage_keep(struct stage *stage, struct mr_conn *conn,
                              const struct mr_frame *frame) {
    struct told *told = calloc(1, sizeof *told);
    struct told **at = &stage->told;
    struct mr_error err = {0};
    cr_assert_not_null(told);
    told->seat = stage_seat_of(stage, conn);
    told->kind = frame->kind;
    cr_assert_eq(mr_buffer_append(&told->body, frame->body.data, frame->body.len, &err), 0);
    if (frame->piece.len) {
        cr_assert_eq(mr_buffer_append(&told->piece, frame->piece.data, frame->piece.len, &err), 0);
    }
    while (*at) {
        at = &(*at)->next;
    }
    *at = told;
}

static inline void stage_on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct stage *stage = user;
    union mr_wire_any *any = calloc(1, sizeof *any);
    struct mr_layout_held held = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_wire_decode(frame->kind, frame->body, any, &held, &err), 0, "%s", err.text);
    if (frame->kind == MR_WIRE_REGISTER) {
        stage_take_register(stage, conn, &any->register_);
    } else if (frame->kind == MR_WIRE_HEARTBEAT) {
        struct mr_wire_renewed renewed = {
            .number = any->heartbeat_.number, .epoch = stage->epoch, .sequence = stage->sequence};
        if (!stage->is_mute) {
            cr_assert_eq(mr_wire_send(conn, MR_WIRE_RENEWED, &renewed, &err), 0);
        }
    } else if (frame->kind == MR_WIRE_WANT) {
        stage_give(stage, conn, &any->want_);
    } else {
        stage_keep(stage, conn, frame);
    }
    mr_layout_release(&held);
    free(any);
}

static inline void stage_on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why,
                                   void *user) {
    struct stage *stage = user;
    (void)by_peer;
    (void)why;
    unsigned seat = stage_seat_of(stage, conn);
    if (seat < STAGE_SEATS) {
        stage->seats[seat].conn = NULL;
    }
    stage->open--;
}

static const struct mr_conn_events stage_conn_events = {.frame = stage_on_frame,
                                                        .closed = stage_on_closed};

static inline int stage_on_accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                                    struct mr_error *err) {
    struct stage *stage = user;
    (void)listener;
    stage->open++;
    mr_conn_set_owner(conn, &stage_conn_events, stage);
    return err->code;
}

static inline void stage_on_listener_closed(struct mr_listener *listener, void *user) {
    struct stage *stage = user;
    (void)listener;
    stage->listener_closed = true;
}

static const struct mr_listener_events stage_listener_events = {.accepted = stage_on_accepted,
                                                                .closed = stage_on_listener_closed};

static inline void stage_tick(uv_timer_t *timer) {
    (void)timer; /* so that the test looks now and then */
}

static inline void stage_listen(struct stage *stage) {
    struct mr_listener_options options = {
        .address = stage->address, .has_explicit_secret = true, .allow_root = true};
    struct mr_error err = {0};
    stage->listener_closed = false;
    cr_assert_eq(mr_listener_open(stage->net, &options, "master", &stage_listener_events, stage,
                                  &stage->listener, &err),
                 0, "%s", err.text);
}

static inline void stage_open(struct stage *stage) {
    struct mr_secret secret;
    struct mr_error err = {0};
    *stage = (struct stage){.epoch = 3,
                            .start = 1234567890123456789u,
                            .sequence = 40,
                            .cluster = STAGE_CLUSTER,
                            .lease_ms = 20000};
    snprintf(stage->dir, sizeof stage->dir, "/tmp/millrace-node-XXXXXX");
    cr_assert_not_null(mkdtemp(stage->dir));
    snprintf(stage->secret, sizeof stage->secret, "%s/key", stage->dir);
    cr_assert_eq(mr_secret_new(stage->secret, &err), 0, "%s", err.text);
    cr_assert_eq(mr_secret_read(stage->secret, &secret, &err), 0, "%s", err.text);
    uv_loop_init(&stage->loop);
    uv_timer_init(&stage->loop, &stage->tick);
    uv_timer_start(&stage->tick, stage_tick, 5, 5);
    struct mr_net_config config = {.loop = &stage->loop,
                                   .secret = &secret,
                                   .role = MR_NET_MASTER,
                                   .name = "stage",
                                   .limit = mr_wire_limit};
    cr_assert_eq(mr_net_create(&config, &stage->net, &err), 0, "%s", err.text);
    stage->port_fd = take_port(stage->address);
    stage_listen(stage);
}

/* ---- waiting ----------------------------------------------------------------------------------*/

/* Runs the loop until `is_true` holds; what never comes true fails the test. */
#define stage_until(stage, is_true)                                                                \
    do {                                                                                           \
        uint64_t until_ = uv_hrtime() + (uint64_t)STAGE_PATIENCE_MS * 1000000;                     \
        while (!(is_true)) {                                                                       \
            cr_assert(uv_hrtime() < until_, "never: %s", #is_true);                                \
            uv_run(&(stage)->loop, UV_RUN_ONCE);                                                   \
        }                                                                                          \
    } while (0)

static inline struct told *stage_find(struct stage *stage, unsigned seat, unsigned kind) {
    struct told *told = stage->told;
    while (told && (told->is_taken || told->seat != seat || told->kind != kind)) {
        told = told->next;
    }
    return told;
}

/* A message of this kind; released with the stage. */
struct heard {
    union mr_wire_any any;
    struct mr_layout_held held;
};

static inline void stage_hear(struct stage *stage, unsigned seat, enum mr_wire_kind kind,
                              struct heard *heard) {
    struct told *told = NULL;
    struct mr_error err = {0};
    stage_until(stage, (told = stage_find(stage, seat, kind)) != NULL);
    told->is_taken = true;
    *heard = (struct heard){0};
    cr_assert_eq(mr_wire_decode(kind, (struct mr_bytes){told->body.data, told->body.len},
                                &heard->any, &heard->held, &err),
                 0, "%s", err.text);
}

static inline int stage_remove(const char *path, const struct stat *about, int kind,
                               struct FTW *where) {
    (void)about, (void)kind, (void)where;
    return remove(path);
}

static inline void stage_close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static inline void stage_close(struct stage *stage) {
    for (unsigned i = 0; i < STAGE_SEATS; i++) {
        if (stage->seats[i].conn) {
            mr_conn_drop(stage->seats[i].conn, NULL);
        }
    }
    mr_listener_close(stage->listener);
    stage_until(stage, stage->open == 0 && stage->listener_closed);
    mr_net_destroy(stage->net);
    uv_walk(&stage->loop, stage_close_handle, NULL);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&stage->loop), 0);
    while (stage->told) {
        struct told *told = stage->told;
        stage->told = told->next;
        mr_buffer_fini(&told->body);
        mr_buffer_fini(&told->piece);
        free(told);
    }
    for (size_t i = 0; i < stage->blob_count; i++) {
        mr_buffer_fini(&stage->blobs[i].bytes);
    }
    (void)close(stage->port_fd);
    (void)nftw(stage->dir, stage_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- workers ----------------------------------------------------------------------------------*/

static inline void cast_ready(void *arg, const char *address) {
    struct cast *cast = arg;
    (void)address;
    atomic_store(&cast->is_ready, true);
}

static inline void cast_say(void *arg, const char *text) {
    struct cast *cast = arg;
    pthread_mutex_lock(&cast->lock);
    size_t len = strlen(cast->said);
    snprintf(cast->said + len, sizeof cast->said - len, "%s\n", text);
    pthread_mutex_unlock(&cast->lock);
}

static inline bool cast_said(struct cast *cast, const char *words) {
    pthread_mutex_lock(&cast->lock);
    bool is_said = strstr(cast->said, words) != NULL;
    pthread_mutex_unlock(&cast->lock);
    return is_said;
}

static inline unsigned cast_count(struct cast *cast, const char *words) {
    unsigned count = 0;
    pthread_mutex_lock(&cast->lock);
    for (const char *at = cast->said; (at = strstr(at, words)); at++) {
        count++;
    }
    pthread_mutex_unlock(&cast->lock);
    return count;
}

static inline void *cast_main(void *arg) {
    struct cast *cast = arg;
    cast->status = mr_node_run(&cast->options, &cast->stop, &cast->err);
    atomic_store(&cast->has_ended, true);
    return NULL;
}

static inline void cast_prepare(struct stage *stage, struct cast *cast, const char *name) {
    *cast = (struct cast){.options = {.command = "mapper",
                                      .roles = MR_NODE_MAPS | MR_NODE_REDUCES,
                                      .master = stage->address,
                                      .secret = stage->secret,
                                      .listen = "127.0.0.1:0",
                                      .name = name,
                                      .program = getenv("MILLRACE"),
                                      .slots = 2,
                                      .codec = -1,
                                      .drain_timeout_ms = 60000,
                                      .allow_root = true,
                                      .ready = cast_ready,
                                      .say = cast_say}};
    cast->options.ready_arg = cast->options.say_arg = cast;
    cast->options.scratch = cast->scratch;
    snprintf(cast->scratch, sizeof cast->scratch, "%s/%s", stage->dir, name);
    pthread_mutex_init(&cast->lock, NULL);
    if (!cast->options.program) {
        cr_skip_test("MILLRACE does not name the command");
    }
}

static inline void cast_start(struct stage *stage, struct cast *cast) {
    atomic_store(&cast->is_ready, false);
    atomic_store(&cast->has_ended, false);
    cast->options.ready_arg = cast->options.say_arg = cast;
    cr_assert_eq(pthread_create(&cast->thread, NULL, cast_main, cast), 0);
    stage_until(stage, atomic_load(&cast->is_ready) || atomic_load(&cast->has_ended));
    cr_assert(!atomic_load(&cast->has_ended), "%s", cast->err.text);
}

static inline void cast_join(struct stage *stage, struct cast *cast) {
    stage_until(stage, atomic_load(&cast->has_ended));
    pthread_join(cast->thread, NULL);
    cr_assert_eq(cast->status, 0, "%s", cast->err.text);
}

static inline void cast_end(struct stage *stage, struct cast *cast) {
    mr_node_end(&cast->stop, true);
    cast_join(stage, cast);
}

#endif
