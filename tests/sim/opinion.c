/* opinion: a second book about jobs and attempts, kept by plain lists and compared with the core's.
 */
#include "tests/sim/opinion.h"

#include <mr/status.h>
#include <string.h>

struct opinion_try *opinion_find(const struct opinion_job *job, const struct mr_core_attempt *id) {
    struct opinion_try *try = job->tries;
    while (try && !sim_is_same_attempt(&try->id, id)) {
        try = try->next;
    }
    return try;
}

struct opinion_try *opinion_expected(const struct opinion *opinion,
                                     const struct mr_core_event *event) {
    struct opinion_try *try = opinion_find(&opinion->job[event->attempt.job], &event->attempt);
    bool is_expected = try && try->stage != OPINION_OVER &&
                       try->worker.node == event->worker.node &&
                       try->worker.incarnation == event->worker.incarnation;
    return is_expected ? try : NULL
        ;
}

void opinion_must_end(struct opinion_job *job, int status, const struct mr_core_attempt *cause) {
    if (!job->has_end) {
        job->has_end = true;
        job->end_status = status;
        job->end_cause = cause ? *cause : (struct mr_core_attempt){0};
    }
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void lose_worker(struct opinion *opinion, uint32_t node) {
    for (uint32_t job = 1; job <= PLAN_JOBS_MAX; job++) {
        for (struct opinion_try *try = opinion->job[job].tries; try; try = try->next) {
            try->stage = try->worker.node == node ? OPINION_OVER : try->stage;
        }
    }
    opinion->incarnation[node] = 0;
}

static void take_failure(struct sim *sim, struct opinion_job *job,
                         const struct mr_core_event *event) {
    struct opinion_task *task = &job->task[event->attempt.phase][event->attempt.task];
    struct mr_core_attempt cause = event->attempt;
    if (!event->is_uncounted && task->failures++ == 0) {
        task->first_attempt = event->attempt.attempt;
        task->first_status = event->status;
    }
    if (event->is_fatal) {
        opinion_must_end(job, event->status, &cause);
    } else if (task->failures >= sim->plan->job[event->attempt.job].max_attempts) {
        cause.attempt = task->first_attempt;
        opinion_must_end(job, task->first_status, &cause);
    }
}

static void take_done(struct sim *sim, struct opinion_job *job, const struct mr_core_event *event) {
    struct opinion_task *task = &job->task[event->attempt.phase][event->attempt.task];
    bool is_other =
        event->attempt.phase == MR_PHASE_MAP && task->has_digest && task->digest != event->digest;
    task->has_digest = true;
    task->digest = event->digest;
    if (is_other && sim->plan->job[event->attempt.job].is_strict) {
        opinion_must_end(job, MR_ERR_JOB, &event->attempt);
    }
}

static void take_result(struct sim *sim, struct opinion *opinion,
                        const struct mr_core_event *event) {
    struct opinion_job *job = &opinion->job[event->attempt.job];
    struct opinion_try *try = opinion_expected(opinion, event);
    if (!try) {
        return;
    }
    bool is_wanted = try->stage == OPINION_RUNNING;
    try->stage = OPINION_OVER;
    if (is_wanted && event->kind == MR_CORE_ATTEMPT_DONE) {
        try->has_won = true;
        take_done(sim, job, event);
    } else if (is_wanted && event->kind == MR_CORE_ATTEMPT_FAILED) {
        take_failure(sim, job, event);
    } else if (is_wanted) {
        job->task[MR_PHASE_MAP][event->lost_task].reports++;
    }
}

static void take_close(struct opinion_job *job, const struct mr_core_event *event,
                       const struct mr_core_job_view *before) {
    if (before->state != MR_CORE_JOB_CLOSING || before->round != event->round) {
        return;
    }
    if (event->kind == MR_CORE_ROUND_FAILED) {
        opinion_must_end(job, event->status, NULL);
    } else if (event->has_next) {
        job->round++;
        memset(job->task, 0, sizeof job->task);
    }
}

void opinion_take(struct sim *sim, struct opinion *opinion, const struct mr_core_event *event,
                  const struct mr_core_job_view *before) {
    struct opinion_job *job = &opinion->job[event->job];
    uint32_t node = event->worker.node;
    switch (event->kind) {
    case MR_CORE_SUBMIT:
        job->is_known = true;
        break;
    case MR_CORE_CANCEL:
        if (before->state == MR_CORE_JOB_RUNNING || before->state == MR_CORE_JOB_CLOSING) {
            opinion_must_end(job, event->status, NULL);
        }
        break;
    case MR_CORE_ROUND_CLOSED:
    case MR_CORE_ROUND_FAILED:
        take_close(job, event, before);
        break;
    case MR_CORE_PUBLISHED:
    case MR_CORE_PUBLISH_FAILED:
        if (before->state == MR_CORE_JOB_PUBLISHING) {
            opinion_must_end(job, event->kind == MR_CORE_PUBLISHED ? 0 : event->status, NULL);
        }
        break;
    case MR_CORE_NODE_UP:
        if (event->worker.incarnation > opinion->latest[node]) {
            lose_worker(opinion, node);
            opinion->incarnation[node] = event->worker.incarnation;
            opinion->latest[node] = event->worker.incarnation;
        }
        break;
    case MR_CORE_NODE_LOST:
        if (event->worker.incarnation == opinion->incarnation[node]) {
            lose_worker(opinion, node);
        }
        break;
    case MR_CORE_ATTEMPT_DONE:
    case MR_CORE_ATTEMPT_FAILED:
    case MR_CORE_OUTPUT_LOST:
        take_result(sim, opinion, event);
        break;
    default:
        break;
    }
}

/* ---- START ------------------------------------------------------------------------------------
 */

void opinion_start(struct sim *sim, struct opinion *opinion, const struct mr_core_effect *effect) {
    const struct mr_core_attempt *id = &effect->attempt;
    struct opinion_job *job = &opinion->job[id->job];
    struct opinion_task *task = &job->task[id->phase][id->task];
    enum mr_core_role needed = id->phase == MR_PHASE_MAP ? MR_CORE_MAPS : MR_CORE_REDUCES;
    const char *words = sim_attempt_words(id);
    if (!job->is_known || job->is_ended || job->has_end || id->round != job->round) {
        sim_fail(sim, "V8", "%s is started, of a job or round that is over", words);
    } else if (id->attempt != task->tries + 1) {
        sim_fail(sim, "V8", "%s is started, after try %u", words, task->tries);
    } else if (opinion->incarnation[effect->worker.node] != effect->worker.incarnation) {
        sim_fail(sim, "V8", "%s is started on worker %u, which is gone", words,
                 effect->worker.node);
    } else if (!(sim->plan->worker[effect->worker.node].roles & needed)) {
        sim_fail(sim, "V7", "%s is started on worker %u, which does not do that", words,
                 effect->worker.node);
    }
    task->tries = id->attempt;
    struct opinion_try *try = sim_take(sim, sizeof *try);
    *try = (struct opinion_try){.id = *id, .worker = effect->worker, .next = job->tries};
    job->tries = try;
}
