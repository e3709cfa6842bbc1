/* peers: the other workers, and the connections to them over which outputs are fetched. */
#include "lib/worker/node/peers.h"

#include "lib/base/error.h"
#include "lib/net/entry.h"
#include "lib/worker/piece.h"
#include <stdlib.h>
#include <uv.h>

#define IDLE_MS 30000 /* a connection over which nothing was asked for so long is closed */
#define IDLE_LOOK_MS 10000
#define SILENT_MS 30000 /* a peer that says nothing for so long, asked, is gone */

struct request {
    struct request *next;
    struct mr_peers_request about;
    uint32_t *partitions;
    uint64_t number; /* 0: not sent yet */
};

struct peer {
    struct peer *next;
    struct mr_peers *peers;
    struct mr_peers_about about;
    char *texts;
    struct mr_conn *conn;
    bool is_ready;
    uint64_t used_ms;
    uint64_t numbers;
    struct request *requests; /* in the order of asking: those that are sent come first */
    unsigned sent;
};

struct mr_peers {
    struct mr_net *net;
    struct peer *all;
    struct mr_buffer room; /* for what is decompressed */
    uv_timer_t look;
    bool is_looking;
    bool is_closing;
    bool is_timer_closed;
    void (*closed)(void *user);
    void *user;
};

/* ---- who there is -----------------------------------------------------------------------------*/

static struct peer *find(const struct mr_peers *peers, uint32_t node) {
    struct peer *peer = peers->all;
    while (peer && peer->about.node != node) {
        peer = peer->next;
    }
    return peer;
}

const struct mr_peers_about *mr_peers_find(const struct mr_peers *peers, uint32_t node) {
    const struct peer *peer = find(peers, node);
    return peer ? &peer->about : NULL;
}

static const char *copy(char **at, const char *text) {
    size_t len = strlen(text) + 1;
    const char *begin = memcpy(*at, text, len);
    *at += len;
    return begin;
}

static int describe(struct peer *peer, const struct mr_wire_peer *message, struct mr_error *err) {
    const char *texts[] = {message->name, message->host, message->address, message->scratch};
    size_t len = 0;
    for (size_t i = 0; i < 4; i++) {
        texts[i] = texts[i] ? texts[i] : "";
        len += strlen(texts[i]) + 1;
    }
    char *made = malloc(len);
    char *at = made;
    if (!made) {
        return mr_error_nomem(err, "noting a worker");
    }
    peer->about.node = (uint32_t)message->node;
    peer->about.incarnation = message->incarnation;
    peer->about.name = copy(&at, texts[0]);
    peer->about.host = copy(&at, texts[1]);
    peer->about.address = copy(&at, texts[2]);
    peer->about.scratch = copy(&at, texts[3]);
    free(peer->texts);
    peer->texts = made;
    return MR_OK;
}

int mr_peers_enter(struct mr_peers *peers, const struct mr_wire_peer *message,
                   struct mr_error *err) {
    struct peer *peer = find(peers, (uint32_t)message->node);
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer) {
            return mr_error_nomem(err, "noting a worker");
        }
        if (describe(peer, message, err)) {
            free(peer);
            return err->code;
        }
        peer->peers = peers;
        peer->next = peers->all;
        peers->all = peer;
        return MR_OK;
    }
    bool is_another = peer->about.incarnation != message->incarnation ||
                      strcmp(peer->about.address, message->address ? message->address : "") != 0;
    if (describe(peer, message, err)) {
        return err->code;
    }
    if (is_another && peer->conn) {
        struct mr_error why = {0};
        mr_error_set(&why, MR_ERR_CLOSED, "worker %s has started again", peer->about.name);
        mr_conn_drop(peer->conn, &why);
    }
    return MR_OK;
}

/* ---- requests ---------------------------------------------------------------------------------*/

static void end(struct peer *peer, struct request *request, uint64_t size,
                const struct mr_error *err) {
    for (struct request **at = &peer->requests; *at; at = &(*at)->next) {
        if (*at == request) {
            *at = request->next;
            break;
        }
    }
    peer->sent -= request->number != 0;
    struct mr_peers_request about = request->about;
    free(request->partitions);
    free(request);
    about.ended(about.user, size, err);
}

