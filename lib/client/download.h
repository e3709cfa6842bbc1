/* download: gets a blob from the master. */
#ifndef MR_CLIENT_DOWNLOAD_H
#define MR_CLIENT_DOWNLOAD_H

#include "lib/client/client.h"

/* A blob that is wanted of the master; borrowed. */
struct mr_download {
    struct mr_hash_128 hash;
    uint64_t most; /* bytes */
    /* As that of a call; may be NULL. */
    int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err);
    void *interrupted_arg;
};

/* Gets a blob from the master, and checks it. One that it hasn't, or that is longer or wrong:
 * MR_ERR_CLUSTER. */
MR_MUST_USE int mr_download_run(struct mr_client *client, const struct mr_download *blob,
                                struct mr_buffer *bytes, struct mr_error *err);

#endif
