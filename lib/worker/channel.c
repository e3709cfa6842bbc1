/* channel: framed messages between an engine and one of its task processes. */
#include "lib/worker/channel.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/net/message.h"
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD MR_CHANNEL_HEAD_BYTES
#define READ_BYTES ((size_t)16 << 10)
#define ORDER_AT 8
#define CHECKSUM_AT 16

void mr_channel_close(struct mr_channel *channel) {
    if (channel->fd >= 0) {
        (void)close(channel->fd); /* a socket: nothing is lost that was taken */
    }
    mr_buffer_fini(&channel->in);
    mr_buffer_fini(&channel->out);
    *channel = (struct mr_channel){.fd = -1};
}

static void put32(char *out, uint32_t value) {
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static void put64(char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static uint32_t get32(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* The checksum of a whole frame, whose own field is left out. */
static uint64_t checksum(const char *frame, size_t len) {
    uint64_t parts[2] = {htole64(mr_hash_xxh3(frame, CHECKSUM_AT)),
                         htole64(mr_hash_xxh3(frame + HEAD, len - HEAD))};
    return mr_hash_xxh3(parts, sizeof parts);
}

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
    if (body.len > MR_MESSAGE_BYTES_MAX) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a control message of %zu bytes", body.len);
    }
    size_t len = HEAD + body.len;
    if (mr_buffer_reserve(&channel->out, len, err)) {
        return err->code;
    }
    char *frame = channel->out.data + channel->out.len;
    channel->out.len += len;
    put32(frame, (uint32_t)body.len);
    put32(frame + 4, (uint32_t)kind | MR_CHANNEL_VERSION << 16);
    put64(frame + ORDER_AT, channel->order);
    if (body.len) {
        memcpy(frame + HEAD, body.data, body.len);
    }
    put64(frame + CHECKSUM_AT, checksum(frame, len));
    count(&channel->sent, frame, len);
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

/* Looks at a frame's head: its length, whole. */
static int check_head(const char *frame, size_t *len, struct mr_error *err) {
    uint32_t body = get32(frame);
    uint32_t kind = get32(frame + 4) & 0xFFFF;
    uint32_t version = get32(frame + 4) >> 16;
    if (version != MR_CHANNEL_VERSION) {
        return mr_error_set(
            err, MR_ERR_IO,
            "a task process speaks version %u of the channel, not %u: it is another "
            "Millrace",
            version, MR_CHANNEL_VERSION);
    }
    if (kind == MR_CHANNEL_NOTHING || kind >= MR_CHANNEL_KINDS) {
        return refuse("a message of no known kind", err);
    }
    if (body > MR_MESSAGE_BYTES_MAX) {
        return refuse("a message that is too long", err);
    }
    *len = HEAD + (size_t)body;
    return MR_OK;
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
    size_t len = 0;
    drop_taken(channel);
    const char *frame = channel->in.data;
    if (channel->in.len < HEAD) {
        return 0;
    }
    if (check_head(frame, &len, err)) {
        return err->code;
    }
    if (channel->in.len < len) {
        return 0;
    }
    if (get64(frame + CHECKSUM_AT) != checksum(frame, len)) {
        return refuse("a damaged message", err);
    }
    *kind = (enum mr_channel_kind)(get32(frame + 4) & 0xFFFF);
    *body = (struct mr_bytes){frame + HEAD, len - HEAD};
    channel->taken = len;
    if (check_order(channel, *kind, get64(frame + ORDER_AT), err)) {
        return err->code;
    }
    if (*kind == MR_CHANNEL_END) {
        return check_end(channel, *body, err) ? err->code : 1;
    }
    count(&channel->received, frame, len);
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
