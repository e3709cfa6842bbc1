/* docket: the jobs that a worker knows: gets what they need, and lets go of what is over.
 *
 * A job becomes ready when its spec, its plugin and the files among its parameters are here.
 * The loop's thread. */
#ifndef MR_NODE_DOCKET_H
#define MR_NODE_DOCKET_H

#include "lib/worker/node/dossier.h"
#include "lib/worker/node/folder.h"
#include "lib/worker/node/wants.h"

struct mr_docket; /* opaque */

/* Takes in the jobs that lie in the folder; what is in none, or not whole, is removed. `changed`: a
 * job became ready, or broken. All is borrowed. */
MR_MUST_USE int mr_docket_create(struct mr_folder *folder, struct mr_wants *wants,
                                 void (*changed)(void *user, struct mr_dossier *job), void *user,
                                 struct mr_docket **docket, struct mr_error *err);
/* Harmless on NULL. */
void mr_docket_destroy(struct mr_docket *docket);

/* JOB: a job, or one that is known, under this number. */
MR_MUST_USE int mr_docket_enter(struct mr_docket *docket, const struct mr_wire_job *message,
                                struct mr_dossier **job, struct mr_error *err);
/* An attempt begins: a job that is broken may be whole by now. */
void mr_docket_mend(struct mr_docket *docket, struct mr_dossier *job);
struct mr_dossier *mr_docket_find(const struct mr_docket *docket, uint32_t number);
struct mr_dossier *mr_docket_find_id(const struct mr_docket *docket, const char *id);
struct mr_dossier *mr_docket_first(const struct mr_docket *docket);

/* Removes a blob that was needed for a moment, unless a job needs it. */
void mr_docket_drop_blob(struct mr_docket *docket, struct mr_hash_128 hash);

/* A blob came, or can't be had (err): goes on with the jobs that wait for it. */
void mr_docket_came(struct mr_docket *docket, struct mr_hash_128 hash, const struct mr_error *err);

/* Uses end by mr_docket_leave; a forgotten job is freed with the last. */
void mr_docket_use(struct mr_dossier *job);
void mr_docket_leave(struct mr_docket *docket, struct mr_dossier *job);
/* The job is over: its folder goes to the trash. */
void mr_docket_forget(struct mr_docket *docket, struct mr_dossier *job);

/* What is held of all jobs, from number `from` on; of a job of which nothing is, a row that says
 * so: the master tells what may go. */
size_t mr_docket_list(const struct mr_docket *docket, size_t from, struct mr_wire_row_held *rows,
                      size_t most);

#endif
