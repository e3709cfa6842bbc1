/* couriers: blobs that come from and go to the other side of a connection. */
#include "master/shell/couriers.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "master/shell/inside.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENT_LEASES 3 /* so long may a peer that was asked for a blob send nothing of it */

/* ---- in ---------------------------------------------------------------------------------------*/

static struct mr_couriers_want **find_want(struct mr_master *master, struct mr_hash_128 hash) {
    struct mr_couriers_want **at = &master->wants;
    while (*at && !mr_hash_128_is((*at)->hash, hash)) {
        at = &(*at)->next;
    }
    return at;
}

static void drop_want(struct mr_couriers_want **at) {
    struct mr_couriers_want *want = *at;
    *at = want->next;
    free(want);
}

/* Something came, or can't come any more. */
static void look_again(struct mr_master *master) {
    if (!master->is_closing) {
        master->look(master);
    }
}

/* No bytes: they need not travel. */
static bool make_empty(struct mr_master *master, struct mr_hash_128 hash) {
    struct mr_error err = {0};
    struct mr_hash_128 made;
    if (!mr_hash_128_is_of_nothing(hash)) {
        return false;
    }
    (void)!mr_blobs_put(master->blobs, (struct mr_bytes){0}, &made, &err);
    return mr_inside_check(master, &err);
}

/* From now on it is for this peer to send it; false: the master ends for want of memory. */
static bool add_want(struct mr_session *session, struct mr_hash_128 hash) {
    struct mr_master *master = session->master;
    struct mr_couriers_want *want = malloc(sizeof *want);
    if (!want) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "asking for a blob");
        mr_inside_fail(master, &err);
        return false;
    }
    *want = (struct mr_couriers_want){master->wants, hash, session, uv_now(master->loop)};
    master->wants = want;
    return true;
}

bool mr_couriers_need(struct mr_session *session, struct mr_hash_128 hash) {
    struct mr_master *master = session->master;
    if (mr_blobs_has(master->blobs, hash)) {
        struct mr_error err = {0};
        if (!session->is_worker) { /* what a worker sent may be light */
            (void)!mr_blobs_settle(master->blobs, hash, &err);
        }
        return mr_inside_check(master, &err);
    }
    if (make_empty(master, hash)) {
        return true;
    }
    if (*find_want(master, hash)) {
        return false;
    }
    if (add_want(session, hash)) {
        struct mr_wire_want message = {hash.high, hash.low};
        mr_sessions_send(session, MR_WIRE_WANT, &message);
    }
    return false;
}

/* The peer sends: what else is wanted of it comes later. */
static void note_sending(const struct mr_session *session) {
    for (struct mr_couriers_want *want = session->master->wants; want; want = want->next) {
        if (want->session == session) {
            want->since_ms = uv_now(session->master->loop);
        }
    }
}

void mr_couriers_arrived(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_blob *blob = &message->blob_;
    struct mr_hash_128 hash = {blob->high, blob->low};
    struct mr_couriers_want **at = find_want(master, hash);
    bool is_missing = blob->total == 0 && blob->offset == 0;
    bool is_whole = false;
    struct mr_error err = {0};
    if (mr_blobs_has(master->blobs, hash) || (*at && (*at)->session != session)) {
        return; /* it is here, or another sends it: the pieces of two do not make one */
    }
    /* A worker sends what a turn made before it says so: nobody has to ask. */
    if (!*at &&
        (!session->is_worker || is_missing || blob->offset > 0 || !add_want(session, hash))) {
        return;
    }
    at = find_want(master, hash);
    note_sending(session);
    if (is_missing) {
        mr_error_set(&err, MR_ERR_USAGE, "%s lacks a blob that it named",
                     mr_conn_peer(session->conn)->address);
    } else if (session->is_worker && blob->total <= MR_COURIERS_LIGHT_MAX) {
        (void)!mr_blobs_take_light(master->blobs, hash, blob->total, blob->offset, frame->piece,
                                   &is_whole, &err);
    } else {
        (void)!mr_blobs_take(master->blobs, hash, blob->total, blob->offset, frame->piece,
                             &is_whole, &err);
    }
    if (is_whole) {
        drop_want(at);
    }
    if (err.code == MR_ERR_NOMEM || err.code == MR_ERR_IO) {
        mr_error_add(&err, " (a blob from %s)", mr_conn_peer(session->conn)->address);
    }
    if (err.code) { /* whoever waits for it asks somebody else, or gives up */
        mr_inside_log("%s", err.text);
        mr_conn_drop(session->conn, &err);
    } else if (is_whole) {
        look_again(master);
    }
}

/* ---- out --------------------------------------------------------------------------------------*/

static void finish_first(struct mr_sessions_blobs *blobs) {
    if (blobs->fd >= 0) {
        (void)close(blobs->fd); /* only read from */
    }
    blobs->fd = -1;
    blobs->count--;
    memmove(blobs->hashes, blobs->hashes + 1, blobs->count * sizeof *blobs->hashes);
}

