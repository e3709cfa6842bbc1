/* block: a thread's storage for a run of records, and how it is filled. */
#ifndef MR_INPUT_BLOCK_H
#define MR_INPUT_BLOCK_H

#include "lib/base/pool.h"
#include <mr/bytes.h>
#include <mr/status.h>
#include <pthread.h>
#include <stdint.h>

#define MR_BLOCK_PADDING 64

/* A thread's own block, reused from call to call; zero-initialise. MR_BLOCK_PADDING readable,
 * initialised bytes lie before and behind `bytes`. */
struct mr_block {
    struct mr_bytes bytes; /* whole records, each ended by '\n', but perhaps the last of the file */
    uint64_t offset;       /* of bytes.data[0] in the (decompressed) input */
    char *storage;
    size_t capacity;
    pthread_mutex_t *large; /* held while the block is far larger than expected; NULL: it is not */
    struct mr_pool *pool;   /* in which it counts then; or NULL */
};

/* A block being filled: `len` bytes lie at mr_block_data, padding before them. In the caller's
 * storage; what it refers to is the mr_block's. */
struct mr_block_fill {
    struct mr_block *block;
    size_t large_from;      /* a capacity from which `large` is taken */
    pthread_mutex_t *large; /* may be NULL */
    struct mr_pool *pool;   /* in which a large block counts; may be NULL */
    size_t head;            /* where the data begins in the storage */
    size_t len;
};

/* Begins to fill a block with `expected` bytes or more, byte `skew` of them on a cache line's
 * boundary. The block's storage is used again, or replaced where a long record made it far larger.
 * MR_ERR_NOMEM. */
MR_MUST_USE int mr_block_begin(struct mr_block_fill *fill, struct mr_block *block, size_t expected,
                               size_t skew, struct mr_error *err);

/* Gives back what a long record took. To be called before any lock is waited for. */
void mr_block_release(struct mr_block *block);

/* Makes room for `more` bytes behind what is there (which may move). MR_ERR_NOMEM. */
MR_MUST_USE int mr_block_reserve(struct mr_block_fill *fill, size_t more, struct mr_error *err);

static inline char *mr_block_data(const struct mr_block_fill *fill) {
    return fill->block->storage + fill->head;
}

/* Shows the bytes [start, end) of the data as the block's, with padding behind; `offset` is that of
 * data[0]. */
void mr_block_show(struct mr_block_fill *fill, size_t start, size_t end, uint64_t offset);

void mr_block_fini(struct mr_block *block);

#endif
