/* buffer: a growing run of bytes. */
#ifndef MR_BASE_BUFFER_H
#define MR_BASE_BUFFER_H

#include <mr/bytes.h>
#include <mr/status.h>

/* Zero-initialise; release with mr_buffer_fini. */
struct mr_buffer {
    char *data;
    size_t len;
    size_t cap;
};

/* Makes room for `more` bytes behind `len`. The only failure is MR_ERR_NOMEM; the buffer is
 * unchanged then. */
MR_MUST_USE int mr_buffer_reserve(struct mr_buffer *buffer, size_t more, struct mr_error *err);
MR_MUST_USE int mr_buffer_append(struct mr_buffer *buffer, const void *data, size_t len,
                                 struct mr_error *err);
MR_MUST_USE int mr_buffer_append_text(struct mr_buffer *buffer, const char *text,
                                      struct mr_error *err);
__attribute__((format(printf, 3, 4))) MR_MUST_USE int mr_buffer_printf(struct mr_buffer *buffer,
                                                                       struct mr_error *err,
                                                                       const char *format, ...);
/* Frees a buffer whose content is no longer needed, where a long record made it large: beyond
 * MR_BUFFER_KEPT_MAX bytes. */
#define MR_BUFFER_KEPT_MAX ((size_t)512 << 10)
void mr_buffer_trim(struct mr_buffer *buffer);
void mr_buffer_fini(struct mr_buffer *buffer);

#endif
