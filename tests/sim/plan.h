/* plan: what a schedule consists of, made from its seed: the cluster, the jobs, the faults. */
#ifndef MR_SIM_PLAN_H
#define MR_SIM_PLAN_H

#include "master/core/core.h"
#include "tests/sim/random.h"

#define PLAN_WORKERS_MAX 15
#define PLAN_JOBS_MAX 4
#define PLAN_ROUNDS_MAX 3
#define PLAN_TASKS_MAX 64
#define PLAN_FAULTS_MAX 32
#define PLAN_FOR_GOOD UINT64_MAX

/* What goes wrong: X(name, words). What a, b and n are says make_fault. */
#define PLAN_FAULT_TABLE(X)                                                                        \
    X(WORKER_KILL, "worker killed")                                                                \
    X(WORKER_PAUSE, "worker paused")                                                               \
    X(WORKER_SLOW, "worker slow")                                                                  \
    X(WORKER_DRAIN, "worker drained")                                                              \
    X(ALL_KILL, "all workers killed")                                                              \
    X(DISK_LOST, "worker killed, its disk lost")                                                   \
    X(OUTPUT_LOST, "map output removed")                                                           \
    X(PART_LOST, "part removed")                                                                   \
    X(PART_DAMAGED, "part damaged")                                                                \
    X(CUT_ONE_WAY, "cut one way")                                                                  \
    X(CUT_BOTH_WAYS, "cut both ways")                                                              \
    X(MASTER_KILL, "master killed")                                                                \
    X(MASTER_KILL_BEFORE, "master killed before a commit")                                         \
    X(MASTER_KILL_AFTER, "master killed behind a commit")                                          \
    X(MASTER_PAUSE, "master paused")                                                               \
    X(CLOCK_GAP, "master's clock jumps")                                                           \
    X(TASK_FAILS, "attempts of a task fail")                                                       \
    X(TASK_FATAL, "a task fails for good")                                                         \
    X(TASK_UNCOUNTED, "attempts of a task fail uncounted")                                         \
    X(ROUND_FAILS, "a round can't be closed")                                                      \
    X(PUBLISH_FAILS, "the output can't be put in place")                                           \
    X(CANCEL, "job cancelled")

enum plan_fault_kind {
#define PLAN_FAULT_ROW(name, words) PLAN_##name,
    PLAN_FAULT_TABLE(PLAN_FAULT_ROW)
#undef PLAN_FAULT_ROW
        PLAN_FAULT_KINDS
};

struct plan_fault {
    enum plan_fault_kind kind;
    uint64_t at_ms;
    uint64_t for_ms;
    uint32_t a; /* a worker, 0 the master; or a job */
    uint32_t b; /* likewise; or a task */
    uint32_t n;
    enum mr_phase phase;
    uint32_t round;
};

struct plan_worker {
    enum mr_core_role roles;
    uint32_t slots;
    uint32_t host;
};

struct plan_job {
    uint64_t at_ms;
    uint32_t rounds;
    uint32_t maps[PLAN_ROUNDS_MAX];
    uint32_t reduces[PLAN_ROUNDS_MAX];
    uint32_t max_attempts;
    uint32_t weight;
    uint32_t task_ms;  /* how long a task takes, about */
    uint32_t unstable; /* permille of map attempts that give other records than they should */
    bool is_early;
    bool is_strict;
    bool has_hosts;
};

/* Bounds of the search, and what minimising leaves out. */
struct plan_limits {
    bool is_liveness; /* the faults stop at some time; then every job must end */
    uint32_t workers;
    uint32_t jobs;
    uint32_t maps;
    uint32_t reduces;
    uint32_t rounds;
    uint32_t crashes;
    uint32_t restarts;     /* of the master */
    uint64_t without;      /* bit i: fault i is left out */
    bool is_network_whole; /* nothing is lost, repeated or late */
};

struct plan {
    uint64_t seed;
    struct plan_limits limits;
    uint64_t lease_ms, tick_ms, beat_ms, aside_ms;
    uint32_t lost, repeated, late; /* permille of messages */
    uint64_t faults_end_ms;
    uint32_t workers; /* numbered from 1 */
    struct plan_worker worker[PLAN_WORKERS_MAX + 1];
    uint32_t jobs; /* numbered from 1 */
    struct plan_job job[PLAN_JOBS_MAX + 1];
    uint32_t faults;
    struct plan_fault fault[PLAN_FAULTS_MAX];
};

extern const struct plan_limits plan_default;

void plan_make(struct plan *plan, uint64_t seed, const struct plan_limits *limits);
bool plan_has_fault(const struct plan *plan, uint32_t fault);
const char *plan_fault_words(enum plan_fault_kind kind);

/* How an attempt of user code ends by plan: 0, or a negative status. */
int plan_attempt_status(const struct plan *plan, const struct mr_core_attempt *attempt,
                        bool *is_fatal, bool *is_uncounted);
/* The status of a fault of this kind in a job, or 0. */
int plan_job_status(const struct plan *plan, uint32_t job, uint32_t round,
                    enum plan_fault_kind kind);

#endif
