/* rewinding: begins a pass of a job again whose pairs are gone.
 *
 * Pairs of a round lie with the workers that made them until the next round is closed. Those of a
 * round under way that are lost are made again, as committed parts are. Those of a round that is
 * closed can't be: what it read is gone too. So the job begins again with what is still there: the
 * input, and, of a loop, the state of the pass. */
#ifndef MR_SHELL_REWINDING_H
#define MR_SHELL_REWINDING_H

#include "master/shell/jobs.h"

struct mr_master;

/* An attempt of this round of the core has ended since it can't read the pairs of a task of the
 * round before. The first report may be about the network of the one who reports. */
void mr_rewinding_report(struct mr_master *master, struct mr_jobs_row *job, uint32_t core_round,
                         uint32_t lost_task, const char *why);

#endif
