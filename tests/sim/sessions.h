/* sessions: the master's end of its talks with workers: registrations, beats, results. */
#ifndef MR_SIM_SESSIONS_H
#define MR_SIM_SESSIONS_H

#include "tests/sim/network.h"

void sessions_begin(struct sim *sim);
void sessions_forget(struct sim *sim); /* the master starts again */
void sessions_hear(struct sim *sim, const struct network_message *message);

#endif
