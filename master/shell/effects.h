/* effects: does what the core wants done, once it is durable. */
#ifndef MR_SHELL_EFFECTS_H
#define MR_SHELL_EFFECTS_H

#include "master/core/terms.h"

struct mr_master;

/* An effect that was just given: what belongs to its transaction. */
void mr_effects_see(void *master, const struct mr_core_effect *effect);
/* The transaction is about to be sealed. */
void mr_effects_gather(void *master);
/* It is durable. */
void mr_effects_perform(void *master, const struct mr_core_effect *effect);
/* All of them are done. */
void mr_effects_performed(void *master);

#endif
