/* content: what tasks make, as numbers: the output of a task is a hash of all that it read. */
#ifndef MR_SIM_CONTENT_H
#define MR_SIM_CONTENT_H

#include "tests/sim/sim.h"

/* What a map attempt makes; `side` is what the round before made. The same for every attempt of a
 * task, but where the plan has it give other records. */
uint64_t content_map(const struct sim *sim, const struct mr_core_attempt *attempt, uint64_t side);

/* What a reduce attempt makes of the map outputs it read. */
uint64_t content_part(const struct mr_core_attempt *attempt, const uint64_t *read, uint32_t count);

/* What a round makes of its parts, in order: add them one after the other to 0. */
uint64_t content_add_part(uint64_t result, uint64_t part);

/* The part of a job whose maps always give the same records. */
uint64_t content_expected_part(const struct sim *sim, uint32_t job, uint32_t round, uint32_t task);

/* The tasks of a round, as an event has them. */
struct mr_core_shape content_shape(struct sim *sim, uint32_t job, uint32_t round);

#endif
