/* outputs: what winners made: where it is, and what happens when it is lost or not needed. */
#include "master/core/outputs.h"

#include "lib/base/check.h"
#include "master/core/schedule.h"

void mr_outputs_tell_drained(struct mr_core *core, uint32_t node) {
    const struct mr_state_node *about = &core->nodes[node];
    if (about->state == MR_CORE_NODE_DRAINING && about->busy == 0 && about->held == 0) {
        struct mr_core_effect *effect = mr_state_add_effect(core, MR_CORE_TELL, NULL);
        effect->news = MR_CORE_TELL_NODE_DRAINED;
        effect->worker = mr_state_worker(core, node);
    }
}

bool mr_outputs_is_held(const struct mr_core *core, const struct mr_state_task *task) {
    return mr_state_find_worker(core, (struct mr_core_worker){task->node, task->incarnation}) !=
           NULL;
}

void mr_outputs_win(struct mr_core *core, struct mr_state_job *job,
                    const struct mr_core_attempt *id, struct mr_core_worker worker,
                    uint64_t digest) {
    struct mr_state_task *task = &job->phases[id->phase].tasks[id->task];
    MR_CHECK(task->winner == 0);
    task->winner = id->attempt;
    task->node = worker.node;
    task->incarnation = worker.incarnation;
    task->digest = digest;
    task->has_digest = true;
    task->reports = 0;
    job->phases[id->phase].open--;
    core->nodes[worker.node].held += id->phase == MR_PHASE_MAP;
}

static void let_go(struct mr_core *core, const struct mr_state_task *task) {
    if (task->winner > 0 && mr_outputs_is_held(core, task)) {
        core->nodes[task->node].held--;
        mr_outputs_tell_drained(core, task->node);
    }
}

void mr_outputs_withdraw(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                         uint32_t task) {
    struct mr_state_task *about = &job->phases[phase].tasks[task];
    struct mr_core_attempt id = {job->number, job->round, phase, task, about->winner};
    struct mr_core_worker worker = {about->node, about->incarnation};
    MR_CHECK(about->winner > 0);
    mr_state_add_attempt_effect(core, MR_CORE_DISCARD, worker, &id);
    mr_state_add_attempt_effect(core, MR_CORE_TELL, worker, &id)->news =
        phase == MR_PHASE_MAP ? MR_CORE_TELL_OUTPUT_AGAIN : MR_CORE_TELL_PART_AGAIN;
    if (phase == MR_PHASE_MAP) {
        let_go(core, about);
    }
    about->winner = 0;
    about->node = NONE;
    about->reports = 0;
    job->phases[phase].open++;
    mr_schedule_again(core, job, phase, task);
}

void mr_outputs_want_maps(struct mr_core *core, struct mr_state_job *job) {
    const struct mr_state_phase *map = &job->phases[MR_PHASE_MAP];
    for (uint32_t i = 0; i < map->count; i++) {
        const struct mr_state_task *task = &map->tasks[i];
        if (task->winner > 0 && !mr_outputs_is_held(core, task)) {
            mr_outputs_withdraw(core, job, MR_PHASE_MAP, i);
        } else if (task->winner == 0 && task->attempts > 0 && task->running == NONE &&
                   !task->is_queued) {
            mr_schedule_again(core, job, MR_PHASE_MAP, i);
        }
    }
}

void mr_outputs_release(struct mr_core *core, struct mr_state_job *job) {
    const struct mr_state_phase *map = &job->phases[MR_PHASE_MAP];
    mr_state_add_effect(core, MR_CORE_DISCARD_ROUND, job);
    for (uint32_t i = 0; i < map->count; i++) {
        let_go(core, &map->tasks[i]);
    }
}
