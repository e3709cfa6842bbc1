/* surroundings: what a task process has around the job's code, and puts right when that changed it.
 *
 * The job's code runs in the process and may do to it what any program may: change the folder, the
 * umask, signals and locale, close descriptors that are not its own. The engine's descriptors
 * therefore all stand above MR_SURROUNDINGS_FDS, what is below is taken up, and everything is put
 * back before each task. */
#ifndef MR_TASK_SURROUNDINGS_H
#define MR_TASK_SURROUNDINGS_H

#include "lib/job/context.h"

#define MR_SURROUNDINGS_FDS 256

struct mr_surroundings {
    int channel_fd;
    int log_fd;  /* what standard output and error lead to */
    int null_fd; /* standard input */
    int cwd_fd;
    unsigned umask;
    struct mr_where *where; /* in the page that the engine sees too, and no child has; NULL: none */
};

/* Whether this is a task process: its descriptors are there. */
bool mr_surroundings_are_there(void);

/* Takes them over and gives up rights; once. `memory_bytes` bounds the memory that may be asked
 * for; 0: any. */
MR_MUST_USE int mr_surroundings_enter(struct mr_surroundings *surroundings, uint64_t memory_bytes,
                                      struct mr_error *err);

/* Ends a process that is a child of this one, which code forked and let come back into the engine:
 * it does not have the page. Before anything is told or finished. */
static inline void mr_surroundings_meet(struct mr_where *where) {
    where->beats++;
}

/* Puts back what code may have changed. */
void mr_surroundings_restore(const struct mr_surroundings *surroundings);

#endif
