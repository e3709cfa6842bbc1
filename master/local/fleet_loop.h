/* fleet_loop: the loop of a job whose code runs in task processes: a turn is an attempt there.
 *
 * A process of its own calls start and round_done, so that user code never runs in the engine's. It
 * leaves lines and state in files; what an attempt made that failed is thrown away, and it is tried
 * again as tasks are. The engine writes the state, which the tasks of the next pass read, to a file
 * that is named by its hash. */
#ifndef MR_LOCAL_FLEET_LOOP_H
#define MR_LOCAL_FLEET_LOOP_H

#include "lib/worker/hand.h"
#include "master/local/scratch.h"
#include "master/local/stage.h"

struct mr_fleet_loop; /* opaque; the thread that called mr_run */

/* All are borrowed. */
MR_MUST_USE int mr_fleet_loop_create(const struct mr_stage_source *source,
                                     const struct mr_hand_source *hands,
                                     const struct mr_scratch *scratch, struct mr_fleet_loop **loop,
                                     struct mr_error *err);
/* Ends its process. Harmless on NULL. */
void mr_fleet_loop_destroy(struct mr_fleet_loop *loop);

/* Has start called (pass 0), or ends a pass with the pairs that the winning attempts of its last
 * round's partitions left; then clears what the pass has left in scratch. */
MR_MUST_USE int mr_fleet_loop_turn(struct mr_fleet_loop *loop, uint64_t pass,
                                   const uint32_t *winners, bool *again, struct mr_error *err);

/* Enters in an order which pass it is part of and which state it reads. While no turn is done. */
void mr_fleet_loop_order(const struct mr_fleet_loop *loop, struct mr_orders_task *order);

/* The pass that is under way, from 1; 0: none. */
uint64_t mr_fleet_loop_pass(const struct mr_fleet_loop *loop);

/* After the last turn: makes the output durable and fills the run's result. */
MR_MUST_USE int mr_fleet_loop_finish(struct mr_fleet_loop *loop, struct mr_error *err);

#endif
