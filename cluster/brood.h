/* brood: daemons as child processes: started, listened to, started again, ended in order.
 *
 * Each child has a process group of its own, so that a terminal's Ctrl-C reaches this process
 * alone, and is killed by the kernel when this process ends, however that happens. What children
 * write is shown line by line behind their names, but for `ready HOST:PORT`, which is remembered.
 */
#ifndef MR_CLUSTER_BROOD_H
#define MR_CLUSTER_BROOD_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MR_BROOD_ARGS_MAX 24
#define MR_BROOD_NAME_MAX 32
#define MR_BROOD_ADDRESS_MAX 280
#define MR_BROOD_LINE_MAX 4096

/* A child. Set name, args (owned by the caller, ended by NULL; args[0] is the command) and
 * is_vital, zero the rest. */
struct mr_brood_child {
    char name[MR_BROOD_NAME_MAX];
    const char *args[MR_BROOD_ARGS_MAX];
    bool is_vital; /* the others can't do without it */

    pid_t pid;   /* 0: it doesn't run */
    int said_fd; /* standard output and error */
    char line[MR_BROOD_LINE_MAX];
    size_t len;
    bool is_ready;  /* since it was started last */
    bool was_ready; /* ever */
    char address[MR_BROOD_ADDRESS_MAX];
    uint64_t started_ms;
    uint64_t again_ms; /* when it is started again; 0: not at all */
    uint64_t pause_ms; /* before that */
    uint64_t tell_ms;  /* when its death is told; 0: it needn't be */
};

struct mr_brood {
    const char *program; /* an absolute path */
    struct mr_brood_child *children;
    size_t count;
    bool restarts;
    bool is_ending; /* that children end is nothing to speak of */
    int signal_fd;  /* -1 */
    unsigned stops; /* SIGINT, SIGTERM so far */
    int failure; /* the exit status of the child that mr_brood_wait failed by; 0: none, a signal */
    /* Tells of a child that was ready, has ended, and is not started again; false: nobody heard it,
     * and it is told again in a second. May be NULL. */
    bool (*buried)(void *arg, const struct mr_brood_child *child);
    void *arg;
};

/* Blocks the signals that it hears of by itself: children, Ctrl-C, SIGTERM. */
MR_MUST_USE int mr_brood_open(struct mr_brood *brood, struct mr_error *err);
MR_MUST_USE int mr_brood_start(struct mr_brood *brood, struct mr_brood_child *child,
                               struct mr_error *err);

/* Waits until something happens, shows what children say, and starts again those that died where
 * that is wanted. MR_ERR_CLUSTER: one ended that is not started again, which its sentence names:
 * one that was never ready, or a vital one without `restarts`. The end of another is only said. */
MR_MUST_USE int mr_brood_wait(struct mr_brood *brood, struct mr_error *err);

/* Ends children [first, count): SIGTERM, once more after a second, SIGKILL after three, or as soon
 * as brood->stops is beyond `stops`. */
void mr_brood_end(struct mr_brood *brood, size_t first, size_t count, unsigned stops);
/* Gives the signals back. */
void mr_brood_close(struct mr_brood *brood);

#endif
