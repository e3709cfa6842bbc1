/* commit: the output's file system: attempts' directories, and the publisher's steps.
 *
 * The rules: an attempt writes in its own directory alone; the master's row (mr_core_winner) says
 * whose part counts; the publisher moves one winner's part after the other into `out`, writes the
 * manifest, and makes `out` visible by one rename. Each step is found done, or done, by looking at
 * the files, so that a publisher that died goes on. A part that is gone, or is not what the row
 * says, is reported and made again. Files outlive every process here. */
#include "tests/sim/commit.h"

#include "tests/sim/content.h"
#include "tests/sim/master.h"

#include <mr/status.h>
#include <string.h>

struct output {
    struct commit_file *part[PLAN_TASKS_MAX]; /* moved into `out` */
    bool has_manifest;
    bool is_visible;
    uint64_t result[PLAN_ROUNDS_MAX];
};

struct commit {
    struct commit_file *files[PLAN_JOBS_MAX + 1]; /* in attempts' directories */
    struct output output[PLAN_JOBS_MAX + 1];
};

void commit_begin(struct sim *sim) {
    sim->commit = sim_take(sim, sizeof *sim->commit);
}

static struct commit_file *find(const struct sim *sim, const struct mr_core_attempt *attempt) {
    struct commit_file *file = sim->commit->files[attempt->job];
    while (file && !sim_is_same_attempt(&file->attempt, attempt)) {
        file = file->next;
    }
    return file;
}

const struct commit_file *commit_find(const struct sim *sim,
                                      const struct mr_core_attempt *attempt) {
    return find(sim, attempt);
}

void commit_write(struct sim *sim, const struct mr_core_attempt *attempt, uint64_t content,
                  const uint64_t *read, uint32_t count) {
    if (find(sim, attempt)) {
        sim_fail(sim, "V2", "%s ran twice", sim_attempt_words(attempt));
    }
    struct commit_file *file = sim_take(sim, sizeof *file);
    *file = (struct commit_file){.attempt = *attempt,
                                 .content = content,
                                 .read = read,
                                 .count = count,
                                 .is_there = true,
                                 .next = sim->commit->files[attempt->job]};
    sim->commit->files[attempt->job] = file;
}

static bool is_in_output(const struct sim *sim, const struct commit_file *file) {
    return sim->commit->output[file->attempt.job].part[file->attempt.task] == file;
}

void commit_remove(struct sim *sim, const struct mr_core_attempt *attempt) {
    struct commit_file *file = find(sim, attempt);
    if (file && !is_in_output(sim, file)) {
        file->is_there = false;
    }
}

uint64_t commit_side(const struct sim *sim, uint32_t job, uint32_t round) {
    return round == 0 ? 0 : sim->commit->output[job].result[round - 1];
}

bool commit_is_visible(const struct sim *sim, uint32_t job) {
    return sim->commit->output[job].is_visible;
}

void commit_harm(struct sim *sim, uint32_t job, uint32_t task, bool is_damaged) {
    struct output *output = &sim->commit->output[job];
    struct commit_file *file = sim->commit->files[job];
    while (file && (file->attempt.task != task || !file->is_there)) {
        file = file->next;
    }
    if (!file || output->is_visible) {
        return;
    }
    SIM_SAY(sim, task, "part of %s harmed", sim_attempt_words(&file->attempt));
    file->is_there = is_damaged;
    file->content ^= is_damaged;
}

/* ---- the shell's steps ------------------------------------------------------------------------
 */

/* The winner's part, if it is there and is what the row says; else reports it lost. */
static struct commit_file *take_winner(struct sim *sim, uint32_t job, uint32_t round,
                                       uint32_t task) {
    struct mr_core_winner winner = mr_core_winner(master_core(sim), job, MR_PHASE_REDUCE, task);
    struct mr_core_attempt attempt = {job, round, MR_PHASE_REDUCE, task, winner.attempt};
    struct commit_file *file = find(sim, &attempt);
    if (winner.attempt == 0) {
        sim_fail(sim, "V2", "%s is to be committed, but has no winner",
                 sim_attempt_words(&attempt));
        return NULL;
    }
    if (file && file->is_there && file->content == winner.digest) {
        return file;
    }
    master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_PART_LOST, .attempt = attempt});
    return NULL;
}

void commit_ask_close(struct sim *sim, uint32_t job, uint32_t round) {
    uint64_t wait = sim_number(sim, 'c', job, round) % 20;
    sim_put(sim, wait, SIM_CLOSE, SIM_MASTER, job, NULL);
}

