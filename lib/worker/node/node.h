/* node: a worker daemon, from its start to its end: mappers and reducers are this, with roles.
 *
 * It opens its folder, listens for other workers, connects to the master, and does as it is told.
 * One thread runs the loop and owns everything; one more a slot waits for that slot's task process,
 * and a few do what disks take their time for. No code of a job runs in it. */
#ifndef MR_NODE_NODE_H
#define MR_NODE_NODE_H

#include "lib/worker/node/options.h"

#include <stdatomic.h>

/* A worker that another thread may end. Zero-initialise. */
struct mr_node_stop {
    void *async; /* set while it runs; behind nothing: only for the two functions */
    atomic_int asked;
};

/* Runs until it is drained, or asked to end: 0. What forbids to start is told all at once:
 * MR_ERR_USAGE and others, before anything is listened on. `stop` may be NULL. */
MR_MUST_USE int mr_node_run(const struct mr_node_options *options, struct mr_node_stop *stop,
                            struct mr_error *err);

/* The exit status of a daemon that ended so: 71 out of memory, 74 its folder, 78 what it was told.
 */
int mr_node_exit_status(int status);

/* Asks it to end, from any thread, while it runs: as SIGTERM does; `at_once`: as a second one. */
void mr_node_end(struct mr_node_stop *stop, bool at_once);

#endif
