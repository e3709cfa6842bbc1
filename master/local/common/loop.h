/* loop: a job's loop: its state, what it makes of a pass's results, and the lines it emits. */
#ifndef MR_COMMON_LOOP_H
#define MR_COMMON_LOOP_H

#include "lib/base/hash.h"
#include "master/local/common/outlet.h"
#include "master/local/plan/plan.h"
#include "reducer/turn.h"

struct mr_loop; /* opaque; the thread that called mr_run */

/* What a loop works with; borrowed. */
struct mr_loop_source {
    const struct mr_run_spec *spec;
    const struct mr_plan *plan;
    struct mr_run_result *result; /* filled as passes end */
    struct mr_commit *commit;     /* NULL: lines go to spec->output_fd */
    bool keeps_lines;             /* there is no output yet: they gather until they are taken */
};

/* Opens the loop's output, a part or the stream, unless lines are kept. */
MR_MUST_USE int mr_loop_create(const struct mr_loop_source *source, struct mr_loop **loop,
                               struct mr_error *err);
/* Harmless on NULL. */
void mr_loop_destroy(struct mr_loop *loop);

/* The state that the next pass reads, valid until the end of the turn behind it; and its name. */
struct mr_bytes mr_loop_borrow_state(const struct mr_loop *loop);
struct mr_hash_128 mr_loop_state_name(const struct mr_loop *loop);

/* Ends pass number `pass`: calls the job's round_done with the pairs of its last round, a run for
 * each of `count` partitions, takes over the state it set, writes its lines, and stores whether
 * another pass follows. 0: calls start. */
MR_MUST_USE int mr_loop_turn(struct mr_loop *loop, uint64_t pass, struct mr_run *const *runs,
                             uint32_t count, bool *again, struct mr_error *err);

/* The same in two halves, for a turn that is done elsewhere: its lines, records and state are put
 * in what the first gives. The second is told how long it took, and by *err whether it failed. */
struct mr_turn *mr_loop_begin_turn(struct mr_loop *loop, uint64_t pass);
MR_MUST_USE int mr_loop_end_turn(struct mr_loop *loop, double seconds, struct mr_error *err);

/* Writes the lines that are there where they are many: between the two, when they come in pieces.
 * Lines that are kept stay. */
MR_MUST_USE int mr_loop_flush_long(struct mr_loop *loop, struct mr_error *err);

/* Goes on where another process was: behind `pass`, with a state (copied), and with so many records
 * in lines that were taken there. */
MR_MUST_USE int mr_loop_restore(struct mr_loop *loop, uint64_t pass, struct mr_bytes state,
                                uint64_t records, struct mr_error *err);

/* The counters of the turns so far: borrowed; and more of them, whose names must last. */
const struct mr_counters *mr_loop_counters(const struct mr_loop *loop);
MR_MUST_USE int mr_loop_count(struct mr_loop *loop, const struct mr_counters *counters,
                              struct mr_error *err);

/* The lines that have gathered, valid until the next turn or taking, and how many records there
 * were in all; they are the caller's now. */
struct mr_bytes mr_loop_take_lines(struct mr_loop *loop, uint64_t *records);

/* After the last turn, unless lines are kept: makes the output durable and fills the run's result.
 */
MR_MUST_USE int mr_loop_finish(struct mr_loop *loop, struct mr_error *err);

#endif
