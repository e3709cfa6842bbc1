/* supervisor: the process that stands over a task process and ends all that it started.
 *
 * `PROGRAM task` is two processes: the supervisor, which runs no code but this room's, and its
 * child, the worker, which runs the job's. The supervisor is a subreaper: whatever the job's code
 * starts, in sessions of its own or orphaned, becomes its child in the end. A task's leftovers are
 * killed when the engine says that the task is over: the engine hears when they are gone, before it
 * orders the next. Where one does not go, and whenever the worker ends, or the engine does (their
 * socket closes, however it died), everything is killed.
 *
 * The engine speaks to it in single bytes; it answers ECHO, and when all is over, with a report. */
#ifndef MR_WORKER_SUPERVISOR_H
#define MR_WORKER_SUPERVISOR_H

#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors of `PROGRAM task`. */
#define MR_SUPERVISOR_CHANNEL_FD 3
#define MR_SUPERVISOR_BEACON_FD 4
#define MR_SUPERVISOR_LIFE_FD 5

enum mr_supervisor_order {
    MR_SUPERVISOR_SWEEP = 's', /* the task is over: kill what it left */
    MR_SUPERVISOR_ECHO = 'e',  /* answer, when all before this is done */
    MR_SUPERVISOR_TERM = 't',  /* SIGTERM to the worker */
    MR_SUPERVISOR_KILL = 'k',  /* all */
};

/* How a worker ended. */
struct mr_supervisor_report {
    uint32_t magic;
    int32_t wait_status;   /* of waitpid */
    uint64_t peak_bytes;   /* the most memory it used */
    uint64_t memory_kills; /* by the kernel, for want of it */
};
#define MR_SUPERVISOR_MAGIC 0x4D525355u
#define MR_SUPERVISOR_ECHOED 0x4D524543u /* no report, but the answer to ECHO */

struct mr_supervisor_options {
    const char *const *cgroups; /* directories that the worker joins; ended by NULL */
};

/* What the calling process has become. */
struct mr_supervisor_worker {
    bool is_it;
    bool has_joined; /* all the groups: if not, they don't bound it */
};

/* Splits the calling process, which has one thread, in two. Returns in the worker with
 * worker->is_it true; in the supervisor when all is over. */
MR_MUST_USE int mr_supervisor_run(const struct mr_supervisor_options *options,
                                  struct mr_supervisor_worker *worker, struct mr_error *err);

#endif
