/* join: lets a worker write into the pending directory that a job's client made.
 *
 * The client makes NAME.pending-ID when it submits the job (commit.h). A worker that does not find
 * it does not see the file system that the output goes to: it says so before it works. */
#ifndef MR_OUTPUT_JOIN_H
#define MR_OUTPUT_JOIN_H

#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the directory of an attempt (attempt-TASK-ATTEMPT, empty: one that is there is from before
 * a crash, and nobody's) in the pending directory of the output `dir`, an absolute path, and writes
 * its path. MR_ERR_INPUT: the pending directory is not there. Any thread. */
MR_MUST_USE int mr_join_attempt(const char *dir, const char *id, uint32_t task, uint32_t attempt,
                                char *path, size_t size, struct mr_error *err);

/* Removes the directory of an attempt, where it is. */
MR_MUST_USE int mr_join_discard(const char *dir, const char *id, uint32_t task, uint32_t attempt,
                                struct mr_error *err);

#endif
