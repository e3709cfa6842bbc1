/* jobs: the list of built-in jobs. */
#ifndef MR_JOBS_JOBS_H
#define MR_JOBS_JOBS_H

#include <mr/job.h>

#define MR_JOBS_MAX 64

/* Ended by NULL. */
extern const struct mr_job *const mr_jobs[];

#endif
