/* description: a job as it travels: what its code, plan and files are, as the bytes of a SPEC. */
#ifndef MR_CLIENT_DESCRIPTION_H
#define MR_CLIENT_DESCRIPTION_H

#include "lib/client/client.h"

#include <mr/run.h>

#define MR_DESCRIPTION_TASK_MEMORY ((uint64_t)256 << 20)

struct mr_description; /* opaque */

struct mr_description_options {
    /* As of a run, with memory_bytes of one task (0: MR_DESCRIPTION_TASK_MEMORY); job_name is what
     * the user named. Threads, tmp, state, isolate, progress and stop mean nothing here. */
    const struct mr_run_spec *spec;
    bool is_collected; /* the output comes to the client: spec->output isn't made by the cluster */
    bool is_strict;
    bool has_no_codec; /* workers fetch bytes as they are */
    uint32_t weight;   /* 0: 1 */
};

/* Plans the job and offers the SPEC, and the blobs that it names, to the client, which must not
 * outlive it. `options` and the id are borrowed. Errors of planning. */
MR_MUST_USE int mr_description_create(const struct mr_description_options *options, const char *id,
                                      struct mr_client *client, struct mr_description **description,
                                      struct mr_error *err);
/* Of the SPEC. */
struct mr_hash_128 mr_description_hash(const struct mr_description *description);
/* The directory that the cluster is to make, from the root; NULL: the client collects. */
const char *mr_description_output(const struct mr_description *description);
/* Harmless on NULL. */
void mr_description_destroy(struct mr_description *description);

#endif
