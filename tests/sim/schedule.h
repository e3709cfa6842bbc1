/* schedule: runs one schedule from its plan to its end. */
#ifndef MR_SIM_SCHEDULE_H
#define MR_SIM_SCHEDULE_H

#include "tests/sim/sim.h"

/* True: every invariant held. Else sim->failure says which did not. */
bool schedule_run(struct sim *sim, const struct plan *plan, bool is_loud);

#endif
