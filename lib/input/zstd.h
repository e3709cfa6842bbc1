/* zstd: decompresses a zstd file of any number of frames. */
#ifndef MR_INPUT_ZSTD_H
#define MR_INPUT_ZSTD_H

#include "lib/input/feed.h"

struct mr_zstd; /* opaque */

/* Fails with MR_ERR_NOMEM only. */
MR_MUST_USE int mr_zstd_create(struct mr_zstd **zstd, struct mr_error *err);
void mr_zstd_destroy(struct mr_zstd *zstd);

/* Takes stored bytes from `feed` and writes what they mean to `out`: `room` bytes, less only at the
 * end. Skippable frames are passed over. A frame may ask for a window of 128 MiB at most, as
 * everywhere. MR_ERR_INPUT names file and byte where the data is corrupt, is cut off or is followed
 * by garbage. RFC 8878. */
MR_MUST_USE int mr_zstd_pull(struct mr_zstd *zstd, struct mr_feed *feed, char *out, size_t room,
                             size_t *got, struct mr_error *err);

#endif
