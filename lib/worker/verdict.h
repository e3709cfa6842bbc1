/* verdict: says in a sentence how a task process ended that gave no answer. */
#ifndef MR_WORKER_VERDICT_H
#define MR_WORKER_VERDICT_H

#include "lib/job/context.h"
#include "lib/worker/orders.h"
#include "lib/worker/supervisor.h"

struct mr_verdict {
    const char *job;
    const struct mr_orders_task *task;
    struct mr_where where; /* as its process left it */
    struct mr_supervisor_report report;
    uint64_t memory_bytes; /* that it was bounded to; 0: any */
    bool is_grouped;       /* by a cgroup, whose kills are known, and whose peak counts files too */
    double timeout; /* seconds without a sign of life after which it was ended; 0: it wasn't */
};

/* Whether it is known at which record it was. */
bool mr_verdict_has_place(const struct mr_verdict *verdict);

/* The sentence: MR_ERR_JOB. */
void mr_verdict_say(const struct mr_verdict *verdict, struct mr_error *err);

#endif
