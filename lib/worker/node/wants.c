/* wants: blobs that come from the master, and those that go to it. */
#include "lib/worker/node/wants.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include <stdlib.h>
#include <unistd.h>

#define TRIES_MAX 2 /* that came damaged */

struct want {
    struct want *next;
    struct mr_hash_128 hash;
    unsigned tries;
};

/* A blob that goes out. */
struct gift {
    struct gift *next;
    struct mr_hash_128 hash;
    uint64_t sent;
};

struct mr_wants {
    struct mr_blobs *blobs;
    struct mr_link *link; /* NULL: none, at the moment */
    void (*came)(void *user, struct mr_hash_128 hash, const struct mr_error *err);
    void *user;
    struct want *wants;
    struct gift *gifts; /* in the order of giving */
    char *room;         /* for a piece */
};

int mr_wants_create(struct mr_blobs *blobs,
                    void (*came)(void *user, struct mr_hash_128 hash, const struct mr_error *err),
                    void *user, struct mr_wants **wants, struct mr_error *err) {
    struct mr_wants *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    *made = (struct mr_wants){
        .blobs = blobs, .came = came, .user = user, .room = malloc(MR_WIRE_PIECE_MAX)};
    if (!made->room) {
        free(made);
        return mr_error_nomem(err, "starting a worker");
    }
    *wants = made;
    return MR_OK;
}

static void drop_gift(struct mr_wants *wants) {
    struct gift *gift = wants->gifts;
    wants->gifts = gift->next;
    free(gift);
}

void mr_wants_destroy(struct mr_wants *wants) {
    if (!wants) {
        return;
    }
    while (wants->wants) {
        struct want *want = wants->wants;
        wants->wants = want->next;
        free(want);
    }
    while (wants->gifts) {
        drop_gift(wants);
    }
    free(wants->room);
    free(wants);
}

/* ---- what comes -------------------------------------------------------------------------------*/

static void send_want(struct mr_wants *wants, struct mr_hash_128 hash) {
    struct mr_wire_want message = {.high = hash.high, .low = hash.low};
    if (wants->link) {
        (void)mr_link_send(wants->link, MR_WIRE_WANT, &message); /* again on the next connection */
    }
}

int mr_wants_ask(struct mr_wants *wants, struct mr_hash_128 hash, bool *is_here,
                 struct mr_error *err) {
    *is_here = mr_blobs_has(wants->blobs, hash);
    for (struct want *want = wants->wants; want; want = want->next) {
        if (mr_hash_128_is(want->hash, hash)) {
            return MR_OK;
        }
    }
    if (*is_here) {
        return MR_OK;
    }
    struct want *want = calloc(1, sizeof *want);
    if (!want) {
        return mr_error_nomem(err, "asking for a blob");
    }
    *want = (struct want){.next = wants->wants, .hash = hash};
    wants->wants = want;
    send_want(wants, hash);
    return MR_OK;
}

/* It is here, or won't come. */
static void settle(struct mr_wants *wants, struct want **at, const struct mr_error *err) {
    struct want *want = *at;
    struct mr_hash_128 hash = want->hash;
    *at = want->next;
    free(want);
    wants->came(wants->user, hash, err);
}

int mr_wants_take(struct mr_wants *wants, const struct mr_wire_blob *head, struct mr_bytes piece,
                  struct mr_error *err) {
    struct mr_hash_128 hash = {head->high, head->low};
    struct mr_error failure = {0};
    bool is_whole = false;
    struct want **at = &wants->wants;
    while (*at && !mr_hash_128_is((*at)->hash, hash)) {
        at = &(*at)->next;
    }
    if (!*at) { /* an answer to what is not wanted any more */
        return MR_OK;
    }
    if (head->total == 0 && head->offset == 0 && !mr_hash_128_is_of_nothing(hash)) {
        mr_error_set(&failure, MR_ERR_CLUSTER, "the master does not have what the job needs");
        settle(wants, at, &failure);
        return MR_OK;
    }
    if (mr_blobs_take(wants->blobs, hash, head->total, head->offset, piece, &is_whole, &failure)) {
        if (++(*at)->tries < TRIES_MAX) {
            send_want(wants, hash);
        } else {
            settle(wants, at, &failure);
        }
    } else if (is_whole) {
        settle(wants, at, err);
    }
    return MR_OK;
}

/* ---- what goes --------------------------------------------------------------------------------*/

/* Sends the next piece of the first gift; false where that ended it. */
static bool send_next(struct mr_wants *wants, struct gift *gift) {
    struct mr_wire_blob head = {
        .high = gift->hash.high, .low = gift->hash.low, .offset = gift->sent};
    struct mr_error err = {0};
    uint64_t size = 0;
    size_t got = 0;
    int fd = -1;
    if (!mr_blobs_open_one(wants->blobs, gift->hash, &fd, &size, &err)) {
        uint64_t left = size - gift->sent;
        head.total = size;
        (void)!mr_file_read(fd, (int64_t)gift->sent, wants->room,
                            (size_t)(left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX), "a blob",
                            &got, &err);
        (void)close(fd); /* only read from */
    }
    struct mr_conn *conn = mr_link_conn(wants->link);
    struct mr_error sending = {0};
    if (!conn || mr_wire_send_piece(conn, MR_WIRE_BLOB, &head, (struct mr_bytes){wants->room, got},
                                    &sending)) {
        wants->link = NULL; /* the connection has ended: `closed` comes */
        return true;
    }
    gift->sent += got;
    return !err.code && got > 0 && gift->sent < size;
}

void mr_wants_go_on(struct mr_wants *wants) {
    while (wants->gifts && wants->link && mr_link_conn(wants->link) &&
           !mr_conn_is_full(mr_link_conn(wants->link))) {
        if (!send_next(wants, wants->gifts)) {
            drop_gift(wants);
        }
    }
}

int mr_wants_give(struct mr_wants *wants, struct mr_hash_128 hash, struct mr_error *err) {
    struct gift **at = &wants->gifts;
    while (*at) {
        if (mr_hash_128_is((*at)->hash, hash)) {
            return MR_OK;
        }
        at = &(*at)->next;
    }
    struct gift *gift = calloc(1, sizeof *gift);
    if (!gift) {
        return mr_error_nomem(err, "sending a blob");
    }
    gift->hash = hash;
    *at = gift;
    mr_wants_go_on(wants);
    return MR_OK;
}

bool mr_wants_is_idle(const struct mr_wants *wants) {
    return !wants->gifts;
}

void mr_wants_begin(struct mr_wants *wants, struct mr_link *link) {
    wants->link = link;
    for (struct gift *gift = wants->gifts; gift; gift = gift->next) {
        gift->sent = 0;
    }
    for (struct want *want = wants->wants; link && want; want = want->next) {
        send_want(wants, want->hash);
    }
    mr_wants_go_on(wants);
}
