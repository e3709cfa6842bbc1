/* pool: hands out chunks of 64 KiB and keeps what comes back for the next taker.
 *
 * Touching fresh memory costs about as much as computing on it, so chunks are carved from slabs
 * (huge pages asked for) that stay mapped until the pool ends. Whoever takes chunks watches
 * mr_pool_bytes against its budget; the pool itself has no limit. Any thread may call. */
#ifndef MR_BASE_POOL_H
#define MR_BASE_POOL_H

#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

#define MR_POOL_CHUNK_BYTES ((size_t)64 << 10)

struct mr_pool; /* opaque */

MR_MUST_USE int mr_pool_create(struct mr_pool **pool, struct mr_error *err);
/* Unmaps everything, chunks still taken included. Harmless on NULL. */
void mr_pool_destroy(struct mr_pool *pool);

/* Takes a chunk of MR_POOL_CHUNK_BYTES, its content undefined; NULL: out of memory. */
void *mr_pool_take(struct mr_pool *pool);
void mr_pool_give(struct mr_pool *pool, void *chunk);

/* Like malloc and free, for blocks larger than a chunk, counted with the chunks. */
void *mr_pool_take_large(struct mr_pool *pool, size_t bytes);
void mr_pool_give_large(struct mr_pool *pool, void *block, size_t bytes);

/* Counts memory that somebody holds elsewhere, or no longer does, so that those who watch
 * mr_pool_bytes leave room for it. */
void mr_pool_count(struct mr_pool *pool, size_t bytes);
void mr_pool_uncount(struct mr_pool *pool, size_t bytes);

/* Bytes taken or counted, and not given back. */
size_t mr_pool_bytes(const struct mr_pool *pool);

#endif
