/* serving: gives other workers, and clients that collect, what this worker holds. */
#include "lib/worker/node/serving.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/part.h"
#include "lib/worker/piece.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUESTS_MAX 64 /* of one connection that wait: more stop its reading */

/* Bytes of a file to be sent. */
struct range {
    uint64_t begin;
    uint64_t end;
};

struct request {
    struct request *next;
    uint64_t number;
    unsigned codec;
    int fd; /* -1: it can't be had: */
    struct mr_error err;
    uint64_t size;
    struct range *ranges;
    size_t count;
    size_t at;
};

struct client {
    struct client *next;
    struct mr_serving *serving;
    struct mr_conn *conn;
    struct request *requests;
    size_t waiting;
    bool is_paused;
};

struct mr_serving {
    const struct mr_docket *docket;
    struct client *clients;
    char *room;              /* for a piece */
    struct mr_buffer packed; /* for the same, compressed */
    bool is_closing;
    void (*closed)(void *user);
    void *user;
};

static void destroy_request(struct request *request) {
    if (request->fd >= 0) {
        (void)close(request->fd); /* only read from */
    }
    free(request->ranges);
    free(request);
}

/* ---- what is asked for ------------------------------------------------------------------------*/

static void add_range(struct request *request, uint64_t begin, uint64_t end) {
    struct range *last = request->count ? &request->ranges[request->count - 1] : NULL;
    if (last && last->end == begin) {
        last->end = end;
    } else if (begin < end) {
        request->ranges[request->count++] = (struct range){begin, end};
    }
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = ((const struct mr_wire_row_number *)a)->value;
    uint64_t y = ((const struct mr_wire_row_number *)b)->value;
    return (x > y) - (x < y);
}

/* Header, partitions in their order, index and trailer. */
static int add_partitions(struct request *request, const struct mr_map_output *output,
                          const struct mr_wire_fetch *message, struct mr_error *err) {
    size_t count = message->partitions_count;
    struct mr_wire_row_number *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) {
        return mr_error_nomem(err, "reading a request");
    }
    memcpy(sorted, message->partitions, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_numbers);
    add_range(request, 0, MR_MAP_OUTPUT_HEADER);
    for (size_t i = 0; i < count; i++) {
        uint64_t begin;
        uint64_t end;
        if (sorted[i].value >= MR_MAP_OUTPUT_ALL || (i && sorted[i].value == sorted[i - 1].value)) {
            continue;
        }
        mr_map_output_extent(output, (uint32_t)sorted[i].value, &begin, &end);
        add_range(request, begin, end);
    }
    add_range(request, mr_map_output_index(output), request->size);
    free(sorted);
    return MR_OK;
}

static int open_output(const struct mr_dossier *job, const struct mr_wire_row_held *row,
                       const struct mr_wire_fetch *message, struct request *request,
                       struct mr_error *err) {
    struct mr_map_output *output = NULL;
    if (mr_dossier_open(job, job->dir, row, &output, err)) {
        return err->code;
    }
    if (message->partitions_count) {
        (void)!add_partitions(request, output, message, err);
    } else {
        add_range(request, 0, request->size);
    }
    mr_map_output_close(output);
    return err->code;
}

static int open_file(const struct mr_serving *serving, const struct mr_wire_fetch *message,
                     struct request *request, struct mr_error *err) {
    struct mr_dossier *job = message->id ? mr_docket_find_id(serving->docket, message->id) : NULL;
    struct mr_wire_row_held row = {.round = message->round,
                                   .phase = message->phase,
                                   .task = message->task,
                                   .attempt = message->attempt};
    char path[MR_ORDERS_PATH_MAX];
    char name[MR_PART_NAME_MAX + 1] = "";
    struct stat about;
    if (!job || !job->has_spec || message->phase == 2) {
        return mr_error_set(err, MR_ERR_INPUT, "nothing of that job is here");
    }
    if (!mr_dossier_holds(job, &row)) {
        return mr_error_set(err, MR_ERR_INPUT, "that output is not here");
    }
    if (mr_dossier_path(job, job->dir, &row, path, err)) {
        return err->code;
    }
    if (row.phase == MR_DOSSIER_PART) {
        size_t len = strlen(path);
        mr_part_name(name, sizeof name, (uint32_t)row.task);
        snprintf(path + len, sizeof path - len, "/%s", name);
    }
    request->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (request->fd < 0 || fstat(request->fd, &about) != 0) {
        return mr_error_errno(err, errno == ENOENT ? MR_ERR_INPUT : MR_ERR_IO, errno,
                              "open \"%.300s\"", path);
    }
    request->size = (uint64_t)about.st_size;
    if (row.phase == MR_DOSSIER_PART) {
        add_range(request, 0, request->size);
        return MR_OK;
    }
    return open_output(job, &row, message, request, err);
}

/* ---- answering --------------------------------------------------------------------------------*/

static int send_piece(struct client *client, struct request *request, struct mr_error *err) {
    struct mr_serving *serving = client->serving;
    struct range *range = &request->ranges[request->at];
    uint64_t left = range->end - range->begin;
    size_t len = (size_t)(left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX);
    size_t got = 0;
    struct mr_wire_piece head;
    struct mr_bytes packed;
    if (mr_file_read(request->fd, (int64_t)range->begin, serving->room, len, "a map output", &got,
                     &request->err)) {
        return MR_OK; /* FETCHED tells */
    }
    if (got != len) {
        mr_error_set(&request->err, MR_ERR_IO, "the file is shorter than it was");
        return MR_OK;
    }
    if (mr_piece_pack((struct mr_bytes){serving->room, len}, range->begin,
                      (enum mr_piece_codec)request->codec, &serving->packed, &head, &packed, err)) {
        return err->code;
    }
    head.number = request->number;
    if (mr_wire_send_piece(client->conn, MR_WIRE_PIECE, &head, packed, err)) {
        return err->code;
    }
    range->begin += len;
    request->at += range->begin == range->end;
    return MR_OK;
}

