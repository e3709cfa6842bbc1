/* tasks: the tasks of a round: those the core started, those under way, and who works on them. */
#ifndef MR_THREADS_TASKS_H
#define MR_THREADS_TASKS_H

#include "master/core/core.h"
#include "master/local/threads/stage.h"
#include <pthread.h>

/* The one job, and the one worker, that the core knows of here. */
#define MR_TASKS_JOB 1
#define MR_TASKS_WORKER ((struct mr_core_worker){.node = 0, .incarnation = 1})

/* A task under way, and the threads that work on it. */
struct mr_task {
    struct mr_task *next;
    struct mr_core_attempt attempt;
    struct mr_map_task *map;        /* of a map task */
    struct mr_stage_reduce *reduce; /* of a reduce task */
    unsigned workers;
    bool has_failed;
};

/* Behind the lock, but for `stop`. */
struct mr_tasks {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything below, or of its owner's that stands behind the same lock */
    atomic_bool stop;       /* something failed, or somebody wants us to stop */
    struct mr_core *core;
    struct mr_stage *stage;
    struct mr_error err;           /* the first failure */
    struct mr_core_attempt *ready; /* started by the core, taken by nobody */
    size_t ready_begin;
    size_t ready_end;
    size_t ready_capacity;
    struct mr_task *running;
    uint32_t opened; /* rounds, of all passes: the core counts them on */
    bool maps_done;
    bool round_done;
    uint64_t consumed; /* bytes of the input, by tasks that are done */
    uint64_t records;  /* likewise: read by map */
    uint32_t partitions_done;
};

MR_MUST_USE int mr_tasks_init(struct mr_tasks *tasks, struct mr_error *err);
void mr_tasks_fini(struct mr_tasks *tasks);

/* With the lock held. Hands an event to the core and queues what it starts. A refusal fails the
 * run. */
MR_MUST_USE int mr_tasks_apply(struct mr_tasks *tasks, const struct mr_core_event *event);
/* With the lock held. Starts a round of `stage`. */
MR_MUST_USE int mr_tasks_open_round(struct mr_tasks *tasks, struct mr_stage *stage);
/* With the lock held. Notes a failure, the first of which is kept, and has everybody stop. */
void mr_tasks_fail(struct mr_tasks *tasks, const struct mr_error *err);
/* With the lock held, after the last round: no other follows. */
MR_MUST_USE int mr_tasks_end_rounds(struct mr_tasks *tasks);
/* With the lock held, no task under way. Tells the core of what will not run any more. */
void mr_tasks_abandon(struct mr_tasks *tasks);

/* Takes something to do in this phase: a ready task, or one under way that can be helped; waits
 * while there is neither. NULL: the phase is over, or everybody stops. */
struct mr_task *mr_tasks_take(struct mr_tasks *tasks, enum mr_phase phase);
/* Leaves a task, with the error the caller met in it, if any; the last to leave ends it and tells
 * the core. */
void mr_tasks_leave(struct mr_tasks *tasks, struct mr_task *task, const struct mr_error *err);

/* With the lock held: how far the round's tasks are: bytes of the input, records, partitions. */
uint64_t mr_tasks_consumed(const struct mr_tasks *tasks);
uint64_t mr_tasks_records(const struct mr_tasks *tasks);
double mr_tasks_partitions(const struct mr_tasks *tasks);

#endif
