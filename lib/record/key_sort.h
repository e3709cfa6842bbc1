/* key_sort: sorts references to keys. */
#ifndef MR_RECORD_KEY_SORT_H
#define MR_RECORD_KEY_SORT_H

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdatomic.h>
#include <stdint.h>

#define MR_KEY_SORT_PREFIX 16

/* A key to be sorted: its first 16 bytes as two big-endian numbers, zeros behind a shorter key; its
 * length; and the caller's number for it, different for each. */
struct mr_key_ref {
    uint64_t hi;
    uint64_t lo;
    uint32_t index;
    uint32_t len;
};

/* Where keys longer than 16 bytes are found. `key` returns all `len` bytes of that reference's key,
 * the first 16 too, valid until the sort returns; it is called only for such keys, and can't fail.
 * Once *stop (may be NULL) is true the sort ends soon, and what the references hold then is
 * undefined: the caller looks at it too. */
struct mr_key_source {
    const char *(*key)(const void *arg, uint32_t index);
    const void *arg;
    const atomic_bool *stop;
};

/* A job's own order: stores <0, 0, >0 as `a` sorts before, with or after `b`, valid during the
 * call. Returns 0, or a status that ends the sort. */
struct mr_key_order {
    int (*compare)(void *arg, struct mr_bytes a, struct mr_bytes b, int *order);
    void *arg;
};

/* Fills hi and lo from a key. */
void mr_key_sort_prefix(struct mr_key_ref *ref, const char *key, size_t len);

/* Sorts `count` references (at most 2^32-1) by their keys' bytes, a key before the longer ones it
 * begins; equal keys by index. `scratch` has room for as many, its content undefined before and
 * after. Allocates nothing; uses at most 64 KiB of stack whatever the keys. `source` may be NULL
 * where no key is longer than 16 bytes. */
void mr_key_sort(struct mr_key_ref *refs, size_t count, struct mr_key_ref *scratch,
                 const struct mr_key_source *source);

/* Sorts by a job's order, keys that it calls equal by their bytes, then by index. Returns 0,
 * MR_ERR_INTERRUPTED once stopped, or what `compare` returned; `refs` holds the same references in
 * no particular order then. An order that contradicts itself gives some order, no harm. */
MR_MUST_USE int mr_key_sort_by(struct mr_key_ref *refs, size_t count, struct mr_key_ref *scratch,
                               const struct mr_key_source *source,
                               const struct mr_key_order *order);

#endif
