/* listing: the names in a directory, or those that match a pattern, in byte order. */
#ifndef MR_INPUT_LISTING_H
#define MR_INPUT_LISTING_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Owns its names. Zero-initialise; release with mr_listing_fini. */
struct mr_listing {
    char **names;
    size_t count;
    size_t cap;
};

/* The names in `directory`, without "." and "..". MR_ERR_INPUT where it may not be read, MR_ERR_IO.
 */
MR_MUST_USE int mr_listing_read(const char *directory, struct mr_listing *listing,
                                struct mr_error *err);

/* The paths that match `pattern` (glob(7): * ? [ and a leading '.' only by itself); none is no
 * error. */
MR_MUST_USE int mr_listing_match(const char *pattern, struct mr_listing *listing,
                                 struct mr_error *err);

/* Whether a name holds * ? or [. */
bool mr_listing_is_pattern(const char *name);

void mr_listing_fini(struct mr_listing *listing);

#endif
