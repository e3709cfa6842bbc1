/* results: what workers and the shell say of attempts.
 *
 * A result counts where the attempt is found among those that its worker, in this incarnation, runs
 * and that are not being stopped. Every other one is stale: from a node that was given up, of a
 * task that another attempt won, of a job that ended, or said twice. It changes nothing but that
 * its slot is free, and is answered like the first time. A result of a round that is closed is
 * answered "not accepted", also where it had won: nothing is needed any more where the attempt left
 * it. */
#include "master/core/results.h"

#include "lib/base/error.h"
#include "master/core/attempts.h"
#include "master/core/lines.h"
#include "master/core/outputs.h"
#include "master/core/rounds.h"
#include "master/core/schedule.h"
#include "master/core/slots.h"

/* A node is set aside after so many failures in a row, as long as no more than one node in three
 * is, and others do what it does. */
#define NODE_FAILURES_MAX 3
#define NODES_ASIDE_DIVISOR 3

/* Backups of a phase: one, and one more for so many of its tasks. */
#define TASKS_PER_BACKUP 10

static void answer(struct mr_core *core, const struct mr_core_event *event, bool is_accepted) {
    mr_state_add_attempt_effect(core, MR_CORE_ANSWER, event->worker, &event->attempt)->is_accepted =
        is_accepted;
}

static struct mr_state_task *find_task(const struct mr_state_job *job,
                                       const struct mr_core_attempt *id) {
    const struct mr_state_phase *phase = &job->phases[id->phase];
    bool is_current = id->round == job->round && id->task < phase->count;
    return is_current ? &phase->tasks[id->task] : NULL;
}

/* Whether this attempt won its task, which is still there. */
static bool has_won(const struct mr_core *core, const struct mr_core_event *event) {
    const struct mr_state_job *job = mr_state_find_job(core, event->attempt.job);
    const struct mr_state_task *task = job ? find_task(job, &event->attempt) : NULL;
    return task && job->state != MR_CORE_JOB_STOPPING && task->winner > 0 &&
           task->winner == event->attempt.attempt && task->node == event->worker.node &&
           task->incarnation == event->worker.incarnation;
}

/* Frees the attempt's slot and discards what it left. */
static void release(struct mr_core *core, struct mr_state_attempt *attempt) {
    struct mr_core_attempt id = mr_state_attempt_id(attempt);
    uint32_t node = attempt->node;
    struct mr_core_worker worker = mr_state_worker(core, node);
    mr_attempts_remove(core, attempt);
    mr_state_add_attempt_effect(core, MR_CORE_DISCARD, worker, &id);
    mr_outputs_tell_drained(core, node);
}

/* The task runs again unless another attempt of it does. */
static void run_again(struct mr_core *core, struct mr_state_job *job,
                      const struct mr_core_attempt *id) {
    if (find_task(job, id)->running == NONE) {
        mr_schedule_again(core, job, id->phase, id->task);
    }
}

void mr_results_drop(struct mr_core *core, struct mr_state_attempt *attempt) {
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    struct mr_core_attempt id = mr_state_attempt_id(attempt);
    bool was_wanted = !attempt->is_stopping;
    release(core, attempt);
    if (was_wanted) {
        run_again(core, job, &id);
    }
    mr_rounds_advance(core, job);
}

static bool is_well_formed(const struct mr_core_event *event, struct mr_error *err) {
    bool is_phase = event->attempt.phase == MR_PHASE_MAP || event->attempt.phase == MR_PHASE_REDUCE;
    if (!is_phase) {
        mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" of no phase", mr_terms_event_name(event->kind));
    }
    return is_phase;
}

/* Finds the attempt that a result is of; NULL: the result is stale, and has been dealt with. */
static struct mr_state_attempt *expect(struct mr_core *core, const struct mr_core_event *event) {
    struct mr_state_attempt *attempt = mr_attempts_find(core, event->worker, &event->attempt);
    if (attempt && !attempt->is_stopping) {
        return attempt;
    }
    answer(core, event, event->kind == MR_CORE_ATTEMPT_DONE && has_won(core, event));
    if (attempt) {
        mr_results_drop(core, attempt);
        mr_schedule_run(core);
    }
    return NULL;
}

/* ---- done -------------------------------------------------------------------------------------
 */

/* Every reduce task of the round starts again: they may have read records that are not the same any
 * more. */
static void restart_reduces(struct mr_core *core, struct mr_state_job *job) {
    const struct mr_state_phase *reduce = &job->phases[MR_PHASE_REDUCE];
    for (uint32_t i = 0; i < reduce->count; i++) {
        if (reduce->tasks[i].winner > 0) {
            mr_outputs_withdraw(core, job, MR_PHASE_REDUCE, i);
        } else if (reduce->tasks[i].running != NONE) {
            mr_attempts_stop_task(core, &reduce->tasks[i]);
            mr_schedule_again(core, job, MR_PHASE_REDUCE, i);
        }
    }
}

