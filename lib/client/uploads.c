/* uploads: blobs that a client has, sent piece by piece to whoever wants them. */
#include "lib/client/uploads.h"

#include "lib/base/error.h"
#include "lib/net/wire.h"

#include <stdlib.h>

struct mr_uploads_blob {
    struct mr_uploads_blob *next;  /* of all */
    struct mr_uploads_blob *after; /* of those that are being sent */
    struct mr_hash_128 hash;
    struct mr_bytes bytes;
    size_t sent;
    bool is_sending;
};

static struct mr_uploads_blob *find(const struct mr_uploads *uploads, struct mr_hash_128 hash) {
    struct mr_uploads_blob *blob = uploads->blobs;
    while (blob && !mr_hash_128_is(blob->hash, hash)) {
        blob = blob->next;
    }
    return blob;
}

int mr_uploads_offer(struct mr_uploads *uploads, struct mr_bytes bytes, struct mr_hash_128 *hash,
                     struct mr_error *err) {
    *hash = mr_hash_xxh3_128(bytes.data, bytes.len);
    if (find(uploads, *hash)) {
        return MR_OK;
    }
    struct mr_uploads_blob *blob = calloc(1, sizeof *blob);
    if (!blob) {
        return mr_error_nomem(err, "preparing what is sent");
    }
    *blob = (struct mr_uploads_blob){.next = uploads->blobs, .hash = *hash, .bytes = bytes};
    uploads->blobs = blob;
    return MR_OK;
}

static int send_piece(struct mr_conn *conn, const struct mr_uploads_blob *blob, size_t len,
                      struct mr_error *err) {
    struct mr_wire_blob message = {.high = blob->hash.high,
                                   .low = blob->hash.low,
                                   .total = blob->bytes.len,
                                   .offset = blob->sent};
    struct mr_bytes piece = {blob->bytes.data + blob->sent, len};
    return mr_wire_send_piece(conn, MR_WIRE_BLOB, &message, piece, err);
}

int mr_uploads_go_on(struct mr_uploads *uploads, struct mr_conn *conn, struct mr_error *err) {
    struct mr_uploads_blob *blob;
    while ((blob = uploads->sending) && !mr_conn_is_full(conn)) {
        size_t left = blob->bytes.len - blob->sent;
        size_t len = left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX;
        if (send_piece(conn, blob, len, err)) {
            return err->code;
        }
        blob->sent += len;
        if (blob->sent == blob->bytes.len) {
            uploads->sending = blob->after;
            blob->is_sending = false;
        }
    }
    return MR_OK;
}

int mr_uploads_start(struct mr_uploads *uploads, struct mr_conn *conn, struct mr_hash_128 hash,
                     struct mr_error *err) {
    struct mr_uploads_blob *blob = find(uploads, hash);
    if (!blob) {
        struct mr_uploads_blob none = {.hash = hash};
        return send_piece(conn, &none, 0, err);
    }
    blob->sent = 0;
    if (!blob->is_sending) {
        struct mr_uploads_blob **last = &uploads->sending;
        while (*last) {
            last = &(*last)->after;
        }
        blob->after = NULL;
        blob->is_sending = true;
        *last = blob;
    }
    return mr_uploads_go_on(uploads, conn, err);
}

void mr_uploads_stop(struct mr_uploads *uploads) {
    for (struct mr_uploads_blob *blob = uploads->blobs; blob; blob = blob->next) {
        blob->is_sending = false;
    }
    uploads->sending = NULL;
}

void mr_uploads_fini(struct mr_uploads *uploads) {
    while (uploads->blobs) {
        struct mr_uploads_blob *next = uploads->blobs->next;
        free(uploads->blobs);
        uploads->blobs = next;
    }
    uploads->sending = NULL;
}
