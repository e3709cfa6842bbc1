/* hash: XXH3, of keys, blocks, files and states. */
#ifndef MR_BASE_HASH_H
#define MR_BASE_HASH_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_hash; /* a hash in the making; opaque */

/* XXH3-64 with seed 0 of `len` bytes, as `xxhsum -H3` prints it. `data` may be NULL where `len` is
 * 0. Any thread. */
uint64_t mr_hash_xxh3(const void *data, size_t len);

/* XXH3-128 with seed 0, as `xxhsum -H2` prints it, `high` first: where bytes are named by their
 * hash. Any thread. */
struct mr_hash_128 {
    uint64_t high;
    uint64_t low;
};
struct mr_hash_128 mr_hash_xxh3_128(const void *data, size_t len);

static inline bool mr_hash_128_is(struct mr_hash_128 a, struct mr_hash_128 b) {
    return a.high == b.high && a.low == b.low;
}
/* 0, 0 stands for no hash at all; no bytes have another. */
static inline bool mr_hash_128_is_none(struct mr_hash_128 hash) {
    return hash.high == 0 && hash.low == 0;
}
/* The name of no bytes, which need not be looked for. */
static inline bool mr_hash_128_is_of_nothing(struct mr_hash_128 hash) {
    return mr_hash_128_is(hash, mr_hash_xxh3_128(NULL, 0));
}

/* XXH3-64 in pieces: however the bytes are cut, the digest is that of all of them. One thread at a
 * time. The only failure is MR_ERR_NOMEM. A digest may be asked for at any time, and more may
 * follow it. */
MR_MUST_USE int mr_hash_create(struct mr_hash **hash, struct mr_error *err);
void mr_hash_update(struct mr_hash *hash, const void *data, size_t len);
uint64_t mr_hash_digest(const struct mr_hash *hash);
/* Harmless on NULL. */
void mr_hash_destroy(struct mr_hash *hash);

#endif
