/* check: the invariants, looked at after every event by a second, slower opinion on the state.
 *
 * V2, V3  tests/sim/commit.c, at the moment the output becomes visible; here, that each row is of
 *         an attempt that was accepted, and made of the map outputs that are still the winners
 * V5      a restart gives the state that was, and nobody's acknowledgement is forgotten
 * V6      failures are counted, and a job ends for the first cause
 * V7      nothing ready waits beside a free slot; slots and outputs are counted right
 * V8      what is stale changes nothing
 * V12     a lease ends by the clock alone, and not by a gap of the clock
 * F63     nothing is discarded that is a winner's */
#include "tests/sim/check.h"

#include "tests/sim/client.h"
#include "tests/sim/commit.h"
#include "tests/sim/master.h"
#include "tests/sim/opinion.h"
#include "tests/sim/state.h"
#include "tests/sim/worker.h"

#include <inttypes.h>
#include <mr/status.h>
#include <string.h>

#define REPORTED_MAX 64

struct check {
    struct opinion opinion;
    bool is_replaying;
    /* of the event at hand */
    struct mr_core_job_view before;
    bool is_wanted; /* a result that counts */
    bool is_known;  /* one that frees a slot */
    bool is_hashed;
    uint64_t hash;
    uint32_t answers;
    /* of the clock */
    uint64_t heard[PLAN_WORKERS_MAX + 1];
    uint64_t aside[PLAN_WORKERS_MAX + 1];
    uint64_t last_tick;
};

void check_begin(struct sim *sim) {
    sim->check = sim_take(sim, sizeof *sim->check);
}

static uint64_t hash_of(struct sim *sim, const struct mr_core *core) {
    struct mr_error err = {0};
    uint64_t hash = 0;
    if (mr_core_hash(core, &hash, &err)) {
        sim_fail(sim, "V5", "no hash: %s", err.text);
    }
    return hash;
}

static bool is_result(enum mr_core_event_kind kind) {
    return kind == MR_CORE_ATTEMPT_DONE || kind == MR_CORE_ATTEMPT_FAILED ||
           kind == MR_CORE_OUTPUT_LOST;
}

/* ---- before an event --------------------------------------------------------------------------
 */

static uint32_t job_of(const struct mr_core_event *event) {
    return is_result(event->kind) || event->kind == MR_CORE_BACKUP ||
                   event->kind == MR_CORE_PART_LOST
               ? event->attempt.job
               : event->job;
}

/* Whether it says nothing new about what must be kept. */
static bool is_idle(const struct sim *sim, const struct mr_core_event *event) {
    const struct check *check = sim->check;
    uint64_t incarnation = check->opinion.incarnation[event->worker.node];
    switch (event->kind) {
    case MR_CORE_ATTEMPT_DONE:
    case MR_CORE_ATTEMPT_FAILED:
    case MR_CORE_OUTPUT_LOST:
        return !check->is_known;
    case MR_CORE_NODE_UP:
        return check->opinion.latest[event->worker.node] >= event->worker.incarnation;
    case MR_CORE_NODE_LOST:
    case MR_CORE_NODE_DRAIN:
    case MR_CORE_NODE_BACK:
        return incarnation != event->worker.incarnation;
    case MR_CORE_SUBMIT:
        return check->opinion.job[event->job].is_known;
    default:
        return !mr_terms_event_is_durable(event->kind) &&
               sim_number(sim, 'v', sim->met[SIM_MET_EVENTS], 0) % 32 == 0;
    }
}

static void note_time(struct sim *sim, const struct mr_core_event *event) {
    struct check *check = sim->check;
    uint64_t now = master_clock(sim);
    if (event->kind == MR_CORE_TICK) {
        bool was_away = check->last_tick > 0 && now - check->last_tick > 2 * sim->plan->tick_ms;
        for (uint32_t node = 1; was_away && node <= sim->plan->workers; node++) {
            check->heard[node] = now;
        }
        check->last_tick = now;
    }
    bool is_new = event->kind == MR_CORE_NODE_UP &&
                  event->worker.incarnation > check->opinion.latest[event->worker.node];
    bool is_heard = event->kind == MR_CORE_HEARD &&
                    event->worker.incarnation == check->opinion.incarnation[event->worker.node];
    if (is_new || is_heard) {
        check->heard[event->worker.node] = now;
    }
}