void commit_close(struct sim *sim, const struct sim_item *item) {
    uint32_t job = (uint32_t)item->number;
    struct mr_core_job_view view = mr_core_job(master_core(sim), job);
    if (view.state != MR_CORE_JOB_CLOSING) {
        return;
    }
    uint64_t result = 0;
    for (uint32_t task = 0; task < view.reduce_tasks; task++) {
        const struct commit_file *file = take_winner(sim, job, view.round, task);
        if (!file) {
            return;
        }
        result = content_add_part(result, file->content);
    }
    sim->commit->output[job].result[view.round] = result;
    struct mr_core_event event = {.kind = MR_CORE_ROUND_CLOSED, .job = job, .round = view.round};
    event.status = plan_job_status(sim->plan, job, view.round, PLAN_ROUND_FAILS);
    if (event.status) {
        event.kind = MR_CORE_ROUND_FAILED;
    } else if (view.round + 1 < sim->plan->job[job].rounds) {
        event.has_next = true;
        event.shape = content_shape(sim, job, view.round + 1);
    }
    sim->met[SIM_MET_ROUNDS]++;
    master_apply(sim, &event);
}

void commit_ask_publish(struct sim *sim, uint32_t job) {
    sim_put(sim, 1, SIM_PUBLISH_STEP, SIM_MASTER, job, NULL);
}

/* Moves the first part that is not in place yet; false: all are. */
static bool move_part(struct sim *sim, uint32_t job, const struct mr_core_job_view *view) {
    struct output *output = &sim->commit->output[job];
    for (uint32_t task = 0; task < view->reduce_tasks; task++) {
        struct mr_core_winner winner = mr_core_winner(master_core(sim), job, MR_PHASE_REDUCE, task);
        const struct commit_file *there = output->part[task];
        if (there && there->is_there && there->content == winner.digest) {
            continue;
        }
        struct commit_file *file = take_winner(sim, job, view->round, task);
        if (file) {
            output->part[task] = file;
            output->has_manifest = false;
            commit_ask_publish(sim, job);
        }
        return true;
    }
    return false;
}

/* V1 and V2: what becomes visible is whole, of one attempt a part, and of one set of map outputs.
 */
static void check_visible(struct sim *sim, uint32_t job, const struct mr_core_job_view *view) {
    const struct output *output = &sim->commit->output[job];
    const struct plan_job *plan = &sim->plan->job[job];
    if (view->round + 1 != plan->rounds || view->reduce_tasks != plan->reduces[view->round]) {
        sim_fail(sim, "V1", "job %u is published in round %u", job, view->round);
        return;
    }
    for (uint32_t task = 0; task < view->reduce_tasks; task++) {
        const struct commit_file *file = output->part[task];
        if (!file || !file->is_there) {
            sim_fail(sim, "V1", "job %u is published without part %u", job, task);
        } else if (!plan->unstable &&
                   file->content != content_expected_part(sim, job, view->round, task)) {
            sim_fail(sim, "V3", "job %u: part %u is not what it should be", job, task);
        } else if (file->count && memcmp(file->read, output->part[0]->read,
                                         file->count * sizeof *file->read) != 0) {
            sim_fail(sim, "V2", "job %u: parts 0 and %u are of different map outputs", job, task);
        }
    }
}

void commit_publish_step(struct sim *sim, const struct sim_item *item) {
    uint32_t job = (uint32_t)item->number;
    struct output *output = &sim->commit->output[job];
    struct mr_core_job_view view = mr_core_job(master_core(sim), job);
    if (view.state != MR_CORE_JOB_PUBLISHING) {
        return;
    }
    struct mr_core_event event = {.kind = MR_CORE_PUBLISHED, .job = job};
    event.status = plan_job_status(sim->plan, job, 0, PLAN_PUBLISH_FAILS);
    if (output->is_visible) {
        master_apply(sim, &event);
    } else if (move_part(sim, job, &view)) {
        return;
    } else if (!output->has_manifest) {
        output->has_manifest = true;
        commit_ask_publish(sim, job);
    } else if (event.status) {
        event.kind = MR_CORE_PUBLISH_FAILED;
        master_apply(sim, &event);
    } else {
        check_visible(sim, job, &view);
        output->is_visible = true;
        SIM_SAY(sim, job, "job %u is visible", job);
        commit_ask_publish(sim, job);
    }
}
