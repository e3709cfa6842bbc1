/* loop: a job's loop: its state, what it makes of a pass's results, and the lines it emits. */
#ifndef MR_LOCAL_LOOP_H
#define MR_LOCAL_LOOP_H

#include "master/local/stage.h"

struct mr_loop; /* opaque; the thread that called mr_run */

/* Opens the loop's output: a part, or the stream. `source` is borrowed. */
MR_MUST_USE int mr_loop_create(const struct mr_stage_source *source, struct mr_loop **loop,
                               struct mr_error *err);
/* Harmless on NULL. */
void mr_loop_destroy(struct mr_loop *loop);

/* Calls the job's start. */
MR_MUST_USE int mr_loop_start(struct mr_loop *loop, struct mr_error *err);

/* The state that the next pass reads, valid until the end of the turn behind it. */
struct mr_bytes mr_loop_borrow_state(const struct mr_loop *loop);

/* Ends a pass: calls the job's round_done with the pairs of its last round, takes over the state it
 * set, writes its lines, and stores whether another pass follows. */
MR_MUST_USE int mr_loop_turn(struct mr_loop *loop, const struct mr_stage_pairs *results,
                             bool *again, struct mr_error *err);

/* After the last turn: makes the output durable and fills the run's result. */
MR_MUST_USE int mr_loop_finish(struct mr_loop *loop, struct mr_error *err);

#endif
