/* map_task: maps one split, by any number of threads at once.
 *
 * The one loop of a map task: a block of records is pulled from the reader, and pushed through the
 * job's map callback into the calling thread's collector. Where a job loops over a small input, the
 * blocks come from memory after the first pass. A task of a later round reads the pairs
 * that a partition of the round before emitted, and is worked on by one thread. */
#ifndef MR_MAPPER_MAP_TASK_H
#define MR_MAPPER_MAP_TASK_H

#include "lib/input/reader.h"
#include "lib/input/replay.h"
#include "mapper/collector.h"
#include <stdatomic.h>

/* What is known of records that the job's code does not get over. */
struct mr_map_care {
    uint64_t block;        /* the block that begins there is mapped one record at a time */
    const uint64_t *skips; /* where records begin that are set aside, in order */
    size_t skip_count;
    int (*skipped)(void *arg, uint64_t offset, struct mr_bytes record, struct mr_error *err);
    void *arg;
};

/* What to map: a split of an input, or the pairs of a run (in order of arrival). Borrowed. */
struct mr_map_task_source {
    uint32_t task; /* its place in the input order */
    const struct mr_input *input;
    const struct mr_split *split;
    struct mr_reader_options reader; /* of pairs: block_bytes and large count */
    struct mr_replay *replay;   /* of the split: filled, or, once it is whole, mapped instead of it;
                                   for tasks that one thread works on alone; or NULL */
    const struct mr_run *pairs; /* instead of input and split */
    uint32_t pairs_partition;
    const struct mr_map_care *care; /* may be NULL; of input, not of pairs */
};

struct mr_map_task; /* opaque */

/* One thread's account, added to. */
struct mr_map_counts {
    uint64_t records_read;
    uint64_t records_mapped;
    uint64_t records_skipped;
    uint64_t bytes;
    double read_seconds; /* in the reader */
};

MR_MUST_USE int mr_map_task_open(const struct mr_map_task_source *source, struct mr_map_task **task,
                                 struct mr_error *err);

/* Maps blocks until none are left or *stop is set (MR_ERR_INTERRUPTED). Any thread, with a
 * collector and a block of its own. The error is the collector's context's. */
MR_MUST_USE int mr_map_task_work(struct mr_map_task *task, struct mr_collector *collector,
                                 struct mr_block *block, const atomic_bool *stop,
                                 struct mr_map_counts *counts);

/* Whether another thread can help: blocks may be left. */
bool mr_map_task_has_more(const struct mr_map_task *task);

/* Bytes of the input consumed so far. Any thread. */
uint64_t mr_map_task_consumed(const struct mr_map_task *task);

/* Records (or pairs) read so far. Any thread. */
uint64_t mr_map_task_records(const struct mr_map_task *task);

void mr_map_task_close(struct mr_map_task *task);

#endif
