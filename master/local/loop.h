/* loop: a job's loop: its state, what it makes of a pass's results, and the lines it emits. */
#ifndef MR_LOCAL_LOOP_H
#define MR_LOCAL_LOOP_H

#include "lib/base/hash.h"
#include "master/local/stage.h"
#include "reducer/turn.h"

struct mr_loop; /* opaque; the thread that called mr_run */

/* Opens the loop's output: a part, or the stream. `source` is borrowed. */
MR_MUST_USE int mr_loop_create(const struct mr_stage_source *source, struct mr_loop **loop,
                               struct mr_error *err);
/* Harmless on NULL. */
void mr_loop_destroy(struct mr_loop *loop);

/* The state that the next pass reads, valid until the end of the turn behind it; and its name. */
struct mr_bytes mr_loop_borrow_state(const struct mr_loop *loop);
struct mr_hash_128 mr_loop_state_name(const struct mr_loop *loop);

/* Ends pass number `pass`: calls the job's round_done with the pairs of its last round, takes over
 * the state it set, writes its lines, and stores whether another pass follows. 0: calls start. */
MR_MUST_USE int mr_loop_turn(struct mr_loop *loop, uint64_t pass,
                             const struct mr_stage_pairs *results, bool *again,
                             struct mr_error *err);

/* The same in two halves, for a turn that is done elsewhere: its lines, records and state are put
 * in what the first gives. The second is told how long it took, and by *err whether it failed. */
struct mr_turn *mr_loop_begin_turn(struct mr_loop *loop, uint64_t pass);
MR_MUST_USE int mr_loop_end_turn(struct mr_loop *loop, double seconds, struct mr_error *err);

/* Writes the lines that are there where they are many: between the two, when they come in pieces.
 */
MR_MUST_USE int mr_loop_flush_long(struct mr_loop *loop, struct mr_error *err);

/* After the last turn: makes the output durable and fills the run's result. */
MR_MUST_USE int mr_loop_finish(struct mr_loop *loop, struct mr_error *err);

#endif