/* Sends a piece of the first; false: it can't be read, and the peer was told. */
static bool send_piece(struct mr_session *session) {
    struct mr_sessions_blobs *blobs = &session->blobs;
    struct mr_hash_128 hash = blobs->hashes[0];
    struct mr_wire_blob head = {hash.high, hash.low, 0, 0};
    struct mr_error err = {0};
    size_t got = 0;
    if (blobs->fd < 0) {
        blobs->offset = blobs->size = 0;
        if (mr_blobs_open_one(session->master->blobs, hash, &blobs->fd, &blobs->size, &err)) {
            blobs->fd = -1;
            mr_sessions_send_piece(session, MR_WIRE_BLOB, &head, (struct mr_bytes){0});
            return false;
        }
    }
    char *piece = malloc(MR_WIRE_PIECE_MAX);
    if (!piece) {
        mr_error_nomem(&err, "sending a blob");
    } else if (!mr_file_read(blobs->fd, (int64_t)blobs->offset, piece, MR_WIRE_PIECE_MAX, "a blob",
                             &got, &err)) {
        head.total = blobs->size;
        head.offset = blobs->offset;
        mr_sessions_send_piece(session, MR_WIRE_BLOB, &head, (struct mr_bytes){piece, got});
        blobs->offset += got;
    }
    free(piece);
    if (err.code) { /* who waits for it must not wait for ever */
        head.total = head.offset = 0;
        mr_inside_log("%s", err.text);
        mr_sessions_send_piece(session, MR_WIRE_BLOB, &head, (struct mr_bytes){0});
    }
    return !err.code && got > 0;
}

void mr_couriers_go_on(struct mr_session *session) {
    struct mr_sessions_blobs *blobs = &session->blobs;
    while (blobs->count > 0 && session->conn && !mr_conn_is_full(session->conn)) {
        if (!send_piece(session) || blobs->offset >= blobs->size) {
            finish_first(blobs);
        }
    }
}

void mr_couriers_wanted(struct mr_session *session, union mr_wire_any *message,
                        const struct mr_frame *frame) {
    struct mr_sessions_blobs *blobs = &session->blobs;
    (void)frame;
    if (blobs->count == MR_SESSIONS_WANTS_MAX) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_IO, "%s asks for too many blobs at once",
                     mr_conn_peer(session->conn)->address);
        mr_inside_log("%s", err.text);
        mr_conn_drop(session->conn, &err);
        return;
    }
    if (blobs->count == blobs->capacity) {
        size_t capacity = 2 * blobs->capacity + 8;
        struct mr_hash_128 *hashes = realloc(blobs->hashes, capacity * sizeof *hashes);
        if (!hashes) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "sending a blob");
            mr_inside_fail(session->master, &err);
            return;
        }
        blobs->hashes = hashes;
        blobs->capacity = capacity;
    }
    blobs->hashes[blobs->count++] = (struct mr_hash_128){message->want_.high, message->want_.low};
    if (blobs->count == 1) {
        mr_couriers_go_on(session);
    }
}

/* ---- their end --------------------------------------------------------------------------------*/

void mr_couriers_disconnected(struct mr_session *session) {
    struct mr_sessions_blobs *blobs = &session->blobs;
    struct mr_couriers_want **at = &session->master->wants;
    bool was_asked = false;
    while (*at) {
        if ((*at)->session == session) {
            mr_blobs_abandon(session->master->blobs, (*at)->hash);
            drop_want(at);
            was_asked = true;
        } else {
            at = &(*at)->next;
        }
    }
    if (blobs->fd >= 0) {
        (void)close(blobs->fd); /* only read from */
    }
    free(blobs->hashes);
    *blobs = (struct mr_sessions_blobs){.fd = -1};
    if (was_asked) {
        look_again(session->master);
    }
}

void mr_couriers_look(struct mr_master *master) {
    uint64_t now = uv_now(master->loop);
    uint64_t patience = SILENT_LEASES * (uint64_t)master->lease_ms;
    for (const struct mr_couriers_want *want = master->wants; want; want = want->next) {
        struct mr_conn *conn = want->session->conn;
        bool is_heard = !want->session->is_worker && now - mr_conn_heard_ms(conn) <= patience;
        if (now - want->since_ms <= patience || is_heard) {
            continue; /* of a worker, whose heartbeats are heard too, pieces alone count */
        }
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_CLOSED, "%s was asked for a blob and sends nothing",
                     mr_conn_peer(conn)->address);
        mr_inside_log("%s", err.text);
        mr_conn_drop(conn, &err);
    }
}

void mr_couriers_fini(struct mr_master *master) {
    while (master->wants) {
        drop_want(&master->wants);
    }
}
