/* durable: runs a job so that it survives its process: with a journal, and files from task to task.
 *
 * The calling thread closes rounds, publishes, and looks after progress and interruption; the work
 * is done in lasting.c, what is left of an earlier process is taken up in resume.c. The same
 * commit steps as without a journal (lib/output/commit.h), each of which may be done again:
 *
 *     every part durable and journaled - PUBLISH - parts to out/ - out becomes DIR - journaled
 */
#ifndef MR_LOCAL_DURABLE_H
#define MR_LOCAL_DURABLE_H

#include "master/local/plan.h"

/* What a durable run needs of its caller. */
struct mr_durable_face {
    char *id; /* MR_LEDGER_ID_LEN digits and a zero: a new job's; the job's own afterwards */
    int (*write_manifest)(void *arg, struct mr_error *err); /* once the result is filled in */
    void *arg;
};

/* Runs spec->job to its end, or takes it up where it was; fills in the result but for what the
 * caller measures. Errors of mr_run; one that may pass (no space, no memory, an interruption) says
 * that what was done is kept. */
MR_MUST_USE int mr_durable_run(const struct mr_run_spec *spec, const struct mr_plan *plan,
                               const struct mr_durable_face *face, struct mr_run_result *result,
                               struct mr_error *err);

#endif
