/* bytes: a view of memory that somebody else owns. */
#ifndef MR_BYTES_H
#define MR_BYTES_H

#include <stddef.h>
#include <string.h>

/* A borrowed run of bytes, of any value, NULs included; not terminated. Valid until its owner
 * changes, which the function that hands it out states. `data` may be NULL only where `len` is 0.
 */
struct mr_bytes {
    const char *data;
    size_t len;
};

/* Views the characters of a C string, without its terminator. */
static inline struct mr_bytes mr_bytes_text(const char *text) {
    struct mr_bytes bytes = {text, strlen(text)};
    return bytes;
}

#endif
