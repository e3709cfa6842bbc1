/* plan: what a schedule consists of, made from its seed: the cluster, the jobs, the faults.
 *
 * Everything random about a schedule is decided here or by numbers that are joined from the seed
 * and a name (tests/sim/network.c, tests/sim/worker.c), so that leaving a fault out changes nothing
 * else: that is what makes minimising work. */
#include "tests/sim/plan.h"

#include <mr/status.h>

const struct plan_limits plan_default = {
    .workers = 3, .jobs = 3, .maps = 8, .reduces = 3, .rounds = 3, .crashes = 3, .restarts = 1};

static const char *const words[] = {
#define PLAN_FAULT_ROW(name, words) words,
    PLAN_FAULT_TABLE(PLAN_FAULT_ROW)
#undef PLAN_FAULT_ROW
};

const char *plan_fault_words(enum plan_fault_kind kind) {
    return words[kind];
}

bool plan_has_fault(const struct plan *plan, uint32_t fault) {
    return !(plan->limits.without >> fault & 1);
}

/* ---- the cluster and its jobs -----------------------------------------------------------------
 */

static void make_workers(struct plan *plan, struct random *random) {
    uint32_t most = plan->limits.workers;
    plan->workers = random_chance(random, 700) ? most : random_between(random, 1, most);
    bool is_split = plan->workers > 1 && random_chance(random, 300);
    uint32_t mappers = plan->workers > 1 ? random_between(random, 1, plan->workers - 1) : 1;
    for (uint32_t i = 1; i <= plan->workers; i++) {
        struct plan_worker *worker = &plan->worker[i];
        worker->slots = random_between(random, 1, 3);
        worker->host = random_chance(random, 100) ? MR_CORE_NONE : random_between(random, 1, 3);
        worker->roles = !is_split      ? MR_CORE_DOES_BOTH
                        : i <= mappers ? MR_CORE_MAPS
                                       : MR_CORE_REDUCES;
    }
    if (plan->workers > 2 && random_chance(random, 100)) {
        plan->worker[random_between(random, 1, plan->workers)].roles = MR_CORE_DOES_BOTH;
    }
}

static void make_job(struct plan *plan, struct plan_job *job, struct random *random) {
    const struct plan_limits *limits = &plan->limits;
    job->at_ms = random_below(random, 400);
    job->rounds = random_chance(random, 600) ? 1 : random_between(random, 1, limits->rounds);
    for (uint32_t i = 0; i < job->rounds; i++) {
        uint32_t maps = random_chance(random, 20) ? 0 : random_between(random, 1, limits->maps);
        job->maps[i] = maps;
        job->reduces[i] = random_between(random, 1, limits->reduces);
    }
    job->max_attempts = random_between(random, 1, 4);
    job->weight = random_below(random, 4);
    job->task_ms = random_between(random, 5, 300);
    job->is_early = random_chance(random, 400);
    job->has_hosts = random_chance(random, 500);
    if (random_chance(random, 120)) {
        job->unstable = random_between(random, 100, 600);
        job->is_strict = random_chance(random, 300);
    }
}

/* ---- faults -----------------------------------------------------------------------------------
 */

static uint32_t any_worker(const struct plan *plan, struct random *random) {
    return random_between(random, 1, plan->workers);
}

static void choose_task(const struct plan *plan, struct plan_fault *fault, struct random *random) {
    fault->a = random_between(random, 1, plan->jobs);
    const struct plan_job *job = &plan->job[fault->a];
    fault->round = random_below(random, job->rounds);
    fault->phase = random_chance(random, 500) ? MR_PHASE_MAP : MR_PHASE_REDUCE;
    uint32_t tasks =
        fault->phase == MR_PHASE_MAP ? job->maps[fault->round] : job->reduces[fault->round];
    fault->b = random_below(random, tasks ? tasks : 1);
    fault->n = random_between(random, 1, job->max_attempts + (random_chance(random, 200) ? 1 : 0));
}

static void choose_ends(const struct plan *plan, struct plan_fault *fault, struct random *random) {
    fault->a = random_below(random, plan->workers + 1);
    fault->b = random_below(random, plan->workers + 1);
    if (random_chance(random, 500)) {
        *(random_chance(random, 500) ? &fault->a : &fault->b) = 0;
    }
}

/* How long it lasts: rather short, about a lease, rather long, or for good. */
static uint64_t choose_time(const struct plan *plan, struct random *random, bool may_last) {
    uint32_t lease = (uint32_t)plan->lease_ms;
    switch (random_below(random, may_last ? 4 : 3)) {
    case 0:
        return random_between(random, 1, lease / 3);
    case 1:
        return random_between(random, lease / 2, 2 * lease);
    case 2:
        return random_between(random, lease, 4 * lease);
    default:
        return PLAN_FOR_GOOD;
    }
}

static bool is_crash(enum plan_fault_kind kind) {
    return kind == PLAN_WORKER_KILL || kind == PLAN_WORKER_PAUSE || kind == PLAN_ALL_KILL ||
           kind == PLAN_DISK_LOST;
}

static bool is_restart(enum plan_fault_kind kind) {
    return kind == PLAN_MASTER_KILL || kind == PLAN_MASTER_KILL_BEFORE ||
           kind == PLAN_MASTER_KILL_AFTER;
}