static int send_request(struct peer *peer, struct request *request, struct mr_error *err) {
    size_t count = request->about.partition_count;
    struct mr_wire_row_number *rows = calloc(count + 1, sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "fetching");
    }
    for (size_t i = 0; i < count; i++) {
        rows[i].value = request->partitions[i];
    }
    const struct mr_wire_row_held *row = &request->about.row;
    struct mr_wire_fetch message = {.number = ++peer->numbers,
                                    .id = request->about.job->id,
                                    .round = row->round,
                                    .phase = row->phase,
                                    .task = row->task,
                                    .attempt = row->attempt,
                                    .codec = request->about.codec,
                                    .partitions = rows,
                                    .partitions_count = count};
    if (!mr_wire_send(peer->conn, MR_WIRE_FETCH, &message, err)) {
        request->number = message.number;
        peer->sent++;
    }
    free(rows);
    return err->code;
}

static void go_on(struct peer *peer) {
    struct request *request = peer->requests;
    while (request && peer->is_ready && peer->sent < MR_PEERS_REQUESTS_MAX) {
        struct mr_error err = {0};
        if (request->number == 0 && send_request(peer, request, &err)) {
            if (err.code == MR_ERR_CLOSED) { /* `closed` ends them all */
                return;
            }
            end(peer, request, 0, &err);
            request = peer->requests;
            continue;
        }
        request = request->next;
    }
}

static struct request *find_request(struct peer *peer, uint64_t number) {
    struct request *request = peer->requests;
    while (request && (request->number != number || number == 0)) {
        request = request->next;
    }
    return request;
}

static void take_piece(struct peer *peer, const struct mr_wire_piece *head,
                       struct mr_bytes packed) {
    struct request *request = find_request(peer, head->number);
    struct mr_bytes bytes;
    struct mr_error err = {0};
    if (!request) { /* of one that has failed here */
        return;
    }
    if (mr_piece_unpack(head, packed, &peer->peers->room, &bytes, &err) ||
        request->about.piece(request->about.user, head->offset, bytes, &err)) {
        end(peer, request, 0, &err);
        go_on(peer);
    }
}

static void take_fetched(struct peer *peer, const struct mr_wire_fetched *message) {
    struct request *request = find_request(peer, message->number);
    struct mr_error err = {0};
    if (!request) {
        return;
    }
    if (message->status) {
        mr_error_set(&err, -(int)message->status, "worker %s: %s", peer->about.name,
                     message->why ? message->why : "it can't be had");
    }
    end(peer, request, message->size, &err);
    go_on(peer);
}

/* ---- connections ------------------------------------------------------------------------------*/

static void ready(struct mr_conn *conn, void *user) {
    struct peer *peer = user;
    (void)conn;
    peer->is_ready = true;
    go_on(peer);
}

static void frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct peer *peer = user;
    union mr_wire_any *message = malloc(sizeof *message);
    struct mr_layout_held held = {0};
    struct mr_error err = {0};
    peer->used_ms = uv_now(mr_net_loop(peer->peers->net));
    if (!message) {
        mr_error_nomem(&err, "reading a message");
    } else if (!mr_wire_decode(frame->kind, frame->body, message, &held, &err)) {
        if (frame->kind == MR_WIRE_PIECE) {
            take_piece(peer, &message->piece_, frame->piece);
        } else if (frame->kind == MR_WIRE_FETCHED) {
            take_fetched(peer, &message->fetched_);
        } else {
            mr_error_set(&err, MR_ERR_IO, "worker %s says what no worker says", peer->about.name);
        }
    }
    mr_layout_release(&held);
    free(message);
    if (err.code) {
        mr_conn_drop(conn, &err);
    }
}

static void destroy_if_closed(struct mr_peers *peers);

static void closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    struct peer *peer = user;
    struct mr_error err = *why;
    (void)conn;
    (void)by_peer;
    peer->conn = NULL;
    peer->is_ready = false;
    if (!err.code) {
        mr_error_set(&err, MR_ERR_CLOSED, "worker %s closed the connection", peer->about.name);
    }
    struct request *asked =
        peer->requests; /* what is asked from now on is for the next connection */
    peer->requests = NULL;
    peer->sent = 0;
    while (asked) {
        struct request *next = asked->next;
        struct mr_peers_request about = asked->about;
        free(asked->partitions);
        free(asked);
        about.ended(about.user, 0, &err);
        asked = next;
    }
    destroy_if_closed(peer->peers);
}

