/* snapshot: the durable state as bytes, and back. */
#ifndef MR_CORE_SNAPSHOT_H
#define MR_CORE_SNAPSHOT_H

#include "master/core/state.h"

/* mr_core_save, mr_core_load and mr_core_hash are declared in core.h and stand on these. The caller
 * frees *bytes. */
MR_MUST_USE int mr_snapshot_save(const struct mr_core *core, char **bytes, size_t *len,
                                 struct mr_error *err);
/* Fills a core that mr_core_create has just made; MR_ERR_INPUT where the bytes are no snapshot, or
 * of a state that can't be. On failure the core is only good for mr_core_destroy. */
MR_MUST_USE int mr_snapshot_load(struct mr_core *core, const char *bytes, size_t len,
                                 struct mr_error *err);

#endif
