/* names: a set of blobs' names, that grows. */
#include "master/shell/names.h"

#include "lib/base/error.h"
#include <stdlib.h>

#define SLOTS_MIN 16

void mr_names_fini(struct mr_names *names) {
    free(names->slots);
    *names = (struct mr_names){0};
}

/* Where the name is, or would be. There is a free slot. */
static struct mr_hash_128 *place(const struct mr_names *names, struct mr_hash_128 name) {
    size_t at = (size_t)name.low & (names->capacity - 1);
    while (!mr_hash_128_is_none(names->slots[at]) && !mr_hash_128_is(names->slots[at], name)) {
        at = (at + 1) & (names->capacity - 1);
    }
    return &names->slots[at];
}

static int grow(struct mr_names *names, struct mr_error *err) {
    struct mr_names grown = {.capacity = names->capacity ? 2 * names->capacity : SLOTS_MIN,
                             .count = names->count};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (!grown.slots) {
        return mr_error_nomem(err, "listing blobs");
    }
    for (size_t i = 0; i < names->capacity; i++) {
        if (!mr_hash_128_is_none(names->slots[i])) {
            *place(&grown, names->slots[i]) = names->slots[i];
        }
    }
    free(names->slots);
    *names = grown;
    return MR_OK;
}

int mr_names_add(struct mr_names *names, struct mr_hash_128 name, struct mr_error *err) {
    if (2 * (names->count + 1) > names->capacity && grow(names, err)) {
        return err->code;
    }
    struct mr_hash_128 *slot = place(names, name);
    names->count += mr_hash_128_is_none(*slot);
    *slot = name;
    return MR_OK;
}

bool mr_names_has(const struct mr_names *names, struct mr_hash_128 name) {
    return names->capacity && !mr_hash_128_is_none(*place(names, name));
}
