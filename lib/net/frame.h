/* frame: one framed message among bytes: its head, its bounds, its checksum.
 *
 *     body length (32 bits), kind (16), version (16), XXH3-64 of these and the body, the body
 *
 * all little-endian. The checksum is the XXH3-64 of two others, little-endian: that of the head's
 * first 8 bytes, and that of the body. A kind whose top bit is set carries a piece of a file: its
 * body is the length of a small head (32 bits), that head, and the piece. All other bodies are
 * messages (message.h).
 *
 * This room moves no bytes and keeps none; who reads a stream asks it what to believe. A length is
 * believed only where the rules know the frame's kind and allow it so much, so that a reader can't
 * be made to allocate more. docs/wire.md has the whole story. */
#ifndef MR_NET_FRAME_H
#define MR_NET_FRAME_H

#include "lib/base/buffer.h"

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_FRAME_HEAD_BYTES ((size_t)16)
#define MR_FRAME_BULK 0x8000u /* of a kind: it carries a piece */

#define MR_FRAME_CONTROL_MAX ((size_t)1 << 20)    /* the body of a control message */
#define MR_FRAME_PIECE_MAX ((size_t)1 << 20)      /* the piece of a bulk frame */
#define MR_FRAME_PIECE_HEAD_MAX ((size_t)4 << 10) /* and the small head before it */
#define MR_FRAME_BULK_MAX (4 + MR_FRAME_PIECE_HEAD_MAX + MR_FRAME_PIECE_MAX)

/* The largest body that a kind may have, which may be 0; negative: there is no such kind. */
typedef int64_t (*mr_frame_limit)(uint16_t kind);

/* What the frames of one stream look like. Constant. */
struct mr_frame_rules {
    uint16_t version;
    mr_frame_limit limit;
    uint16_t bare_kind; /* one besides, that never has a body; 0: none */
};

/* A frame that was found: views of the bytes it was found in. */
struct mr_frame {
    uint16_t kind;
    struct mr_bytes body;  /* a control frame's; of a bulk frame, the small head */
    struct mr_bytes piece; /* empty but in a bulk frame */
    size_t len;            /* of the whole frame, its head included */
};

/* What is wrong with bytes that are no frame; each is counted. */
enum mr_frame_fault {
    MR_FRAME_SOUND,
    MR_FRAME_VERSION,  /* it is of another version */
    MR_FRAME_KIND,     /* of no known kind */
    MR_FRAME_LENGTH,   /* longer than its kind may be, or a small head longer than its body */
    MR_FRAME_CHECKSUM, /* damaged */
    MR_FRAME_FAULTS
};

/* Looks for a frame at the beginning of `bytes`. A whole one: returns true and fills *frame.
 * Otherwise false, and either *fault tells why nothing on this stream can be believed any more, or
 * it is MR_FRAME_SOUND and *need is how many bytes the frame has in all, as far as is known (at
 * least MR_FRAME_HEAD_BYTES). Any thread. */
bool mr_frame_find(struct mr_bytes bytes, const struct mr_frame_rules *rules,
                   struct mr_frame *frame, size_t *need, enum mr_frame_fault *fault);

/* A fault in words that go on from a subject: "sent a damaged message". */
const char *mr_frame_fault_text(enum mr_frame_fault fault);

/* Appends a control frame with this body to `out`. A body that the rules forbid is a defect of the
 * sender's: MR_ERR_INTERNAL; `out` is unchanged then, and where memory ran out. */
MR_MUST_USE int mr_frame_append(struct mr_buffer *out, const struct mr_frame_rules *rules,
                                uint16_t kind, struct mr_bytes body, struct mr_error *err);

/* Likewise a bulk frame. */
MR_MUST_USE int mr_frame_append_bulk(struct mr_buffer *out, const struct mr_frame_rules *rules,
                                     uint16_t kind, struct mr_bytes head, struct mr_bytes piece,
                                     struct mr_error *err);

#endif
