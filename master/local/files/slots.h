/* slots: who does the tasks of a run that hand files to one another, and what they share.
 *
 * A slot is a thread (shift.c) that takes an attempt which the core started, does it or has a
 * process do it (work.c), reports, and takes the next. The calling thread commits what was
 * reported, so that no slot waits for the disk: with a journal the core is offered more slots than
 * there are, and some attempts are always started, and that on disk, before a slot asks for them.
 */
#ifndef MR_FILES_SLOTS_H
#define MR_FILES_SLOTS_H

#include "lib/output/commit.h"
#include "lib/worker/workplace.h"
#include "master/local/files/care.h"
#include "master/local/files/queue.h"
#include "master/local/files/scratch.h"
#include "master/local/files/scribe.h"

struct mr_slots;
struct mr_turns;
struct mr_work_winners;

struct mr_slot {
    struct mr_slots *run;
    pthread_t thread;
    struct mr_hand hand; /* its process, with --isolate; `stop` is looked at in either case */
    struct mr_core_attempt attempt; /* under way; attempt.attempt 0: none */
};

struct mr_slots {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_run_result *result;
    int (*write_manifest)(void *arg, struct mr_error *err);
    void *arg;
    struct mr_ledger ledger;
    struct mr_core *own_core;  /* without a journal */
    struct mr_core *core;      /* that or the journal's */
    struct mr_scratch scratch; /* without a journal */
    struct mr_commit *commit;  /* NULL: the output is a stream */
    struct mr_workplace place; /* of attempts by threads, but for `stop` */
    struct mr_orders_job job;  /* what processes are told */
    struct mr_hand_source hands;
    struct mr_pool *pool;
    pthread_mutex_t large;
    struct mr_windows windows;
    struct mr_core_worker worker;
    double started;

    struct mr_scribe scribe; /* its lock is around all below */
    struct mr_queue ready;
    struct mr_search search;
    struct mr_turns *turns;          /* NULL: the job doesn't loop */
    struct mr_work_winners *winners; /* of the round's map tasks; NULL: to be listed again */
    bool quits;                      /* slots end */
    bool is_finished;
    bool is_failing;     /* the job ends by err; else only this process does */
    struct mr_error err; /* the first failure */
    uint32_t tasks_kept;
    uint32_t tasks_run;
    uint32_t broken;       /* attempts of the round whose processes spoke as none does */
    uint64_t bytes_mapped; /* of the round, by tasks that are done */
    uint64_t records_read; /* likewise */
    uint64_t run_bytes;    /* likewise: of map outputs */
    double phase_started;
    double (*seconds)[2]; /* of the phases of each of the job's rounds */
    struct mr_slot *slots;
    unsigned slot_count; /* that were started */
};

/* Sets up an empty one around a ledger, which was opened or begun. */
MR_MUST_USE int mr_slots_init(struct mr_slots *run, const struct mr_run_spec *spec,
                              const struct mr_plan *plan, struct mr_error *err);
/* Frees, the ledger too, when the slots have ended; the commit is the caller's to end. */
void mr_slots_fini(struct mr_slots *run);

/* With the lock held. Ends this process's part of the run; with a journal the job goes on another
 * time. */
void mr_slots_pause(struct mr_slots *run, const struct mr_error *err);

/* With the lock held. The job ends by this failure, unless it is ending: that is noted. */
MR_MUST_USE int mr_slots_fail(struct mr_slots *run, const struct mr_error *why,
                              struct mr_error *err);

/* With the lock held, before the slots have begun. Journals that the job has ended as `how` says,
 * whatever it was doing. */
MR_MUST_USE int mr_slots_give_up(struct mr_slots *run, const struct mr_error *how,
                                 struct mr_error *err);

/* With the lock held, by the calling thread: what was noted without an event is on disk. */
MR_MUST_USE int mr_slots_keep(struct mr_slots *run, struct mr_error *err);

/* Whether somebody wants the run to stop. */
bool mr_slots_is_stopped(const struct mr_slots *run);

/* Whether another process may not meet this failure. */
bool mr_slots_may_pass(int status);

/* Which of the job's rounds a round of the core's is; and the pass of a loop that it is part of,
 * from 1 (0: the job doesn't loop). */
uint32_t mr_slots_round(const struct mr_slots *run, uint32_t round);
uint64_t mr_slots_pass(const struct mr_slots *run, uint32_t round);

/* How many slots the core is offered. */
uint32_t mr_slots_offered(const struct mr_slots *run);

/* The file of an attempt's, and its removal, or that of its part's folder. */
struct mr_orders_task mr_slots_name(const struct mr_slots *run, const struct mr_core_attempt *id);
void mr_slots_discard(const struct mr_slots *run, const struct mr_core_attempt *id);

struct mr_core_job_view mr_slots_view(const struct mr_slots *run);

#endif
