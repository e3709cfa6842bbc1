/* fleet: runs a job whose tasks hand files to one another: a shell around master/core.
 *
 * The other kind of crew: a task's attempt is done alone, by a thread or by a process, and leaves a
 * file, so that it can be thrown away and made again, or outlive the process that ran it:
 *
 *     --isolate             attempts in processes; files in a scratch folder, facts in memory
 *     --state DIR           attempts in threads; files and a journal of the facts in DIR
 *     both                  attempts in processes, files and journal in DIR
 *
 *     fleet.c       the calling thread: from the beginning to the end
 *     resume.c      begins, or takes up what another process left
 *     slots.c       what all share;   shift.c who does attempts;   work.c does one
 *     closing.c     ends a round and opens the next;   turns.c is between passes of a loop
 *     ending.c      makes the output appear
 *     ledger.c      the facts;   scribe.c has them, and the core's events, on disk before effects
 *
 * With a journal the commit steps are those without (lib/output/commit.h), each of which may be
 * done again: every part durable and journaled - PUBLISH - parts to out/ - out becomes DIR -
 * journaled. */
#ifndef MR_FILES_FLEET_H
#define MR_FILES_FLEET_H

#include "lib/output/commit.h"
#include "master/local/plan/plan.h"

/* What a run needs of its caller. Borrowed. */
struct mr_fleet_source {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_run_result *result;
    struct mr_commit *commit; /* without a journal; NULL: the output is a stream */
    char *id; /* MR_LEDGER_ID_LEN digits and a zero: a new job's; the job's own afterwards */
    int (*write_manifest)(void *arg, struct mr_error *err); /* once the result is filled in */
    void *arg;
};

/* Runs the job to its end, or takes it up where it was; fills in the result but for what the caller
 * measures. Errors of mr_run; with a journal one that may pass (no space, no memory, an
 * interruption) says that what was done is kept. */
MR_MUST_USE int mr_fleet_run(const struct mr_fleet_source *source, struct mr_error *err);

#endif
