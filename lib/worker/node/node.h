/* node: a worker daemon, from its start to its end: mappers and reducers are this, with roles.
 *
 * It opens its folder, listens for other workers, connects to the master, and does as it is told.
 * One thread runs the loop and owns everything; one more a slot waits for that slot's task process,
 * and a few do what disks take their time for. No code of a job runs in it. */
#ifndef MR_NODE_NODE_H
#define MR_NODE_NODE_H

#include "lib/net/net.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_NODE_MAPS 1u
#define MR_NODE_REDUCES 2u
#define MR_NODE_SLOTS_MAX 1024u

struct mr_node_options {
    const char *command; /* "mapper": for sentences and names */
    unsigned roles;
    const char *master;  /* "HOST:PORT" */
    const char *secret;  /* a file; NULL: the user's own */
    const char *listen;  /* "HOST:PORT"; NULL: loopback, or with a secret of one's own and a master
                          * elsewhere, every address; any port */
    const char *name;    /* NULL: HOST-COMMAND-xxxxxx, which stays with the folder */
    const char *scratch; /* NULL: below TMPDIR or /tmp */
    const char *program; /* that has `task` */
    unsigned slots;      /* 0: as many as the process has CPUs */
    int codec;           /* of what is fetched: enum mr_piece_codec; negative: as the job has it */
    uint32_t drain_timeout_ms;
    bool accept_older_journal;
    bool allow_root;
    bool is_verbose;
    struct mr_net_limits limits; /* tests */
    const char *host;            /* tests: another machine's name; NULL: this one's */
    /* Called once, when it is registered and serves at this address. */
    void (*ready)(void *arg, const char *address);
    void *ready_arg;
    /* What a sentence for the log is given to; NULL: standard error. */
    void (*say)(void *arg, const char *text);
    void *say_arg;
    bool takes_signals; /* SIGTERM and SIGINT: drain; a second one: end */
};

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
