/* run_store: keeps the sorted runs of a round, in memory while they fit, else on disk.
 *
 * Map tasks put runs in; over its limit the store merges those in memory into one run on disk,
 * folding as it goes. Runs on disk have a level; when `fan_in` of one level have gathered they are
 * merged into one of the next, so that every record is rewritten about log(runs)/log(fan_in) times
 * and few files are open. Before reduce, mr_run_store_settle merges until one thread's share of
 * buffers suffices to merge what is left.
 *
 * How records are ordered and folded is passed with each call, since a job's own callbacks belong
 * to the calling thread. */
#ifndef MR_RECORD_RUN_STORE_H
#define MR_RECORD_RUN_STORE_H

#include "lib/record/fold.h"
#include "lib/record/merge.h"
#include <stdatomic.h>

/* How this thread orders and folds. MR_VALUES: nothing is folded. */
struct mr_record_rules {
    struct mr_order order;
    enum mr_value kind;
    mr_fold_combine_fn combine;
    void *arg;
    uint32_t partition_begin; /* merged are those from here ... */
    uint32_t partitions;      /* ... up to here: all but where a store holds one partition alone */
};

struct mr_run_store; /* opaque */

struct mr_run_store_options {
    struct mr_pool *pool;
    size_t limit_bytes; /* of the pool: beyond it runs go to disk */
    size_t fan_in;
    const char *tmp;
    const atomic_bool *stop; /* may be NULL; once true, merging ends with MR_ERR_INTERRUPTED */
    uint64_t *beats;         /* may be NULL; grows as merging goes on; then one thread merges */
};

struct mr_run_store_stats {
    uint64_t combined; /* pairs folded away by merging */
    uint64_t bytes_spilled;
};

MR_MUST_USE int mr_run_store_create(const struct mr_run_store_options *options,
                                    struct mr_run_store **store, struct mr_error *err);
void mr_run_store_destroy(struct mr_run_store *store);
/* Drops all runs and figures: the store is as it was made, for the next round. Nobody else may use
 * it meanwhile. */
void mr_run_store_clear(struct mr_run_store *store);

/* Takes over a run (also on failure). Any thread; may spill, and waits for another thread's spill
 * where the limit is passed. */
MR_MUST_USE int mr_run_store_put(struct mr_run_store *store, struct mr_run *run,
                                 const struct mr_record_rules *rules, struct mr_error *err);

/* Takes over a run (also on failure) that another process left, as it is: settle merges it where
 * that must be. */
MR_MUST_USE int mr_run_store_adopt(struct mr_run_store *store, struct mr_run *run,
                                   struct mr_error *err);

/* Where its runs on disk lie. */
const char *mr_run_store_tmp(const struct mr_run_store *store);

/* After the last put, once: leaves runs whose blocks on disk, one a run, fit in `buffer_bytes`. */
MR_MUST_USE int mr_run_store_settle(struct mr_run_store *store, size_t buffer_bytes,
                                    const struct mr_record_rules *rules, struct mr_error *err);

/* Instead of reducing: merges the settled runs, folding, into a writer of the caller's. */
MR_MUST_USE int mr_run_store_merge(struct mr_run_store *store, struct mr_run_writer *writer,
                                   const struct mr_record_rules *rules, struct mr_error *err);

/* The settled runs, in a stable order; borrowed. */
struct mr_run *const *mr_run_store_runs(const struct mr_run_store *store, size_t *count);

/* Whether merging the settled runs takes more than `buffer_bytes`, since they hold long records. */
bool mr_run_store_is_tight(const struct mr_run_store *store, size_t buffer_bytes);

/* Bytes and records of a partition's blocks, over all settled runs. */
uint64_t mr_run_store_bytes(const struct mr_run_store *store, uint32_t partition);
uint64_t mr_run_store_records(const struct mr_run_store *store);

/* Cuts a settled partition into key ranges of about `bytes` each, in order, covering all keys. The
 * caller frees *ranges. At least one. */
MR_MUST_USE int mr_run_store_ranges(const struct mr_run_store *store, uint32_t partition,
                                    uint64_t bytes, struct mr_key_range **ranges, size_t *count,
                                    struct mr_error *err);

struct mr_run_store_stats mr_run_store_stats(struct mr_run_store *store);

#endif
