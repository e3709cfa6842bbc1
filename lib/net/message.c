/* message: the body of a control message: a row of values, as MessagePack. */
#include "lib/net/message.h"

#include "lib/base/error.h"
#include <endian.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>

#define ARRAY_HEAD 5 /* 0xDD and 32 bits: the count is filled in at the end */

struct mr_message {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    uint32_t count;
    bool has_failed;
};

/* ---- writing ----------------------------------------------------------------------------------*/

struct mr_message *mr_message_create(void) {
    struct mr_message *message = calloc(1, sizeof *message);
    if (message) {
        msgpack_sbuffer_init(&message->buffer);
        msgpack_packer_init(&message->packer, &message->buffer, msgpack_sbuffer_write);
        message->has_failed = msgpack_sbuffer_write(&message->buffer, "\xdd\0\0\0\0", ARRAY_HEAD);
    }
    return message;
}

static void note(struct mr_message *message, int failure) {
    if (message) {
        message->has_failed |= failure != 0;
        message->count++;
    }
}

void mr_message_put_u64(struct mr_message *message, uint64_t value) {
    note(message, message ? msgpack_pack_uint64(&message->packer, value) : 0);
}

void mr_message_put_bytes(struct mr_message *message, struct mr_bytes bytes) {
    if (!message) {
        return;
    }
    bool is_long = bytes.len > MR_MESSAGE_BYTES_MAX;
    message->has_failed |= is_long;
    note(message,
         is_long || msgpack_pack_bin(&message->packer, bytes.len) ||
             (bytes.len && msgpack_pack_bin_body(&message->packer, bytes.data, bytes.len)));
}

void mr_message_put_text(struct mr_message *message, const char *text) {
    if (!message) {
        return;
    }
    if (!text) {
        note(message, msgpack_pack_nil(&message->packer));
        return;
    }
    size_t len = strlen(text) + 1; /* with its end, so that it is read in place */
    note(message, len > MR_MESSAGE_BYTES_MAX || msgpack_pack_str(&message->packer, len) ||
                      msgpack_pack_str_body(&message->packer, text, len));
}

int mr_message_body(struct mr_message *message, struct mr_bytes *body, struct mr_error *err) {
    if (!message || message->buffer.size > MR_MESSAGE_BYTES_MAX) {
        return message ? mr_error_set(err, MR_ERR_JOB, "a control message of %zu bytes: too long",
                                      message->buffer.size)
                       : mr_error_nomem(err, "writing a control message");
    }
    if (message->has_failed) {
        return mr_error_nomem(err, "writing a control message");
    }
    uint32_t count = htobe32(message->count);
    memcpy(message->buffer.data + 1, &count, sizeof count);
    *body = (struct mr_bytes){message->buffer.data, message->buffer.size};
    return MR_OK;
}

void mr_message_destroy(struct mr_message *message) {
    if (message) {
        msgpack_sbuffer_destroy(&message->buffer);
        free(message);
    }
}

/* ---- scanning ---------------------------------------------------------------------------------*/

/* What a first byte announces: `len_bytes` bytes of a number, then so many bytes, or objects. */
struct announced {
    unsigned len_bytes;
    uint64_t bytes;   /* besides that number of bytes */
    uint64_t objects; /* for each one that is counted */
    bool counts_objects;
    bool is_known;
};

/* 0xC0 ... 0xDF, the format's own table. */
static const struct announced table[32] = {
    {0, 0, 0, false, true}, {0, 0, 0, false, false}, {0, 0, 0, false, true}, /* nil, -, false */
    {0, 0, 0, false, true},                                                  /* true */
    {1, 0, 0, false, true}, {2, 0, 0, false, true},  {4, 0, 0, false, true}, /* bin */
    {1, 1, 0, false, true}, {2, 1, 0, false, true},  {4, 1, 0, false, true}, /* ext */
    {0, 4, 0, false, true}, {0, 8, 0, false, true},                          /* f32, f64 */
    {0, 1, 0, false, true}, {0, 2, 0, false, true},  {0, 4, 0, false, true}, /* unsigned */
    {0, 8, 0, false, true},                                                  /* */
    {0, 1, 0, false, true}, {0, 2, 0, false, true},  {0, 4, 0, false, true}, /* signed */
    {0, 8, 0, false, true},                                                  /* */
    {0, 2, 0, false, true}, {0, 3, 0, false, true},  {0, 5, 0, false, true}, /* fixext */
    {0, 9, 0, false, true}, {0, 17, 0, false, true},                         /* */
    {1, 0, 0, false, true}, {2, 0, 0, false, true},  {4, 0, 0, false, true}, /* str */
    {2, 0, 1, true, true},  {4, 0, 1, true, true},                           /* array */
    {2, 0, 2, true, true},  {4, 0, 2, true, true},                           /* map */
};

static struct announced announce(unsigned char first) {
    if (first >= 0xC0 && first <= 0xDF) {
        return table[first - 0xC0];
    }
    struct announced small = {.is_known = true};
    if (first >= 0xA0 && first < 0xC0) {
        small.bytes = first & 0x1Fu;
    } else if (first >= 0x80 && first < 0xA0) {
        small.objects = first < 0x90 ? 2 * (first & 0x0Fu) : first & 0x0Fu;
    }
    return small;
}

