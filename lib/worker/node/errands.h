/* errands: the attempts that this worker was told to run, from START to the master's ANSWER.
 *
 *     waiting ─> gathering ─> ready ─> running ─> told
 *
 * An attempt waits for what its job needs, gathers what it reads, and runs when a slot is free. How
 * it went is told to the master, again after each registration, until the answer comes. A turn of a
 * loop is an attempt too; what it set and wrote goes to the master before it is told of. When the
 * lease ends all of them end, and nothing is told. The loop's thread. */
#ifndef MR_NODE_ERRANDS_H
#define MR_NODE_ERRANDS_H

#include "lib/worker/node/errand.h"

struct uv_loop_s;
struct mr_errands; /* opaque */

/* `around` is copied; it lists no attempts yet. */
MR_MUST_USE int mr_errands_create(struct uv_loop_s *loop, const struct mr_errand_around *around,
                                  struct mr_errands **errands, struct mr_error *err);
/* After the hands are closed; then `closed`. */
void mr_errands_close(struct mr_errands *errands, void (*closed)(void *user), void *user);

/* Messages. An error is a master's mistake. */
MR_MUST_USE int mr_errands_start(struct mr_errands *errands, const struct mr_wire_start *message,
                                 struct mr_error *err);
MR_MUST_USE int mr_errands_turn(struct mr_errands *errands, const struct mr_wire_turn *message,
                                struct mr_error *err);
void mr_errands_stop(struct mr_errands *errands, const struct mr_wire_stop *message);
void mr_errands_answer(struct mr_errands *errands, const struct mr_wire_answer *message);

/* The worker is registered: tells again what was not answered. */
void mr_errands_tell_again(struct mr_errands *errands);
/* All attempts are void. */
void mr_errands_fence(struct mr_errands *errands);
/* A job is over: its attempts end untold. */
void mr_errands_forget(struct mr_errands *errands, const struct mr_dossier *job);

/* Something changed that an attempt may wait for: a job, a source, a slot. */
void mr_errands_look(struct mr_errands *errands);
/* A blob came, or can't be had. */
void mr_errands_came(struct mr_errands *errands, struct mr_hash_128 hash,
                     const struct mr_error *err);
/* hands: an attempt is over. */
void mr_errands_finished(struct mr_errands *errands, struct mr_hands_work *work);

/* What runs, for heartbeats; whether anything does. */
size_t mr_errands_list(const struct mr_errands *errands, struct mr_wire_row_moved *rows,
                       size_t most);
bool mr_errands_are_idle(const struct mr_errands *errands);

#endif
