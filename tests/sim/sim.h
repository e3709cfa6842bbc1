/* sim: one simulated schedule: its virtual time, its memory, and what all its rooms share. */
#ifndef MR_SIM_SIM_H
#define MR_SIM_SIM_H

#include "lib/base/agenda.h"
#include "tests/sim/plan.h"

#include <stddef.h>

#define SIM_MASTER 0u
#define SIM_NOBODY UINT32_MAX

/* What can be due: X(name, the function that does it, in the room of its name). */
#define SIM_DUE_TABLE(X)                                                                           \
    X(DELIVER, network_deliver)                                                                    \
    X(FAULT, faults_strike)                                                                        \
    X(HEAL, faults_heal)                                                                           \
    X(WORKER_START, worker_start)                                                                  \
    X(WORKER_BEAT, worker_beat)                                                                    \
    X(ATTEMPT_END, worker_end_attempt)                                                             \
    X(FETCH_AGAIN, worker_fetch_again)                                                             \
    X(MASTER_START, master_start)                                                                  \
    X(MASTER_TICK, master_tick)                                                                    \
    X(MASTER_COMMIT, master_commit)                                                                \
    X(CLIENT, client_act)                                                                          \
    X(CLOSE, commit_close)                                                                         \
    X(PUBLISH_STEP, commit_publish_step)

enum sim_due {
#define SIM_DUE_ROW(name, function) SIM_##name,
    SIM_DUE_TABLE(SIM_DUE_ROW)
#undef SIM_DUE_ROW
        SIM_DUE_KINDS
};

/* Something that happens at a time. It belongs to a process (the master 0, or a worker) and to one
 * life of it: it is put off while the process is paused, and void once it died. */
struct sim_item {
    struct mr_agenda_when when;
    enum sim_due kind;
    uint32_t process; /* or SIM_NOBODY */
    uint32_t life;
    uint64_t number; /* what it is about */
    void *about;
};

/* What a run must have met, all seeds together: X(name, words). */
#define SIM_MET_TABLE(X)                                                                           \
    X(FAULT, "faults struck")                                                                      \
    X(RESTART, "masters replayed")                                                                 \
    X(SNAPSHOT, "masters from a snapshot")                                                         \
    X(LOST_EVENTS, "crashes that lost events")                                                     \
    X(LOST_EFFECTS, "crashes that lost effects")                                                   \
    X(LEASE_LOST, "leases that ended")                                                             \
    X(FENCED, "workers fenced")                                                                    \
    X(STALE, "stale results")                                                                      \
    X(REPEATED, "repeated results")                                                                \
    X(BACKUP, "backups")                                                                           \
    X(OUTPUT_AGAIN, "map outputs made again")                                                      \
    X(PART_AGAIN, "parts made again")                                                              \
    X(OFFER_TAKEN, "outputs kept after a return")                                                  \
    X(NOT_DETERMINISTIC, "other records")                                                          \
    X(ASIDE, "nodes set aside")                                                                    \
    X(BACK, "nodes taken back")                                                                    \
    X(DRAINED, "nodes drained")                                                                    \
    X(GAP, "clock gaps")                                                                           \
    X(DONE, "jobs done")                                                                           \
    X(FAILED, "jobs failed")                                                                       \
    X(CANCELLED, "jobs cancelled")                                                                 \
    X(ROUNDS, "rounds closed")                                                                     \
    X(EVENTS, "events applied")

enum sim_met {
#define SIM_MET_ROW(name, words) SIM_MET_##name,
    SIM_MET_TABLE(SIM_MET_ROW)
#undef SIM_MET_ROW
        SIM_MET_KINDS
};

struct sim {
    const struct plan *plan;
    uint64_t now;
    struct mr_agenda agenda; /* of struct sim_item */
    uint64_t order;
    struct sim_chunk *chunks, *chunk;
    size_t chunk_used;
    uint64_t paused_until[PLAN_WORKERS_MAX + 1]; /* of each process */
    uint32_t life[PLAN_WORKERS_MAX + 1];
    bool is_up[PLAN_WORKERS_MAX + 1];
    uint64_t trace;
    bool is_loud;
    bool has_failed;
    bool has_healed;
    char failure[600];
    uint64_t met[SIM_MET_KINDS];
    struct network *network;
    struct master *master;
    struct sessions *sessions;
    struct worker *workers;
    struct commit *commit;
    struct check *check;
    struct client *client;
};

void sim_init(struct sim *sim);
void sim_begin(struct sim *sim, const struct plan *plan, bool is_loud);
void sim_fini(struct sim *sim);

/* Memory, zeroed, that lives as long as the schedule. */
void *sim_take(struct sim *sim, size_t size);

/* Has something happen in `in_ms`. */
void sim_put(struct sim *sim, uint64_t in_ms, enum sim_due kind, uint32_t process, uint64_t number,
             void *about);
/* The next thing that happens, its time being now; false: nothing is left. */
bool sim_next(struct sim *sim, struct sim_item *item);

/* Ends the schedule: an invariant is broken. */
__attribute__((format(printf, 3, 4))) void sim_fail(struct sim *sim, const char *rule,
                                                    const char *format, ...);
/* Adds a fact to the trace's hash, and says it where the schedule is traced: SIM_SAY(sim, fact,
 * format, ...). */
#define SIM_SAY(sim, fact, ...)                                                                    \
    do {                                                                                           \
        (sim)->trace = random_join((sim)->trace ^ (sim)->now, fact);                               \
        if ((sim)->is_loud) {                                                                      \
            sim_say(sim, __VA_ARGS__);                                                             \
        }                                                                                          \
    } while (0)
__attribute__((format(printf, 2, 3))) void sim_say(const struct sim *sim, const char *format, ...);

/* A number that belongs to this seed and to these names. */
uint64_t sim_number(const struct sim *sim, uint64_t name, uint64_t a, uint64_t b);

const char *sim_attempt_words(const struct mr_core_attempt *attempt); /* in one of a few buffers */
uint64_t sim_attempt_key(const struct mr_core_attempt *attempt);
bool sim_is_same_attempt(const struct mr_core_attempt *a, const struct mr_core_attempt *b);

#endif
