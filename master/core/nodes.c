/* nodes: workers that come, go, drain, and are taken back.
 *
 * A worker that comes again as a new incarnation is lost first: what it ran runs again. What it
 * held it may offer: those outputs that are still winners stay where they are, the others are made
 * again where a reduce task still wants them. A worker that was given up can't come back as the
 * same incarnation: what it says is void until it registers as a new one.
 *
 * The loss of a node looks at the map tasks of every running job, O(tasks); all else here is O(1)
 * but for what it starts. */
#include "master/core/nodes.h"

#include "lib/base/error.h"
#include "master/core/attempts.h"
#include "master/core/outputs.h"
#include "master/core/results.h"
#include "master/core/rounds.h"
#include "master/core/schedule.h"
#include "master/core/slots.h"
#include <stdlib.h>

int mr_nodes_reserve(struct mr_core *core, uint32_t number, struct mr_error *err) {
    if (number >= core->node_capacity) {
        uint32_t capacity = number + number / 2 + 8;
        struct mr_state_node *nodes = realloc(core->nodes, capacity * sizeof *nodes);
        if (!nodes) {
            return mr_error_nomem(err, "listing the nodes");
        }
        core->nodes = nodes;
        core->node_capacity = capacity;
    }
    for (; core->node_count <= number; core->node_count++) {
        core->nodes[core->node_count] =
            (struct mr_state_node){.attempts = NONE, .attempts_last = NONE};
    }
    return MR_OK;
}

/* Map outputs that a node's loss may withdraw. */
static uint64_t effects_of_loss(const struct mr_core *core, uint32_t node) {
    return node < core->node_count ? 3 * (uint64_t)core->nodes[node].held : 0;
}

static bool needs_maps(const struct mr_state_job *job) {
    return job->state == MR_CORE_JOB_RUNNING && job->phases[MR_PHASE_REDUCE].open > 0;
}

/* Gives the node up: nothing runs there any more. Its outputs are looked at afterwards. */
static void give_up(struct mr_core *core, uint32_t number) {
    struct mr_state_node *node = &core->nodes[number];
    mr_state_set_node_state(core, node, MR_CORE_NODE_GONE);
    mr_slots_update(core, number);
    node->held = 0;
    while (node->attempts != NONE) {
        mr_results_drop(core, &core->attempts[node->attempts]);
    }
}

static void withdraw_lost_outputs(struct mr_core *core) {
    for (uint32_t i = 0; i < core->job_count; i++) {
        if (needs_maps(core->jobs[i])) {
            mr_outputs_want_maps(core, core->jobs[i]);
        }
    }
}

/* Keeps an output that a returning worker offers, or says that it isn't needed. */
static void take_offer(struct mr_core *core, struct mr_core_worker worker,
                       const struct mr_core_attempt *id) {
    struct mr_state_job *job = mr_state_find_job(core, id->job);
    struct mr_state_task *task = NULL;
    if (job && job->state != MR_CORE_JOB_STOPPING && id->phase == MR_PHASE_MAP &&
        id->round == job->round && id->task < job->phases[MR_PHASE_MAP].count) {
        task = &job->phases[MR_PHASE_MAP].tasks[id->task];
    }
    bool is_winner = task && task->winner > 0 && task->winner == id->attempt &&
                     task->node == worker.node && !mr_outputs_is_held(core, task);
    if (is_winner) {
        task->incarnation = worker.incarnation;
        core->nodes[worker.node].held++;
    } else if (!(task && task->winner == id->attempt && mr_outputs_is_held(core, task))) {
        mr_state_add_attempt_effect(core, MR_CORE_DISCARD, worker, id);
    }
}

static int check_up(const struct mr_core_event *event, struct mr_error *err) {
    if (event->worker.node >= MR_CORE_NODES_MAX || event->worker.incarnation == 0 ||
        event->slots == 0 || event->slots > MR_CORE_SLOTS_MAX || event->roles < MR_CORE_MAPS ||
        event->roles > MR_CORE_DOES_BOTH || (event->held_count > 0 && !event->held)) {
        return mr_error_set(err, MR_ERR_INTERNAL,
                            "node %u comes up without slots, roles or an incarnation",
                            event->worker.node);
    }
    return MR_OK;
}

int mr_nodes_up(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    uint32_t number = event->worker.node;
    if (check_up(event, err) || mr_nodes_reserve(core, number, err)) {
        return err->code;
    }
    struct mr_state_node *node = &core->nodes[number];
    if (event->worker.incarnation <= node->incarnation) {
        return MR_OK; /* registered already, or given up */
    }
    uint64_t own = node->state == MR_CORE_NODE_GONE ? 0 : node->slots; /* of its life before */
    if (core->slots - own + event->slots > MR_CORE_SLOTS_ALL_MAX) {
        return mr_error_set(err, MR_ERR_INTERNAL, "node %u comes up with too many slots", number);
    }
    if (mr_attempts_reserve(core, core->slots + event->slots, err) ||
        mr_state_reserve_effects(
            core, effects_of_loss(core, number) + 2 * (uint64_t)event->held_count + event->slots,
            err)) {
        return err->code;
    }
    bool was_here = node->state != MR_CORE_NODE_GONE;
    if (was_here) {
        give_up(core, number);
    }
    node->incarnation = event->worker.incarnation;
    node->roles = event->roles;
    node->slots = event->slots;
    node->host = event->host;
    node->failures = 0;
    node->heard_ms = core->now_ms;
    mr_state_set_node_state(core, node, MR_CORE_NODE_READY);
    for (uint32_t i = 0; i < event->held_count; i++) {
        take_offer(core, event->worker, &event->held[i]);
    }
    if (was_here) {
        withdraw_lost_outputs(core);
    }
    mr_slots_update(core, number);
    mr_schedule_run(core);
    return MR_OK;
}

int mr_nodes_lose(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    if (!mr_state_find_worker(core, event->worker)) {
        return MR_OK;
    }
    if (mr_state_reserve_effects(core, effects_of_loss(core, event->worker.node), err)) {
        return err->code;
    }
    give_up(core, event->worker.node);
    withdraw_lost_outputs(core);
    mr_schedule_run(core);
    return MR_OK;
}

int mr_nodes_drain(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    (void)err;
    struct mr_state_node *node = mr_state_find_worker(core, event->worker);
    if (node && node->state != MR_CORE_NODE_DRAINING) {
        mr_state_set_node_state(core, node, MR_CORE_NODE_DRAINING);
        mr_slots_update(core, event->worker.node);
        mr_outputs_tell_drained(core, event->worker.node);
    }
    return MR_OK;
}

int mr_nodes_take_back(struct mr_core *core, const struct mr_core_event *event,
                       struct mr_error *err) {
    (void)err;
    struct mr_state_node *node = mr_state_find_worker(core, event->worker);
    if (node && node->state != MR_CORE_NODE_READY) {
        node->failures = 0;
        mr_state_set_node_state(core, node, MR_CORE_NODE_READY);
        mr_slots_update(core, event->worker.node);
        mr_schedule_run(core);
    }
    return MR_OK;
}
