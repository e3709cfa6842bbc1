/* costs: how long the tasks of a job take, from a run that was, or from rates. */
#ifndef MR_SIMULATE_COSTS_H
#define MR_SIMULATE_COSTS_H

#include "master/local/plan/plan.h"

#include <mr/simulate.h>

/* Milliseconds of a task; at least 1. */
struct mr_costs_round {
    uint32_t maps;
    uint32_t reduces;
    uint64_t *map_ms;  /* of each map task */
    uint64_t fetch_ms; /* of a reduce task: reading its share of the map outputs */
    uint64_t reduce_ms;
    uint64_t input_bytes;
    uint64_t shuffle_bytes;
};

struct mr_costs {
    struct mr_costs_round *rounds;
    uint32_t round_count;
};

/* Makes the costs of a planned job. Release with mr_costs_fini, also after a failure. */
MR_MUST_USE int mr_costs_make(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                              struct mr_costs *costs, struct mr_error *err);
void mr_costs_fini(struct mr_costs *costs);

#endif
