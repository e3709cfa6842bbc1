/* state: compares all that a core shows of its state with the opinion. */
#include "tests/sim/state.h"

#include "tests/sim/commit.h"

#include <inttypes.h>

/* What the tries of all jobs say together. */
struct sums {
    uint32_t busy[PLAN_WORKERS_MAX + 1];
    uint32_t held[PLAN_WORKERS_MAX + 1];
    bool has_map;    /* is ready */
    bool has_reduce; /* likewise */
    bool has_early;  /* for workers that don't map */
};

/* A row is of an attempt that was accepted, and of map outputs that still are the winners'. */
static void check_row(struct sim *sim, const struct mr_core *core, const struct opinion *opinion,
                      uint32_t job, const struct mr_core_attempt *id, uint32_t maps) {
    const struct opinion_try *try = opinion_find(&opinion->job[job], id);
    if (!try || !try->has_won) {
        sim_fail(sim, "V2", "%s won its task without being accepted", sim_attempt_words(id));
        return;
    }
    if (id->phase == MR_PHASE_MAP) {
        return;
    }
    const struct commit_file *file = commit_find(sim, id);
    for (uint32_t i = 0; file && i < maps && i < file->count; i++) {
        struct mr_core_winner winner = mr_core_winner(core, job, MR_PHASE_MAP, i);
        if (winner.attempt > 0 && winner.digest != file->read[i]) {
            sim_fail(sim, "V2", "%s was made of another output of map %u than try %u",
                     sim_attempt_words(id), i, winner.attempt);
        }
    }
}

static void sum_tries(struct sim *sim, const struct opinion_job *job, struct sums *sums,
                      uint8_t running[2][PLAN_TASKS_MAX], uint32_t *count) {
    for (const struct opinion_try *try = job->tries; try; try = try->next) {
        if (try->stage == OPINION_OVER) {
            continue;
        }
        ++*count;
        sums->busy[try->worker.node]++;
        if (try->stage == OPINION_RUNNING && ++running[try->id.phase][try->id.task] > 2) {
            sim_fail(sim, "V7", "%s is the third at a time", sim_attempt_words(&try->id));
        }
    }
}

static void sum_maps(struct sim *sim, const struct mr_core *core, const struct opinion *opinion,
                     uint32_t job, const struct mr_core_job_view *view, struct sums *sums,
                     const uint8_t *running) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < view->map_tasks; i++) {
        struct mr_core_winner winner = mr_core_winner(core, job, MR_PHASE_MAP, i);
        struct mr_core_attempt id = {job, view->round, MR_PHASE_MAP, i, winner.attempt};
        if (winner.attempt == 0) {
            open++;
            sums->has_map |= view->state == MR_CORE_JOB_RUNNING && running[i] == 0;
            continue;
        }
        check_row(sim, core, opinion, job, &id, 0);
        bool is_held = opinion->incarnation[winner.worker.node] == winner.worker.incarnation;
        sums->held[winner.worker.node] += is_held;
        if (running[i] > 0) {
            sim_fail(sim, "V7", "%s won, but another try runs on", sim_attempt_words(&id));
        } else if (view->state == MR_CORE_JOB_RUNNING && view->reduces_open > 0 && !is_held) {
            sim_fail(sim, "F18", "%s is needed, but its worker is gone", sim_attempt_words(&id));
        }
    }
    if (open != view->maps_open) {
        sim_fail(sim, "V7", "job %u: %u maps are open, not %u", job, open, view->maps_open);
    }
}

