/* planning: asks a job which rounds it wants, given its parameters, and what facts it rests on. */
#include "lib/job/planning.h"

#include "lib/base/error.h"
#include "lib/job/context.h"
#include "lib/job/plugin.h"

/* Whether the rounds that the job chose are ones it has, or well-formed others. */
static int check_rounds(const struct mr_job *job, const struct mr_planning *chosen,
                        struct mr_error *err) {
    bool are_own = chosen->rounds == job->rounds;
    if (chosen->round_count == 0 || (are_own && chosen->round_count > job->round_count)) {
        return mr_error_set(err, MR_ERR_JOB, "%s: plan asks for %u rounds of %u", job->name,
                            chosen->round_count, job->round_count);
    }
    struct mr_job with = *job;
    with.rounds = chosen->rounds;
    with.round_count = chosen->round_count;
    return mr_plugin_check(&with, err);
}

int mr_planning_ask(const struct mr_job *job, const struct mr_params *params,
                    struct mr_planning *chosen, struct mr_error *err) {
    struct mr_context context;
    *chosen = (struct mr_planning){.rounds = job->rounds, .round_count = job->round_count};
    struct mr_context_source source = {.job = job, .params = params, .rounds = job->rounds};
    mr_context_init(&context, &source, MR_PHASE_MAP);
    if (job->plan) {
        int status = job->plan(&context.ctx, &chosen->rounds, &chosen->round_count);
        if (status || context.err.code) {
            mr_context_failed(&context, "plan", status);
            *err = context.err;
            err->code = err->code == MR_ERR_NOMEM ? MR_ERR_NOMEM : MR_ERR_USAGE;
        } else {
            (void)!check_rounds(job, chosen, err);
        }
    }
    if (!err->code && job->facts) {
        chosen->facts = job->facts(&context.ctx);
    }
    mr_context_fini(&context);
    return err->code;
}