void check_before(struct sim *sim, const struct mr_core *core, const struct mr_core_event *event) {
    struct check *check = sim->check;
    const struct opinion_try *try = NULL;
    if (is_result(event->kind)) {
        try = opinion_expected(&check->opinion, event);
    }
    note_time(sim, event);
    check->before = mr_core_job(core, job_of(event));
    check->is_known = try != NULL;
    check->is_wanted = try && try->stage == OPINION_RUNNING;
    check->answers = 0;
    check->is_hashed = !check->is_replaying && is_idle(sim, event);
    if (check->is_hashed) {
        check->hash = hash_of(sim, core);
    }
}

/* ---- effects ----------------------------------------------------------------------------------
 */

static bool is_winner(const struct mr_core *core, const struct mr_core_attempt *id) {
    struct mr_core_job_view view = mr_core_job(core, id->job);
    return view.round == id->round && view.state != MR_CORE_JOB_STOPPING &&
           view.state != MR_CORE_JOB_FINISHED &&
           mr_core_winner(core, id->job, id->phase, id->task).attempt == id->attempt;
}

static void check_answer(struct sim *sim, const struct mr_core *core,
                         const struct mr_core_event *event, const struct mr_core_effect *effect) {
    struct check *check = sim->check;
    bool is_won = event->kind == MR_CORE_ATTEMPT_DONE && check->is_wanted;
    if (event->kind == MR_CORE_ATTEMPT_DONE && !check->is_known &&
        is_winner(core, &event->attempt)) {
        struct mr_core_winner winner =
            mr_core_winner(core, event->attempt.job, event->attempt.phase, event->attempt.task);
        is_won = winner.worker.node == event->worker.node &&
                 winner.worker.incarnation == event->worker.incarnation;
        sim->met[SIM_MET_REPEATED]++;
    }
    check->answers++;
    if (!sim_is_same_attempt(&event->attempt, &effect->attempt) ||
        event->worker.node != effect->worker.node ||
        event->worker.incarnation != effect->worker.incarnation) {
        sim_fail(sim, "V8", "the answer to %s is about %s", sim_attempt_words(&event->attempt),
                 sim_attempt_words(&effect->attempt));
    } else if (effect->is_accepted != is_won) {
        sim_fail(sim, "V8", "%s of worker %u is %saccepted", sim_attempt_words(&event->attempt),
                 event->worker.node, effect->is_accepted ? "" : "not ");
    }
}

/* Attempts of a phase that a job has on slots. */
static uint32_t count_busy(const struct opinion_job *job, enum mr_phase phase) {
    uint32_t count = 0;
    for (const struct opinion_try *try = job->tries; try; try = try->next) {
        count += try->stage != OPINION_OVER && try->id.phase == phase;
    }
    return count;
}

/* Whether a job has a task of the phase that could start anywhere. */
static bool is_waiting(const struct sim *sim, const struct mr_core *core, uint32_t job,
                       enum mr_phase phase) {
    struct mr_core_job_view view = mr_core_job(core, job);
    bool has_ready[PLAN_TASKS_MAX] = {0};
    uint32_t tasks = phase == MR_PHASE_MAP ? view.map_tasks : view.reduce_tasks;
    if (view.state != MR_CORE_JOB_RUNNING || (phase == MR_PHASE_REDUCE && view.maps_open > 0)) {
        return false;
    }
    for (uint32_t i = 0; i < tasks; i++) {
        has_ready[i] = mr_core_winner(core, job, phase, i).attempt == 0;
    }
    for (const struct opinion_try *try = sim->check->opinion.job[job].tries; try; try = try->next) {
        if (try->stage == OPINION_RUNNING && try->id.phase == phase) {
            has_ready[try->id.task] = false;
        }
    }
    return memchr(has_ready, true, sizeof has_ready) != NULL;
}

