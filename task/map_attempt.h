/* map_attempt: one attempt at a map task: from its input to a map output. */
#ifndef MR_TASK_MAP_ATTEMPT_H
#define MR_TASK_MAP_ATTEMPT_H

#include "task/session.h"

/* What an attempt, of either kind, came to. */
struct mr_map_attempt_account {
    struct mr_orders_result result;
    struct mr_counters counters; /* the job's own: the names are the plugin's */
};

/* Fills the account. Records that are set aside are told on the channel. */
MR_MUST_USE int mr_map_attempt_run(struct mr_session *session, const struct mr_orders_task *task,
                                   struct mr_channel *channel,
                                   struct mr_map_attempt_account *account, struct mr_error *err);

#endif