static const struct mr_conn_events conn_events = {.ready = ready, .frame = frame, .closed = closed};

/* Closes what nobody uses, and gives up who says nothing. */
static void look(uv_timer_t *timer) {
    struct mr_peers *peers = timer->data;
    uint64_t now = uv_now(mr_net_loop(peers->net));
    bool has_any = false;
    for (struct peer *peer = peers->all; peer; peer = peer->next) {
        if (!peer->conn) {
            continue;
        }
        has_any = true;
        if (!peer->requests && now - peer->used_ms > IDLE_MS) {
            mr_conn_close(peer->conn);
        } else if (peer->is_ready && peer->sent && now - mr_conn_heard_ms(peer->conn) > SILENT_MS &&
                   now - peer->used_ms > SILENT_MS) {
            struct mr_error why = {0};
            mr_error_set(&why, MR_ERR_CLOSED, "worker %s says nothing", peer->about.name);
            mr_conn_drop(peer->conn, &why);
        }
    }
    if (!has_any) {
        uv_timer_stop(timer);
        peers->is_looking = false;
    }
}

static int connect_to(struct peer *peer, struct mr_error *err) {
    struct mr_peers *peers = peer->peers;
    if (mr_entry_dial(peers->net, peer->about.address, &conn_events, peer, &peer->conn, err)) {
        peer->conn = NULL;
        return err->code;
    }
    if (!peers->is_looking) {
        uv_timer_start(&peers->look, look, IDLE_LOOK_MS, IDLE_LOOK_MS);
        peers->is_looking = true;
    }
    return MR_OK;
}

int mr_peers_ask(struct mr_peers *peers, const struct mr_peers_request *request,
                 struct mr_error *err) {
    struct peer *peer = find(peers, request->node);
    if (!peer || peers->is_closing) {
        return mr_error_set(err, MR_ERR_CLUSTER, "worker %u is not known here", request->node);
    }
    if (!peer->conn && connect_to(peer, err)) {
        return err->code;
    }
    size_t bytes = request->partition_count * sizeof *request->partitions;
    struct request *made = calloc(1, sizeof *made);
    uint32_t *partitions = malloc(bytes + 1);
    if (!made || !partitions) {
        free(made);
        free(partitions);
        return mr_error_nomem(err, "fetching");
    }
    if (bytes) {
        memcpy(partitions, request->partitions, bytes);
    }
    *made = (struct request){.about = *request, .partitions = partitions};
    struct request **at = &peer->requests;
    while (*at) {
        at = &(*at)->next;
    }
    *at = made;
    peer->used_ms = uv_now(mr_net_loop(peers->net));
    go_on(peer);
    return MR_OK;
}

/* ---- life -------------------------------------------------------------------------------------*/

int mr_peers_create(struct mr_net *net, struct mr_peers **peers, struct mr_error *err) {
    struct mr_peers *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    made->net = net;
    uv_timer_init(mr_net_loop(net), &made->look);
    made->look.data = made;
    *peers = made;
    return MR_OK;
}

static void destroy_if_closed(struct mr_peers *peers) {
    for (const struct peer *peer = peers->all; peer; peer = peer->next) {
        if (peer->conn) {
            return;
        }
    }
    if (!peers->is_closing || !peers->is_timer_closed) {
        return;
    }
    while (peers->all) {
        struct peer *peer = peers->all;
        peers->all = peer->next;
        free(peer->texts);
        free(peer);
    }
    void (*closed_fn)(void *user) = peers->closed;
    void *user = peers->user;
    mr_buffer_fini(&peers->room);
    free(peers);
    closed_fn(user);
}

static void timer_closed(uv_handle_t *handle) {
    struct mr_peers *peers = handle->data;
    peers->is_timer_closed = true;
    destroy_if_closed(peers);
}

void mr_peers_close(struct mr_peers *peers, void (*closed_fn)(void *user), void *user) {
    peers->is_closing = true;
    peers->closed = closed_fn;
    peers->user = user;
    for (struct peer *peer = peers->all; peer; peer = peer->next) {
        if (peer->conn) {
            mr_conn_drop(peer->conn, NULL);
        }
    }
    uv_close((uv_handle_t *)&peers->look, timer_closed);
}
