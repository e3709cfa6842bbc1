/* hash: XXH3-64, of keys, blocks and files. */
#ifndef MR_BASE_HASH_H
#define MR_BASE_HASH_H

#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

struct mr_hash; /* a hash in the making; opaque */

/* XXH3-64 with seed 0 of `len` bytes, as `xxhsum -H3` prints it. `data` may be NULL where `len` is
 * 0. Any thread. */
uint64_t mr_hash_xxh3(const void *data, size_t len);

/* The same in pieces: however the bytes are cut, the digest is that of all of them. One thread at a
 * time. The only failure is MR_ERR_NOMEM. A digest may be asked for at any time, and more may
 * follow it. */
MR_MUST_USE int mr_hash_create(struct mr_hash **hash, struct mr_error *err);
void mr_hash_update(struct mr_hash *hash, const void *data, size_t len);
uint64_t mr_hash_digest(const struct mr_hash *hash);
/* Harmless on NULL. */
void mr_hash_destroy(struct mr_hash *hash);

#endif