static bool is_rare(enum plan_fault_kind kind) {
    return kind == PLAN_TASK_FATAL || kind == PLAN_ROUND_FAILS || kind == PLAN_PUBLISH_FAILS ||
           kind == PLAN_CANCEL || kind == PLAN_ALL_KILL || kind == PLAN_WORKER_DRAIN;
}

static void make_fault(struct plan *plan, struct plan_fault *fault, struct random *random) {
    bool may_last = fault->kind == PLAN_WORKER_KILL || fault->kind == PLAN_DISK_LOST ||
                    fault->kind == PLAN_WORKER_SLOW;
    fault->at_ms = random_below(random, random_chance(random, 700) ? 900 : 4000);
    fault->for_ms = choose_time(plan, random, may_last);
    choose_task(plan, fault, random);
    switch (fault->kind) {
    case PLAN_CUT_ONE_WAY:
    case PLAN_CUT_BOTH_WAYS:
        choose_ends(plan, fault, random);
        break;
    case PLAN_WORKER_KILL:
    case PLAN_WORKER_PAUSE:
    case PLAN_WORKER_SLOW:
    case PLAN_WORKER_DRAIN:
    case PLAN_DISK_LOST:
    case PLAN_OUTPUT_LOST:
        fault->a = any_worker(plan, random);
        break;
    default:
        break;
    }
}

static void make_faults(struct plan *plan, struct random *random) {
    uint32_t count = random_below(random, 5 + plan->limits.crashes + plan->limits.restarts);
    uint32_t crashes = 0;
    uint32_t restarts = 0;
    while (plan->faults < count && plan->faults < PLAN_FAULTS_MAX) {
        struct plan_fault *fault = &plan->fault[plan->faults];
        fault->kind = (enum plan_fault_kind)random_below(random, PLAN_FAULT_KINDS);
        if ((is_rare(fault->kind) && random_chance(random, 600)) ||
            (is_crash(fault->kind) && crashes++ >= plan->limits.crashes) ||
            (is_restart(fault->kind) && restarts++ >= plan->limits.restarts)) {
            count -= random_chance(random, 300); /* so that it ends */
            continue;
        }
        make_fault(plan, fault, random);
        plan->faults++;
    }
}

static void make_network(struct plan *plan, struct random *random) {
    bool is_bad = random_chance(random, 600) && !plan->limits.is_network_whole;
    plan->lost = is_bad && random_chance(random, 600) ? random_below(random, 100) : 0;
    plan->repeated = is_bad && random_chance(random, 600) ? random_below(random, 150) : 0;
    plan->late = is_bad && random_chance(random, 600) ? random_below(random, 60) : 0;
}

void plan_make(struct plan *plan, uint64_t seed, const struct plan_limits *limits) {
    struct random random = {random_join(seed, limits->is_liveness)};
    *plan = (struct plan){.seed = seed, .limits = *limits};
    plan->lease_ms = 1000;
    plan->tick_ms = 150;
    plan->beat_ms = 200;
    plan->aside_ms = 2500;
    make_workers(plan, &random);
    uint32_t chance = random_below(&random, 10);
    plan->jobs = chance < 6 ? 1 : chance < 9 ? 2 : 3;
    plan->jobs = plan->jobs > limits->jobs ? limits->jobs : plan->jobs;
    for (uint32_t i = 1; i <= plan->jobs; i++) {
        make_job(plan, &plan->job[i], &random);
    }
    make_network(plan, &random);
    make_faults(plan, &random);
    plan->faults_end_ms = 1000 + random_below(&random, 4000);
}

/* ---- what user code does by plan --------------------------------------------------------------
 */

static bool is_of_task(const struct plan_fault *fault, const struct mr_core_attempt *attempt) {
    return fault->a == attempt->job && fault->round == attempt->round &&
           fault->phase == attempt->phase && fault->b == attempt->task;
}

int plan_attempt_status(const struct plan *plan, const struct mr_core_attempt *attempt,
                        bool *is_fatal, bool *is_uncounted) {
    static const int statuses[] = {MR_ERR_JOB, MR_ERR_INPUT, MR_ERR_IO};
    *is_fatal = *is_uncounted = false;
    for (uint32_t i = 0; i < plan->faults; i++) {
        const struct plan_fault *fault = &plan->fault[i];
        if (!plan_has_fault(plan, i) || !is_of_task(fault, attempt) ||
            attempt->attempt > fault->n ||
            (fault->kind != PLAN_TASK_FAILS && fault->kind != PLAN_TASK_FATAL &&
             fault->kind != PLAN_TASK_UNCOUNTED)) {
            continue;
        }
        *is_fatal = fault->kind == PLAN_TASK_FATAL && attempt->attempt == fault->n;
        *is_uncounted = fault->kind == PLAN_TASK_UNCOUNTED;
        return statuses[(attempt->attempt + attempt->task) % 3];
    }
    return 0;
}

int plan_job_status(const struct plan *plan, uint32_t job, uint32_t round,
                    enum plan_fault_kind kind) {
    for (uint32_t i = 0; i < plan->faults; i++) {
        const struct plan_fault *fault = &plan->fault[i];
        if (plan_has_fault(plan, i) && fault->kind == kind && fault->a == job &&
            (kind != PLAN_ROUND_FAILS || fault->round == round)) {
            return kind == PLAN_CANCEL ? MR_ERR_INTERRUPTED : MR_ERR_IO;
        }
    }
    return 0;
}
