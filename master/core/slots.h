/* slots: the nodes that have a free slot. */
#ifndef MR_CORE_SLOTS_H
#define MR_CORE_SLOTS_H

#include "master/core/state.h"

/* Puts a node in the list of its roles where it takes tasks and has a free slot, at the end, and
 * takes it out where not. A node that stays keeps its place. */
void mr_slots_update(struct mr_core *core, uint32_t node);

/* Moves a listed node to the end, so that tasks spread over the nodes. */
void mr_slots_rotate(struct mr_core *core, uint32_t node);

#endif