static void sum_reduces(struct sim *sim, const struct mr_core *core, const struct opinion *opinion,
                        uint32_t job, const struct mr_core_job_view *view, struct sums *sums,
                        const uint8_t *running) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < view->reduce_tasks; i++) {
        struct mr_core_winner winner = mr_core_winner(core, job, MR_PHASE_REDUCE, i);
        struct mr_core_attempt id = {job, view->round, MR_PHASE_REDUCE, i, winner.attempt};
        if (winner.attempt > 0) {
            check_row(sim, core, opinion, job, &id, view->map_tasks);
            if (running[i] > 0) {
                sim_fail(sim, "V7", "%s won, but another try runs on", sim_attempt_words(&id));
            }
            continue;
        }
        open++;
        bool is_ready = view->state == MR_CORE_JOB_RUNNING && running[i] == 0;
        sums->has_reduce |= is_ready && view->maps_open == 0;
        sums->has_early |= is_ready && sim->plan->job[job].is_early;
    }
    if (open != view->reduces_open) {
        sim_fail(sim, "V7", "job %u: %u reduces are open, not %u", job, open, view->reduces_open);
    }
}

static void check_job(struct sim *sim, const struct mr_core *core, const struct opinion *opinion,
                      uint32_t number, struct sums *sums) {
    const struct opinion_job *job = &opinion->job[number];
    struct mr_core_job_view view = mr_core_job(core, number);
    uint8_t running[2][PLAN_TASKS_MAX] = {0};
    uint32_t count = 0;
    if (!job->is_known || job->is_ended) {
        return;
    }
    sum_tries(sim, job, sums, running, &count);
    bool is_ending = view.state == MR_CORE_JOB_STOPPING || view.state == MR_CORE_JOB_FINISHED;
    if (view.state == MR_CORE_JOB_UNKNOWN || view.round != job->round || view.running != count) {
        sim_fail(sim, "V7", "job %u is in round %u with %u attempts, and not %u with %u", number,
                 view.round, view.running, job->round, count);
    } else if (job->has_end != is_ending) {
        sim_fail(sim, "V6", "job %u %s", number, is_ending ? "ends for nothing" : "should end");
    }
    if (is_ending) {
        return;
    }
    sum_maps(sim, core, opinion, number, &view, sums, running[MR_PHASE_MAP]);
    sum_reduces(sim, core, opinion, number, &view, sums, running[MR_PHASE_REDUCE]);
}

static void check_node(struct sim *sim, const struct mr_core *core, const struct opinion *opinion,
                       uint32_t node, const struct sums *sums) {
    struct mr_core_node_view view = mr_core_node(core, node);
    uint64_t incarnation = opinion->incarnation[node];
    if ((view.state == MR_CORE_NODE_GONE) != (incarnation == 0) ||
        (incarnation > 0 && view.incarnation != incarnation)) {
        sim_fail(sim, "V8", "worker %u is not known as incarnation %" PRIu64, node, incarnation);
    } else if (incarnation == 0) {
        return;
    }
    if (view.busy != sums->busy[node] || view.held != sums->held[node]) {
        sim_fail(sim, "V7", "worker %u: %u slots busy and %u outputs held, and not %u and %u", node,
                 view.busy, view.held, sums->busy[node], sums->held[node]);
    } else if (view.busy > view.slots) {
        sim_fail(sim, "V7", "worker %u runs %u attempts on %u slots", node, view.busy, view.slots);
    }
    bool is_free = view.state == MR_CORE_NODE_READY && view.busy < view.slots;
    bool may_map = view.roles & MR_CORE_MAPS;
    bool may_reduce = view.roles & MR_CORE_REDUCES;
    if (is_free && ((sums->has_map && may_map) || (sums->has_reduce && may_reduce) ||
                    (sums->has_early && !may_map))) {
        sim_fail(sim, "V7", "a task waits beside a free slot of worker %u", node);
    }
}

void state_check(struct sim *sim, const struct mr_core *core, const struct opinion *opinion) {
    struct sums sums = {0};
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        check_job(sim, core, opinion, job, &sums);
    }
    for (uint32_t node = 1; node <= sim->plan->workers && !sim->has_failed; node++) {
        check_node(sim, core, opinion, node, &sums);
    }
}
