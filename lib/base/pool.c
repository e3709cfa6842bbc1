/* pool: hands out chunks of 64 KiB and keeps what comes back for the next taker. */
#include "lib/base/pool.h"

#include "lib/base/error.h"
#include "lib/base/pages.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SLAB_BYTES_FIRST ((size_t)256 << 10) /* a tiny job touches no huge page */
#define SLAB_BYTES ((size_t)2 << 20)

struct slab {
    struct slab *next;
    void *memory;
    size_t bytes;
    size_t carved;
};

struct free_chunk {
    struct free_chunk *next;
};

struct mr_pool {
    pthread_mutex_t lock;
    struct slab *slabs;
    struct free_chunk *free;
    atomic_size_t bytes;
};

int mr_pool_create(struct mr_pool **pool, struct mr_error *err) {
    struct mr_pool *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making the pool of run blocks");
    }
    pthread_mutex_init(&made->lock, NULL);
    *pool = made;
    return MR_OK;
}

void mr_pool_destroy(struct mr_pool *pool) {
    if (!pool) {
        return;
    }
    while (pool->slabs) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        mr_pages_unmap(slab->memory, slab->bytes);
        free(slab);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static struct slab *add_slab(struct mr_pool *pool) {
    struct slab *slab = malloc(sizeof *slab);
    if (!slab) {
        return NULL;
    }
    slab->bytes = pool->slabs ? SLAB_BYTES : SLAB_BYTES_FIRST;
    slab->memory = mr_pages_map(slab->bytes);
    if (!slab->memory) {
        free(slab);
        return NULL;
    }
    slab->carved = 0;
    slab->next = pool->slabs;
    pool->slabs = slab;
    return slab;
}

static void *take_locked(struct mr_pool *pool) {
    if (pool->free) {
        struct free_chunk *chunk = pool->free;
        pool->free = chunk->next;
        return chunk;
    }
    struct slab *slab = pool->slabs;
    if (!slab || slab->carved == slab->bytes) {
        slab = add_slab(pool);
        if (!slab) {
            return NULL;
        }
    }
    void *chunk = (char *)slab->memory + slab->carved;
    slab->carved += MR_POOL_CHUNK_BYTES;
    return chunk;
}

void *mr_pool_take(struct mr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    void *chunk = take_locked(pool);
    pthread_mutex_unlock(&pool->lock);
    if (chunk) {
        atomic_fetch_add(&pool->bytes, MR_POOL_CHUNK_BYTES);
    }
    return chunk;
}

void mr_pool_give(struct mr_pool *pool, void *chunk) {
    struct free_chunk *link = chunk;
    pthread_mutex_lock(&pool->lock);
    link->next = pool->free;
    pool->free = link;
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub(&pool->bytes, MR_POOL_CHUNK_BYTES);
}

void *mr_pool_take_large(struct mr_pool *pool, size_t bytes) {
    void *block = mr_pages_map(bytes);
    if (block) {
        atomic_fetch_add(&pool->bytes, bytes);
    }
    return block;
}

void mr_pool_give_large(struct mr_pool *pool, void *block, size_t bytes) {
    mr_pages_unmap(block, bytes);
    atomic_fetch_sub(&pool->bytes, bytes);
}

void mr_pool_count(struct mr_pool *pool, size_t bytes) {
    atomic_fetch_add(&pool->bytes, bytes);
}

void mr_pool_uncount(struct mr_pool *pool, size_t bytes) {
    atomic_fetch_sub(&pool->bytes, bytes);
}

size_t mr_pool_bytes(const struct mr_pool *pool) {
    return atomic_load(&pool->bytes);
}
