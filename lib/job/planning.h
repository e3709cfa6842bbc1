/* planning: asks a job which rounds it wants, given its parameters, and what facts it rests on. */
#ifndef MR_JOB_PLANNING_H
#define MR_JOB_PLANNING_H

#include "lib/job/params.h"

struct mr_planning {
    const struct mr_round *rounds; /* the job's own, or those it chose; the plugin's */
    uint32_t round_count;
    const char *const *facts; /* or NULL */
};

/* Calls the job's plan and facts. What the job says against its parameters: MR_ERR_USAGE; rounds
 * that don't fit it: MR_ERR_JOB. The job's table has passed mr_plugin_check. */
MR_MUST_USE int mr_planning_ask(const struct mr_job *job, const struct mr_params *params,
                                struct mr_planning *chosen, struct mr_error *err);

#endif
