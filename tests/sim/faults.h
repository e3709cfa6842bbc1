/* faults: makes the faults of the plan happen, and has them stop. */
#ifndef MR_SIM_FAULTS_H
#define MR_SIM_FAULTS_H

#include "tests/sim/sim.h"

void faults_begin(struct sim *sim);
void faults_strike(struct sim *sim, const struct sim_item *item);
/* In liveness mode: from now on all is well; what is needed comes back. */
void faults_heal(struct sim *sim, const struct sim_item *item);

#endif
