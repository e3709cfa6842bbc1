/* minimise: makes a failing schedule smaller. */
#ifndef MR_SIM_MINIMISE_H
#define MR_SIM_MINIMISE_H

#include "tests/sim/sim.h"

/* Leaves out faults, workers, jobs and tasks as long as the schedule still fails; prints the line
 * that runs what is left. False: the seed does not fail. */
bool minimise(struct sim *sim, uint64_t seed, const struct plan_limits *limits);

#endif
