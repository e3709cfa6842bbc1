/* fetch: brings parts of a collected output from the workers that hold them.
 *
 * One part at a time, over a connection for each worker that stays. Pieces come in order; each is
 * checked by itself, so that a damaged one is noticed at once, and the part as a whole against what
 * the master has in its journal. */
#include "lib/client/fetch.h"

#include "lib/base/error.h"
#include "lib/net/entry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_MS 30000 /* a worker that sends nothing for so long is given up */
#define PHASE_PART 3

struct peer {
    struct peer *next;
    struct mr_fetch *fetch;
    char *address;
    struct mr_conn *conn; /* NULL: none */
};

struct mr_fetch {
    struct mr_client *client;
    struct peer *peers;
    /* What is under way: */
    const struct mr_fetch_part *part; /* NULL: nothing */
    struct peer *peer;
    struct mr_hash *hash;
    uint64_t number; /* of the request */
    uint64_t got;
};

/* ---- one part ---------------------------------------------------------------------------------*/

static void settle(struct mr_fetch *fetch, int status, const struct mr_error *err) {
    fetch->part = NULL;
    mr_client_settle(fetch->client, status, err);
}

static int refuse(const struct mr_fetch *fetch, const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "part %" PRIu64 " from node %s: %s",
                        fetch->part->part->task, fetch->part->node, why);
}

static int take_piece(struct mr_fetch *fetch, const struct mr_wire_piece *piece,
                      struct mr_bytes bytes, struct mr_error *err) {
    bool is_next = piece->codec == 0 && piece->offset == fetch->got && piece->len == bytes.len &&
                   bytes.len <= fetch->part->part->bytes - fetch->got;
    if (!is_next || mr_hash_xxh3(bytes.data, bytes.len) != piece->xxh3) {
        return refuse(fetch, is_next ? "it came damaged" : "its pieces don't fit together", err);
    }
    mr_hash_update(fetch->hash, bytes.data, bytes.len);
    fetch->got += bytes.len;
    mr_client_set_clock(fetch->client, SILENCE_MS);
    return fetch->part->write(fetch->part->arg, bytes, err);
}

static int take_fetched(struct mr_fetch *fetch, const struct mr_wire_fetched *fetched,
                        struct mr_error *err) {
    const struct mr_wire_row_part *part = fetch->part->part;
    if (fetched->status) {
        return refuse(fetch, fetched->why ? fetched->why : "it can't be had", err);
    }
    if (fetch->got != part->bytes || mr_hash_digest(fetch->hash) != part->xxh3) {
        return refuse(fetch, "it is not what was written", err);
    }
    return 1;
}

static int take(struct mr_fetch *fetch, const struct mr_frame *frame, const union mr_wire_any *any,
                struct mr_error *err) {
    if (frame->kind == MR_WIRE_PIECE && any->piece_.number == fetch->number) {
        return take_piece(fetch, &any->piece_, frame->piece, err);
    }
    if (frame->kind == MR_WIRE_FETCHED && any->fetched_.number == fetch->number) {
        return take_fetched(fetch, &any->fetched_, err);
    }
    return 0;
}

static void on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct peer *peer = user;
    struct mr_fetch *fetch = peer->fetch;
    union mr_wire_any any;
    struct mr_layout_held held;
    struct mr_error err = {0};
    if (mr_wire_decode(frame->kind, frame->body, &any, &held, &err)) {
        mr_conn_drop(conn, &err);
    } else if (fetch->part && fetch->peer == peer) {
        int status = take(fetch, frame, &any, &err);
        if (status) {
            settle(fetch, status, &err);
        }
    }
    mr_layout_release(&held);
}

static int ask(struct mr_fetch *fetch, struct mr_error *err) {
    const struct mr_wire_row_part *part = fetch->part->part;
    struct mr_wire_fetch message = {.number = ++fetch->number,
                                    .id = fetch->part->id,
                                    .round = part->round,
                                    .phase = PHASE_PART,
                                    .task = part->task,
                                    .attempt = part->attempt};
    struct mr_error why = {0};
    if (!mr_wire_send(fetch->peer->conn, MR_WIRE_FETCH, &message, &why) ||
        why.code == MR_ERR_CLOSED) { /* `closed` comes */
        return MR_OK;
    }
    return mr_error_set(err, why.code, "%s", why.text);
}

/* ---- the connections --------------------------------------------------------------------------*/

