/* states: a loop's states as files of its job, where task processes read them.
 *
 * A state comes as a blob, from the master or from a turn that was done here; it goes when a later
 * one is here and no attempt is left that reads it. The loop's thread. */
#ifndef MR_NODE_STATES_H
#define MR_NODE_STATES_H

#include "lib/worker/node/errand.h"

/* Sees to it that the state that an attempt reads is there; false: it is not here yet. */
bool mr_states_place(const struct mr_errand_around *around, struct mr_errand *errand,
                     struct mr_error *err);
/* What a turn set, and is a blob, becomes a file: the next pass reads it, here too as a rule; what
 * the turn before it left goes. Where that fails, the blob is asked for. */
void mr_states_keep(const struct mr_errand_around *around, const struct mr_errand *errand);
/* An attempt that read this one is gone. */
void mr_states_left(const struct mr_errand_around *around, const struct mr_dossier *job,
                    struct mr_hash_128 state);

#endif
