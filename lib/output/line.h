/* line: how a pair is written as a line of output. */
#ifndef MR_OUTPUT_LINE_H
#define MR_OUTPUT_LINE_H

#include "lib/base/buffer.h"

/* Appends KEY TAB VALUE NL; a value without data: KEY NL. The bytes stand as they are. The only
 * failure is MR_ERR_NOMEM. */
MR_MUST_USE static inline int mr_line_append(struct mr_buffer *text, struct mr_bytes key,
                                             struct mr_bytes value, struct mr_error *err) {
    if (mr_buffer_reserve(text, key.len + value.len + 2, err)) {
        return err->code;
    }
    char *out = text->data + text->len;
    if (key.len) {
        memcpy(out, key.data, key.len);
        out += key.len;
    }
    if (value.data) {
        *out++ = '\t';
        memcpy(out, value.data, value.len);
        out += value.len;
    }
    *out++ = '\n';
    text->len = (size_t)(out - text->data);
    return MR_OK;
}

#endif