/* The share of slots of the job that gets one is not above that of another that waits. */
static void check_share(struct sim *sim, const struct mr_core *core,
                        const struct mr_core_attempt *id) {
    const struct plan_job *plan = sim->plan->job;
    uint32_t own = count_busy(&sim->check->opinion.job[id->job], id->phase);
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        const struct opinion_job *other = &sim->check->opinion.job[job];
        if (job == id->job || !other->is_known || other->is_ended ||
            !is_waiting(sim, core, job, id->phase)) {
            continue;
        }
        uint32_t weight = plan[job].weight ? plan[job].weight : 1;
        uint32_t own_weight = plan[id->job].weight ? plan[id->job].weight : 1;
        if (own * weight > count_busy(other, id->phase) * own_weight) {
            sim_fail(sim, "V7", "%s gets a slot, though job %u has a smaller share",
                     sim_attempt_words(id), job);
        }
    }
}

/* Where and when it may start, besides what the opinion says of it. */
static void check_start(struct sim *sim, const struct mr_core *core,
                        const struct mr_core_effect *effect) {
    const struct mr_core_attempt *id = &effect->attempt;
    struct mr_core_job_view job = mr_core_job(core, id->job);
    struct mr_core_node_view node = mr_core_node(core, effect->worker.node);
    const struct opinion_try *other = sim->check->opinion.job[id->job].tries;
    bool is_early = sim->plan->job[id->job].is_early && node.roles == MR_CORE_REDUCES;
    if (node.state != MR_CORE_NODE_READY) {
        sim_fail(sim, "V7", "%s is started on worker %u, which shall get nothing",
                 sim_attempt_words(id), effect->worker.node);
    } else if (id->phase == MR_PHASE_REDUCE && job.maps_open > 0 && !is_early) {
        sim_fail(sim, "V7", "%s is started before the maps are done", sim_attempt_words(id));
    }
    bool is_backup = false;
    for (; other; other = other->next) {
        bool is_beside = other->stage == OPINION_RUNNING && other->id.phase == id->phase &&
                         other->id.task == id->task && other->id.round == id->round;
        is_backup |= is_beside;
        if (is_beside && other->worker.node == effect->worker.node) {
            sim_fail(sim, "V7", "%s is started beside try %u on the same worker",
                     sim_attempt_words(id), other->id.attempt);
        }
    }
    if (!is_backup && sim->plan->jobs > 1 && job.maps_open * (id->phase == MR_PHASE_REDUCE) == 0) {
        check_share(sim, core, id);
    }
    opinion_start(sim, &sim->check->opinion, effect);
}

static void check_stop(struct sim *sim, const struct mr_core_effect *effect) {
    struct opinion_try *try =
        opinion_find(&sim->check->opinion.job[effect->attempt.job], &effect->attempt);
    if (!try || try->stage != OPINION_RUNNING || try->worker.node != effect->worker.node ||
        try->worker.incarnation != effect->worker.incarnation) {
        sim_fail(sim, "V8", "%s is stopped, but does not run on worker %u",
                 sim_attempt_words(&effect->attempt), effect->worker.node);
        return;
    }
    try->stage = OPINION_STOPPING;
}

static void check_discard(struct sim *sim, const struct mr_core *core,
                          const struct mr_core_effect *effect) {
    const struct mr_core_attempt *id = &effect->attempt;
    struct opinion_try *try = opinion_find(&sim->check->opinion.job[id->job], id);
    if (is_winner(core, id)) {
        sim_fail(sim, "F63", "%s is discarded, but won its task", sim_attempt_words(id));
    } else if (try) {
        try->is_discarded = true;
    }
}

static void check_discard_round(struct sim *sim, const struct mr_core *core,
                                const struct mr_core_effect *effect) {
    struct mr_core_job_view view = mr_core_job(core, effect->job);
    struct opinion_job *job = &sim->check->opinion.job[effect->job];
    bool is_needed = view.round == effect->round && view.state != MR_CORE_JOB_STOPPING &&
                     view.state != MR_CORE_JOB_FINISHED;
    if (is_needed) {
        sim_fail(sim, "F63", "round %u of job %u is discarded, but is not over", effect->round,
                 effect->job);
    }
    for (struct opinion_try *try = job->tries; try; try = try->next) {
        try->is_discarded |= try->id.round == effect->round && try->id.phase == MR_PHASE_MAP;
    }
}

