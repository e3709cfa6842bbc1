/* submission: a job as it is handed to a cluster: planned, its files gathered, its output prepared.
 */
#ifndef MR_CLIENT_SUBMISSION_H
#define MR_CLIENT_SUBMISSION_H

#include "lib/client/description.h"

struct mr_submission; /* opaque */

/* Plans the job as a run would, refusing what a cluster can't do (MR_ERR_USAGE: standard input,
 * FIFOs), and offers the blobs that the cluster may want to the client, which must not outlive it.
 * Prepares the output directory, so that one that may not be made is refused now. */
MR_MUST_USE int mr_submission_create(const struct mr_description_options *options,
                                     struct mr_client *client, struct mr_submission **submission,
                                     struct mr_error *err);
/* Of the job: 32 hex digits. */
const char *mr_submission_id(const struct mr_submission *submission);
/* Hands it over. When it returns 0 the job is in the master's journal, and *number is its number.
 * Where that was refused, or never came to be asked, the prepared output is gone again. */
MR_MUST_USE int mr_submission_send(struct mr_submission *submission, struct mr_client *client,
                                   uint32_t *number, struct mr_error *err);
/* The job has ended, and not well: removes what was prepared for its output, unless a result is
 * kept there. Whatever can't be removed from here is left to the cluster. */
void mr_submission_drop(struct mr_submission *submission);
/* Whether the master may have the job, though mr_submission_send failed. */
bool mr_submission_is_unsure(const struct mr_submission *submission);
/* Frees; the job goes on. Before it was sent: removes what was prepared. Harmless on NULL. */
void mr_submission_destroy(struct mr_submission *submission);

#endif
