/* crew: the embedded engine's threads: a shell around master/core that acts on its effects.
 *
 * The core decides which task starts; here every thread is one of its slots, but a started task
 * lies in one queue and whichever thread is free takes it. A thread that finds no task to start
 * helps one that runs: takes blocks of its split, or key ranges of its partition. A task's last
 * helper reports it done.
 *
 * Collectors live as long as their thread's map phase, over many tasks: so a failed task fails the
 * job. When the core says that all maps are done, every thread seals its collector; the last one to
 * do so settles the run store; then reduce tasks start.
 *
 * The threads are in worker.c, the queue and the core in tasks.c, here is what the calling thread
 * does: it opens and closes rounds, looks after progress and interruption, and keeps the books. All
 * shared state is behind one lock, which is taken per task and per help, never per block.
 *
 * A job that loops runs its rounds as one pass after the other, with loop.c between them. What a
 * round needs is then used again, not made again: the run store, the collectors, read blocks, and,
 * of an input so small that the calling thread does it all, its bytes. */
#ifndef MR_THREADS_CREW_H
#define MR_THREADS_CREW_H

#include "master/local/threads/stage.h"

struct mr_crew; /* opaque */

MR_MUST_USE int mr_crew_create(const struct mr_stage_source *source, struct mr_crew **crew,
                               struct mr_error *err);
void mr_crew_destroy(struct mr_crew *crew);

/* Runs all rounds, of all passes. Returns when the core wants the output published, or the job has
 * failed. */
MR_MUST_USE int mr_crew_run(struct mr_crew *crew, struct mr_error *err);

/* Tells the core how publishing went. */
MR_MUST_USE int mr_crew_published(struct mr_crew *crew, int status, struct mr_error *err);

/* The winning attempt of every part of the output; owned by the crew. */
const uint32_t *mr_crew_winners(const struct mr_crew *crew);

#endif
