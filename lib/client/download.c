/* download: gets a blob from the master. */
#include "lib/client/download.h"

#include "lib/base/error.h"

/* A blob that is coming. */
struct coming {
    const struct mr_download *wanted;
    struct mr_buffer *bytes;
};

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    struct coming *coming = arg;
    struct mr_hash_128 hash = coming->wanted->hash;
    struct mr_wire_want want = {.high = hash.high, .low = hash.low};
    coming->bytes->len = 0;
    return mr_client_send(client, MR_WIRE_WANT, &want, err);
}

static int refuse(const char *what, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_CLUSTER, "what the master has of the job can't be had: %s",
                        what);
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    struct coming *coming = arg;
    const struct mr_wire_blob *blob = &message->as->blob_;
    struct mr_hash_128 hash = coming->wanted->hash;
    struct mr_buffer *bytes = coming->bytes;
    (void)client;
    if (message->kind != MR_WIRE_BLOB || blob->high != hash.high || blob->low != hash.low) {
        return 0;
    }
    /* A loop without lines has a blob without bytes: an answer of none is that blob. */
    bool is_gone = blob->total == 0 && !mr_hash_128_is_of_nothing(hash);
    if (is_gone || blob->total > coming->wanted->most) {
        return refuse(is_gone ? "it is gone" : "it is too long", err);
    }
    if (blob->offset != bytes->len || blob->total - blob->offset < message->piece.len) {
        return refuse("its pieces don't fit together", err);
    }
    if (mr_buffer_append(bytes, message->piece.data, message->piece.len, err)) {
        return err->code;
    }
    if (bytes->len < blob->total) {
        return 0;
    }
    bool is_right = mr_hash_128_is(hash, mr_hash_xxh3_128(bytes->data, bytes->len));
    return is_right ? 1 : refuse("it is damaged", err);
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    const struct mr_download *wanted = ((const struct coming *)arg)->wanted;
    return wanted->interrupted(client, signal_number, wanted->interrupted_arg, err);
}

int mr_download_run(struct mr_client *client, const struct mr_download *blob,
                    struct mr_buffer *bytes, struct mr_error *err) {
    struct coming coming = {blob, bytes};
    struct mr_client_call call = {.begin = begin,
                                  .take = take,
                                  .interrupted = blob->interrupted ? interrupted : NULL,
                                  .arg = &coming};
    return mr_client_run(client, &call, err);
}
