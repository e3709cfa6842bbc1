/* opinion: a second book about jobs and attempts, kept by plain lists and compared with the core's.
 */
#ifndef MR_SIM_OPINION_H
#define MR_SIM_OPINION_H

#include "tests/sim/sim.h"

enum opinion_stage { OPINION_RUNNING, OPINION_STOPPING, OPINION_OVER };

struct opinion_try {
    struct mr_core_attempt id;
    struct mr_core_worker worker;
    enum opinion_stage stage;
    bool has_won;
    bool is_discarded;
    struct opinion_try *next; /* an earlier one of the job */
};

struct opinion_task {
    uint32_t tries; /* the highest number so far */
    uint32_t failures;
    uint32_t first_attempt;
    int first_status;
    bool has_digest;
    uint64_t digest;
    uint32_t reports;
};

struct opinion_job {
    bool is_known, is_ended;
    uint32_t round;
    struct opinion_try *tries;
    struct opinion_task task[2][PLAN_TASKS_MAX];
    bool has_end; /* it must end, and so: */
    int end_status;
    struct mr_core_attempt end_cause;
};

struct opinion {
    struct opinion_job job[PLAN_JOBS_MAX + 1];
    uint64_t incarnation[PLAN_WORKERS_MAX + 1]; /* 0: it is gone */
    uint64_t latest[PLAN_WORKERS_MAX + 1];      /* that ever came */
};

struct opinion_try *opinion_find(const struct opinion_job *job, const struct mr_core_attempt *id);
/* The try that an event of this worker is about, if it runs or is being stopped there. */
struct opinion_try *opinion_expected(const struct opinion *opinion,
                                     const struct mr_core_event *event);
/* Takes an event's meaning over: whose attempts are over, who must end. `before` is the job's view
 * ahead of it. */
void opinion_take(struct sim *sim, struct opinion *opinion, const struct mr_core_event *event,
                  const struct mr_core_job_view *before);
void opinion_start(struct sim *sim, struct opinion *opinion, const struct mr_core_effect *effect);
/* The job must end from now on, unless it must already. */
void opinion_must_end(struct opinion_job *job, int status, const struct mr_core_attempt *cause);

#endif
