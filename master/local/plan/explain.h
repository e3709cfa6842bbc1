/* explain: writes a plan for people. */
#ifndef MR_PLAN_EXPLAIN_H
#define MR_PLAN_EXPLAIN_H

#include "master/local/plan/plan.h"

MR_MUST_USE int mr_explain_write(const struct mr_run_spec *spec, const struct mr_plan *plan,
                                 int out_fd, struct mr_error *err);

#endif