/* What a job leaves behind: no attempt, and no map output that nobody was told to remove. */
static void check_left(struct sim *sim, const struct opinion_job *job) {
    for (const struct opinion_try *try = job->tries; try; try = try->next) {
        bool is_left = try->has_won && try->id.phase == MR_PHASE_MAP && !try->is_discarded;
        if (try->stage != OPINION_OVER || is_left) {
            sim_fail(sim, "V7", "%s is left behind by its job", sim_attempt_words(&try->id));
        }
    }
}

static void check_finished(struct sim *sim, const struct mr_core_effect *effect) {
    struct opinion_job *job = &sim->check->opinion.job[effect->job];
    if (job->is_ended || !job->has_end) {
        sim_fail(sim, "V6", "job %u ends %s", effect->job, job->is_ended ? "twice" : "for nothing");
    } else if (effect->status != job->end_status) {
        sim_fail(sim, "V6", "job %u ends with status %d instead of %d", effect->job, effect->status,
                 job->end_status);
    } else if (!sim_is_same_attempt(&effect->attempt, &job->end_cause)) {
        sim_fail(sim, "V6", "job %u ends because of %s, and not of %s", effect->job,
                 sim_attempt_words(&effect->attempt), sim_attempt_words(&job->end_cause));
    } else if (commit_is_visible(sim, effect->job) != (effect->status == 0)) {
        sim_fail(sim, "V1", "job %u ends with status %d, its output is %svisible", effect->job,
                 effect->status, commit_is_visible(sim, effect->job) ? "" : "not ");
    }
    check_left(sim, job);
    job->is_ended = true;
    if (!sim->check->is_replaying) {
        sim->met[effect->status == 0                    ? SIM_MET_DONE
                 : effect->status == MR_ERR_INTERRUPTED ? SIM_MET_CANCELLED
                                                        : SIM_MET_FAILED]++;
    }
}

static void check_news(struct sim *sim, const struct mr_core *core,
                       const struct mr_core_effect *effect) {
    static const enum sim_met met[MR_CORE_NEWS_KINDS] = {
        [MR_CORE_TELL_RETRYING] = SIM_MET_FAULT,
        [MR_CORE_TELL_NODE_ASIDE] = SIM_MET_ASIDE,
        [MR_CORE_TELL_NODE_DRAINED] = SIM_MET_DRAINED,
        [MR_CORE_TELL_OUTPUT_AGAIN] = SIM_MET_OUTPUT_AGAIN,
        [MR_CORE_TELL_PART_AGAIN] = SIM_MET_PART_AGAIN,
        [MR_CORE_TELL_NOT_DETERMINISTIC] = SIM_MET_NOT_DETERMINISTIC,
    };
    struct mr_core_node_view node = mr_core_node(core, effect->worker.node);
    if (effect->news == MR_CORE_TELL_NODE_DRAINED && (node.busy > 0 || node.held > 0)) {
        sim_fail(sim, "V7", "worker %u is said to be drained, but is not", effect->worker.node);
    }
    sim->met[met[effect->news]]++;
    if (effect->news == MR_CORE_TELL_NODE_ASIDE) {
        sim->check->aside[effect->worker.node] = master_clock(sim);
    }
}

static void check_effect(struct sim *sim, const struct mr_core *core,
                         const struct mr_core_event *event, const struct mr_core_effect *effect) {
    enum mr_core_job_state state = mr_core_job(core, effect->job).state;
    switch (effect->kind) {
    case MR_CORE_START:
        check_start(sim, core, effect);
        break;
    case MR_CORE_STOP:
        check_stop(sim, effect);
        break;
    case MR_CORE_ANSWER:
        check_answer(sim, core, event, effect);
        break;
    case MR_CORE_DISCARD:
        check_discard(sim, core, effect);
        break;
    case MR_CORE_DISCARD_ROUND:
        check_discard_round(sim, core, effect);
        break;
    case MR_CORE_ROUND_DONE:
    case MR_CORE_PUBLISH:
        if (state !=
            (effect->kind == MR_CORE_PUBLISH ? MR_CORE_JOB_PUBLISHING : MR_CORE_JOB_CLOSING)) {
            sim_fail(sim, "V1", "job %u: \"%s\" too early", effect->job,
                     mr_terms_effect_name(effect->kind));
        }
        break;
    case MR_CORE_TELL:
        check_news(sim, core, effect);
        break;
    case MR_CORE_FINISHED:
        check_finished(sim, effect);
        break;
    case MR_CORE_WAKE_AT:
        if (effect->time_ms <= master_clock(sim)) {
            sim_fail(sim, "F62", "the core wants to be woken at once: a busy loop");
        }
        break;
    default:
        break;
    }
}

