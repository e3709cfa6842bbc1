/* block: a thread's storage for a run of records, and how it is filled. */
#include "lib/input/block.h"

#include "lib/base/error.h"

#include <stdlib.h>

#define LINE ((size_t)64)
/* Before the data: the padding, a byte of skew, and what brings it to a line's boundary. */
#define HEAD_MAX (MR_BLOCK_PADDING + 2 * LINE)
#define LARGE 2      /* from so many times what is expected, one thread at a time */
#define FAR_LARGER 2 /* storage of so many times what is expected is given back */

_Static_assert(MR_BLOCK_PADDING % 64 == 0, "the padding is whole cache lines");

int mr_block_begin(struct mr_block_fill *fill, struct mr_block *block, size_t expected, size_t skew,
                   struct mr_error *err) {
    size_t wanted = HEAD_MAX + expected + MR_BLOCK_PADDING;
    mr_block_release(block);
    block->bytes = (struct mr_bytes){0};
    if (block->capacity < wanted || block->capacity / FAR_LARGER > wanted) {
        free(block->storage);
        block->storage = malloc(wanted);
        block->capacity = block->storage ? wanted : 0;
        if (!block->storage) {
            return mr_error_nomem(err, "making a block of input");
        }
        memset(block->storage, 0, HEAD_MAX);
    }
    size_t misalign = (uintptr_t)block->storage % LINE;
    *fill = (struct mr_block_fill){.block = block,
                                   .large_from = LARGE * wanted,
                                   .head = MR_BLOCK_PADDING + 2 * LINE - misalign - skew % LINE};
    return MR_OK;
}

/* Counts what a large block has grown by, so that sorted runs leave it room. */
static void count(const struct mr_block *block, size_t more) {
    if (block->pool) {
        mr_pool_count(block->pool, more);
    }
}

int mr_block_reserve(struct mr_block_fill *fill, size_t more, struct mr_error *err) {
    struct mr_block *block = fill->block;
    size_t used = fill->head + fill->len + MR_BLOCK_PADDING;
    if (more <= block->capacity - used) {
        return MR_OK;
    }
    if (more > SIZE_MAX / 4 - used) {
        return mr_error_nomem(err, "growing a block for a long record");
    }
    size_t wanted = used + more;
    size_t ahead = block->capacity + block->capacity / 4;
    wanted = wanted < ahead ? ahead : wanted;
    if (fill->large && !block->large && wanted > fill->large_from) {
        pthread_mutex_lock(fill->large);
        block->large = fill->large;
        block->pool = fill->pool;
        count(block, block->capacity);
    }
    char *storage = realloc(block->storage, wanted);
    if (!storage) {
        return mr_error_nomem(err, "growing a block for a long record");
    }
    count(block, wanted - block->capacity);
    block->storage = storage;
    block->capacity = wanted;
    return MR_OK;
}

void mr_block_show(struct mr_block_fill *fill, size_t start, size_t end, uint64_t offset) {
    char *data = mr_block_data(fill);
    memset(data + fill->len, 0, MR_BLOCK_PADDING);
    fill->block->bytes = (struct mr_bytes){data + start, end - start};
    fill->block->offset = offset + start;
}

void mr_block_release(struct mr_block *block) {
    if (block->large) {
        if (block->pool) {
            mr_pool_uncount(block->pool, block->capacity);
        }
        free(block->storage);
        block->storage = NULL;
        block->capacity = 0;
        block->pool = NULL;
        block->bytes = (struct mr_bytes){0};
        pthread_mutex_unlock(block->large);
        block->large = NULL;
    }
}

void mr_block_fini(struct mr_block *block) {
    mr_block_release(block);
    free(block->storage);
    *block = (struct mr_block){0};
}
