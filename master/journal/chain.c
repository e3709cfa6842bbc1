/* chain: the numbers and checksums that a journal's entries are made of. */
#include "master/journal/chain.h"

#include "lib/base/hash.h"

#define SEALED_MAX 16

int mr_chain_link(uint64_t before, const struct mr_chain_entry *entry, uint64_t *chain,
                  struct mr_error *err) {
    unsigned char head[24];
    struct mr_hash *hash = NULL;
    mr_chain_put64(head, before);
    mr_chain_put64(head + 8, entry->sequence);
    mr_chain_put64(head + 16, entry->kind);
    if (mr_hash_create(&hash, err)) {
        return err->code;
    }
    mr_hash_update(hash, head, sizeof head);
    mr_hash_update(hash, entry->bytes, entry->len);
    *chain = mr_hash_digest(hash);
    mr_hash_destroy(hash);
    return MR_OK;
}

uint64_t mr_chain_seal(const uint64_t *numbers, size_t count) {
    unsigned char bytes[8 * SEALED_MAX] = {0};
    for (size_t i = 0; i < count && i < SEALED_MAX; i++) {
        mr_chain_put64(bytes + 8 * i, numbers[i]);
    }
    return mr_hash_xxh3(bytes, 8 * count);
}
