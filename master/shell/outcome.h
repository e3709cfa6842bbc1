/* outcome: what a job came to, from the facts about it: its manifest, and what goes with it. */
#ifndef MR_SHELL_OUTCOME_H
#define MR_SHELL_OUTCOME_H

#include "lib/net/wire.h"
#include "master/shell/jobs.h"

struct mr_master;

/* Of a job whose last round is done: makes the manifest, the side file of records set aside, and
 * the lines of a loop, as blobs, and gathers their names as a fact. */
MR_MUST_USE int mr_outcome_note(struct mr_master *master, struct mr_jobs_row *job,
                                struct mr_error *err);

/* Their names: manifest, side file (0, 0: none), lines. False: they are not made yet. */
bool mr_outcome_find(const struct mr_master *master, uint32_t job, struct mr_hash_128 blobs[3]);

/* The parts of the output, in their order; malloc'ed, the caller's. None of a loop. */
MR_MUST_USE int mr_outcome_parts(const struct mr_master *master, const struct mr_jobs_row *job,
                                 struct mr_wire_row_part **parts, size_t *count,
                                 struct mr_error *err);

#endif
