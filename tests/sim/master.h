/* master: a model of the master's shell: the journal, effects behind COMMIT, restarts. */
#ifndef MR_SIM_MASTER_H
#define MR_SIM_MASTER_H

#include "tests/sim/network.h"

/* When a master that is to die does. */
enum master_death { MASTER_NOW, MASTER_BEFORE_COMMIT, MASTER_BEHIND_COMMIT };

void master_begin(struct sim *sim);
void master_end(struct sim *sim);

struct mr_core *master_core(const struct sim *sim);
bool master_is_committed(const struct sim *sim); /* it lives, and nothing waits for a commit */
uint64_t master_clock(const struct sim *sim);

/* Applies an event and journals it; what follows from it waits for the commit. */
void master_apply(struct sim *sim, const struct mr_core_event *event);
/* Says a message now, or behind the commit that is due; performs an effect likewise. */
void master_say(struct sim *sim, struct network_message message);
void master_reply(struct sim *sim, struct network_message message);
void master_hold(struct sim *sim, const struct mr_core_effect *effect);
/* Tells the client, behind the commit, that this was done. */
void master_acknowledge(struct sim *sim, uint32_t request);

void master_start(struct sim *sim, const struct sim_item *item);
void master_tick(struct sim *sim, const struct sim_item *item);
void master_commit(struct sim *sim, const struct sim_item *item);

/* Faults. */
void master_kill(struct sim *sim, enum master_death when, uint64_t for_ms);
void master_jump_clock(struct sim *sim, uint64_t by_ms);

/* Replays the whole journal, compares with the state, and destroys the core. */
void master_check_replay(struct sim *sim);

#endif
