/* rounds: a job's way from its submission through its rounds to its end.
 *
 *     RUNNING -> CLOSING -> PUBLISHING -> STOPPING -> FINISHED
 *        ^  <------+            |
 *        +------ part lost -----+          RUNNING, CLOSING -> STOPPING  after a failure or a
 * cancel
 *
 * A round runs until every reduce task has its winner. Then the shell makes its result durable and
 * answers with the next round's tasks, or that there is none; so a loop needs no count known in
 * advance. While a round waits to be closed its map outputs are kept: a committed part may turn out
 * to be lost until the output is in place.
 *
 * FINISHED is given once, when nothing of the job runs any more, and then the job is folded into
 * the history. */
#include "master/core/rounds.h"

#include "lib/base/error.h"
#include "master/core/attempts.h"
#include "master/core/lines.h"
#include "master/core/outputs.h"
#include "master/core/schedule.h"
#include <stdlib.h>
#include <string.h>

static int refuse(struct mr_error *err, const struct mr_core_event *event, const char *why) {
    return mr_error_set(err, MR_ERR_INTERNAL, "job %u, \"%s\": %s", event->job,
                        mr_terms_event_name(event->kind), why);
}

/* ---- opening a round --------------------------------------------------------------------------
 */

/* What a round needs, made before anything is changed. */
struct opening {
    struct mr_state_phase phases[PHASES];
    struct mr_state_hosts hosts;
    uint32_t *task_hosts;
};

static void opening_fini(struct opening *opening) {
    free(opening->phases[MR_PHASE_MAP].tasks);
    free(opening->phases[MR_PHASE_REDUCE].tasks);
    mr_schedule_hosts_fini(&opening->hosts);
    free(opening->task_hosts);
}

int mr_rounds_make_phase(uint32_t count, struct mr_state_phase *phase, struct mr_error *err) {
    *phase = (struct mr_state_phase){
        .count = count, .open = count, .ready = count, .again = NONE, .again_last = NONE};
    phase->tasks = calloc((size_t)count + 1, sizeof *phase->tasks); /* never of no bytes */
    if (!phase->tasks) {
        return mr_error_nomem(err, "listing a round's tasks");
    }
    for (uint32_t i = 0; i < count; i++) {
        phase->tasks[i].node = phase->tasks[i].running = phase->tasks[i].next = NONE;
    }
    return MR_OK;
}

static int copy_hosts(const struct mr_core_shape *shape, struct opening *opening,
                      struct mr_error *err) {
    if (!shape->hosts || shape->map_tasks == 0) {
        return MR_OK;
    }
    size_t count = (size_t)shape->map_tasks * MR_CORE_HOSTS_OF_TASK;
    opening->task_hosts = malloc(count * sizeof *opening->task_hosts);
    if (!opening->task_hosts) {
        return mr_error_nomem(err, "listing where a round's input lies");
    }
    memcpy(opening->task_hosts, shape->hosts, count * sizeof *shape->hosts);
    return mr_schedule_hosts(opening->task_hosts, shape->map_tasks, &opening->hosts, err);
}

static int prepare(const struct mr_core_event *event, struct opening *opening,
                   struct mr_error *err) {
    const struct mr_core_shape *shape = &event->shape;
    *opening = (struct opening){0};
    if (shape->reduce_tasks == 0 || shape->reduce_tasks > MR_CORE_TASKS_MAX ||
        shape->map_tasks > MR_CORE_TASKS_MAX) {
        return refuse(err, event, "a round without reduce tasks, or with too many tasks");
    }
    if (mr_rounds_make_phase(shape->map_tasks, &opening->phases[MR_PHASE_MAP], err) ||
        mr_rounds_make_phase(shape->reduce_tasks, &opening->phases[MR_PHASE_REDUCE], err) ||
        copy_hosts(shape, opening, err)) {
        opening_fini(opening);
    }
    return err->code;
}

