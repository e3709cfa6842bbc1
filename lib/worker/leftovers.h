/* leftovers: whether a task left anything running, seen from the engine, without its supervisor.
 *
 * Most tasks start no process. Then the supervisor has one child, the worker, which has one thread
 * and no child, and the kernel's lists say so at the cost of a few reads; its supervisor need not
 * be woken to look for more. Two looks in a row must find nothing, as the supervisor's do:
 * processes move while they are counted. What is found, or can't be looked at, is the supervisor's
 * to sweep. Of one thread. */
#ifndef MR_WORKER_LEFTOVERS_H
#define MR_WORKER_LEFTOVERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Of one supervisor and its worker. */
struct mr_leftovers {
    pid_t worker;      /* 0: not known yet */
    int of_supervisor; /* its children; descriptors are -1 where they are not open */
    int threads;       /* of the worker */
    int of_worker;     /* children of its first thread */
};
#define MR_LEFTOVERS_UNKNOWN                                                                       \
    ((struct mr_leftovers){.of_supervisor = -1, .threads = -1, .of_worker = -1})

/* True: nothing but the worker runs under the supervisor. */
bool mr_leftovers_are_none(struct mr_leftovers *leftovers, pid_t supervisor);
void mr_leftovers_close(struct mr_leftovers *leftovers);

#endif
