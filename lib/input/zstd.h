/* zstd: decompresses a zstd file of any number of frames. */
#ifndef MR_INPUT_ZSTD_H
#define MR_INPUT_ZSTD_H

#include "lib/input/feed.h"
#include "lib/input/windows.h"

struct mr_zstd; /* opaque */

/* `windows`, which may be NULL, is borrowed: what a frame's window takes is taken from it. Fails
 * with MR_ERR_NOMEM only. */
MR_MUST_USE int mr_zstd_create(struct mr_windows *windows, struct mr_zstd **zstd,
                               struct mr_error *err);
void mr_zstd_destroy(struct mr_zstd *zstd);

/* Takes stored bytes from `feed` and writes what they mean to `out`: `room` bytes, less only at the
 * end. Skippable frames are passed over. A frame may ask for a window of 128 MiB at most, as
 * everywhere, and of no more than windows->limit; for a large one others are waited for.
 * MR_ERR_INPUT names file and byte where a window is too large, or the data is corrupt, is cut off
 * or is followed by garbage. RFC 8878. */
MR_MUST_USE int mr_zstd_pull(struct mr_zstd *zstd, struct mr_feed *feed, char *out, size_t room,
                             size_t *got, struct mr_error *err);

/* Whether pulls may wait for others' windows: true, unless the caller holds a lock that they may
 * need. */
void mr_zstd_set_waits(struct mr_zstd *zstd, bool waits);

#endif
