/* offspring: finds and kills what a process has started, and what those have.
 *
 * The kernel lists the children of each thread (/proc/P/task/T/children). A list is a moment's:
 * processes start others, end, and hand their children on while it is read. Who must be sure looks
 * again until nothing is found, twice in a row. */
#ifndef MR_WORKER_OFFSPRING_H
#define MR_WORKER_OFFSPRING_H

#include <stddef.h>
#include <sys/types.h>

/* Sends SIGKILL to all that is below `root`, of any of its threads' and at any depth, but not to
 * `spared` (0: nobody is), whose own offspring are killed. Returns how many of them still lived;
 * more than 0, too, where it could not look. One thread at a time. */
size_t mr_offspring_kill(pid_t root, pid_t spared);

#endif
