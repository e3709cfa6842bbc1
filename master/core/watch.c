/* watch: what the time decides: leases, nodes set aside, slow tasks.
 *
 * A tick looks at every node, and at up to SLOW_LOOKS attempts of each job that has nothing left to
 * start while slots are free. After a gap of its own clock (the machine was suspended) every lease
 * begins anew, since nobody could renew one; so it does at the first tick, which follows a replay.
 *
 * An attempt is slow when what it has left, at its rate so far, is more than twice the median of
 * the tasks of its phase that are done, of which there must be a quarter, or three. */
#include "master/core/watch.h"

#include "master/core/attempts.h"
#include <stdlib.h>

#define GAP_TICKS 2
#define SLOW_LOOKS 64
#define SLOW_FACTOR 2
#define DONE_MIN 3
#define DONE_DIVISOR 4
#define PERMILLE 1000

static void propose(struct mr_core *core, enum mr_core_event_kind kind,
                    struct mr_core_worker worker, const struct mr_core_attempt *attempt) {
    struct mr_core_effect *effect = mr_state_add_effect(core, MR_CORE_PROPOSE, NULL);
    effect->proposed = kind;
    effect->worker = worker;
    if (attempt) {
        effect->attempt = *attempt;
        effect->job = attempt->job;
        effect->round = attempt->round;
    }
}

/* Looks at one node; returns when it must be looked at again. */
static uint64_t watch_node(struct mr_core *core, uint32_t number) {
    struct mr_state_node *node = &core->nodes[number];
    uint64_t now = core->now_ms;
    struct mr_core_worker worker = mr_state_worker(core, number);
    node->heard_ms = node->heard_ms ? node->heard_ms : now; /* after a restart: from now on */
    uint64_t until = node->heard_ms + core->options.lease_ms;
    if (now >= until) {
        propose(core, MR_CORE_NODE_LOST, worker, NULL);
        return UINT64_MAX;
    }
    if (node->state == MR_CORE_NODE_SET_ASIDE) {
        node->aside_ms = node->aside_ms ? node->aside_ms : now;
        uint64_t back = node->aside_ms + core->options.aside_ms;
        if (now >= back) {
            propose(core, MR_CORE_NODE_BACK, worker, NULL);
        } else if (back < until) {
            until = back;
        }
    }
    return until;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The median duration of the phase's latest tasks; 0: too few are done to tell. */
static uint64_t median_ms(const struct mr_state_phase *phase) {
    uint64_t sorted[MR_STATE_DURATIONS];
    uint32_t done = phase->durations;
    if (done == 0 || (done < DONE_MIN && done * DONE_DIVISOR < phase->count)) {
        return 0;
    }
    uint32_t count = done < MR_STATE_DURATIONS ? done : MR_STATE_DURATIONS;
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = phase->duration_ms[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_u64);
    return sorted[count / 2] ? sorted[count / 2] : 1;
}

static bool is_slow(const struct mr_core *core, const struct mr_state_attempt *attempt,
                    uint64_t median) {
    uint64_t elapsed = core->now_ms - attempt->started_ms;
    uint64_t done = attempt->permille ? attempt->permille : 1;
    return elapsed > median && elapsed / done * (PERMILLE - done) > SLOW_FACTOR * median;
}

static bool has_free_slot(const struct mr_core *core, enum mr_phase phase) {
    enum mr_core_role own = phase == MR_PHASE_MAP ? MR_CORE_MAPS : MR_CORE_REDUCES;
    return core->node_first[own] != NONE || core->node_first[MR_CORE_DOES_BOTH] != NONE;
}

static bool may_back_up(const struct mr_core *core, const struct mr_state_job *job,
                        const struct mr_state_attempt *attempt) {
    const struct mr_state_phase *phase = &job->phases[attempt->phase];
    return !attempt->is_stopping && attempt->sibling == NONE && !attempt->is_backup &&
           phase->ready == 0 && has_free_slot(core, attempt->phase) &&
           phase->tasks[attempt->task].running == (uint32_t)(attempt - core->attempts);
}

/* Proposes a backup for the first slow attempt it meets. */
static void watch_job(struct mr_core *core, struct mr_state_job *job) {
    const uint64_t median[PHASES] = {median_ms(&job->phases[MR_PHASE_MAP]),
                                     median_ms(&job->phases[MR_PHASE_REDUCE])};
    uint32_t skip = job->slow_at;
    uint32_t looked = 0;
    job->slow_at = 0;
    for (uint32_t at = job->attempts; at != NONE; at = core->attempts[at].job_newer) {
        const struct mr_state_attempt *attempt = &core->attempts[at];
        if (looked++ < skip) {
            continue;
        }
        if (looked - skip > SLOW_LOOKS) {
            job->slow_at = looked - 1;
            return;
        }
        if (median[attempt->phase] > 0 && may_back_up(core, job, attempt) &&
            is_slow(core, attempt, median[attempt->phase])) {
            struct mr_core_attempt id = mr_state_attempt_id(attempt);
            propose(core, MR_CORE_BACKUP, mr_state_worker(core, attempt->node), &id);
            job->slow_at = looked;
            return;
        }
    }
}

int mr_watch_tick(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    (void)event;
    uint64_t now = core->now_ms;
    uint64_t wake = now + core->options.tick_ms;
    bool was_away = core->last_tick_ms == 0 || /* replayed events are of another time */
                    now - core->last_tick_ms > GAP_TICKS * core->options.tick_ms;
    if (mr_state_reserve_effects(core, 2 * (uint64_t)core->node_count + core->job_count, err)) {
        return err->code;
    }
    core->last_tick_ms = now;
    for (uint32_t i = 0; i < core->node_count; i++) {
        if (core->nodes[i].state != MR_CORE_NODE_GONE) {
            core->nodes[i].heard_ms = was_away ? now : core->nodes[i].heard_ms;
            uint64_t until = watch_node(core, i);
            wake = until < wake ? until : wake;
        }
    }
    for (uint32_t i = 0; i < core->job_count; i++) {
        if (core->jobs[i]->state == MR_CORE_JOB_RUNNING) {
            watch_job(core, core->jobs[i]);
        }
    }
    mr_state_add_effect(core, MR_CORE_WAKE_AT, NULL)->time_ms = wake;
    return MR_OK;
}

int mr_watch_heard(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    (void)err;
    struct mr_state_node *node = mr_state_find_worker(core, event->worker);
    if (node) {
        node->heard_ms = core->now_ms;
    }
    return MR_OK;
}

int mr_watch_progress(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err) {
    (void)err;
    struct mr_state_attempt *attempt = mr_attempts_find(core, event->worker, &event->attempt);
    if (attempt) {
        attempt->permille = event->permille < PERMILLE ? event->permille : PERMILLE;
    }
    return MR_OK;
}
