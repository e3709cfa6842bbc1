/* master: the master daemon: the scheduler's core with a journal, for workers and clients.
 *
 * One thread, one loop. What workers and clients say becomes events of the core; those of one turn
 * of the loop are committed together (pen.h), and only then is anything sent that follows from
 * them. No user code runs here, no user's data is read. */
#ifndef MR_SHELL_MASTER_H
#define MR_SHELL_MASTER_H

#include "master/shell/exits.h"

#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_MASTER_PORT 7077
#define MR_MASTER_LEASE_MS 10000
#define MR_MASTER_HEARTBEAT_MS 1000

struct uv_loop_s;
struct mr_master; /* opaque */

/* Zero and NULL stand for the defaults. Borrowed until the master is open. */
struct mr_master_options {
    const char *state;  /* the folder; NULL: mr_master_default_state */
    const char *listen; /* "HOST:PORT"; NULL: 127.0.0.1:7077 */
    const char *secret; /* the file; NULL: the user's own (lib/net/secret.h) */
    bool allow_root;
    uint32_t lease_ms;
    uint32_t heartbeat_ms;
};

/* Where a master keeps its state if it isn't told: $XDG_STATE_HOME/millrace/master, else
 * ~/.local/state/millrace/master. Makes the folders above it. */
#define MR_MASTER_PATH_MAX 4096
MR_MUST_USE int mr_master_default_state(char path[MR_MASTER_PATH_MAX], struct mr_error *err);

/* Opens the state, takes up what it holds, and listens. On failure there is no master; *exit_status
 * says how a daemon ends by it, and the sentence holds all reasons that could be found, one a line.
 * `ended` is called from the loop when it is over, with why (code 0: it was told to); then it is
 * gone. */
MR_MUST_USE int mr_master_open(struct uv_loop_s *loop, const struct mr_master_options *options,
                               void (*ended)(void *arg, const struct mr_error *why), void *arg,
                               struct mr_master **master, int *exit_status, struct mr_error *err);

/* "HOST:PORT", where it listens. */
const char *mr_master_address(const struct mr_master *master);

/* Ends it: what was acknowledged is in the journal, so nothing is waited for. */
void mr_master_close(struct mr_master *master);

/* The exit status for a failure while it ran. */
int mr_master_exit_status(const struct mr_error *why);

/* The daemon: opens, prints `ready HOST:PORT` to standard output, runs until SIGTERM or SIGINT
 * (0), or a failure. Returns the exit status. */
int mr_master_run(const struct mr_master_options *options, struct mr_error *err);

#endif
