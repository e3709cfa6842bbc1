/* loading: brings up what the journal holds of jobs. */
#ifndef MR_SHELL_LOADING_H
#define MR_SHELL_LOADING_H

#include "lib/worker/blobs.h"
#include "master/shell/jobs.h"

/* Fills the list, which is empty; those that ended too, of which more than are remembered are
 * forgotten, as facts that are gathered. Specs are read from `blobs`. */
MR_MUST_USE int mr_loading_jobs(struct mr_jobs *jobs, struct mr_journal *journal,
                                struct mr_blobs *blobs, struct mr_error *err);

#endif
