/* turns: what happens between the passes of a loop whose tasks hand files to one another.
 *
 * A turn calls start or round_done: in the calling thread, or with --isolate in a process of its
 * own, where it is tried again as tasks are. Its state is bytes named by their XXH3-128, its lines
 * are the job's output.
 *
 * With a journal a turn counts when the transaction that closes its pass is on disk: the next
 * state, the lines, counters, the sums of the pass, and that the next pass opens, all in one. A
 * turn that was done and not journaled is done again, from the same results and the same state; one
 * that was journaled never is. So nothing but the journal is synced for a turn that makes little:
 *
 *     the state      in the journal up to 64 KiB, else in a file (state-HASH)
 *     lines          in the journal, pass by pass; when 64 KiB have gathered, in a file
 *                    (segment-PASS), all of which become the part when the loop is done */
#ifndef MR_FILES_TURNS_H
#define MR_FILES_TURNS_H

#include "master/local/files/slots.h"

struct mr_turns; /* opaque; the calling thread's */

MR_MUST_USE int mr_turns_create(struct mr_slots *run, struct mr_turns **turns,
                                struct mr_error *err);
/* Ends its process. Harmless on NULL. */
void mr_turns_destroy(struct mr_turns *turns);

/* After the output was prepared: opens it, or takes up what the ledger knows. *has_started: start
 * was called. */
MR_MUST_USE int mr_turns_begin(struct mr_turns *turns, bool *has_started, struct mr_error *err);

/* With the lock held, which is let go meanwhile. Calls start (pass 0), or ends a pass with the
 * results of the core's round, and notes what came of it. *lost: these pairs can't be read, and
 * nothing was done. A failure that counts against the turn is committed; *err is final. */
MR_MUST_USE int mr_turns_do(struct mr_turns *turns, uint64_t pass, uint32_t round, bool *again,
                            struct mr_core_attempt *lost, struct mr_error *err);

/* With the lock held, when what mr_turns_do noted is committed: removes what nobody needs. */
void mr_turns_tidy(struct mr_turns *turns);

/* With the lock held, after the last turn: makes the part durable, fills the result, and notes the
 * part. Harmless to repeat. */
MR_MUST_USE int mr_turns_finish(struct mr_turns *turns, struct mr_error *err);
/* Likewise, behind a crash: whether the part that was noted is there; the lines are its source. */
MR_MUST_USE int mr_turns_take_up_part(struct mr_turns *turns, bool *is_whole, struct mr_error *err);

/* Enters in an order which state it reads. While no turn is done. */
void mr_turns_order(const struct mr_turns *turns, struct mr_orders_task *order);
struct mr_bytes mr_turns_borrow_state(const struct mr_turns *turns);

/* Where a loop is, as its ledger has it: the pass under way, from 1, and the rounds of each; zeros:
 * the job doesn't loop, or hasn't begun. */
struct mr_turns_place {
    uint64_t pass;
    uint64_t rounds;
};
struct mr_turns_place mr_turns_find(const struct mr_ledger *ledger);

/* Whether a file of this name in the job's folder, which a turn may have left, is needed. */
bool mr_turns_needs(const struct mr_turns *turns, const char *name);

#endif
