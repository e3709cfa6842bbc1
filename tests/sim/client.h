/* client: asks for what people want of the master, until it is acknowledged. */
#ifndef MR_SIM_CLIENT_H
#define MR_SIM_CLIENT_H

#include "tests/sim/sim.h"

enum client_wish { CLIENT_SUBMIT, CLIENT_CANCEL, CLIENT_DRAIN, CLIENT_WISHES };

void client_begin(struct sim *sim);
/* `about`: a job, or a worker. */
void client_wish(struct sim *sim, enum client_wish wish, uint32_t about);
void client_act(struct sim *sim, const struct sim_item *item);
void client_hear(struct sim *sim, uint32_t request);
bool client_wants(const struct sim *sim, enum client_wish wish, uint32_t about);
bool client_has(const struct sim *sim, enum client_wish wish, uint32_t about); /* acknowledged */

#endif
