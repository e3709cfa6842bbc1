/* ending: what is left of a job that is over, and who is told. */
#ifndef MR_SHELL_ENDING_H
#define MR_SHELL_ENDING_H

#include "lib/net/wire.h"
#include "master/shell/jobs.h"

struct mr_master;

/* FINISHED was given: how the job ended becomes a fact, the others about it are forgotten. */
void mr_ending_note(struct mr_master *master, struct mr_jobs_row *job,
                    const struct mr_core_effect *effect);
/* It is durable: all workers forget the job; clients are told, when the log of the attempt that it
 * failed by has come. Destroys the row. */
void mr_ending_finish(struct mr_master *master, struct mr_jobs_row *job);

/* Removes a blob, once what was put so far is durable, unless it is named somewhere. */
void mr_ending_drop_blob(struct mr_master *master, struct mr_hash_128 hash);
/* Removes the blobs that nothing names, if that is due and nothing is being written. */
void mr_ending_sweep(struct mr_master *master);
void mr_ending_fini(struct mr_master *master);

#endif
