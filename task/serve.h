/* serve: what a task process does from its start to its end: hears orders, obeys, answers. */
#ifndef MR_TASK_SERVE_H
#define MR_TASK_SERVE_H

#include <mr/job.h>

/* Splits the calling process in supervisor and worker, and serves. `job`: the program's own; NULL:
 * the engine names it. `args`: what stood behind `task` on the command line. Returns when the
 * engine has no more to ask; MR_ERR_USAGE where no engine started the process. */
MR_MUST_USE int mr_serve_task(const struct mr_job *job, char *const *args, struct mr_error *err);

#endif