static bool gives_other_records(const struct mr_state_job *job, const struct mr_core_event *event) {
    const struct mr_state_task *task = find_task(job, &event->attempt);
    return event->attempt.phase == MR_PHASE_MAP && task->has_digest &&
           task->digest != event->digest;
}

/* The attempt, which is in no list any more, wins its task; `is_other`: with other records than an
 * earlier winner gave. */
static void win(struct mr_core *core, struct mr_state_job *job, const struct mr_core_event *event,
                bool is_other) {
    const struct mr_core_attempt *id = &event->attempt;
    core->nodes[event->worker.node].failures = 0;
    mr_attempts_stop_task(core, find_task(job, id));
    mr_outputs_win(core, job, id, event->worker, event->digest);
    if (is_other) {
        struct mr_core_effect *told =
            mr_state_add_attempt_effect(core, MR_CORE_TELL, event->worker, id);
        told->news = MR_CORE_TELL_NOT_DETERMINISTIC;
    }
    if (is_other && job->is_strict) {
        mr_rounds_stop(core, job, MR_ERR_JOB, id);
        return;
    }
    if (is_other) {
        restart_reduces(core, job);
    }
    if (id->phase == MR_PHASE_MAP && job->phases[MR_PHASE_MAP].open == 0) {
        mr_state_add_effect(core, MR_CORE_MAPS_DONE, job);
    }
    mr_lines_update(core, job);
    mr_rounds_advance(core, job);
}

int mr_results_done(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    struct mr_state_attempt *attempt = is_well_formed(event, err) ? expect(core, event) : NULL;
    if (!attempt) {
        return err->code;
    }
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    struct mr_state_phase *phase = &job->phases[attempt->phase];
    bool is_other = gives_other_records(job, event);
    if (is_other &&
        mr_state_reserve_effects(core, 4 * (uint64_t)job->phases[MR_PHASE_REDUCE].count, err)) {
        return err->code;
    }
    uint64_t lasted_ms = core->now_ms - attempt->started_ms;
    phase->duration_ms[phase->durations++ % MR_STATE_DURATIONS] = lasted_ms;
    answer(core, event, true);
    mr_attempts_remove(core, attempt);
    win(core, job, event, is_other);
    mr_outputs_tell_drained(core, event->worker.node);
    mr_schedule_run(core);
    return MR_OK;
}

/* ---- failed -----------------------------------------------------------------------------------
 */

/* Whether all that a node does is done by others too. Without it jobs would wait for it to be taken
 * back, where by the failures of its own one job ends at once. */
static bool is_spare(const struct mr_core *core, uint32_t node) {
    unsigned done = 0;
    for (uint32_t i = 0; i < core->node_count; i++) {
        bool does = i != node && core->nodes[i].state == MR_CORE_NODE_READY;
        done |= does ? (unsigned)core->nodes[i].roles : 0;
    }
    return !((unsigned)core->nodes[node].roles & ~done);
}

static void count_node_failure(struct mr_core *core, uint32_t node) {
    struct mr_state_node *about = &core->nodes[node];
    about->failures++;
    if (about->state != MR_CORE_NODE_READY || about->failures < NODE_FAILURES_MAX ||
        (core->aside + 1) * NODES_ASIDE_DIVISOR > core->up || !is_spare(core, node)) {
        return;
    }
    mr_state_set_node_state(core, about, MR_CORE_NODE_SET_ASIDE);
    about->aside_ms = core->now_ms;
    mr_slots_update(core, node);
    struct mr_core_effect *told = mr_state_add_effect(core, MR_CORE_TELL, NULL);
    told->news = MR_CORE_TELL_NODE_ASIDE;
    told->worker = mr_state_worker(core, node);
}

/* Counts a failure against the task; whether it has had too many. */
static bool count_failure(const struct mr_state_job *job, struct mr_state_task *task,
                          const struct mr_core_event *event) {
    task->node = event->worker.node;
    if (event->is_uncounted && task->uncounted < MR_STATE_UNCOUNTED_MAX) {
        task->uncounted++;
        return false;
    }
    if (task->failures++ == 0) {
        task->first_cause = event->status;
        task->first_attempt = event->attempt.attempt;
    }
    return task->failures >= job->max_attempts;
}

