/* explain: writes a plan for people. */
#ifndef MR_PLAN_EXPLAIN_H
#define MR_PLAN_EXPLAIN_H

#include "master/local/plan/plan.h"

/* Writes which names the inputs' folders hold that are not read, one a line. */
MR_MUST_USE int mr_explain_skipped(const struct mr_plan *plan, int out_fd, struct mr_error *err);

MR_MUST_USE int mr_explain_write(const struct mr_run_spec *spec, const struct mr_plan *plan,
                                 int out_fd, struct mr_error *err);

#endif
