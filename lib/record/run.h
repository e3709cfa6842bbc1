/* run: a sorted sequence of key/value records in blocks, in memory or on disk.
 *
 * The one format for everything between map and reduce: sealed tables, spills, and the pairs that
 * one round hands to the next (those in order of arrival, not sorted). A run is written once, front
 * to back, then read by any number of cursors.
 *
 * Record: how many bytes its key shares with the one before it (one byte), varint length of the
 * rest of the key, varint length of the value (LEB128, 32 bits), the rest of the key, the value.
 * Sorted keys share much: of word count's on source code, more than half. A key of more than 255
 * bytes, and the one behind it, share nothing, so that who reads needs 255 bytes to put keys
 * together in. The value is opaque here; fold.h says what it holds.
 *
 * Block: records of one partition, up to 64 KiB, and up to four times that if each key stood in
 * full; a longer record has a block of its own. A block is a restart point: its first record stands
 * in full. The index keeps for each block its partition, length, length with keys in full, record
 * count, the first 16 bytes of its first key, and, once it is on disk, its offset and XXH3-64. In
 * memory a block lies in a chunk of the pool; checksums are made when bytes leave memory and
 * checked when they come back.
 *
 * On disk the blocks of a run follow one another in an unnamed scratch file that belongs to the
 * run. The index stays in memory: 56 bytes a block, below 0.1 % of the data.
 *
 * 16 readable bytes follow every block in memory, so that a key's prefix is loaded without looking
 * at its length.
 *
 * Limits: a key and its value of less than 2^31 bytes together; 2^32 - 1 blocks. */
#ifndef MR_RECORD_RUN_H
#define MR_RECORD_RUN_H

#include "lib/base/pool.h"
#include <mr/bytes.h>
#include <stdbool.h>

struct mr_hash;

/* The XXH3-64 of what a run says, however its records are cut in blocks: a mark of each partition
 * (32 bits), then, of each record, varint lengths of key and value, key, value. Zero-initialise and
 * set `hash`, which is borrowed. */
#define MR_RUN_DIGEST_STAGED 4096
struct mr_run_digest {
    struct mr_hash *hash;
    bool has_begun;
    uint32_t partition;
    size_t len; /* staged: small pieces are hashed together */
    char staged[MR_RUN_DIGEST_STAGED];
};
uint64_t mr_run_digest_end(struct mr_run_digest *digest);

#define MR_RUN_SLACK 16
#define MR_RUN_BLOCK_BYTES (MR_POOL_CHUNK_BYTES - MR_RUN_SLACK)
#define MR_RUN_SHARED_MAX 255 /* the longest key that shares bytes with a neighbour */

/* The first 16 bytes of a key as two big-endian numbers, zero padded: compares like the bytes, up
 * to ties. */
struct mr_prefix {
    uint64_t hi;
    uint64_t lo;
};

static inline bool mr_prefix_less(struct mr_prefix a, struct mr_prefix b) {
    return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo;
}

struct mr_prefix mr_run_prefix(const char *key, size_t len);

struct mr_run_block {
    char *data; /* in memory: a chunk, or, where len > MR_RUN_BLOCK_BYTES, a large block; on disk:
                   NULL */
    uint64_t offset; /* on disk */
    uint64_t xxh3;   /* on disk */
    uint32_t len;
    uint32_t full_len; /* what its records would take if each key stood in full */
    uint32_t records;
    uint32_t partition;
    struct mr_prefix first;
};

struct mr_run {
    struct mr_pool *pool;
    struct mr_run_block *blocks;
    size_t block_count;
    size_t block_capacity;
    uint64_t records;
    uint64_t bytes;     /* of all blocks */
    uint32_t block_max; /* the longest block */
    unsigned level;     /* how many merges it has behind it: run_store's */
    int fd;             /* the scratch file, or -1 */
    uint64_t file_bytes;
};

/* Frees the run, its blocks and its file. Harmless on NULL. */
void mr_run_destroy(struct mr_run *run);

/* Writes a run. In the caller's storage; records are added partition by partition, in ascending
 * order. */
struct mr_run_writer {
    struct mr_run *run;
    const char *tmp; /* the directory for the scratch file; NULL: blocks stay in memory */
    char *data;      /* of the open block */
    size_t len;
    size_t capacity;
    uint32_t partition;
    uint32_t records;
    size_t shared; /* bytes of keys, so far, that the block need not hold */
    struct mr_prefix first;
    struct mr_prefix last_prefix; /* of the record before */
    size_t last_len;              /* of its key; 0 where nothing may be shared with it */
    char last[MR_RUN_SHARED_MAX + 1 + MR_RUN_SLACK];
    struct mr_run_digest *digest; /* NULL, or of all that is added; borrowed */
};

/* Begins a run of blocks from `pool`, on disk in `tmp` or, where tmp is NULL, in memory. */
MR_MUST_USE int mr_run_writer_open(struct mr_run_writer *writer, struct mr_pool *pool,
                                   const char *tmp, struct mr_error *err);
/* Adds a record; `prefix` is the key's. */
MR_MUST_USE int mr_run_writer_add(struct mr_run_writer *writer, uint32_t partition,
                                  struct mr_prefix prefix, struct mr_bytes key,
                                  struct mr_bytes value, struct mr_error *err);
/* From here on blocks go to disk, those written so far included. */
MR_MUST_USE int mr_run_writer_to_disk(struct mr_run_writer *writer, const char *tmp,
                                      struct mr_error *err);
/* Begins a run whose blocks go to `fd`, which the run takes over (also on failure), from `offset`
 * on. `dir` is for errors. */
MR_MUST_USE int mr_run_writer_open_file(struct mr_run_writer *writer, struct mr_pool *pool, int fd,
                                        uint64_t offset, const char *dir, struct mr_error *err);
/* Ends the run, which the caller then owns. On failure the run is gone. */
MR_MUST_USE int mr_run_writer_finish(struct mr_run_writer *writer, struct mr_run **run,
                                     struct mr_error *err);
/* Gives up; harmless on a finished or zeroed writer. */
void mr_run_writer_abandon(struct mr_run_writer *writer);

/* Reads a block's bytes from disk into `into` (block->len bytes) and checks them. */
MR_MUST_USE int mr_run_read_block(const struct mr_run *run, const struct mr_run_block *block,
                                  char *into, struct mr_error *err);

/* A buffer for any block of the run, from its pool; give it back with mr_run_buffer_give. NULL: out
 * of memory. */
char *mr_run_buffer_take(const struct mr_run *run);
void mr_run_buffer_give(const struct mr_run *run, char *buffer);

/* Decodes a varint that may hold up to 32 bits; NULL where it is malformed or runs past `end`. */
const char *mr_run_get_varint(const char *at, const char *end, uint32_t *value);

#endif
