/* piece: a part of a file as it travels from worker to worker: compressed or not, and checked.
 *
 * A piece says where in the file its bytes belong, how many they are, and their XXH3-64. Compressed
 * ones are an LZ4 block; one that compression doesn't make smaller travels as it is. */
#ifndef MR_WORKER_PIECE_H
#define MR_WORKER_PIECE_H

#include "lib/base/buffer.h"
#include "lib/net/wire.h"

enum mr_piece_codec { MR_PIECE_NONE, MR_PIECE_LZ4 };

/* Fills in `head` but for the request's number, and the bytes to send: a view of `bytes` or of
 * `room`, which grows as needed and is used again. At most MR_WIRE_PIECE_MAX bytes. */
MR_MUST_USE int mr_piece_pack(struct mr_bytes bytes, uint64_t offset, enum mr_piece_codec codec,
                              struct mr_buffer *room, struct mr_wire_piece *head,
                              struct mr_bytes *packed, struct mr_error *err);

/* The bytes of a piece that came: a view of `packed` or of `room`. MR_ERR_IO: it is damaged. */
MR_MUST_USE int mr_piece_unpack(const struct mr_wire_piece *head, struct mr_bytes packed,
                                struct mr_buffer *room, struct mr_bytes *bytes,
                                struct mr_error *err);

#endif
