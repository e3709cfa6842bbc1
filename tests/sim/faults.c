/* faults: makes the faults of the plan happen, and has them stop. */
#include "tests/sim/faults.h"

#include "tests/sim/client.h"
#include "tests/sim/commit.h"
#include "tests/sim/master.h"
#include "tests/sim/network.h"
#include "tests/sim/worker.h"

void faults_begin(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan->faults; i++) {
        const struct plan_fault *fault = &sim->plan->fault[i];
        bool is_of_attempts = fault->kind == PLAN_TASK_FAILS || fault->kind == PLAN_TASK_FATAL ||
                              fault->kind == PLAN_TASK_UNCOUNTED ||
                              fault->kind == PLAN_ROUND_FAILS || fault->kind == PLAN_PUBLISH_FAILS;
        if (plan_has_fault(sim->plan, i) && !is_of_attempts) {
            sim_put(sim, fault->at_ms, SIM_FAULT, SIM_NOBODY, i, NULL);
        }
    }
    if (sim->plan->limits.is_liveness) {
        sim_put(sim, sim->plan->faults_end_ms, SIM_HEAL, SIM_NOBODY, 0, NULL);
    }
}

static void pause_process(struct sim *sim, uint32_t process, uint64_t for_ms) {
    if (sim->is_up[process]) {
        sim->paused_until[process] = sim->now + for_ms;
    }
}

static void strike_worker(struct sim *sim, const struct plan_fault *fault) {
    switch (fault->kind) {
    case PLAN_WORKER_KILL:
        worker_kill(sim, fault->a, fault->for_ms);
        break;
    case PLAN_WORKER_PAUSE:
        pause_process(sim, fault->a, fault->for_ms);
        break;
    case PLAN_WORKER_SLOW:
        worker_slow_down(sim, fault->a, fault->for_ms);
        break;
    case PLAN_WORKER_DRAIN:
        client_wish(sim, CLIENT_DRAIN, fault->a);
        break;
    case PLAN_ALL_KILL:
        for (uint32_t node = 1; node <= sim->plan->workers; node++) {
            worker_kill(sim, node, fault->for_ms + node);
        }
        break;
    case PLAN_DISK_LOST:
        worker_lose_disk(sim, fault->a);
        worker_kill(sim, fault->a, fault->for_ms);
        break;
    default:
        (void)worker_lose_output(sim, fault->a, fault->n);
        break;
    }
}

static void strike_master(struct sim *sim, const struct plan_fault *fault) {
    switch (fault->kind) {
    case PLAN_MASTER_KILL:
        master_kill(sim, MASTER_NOW, fault->for_ms);
        break;
    case PLAN_MASTER_KILL_BEFORE:
        master_kill(sim, MASTER_BEFORE_COMMIT, fault->for_ms);
        break;
    case PLAN_MASTER_KILL_AFTER:
        master_kill(sim, MASTER_BEHIND_COMMIT, fault->for_ms);
        break;
    case PLAN_MASTER_PAUSE:
        pause_process(sim, SIM_MASTER, fault->for_ms);
        break;
    default:
        master_jump_clock(sim, fault->for_ms);
        break;
    }
}

static void strike_other(struct sim *sim, const struct plan_fault *fault) {
    switch (fault->kind) {
    case PLAN_PART_LOST:
    case PLAN_PART_DAMAGED:
        commit_harm(sim, fault->a, fault->b, fault->kind == PLAN_PART_DAMAGED);
        break;
    case PLAN_CUT_BOTH_WAYS:
        network_cut(sim, fault->b, fault->a, fault->for_ms);
        network_cut(sim, fault->a, fault->b, fault->for_ms);
        break;
    case PLAN_CUT_ONE_WAY:
        network_cut(sim, fault->a, fault->b, fault->for_ms);
        break;
    default:
        client_wish(sim, CLIENT_CANCEL, fault->a);
        break;
    }
}

void faults_strike(struct sim *sim, const struct sim_item *item) {
    const struct plan_fault *fault = &sim->plan->fault[item->number];
    if (sim->has_healed) {
        return;
    }
    sim->met[SIM_MET_FAULT]++;
    SIM_SAY(sim, item->number, "FAULT %u: %s (%u, %u)", (unsigned)item->number,
            plan_fault_words(fault->kind), fault->a, fault->b);
    if (fault->kind <= PLAN_OUTPUT_LOST) {
        strike_worker(sim, fault);
    } else if (fault->kind >= PLAN_MASTER_KILL && fault->kind <= PLAN_CLOCK_GAP) {
        strike_master(sim, fault);
    } else {
        strike_other(sim, fault);
    }
}

/* The roles of which a worker is there that gets tasks. */
static unsigned find_roles(const struct sim *sim) {
    unsigned roles = 0;
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        if (sim->is_up[node] && !client_wants(sim, CLIENT_DRAIN, node)) {
            roles |= sim->plan->worker[node].roles;
        }
    }
    return roles;
}

void faults_heal(struct sim *sim, const struct sim_item *item) { /* pauses end by themselves */
    (void)item;
    sim->has_healed = true;
    SIM_SAY(sim, 0, "the faults stop");
    network_heal(sim);
    unsigned needed = 0;
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        needed |= sim->plan->worker[node].roles;
    }
    if (find_roles(sim) != needed) {
        for (uint32_t node = 1; node <= sim->plan->workers; node++) {
            worker_kill(sim, node, PLAN_FOR_GOOD);
            sim_put(sim, 10, SIM_WORKER_START, node, 0, NULL);
        }
    }
}
