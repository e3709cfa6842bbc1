/* piece: a part of a file as it travels from worker to worker: compressed or not, and checked. */
#include "lib/worker/piece.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include <lz4.h>

int mr_piece_pack(struct mr_bytes bytes, uint64_t offset, enum mr_piece_codec codec,
                  struct mr_buffer *room, struct mr_wire_piece *head, struct mr_bytes *packed,
                  struct mr_error *err) {
    *head = (struct mr_wire_piece){
        .offset = offset, .len = bytes.len, .xxh3 = mr_hash_xxh3(bytes.data, bytes.len)};
    *packed = bytes;
    room->len = 0;
    if (codec == MR_PIECE_NONE || bytes.len < 2) {
        return MR_OK;
    }
    if (mr_buffer_reserve(room, bytes.len, err)) {
        return err->code;
    }
    int len = LZ4_compress_default(bytes.data, room->data, (int)bytes.len, (int)bytes.len - 1);
    if (len > 0) { /* it became smaller */
        head->codec = MR_PIECE_LZ4;
        *packed = (struct mr_bytes){room->data, (size_t)len};
    }
    return MR_OK;
}

int mr_piece_unpack(const struct mr_wire_piece *head, struct mr_bytes packed,
                    struct mr_buffer *room, struct mr_bytes *bytes, struct mr_error *err) {
    *bytes = packed;
    room->len = 0;
    if (head->codec == MR_PIECE_LZ4) {
        if (mr_buffer_reserve(room, head->len + 1, err)) {
            return err->code;
        }
        int len = LZ4_decompress_safe(packed.data, room->data, (int)packed.len, (int)head->len);
        *bytes = (struct mr_bytes){room->data, len < 0 ? 0 : (size_t)len};
    }
    return bytes->len == head->len && mr_hash_xxh3(bytes->data, bytes->len) == head->xxh3
               ? MR_OK
               : mr_error_set(err, MR_ERR_IO, "a piece of a file came damaged");
}
