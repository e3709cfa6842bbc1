/* closing: ends rounds: adds up what was done, checks the books, and opens the next. */
#ifndef MR_SHELL_CLOSING_H
#define MR_SHELL_CLOSING_H

#include "master/shell/jobs.h"

struct mr_master;

/* Closes each round that is done, in the transaction that its last task's end is in. */
void mr_closing_close(struct mr_master *master);

/* The tasks of a round of the job's list, and the nodes near to what they read; release it. */
MR_MUST_USE int mr_closing_shape(const struct mr_jobs_row *job, uint32_t list_round,
                                 struct mr_core_shape *shape, struct mr_error *err);
void mr_closing_release_shape(struct mr_core_shape *shape);

#endif
