/* core: decides what runs where. A pure state machine: no clock, no files, no threads.
 *
 * In come events (what a shell was asked or has seen), out go effects (what the shell is to do).
 * This room hands each event to the room that answers it:
 *
 *     rounds    a job: submitted, cancelled, its rounds closed, its output published
 *     nodes     a worker: came, went, drains, is taken back
 *     results   an attempt: done, failed; an output or a part lost; a backup
 *     watch     what the time decides
 *
 * which stand on: outputs (what winners made), schedule (which task goes where), lines (whose turn
 * it is), attempts, slots, and state.
 *
 * Invariants, after every event:
 * - a slot runs at most one attempt; a task has at most one winner, and none runs beside it;
 * - nothing ready waits beside a free slot that could run it;
 * - a result counts only from the worker and incarnation that its attempt was given to;
 * - FINISHED is given once a job, when nothing of it runs, and no effect of it follows.
 *
 * Work per event is O(log jobs) and what it starts or stops, but for opening a round, losing a node
 * or a part, a map task that gives other records (its tasks), and a tick (the nodes). Memory for an
 * event's effects is taken before anything is changed; past that no step can fail. */
#include "master/core/core.h"

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "master/core/attempts.h"
#include "master/core/nodes.h"
#include "master/core/results.h"
#include "master/core/rounds.h"
#include "master/core/snapshot.h"
#include "master/core/watch.h"
#include <stdlib.h>
#include <string.h>

#define LEASE_MS 10000
#define TICK_MS 1000
#define ASIDE_MS 60000

/* Effects of one event besides those that grow with attempts, slots and draining nodes. */
#define EFFECTS_MIN 16

typedef int (*handler)(struct mr_core *core, const struct mr_core_event *event,
                       struct mr_error *err);

static const handler handlers[MR_CORE_EVENT_KINDS] = {
    [MR_CORE_SUBMIT] = mr_rounds_submit,
    [MR_CORE_CANCEL] = mr_rounds_cancel,
    [MR_CORE_ROUND_CLOSED] = mr_rounds_close,
    [MR_CORE_ROUND_FAILED] = mr_rounds_fail,
    [MR_CORE_NODE_UP] = mr_nodes_up,
    [MR_CORE_NODE_LOST] = mr_nodes_lose,
    [MR_CORE_NODE_DRAIN] = mr_nodes_drain,
    [MR_CORE_NODE_BACK] = mr_nodes_take_back,
    [MR_CORE_ATTEMPT_DONE] = mr_results_done,
    [MR_CORE_ATTEMPT_FAILED] = mr_results_failed,
    [MR_CORE_OUTPUT_LOST] = mr_results_output_lost,
    [MR_CORE_BACKUP] = mr_results_backup,
    [MR_CORE_PUBLISHED] = mr_rounds_publish,
    [MR_CORE_PUBLISH_FAILED] = mr_rounds_publish,
    [MR_CORE_PART_LOST] = mr_results_part_lost,
    [MR_CORE_TICK] = mr_watch_tick,
    [MR_CORE_HEARD] = mr_watch_heard,
    [MR_CORE_PROGRESS] = mr_watch_progress,
    [MR_CORE_ROUND_AGAIN] = mr_rounds_again,
};

void mr_core_configure(struct mr_core *core, const struct mr_core_options *options) {
    core->options = options ? *options : (struct mr_core_options){0};
    core->options.lease_ms = core->options.lease_ms ? core->options.lease_ms : LEASE_MS;
    core->options.tick_ms = core->options.tick_ms ? core->options.tick_ms : TICK_MS;
    core->options.aside_ms = core->options.aside_ms ? core->options.aside_ms : ASIDE_MS;
}

int mr_core_create(const struct mr_core_options *options, struct mr_core **core,
                   struct mr_error *err) {
    struct mr_core *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making the scheduler");
    }
    mr_core_configure(made, options);
    made->attempt_free = made->attempt_oldest = made->attempt_newest = NONE;
    for (int roles = 0; roles <= MR_CORE_DOES_BOTH; roles++) {
        made->node_first[roles] = made->node_last[roles] = NONE;
    }
    *core = made;
    return MR_OK;
}

void mr_core_destroy(struct mr_core *core) {
    if (!core) {
        return;
    }
    for (uint32_t i = 0; i < core->job_count; i++) {
        mr_rounds_destroy_job(core->jobs[i]);
    }
    for (int line = 0; line < MR_STATE_LINES; line++) {
        free(core->lines[line]);
    }
    free(core->jobs);
    free(core->nodes);
    free(core->attempts);
    free(core->effects);
    free(core);
}

static int reserve(struct mr_core *core, struct mr_error *err) {
    return mr_state_reserve_effects(core,
                                    EFFECTS_MIN + 4 * (uint64_t)core->attempt_count + core->slots +
                                        2 * (uint64_t)core->draining,
                                    err);
}