static void on_ready(struct mr_conn *conn, void *user) {
    struct peer *peer = user;
    (void)conn;
    struct mr_error err = {0};
    if (peer->fetch->part && peer->fetch->peer == peer && ask(peer->fetch, &err)) {
        settle(peer->fetch, err.code, &err);
    }
}

static void on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    struct peer *peer = user;
    struct mr_fetch *fetch = peer->fetch;
    (void)conn;
    (void)by_peer;
    peer->conn = NULL;
    if (fetch->part && fetch->peer == peer) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_CLOSED, "part %" PRIu64 " from node %s: %s",
                     fetch->part->part->task, fetch->part->node,
                     why->text[0] ? why->text : "the connection was closed");
        settle(fetch, MR_ERR_CLOSED, &err);
    }
}

static const struct mr_conn_events events = {
    .ready = on_ready, .frame = on_frame, .closed = on_closed};

static struct peer *find_peer(struct mr_fetch *fetch, const char *address) {
    struct peer *peer = fetch->peers;
    while (peer && strcmp(peer->address, address) != 0) {
        peer = peer->next;
    }
    if (peer) {
        return peer;
    }
    peer = calloc(1, sizeof *peer);
    char *copy = strdup(address);
    if (!peer || !copy) {
        free(peer);
        free(copy);
        return NULL;
    }
    *peer = (struct peer){.next = fetch->peers, .fetch = fetch, .address = copy};
    fetch->peers = peer;
    return peer;
}

/* ---- the call ---------------------------------------------------------------------------------*/

/* With the master there is nothing to say meanwhile. */
static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)client;
    (void)arg;
    (void)err;
    return MR_OK;
}

static int hear_nothing(struct mr_client *client, const struct mr_client_message *message,
                        void *arg, struct mr_error *err) {
    (void)message;
    return begin(client, arg, err);
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    const struct mr_fetch *fetch = arg;
    return fetch->part
               ? fetch->part->interrupted(client, signal_number, fetch->part->interrupted_arg, err)
               : 0;
}

static int expired(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_fetch *fetch = arg;
    (void)client;
    mr_error_set(err, MR_ERR_CLOSED, "part %" PRIu64 " from node %s: it sends nothing",
                 fetch->part->part->task, fetch->part->node);
    fetch->part = NULL;
    mr_conn_drop(fetch->peer->conn, err);
    return MR_ERR_CLOSED;
}

int mr_fetch_create(struct mr_client *client, struct mr_fetch **fetch, struct mr_error *err) {
    struct mr_fetch *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "collecting the output");
    }
    made->client = client;
    *fetch = made;
    return MR_OK;
}

int mr_fetch_run(struct mr_fetch *fetch, const struct mr_fetch_part *part, struct mr_error *err) {
    struct mr_client_call call = {.begin = begin,
                                  .take = hear_nothing,
                                  .interrupted = part->interrupted ? interrupted : NULL,
                                  .expired = expired,
                                  .arg = fetch};
    struct peer *peer = find_peer(fetch, part->address);
    if (!peer || mr_hash_create(&fetch->hash, err)) {
        return mr_error_nomem(err, "collecting the output");
    }
    fetch->got = 0;
    fetch->peer = peer;
    fetch->part = part;
    if (peer->conn && mr_conn_is_ready(peer->conn)) {
        (void)!ask(fetch, err);
    } else if (!peer->conn && mr_entry_dial(mr_client_net(fetch->client), peer->address, &events,
                                            peer, &peer->conn, err)) {
        peer->conn = NULL;
        fetch->part = NULL;
    }
    if (!err->code) {
        mr_client_set_clock(fetch->client, SILENCE_MS);
        (void)!mr_client_run(fetch->client, &call, err);
    }
    fetch->part = NULL;
    mr_hash_destroy(fetch->hash);
    fetch->hash = NULL;
    return err->code;
}

static bool are_closed(void *arg) {
    const struct peer *peer = ((const struct mr_fetch *)arg)->peers;
    while (peer && !peer->conn) {
        peer = peer->next;
    }
    return !peer;
}

void mr_fetch_destroy(struct mr_fetch *fetch) {
    if (!fetch) {
        return;
    }
    fetch->part = NULL;
    for (struct peer *peer = fetch->peers; peer; peer = peer->next) {
        if (peer->conn) {
            mr_conn_drop(peer->conn, NULL);
        }
    }
    mr_client_pump(fetch->client, are_closed, fetch);
    while (fetch->peers) {
        struct peer *next = fetch->peers->next;
        free(fetch->peers->address);
        free(fetch->peers);
        fetch->peers = next;
    }
    free(fetch);
}
