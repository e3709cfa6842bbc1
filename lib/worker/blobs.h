/* blobs: a folder of immutable files, each named by the XXH3-128 of its bytes.
 *
 * So travel a job's description, its plugin, the files among its parameters, a loop's state, a
 * manifest: once to each process that needs them. A file has its name only when it is whole and
 * right. One process at a time has a folder; any of its threads may read. */
#ifndef MR_WORKER_BLOBS_H
#define MR_WORKER_BLOBS_H

#include "lib/base/buffer.h"
#include "lib/base/hash.h"
#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_BLOBS_BYTES_MAX ((uint64_t)4 << 30)
#define MR_BLOBS_PATH_MAX 4200

struct mr_blobs; /* opaque */

/* Opens the folder, making it where it is missing, and clears what was never finished. `durable`:
 * what is put is on disk when the call returns. */
MR_MUST_USE int mr_blobs_open(const char *dir, bool durable, struct mr_blobs **blobs,
                              struct mr_error *err);
/* Drops what is not whole. Harmless on NULL. */
void mr_blobs_close(struct mr_blobs *blobs);

bool mr_blobs_has(const struct mr_blobs *blobs, struct mr_hash_128 hash);
/* Where it lies, or would. */
void mr_blobs_path(const struct mr_blobs *blobs, struct mr_hash_128 hash,
                   char path[MR_BLOBS_PATH_MAX]);

/* Puts bytes in and stores their name. */
MR_MUST_USE int mr_blobs_put(struct mr_blobs *blobs, struct mr_bytes bytes,
                             struct mr_hash_128 *hash, struct mr_error *err);

/* Gives a file, whose bytes are those of this name, its name here; not in a durable folder. The
 * file keeps the other name too. */
MR_MUST_USE int mr_blobs_adopt(struct mr_blobs *blobs, const char *path, struct mr_hash_128 hash,
                               struct mr_error *err);

/* Takes a piece of a blob that comes from elsewhere; pieces of one come in order, from its
 * beginning; one at offset 0 begins it anew. *is_whole: that was the last, and the bytes are those
 * of that name. MR_ERR_IO where they aren't, or a piece is not the next: the blob must come anew.
 */
MR_MUST_USE int mr_blobs_take(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total,
                              uint64_t offset, struct mr_bytes piece, bool *is_whole,
                              struct mr_error *err);

/* Likewise, but what came is not on disk when the call returns, in a durable folder either: the
 * blob is light, until it is settled or its bytes are made durable elsewhere. */
MR_MUST_USE int mr_blobs_take_light(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total,
                                    uint64_t offset, struct mr_bytes piece, bool *is_whole,
                                    struct mr_error *err);
bool mr_blobs_is_light(const struct mr_blobs *blobs, struct mr_hash_128 hash);
/* Makes one durable that is light. */
MR_MUST_USE int mr_blobs_settle(struct mr_blobs *blobs, struct mr_hash_128 hash,
                                struct mr_error *err);
/* One that was light before the folder was opened is so still. */
MR_MUST_USE int mr_blobs_note_light(struct mr_blobs *blobs, struct mr_hash_128 hash,
                                    struct mr_error *err);

/* Drops what has come of one that is not whole, where there is any: nobody sends the rest. */
void mr_blobs_abandon(struct mr_blobs *blobs, struct mr_hash_128 hash);

/* Appends a whole blob; checks its bytes against its name (MR_ERR_IO, and it is removed). */
MR_MUST_USE int mr_blobs_read(struct mr_blobs *blobs, struct mr_hash_128 hash,
                              struct mr_buffer *bytes, struct mr_error *err);
/* Checks its bytes against its name: MR_ERR_IO. */
MR_MUST_USE int mr_blobs_check(const struct mr_blobs *blobs, struct mr_hash_128 hash,
                               struct mr_error *err);
/* Opens one for reading in pieces, and stores its size. The caller closes the descriptor. */
MR_MUST_USE int mr_blobs_open_one(const struct mr_blobs *blobs, struct mr_hash_128 hash, int *fd,
                                  uint64_t *size, struct mr_error *err);

/* Removes one, where it is. */
void mr_blobs_remove(struct mr_blobs *blobs, struct mr_hash_128 hash);
/* Removes all that `is_needed` says no to. */
void mr_blobs_sweep(struct mr_blobs *blobs, bool (*is_needed)(void *arg, struct mr_hash_128 hash),
                    void *arg);

#endif
