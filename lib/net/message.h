/* message: the body of a control message: a row of values, as MessagePack.
 *
 * A body is one MessagePack array of numbers and byte strings, in an order that sender and receiver
 * agree on (worker/orders.c). Bytes that come in never reach the decoder unchecked: a scan without
 * recursion comes first, which sees that depth and counts are within bounds and within the bytes
 * that are there. */
#ifndef MR_NET_MESSAGE_H
#define MR_NET_MESSAGE_H

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdint.h>

#define MR_MESSAGE_BYTES_MAX ((size_t)1 << 20) /* of a body */
#define MR_MESSAGE_DEPTH_MAX 8

struct mr_message; /* a body that is written; opaque */

/* Adding to it can't fail until mr_message_body, which says whether memory lasted and the body is
 * not too long. */
struct mr_message *mr_message_create(void);
void mr_message_put_u64(struct mr_message *message, uint64_t value);
void mr_message_put_bytes(struct mr_message *message, struct mr_bytes bytes);
/* NULL is sent as such. */
void mr_message_put_text(struct mr_message *message, const char *text);
/* The body, valid until the message is destroyed. */
MR_MUST_USE int mr_message_body(struct mr_message *message, struct mr_bytes *body,
                                struct mr_error *err);
/* Harmless on NULL. */
void mr_message_destroy(struct mr_message *message);

/* Whether bytes are one well-formed MessagePack object within the bounds. */
MR_MUST_USE int mr_message_scan(struct mr_bytes bytes, struct mr_error *err);

struct mr_message_reader; /* a body that is read; opaque */

/* Scans, then decodes. What it hands out lives as long as the reader and `body`. */
MR_MUST_USE int mr_message_open(struct mr_bytes body, struct mr_message_reader **reader,
                                struct mr_error *err);
/* The next value. One that is not there, or of another kind, is remembered: then 0, nothing, NULL
 * is given. A text without a NUL in it comes back as a C string. */
uint64_t mr_message_u64(struct mr_message_reader *reader);
struct mr_bytes mr_message_bytes(struct mr_message_reader *reader);
const char *mr_message_text(struct mr_message_reader *reader);
/* How many values are left. */
size_t mr_message_left(const struct mr_message_reader *reader);
/* Whether everything was read, and was what it should be. */
MR_MUST_USE int mr_message_end(const struct mr_message_reader *reader, struct mr_error *err);
/* Harmless on NULL. */
void mr_message_close(struct mr_message_reader *reader);

#endif
