/* worker: the workers as the master's shell knows them: leases, slots, attempts, map outputs. */
#ifndef MR_SIM_WORKER_H
#define MR_SIM_WORKER_H

#include "tests/sim/network.h"

void worker_begin(struct sim *sim);

void worker_start(struct sim *sim, const struct sim_item *item);
void worker_beat(struct sim *sim, const struct sim_item *item);
void worker_end_attempt(struct sim *sim, const struct sim_item *item);
void worker_fetch_again(struct sim *sim, const struct sim_item *item);
void worker_hear(struct sim *sim, const struct network_message *message);

/* Faults. A killed worker starts again in `for_ms`, unless that is PLAN_FOR_GOOD. */
void worker_kill(struct sim *sim, uint32_t node, uint64_t for_ms);
void worker_lose_disk(struct sim *sim, uint32_t node);
/* Loses the n-th of the map outputs that it has; false: it has none. */
bool worker_lose_output(struct sim *sim, uint32_t node, uint32_t n);
void worker_slow_down(struct sim *sim, uint32_t node, uint64_t for_ms);

/* Whether the worker, in the incarnation it lives in, can still give this map output. */
bool worker_has_output(const struct sim *sim, uint32_t node, const struct mr_core_attempt *attempt);
uint64_t worker_incarnation(const struct sim *sim, uint32_t node);
uint32_t worker_active(const struct sim *sim, uint32_t node);

#endif
