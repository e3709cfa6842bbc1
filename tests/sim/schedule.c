/* schedule: runs one schedule from its plan to its end.
 *
 * Safety mode looks at a span of time in which anything may go wrong. In liveness mode the faults
 * stop at some time, and every job must end long before the patience does; then all comes to rest,
 * and nothing may be left. */
#include "tests/sim/schedule.h"

#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/commit.h"
#include "tests/sim/faults.h"
#include "tests/sim/master.h"
#include "tests/sim/network.h"
#include "tests/sim/sessions.h"
#include "tests/sim/worker.h"

#define SAFETY_MS 12000u
#define PATIENCE_MS 1000000u
#define REST_LEASES 3u

static void (*const due[SIM_DUE_KINDS])(struct sim *sim, const struct sim_item *item) = {
#define SIM_DUE_ROW(name, function) [SIM_##name] = function,
    SIM_DUE_TABLE(SIM_DUE_ROW)
#undef SIM_DUE_ROW
};

static void begin(struct sim *sim) {
    network_begin(sim);
    commit_begin(sim);
    check_begin(sim);
    worker_begin(sim);
    master_begin(sim);
    sessions_begin(sim);
    client_begin(sim);
    faults_begin(sim);
}

/* Every job has, and that is committed. */
static bool is_ended(const struct sim *sim) {
    return check_is_ended(sim) && master_is_committed(sim);
}

/* Until this time, or until every job has ended. */
static void run_until(struct sim *sim, uint64_t end, bool stops_when_ended) {
    struct sim_item item;
    while (!sim->has_failed && sim->now <= end && sim_next(sim, &item)) {
        due[item.kind](sim, &item);
        if (stops_when_ended && is_ended(sim)) {
            return;
        }
    }
}

/* When the last fault will be over. */
static uint64_t find_calm(const struct sim *sim) {
    uint64_t calm = sim->now > sim->plan->faults_end_ms ? sim->now : sim->plan->faults_end_ms;
    for (uint32_t process = 0; process <= sim->plan->workers; process++) {
        calm = sim->paused_until[process] > calm ? sim->paused_until[process] : calm;
    }
    return calm;
}

static void say_waiting(struct sim *sim) {
    for (uint32_t job = 1; job <= sim->plan->jobs && master_core(sim); job++) {
        struct mr_core_job_view view = mr_core_job(master_core(sim), job);
        if (view.state != MR_CORE_JOB_FINISHED) {
            sim_fail(sim, "liveness",
                     "job %u does not end: state %d, round %u, %u maps and %u reduces open, %u "
                     "attempts, %u ready",
                     job, view.state, view.round, view.maps_open, view.reduces_open, view.running,
                     view.ready);
        }
    }
    sim_fail(sim, "liveness", "there is no master, or a job was never taken");
}

bool schedule_run(struct sim *sim, const struct plan *plan, bool is_loud) {
    sim_begin(sim, plan, is_loud);
    begin(sim);
    if (plan->limits.is_liveness) {
        run_until(sim, plan->faults_end_ms + PATIENCE_MS, true);
        if (!sim->has_failed && !is_ended(sim)) {
            say_waiting(sim);
        }
        run_until(sim, plan->faults_end_ms, false);
        run_until(sim, find_calm(sim) + REST_LEASES * plan->lease_ms, false);
        if (!sim->has_failed) {
            check_rest(sim, master_core(sim));
        }
    } else {
        run_until(sim, SAFETY_MS, true);
    }
    master_check_replay(sim);
    master_end(sim);
    return !sim->has_failed;
}
