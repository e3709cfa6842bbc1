/* whereabouts: which machine this is, and how others reach it. */
#ifndef MR_NODE_WHEREABOUTS_H
#define MR_NODE_WHEREABOUTS_H

#include <stdbool.h>
#include <stddef.h>

#define MR_WHEREABOUTS_MAX 300

/* This boot of this machine, as its kernel names it. */
void mr_whereabouts_host(char host[MR_WHEREABOUTS_MAX]);

/* The address under which a worker that is bound to `bound` ("HOST:PORT") is reached by those who
 * reach the master: where it is bound to all addresses, the one from which this machine would speak
 * to the master, else the machine's name. Looks names up, which may take a while. */
void mr_whereabouts_reach(const char *bound, const char *master, char address[MR_WHEREABOUTS_MAX]);

/* Whether "HOST:PORT" is on this machine alone. What can't be looked up is not. */
bool mr_whereabouts_is_near(const char *address);

#endif