int mr_results_failed(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err) {
    if (event->status >= 0) {
        return mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" without the status of a failure",
                            mr_terms_event_name(event->kind));
    }
    struct mr_state_attempt *attempt = is_well_formed(event, err) ? expect(core, event) : NULL;
    if (!attempt) {
        return err->code;
    }
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    struct mr_state_task *task = find_task(job, &event->attempt);
    struct mr_core_attempt cause = event->attempt;
    answer(core, event, false);
    release(core, attempt);
    bool is_hopeless = count_failure(job, task, event);
    if (!event->is_uncounted) {
        count_node_failure(core, event->worker.node);
    }
    if (event->is_fatal || is_hopeless) {
        cause.attempt = event->is_fatal ? cause.attempt : task->first_attempt;
        mr_rounds_stop(core, job, event->is_fatal ? event->status : task->first_cause, &cause);
    } else {
        struct mr_core_effect *told =
            mr_state_add_attempt_effect(core, MR_CORE_TELL, event->worker, &event->attempt);
        told->news = MR_CORE_TELL_RETRYING;
        told->status = event->status;
        run_again(core, job, &event->attempt);
    }
    mr_schedule_run(core);
    return MR_OK;
}

/* ---- lost -------------------------------------------------------------------------------------
 */

/* One report may be about the network of the one who reports; two are about the output. */
static void report_output(struct mr_core *core, struct mr_state_job *job,
                          const struct mr_core_event *event) {
    struct mr_state_phase *map = &job->phases[MR_PHASE_MAP];
    if (event->lost_task >= map->count) {
        return;
    }
    struct mr_state_task *task = &map->tasks[event->lost_task];
    if (task->winner == 0 || task->winner != event->lost_attempt) {
        return; /* it is being made again, or was */
    }
    task->reports++;
    if (!mr_outputs_is_held(core, task)) {
        mr_outputs_withdraw(core, job, MR_PHASE_MAP, event->lost_task);
    } else if (task->reports >= 2 && ++task->reported <= MR_STATE_REPORTED_MAX) {
        mr_outputs_withdraw(core, job, MR_PHASE_MAP, event->lost_task);
    } else if (task->reports >= 2) {
        mr_rounds_stop(core, job, MR_ERR_IO, &event->attempt);
    }
}

int mr_results_output_lost(struct mr_core *core, const struct mr_core_event *event,
                           struct mr_error *err) {
    if (event->attempt.phase != MR_PHASE_REDUCE) {
        return mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" said by a map attempt",
                            mr_terms_event_name(event->kind));
    }
    struct mr_state_attempt *attempt = expect(core, event);
    if (!attempt) {
        return err->code;
    }
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    struct mr_state_task *task = find_task(job, &event->attempt);
    answer(core, event, false);
    release(core, attempt);
    task->node = event->worker.node;
    if (task->uncounted++ < MR_STATE_UNCOUNTED_MAX) {
        run_again(core, job, &event->attempt);
        report_output(core, job, event);
    } else {
        mr_rounds_stop(core, job, MR_ERR_IO, &event->attempt);
    }
    mr_schedule_run(core);
    return MR_OK;
}

int mr_results_part_lost(struct mr_core *core, const struct mr_core_event *event,
                         struct mr_error *err) {
    const struct mr_core_attempt *id = &event->attempt;
    if (id->phase != MR_PHASE_REDUCE) {
        return mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" of a map attempt",
                            mr_terms_event_name(event->kind));
    }
    struct mr_state_job *job = mr_state_find_job(core, id->job);
    const struct mr_state_task *task = job ? find_task(job, id) : NULL;
    if (!task || job->state == MR_CORE_JOB_STOPPING || task->winner == 0 ||
        task->winner != id->attempt) {
        return MR_OK;
    }
    if (mr_state_reserve_effects(core, 3 * (uint64_t)job->phases[MR_PHASE_MAP].count, err)) {
        return err->code;
    }
    mr_rounds_reopen(core, job);
    mr_outputs_withdraw(core, job, MR_PHASE_REDUCE, id->task);
    mr_outputs_want_maps(core, job);
    mr_schedule_run(core);
    return MR_OK;
}

/* ---- slow -------------------------------------------------------------------------------------
 */

int mr_results_backup(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err) {
    const struct mr_core_attempt *id = &event->attempt;
    struct mr_state_job *job = mr_state_find_job(core, id->job);
    if (!is_well_formed(event, err) || !job || job->state != MR_CORE_JOB_RUNNING) {
        return err->code;
    }
    struct mr_state_phase *phase = &job->phases[id->phase];
    const struct mr_state_task *task = find_task(job, id);
    if (!task || task->winner > 0 || task->running == NONE || task->attempts != id->attempt ||
        phase->backups > phase->count / TASKS_PER_BACKUP ||
        (id->phase == MR_PHASE_REDUCE && job->phases[MR_PHASE_MAP].open > 0)) {
        return MR_OK;
    }
    (void)mr_schedule_backup(core, job, id->phase, id->task, core->attempts[task->running].node);
    return MR_OK;
}
