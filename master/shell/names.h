/* names: a set of blobs' names, that grows. */
#ifndef MR_SHELL_NAMES_H
#define MR_SHELL_NAMES_H

#include "lib/base/hash.h"
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise; release with mr_names_fini. */
struct mr_names {
    struct mr_hash_128 *slots; /* by their low bits, or behind; 0, 0: free */
    size_t count;
    size_t capacity; /* a power of two */
};

void mr_names_fini(struct mr_names *names);
/* Adds a name, which is not 0, 0: what is there already changes nothing. */
MR_MUST_USE int mr_names_add(struct mr_names *names, struct mr_hash_128 name, struct mr_error *err);
bool mr_names_has(const struct mr_names *names, struct mr_hash_128 name);

#endif
