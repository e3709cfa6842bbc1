/* jobs: the list of built-in jobs. */
#include "jobs/jobs.h"

#include "jobs/wordcount/wordcount.h"

const struct mr_job *const mr_jobs[] = {&mr_wordcount_job, NULL};
