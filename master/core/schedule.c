/* schedule: gives free slots to tasks that are ready.
 *
 * A node with a free slot asks for work: whose turn it is say the lines, which task of that job is
 * chosen here. Tasks that run again come first, on another node than the one where they failed if
 * one is free; then tasks whose input lies on the node's host; then any. Nothing ready ever waits
 * beside a free slot that could run it, and a task whose host is busy is given away rather than
 * kept. */
#include "master/core/schedule.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "master/core/attempts.h"
#include "master/core/lines.h"
#include "master/core/slots.h"
#include <stdlib.h>

/* ---- hosts ------------------------------------------------------------------------------------
 */

struct reading {
    uint32_t host;
    uint32_t task;
};

static int compare_readings(const void *a, const void *b) {
    const struct reading *x = a;
    const struct reading *y = b;
    if (x->host != y->host) {
        return x->host < y->host ? -1 : 1;
    }
    return (x->task > y->task) - (x->task < y->task);
}

/* Lists who reads from where, sorted; returns how many. */
static size_t list_readings(const uint32_t *task_hosts, uint32_t map_tasks,
                            struct reading *readings) {
    size_t count = 0;
    for (uint32_t task = 0; task < map_tasks; task++) {
        for (uint32_t i = 0; i < MR_CORE_HOSTS_OF_TASK; i++) {
            uint32_t host = task_hosts[(size_t)task * MR_CORE_HOSTS_OF_TASK + i];
            if (host != NONE) {
                readings[count++] = (struct reading){host, task};
            }
        }
    }
    qsort(readings, count, sizeof *readings, compare_readings);
    return count;
}

static void fill_hosts(struct mr_state_hosts *hosts, const struct reading *readings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || readings[i].host != readings[i - 1].host) {
            hosts->ids[hosts->count] = readings[i].host;
            hosts->begin[hosts->count] = hosts->at[hosts->count] = (uint32_t)i;
            hosts->count++;
        }
        hosts->tasks[i] = readings[i].task;
    }
    hosts->begin[hosts->count] = (uint32_t)count;
}

int mr_schedule_hosts(const uint32_t *task_hosts, uint32_t map_tasks, struct mr_state_hosts *hosts,
                      struct mr_error *err) {
    *hosts = (struct mr_state_hosts){0};
    if (!task_hosts) {
        return MR_OK;
    }
    size_t most = (size_t)map_tasks * MR_CORE_HOSTS_OF_TASK + 1;
    struct reading *readings = calloc(most, sizeof *readings);
    hosts->ids = calloc(most, sizeof *hosts->ids);
    hosts->begin = calloc(most + 1, sizeof *hosts->begin);
    hosts->at = calloc(most, sizeof *hosts->at);
    hosts->tasks = calloc(most, sizeof *hosts->tasks);
    if (readings && hosts->ids && hosts->begin && hosts->at && hosts->tasks) {
        fill_hosts(hosts, readings, list_readings(task_hosts, map_tasks, readings));
    } else {
        mr_schedule_hosts_fini(hosts);
        mr_error_nomem(err, "listing where a round's input lies");
    }
    free(readings);
    return err->code;
}

void mr_schedule_hosts_fini(struct mr_state_hosts *hosts) {
    free(hosts->ids);
    free(hosts->begin);
    free(hosts->at);
    free(hosts->tasks);
    *hosts = (struct mr_state_hosts){0};
}

/* ---- which task -------------------------------------------------------------------------------
 */

/* The next task that has not started and reads from this host, or NONE. */
static uint32_t find_local(struct mr_state_job *job, uint32_t host) {
    struct mr_state_hosts *hosts = &job->hosts;
    uint32_t low = 0;
    uint32_t high = host == NONE ? 0 : hosts->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (hosts->ids[middle] < host) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == hosts->count || hosts->ids[low] != host) {
        return NONE;
    }
    while (hosts->at[low] < hosts->begin[low + 1]) {
        uint32_t task = hosts->tasks[hosts->at[low]];
        if (job->phases[MR_PHASE_MAP].tasks[task].attempts == 0) {
            return task;
        }
        hosts->at[low]++;
    }
    return NONE;
}

