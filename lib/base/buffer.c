/* buffer: a growing run of bytes. */
#include "lib/base/buffer.h"

#include "lib/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 64

int mr_buffer_reserve(struct mr_buffer *buffer, size_t more, struct mr_error *err) {
    if (more <= buffer->cap - buffer->len) {
        return 0;
    }
    if (more > SIZE_MAX / 2 - buffer->len) {
        return mr_error_nomem(err, "growing a buffer");
    }
    size_t cap = buffer->len + more;
    cap = cap < 2 * buffer->cap ? 2 * buffer->cap : cap;
    cap = cap < CAP_MIN ? CAP_MIN : cap;
    char *data = realloc(buffer->data, cap);
    if (!data) {
        return mr_error_nomem(err, "growing a buffer");
    }
    buffer->data = data;
    buffer->cap = cap;
    return 0;
}

int mr_buffer_append(struct mr_buffer *buffer, const void *data, size_t len, struct mr_error *err) {
    int status = mr_buffer_reserve(buffer, len, err);
    if (!status && len > 0) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
    }
    return status;
}

int mr_buffer_append_text(struct mr_buffer *buffer, const char *text, struct mr_error *err) {
    return mr_buffer_append(buffer, text, strlen(text), err);
}

static int measure(const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    return len;
}

int mr_buffer_printf(struct mr_buffer *buffer, struct mr_error *err, const char *format, ...) {
    int status;
    va_list args;
    va_start(args, format);
    int len = measure(format, args);
    if (len < 0) {
        status = mr_error_errno(err, MR_ERR_INTERNAL, errno, "formatting \"%s\"", format);
        goto done;
    }
    status = mr_buffer_reserve(buffer, (size_t)len + 1, err); /* vsnprintf writes a NUL behind it */
    if (!status) {
        vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, args);
        buffer->len += (size_t)len;
    }
done:
    va_end(args);
    return status;
}

void mr_buffer_trim(struct mr_buffer *buffer) {
    if (buffer->cap > MR_BUFFER_KEPT_MAX) {
        mr_buffer_fini(buffer);
    }
}

void mr_buffer_fini(struct mr_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct mr_buffer){0};
}
