/* inflow: what tasks read that other attempts left: who won, and what of it is wanted here.
 *
 * The master says which attempts won and on which nodes their outputs are (SOURCES). Wants of one
 * output are gathered for a moment, then the carrier brings them at once. What is lost after its
 * tries, whoever wants it says so to the master. The loop's thread. */
#ifndef MR_NODE_INFLOW_H
#define MR_NODE_INFLOW_H

#include "lib/worker/node/docket.h"
#include "lib/worker/node/peers.h"

#define MR_INFLOW_ALL MR_MAP_OUTPUT_ALL /* partitions */

struct mr_inflow; /* opaque */

struct mr_inflow_options {
    struct mr_net *net;
    struct mr_docket *docket;
    struct mr_peers *peers;
    const char *host; /* this machine, as in PEER */
    int codec;        /* enum mr_piece_codec for all jobs; negative: as each job has it */
    /* Something that tasks of the job wait for changed. */
    void (*changed)(void *user, struct mr_dossier *job);
    void *user;
};

MR_MUST_USE int mr_inflow_create(const struct mr_inflow_options *options, struct mr_inflow **inflow,
                                 struct mr_error *err);
/* After the peers are closed and nothing is being checked any more: `closed`. */
void mr_inflow_close(struct mr_inflow *inflow, void (*closed)(void *user), void *user);

/* This worker's number, whose outputs need no bringing. */
void mr_inflow_set_node(struct mr_inflow *inflow, uint32_t node);

/* SOURCES: news of what the tasks of a round and phase read. */
MR_MUST_USE int mr_inflow_take(struct mr_inflow *inflow, struct mr_dossier *job,
                               const struct mr_wire_sources *message, struct mr_error *err);

/* What a task reads: the outputs of the tasks 0 to total - 1 (SOURCES of this round and phase). */
struct mr_inflow_want {
    struct mr_dossier *job;
    uint32_t round;
    uint32_t phase;     /* of the tasks that read: 0 map, 1 reduce */
    uint32_t partition; /* MR_INFLOW_ALL: whole files */
};

enum mr_inflow_standing {
    MR_INFLOW_HERE,
    MR_INFLOW_COMING,
    MR_INFLOW_UNKNOWN, /* nobody won yet */
    MR_INFLOW_LOST,
};

/* An attempt begins: what was lost for earlier ones is tried again. */
void mr_inflow_begin(struct mr_inflow *inflow, const struct mr_inflow_want *want);
/* How many outputs there are in all; 0: not known yet. */
uint32_t mr_inflow_total(const struct mr_inflow *inflow, const struct mr_inflow_want *want);
/* How one stands; what is not here is asked for. */
struct mr_inflow_row {
    enum mr_inflow_standing standing;
    uint32_t attempt;           /* the winner */
    bool is_damaged;            /* lost: it came, and is wrong */
    bool is_local;              /* lost: by no fault of who has it; it could not be kept here */
    const struct mr_error *why; /* lost; valid until the next call */
};
/* An attempt that reads all of them need not look before: every one is known, or some are lost.
 * What it wants is brought meanwhile, from when this was called first. */
bool mr_inflow_is_worth_a_look(struct mr_inflow *inflow, const struct mr_inflow_want *want);
struct mr_inflow_row mr_inflow_look(struct mr_inflow *inflow, const struct mr_inflow_want *want,
                                    uint32_t task);
/* A task found that what is here of it is gone or wrong: it is not here any more. */
void mr_inflow_distrust(struct mr_inflow *inflow, const struct mr_inflow_want *want, uint32_t task,
                        uint32_t attempt);

/* Nobody needs what a round's tasks read any more; all of a job's. */
void mr_inflow_drop_round(struct mr_inflow *inflow, struct mr_dossier *job, uint32_t round,
                          uint32_t phase);
void mr_inflow_drop(struct mr_inflow *inflow, struct mr_dossier *job);

#endif