static uint32_t pop_again(struct mr_state_phase *phase) {
    uint32_t task = phase->again;
    if (task != NONE) {
        phase->again = phase->tasks[task].next;
        phase->again_last = phase->again == NONE ? NONE : phase->again_last;
        phase->tasks[task].is_queued = false;
    }
    return task;
}

static uint32_t find_fresh(struct mr_state_phase *phase) {
    while (phase->fresh < phase->count && phase->tasks[phase->fresh].attempts > 0) {
        phase->fresh++;
    }
    return phase->fresh;
}

/* The task of a job that waits in a line that goes to this node; takes it out of the queue. */
static uint32_t choose_task(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                            uint32_t node) {
    uint32_t task = pop_again(&job->phases[phase]);
    if (task == NONE && phase == MR_PHASE_MAP) {
        task = find_local(job, core->nodes[node].host);
    }
    task = task == NONE ? find_fresh(&job->phases[phase]) : task;
    MR_CHECK(task < job->phases[phase].count); /* the job is in line: it has a ready task */
    return task;
}

void mr_schedule_again(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                       uint32_t task) {
    struct mr_state_phase *tasks = &job->phases[phase];
    struct mr_state_task *about = &tasks->tasks[task];
    MR_CHECK(!about->is_queued && about->running == NONE && about->winner == 0);
    about->is_queued = true;
    about->next = NONE;
    *(tasks->again_last == NONE ? &tasks->again : &tasks->tasks[tasks->again_last].next) = task;
    tasks->again_last = task;
    tasks->ready++;
    mr_lines_update(core, job);
}

/* ---- which slot -------------------------------------------------------------------------------
 */

static void start(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                  uint32_t task, uint32_t node) {
    struct mr_state_task *about = &job->phases[phase].tasks[task];
    bool is_backup = about->running != NONE;
    struct mr_core_attempt id = {job->number, job->round, phase, task, ++about->attempts};
    job->phases[phase].ready -= !is_backup;
    mr_attempts_add(core, job, &id, node, false, is_backup);
    mr_state_add_attempt_effect(core, MR_CORE_START, mr_state_worker(core, node), &id);
    mr_slots_rotate(core, node);
}

void mr_schedule_place(struct mr_core *core, struct mr_state_job *job) {
    static const enum mr_core_role lists[] = {MR_CORE_MAPS, MR_CORE_DOES_BOTH};
    for (size_t i = 0; job->hosts.count > 0 && i < sizeof lists / sizeof *lists; i++) {
        uint32_t last = core->node_last[lists[i]];
        uint32_t node = core->node_first[lists[i]];
        while (node != NONE) {
            uint32_t next = node == last ? NONE : core->nodes[node].after;
            uint32_t task;
            while (core->nodes[node].is_listed &&
                   (task = find_local(job, core->nodes[node].host)) != NONE) {
                start(core, job, MR_PHASE_MAP, task, node);
            }
            node = next;
        }
    }
}

/* The node of this list that gets the job's next task. */
static uint32_t choose_node(const struct mr_core *core, enum mr_core_role roles,
                            const struct mr_state_phase *phase) {
    uint32_t node = core->node_first[roles];
    bool has_failed_here = phase->again != NONE && phase->tasks[phase->again].node == node;
    return has_failed_here && core->nodes[node].after != NONE ? core->nodes[node].after : node;
}

void mr_schedule_run(struct mr_core *core) {
    for (int roles = MR_CORE_MAPS; roles <= MR_CORE_DOES_BOTH; roles++) {
        struct mr_state_job *job;
        enum mr_phase phase;
        while (core->node_first[roles] != NONE &&
               (job = mr_lines_first(core, (enum mr_core_role)roles, &phase))) {
            uint32_t node = choose_node(core, (enum mr_core_role)roles, &job->phases[phase]);
            start(core, job, phase, choose_task(core, job, phase, node), node);
        }
    }
}

bool mr_schedule_backup(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                        uint32_t task, uint32_t node) {
    enum mr_core_role own = phase == MR_PHASE_MAP ? MR_CORE_MAPS : MR_CORE_REDUCES;
    const enum mr_core_role lists[] = {own, MR_CORE_DOES_BOTH};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        uint32_t chosen = core->node_first[lists[i]];
        if (chosen == node) {
            chosen = core->nodes[node].after;
        }
        if (chosen != NONE) {
            start(core, job, phase, task, chosen);
            return true;
        }
    }
    return false;
}