static int refuse(const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "a control message is malformed: %s", why);
}

/* Reads one object's head at *at; stores how many objects it holds. NULL: it is sound. */
static const char *scan_head(struct mr_bytes bytes, size_t *at, uint64_t *objects) {
    struct announced head = announce((unsigned char)bytes.data[(*at)++]);
    size_t left = bytes.len - *at;
    uint64_t number = 0;
    if (!head.is_known) {
        return "no object begins so";
    }
    if (head.len_bytes > left) {
        return "it is cut off";
    }
    for (unsigned i = 0; i < head.len_bytes; i++) {
        number = number << 8 | (unsigned char)bytes.data[(*at)++];
    }
    left -= head.len_bytes;
    uint64_t skip = head.bytes + (head.counts_objects ? 0 : number);
    *objects = head.counts_objects ? number * head.objects : head.objects;
    if (skip > left || *objects > left - skip) {
        return "it announces more than there is";
    }
    *at += skip;
    return NULL;
}

int mr_message_scan(struct mr_bytes bytes, struct mr_error *err) {
    uint64_t pending[MR_MESSAGE_DEPTH_MAX + 1] = {1}; /* objects to come, at each depth */
    unsigned depth = 0;
    size_t at = 0;
    if (bytes.len > MR_MESSAGE_BYTES_MAX) {
        return refuse("it is too long", err);
    }
    for (;;) {
        while (pending[depth] == 0 && depth > 0) {
            depth--;
        }
        if (pending[depth] == 0) {
            break;
        }
        if (at == bytes.len) {
            return refuse("it is cut off", err);
        }
        uint64_t objects = 0;
        const char *why = scan_head(bytes, &at, &objects);
        if (why) {
            return refuse(why, err);
        }
        pending[depth]--;
        if (objects && depth == MR_MESSAGE_DEPTH_MAX) {
            return refuse("it is nested too deeply", err);
        }
        depth += objects > 0;
        pending[depth] = objects > 0 ? objects : pending[depth];
    }
    return at == bytes.len ? MR_OK : refuse("something stands behind it", err);
}

/* ---- reading ----------------------------------------------------------------------------------*/

struct mr_message_reader {
    msgpack_unpacked unpacked;
    const msgpack_object_array *row;
    uint32_t next;
    bool has_failed;
};

int mr_message_open(struct mr_bytes body, struct mr_message_reader **reader, struct mr_error *err) {
    if (mr_message_scan(body, err)) {
        return err->code;
    }
    struct mr_message_reader *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "reading a control message");
    }
    size_t offset = 0;
    msgpack_unpacked_init(&made->unpacked);
    msgpack_unpack_return got = msgpack_unpack_next(&made->unpacked, body.data, body.len, &offset);
    if (got != MSGPACK_UNPACK_SUCCESS || made->unpacked.data.type != MSGPACK_OBJECT_ARRAY) {
        mr_message_close(made);
        return got == MSGPACK_UNPACK_NOMEM_ERROR ? mr_error_nomem(err, "reading a control message")
                                                 : refuse("it is no row of values", err);
    }
    made->row = &made->unpacked.data.via.array;
    *reader = made;
    return MR_OK;
}

/* The next value where it is of this kind. */
static const msgpack_object *take(struct mr_message_reader *reader, msgpack_object_type type) {
    if (reader->next < reader->row->size) {
        const msgpack_object *object = &reader->row->ptr[reader->next++];
        if (object->type == type) {
            return object;
        }
    }
    reader->has_failed = true;
    return NULL;
}

uint64_t mr_message_u64(struct mr_message_reader *reader) {
    const msgpack_object *object = take(reader, MSGPACK_OBJECT_POSITIVE_INTEGER);
    return object ? object->via.u64 : 0;
}

struct mr_bytes mr_message_bytes(struct mr_message_reader *reader) {
    const msgpack_object *object = take(reader, MSGPACK_OBJECT_BIN);
    return object ? (struct mr_bytes){object->via.bin.ptr, object->via.bin.size}
                  : (struct mr_bytes){0};
}

const char *mr_message_text(struct mr_message_reader *reader) {
    if (reader->next < reader->row->size &&
        reader->row->ptr[reader->next].type == MSGPACK_OBJECT_NIL) {
        reader->next++;
        return NULL;
    }
    const msgpack_object *object = take(reader, MSGPACK_OBJECT_STR);
    const msgpack_object_str *text = object ? &object->via.str : NULL;
    if (!text || text->size == 0 ||
        memchr(text->ptr, '\0', text->size) != text->ptr + text->size - 1) {
        reader->has_failed = true;
        return NULL;
    }
    return text->ptr;
}

size_t mr_message_left(const struct mr_message_reader *reader) {
    return reader->row->size - reader->next;
}

int mr_message_end(const struct mr_message_reader *reader, struct mr_error *err) {
    return reader->has_failed || mr_message_left(reader)
               ? refuse("its values are not those that belong there", err)
               : MR_OK;
}

void mr_message_close(struct mr_message_reader *reader) {
    if (reader) {
        msgpack_unpacked_destroy(&reader->unpacked);
        free(reader);
    }
}
