/* frame: one framed message among bytes: its head, its bounds, its checksum. */
#include "lib/net/frame.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"

#include <endian.h>

#define HEAD MR_FRAME_HEAD_BYTES
#define CHECKSUM_AT 8
#define LENGTH_BYTES 4 /* of a small head's length */

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

/* Whether a frame of this kind may have a body of so many bytes. */
static enum mr_frame_fault judge(const struct mr_frame_rules *rules, uint16_t kind, size_t body) {
    int64_t most = kind && kind == rules->bare_kind ? 0 : rules->limit(kind);
    if (most < 0) {
        return MR_FRAME_KIND;
    }
    bool is_too_short = kind & MR_FRAME_BULK && body < LENGTH_BYTES;
    return is_too_short || body > (uint64_t)most ? MR_FRAME_LENGTH : MR_FRAME_SOUND;
}

/* Parts the body of a bulk frame. */
static enum mr_frame_fault part(struct mr_frame *frame) {
    uint32_t head = get32(frame->body.data);
    size_t left = frame->body.len - LENGTH_BYTES;
    if (head > left || head > MR_FRAME_PIECE_HEAD_MAX || left - head > MR_FRAME_PIECE_MAX) {
        return MR_FRAME_LENGTH;
    }
    frame->piece = (struct mr_bytes){frame->body.data + LENGTH_BYTES + head,
                                     frame->body.len - LENGTH_BYTES - head};
    frame->body = (struct mr_bytes){frame->body.data + LENGTH_BYTES, head};
    return MR_FRAME_SOUND;
}

bool mr_frame_find(struct mr_bytes bytes, const struct mr_frame_rules *rules,
                   struct mr_frame *frame, size_t *need, enum mr_frame_fault *fault) {
    *need = HEAD;
    *fault = MR_FRAME_SOUND;
    if (bytes.len < HEAD) {
        return false;
    }
    uint32_t body = get32(bytes.data);
    uint32_t word = get32(bytes.data + 4);
    uint16_t kind = (uint16_t)(word & 0xFFFF);
    *fault = word >> 16 != rules->version ? MR_FRAME_VERSION : judge(rules, kind, body);
    if (*fault) {
        return false;
    }
    *need = HEAD + (size_t)body;
    if (bytes.len < *need) {
        return false;
    }
    if (get64(bytes.data + CHECKSUM_AT) != checksum(bytes.data, *need)) {
        *fault = MR_FRAME_CHECKSUM;
        return false;
    }
    *frame = (struct mr_frame){.kind = kind, .body = {bytes.data + HEAD, body}, .len = *need};
    if (kind & MR_FRAME_BULK) {
        *fault = part(frame);
    }
    return *fault == MR_FRAME_SOUND;
}

const char *mr_frame_fault_text(enum mr_frame_fault fault) {
    static const char *const texts[MR_FRAME_FAULTS] = {
        [MR_FRAME_SOUND] = "sent a sound message",
        [MR_FRAME_VERSION] = "sent a message of another version",
        [MR_FRAME_KIND] = "sent a message of no known kind",
        [MR_FRAME_LENGTH] = "sent a message that is too long",
        [MR_FRAME_CHECKSUM] = "sent a damaged message",
    };
    return fault < MR_FRAME_FAULTS ? texts[fault] : "sent something else";
}

static void append(struct mr_buffer *out, const void *data, size_t len) {
    if (len) {
        memcpy(out->data + out->len, data, len);
        out->len += len;
    }
}

/* The head of a frame whose body stands behind it. */
static void seal(char *frame, size_t len, const struct mr_frame_rules *rules, uint16_t kind) {
    put32(frame, (uint32_t)(len - HEAD));
    put32(frame + 4, kind | (uint32_t)rules->version << 16);
    put64(frame + CHECKSUM_AT, checksum(frame, len));
}

static int begin(struct mr_buffer *out, const struct mr_frame_rules *rules, uint16_t kind,
                 size_t body, struct mr_error *err) {
    if (judge(rules, kind, body)) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a frame of kind %u with %zu bytes", kind, body);
    }
    if (!mr_buffer_reserve(out, HEAD + body, err)) {
        out->len += HEAD;
    }
    return err->code;
}

int mr_frame_append(struct mr_buffer *out, const struct mr_frame_rules *rules, uint16_t kind,
                    struct mr_bytes body, struct mr_error *err) {
    size_t at = out->len;
    if (kind & MR_FRAME_BULK) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a bulk frame without a piece");
    }
    if (begin(out, rules, kind, body.len, err)) {
        return err->code;
    }
    append(out, body.data, body.len);
    seal(out->data + at, out->len - at, rules, kind);
    return MR_OK;
}

int mr_frame_append_bulk(struct mr_buffer *out, const struct mr_frame_rules *rules, uint16_t kind,
                         struct mr_bytes head, struct mr_bytes piece, struct mr_error *err) {
    size_t at = out->len;
    char length[LENGTH_BYTES];
    if (!(kind & MR_FRAME_BULK) || head.len > MR_FRAME_PIECE_HEAD_MAX ||
        piece.len > MR_FRAME_PIECE_MAX) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a bulk frame of kind %u with %zu and %zu bytes",
                            kind, head.len, piece.len);
    }
    if (begin(out, rules, kind, LENGTH_BYTES + head.len + piece.len, err)) {
        return err->code;
    }
    put32(length, (uint32_t)head.len);
    append(out, length, sizeof length);
    append(out, head.data, head.len);
    append(out, piece.data, piece.len);
    seal(out->data + at, out->len - at, rules, kind);
    return MR_OK;
}
