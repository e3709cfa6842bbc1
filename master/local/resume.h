/* resume: begins a run with a journal: anew, or where another process left it. */
#ifndef MR_LOCAL_RESUME_H
#define MR_LOCAL_RESUME_H

#include "master/local/lasting.h"

/* Prepares the output. Going on: sees which map outputs and parts are still as they were written,
 * tells the core of the others, and clears what nobody needs. All of it in one transaction, after
 * which the core's attempts are ready. `is_published`: the output is there already. */
MR_MUST_USE int mr_resume_begin(struct mr_lasting *run, bool *is_published, struct mr_error *err);

/* Journals that the job has ended as `how` says, whatever it was doing. */
MR_MUST_USE int mr_resume_give_up(struct mr_lasting *run, const struct mr_error *how,
                                  struct mr_error *err);

#endif
