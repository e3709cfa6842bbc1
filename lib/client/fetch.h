/* fetch: brings parts of a collected output from the workers that hold them. */
#ifndef MR_CLIENT_FETCH_H
#define MR_CLIENT_FETCH_H

#include "lib/client/client.h"

struct mr_fetch; /* connections to workers; opaque */

/* Ends before the client does: mr_fetch_destroy. */
MR_MUST_USE int mr_fetch_create(struct mr_client *client, struct mr_fetch **fetch,
                                struct mr_error *err);

/* What is wanted; borrowed. */
struct mr_fetch_part {
    const char *id; /* of the job */
    const struct mr_wire_row_part *part;
    const char *node;    /* its name, for sentences */
    const char *address; /* HOST:PORT */
    /* Takes the bytes, in order; a status other than 0 ends it. */
    int (*write)(void *arg, struct mr_bytes bytes, struct mr_error *err);
    void *arg;
    /* As that of a call; may be NULL. */
    int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err);
    void *interrupted_arg;
};

/* Fetches one part, whose size and XXH3 are right when it returns 0. MR_ERR_CLOSED: the worker
 * can't be reached, or went away, which may pass; MR_ERR_INPUT: it hasn't the part, or not as it
 * should be; else what `write` said, or mr_client_run. */
MR_MUST_USE int mr_fetch_run(struct mr_fetch *fetch, const struct mr_fetch_part *part,
                             struct mr_error *err);
/* Harmless on NULL. */
void mr_fetch_destroy(struct mr_fetch *fetch);

#endif
