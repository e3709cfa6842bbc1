/* state: compares all that a core shows of its state with the opinion. */
#ifndef MR_SIM_STATE_H
#define MR_SIM_STATE_H

#include "tests/sim/opinion.h"

void state_check(struct sim *sim, const struct mr_core *core, const struct opinion *opinion);

#endif
