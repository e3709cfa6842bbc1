/* errand: one attempt on this worker: what it is told to do, and how that is put in words. */
#ifndef MR_NODE_ERRAND_H
#define MR_NODE_ERRAND_H

#include "lib/worker/node/hands.h"
#include "lib/worker/node/inflow.h"
#include "lib/worker/node/wants.h"

#define MR_ERRAND_TURN 2 /* a phase */

enum mr_errand_state {
    MR_ERRAND_WAITING,   /* for the job, or the loop's state */
    MR_ERRAND_GATHERING, /* what it reads */
    MR_ERRAND_READY,     /* for a slot */
    MR_ERRAND_RUNNING,
    MR_ERRAND_TOLD, /* or to be told: the report is made */
};

struct mr_errand {
    struct mr_errand *next;
    enum mr_errand_state state;
    struct mr_dossier *job; /* in use */
    uint32_t number;        /* of the job */
    uint32_t round;         /* of the wire */
    uint32_t phase;
    uint32_t task;
    uint32_t attempt;
    uint32_t partitions;
    bool is_last;
    uint64_t pass;
    uint64_t care_block;
    uint64_t *skips;
    size_t skip_count;
    unsigned memory_shift;
    uint64_t state_len; /* of the loop's state; 0: none */
    struct mr_hash_128 loop_state;
    uint32_t *winners;
    size_t winner_count;
    bool has_looked; /* at all that it reads: what was known then was asked for */
    bool is_void;    /* nobody wants to hear of it */
    bool is_stopped; /* nobody wants it done */
    struct mr_hands_work work;
    unsigned kind; /* of the report */
    struct mr_buffer report;
    bool has_next_state; /* a turn set one, which is a gift: */
    struct mr_hash_128 next_state;
    bool has_gifts; /* blobs that go before the report: */
    struct mr_hash_128 gifts[2];
    unsigned gift_count;
};

/* The rooms that attempts need, and the attempts. All is borrowed. */
struct mr_errand_around {
    struct mr_errand *all;       /* in the order of their coming */
    struct mr_link *const *link; /* where it is, once there is one */
    struct mr_blobs *blobs;
    struct mr_wants *wants;
    struct mr_docket *docket;
    struct mr_inflow *inflow;
    struct mr_hands *const *hands; /* where they are, once there are any */
};

/* From messages; *errand is the caller's. The job is used. */
MR_MUST_USE int mr_errand_create(struct mr_dossier *job, const struct mr_wire_start *message,
                                 struct mr_errand **errand, struct mr_error *err);
/* Frees it; the job's use is the caller's to end. */
void mr_errand_destroy(struct mr_errand *errand);
/* The only one who writes it. */
void mr_errand_set_state(struct mr_errand *errand, enum mr_errand_state state);

/* Which outputs it reads; false: none. */
bool mr_errand_reads(const struct mr_errand *errand, struct mr_inflow_want *want);
/* The output that it leaves; false: none that this worker holds. */
bool mr_errand_output(const struct mr_errand *errand, struct mr_wire_row_held *row);
/* Removes that output, unless the job's files went with the job. */
void mr_errand_discard(const struct mr_errand *errand);
/* Fills in its work: what the task process is told. */
MR_MUST_USE int mr_errand_order(struct mr_errand *errand, struct mr_error *err);

/* Make its report. What can't be put in words for want of memory: MR_ERR_NOMEM. */
MR_MUST_USE int mr_errand_report_done(struct mr_errand *errand, struct mr_error *err);
MR_MUST_USE int mr_errand_report_failed(struct mr_errand *errand, const struct mr_error *why,
                                        struct mr_error *err);
MR_MUST_USE int mr_errand_report_lost(struct mr_errand *errand, uint32_t task, uint32_t attempt,
                                      bool is_damaged, const struct mr_error *why,
                                      struct mr_error *err);
/* A turn that is done: what it set and wrote becomes blobs (its gifts). */
MR_MUST_USE int mr_errand_report_turned(struct mr_errand *errand, struct mr_blobs *blobs,
                                        struct mr_error *err);

#endif
