/* options: what a worker daemon is told at its start. */
#ifndef MR_NODE_OPTIONS_H
#define MR_NODE_OPTIONS_H

#include "lib/net/net.h"

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

#endif