/* Takes over what was prepared. */
static void open_round(struct mr_core *core, struct mr_state_job *job,
                       const struct opening *opening) {
    struct opening before = {{job->phases[0], job->phases[1]}, job->hosts, job->task_hosts};
    memcpy(job->phases, opening->phases, sizeof job->phases);
    job->hosts = opening->hosts;
    job->task_hosts = opening->task_hosts;
    job->slow_at = 0;
    opening_fini(&before);
    mr_state_set_job_state(job, MR_CORE_JOB_RUNNING);
    mr_lines_update(core, job);
    if (job->phases[MR_PHASE_MAP].count == 0) {
        mr_state_add_effect(core, MR_CORE_MAPS_DONE, job);
    }
    mr_schedule_place(core, job);
    mr_schedule_run(core);
}

/* ---- submit -----------------------------------------------------------------------------------
 */

int mr_rounds_reserve_job(struct mr_core *core, struct mr_error *err) {
    size_t count = (size_t)core->job_count + 1;
    struct mr_state_job **jobs = realloc(core->jobs, count * sizeof(struct mr_state_job *));
    if (!jobs) {
        return mr_error_nomem(err, "taking up a job");
    }
    core->jobs = jobs;
    return mr_lines_reserve(core, err);
}

void mr_rounds_destroy_job(struct mr_state_job *job) {
    if (!job) {
        return;
    }
    struct opening tasks = {{job->phases[0], job->phases[1]}, job->hosts, job->task_hosts};
    opening_fini(&tasks);
    free(job);
}

int mr_rounds_submit(struct mr_core *core, const struct mr_core_event *event,
                     struct mr_error *err) {
    struct opening opening;
    if (event->job == 0 || event->job == NONE || event->max_attempts == 0 ||
        event->max_attempts > UINT16_MAX) {
        return refuse(err, event, "no number, or no attempts");
    }
    if (event->job <= core->last_job) {
        return MR_OK; /* submitting twice is submitting once */
    }
    if (core->job_count == MR_CORE_JOBS_MAX) {
        return refuse(err, event, "there are too many jobs");
    }
    if (mr_rounds_reserve_job(core, err) || prepare(event, &opening, err)) {
        return err->code;
    }
    struct mr_state_job *job = calloc(1, sizeof *job);
    if (!job) {
        opening_fini(&opening);
        return mr_error_nomem(err, "taking up a job");
    }
    *job = (struct mr_state_job){.number = event->job,
                                 .max_attempts = event->max_attempts,
                                 .weight = event->weight ? event->weight : 1,
                                 .is_early = event->is_early,
                                 .is_strict = event->is_strict,
                                 .attempts = NONE,
                                 .attempts_last = NONE,
                                 .line_at = {NONE, NONE, NONE}};
    core->last_job = event->job;
    core->jobs[core->job_count++] = job;
    open_round(core, job, &opening);
    return MR_OK;
}

/* ---- the end of a round, and of a job ---------------------------------------------------------
 */

static void finish(struct mr_core *core, struct mr_state_job *job) {
    uint32_t at = 0;
    mr_state_set_job_state(job, MR_CORE_JOB_FINISHED);
    struct mr_core_effect *effect = mr_state_add_effect(core, MR_CORE_FINISHED, job);
    effect->status = job->status;
    effect->attempt = job->cause;
    core->history[core->ended++ % MR_CORE_HISTORY] =
        (struct mr_state_ended){job->number, job->status};
    while (core->jobs[at] != job) {
        at++;
    }
    core->job_count--;
    memmove(&core->jobs[at], &core->jobs[at + 1],
            (core->job_count - at) * sizeof(struct mr_state_job *));
    mr_rounds_destroy_job(job);
}

static void end_round(struct mr_core *core, struct mr_state_job *job) {
    mr_state_set_job_state(job, MR_CORE_JOB_CLOSING);
    mr_attempts_stop_job(core, job);
    mr_lines_update(core, job);
    mr_state_add_effect(core, MR_CORE_ROUND_DONE, job);
}

void mr_rounds_advance(struct mr_core *core, struct mr_state_job *job) {
    if (job->state == MR_CORE_JOB_RUNNING && job->phases[MR_PHASE_REDUCE].open == 0) {
        end_round(core, job);
    } else if (job->state == MR_CORE_JOB_STOPPING && job->attempts == NONE) {
        finish(core, job);
    }
}

