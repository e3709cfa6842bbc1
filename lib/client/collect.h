/* collect: brings a job's output to this machine: into a directory, or to a stream. */
#ifndef MR_CLIENT_COLLECT_H
#define MR_CLIENT_COLLECT_H

#include "lib/client/watch.h"

struct mr_collect; /* opaque */

/* Where it goes; borrowed. */
struct mr_collect_target {
    const char *output; /* a directory to make; NULL: */
    int output_fd;      /* a stream */
    bool overwrite;
    bool wants_manifest;  /* where there is no directory, which needs it */
    uint64_t patience_ms; /* so long a worker that holds a part may be out of reach */
};

/* Prepares the directory for the job of that id (32 hex digits), so that one that may not be made
 * is refused before the job runs. */
MR_MUST_USE int mr_collect_open(const struct mr_collect_target *target, const char *id,
                                struct mr_collect **collect, struct mr_error *err);

/* Watches the job and collects its parts when they are there: every part is checked against what
 * the journal says, and nothing appears before all is here. Then tells the master, and waits for
 * the end; a part that is gone or wrong is made again meanwhile. Returns 0 when the job has ended:
 * see watch->end; well, but without any parts left to collect: MR_ERR_USAGE. *manifest (malloc'ed;
 * NULL: there is none, or it was not wanted) is the output's. */
MR_MUST_USE int mr_collect_run(struct mr_collect *collect, struct mr_watch *watch,
                               struct mr_client *client, char **manifest, struct mr_error *err);

/* Removes what was prepared and not published. Harmless on NULL. */
void mr_collect_close(struct mr_collect *collect);

#endif
