/* spawn: starts a program with nothing open but the ends of what connects it to us.
 *
 * It has /dev/null for standard input, a log for standard output and error, and the descriptors
 * that supervisor.h names: the channel, a page of memory, and the supervisor's socket; a session of
 * its own, and signals as a fresh program has them. */
#ifndef MR_WORKER_SPAWN_H
#define MR_WORKER_SPAWN_H

#include <mr/status.h>
#include <sys/types.h>

#define MR_SPAWN_BEACON_BYTES 4096

/* In the caller's storage. */
struct mr_spawn {
    pid_t pid; /* 0: it was not started */
    int channel_fd;
    int life_fd;
    int log_fd;   /* not blocking */
    void *beacon; /* the page, zeroed at first; NULL: none */
};
#define MR_SPAWN_NONE ((struct mr_spawn){.channel_fd = -1, .life_fd = -1, .log_fd = -1})

/* Starts it. What is to be closed then, mr_spawn_close closes, also after a failure: a program that
 * is not there is MR_ERR_USAGE. */
MR_MUST_USE int mr_spawn_start(struct mr_spawn *spawn, const char *program, char *const *args,
                               struct mr_error *err);
/* Closes what is open; the process is not waited for. */
void mr_spawn_close(struct mr_spawn *spawn);

#endif
