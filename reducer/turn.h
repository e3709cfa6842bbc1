/* turn: calls a loop's start and round_done, and keeps what they make.
 *
 * A turn is what happens between two passes, while no task runs. The code of it is the same in the
 * thread that called mr_run and in a task process. What comes of it lies in buffers: lines of
 * output, and perhaps a state for the next pass.
 *
 * Results are the pairs of a pass's last round as its reduce emitted them, partition after
 * partition, in memory or on disk like the pairs between two rounds. */
#ifndef MR_REDUCER_TURN_H
#define MR_REDUCER_TURN_H

#include "lib/job/context.h"
#include "lib/record/cursor.h"
#include <stdatomic.h>

/* Opens the results of a partition, to be destroyed by who asked. */
typedef int (*mr_results_open)(void *arg, uint32_t partition, struct mr_run **run,
                               struct mr_error *err);

/* Where round_done is in the results of its pass. */
struct mr_results {
    struct mr_run *const *runs; /* of each partition; NULL: each is opened when it is its turn */
    mr_results_open open;
    void *open_arg;
    struct mr_run *opened; /* by it: the one that the cursor reads */
    uint32_t count;
    struct mr_cursor cursor;
    uint32_t next; /* the partition behind that of the cursor */
    bool is_open;  /* the cursor stands in a partition */
};

/* In the caller's storage, where it must stay; init and fini. One thread. */
struct mr_turn {
    struct mr_context context; /* first: callbacks' ctx is at offset 0 */
    struct mr_results results;
    size_t state_max;
    const atomic_bool *stop;
    struct mr_buffer text; /* lines that were emitted; whoever takes them empties it */
    uint64_t records;      /* of all turns */
    struct mr_buffer next; /* the state that was set, */
    bool has_next;         /* if one was */
};

/* `stop`, which may be NULL, is looked at now and then. */
void mr_turn_init(struct mr_turn *turn, const struct mr_context_source *source, size_t state_max,
                  const atomic_bool *stop);
void mr_turn_fini(struct mr_turn *turn);

/* What turns have made, to go back to where one is done again that failed. */
struct mr_turn_mark {
    size_t text_len;
    uint64_t records;
    struct mr_counters counters;
};
MR_MUST_USE int mr_turn_set_mark(const struct mr_turn *turn, struct mr_turn_mark *mark,
                                 struct mr_error *err);
/* Goes back, the failure forgotten; or lets go of a mark. */
void mr_turn_go_back(struct mr_turn *turn, struct mr_turn_mark *mark);
void mr_turn_drop_mark(struct mr_turn_mark *mark);

/* What round_done is handed. */
struct mr_turn_pass {
    uint64_t number;            /* from 1; 0: it is start that is called */
    struct mr_bytes loop_state; /* that the pass read */
    struct mr_run *const *runs; /* the results: of each partition; or NULL, and how to open one: */
    mr_results_open open;
    void *open_arg;
    uint32_t count;
};

/* Calls start or round_done; stores whether another pass follows. A failure says where. */
MR_MUST_USE int mr_turn_call(struct mr_turn *turn, const struct mr_turn_pass *pass, bool *again,
                             struct mr_error *err);

#endif
