/* check: the invariants, looked at after every event by a second, slower opinion on the state. */
#ifndef MR_SIM_CHECK_H
#define MR_SIM_CHECK_H

#include "tests/sim/sim.h"

void check_begin(struct sim *sim);

/* Around each event that a core applies, also in a replay. */
void check_before(struct sim *sim, const struct mr_core *core, const struct mr_core_event *event);
void check_event(struct sim *sim, const struct mr_core *core, const struct mr_core_event *event,
                 const struct mr_core_effects *effects);

/* An event that the core wants because of the time. */
void check_proposal(struct sim *sim, const struct mr_core_event *event);
/* No worker that was not heard for a lease and a bit is still trusted. */
void check_leases(struct sim *sim);

/* The list of what is outstanding is all that runs, and no more. */
void check_outstanding(struct sim *sim, const struct mr_core *core,
                       const struct mr_core_effects *effects);

/* The master starts again: the opinion begins anew, and follows the replay; then it has ended. */
void check_restart(struct sim *sim);
void check_replayed(struct sim *sim);

bool check_is_ended(const struct sim *sim); /* every job has */
/* Nothing is left once every job has ended and the network has come to rest. */
void check_rest(struct sim *sim, const struct mr_core *core);

#endif
