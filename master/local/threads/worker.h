/* worker: what one thread of the crew does in a round: map, seal, reduce. */
#ifndef MR_THREADS_WORKER_H
#define MR_THREADS_WORKER_H

#include "master/local/common/books.h"
#include "master/local/threads/tasks.h"

/* What the workers of a run share, besides the tasks; behind the tasks' lock, but for what is set
 * before they start. */
struct mr_worker_round {
    struct mr_tasks tasks;
    struct mr_stage stage;
    pthread_mutex_t large;     /* held by who has a record that takes much of the memory */
    struct mr_windows windows; /* of decompressors */
    struct mr_pool *pool;
    unsigned workers;
    struct mr_books books; /* of the round */
    double phase_started;
    uint64_t opened; /* rounds so far */
    unsigned sealed; /* workers that have sealed their collectors */
    unsigned done;   /* workers that are done with the round */
    bool is_settled;
    bool reduce_is_open; /* the caller of mr_run has been told that the phase begins */
    bool quits;
};

struct mr_worker {
    struct mr_worker_round *round;
    pthread_t thread;
    struct mr_collector *collector;
    struct mr_block block;
    struct mr_reducer *reducer;
    struct mr_books books;
};

/* Releases what a worker keeps from round to round in a job that loops. */
void mr_worker_fini(struct mr_worker *worker);

/* The two halves of a worker's round. The last worker to end the first settles the run store. */
void mr_worker_map(struct mr_worker *worker);
void mr_worker_reduce(struct mr_worker *worker);

/* A thread: does its part of each round that is opened, until the crew quits. `arg` is its struct
 * mr_worker. */
void *mr_worker_main(void *arg);

#endif