/* ---- after an event ---------------------------------------------------------------------------
 */

/* An output that a returning worker keeps is one that it offered. */
static void check_offers(struct sim *sim, const struct mr_core *core,
                         const struct mr_core_event *event) {
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        struct mr_core_job_view view = mr_core_job(core, job);
        for (uint32_t i = 0; i < view.map_tasks; i++) {
            struct mr_core_winner winner = mr_core_winner(core, job, MR_PHASE_MAP, i);
            struct mr_core_attempt id = {job, view.round, MR_PHASE_MAP, i, winner.attempt};
            if (winner.attempt == 0 || winner.worker.node != event->worker.node ||
                winner.worker.incarnation != event->worker.incarnation) {
                continue;
            }
            uint32_t at = 0;
            while (at < event->held_count && !sim_is_same_attempt(&event->held[at], &id)) {
                at++;
            }
            sim->met[SIM_MET_OFFER_TAKEN]++;
            if (at == event->held_count) {
                sim_fail(sim, "F18", "%s counts as held, but was not offered",
                         sim_attempt_words(&id));
            }
        }
    }
}

static void check_quiet(struct sim *sim, const struct mr_core *core,
                        const struct mr_core_event *event) {
    if (hash_of(sim, core) != sim->check->hash) {
        sim_fail(sim, "V8", "a stale \"%s\" changes the state", mr_terms_event_name(event->kind));
    }
    sim->met[SIM_MET_STALE] += is_result(event->kind);
}

void check_event(struct sim *sim, const struct mr_core *core, const struct mr_core_event *event,
                 const struct mr_core_effects *effects) {
    struct check *check = sim->check;
    bool is_new = event->kind == MR_CORE_NODE_UP &&
                  event->worker.incarnation > check->opinion.latest[event->worker.node];
    struct opinion_job *job = &check->opinion.job[job_of(event)];
    opinion_take(sim, &check->opinion, event, &check->before);
    if (event->kind == MR_CORE_OUTPUT_LOST &&
        job->task[MR_PHASE_MAP][event->lost_task].reports > REPORTED_MAX &&
        mr_core_job(core, event->attempt.job).state == MR_CORE_JOB_STOPPING) {
        opinion_must_end(job, MR_ERR_IO, &event->attempt);
    }
    for (size_t i = 0; i < effects->count && !sim->has_failed; i++) {
        check_effect(sim, core, event, &effects->items[i]);
    }
    if (is_result(event->kind) && check->answers != 1) {
        sim_fail(sim, "V8", "\"%s\" has %u answers", mr_terms_event_name(event->kind),
                 check->answers);
    }
    if (check->is_hashed) {
        check_quiet(sim, core, event);
    }
    if (is_new) {
        check_offers(sim, core, event);
    }
    if (mr_terms_event_is_durable(event->kind) && !sim->has_failed) {
        state_check(sim, core, &check->opinion);
    }
}

/* ---- time -------------------------------------------------------------------------------------
 */

void check_proposal(struct sim *sim, const struct mr_core_event *event) {
    struct check *check = sim->check;
    uint32_t node = event->worker.node;
    uint64_t now = master_clock(sim);
    if (event->kind == MR_CORE_NODE_LOST) {
        sim->met[SIM_MET_LEASE_LOST]++;
        if (now - check->heard[node] < sim->plan->lease_ms) {
            sim_fail(sim, "V12", "worker %u is given up after %" PRIu64 " ms", node,
                     now - check->heard[node]);
        }
    } else if (event->kind == MR_CORE_NODE_BACK) {
        sim->met[SIM_MET_BACK]++;
        if (now - check->aside[node] < sim->plan->aside_ms) {
            sim_fail(sim, "V12", "worker %u is taken back too early", node);
        }
    } else if (event->kind == MR_CORE_BACKUP) {
        const struct opinion_try *try =
            opinion_find(&check->opinion.job[event->attempt.job], &event->attempt);
        sim->met[SIM_MET_BACKUP]++;
        if (!try || try->stage != OPINION_RUNNING) {
            sim_fail(sim, "V8", "a backup for %s, which does not run",
                     sim_attempt_words(&event->attempt));
        }
    }
}

