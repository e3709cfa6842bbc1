/* attempts: which attempts run, and on whose slots.
 *
 * An attempt holds a slot of its node from its start until its end is known: an answer of its
 * worker, or the worker's loss. It is in three lists, each in the order of starting: of all, of its
 * node, of its job; and, until it is stopped, in the chain of its task, which has one, or two where
 * a backup runs. Adding and removing take constant time; finding looks at one node's slots. */
#include "master/core/attempts.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "master/core/lines.h"
#include "master/core/slots.h"
#include <stdlib.h>

int mr_attempts_reserve(struct mr_core *core, uint64_t slots, struct mr_error *err) {
    if (slots <= core->attempt_capacity) {
        return MR_OK;
    }
    if (slots >= NONE) {
        return mr_error_set(err, MR_ERR_INTERNAL, "more slots than can be numbered");
    }
    struct mr_state_attempt *attempts = realloc(core->attempts, slots * sizeof *attempts);
    if (!attempts) {
        return mr_error_nomem(err, "listing a node's slots");
    }
    core->attempts = attempts;
    for (uint32_t i = (uint32_t)slots; i-- > core->attempt_capacity;) {
        attempts[i] = (struct mr_state_attempt){.newer = core->attempt_free};
        core->attempt_free = i;
    }
    core->attempt_capacity = (uint32_t)slots;
    return MR_OK;
}

static struct mr_state_task *task_of(const struct mr_state_job *job,
                                     const struct mr_state_attempt *attempt) {
    return &job->phases[attempt->phase].tasks[attempt->task];
}

static void append_to_lists(struct mr_core *core, struct mr_state_job *job, uint32_t at) {
    struct mr_state_attempt *all = core->attempts;
    struct mr_state_node *node = &core->nodes[all[at].node];
    all[at].older = core->attempt_newest;
    all[at].node_older = node->attempts_last;
    all[at].job_older = job->attempts_last;
    all[at].newer = all[at].node_newer = all[at].job_newer = NONE;
    *(core->attempt_newest == NONE ? &core->attempt_oldest : &all[core->attempt_newest].newer) = at;
    *(node->attempts_last == NONE ? &node->attempts : &all[node->attempts_last].node_newer) = at;
    *(job->attempts_last == NONE ? &job->attempts : &all[job->attempts_last].job_newer) = at;
    core->attempt_newest = node->attempts_last = job->attempts_last = at;
}

struct mr_state_attempt *mr_attempts_add(struct mr_core *core, struct mr_state_job *job,
                                         const struct mr_core_attempt *id, uint32_t node,
                                         bool is_stopping, bool is_backup) {
    uint32_t at = core->attempt_free;
    MR_CHECK(at != NONE);
    struct mr_state_attempt *attempt = &core->attempts[at];
    core->attempt_free = attempt->newer;
    *attempt = (struct mr_state_attempt){.job = id->job,
                                         .round = id->round,
                                         .phase = id->phase,
                                         .task = id->task,
                                         .number = id->attempt,
                                         .node = node,
                                         .is_stopping = is_stopping,
                                         .is_backup = is_backup,
                                         .sibling = NONE,
                                         .started_ms = core->now_ms};
    append_to_lists(core, job, at);
    if (!is_stopping) {
        attempt->sibling = task_of(job, attempt)->running;
        task_of(job, attempt)->running = at;
    }
    job->busy[id->phase]++;
    job->phases[id->phase].backups += is_backup && !is_stopping;
    core->attempt_count++;
    core->nodes[node].busy++;
    mr_slots_update(core, node);
    mr_lines_update(core, job);
    return attempt;
}

struct mr_state_attempt *mr_attempts_find(const struct mr_core *core, struct mr_core_worker worker,
                                          const struct mr_core_attempt *id) {
    const struct mr_state_node *node = mr_state_find_worker(core, worker);
    for (uint32_t at = node ? node->attempts : NONE; at != NONE;
         at = core->attempts[at].node_newer) {
        struct mr_state_attempt *attempt = &core->attempts[at];
        if (attempt->job == id->job && attempt->round == id->round && attempt->phase == id->phase &&
            attempt->task == id->task && attempt->number == id->attempt) {
            return attempt;
        }
    }
    return NULL;
}

static void remove_from_lists(struct mr_core *core, struct mr_state_job *job, uint32_t at) {
    struct mr_state_attempt *all = core->attempts;
    struct mr_state_attempt gone = all[at];
    struct mr_state_node *node = &core->nodes[gone.node];
    *(gone.older == NONE ? &core->attempt_oldest : &all[gone.older].newer) = gone.newer;
    *(gone.newer == NONE ? &core->attempt_newest : &all[gone.newer].older) = gone.older;
    *(gone.node_older == NONE ? &node->attempts : &all[gone.node_older].node_newer) =
        gone.node_newer;
    *(gone.node_newer == NONE ? &node->attempts_last : &all[gone.node_newer].node_older) =
        gone.node_older;
    *(gone.job_older == NONE ? &job->attempts : &all[gone.job_older].job_newer) = gone.job_newer;
    *(gone.job_newer == NONE ? &job->attempts_last : &all[gone.job_newer].job_older) =
        gone.job_older;
}

/* Takes a running attempt out of its task's chain. */
static void leave_task(struct mr_core *core, struct mr_state_job *job,
                       struct mr_state_attempt *attempt) {
    uint32_t at = (uint32_t)(attempt - core->attempts);
    uint32_t *link = &task_of(job, attempt)->running;
    while (*link != at) {
        link = &core->attempts[*link].sibling;
    }
    *link = attempt->sibling;
    job->phases[attempt->phase].backups -= attempt->is_backup;
}

void mr_attempts_remove(struct mr_core *core, struct mr_state_attempt *attempt) {
    uint32_t at = (uint32_t)(attempt - core->attempts);
    uint32_t node = attempt->node;
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    MR_CHECK(job); /* a job ends after its last attempt */
    if (!attempt->is_stopping) {
        leave_task(core, job, attempt);
    }
    remove_from_lists(core, job, at);
    job->busy[attempt->phase]--;
    core->attempt_count--;
    core->nodes[node].busy--;
    attempt->newer = core->attempt_free;
    core->attempt_free = at;
    mr_slots_update(core, node);
    mr_lines_update(core, job);
}

void mr_attempts_stop(struct mr_core *core, struct mr_state_attempt *attempt) {
    if (attempt->is_stopping) {
        return;
    }
    struct mr_state_job *job = mr_state_find_job(core, attempt->job);
    MR_CHECK(job);
    leave_task(core, job, attempt);
    attempt->is_stopping = true;
    struct mr_core_attempt id = mr_state_attempt_id(attempt);
    mr_state_add_attempt_effect(core, MR_CORE_STOP, mr_state_worker(core, attempt->node), &id);
}

void mr_attempts_stop_task(struct mr_core *core, const struct mr_state_task *task) {
    while (task->running != NONE) {
        mr_attempts_stop(core, &core->attempts[task->running]);
    }
}

void mr_attempts_stop_job(struct mr_core *core, const struct mr_state_job *job) {
    for (uint32_t at = job->attempts; at != NONE; at = core->attempts[at].job_newer) {
        mr_attempts_stop(core, &core->attempts[at]);
    }
}
