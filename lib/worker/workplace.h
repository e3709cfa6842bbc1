/* workplace: what attempts at tasks work with, in a thread of the engine or in a task process.
 *
 * Tasks hand files to one another in one folder, where names follow from what they are
 * (mr_orders_path). An order says which attempts won; here is how their files are made, opened and
 * checked. What an attempt writes counts only after somebody says that it won, and a file is
 * believed only after its checksums are seen to be right: so a file that is gone or wrong is an
 * answer, naming whose it is, not a mystery. */
#ifndef MR_WORKER_WORKPLACE_H
#define MR_WORKER_WORKPLACE_H

#include "lib/input/windows.h"
#include "lib/job/context.h"
#include "lib/record/map_output.h"
#include "lib/worker/orders.h"
#include <pthread.h>
#include <stdatomic.h>

/* All is borrowed. */
struct mr_workplace {
    const struct mr_job *job;
    const struct mr_params *params;
    const struct mr_round *rounds; /* as planned */
    uint32_t round_count;
    bool verbose;
    const char *scratch; /* where tasks leave files for one another */
    const char *tmp;     /* where what memory doesn't hold is spilled */
    unsigned char id[MR_MAP_OUTPUT_JOB_BYTES];
    struct mr_orders_memory memory;
    unsigned threads; /* that work at the same time in this process */
    struct mr_pool *pool;
    struct mr_bytes loop_state;
    struct mr_where *where;     /* where one thread says where it is; NULL: nobody looks */
    const atomic_bool *stop;    /* ends attempts; may be NULL */
    pthread_mutex_t *large;     /* held by who has a record that takes much memory; may be NULL */
    struct mr_windows *windows; /* of decompressors; may be NULL */

    /* Told of records that are set aside; may be NULL where an order names none. */
    int (*set_aside)(void *arg, const struct mr_orders_skipped *skipped, struct mr_error *err);
    void *arg;
};

/* What an attempt came to. The caller frees the counters' items, whose names are the job's. */
struct mr_workplace_account {
    struct mr_orders_result result;
    struct mr_counters counters;
    struct mr_orders_lost lost; /* the attempt failed by a file that another left */
};
MR_MUST_USE int mr_workplace_count(struct mr_workplace_account *account,
                                   const struct mr_counters *counters, struct mr_error *err);

/* What contexts of a task share. */
struct mr_context_source mr_workplace_contexts(const struct mr_workplace *place,
                                               const struct mr_orders_task *task);

MR_MUST_USE int mr_workplace_store(const struct mr_workplace *place, struct mr_run_store **store,
                                   struct mr_error *err);

/* Makes the file of an attempt; one of the same name is from before a crash, and nobody's. */
MR_MUST_USE int mr_workplace_create(const struct mr_workplace *place,
                                    const struct mr_orders_task *task,
                                    struct mr_map_output_writer *writer, struct mr_error *err);

/* Opens a partition (MR_MAP_OUTPUT_ALL: all) of the file that an attempt left. */
MR_MUST_USE int mr_workplace_open(const struct mr_workplace *place,
                                  const struct mr_orders_task *task, uint32_t partition,
                                  struct mr_run **run, struct mr_error *err);

/* Reads all of the file that an attempt left and checks it. */
MR_MUST_USE int mr_workplace_check(const struct mr_workplace *place,
                                   const struct mr_orders_task *task, struct mr_error *err);

/* The attempt whose file input number `i` of a task is: of a reduce task a map output, of a map
 * task behind the first round, and of a turn, pairs. */
struct mr_orders_task mr_workplace_source(const struct mr_orders_task *task, uint32_t i);

/* After an I/O failure: whether one of the task's files is gone or wrong, and the first that is. */
struct mr_orders_lost mr_workplace_find_lost(const struct mr_workplace *place,
                                             const struct mr_orders_task *task);

#endif
