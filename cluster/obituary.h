/* obituary: tells the master that a worker which this process started is dead. */
#ifndef MR_CLUSTER_OBITUARY_H
#define MR_CLUSTER_OBITUARY_H

#include <stdbool.h>

/* Borrowed for the call. */
struct mr_obituary {
    const char *master;  /* HOST:PORT */
    const char *secret;  /* a file; NULL: as for any command */
    const char *name;    /* of the worker */
    const char *address; /* where it served, by which the master knows which life of it is meant */
};

/* Says it, so that the master need not wait for the lease to end; whether the master has heard it.
 * Takes a second at most, also where the master doesn't answer. */
bool mr_obituary_send(const struct mr_obituary *obituary);

#endif
