/* winners: begins the lists of who made what the tasks of a round read. */
#ifndef MR_SHELL_WINNERS_H
#define MR_SHELL_WINNERS_H

#include "master/shell/jobs.h"

/* Begins the lists of winners for a round of the core. */
MR_MUST_USE int mr_winners_open_round(struct mr_jobs_row *job, const struct mr_journal *journal,
                                      uint32_t core_round, const struct mr_core_job_view *view,
                                      struct mr_error *err);

/* Begins the list of those who made the pairs of a round. */
MR_MUST_USE int mr_winners_open_pairs(struct mr_jobs_row *job, const struct mr_journal *journal,
                                      uint32_t core_round, struct mr_error *err);

/* Both lists for the round under way, as the journal knows them. */
MR_MUST_USE int mr_winners_load(struct mr_jobs_row *job, struct mr_journal *journal,
                                struct mr_error *err);

#endif
