/* fleet: the embedded engine's task processes: a shell around master/core that acts on its effects.
 *
 * The other kind of crew: every slot is a process (hand.h) instead of a thread, with a thread of
 * ours that waits for it. Tasks hand files to one another: a map task its output, a reduce task of
 * an earlier round the pairs for the next, which lie in a scratch directory of the run; a reduce
 * task of the last round writes its part where threads do, in an attempt directory of the commit.
 * So a failed attempt can be thrown away and made again: as often as the run allows, then the job
 * fails with the first cause.
 *
 * A result counts when the core accepts it: then its account enters the books. */
#ifndef MR_LOCAL_FLEET_H
#define MR_LOCAL_FLEET_H

#include "master/local/aside.h"
#include "master/local/stage.h"

struct mr_fleet; /* opaque */

/* `id` is the job's, as the commit has it. */
MR_MUST_USE int mr_fleet_create(const struct mr_stage_source *source, const char *id,
                                struct mr_fleet **fleet, struct mr_error *err);
/* Ends all processes and removes the scratch directory. Harmless on NULL. */
void mr_fleet_destroy(struct mr_fleet *fleet);

/* Runs all rounds; without an output directory the result goes to the stream. Returns when the core
 * wants the output published, or the job has failed. */
MR_MUST_USE int mr_fleet_run(struct mr_fleet *fleet, struct mr_error *err);

/* Tells the core how publishing went. */
MR_MUST_USE int mr_fleet_published(struct mr_fleet *fleet, int status, struct mr_error *err);

/* The text of the side file with the records that were set aside; empty where there are none. */
MR_MUST_USE int mr_fleet_aside(struct mr_fleet *fleet, struct mr_buffer *text,
                               struct mr_error *err);

/* The winning attempt of every reduce task of the last round; owned by the fleet. */
const uint32_t *mr_fleet_winners(const struct mr_fleet *fleet);

#endif
