/* chain: the numbers and checksums that a journal's entries are made of. */
#ifndef MR_JOURNAL_CHAIN_H
#define MR_JOURNAL_CHAIN_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <mr/status.h>

static inline void mr_chain_put32(unsigned char *out, uint32_t value) {
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static inline void mr_chain_put64(unsigned char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static inline uint32_t mr_chain_get32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t mr_chain_get64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* What an entry's chain covers. */
struct mr_chain_entry {
    uint64_t sequence;
    uint32_t kind;
    const void *bytes;
    size_t len;
};

/* XXH3-64 over the chain before, number, kind (eight bytes each) and bytes. */
MR_MUST_USE int mr_chain_link(uint64_t before, const struct mr_chain_entry *entry, uint64_t *chain,
                              struct mr_error *err);

/* XXH3-64 over numbers. */
uint64_t mr_chain_seal(const uint64_t *numbers, size_t count);

#endif
