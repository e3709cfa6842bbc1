/* hand: a slot that is a process: has one attempt at a time done by it, and tells how it went.
 *
 * The process is started when the first attempt comes, serves one after the other, and is started
 * again after it died. Between two attempts all that the first left running is killed, and what it
 * left to say makes the process unfit: another is started. It is watched: an attempt in which
 * nothing moves for as long as the limit allows is ended, by SIGTERM first; no process, however it
 * resists, is waited for longer than kill_seconds. */
#ifndef MR_WORKER_HAND_H
#define MR_WORKER_HAND_H

#include "lib/job/context.h"
#include "lib/worker/orders.h"
#include "lib/worker/process.h"
#include <stdatomic.h>

/* What the hands of a run share; borrowed. */
struct mr_hand_source {
    const char *program;
    const struct mr_orders_job *job;
    const char *job_name; /* for sentences */
    const char *id;
    uint64_t memory_bytes; /* of a task; 0: any */
    double timeout;        /* seconds */
    double kill_seconds;   /* that a process has to end when it must; 0: MR_PROCESS_KILL_SECONDS */
    bool echoes;
};

struct mr_hand {
    const struct mr_hand_source *source;
    unsigned number;
    struct mr_process *process;  /* NULL: none, at the moment */
    unsigned started;            /* processes so far */
    uint64_t orders;             /* likewise: the number of the last one */
    const atomic_bool *run_stop; /* the same, set from outside of the run; or NULL */
    atomic_bool stop;            /* set by anybody: the attempt under way is not wanted any more */
    const char *log; /* a file to make, which holds the log of the next attempt; NULL: none */
    atomic_uint_fast64_t position; /* in its input, of the map attempt under way: for progress */
};

/* So many attempts of a round, or of a turn, don't count where is_broken: code that breaks more
 * processes than these breaks them all. */
#define MR_HAND_BROKEN_MAX 8

/* How an attempt went. Release with mr_hand_release. */
struct mr_hand_outcome {
    struct mr_error err;        /* 0: done */
    bool is_fatal;              /* another attempt can't help */
    bool is_crash;              /* its process died of it */
    bool is_broken;             /* its process spoke as none does: nothing is known of the task */
    bool is_short;              /* its memory did not suffice */
    bool has_place;             /* it is known where the code was when it failed: */
    bool is_exact;              /* at which record, not only in which block */
    uint64_t offset;            /* of the record, or the block */
    uint64_t block;             /* where the block begins */
    struct mr_orders_lost lost; /* it failed by a file that another attempt left */
    struct mr_orders_result result;
    struct mr_counters counters; /* the names are interned */
    struct mr_orders_skipped *skipped;
    size_t skipped_count;
};

/* Has an attempt done. Always returns an outcome. */
void mr_hand_work(struct mr_hand *hand, const struct mr_orders_task *task,
                  struct mr_hand_outcome *outcome);
void mr_hand_release(struct mr_hand_outcome *outcome);

/* Starts the process and tells it the job, so that the first attempt need not wait for that. What
 * goes wrong is met by the attempt again. */
void mr_hand_prepare(struct mr_hand *hand);
/* Ends the process. */
void mr_hand_stop(struct mr_hand *hand);

#endif
