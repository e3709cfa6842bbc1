/* session: the job as a task process knows it. */
#ifndef MR_TASK_SESSION_H
#define MR_TASK_SESSION_H

#include "lib/job/context.h"
#include "lib/job/planning.h"
#include "lib/worker/workplace.h"

struct mr_session {
    const struct mr_job *job;
    struct mr_params *params;
    struct mr_planning chosen;
    struct mr_pool *pool;
    struct mr_where *where; /* borrowed */
    char *text;             /* of the order, which the fields below view */
    struct mr_orders_held held;
    struct mr_orders_job order;
    struct mr_buffer state; /* of the loop's pass: read once */
    uint64_t state_xxh3[2];
};

/* Begins a job: finds it (`job`: the program's own; NULL: by its name), reads its parameters, plans
 * it, and sees that all is as the engine has it. Release with mr_session_fini, also after a
 * failure. */
MR_MUST_USE int mr_session_begin(struct mr_session *session, const struct mr_job *job,
                                 struct mr_bytes order, struct mr_where *where,
                                 struct mr_error *err);
void mr_session_fini(struct mr_session *session);

/* Reads the state of the loop that a task works with, unless it is the one that is here. */
MR_MUST_USE int mr_session_take_state(struct mr_session *session, const struct mr_orders_task *task,
                                      struct mr_error *err);

/* What attempts at this job's tasks work with here; it views the session. */
struct mr_workplace mr_session_workplace(const struct mr_session *session);
/* Whether a task is one of this job's. */
MR_MUST_USE int mr_session_check(const struct mr_session *session,
                                 const struct mr_orders_task *task, struct mr_error *err);

/* XXH3-64 of all file parameters' contents. */
uint64_t mr_session_files_xxh3(const struct mr_job *job, const struct mr_params *params);

#endif