void check_leases(struct sim *sim) {
    struct check *check = sim->check;
    uint64_t now = master_clock(sim);
    const struct mr_core *core = master_core(sim);
    for (uint32_t node = 1; core && node <= sim->plan->workers && !sim->has_failed; node++) {
        struct mr_core_node_view view = mr_core_node(core, node);
        uint64_t silent = now - check->heard[node];
        if (view.state != MR_CORE_NODE_GONE &&
            silent > sim->plan->lease_ms + 3 * sim->plan->tick_ms) {
            sim_fail(sim, "F8", "worker %u was not heard for %" PRIu64 " ms, but is not lost", node,
                     silent);
        } else if (view.state == MR_CORE_NODE_SET_ASIDE && check->aside[node] > 0 &&
                   now - check->aside[node] >
                       sim->plan->aside_ms + sim->plan->lease_ms + 3 * sim->plan->tick_ms) {
            sim_fail(sim, "V6", "worker %u is set aside for too long", node);
        }
    }
}

/* ---- outstanding, restart, rest ---------------------------------------------------------------
 */

void check_outstanding(struct sim *sim, const struct mr_core *core,
                       const struct mr_core_effects *effects) {
    const struct opinion *opinion = &sim->check->opinion;
    size_t expected = 0;
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        enum mr_core_job_state state = mr_core_job(core, job).state;
        expected += state == MR_CORE_JOB_CLOSING || state == MR_CORE_JOB_PUBLISHING;
        for (const struct opinion_try *try = opinion->job[job].tries; try; try = try->next) {
            expected += try->stage != OPINION_OVER;
        }
    }
    if (expected != effects->count) {
        sim_fail(sim, "V5", "%zu effects are outstanding, and not %zu", effects->count, expected);
    }
    for (size_t i = 0; i < effects->count && !sim->has_failed; i++) {
        const struct mr_core_effect *effect = &effects->items[i];
        if (effect->kind != MR_CORE_START && effect->kind != MR_CORE_STOP) {
            continue;
        }
        const struct opinion_try *try =
            opinion_find(&opinion->job[effect->attempt.job], &effect->attempt);
        enum opinion_stage stage =
            effect->kind == MR_CORE_START ? OPINION_RUNNING : OPINION_STOPPING;
        if (!try || try->stage != stage || try->worker.incarnation != effect->worker.incarnation) {
            sim_fail(sim, "V5", "\"%s\" of %s is not outstanding",
                     mr_terms_effect_name(effect->kind), sim_attempt_words(&effect->attempt));
        }
    }
}

void check_restart(struct sim *sim) {
    *sim->check = (struct check){.is_replaying = true};
}

void check_replayed(struct sim *sim) {
    struct check *check = sim->check;
    check->is_replaying = false;
    check->last_tick = master_clock(sim);
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        check->heard[node] = check->aside[node] = master_clock(sim);
    }
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        if (client_has(sim, CLIENT_SUBMIT, job) && !check->opinion.job[job].is_known) {
            sim_fail(sim, "V5", "job %u was acknowledged, and is forgotten", job);
        }
    }
}

bool check_is_ended(const struct sim *sim) {
    uint32_t job = 1;
    while (job <= sim->plan->jobs && sim->check->opinion.job[job].is_ended) {
        job++;
    }
    return job > sim->plan->jobs;
}

void check_rest(struct sim *sim, const struct mr_core *core) {
    for (uint32_t node = 1; core && node <= sim->plan->workers; node++) {
        struct mr_core_node_view view = mr_core_node(core, node);
        if (view.state != MR_CORE_NODE_GONE && (view.busy > 0 || view.held > 0)) {
            sim_fail(sim, "V7", "worker %u: %u slots and %u outputs are left", node, view.busy,
                     view.held);
        } else if (sim->is_up[node] && worker_active(sim, node) > 0) {
            sim_fail(sim, "V7", "worker %u runs on, though every job has ended", node);
        }
    }
}