static int send_fetched(struct client *client, const struct request *request,
                        struct mr_error *err) {
    struct mr_wire_fetched message = {.number = request->number,
                                      .size = request->size,
                                      .status = (uint64_t)-request->err.code,
                                      .why = request->err.code ? request->err.text : NULL};
    return mr_wire_send(client->conn, MR_WIRE_FETCHED, &message, err);
}

static void go_on(struct client *client) {
    struct mr_error err = {0};
    while (client->requests && !mr_conn_is_full(client->conn) && !err.code) {
        struct request *request = client->requests;
        if (!request->err.code && request->at < request->count) {
            (void)!send_piece(client, request, &err);
            continue;
        }
        (void)!send_fetched(client, request, &err);
        client->requests = request->next;
        client->waiting--;
        destroy_request(request);
    }
    if (err.code && err.code != MR_ERR_CLOSED) {
        mr_conn_drop(client->conn, &err);
    } else if (client->is_paused && client->waiting < REQUESTS_MAX / 2) {
        client->is_paused = false;
        mr_conn_resume(client->conn);
    }
}

static int take_fetch(struct client *client, const struct mr_wire_fetch *message,
                      struct mr_error *err) {
    struct request *request = calloc(1, sizeof *request);
    struct range *ranges = calloc(message->partitions_count + 3, sizeof *ranges);
    if (!request || !ranges) {
        free(request);
        free(ranges);
        return mr_error_nomem(err, "reading a request");
    }
    *request = (struct request){
        .number = message->number, .codec = (unsigned)message->codec, .fd = -1, .ranges = ranges};
    (void)!open_file(client->serving, message, request, &request->err);
    struct request **at = &client->requests;
    while (*at) {
        at = &(*at)->next;
    }
    *at = request;
    if (++client->waiting >= REQUESTS_MAX && !client->is_paused) {
        client->is_paused = true;
        mr_conn_pause(client->conn);
    }
    go_on(client);
    return MR_OK;
}

/* ---- connections ------------------------------------------------------------------------------*/

static void frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct client *client = user;
    union mr_wire_any *message = malloc(sizeof *message);
    struct mr_layout_held held = {0};
    struct mr_error err = {0};
    if (!message) {
        mr_error_nomem(&err, "reading a message");
    } else if (!mr_wire_decode(frame->kind, frame->body, message, &held, &err)) {
        (void)!(frame->kind == MR_WIRE_FETCH
                    ? take_fetch(client, &message->fetch_, &err)
                    : mr_error_set(&err, MR_ERR_IO, "a message that a worker does not answer"));
    }
    mr_layout_release(&held);
    free(message);
    if (err.code) {
        mr_conn_drop(conn, &err);
    }
}

static void drained(struct mr_conn *conn, void *user) {
    (void)conn;
    go_on(user);
}

static void finish_close(struct mr_serving *serving) {
    if (serving->is_closing && !serving->clients) {
        void (*closed_fn)(void *user) = serving->closed;
        void *user = serving->user;
        mr_buffer_fini(&serving->packed);
        free(serving->room);
        free(serving);
        closed_fn(user);
    }
}

static void closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    struct client *client = user;
    struct mr_serving *serving = client->serving;
    (void)conn;
    (void)by_peer;
    (void)why; /* who asked sees it too */
    for (struct client **at = &serving->clients; *at; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            break;
        }
    }
    while (client->requests) {
        struct request *request = client->requests;
        client->requests = request->next;
        destroy_request(request);
    }
    free(client);
    finish_close(serving);
}

static const struct mr_conn_events conn_events = {
    .frame = frame, .drained = drained, .closed = closed};

int mr_serving_accept(struct mr_serving *serving, struct mr_conn *conn, struct mr_error *err) {
    struct client *client = serving->is_closing ? NULL : calloc(1, sizeof *client);
    if (!client) {
        return mr_error_set(err, MR_ERR_CLUSTER, "this worker is about to end");
    }
    *client = (struct client){.serving = serving, .conn = conn, .next = serving->clients};
    serving->clients = client;
    mr_conn_set_owner(conn, &conn_events, client);
    return MR_OK;
}

int mr_serving_create(const struct mr_docket *docket, struct mr_serving **serving,
                      struct mr_error *err) {
    struct mr_serving *made = calloc(1, sizeof *made);
    char *room = malloc(MR_WIRE_PIECE_MAX);
    if (!made || !room) {
        free(made);
        free(room);
        return mr_error_nomem(err, "starting a worker");
    }
    *made = (struct mr_serving){.docket = docket, .room = room};
    *serving = made;
    return MR_OK;
}

void mr_serving_close(struct mr_serving *serving, void (*closed_fn)(void *user), void *user) {
    serving->is_closing = true;
    serving->closed = closed_fn;
    serving->user = user;
    if (!serving->clients) {
        finish_close(serving);
        return;
    }
    for (struct client *client = serving->clients; client; client = client->next) {
        mr_conn_drop(client->conn, NULL);
    }
}
