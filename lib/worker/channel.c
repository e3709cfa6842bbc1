/* channel: framed messages between an engine and one of its task processes. */
#include "lib/worker/channel.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/net/frame.h"
#include "lib/net/message.h"
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES ((size_t)16 << 10)
#define VERSION_AT 6 /* in a frame */
#define CHECKSUM_AT 8

void mr_channel_close(struct mr_channel *channel) {
    if (channel->fd >= 0) {
        (void)close(channel->fd); /* a socket: nothing is lost that was taken */
    }
    mr_buffer_fini(&channel->in);
    mr_buffer_fini(&channel->out);
    *channel = (struct mr_channel){.fd = -1};
}

/* Every kind carries the order's number as its small head, and its message as the piece. */
static int64_t limit(uint16_t kind) {
    unsigned plain = kind & ~MR_FRAME_BULK;
    bool is_known = kind & MR_FRAME_BULK && plain > MR_CHANNEL_NOTHING && plain < MR_CHANNEL_KINDS;
    return is_known ? (int64_t)MR_FRAME_BULK_MAX : -1;
}

static const struct mr_frame_rules rules = {.version = MR_CHANNEL_VERSION, .limit = limit};

static void count(struct mr_channel_totals *totals, const char *frame, size_t len) {
    uint64_t chain[2] = {htole64(totals->xxh3), 0};
    memcpy(&chain[1], frame + CHECKSUM_AT, sizeof chain[1]);
    totals->frames++;
    totals->bytes += len;
    totals->xxh3 = mr_hash_xxh3(chain, sizeof chain);
}

static int send_all(const struct mr_channel *channel, const char *data, size_t len,
                    struct mr_error *err) {
    int flags = MSG_NOSIGNAL | (channel->linger ? MSG_DONTWAIT : 0);
    while (len > 0) {
        ssize_t done = send(channel->fd, data, len, flags);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0 && errno == EAGAIN && channel->linger) {
            int status = channel->linger(channel->linger_arg, err);
            if (status) {
                return status;
            }
            continue;
        }
        if (done <= 0) {
            int code = errno == EPIPE || errno == ECONNRESET ? MR_ERR_CLOSED : MR_ERR_IO;
            return mr_error_errno(err, code, errno, "speak with a task process");
        }
        data += done;
        len -= (size_t)done;
    }
    return MR_OK;
}

static int send_gathered(struct mr_channel *channel, struct mr_error *err) {
    int status = send_all(channel, channel->out.data, channel->out.len, err);
    channel->out.len = 0;
    return status;
}

int mr_channel_send(struct mr_channel *channel, enum mr_channel_kind kind, struct mr_bytes body,
                    struct mr_error *err) {
    uint64_t order = htole64(channel->order);
    struct mr_bytes head = {(const char *)&order, sizeof order};
    size_t at = channel->out.len;
    if (mr_frame_append_bulk(&channel->out, &rules, (uint16_t)(kind | MR_FRAME_BULK), head, body,
                             err)) {
        return err->code;
    }
    count(&channel->sent, channel->out.data + at, channel->out.len - at);
    return channel->gathers ? MR_OK : send_gathered(channel, err);
}

int mr_channel_send_end(struct mr_channel *channel, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    struct mr_bytes body;
    mr_message_put_u64(message, channel->sent.frames);
    mr_message_put_u64(message, channel->sent.bytes);
    mr_message_put_u64(message, channel->sent.xxh3);
    if (!mr_message_body(message, &body, err)) {
        channel->gathers = false;
        (void)!mr_channel_send(channel, MR_CHANNEL_END, body, err);
        channel->sent = (struct mr_channel_totals){0};
    }
    mr_message_destroy(message);
    return err->code;
}

/* Forgets the frame that was handed out. */
static void drop_taken(struct mr_channel *channel) {
    if (channel->taken) {
        channel->in.len -= channel->taken;
        memmove(channel->in.data, channel->in.data + channel->taken, channel->in.len);
        channel->taken = 0;
    }
}

