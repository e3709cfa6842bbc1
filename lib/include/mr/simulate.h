/* simulate: how long a job would take on a cluster, and what failures would cost. */
#ifndef MR_SIMULATE_H
#define MR_SIMULATE_H

#include <mr/run.h>
#include <mr/status.h>
#include <stdint.h>

#define MR_SIMULATE_NODES_MAX 10000
#define MR_SIMULATE_SLOTS_MAX 256

/* What to simulate. Zero means the default; pointers are borrowed. Rates are in MB (10^6 bytes) a
 * second. */
struct mr_simulate_spec {
    const struct mr_run_spec *run; /* its job, inputs, parameters and partitions */
    uint32_t nodes;                /* 1 */
    uint32_t slots;                /* of a node: 1 */
    double mtbf_seconds;           /* a node fails so often, on average; 0: never */
    double slow;                   /* the share of nodes that take ten times as long */
    uint64_t seed;
    const char *from;     /* an output directory of the job, whose manifest has its times; NULL */
    uint32_t map_mbps;    /* what a slot maps: 100. Only without `from` */
    uint32_t reduce_mbps; /* what a slot reduces: 100. Only without `from` */
    uint32_t net_mbps;    /* what a node receives: 125 */
};

/* Plans the job as mr_run would, runs the real scheduler in virtual time, without and with the
 * failures, and writes to `out_fd`, for people, what it assumed, how long the job would take and
 * where the time would go. Reads no data beyond each input's first bytes. The same for the same
 * spec and inputs. */
MR_MUST_USE int mr_simulate(const struct mr_simulate_spec *spec, int out_fd, struct mr_error *err);

#endif
