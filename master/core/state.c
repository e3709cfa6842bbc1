/* state: what the scheduler knows, and the small steps that every room of it takes. */
#include "master/core/state.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include <stdlib.h>

struct mr_state_job *mr_state_find_job(const struct mr_core *core, uint32_t number) {
    uint32_t low = 0;
    uint32_t high = core->job_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (core->jobs[middle]->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < core->job_count && core->jobs[low]->number == number ? core->jobs[low] : NULL;
}

struct mr_state_node *mr_state_find_worker(const struct mr_core *core,
                                           struct mr_core_worker worker) {
    if (worker.node >= core->node_count) {
        return NULL;
    }
    struct mr_state_node *node = &core->nodes[worker.node];
    bool is_it = node->state != MR_CORE_NODE_GONE && node->incarnation == worker.incarnation;
    return is_it ? node : NULL;
}

static const bool job_steps[MR_CORE_JOB_STATES][MR_CORE_JOB_STATES] = {
    [MR_CORE_JOB_UNKNOWN] = {[MR_CORE_JOB_RUNNING] = true},
    [MR_CORE_JOB_RUNNING] = {[MR_CORE_JOB_CLOSING] = true, [MR_CORE_JOB_STOPPING] = true},
    [MR_CORE_JOB_CLOSING] = {[MR_CORE_JOB_RUNNING] = true,
                             [MR_CORE_JOB_PUBLISHING] = true,
                             [MR_CORE_JOB_STOPPING] = true},
    [MR_CORE_JOB_PUBLISHING] = {[MR_CORE_JOB_RUNNING] = true, [MR_CORE_JOB_STOPPING] = true},
    [MR_CORE_JOB_STOPPING] = {[MR_CORE_JOB_FINISHED] = true},
};

void mr_state_set_job_state(struct mr_state_job *job, enum mr_core_job_state state) {
    MR_CHECK(job_steps[job->state][state]);
    job->state = state;
}

static const bool node_steps[MR_CORE_NODE_STATES][MR_CORE_NODE_STATES] = {
    [MR_CORE_NODE_GONE] = {[MR_CORE_NODE_READY] = true},
    [MR_CORE_NODE_READY] = {[MR_CORE_NODE_GONE] = true,
                            [MR_CORE_NODE_DRAINING] = true,
                            [MR_CORE_NODE_SET_ASIDE] = true},
    [MR_CORE_NODE_DRAINING] = {[MR_CORE_NODE_GONE] = true, [MR_CORE_NODE_READY] = true},
    [MR_CORE_NODE_SET_ASIDE] =
        {[MR_CORE_NODE_GONE] = true, [MR_CORE_NODE_READY] = true, [MR_CORE_NODE_DRAINING] = true},
};

void mr_state_set_node_state(struct mr_core *core, struct mr_state_node *node,
                             enum mr_core_node_state state) {
    MR_CHECK(node_steps[node->state][state]);
    core->aside -= node->state == MR_CORE_NODE_SET_ASIDE;
    core->aside += state == MR_CORE_NODE_SET_ASIDE;
    core->draining -= node->state == MR_CORE_NODE_DRAINING;
    core->draining += state == MR_CORE_NODE_DRAINING;
    if (node->state == MR_CORE_NODE_GONE) {
        core->up++;
        core->slots += node->slots;
    } else if (state == MR_CORE_NODE_GONE) {
        core->up--;
        core->slots -= node->slots;
    }
    node->state = state;
}

int mr_state_reserve_effects(struct mr_core *core, uint64_t count, struct mr_error *err) {
    uint64_t wanted = core->effect_count + count;
    if (wanted <= core->effect_capacity) {
        return MR_OK;
    }
    wanted += wanted / 2;
    struct mr_core_effect *effects = realloc(core->effects, wanted * sizeof *effects);
    if (!effects) {
        return mr_error_nomem(err, "listing what the scheduler wants done");
    }
    core->effects = effects;
    core->effect_capacity = wanted;
    return MR_OK;
}

struct mr_core_effect *mr_state_add_effect(struct mr_core *core, enum mr_core_effect_kind kind,
                                           const struct mr_state_job *job) {
    MR_CHECK(core->effect_count < core->effect_capacity);
    struct mr_core_effect *effect = &core->effects[core->effect_count++];
    *effect = (struct mr_core_effect){.kind = kind};
    if (job) {
        effect->job = job->number;
        effect->round = job->round;
    }
    return effect;
}

struct mr_core_effect *mr_state_add_attempt_effect(struct mr_core *core,
                                                   enum mr_core_effect_kind kind,
                                                   struct mr_core_worker worker,
                                                   const struct mr_core_attempt *attempt) {
    struct mr_core_effect *effect = mr_state_add_effect(core, kind, NULL);
    effect->job = attempt->job;
    effect->round = attempt->round;
    effect->worker = worker;
    effect->attempt = *attempt;
    return effect;
}