int mr_channel_fill(struct mr_channel *channel, bool *closed, struct mr_error *err) {
    ssize_t got;
    *closed = false;
    drop_taken(channel);
    if (mr_buffer_reserve(&channel->in, READ_BYTES, err)) {
        return err->code;
    }
    do {
        got = read(channel->fd, channel->in.data + channel->in.len, READ_BYTES);
    } while (got < 0 && errno == EINTR);
    *closed = got == 0 || (got < 0 && errno == ECONNRESET);
    if (got < 0 && !*closed) {
        return mr_error_errno(err, MR_ERR_IO, errno, "hear from a task process");
    }
    channel->in.len += got > 0 ? (size_t)got : 0;
    return MR_OK;
}

static int refuse(const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "the channel of a task process holds %s", why);
}

static int check_end(struct mr_channel *channel, struct mr_bytes body, struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    struct mr_channel_totals said;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
    said.frames = mr_message_u64(reader);
    said.bytes = mr_message_u64(reader);
    said.xxh3 = mr_message_u64(reader);
    const struct mr_channel_totals *seen = &channel->received;
    if (!mr_message_end(reader, err) &&
        (said.frames != seen->frames || said.bytes != seen->bytes || said.xxh3 != seen->xxh3)) {
        (void)!refuse("an end that does not fit what came before it", err);
    }
    mr_message_close(reader);
    channel->received = (struct mr_channel_totals){0};
    return err->code;
}

/* Why nothing more of what comes can be believed. */
static int refuse_frame(const char *frame, enum mr_frame_fault fault, struct mr_error *err) {
    uint16_t version;
    memcpy(&version, frame + VERSION_AT, sizeof version);
    return fault == MR_FRAME_VERSION
               ? mr_error_set(err, MR_ERR_IO,
                              "a task process speaks version %u of the channel, not %u: it is "
                              "another Millrace",
                              le16toh(version), MR_CHANNEL_VERSION)
               : mr_error_set(err, MR_ERR_IO, "a task process %s", mr_frame_fault_text(fault));
}

/* An order brings its number; an answer must have that of the order it is an answer to. */
static int check_order(struct mr_channel *channel, enum mr_channel_kind kind, uint64_t order,
                       struct mr_error *err) {
    switch (kind) {
    case MR_CHANNEL_MAP:
    case MR_CHANNEL_REDUCE:
    case MR_CHANNEL_TURN:
        channel->order = order;
        return MR_OK;
    case MR_CHANNEL_DONE:
    case MR_CHANNEL_COUNTER:
    case MR_CHANNEL_SKIPPED:
    case MR_CHANNEL_FAILED:
    case MR_CHANNEL_END:
        return order == channel->order ? MR_OK : refuse("an answer to another order", err);
    default:
        return MR_OK;
    }
}

int mr_channel_take(struct mr_channel *channel, enum mr_channel_kind *kind, struct mr_bytes *body,
                    struct mr_error *err) {
    struct mr_frame frame;
    enum mr_frame_fault fault;
    size_t need;
    uint64_t order;
    drop_taken(channel);
    const char *at = channel->in.data;
    if (channel->in.len == 0 ||
        !mr_frame_find((struct mr_bytes){at, channel->in.len}, &rules, &frame, &need, &fault)) {
        return channel->in.len && fault ? refuse_frame(at, fault, err) : 0;
    }
    if (frame.body.len != sizeof order) {
        return refuse("a message without the number of its order", err);
    }
    memcpy(&order, frame.body.data, sizeof order);
    *kind = (enum mr_channel_kind)(frame.kind & ~MR_FRAME_BULK);
    *body = frame.piece;
    channel->taken = frame.len;
    if (check_order(channel, *kind, le64toh(order), err)) {
        return err->code;
    }
    if (*kind == MR_CHANNEL_END) {
        return check_end(channel, *body, err) ? err->code : 1;
    }
    count(&channel->received, at, frame.len);
    return 1;
}

bool mr_channel_is_silent(const struct mr_channel *channel) {
    char byte;
    return channel->in.len == channel->taken &&
           recv(channel->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

int mr_channel_receive(struct mr_channel *channel, enum mr_channel_kind *kind,
                       struct mr_bytes *body, struct mr_error *err) {
    for (;;) {
        bool closed = false;
        int got = mr_channel_take(channel, kind, body, err);
        if (got || mr_channel_fill(channel, &closed, err)) {
            return got ? got : err->code;
        }
        if (closed) {
            return channel->in.len ? refuse("a message that is cut off", err) : 0;
        }
    }
}
