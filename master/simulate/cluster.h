/* cluster: runs a job on nodes that do not exist, in virtual time, by the real scheduler. */
#ifndef MR_SIMULATE_CLUSTER_H
#define MR_SIMULATE_CLUSTER_H

#include "master/simulate/costs.h"

/* How it went. Times in milliseconds; those of slots are sums over all slots. */
struct mr_cluster_outcome {
    uint64_t lasted_ms;
    uint64_t map_ms;
    uint64_t fetch_ms;
    uint64_t reduce_ms;
    uint64_t redone_ms; /* of attempts whose work did not count, or was lost later */
    uint32_t failures;  /* of nodes */
    uint32_t slow;      /* nodes */
    uint32_t again;     /* map outputs made again */
    uint32_t backups;
    bool is_endless; /* it was given up: nodes fail faster than the job gets on */
    int status;      /* of the job: 0, or what it would fail with */
};

/* The same for the same arguments. With `patience_ms` 0 no node fails or is slow; else a job that
 * takes so long is given up. */
MR_MUST_USE int mr_cluster_run(const struct mr_simulate_spec *spec, const struct mr_costs *costs,
                               uint64_t patience_ms, struct mr_cluster_outcome *outcome,
                               struct mr_error *err);

#endif
