/* hash: XXH3, of keys, blocks, files and states. */
#include "lib/base/hash.h"

#include "lib/base/error.h"

/* Compiled in rather than called: keys are short, and no shared library has to be loaded for them.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

struct mr_hash {
    XXH3_state_t state;
};

uint64_t mr_hash_xxh3(const void *data, size_t len) {
    return XXH3_64bits(data, len);
}

struct mr_hash_128 mr_hash_xxh3_128(const void *data, size_t len) {
    XXH128_hash_t hash = XXH3_128bits(data, len);
    return (struct mr_hash_128){hash.high64, hash.low64};
}

int mr_hash_create(struct mr_hash **hash, struct mr_error *err) {
    XXH3_state_t *state = XXH3_createState(); /* aligned to 64 bytes, as malloc is not */
    if (!state) {
        return mr_error_nomem(err, "preparing a checksum");
    }
    (void)XXH3_64bits_reset(state); /* fails on NULL only */
    *hash = (struct mr_hash *)state;
    return 0;
}

void mr_hash_update(struct mr_hash *hash, const void *data, size_t len) {
    if (len > 0) {
        (void)XXH3_64bits_update(&hash->state, data, len); /* fails on NULL only */
    }
}

uint64_t mr_hash_digest(const struct mr_hash *hash) {
    return XXH3_64bits_digest(&hash->state);
}

void mr_hash_destroy(struct mr_hash *hash) {
    if (hash) {
        (void)XXH3_freeState(&hash->state);
    }
}
