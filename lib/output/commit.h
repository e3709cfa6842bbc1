/* commit: makes an output directory appear whole, or not at all. */
#ifndef MR_OUTPUT_COMMIT_H
#define MR_OUTPUT_COMMIT_H

#include "lib/output/pending.h"

#include <mr/run.h>
#include <stdbool.h>

struct mr_commit; /* one output directory in the making; opaque */

/* Prepares DIR: clears what dead runs left beside it (DIR.pending-*, DIR.old-* whose lock nobody
 * holds); refuses an existing one (MR_ERR_USAGE, says --overwrite), with `overwrite` only one that
 * is no directory or holds no manifest of ours; makes DIR.pending-<id>/ beside it, with a lock file
 * held by flock and the directory `out` in it. Missing parents are not made: named in the error
 * (MR_ERR_USAGE). `id` is 32 hex digits, lower case. */
MR_MUST_USE int mr_commit_begin(const char *dir, bool overwrite, const char *id,
                                struct mr_commit **commit, struct mr_error *err);

/* How an output stands that a run is to go on with. */
enum mr_commit_standing {
    MR_COMMIT_OPEN,      /* to be filled and published */
    MR_COMMIT_PUBLISHED, /* DIR is there, made by this very run: nothing is left to do but to end */
};

/* Prepares DIR for a run that a journal in the folder `owner` (an absolute path) remembers: as
 * mr_commit_begin, but what the run of this id left is taken over, and other runs leave it alone.
 * End it with mr_commit_end, or mr_commit_leave where the run is to go on later. */
MR_MUST_USE int mr_commit_take_up(const char *dir, bool overwrite, const char *id,
                                  const char *owner, struct mr_commit **commit,
                                  enum mr_commit_standing *standing, struct mr_error *err);

/* The same for who publishes what a cluster's job made: who stands at DIR by now is asked when it
 * is to get its name (mr_commit_publish), so that a result for which there is no room is kept. */
MR_MUST_USE int mr_commit_take_over(const char *dir, bool overwrite, const char *id,
                                    struct mr_commit **commit, enum mr_commit_standing *standing,
                                    struct mr_error *err);

/* What mr_commit_begin would say of DIR now; nothing is changed. */
MR_MUST_USE int mr_commit_look(const char *dir, bool overwrite, struct mr_error *err);

/* The `owner` of an output that a cluster's job is to make. The client prepares it so and leaves it
 * once the job is submitted (where that was refused, mr_commit_end removes it); other runs leave it
 * alone from then on. Attempts join it; whoever publishes takes it up, with this owner again. */
#define MR_COMMIT_CLUSTER MR_PENDING_CLUSTER

/* Joins an output that somebody else prepared, to make directories of attempts in it: any number of
 * processes, on any machine, at once. No lock is held. mr_commit_attempt, _check, _discard, _sync
 * work on it; mr_commit_end is mr_commit_leave. Where the file system of DIR, or the preparation,
 * can't be seen: MR_ERR_IO, and a sentence that names `node` and DIR. */
MR_MUST_USE int mr_commit_join(const char *dir, const char *id, const char *node,
                               struct mr_commit **commit, struct mr_error *err);

/* Removes what is left of a cluster's job that has failed or was cancelled: its pending directory,
 * with all attempts. One that is being published, or kept for the user, or not to be seen here,
 * stays. Harmless at any time after the job's end, also where DIR was published. */
MR_MUST_USE int mr_commit_drop(const char *dir, const char *id, enum mr_pending_left *left,
                               struct mr_error *err);

/* Whether the run of this id made the directory DIR. */
MR_MUST_USE int mr_commit_is_done(const char *dir, const char *id, bool *is_done,
                                  struct mr_error *err);

/* Whether a winner's part is there, in its attempt's directory or where it is published from, as it
 * was written: reads all of it. */
MR_MUST_USE int mr_commit_check(const struct mr_commit *commit, uint32_t task, uint32_t attempt,
                                const struct mr_run_part *part, bool *is_whole,
                                struct mr_error *err);

/* Removes the directory of one attempt, where it is. */
MR_MUST_USE int mr_commit_discard(const struct mr_commit *commit, uint32_t task, uint32_t attempt,
                                  struct mr_error *err);
/* Removes the directories of all attempts but the winners' (`winners`: an attempt number for each
 * task, 0: none). */
MR_MUST_USE int mr_commit_sweep(const struct mr_commit *commit, const uint32_t *winners,
                                size_t count, struct mr_error *err);

/* Makes durable that the attempts' directories are there. Any thread. */
MR_MUST_USE int mr_commit_sync(const struct mr_commit *commit, struct mr_error *err);

/* Frees and lets go, leaving the pending directory to be taken up again. Harmless on NULL. */
void mr_commit_leave(struct mr_commit *commit);

/* Makes the directory of one attempt (attempt-<task>-<attempt>) and stores a descriptor of it,
 * which the caller closes (after fsyncing it). Any thread may call, several at once. */
MR_MUST_USE int mr_commit_attempt(struct mr_commit *commit, uint32_t task, uint32_t attempt,
                                  int *dir_fd, struct mr_error *err);

/* Adds a file of this name to the output, besides parts and manifest. */
MR_MUST_USE int mr_commit_add(struct mr_commit *commit, const char *name, struct mr_bytes content,
                              struct mr_error *err);

/* Publishes: for every task, renames attempt-<task>-<winner>/part-NNNNN (NNNNN = task) to out/,
 * having seen that its size is right; writes the manifest and _SUCCESS; fsyncs them and the
 * directory; renames out to DIR without replacing (overwrite: exchanges, then removes the old one);
 * fsyncs the parent; removes the pending directory. `winners` holds the attempt number of each
 * task. On failure DIR is as it was before. Where DIR has appeared meanwhile (or is no longer one
 * of ours that may be replaced), the pending directory is kept and the error says how to publish it
 * by hand (MR_ERR_USAGE). After any other failure it may be called again: what was done is not done
 * twice. */
MR_MUST_USE int mr_commit_publish(struct mr_commit *commit, const struct mr_run_part *parts,
                                  const uint32_t *winners, size_t count, const char *manifest,
                                  struct mr_error *err);

/* Removes the pending directory (unless it was published or kept) and frees. Harmless on NULL. */
void mr_commit_end(struct mr_commit *commit);

#endif