int mr_core_apply(struct mr_core *core, const struct mr_core_event *event, uint64_t now_ms,
                  struct mr_core_effects *effects, struct mr_error *err) {
    core->effect_count = 0;
    core->now_ms = now_ms;
    if ((size_t)event->kind >= MR_CORE_EVENT_KINDS) {
        mr_error_set(err, MR_ERR_INTERNAL, "the scheduler knows no event %u",
                     (unsigned)event->kind);
    } else if (!reserve(core, err)) {
        (void)!handlers[event->kind](core, event, err);
    }
    *effects = (struct mr_core_effects){core->effects, core->effect_count};
    return err->code;
}

int mr_core_outstanding(struct mr_core *core, struct mr_core_effects *effects,
                        struct mr_error *err) {
    core->effect_count = 0;
    *effects = (struct mr_core_effects){0};
    if (mr_state_reserve_effects(core, (uint64_t)core->attempt_count + core->job_count, err)) {
        return err->code;
    }
    for (uint32_t at = core->attempt_oldest; at != NONE; at = core->attempts[at].newer) {
        const struct mr_state_attempt *attempt = &core->attempts[at];
        struct mr_core_attempt id = mr_state_attempt_id(attempt);
        mr_state_add_attempt_effect(core, attempt->is_stopping ? MR_CORE_STOP : MR_CORE_START,
                                    mr_state_worker(core, attempt->node), &id);
    }
    for (uint32_t i = 0; i < core->job_count; i++) {
        const struct mr_state_job *job = core->jobs[i];
        if (job->state == MR_CORE_JOB_CLOSING) {
            mr_state_add_effect(core, MR_CORE_ROUND_DONE, job);
        } else if (job->state == MR_CORE_JOB_PUBLISHING) {
            mr_state_add_effect(core, MR_CORE_PUBLISH, job);
        }
    }
    *effects = (struct mr_core_effects){core->effects, core->effect_count};
    return MR_OK;
}

int mr_core_save(const struct mr_core *core, char **bytes, size_t *len, struct mr_error *err) {
    return mr_snapshot_save(core, bytes, len, err);
}

int mr_core_load(const struct mr_core_options *options, const char *bytes, size_t len,
                 struct mr_core **core, struct mr_error *err) {
    struct mr_core *made = NULL;
    if (mr_core_create(options, &made, err) || mr_snapshot_load(made, bytes, len, err)) {
        mr_core_destroy(made);
        return err->code;
    }
    *core = made;
    return MR_OK;
}

int mr_core_hash(const struct mr_core *core, uint64_t *hash, struct mr_error *err) {
    char *bytes = NULL;
    size_t len = 0;
    *hash = 0;
    if (mr_snapshot_save(core, &bytes, &len, err)) {
        return err->code;
    }
    *hash = mr_hash_xxh3(bytes, len);
    free(bytes);
    return MR_OK;
}

static struct mr_core_job_view find_ended(const struct mr_core *core, uint32_t job) {
    uint64_t count = core->ended < MR_CORE_HISTORY ? core->ended : MR_CORE_HISTORY;
    for (uint64_t i = 0; i < count; i++) {
        if (core->history[i].job == job) {
            return (struct mr_core_job_view){.state = MR_CORE_JOB_FINISHED,
                                             .status = core->history[i].status};
        }
    }
    return (struct mr_core_job_view){.state = MR_CORE_JOB_UNKNOWN};
}

struct mr_core_job_view mr_core_job(const struct mr_core *core, uint32_t job) {
    const struct mr_state_job *found = mr_state_find_job(core, job);
    if (!found) {
        return find_ended(core, job);
    }
    const struct mr_state_phase *map = &found->phases[MR_PHASE_MAP];
    const struct mr_state_phase *reduce = &found->phases[MR_PHASE_REDUCE];
    return (struct mr_core_job_view){.state = found->state,
                                     .round = found->round,
                                     .map_tasks = map->count,
                                     .maps_open = map->open,
                                     .reduce_tasks = reduce->count,
                                     .reduces_open = reduce->open,
                                     .running =
                                         found->busy[MR_PHASE_MAP] + found->busy[MR_PHASE_REDUCE],
                                     .ready = map->ready + reduce->ready,
                                     .status = found->status};
}

struct mr_core_node_view mr_core_node(const struct mr_core *core, uint32_t node) {
    if (node >= core->node_count) {
        return (struct mr_core_node_view){.state = MR_CORE_NODE_GONE};
    }
    const struct mr_state_node *found = &core->nodes[node];
    return (struct mr_core_node_view){.state = found->state,
                                      .incarnation = found->incarnation,
                                      .roles = found->roles,
                                      .slots = found->slots,
                                      .busy = found->busy,
                                      .held = found->held};
}

struct mr_core_winner mr_core_winner(const struct mr_core *core, uint32_t job, enum mr_phase phase,
                                     uint32_t task) {
    const struct mr_state_job *found = mr_state_find_job(core, job);
    if (!found || task >= found->phases[phase].count ||
        found->phases[phase].tasks[task].winner == 0) {
        return (struct mr_core_winner){0};
    }
    const struct mr_state_task *about = &found->phases[phase].tasks[task];
    return (struct mr_core_winner){about->winner, {about->node, about->incarnation}, about->digest};
}