void mr_rounds_stop(struct mr_core *core, struct mr_state_job *job, int status,
                    const struct mr_core_attempt *cause) {
    mr_state_set_job_state(job, MR_CORE_JOB_STOPPING);
    job->status = status;
    job->cause = cause ? *cause : (struct mr_core_attempt){0};
    mr_attempts_stop_job(core, job);
    mr_lines_update(core, job);
    mr_outputs_release(core, job);
    mr_rounds_advance(core, job);
}

void mr_rounds_reopen(struct mr_core *core, struct mr_state_job *job) {
    if (job->state != MR_CORE_JOB_RUNNING) {
        mr_state_set_job_state(job, MR_CORE_JOB_RUNNING);
    }
    mr_lines_update(core, job);
}

/* ---- events -----------------------------------------------------------------------------------
 */

int mr_rounds_cancel(struct mr_core *core, const struct mr_core_event *event,
                     struct mr_error *err) {
    struct mr_state_job *job = mr_state_find_job(core, event->job);
    if (event->status >= 0) {
        return refuse(err, event, "without the status of a failure");
    }
    if (job && (job->state == MR_CORE_JOB_RUNNING || job->state == MR_CORE_JOB_CLOSING)) {
        mr_rounds_stop(core, job, event->status, NULL);
        mr_schedule_run(core);
    }
    return MR_OK;
}

int mr_rounds_close(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    struct mr_state_job *job = mr_state_find_job(core, event->job);
    struct opening opening;
    if (!job) {
        return event->job <= core->last_job ? MR_OK : refuse(err, event, "there is no such job");
    }
    bool is_stale = event->round < job->round || job->state == MR_CORE_JOB_STOPPING ||
                    (event->round == job->round && job->state == MR_CORE_JOB_PUBLISHING);
    if (is_stale) {
        return MR_OK;
    }
    if (event->round != job->round || job->state != MR_CORE_JOB_CLOSING) {
        return refuse(err, event, "the round is not done");
    }
    if (!event->has_next) {
        mr_state_set_job_state(job, MR_CORE_JOB_PUBLISHING);
        mr_state_add_effect(core, MR_CORE_PUBLISH, job);
        return MR_OK;
    }
    if (job->round + 1 == NONE) {
        return refuse(err, event, "there are too many rounds");
    }
    if (prepare(event, &opening, err)) {
        return err->code;
    }
    mr_outputs_release(core, job);
    job->round++;
    open_round(core, job, &opening);
    return MR_OK;
}

int mr_rounds_again(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    struct mr_state_job *job = mr_state_find_job(core, event->job);
    struct opening opening;
    if (!job) {
        return event->job <= core->last_job ? MR_OK : refuse(err, event, "there is no such job");
    }
    bool is_under_way = job->state == MR_CORE_JOB_RUNNING || job->state == MR_CORE_JOB_CLOSING;
    if (!is_under_way || event->round <= job->round) {
        return MR_OK;
    }
    if (event->round == NONE) {
        return refuse(err, event, "there are too many rounds");
    }
    if (prepare(event, &opening, err)) {
        return err->code;
    }
    mr_attempts_stop_job(core, job);
    mr_outputs_release(core, job);
    if (job->state == MR_CORE_JOB_RUNNING) {
        mr_state_set_job_state(job, MR_CORE_JOB_CLOSING);
    }
    job->round = event->round;
    open_round(core, job, &opening);
    return MR_OK;
}

int mr_rounds_fail(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    struct mr_state_job *job = mr_state_find_job(core, event->job);
    if (event->status >= 0) {
        return refuse(err, event, "without the status of a failure");
    }
    if (job && job->state == MR_CORE_JOB_CLOSING && event->round == job->round) {
        mr_rounds_stop(core, job, event->status, NULL);
        mr_schedule_run(core);
    }
    return MR_OK;
}

int mr_rounds_publish(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err) {
    struct mr_state_job *job = mr_state_find_job(core, event->job);
    bool has_failed = event->kind == MR_CORE_PUBLISH_FAILED;
    if (has_failed && event->status >= 0) {
        return refuse(err, event, "without the status of a failure");
    }
    if (job && job->state == MR_CORE_JOB_PUBLISHING) {
        mr_rounds_stop(core, job, has_failed ? event->status : MR_OK, NULL);
    } else if (job && job->state != MR_CORE_JOB_STOPPING) {
        return refuse(err, event, "the job does not publish");
    }
    return MR_OK;
}
