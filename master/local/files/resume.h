/* resume: begins a run whose tasks hand files to one another: anew, or where a process left it. */
#ifndef MR_FILES_RESUME_H
#define MR_FILES_RESUME_H

#include "master/local/files/slots.h"

/* Prepares the output, with a journal. Going on: sees which map outputs and parts are still as they
 * were written, tells the core of the others, and clears what nobody needs. All of it in one
 * transaction, after which the core's attempts are ready. `is_published`: the output is there
 * already, made by this very run. A loop's state is taken up, or start called. */
MR_MUST_USE int mr_resume_begin(struct mr_slots *run, bool *is_published, struct mr_error *err);

#endif
