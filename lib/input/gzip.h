/* gzip: decompresses a gzip file of any number of members. */
#ifndef MR_INPUT_GZIP_H
#define MR_INPUT_GZIP_H

#include "lib/input/feed.h"
#include "lib/input/inflate.h"

struct mr_gzip; /* opaque */

/* `engine` NULL: the fastest of the build. Fails with MR_ERR_NOMEM only. */
MR_MUST_USE int mr_gzip_create(const struct mr_inflate_engine *engine, struct mr_gzip **gzip,
                               struct mr_error *err);
void mr_gzip_destroy(struct mr_gzip *gzip);

/* Takes stored bytes from `feed` and writes what they mean to `out`: `room` bytes, less only at the
 * end. Behind the last member zeros may stand (tapes and dd pad), nothing else. MR_ERR_INPUT names
 * file and byte where the data is corrupt, is cut off or is followed by garbage. RFC 1952. */
MR_MUST_USE int mr_gzip_pull(struct mr_gzip *gzip, struct mr_feed *feed, char *out, size_t room,
                             size_t *got, struct mr_error *err);

#endif
