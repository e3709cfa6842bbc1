/* collector: takes what map emits, folds equal keys, and seals what is full as sorted runs.
 *
 * One a slot (thread); it is the context that map callbacks are handed. In: emits. Out: runs in the
 * run store.
 *
 * Folding rounds. An open-addressing table (linear probing, load <= 5/8) of slots {key part,
 * value}. The key part is 24 bytes: keys of up to 16 bytes stand in it whole; of longer ones it
 * holds the first 8 bytes and a 64-bit hash, and their bytes lie in the arena. Short keys are
 * hashed by one 128-bit multiplication; the seed is random per process, so that nobody can prepare
 * keys that collide. Typed emits pass through a ring of 64 pending pairs: hashed and their slot
 * prefetched when emitted, probed when the ring comes round, by when the slot is in cache.
 *
 * Size follows benefit. A full table doubles up to `plain` slots; beyond, only where each distinct
 * key was met 8 times on average, and never beyond its budget. Else it is sealed: sorted by
 * (partition, key), written as a run, and filled anew in the same memory.
 *
 * MR_VALUES rounds. Pairs are appended to a log in the arena with their place in the input, and
 * sealed when it is full.
 *
 * A pair too large for the arena becomes a run of its own. */
#ifndef MR_MAPPER_COLLECTOR_H
#define MR_MAPPER_COLLECTOR_H

#include "lib/job/context.h"

struct mr_collector; /* opaque; one thread at a time */

struct mr_collector_options {
    struct mr_context_source source;
    struct mr_run_store *store;
    struct mr_pool *pool;
    size_t budget_bytes;     /* of table, arena and sorting, at least 1 MiB */
    const atomic_bool *stop; /* may be NULL; once true, sealing ends with MR_ERR_INTERRUPTED */
};

/* Makes the collector and calls the job's setup. */
MR_MUST_USE int mr_collector_create(const struct mr_collector_options *options,
                                    struct mr_collector **collector, struct mr_error *err);
/* Calls teardown; unsealed pairs are dropped. Harmless on NULL. */
void mr_collector_destroy(struct mr_collector *collector);

/* The same for a job that loops, in which making a collector anew may cost more than a pass does.
 * Ends the collector's phase: calls teardown and drops unsealed pairs, but keeps the memory for
 * mr_collector_wake, where it holds no more than MR_COLLECTOR_REST_BYTES; else destroys it and
 * makes *collector NULL. */
#define MR_COLLECTOR_REST_BYTES ((size_t)512 << 10)
void mr_collector_rest(struct mr_collector **collector);
/* Begins another phase with the collector that rests; or, where there is none or its round had
 * another type of value, with a new one, as mr_collector_create does. Store, pool and budget must
 * be those it was made with. On failure *collector is NULL. */
MR_MUST_USE int mr_collector_wake(const struct mr_collector_options *options,
                                  struct mr_collector **collector, struct mr_error *err);

/* The context to call map callbacks with; its `where` is the caller's to fill. Its err holds the
 * first failure. */
struct mr_context *mr_collector_context(struct mr_collector *collector);

/* Says which split the following records come from: their place in the input. */
void mr_collector_set_split(struct mr_collector *collector, uint32_t split);

/* Takes a pair as it stands encoded in a run, for the identity map of a later round; `value` has no
 * place yet. */
MR_MUST_USE int mr_collector_emit_pair(struct mr_collector *collector, struct mr_bytes key,
                                       struct mr_bytes value);

/* Seals what is left. Nothing may be emitted afterwards. */
MR_MUST_USE int mr_collector_finish(struct mr_collector *collector);

/* Pairs emitted, and folded away in the table. */
uint64_t mr_collector_emitted(const struct mr_collector *collector);
uint64_t mr_collector_combined(const struct mr_collector *collector);

#endif
