/* intake: keeps the plain bytes that came, until they are whole frames. */
#include "lib/net/intake.h"

#include <string.h>

int mr_intake_reserve(struct mr_intake *intake, size_t room, char **where, size_t *there,
                      struct mr_error *err) {
    struct mr_buffer *bytes = &intake->bytes;
    if (intake->at) {
        bytes->len -= intake->at;
        memmove(bytes->data, bytes->data + intake->at, bytes->len);
        intake->at = 0;
    }
    if (bytes->cap - bytes->len < room / 4 && mr_buffer_reserve(bytes, room, err)) {
        return err->code;
    }
    *where = bytes->data + bytes->len;
    *there = bytes->cap - bytes->len;
    return MR_OK;
}

void mr_intake_add(struct mr_intake *intake, size_t len) {
    intake->bytes.len += len;
}

bool mr_intake_next(struct mr_intake *intake, const struct mr_frame_rules *rules,
                    struct mr_frame *frame, enum mr_frame_fault *fault) {
    size_t need;
    *fault = MR_FRAME_SOUND;
    if (mr_intake_is_between(intake)) {
        return false;
    }
    struct mr_bytes rest = {intake->bytes.data + intake->at, intake->bytes.len - intake->at};
    if (!mr_frame_find(rest, rules, frame, &need, fault)) {
        return false;
    }
    intake->at += frame->len;
    return true;
}

bool mr_intake_is_between(const struct mr_intake *intake) {
    return intake->at == intake->bytes.len;
}

bool mr_intake_is_long(const struct mr_intake *intake) {
    return intake->bytes.len - intake->at > MR_FRAME_HEAD_BYTES;
}

void mr_intake_fini(struct mr_intake *intake) {
    mr_buffer_fini(&intake->bytes);
    intake->at = 0;
}
