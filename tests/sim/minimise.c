/* minimise: makes a failing schedule smaller. */
#include "tests/sim/minimise.h"

#include "tests/sim/schedule.h"

#include <inttypes.h>
#include <stdio.h>

static bool fails(struct sim *sim, uint64_t seed, const struct plan_limits *limits) {
    struct plan plan;
    plan_make(&plan, seed, limits);
    return !schedule_run(sim, &plan, false);
}

/* Takes a bound down one by one; a smaller one makes another schedule of the same seed. */
static void shrink_bound(struct sim *sim, uint64_t seed, struct plan_limits *limits,
                         uint32_t *bound) {
    while (*bound > 1) {
        --*bound;
        if (!fails(sim, seed, limits)) {
            ++*bound;
            return;
        }
    }
}

static void drop_faults(struct sim *sim, uint64_t seed, struct plan_limits *limits) {
    struct plan plan;
    plan_make(&plan, seed, limits);
    for (uint32_t fault = 0; fault < plan.faults; fault++) {
        uint64_t before = limits->without;
        limits->without |= (uint64_t)1 << fault;
        limits->without = fails(sim, seed, limits) ? limits->without : before;
    }
    limits->is_network_whole = true;
    limits->is_network_whole = fails(sim, seed, limits);
}

static void print_line(const struct sim *sim, uint64_t seed, const struct plan_limits *limits) {
    printf("--seeds %" PRIu64
           " --mode %s --workers %u --jobs %u --maps %u --reduces %u --rounds %u",
           seed, limits->is_liveness ? "liveness" : "safety", limits->workers, limits->jobs,
           limits->maps, limits->reduces, limits->rounds);
    const char *between = " --without ";
    for (uint32_t fault = 0; fault < PLAN_FAULTS_MAX; fault++) {
        if (limits->without >> fault & 1) {
            printf("%s%u", between, fault);
            between = ",";
        }
    }
    printf("%s # %s\n", limits->is_network_whole ? " --whole" : "", sim->failure);
}

bool minimise(struct sim *sim, uint64_t seed, const struct plan_limits *limits) {
    struct plan_limits smaller = *limits;
    if (!fails(sim, seed, &smaller)) {
        printf("seed %" PRIu64 " does not fail\n", seed);
        return false;
    }
    uint32_t *const bounds[] = {&smaller.workers, &smaller.jobs, &smaller.rounds, &smaller.maps,
                                &smaller.reduces};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        shrink_bound(sim, seed, &smaller, bounds[i]);
    }
    drop_faults(sim, seed, &smaller);
    if (fails(sim, seed, &smaller)) {
        print_line(sim, seed, &smaller);
    }
    return true;
}
