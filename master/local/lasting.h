/* lasting: the threads of a run that survives its process, and what they share.
 *
 * A thread takes an attempt that was started, does it alone (see attempt.h), reports it to the
 * scribe, and takes the next. The calling thread commits what was reported, so that no thread waits
 * for the disk: the core is offered more slots than there are threads, and some attempts are
 * always started, and that on disk, before a thread asks for them. A failure that another process
 * may not meet (the disk is full, no memory, an interruption) only ends this process: nothing is
 * journaled, and the same command goes on later. Any other ends the job. */
#ifndef MR_LOCAL_LASTING_H
#define MR_LOCAL_LASTING_H

#include "master/local/attempt.h"
#include "master/local/ledger.h"
#include "master/local/scribe.h"

/* Attempts that are started for each thread. */
#define MR_LASTING_AHEAD 8

struct mr_lasting {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_ledger ledger;
    struct mr_commit *commit;
    struct mr_attempt_source attempts;
    struct mr_pool *pool;
    pthread_mutex_t large;
    struct mr_windows windows;
    struct mr_core_worker worker;
    atomic_bool stop; /* attempts under way end */

    struct mr_scribe scribe; /* its lock is around all below */
    struct mr_core_attempt *ready;
    size_t ready_begin;
    size_t ready_end;
    size_t ready_capacity;
    bool quits;         /* threads end */
    bool round_is_done; /* to be closed */
    bool publishes;
    bool is_finished;
    struct mr_error err; /* the first failure */
    bool is_failing;     /* the job ends by it; else only this process does */
    uint32_t tasks_kept;
    uint32_t tasks_run;
    uint64_t bytes_done; /* of the input */
    pthread_t *threads;
    unsigned thread_count;
};

/* Sets up an empty one around an open ledger. */
MR_MUST_USE int mr_lasting_init(struct mr_lasting *run, const struct mr_run_spec *spec,
                                const struct mr_plan *plan, struct mr_error *err);
/* Ends the threads and frees, the ledger too; the commit is the caller's to end. */
void mr_lasting_fini(struct mr_lasting *run);

MR_MUST_USE int mr_lasting_start(struct mr_lasting *run, struct mr_error *err);
/* Waits for the threads to end: those that work do what they have begun, unless `stop` is set. */
void mr_lasting_stop(struct mr_lasting *run);

/* With the lock held. Ends this process's part of the run: the job goes on another time. */
void mr_lasting_pause(struct mr_lasting *run, const struct mr_error *err);

/* Whether another process may not meet this failure. */
bool mr_lasting_may_pass(int status);

#endif
