/* tasks: the tasks of a round: those the core started, those under way, and who works on them. */
#include "master/local/threads/tasks.h"

#include "lib/base/error.h"
#include <stdlib.h>

int mr_tasks_init(struct mr_tasks *tasks, struct mr_error *err) {
    pthread_condattr_t monotonic;
    pthread_mutex_init(&tasks->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&tasks->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return mr_core_create(NULL, &tasks->core, err);
}

void mr_tasks_fini(struct mr_tasks *tasks) {
    mr_core_destroy(tasks->core);
    pthread_mutex_destroy(&tasks->lock);
    pthread_cond_destroy(&tasks->changed);
    free(tasks->ready);
}

/* ---- the core, with the lock held
 * --------------------------------------------------------------------- */

void mr_tasks_fail(struct mr_tasks *tasks, const struct mr_error *err) {
    if (!tasks->err.code || (tasks->err.code == MR_ERR_INTERRUPTED && err->code)) {
        tasks->err = *err;
    }
    atomic_store(&tasks->stop, true);
    pthread_cond_broadcast(&tasks->changed);
}

static int push_ready(struct mr_tasks *tasks, const struct mr_core_attempt *attempt) {
    if (tasks->ready_begin == tasks->ready_end) {
        tasks->ready_begin = tasks->ready_end = 0;
    }
    if (tasks->ready_end == tasks->ready_capacity) {
        size_t capacity = tasks->ready_capacity ? tasks->ready_capacity * 2 : 16;
        struct mr_core_attempt *ready = realloc(tasks->ready, capacity * sizeof *ready);
        if (!ready) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "starting a task");
            mr_tasks_fail(tasks, &err);
            return err.code;
        }
        tasks->ready = ready;
        tasks->ready_capacity = capacity;
    }
    tasks->ready[tasks->ready_end++] = *attempt;
    return MR_OK;
}

static void act_on(struct mr_tasks *tasks, const struct mr_core_effect *effect) {
    switch (effect->kind) {
    case MR_CORE_START:
        (void)!push_ready(tasks, &effect->attempt);
        break;
    case MR_CORE_MAPS_DONE:
        tasks->maps_done = true;
        break;
    case MR_CORE_ROUND_DONE:
        tasks->round_done = true;
        break;
    default: /* STOP: the threads see tasks->stop; PUBLISH, FINISHED: the caller of mr_tasks_apply
                goes on; the others are for shells with workers elsewhere */
        break;
    }
}

int mr_tasks_apply(struct mr_tasks *tasks, const struct mr_core_event *event) {
    struct mr_core_effects effects = {0};
    struct mr_error err = {0};
    if (mr_core_apply(tasks->core, event, 0, &effects, &err)) { /* nothing here depends on time */
        mr_tasks_fail(tasks, &err);
        return err.code;
    }
    for (size_t i = 0; i < effects.count; i++) {
        act_on(tasks, &effects.items[i]);
    }
    pthread_cond_broadcast(&tasks->changed);
    return MR_OK;
}

/* ---- tasks
 * ---------------------------------------------------------------------------------------------- */

static int open_task(struct mr_tasks *tasks, struct mr_task *task, struct mr_error *err) {
    const struct mr_core_attempt *attempt = &task->attempt;
    if (attempt->phase == MR_PHASE_MAP) {
        return mr_stage_open_map(tasks->stage, attempt->task, &task->map, err);
    }
    return mr_stage_open_reduce(tasks->stage, attempt->task, attempt->attempt, &task->reduce, err);
}

static void report_task(struct mr_tasks *tasks, const struct mr_core_attempt *attempt, int status) {
    struct mr_core_event event = {.kind = status ? MR_CORE_ATTEMPT_FAILED : MR_CORE_ATTEMPT_DONE,
                                  .worker = MR_TASKS_WORKER,
                                  .attempt = *attempt,
                                  .status = status,
                                  .is_fatal = true};
    (void)!mr_tasks_apply(tasks, &event);
}

/* Starts the first ready task of the phase; with the lock held, which is let go meanwhile. NULL:
 * there was none, or it failed. */
static struct mr_task *start_task(struct mr_tasks *tasks, enum mr_phase phase) {
    if (tasks->ready_begin == tasks->ready_end || tasks->ready[tasks->ready_begin].phase != phase) {
        return NULL;
    }
    struct mr_core_attempt attempt = tasks->ready[tasks->ready_begin++];
    pthread_mutex_unlock(&tasks->lock);
    struct mr_error err = {0};
    struct mr_task *task = calloc(1, sizeof *task);
    if (task) {
        task->attempt = attempt;
        task->workers = 1;
        (void)!open_task(tasks, task, &err);
    } else {
        mr_error_nomem(&err, "starting a task");
    }
    pthread_mutex_lock(&tasks->lock);
    if (err.code) {
        free(task);
        mr_tasks_fail(tasks, &err);
        report_task(tasks, &attempt, err.code);
        return NULL;
    }
    task->next = tasks->running;
    tasks->running = task;
    pthread_cond_broadcast(&tasks->changed); /* others may help */
    return task;
}

static struct mr_task *help_task(struct mr_tasks *tasks, enum mr_phase phase) {
    for (struct mr_task *task = tasks->running; task; task = task->next) {
        bool has_more = !task->has_failed && task->attempt.phase == phase &&
                        (task->map ? mr_map_task_has_more(task->map)
                                   : mr_reduce_task_has_more(task->reduce->task));
        if (has_more) {
            task->workers++;
            return task;
        }
    }
    return NULL;
}

/* Finds something to do in this phase; NULL: the phase is over. */
struct mr_task *mr_tasks_take(struct mr_tasks *tasks, enum mr_phase phase) {
    struct mr_task *task = NULL;
    pthread_mutex_lock(&tasks->lock);
    while (!atomic_load(&tasks->stop)) {
        task = start_task(tasks, phase);
        if (!task && !atomic_load(&tasks->stop)) {
            task = help_task(tasks, phase);
        }
        bool is_over = phase == MR_PHASE_MAP ? tasks->maps_done : tasks->round_done;
        if (task || is_over) {
            break;
        }
        if (!atomic_load(&tasks->stop)) {
            pthread_cond_wait(&tasks->changed, &tasks->lock);
        }
    }
    pthread_mutex_unlock(&tasks->lock);
    return task;
}

static void remove_running(struct mr_tasks *tasks, struct mr_task *task) {
    struct mr_task **link = &tasks->running;
    while (*link != task) {
        link = &(*link)->next;
    }
    *link = task->next;
}

static uint64_t consumed_bytes(const struct mr_task *task) {
    return task->map ? mr_map_task_consumed(task->map) : 0;
}

static uint64_t records_read(const struct mr_task *task) {
    return task->map ? mr_map_task_records(task->map) : 0;
}

/* Leaves a task; the last to leave ends it. */
void mr_tasks_leave(struct mr_tasks *tasks, struct mr_task *task, const struct mr_error *err) {
    struct mr_error failure = *err;
    pthread_mutex_lock(&tasks->lock);
    if (failure.code) {
        task->has_failed = true;
        mr_tasks_fail(tasks, &failure);
    }
    bool is_last = --task->workers == 0;
    if (is_last) {
        remove_running(tasks, task);
        tasks->consumed += consumed_bytes(task);
        tasks->records += records_read(task);
    }
    pthread_mutex_unlock(&tasks->lock);
    if (!is_last) {
        return;
    }
    bool has_failed = task->has_failed || atomic_load(&tasks->stop);
    failure = (struct mr_error){0};
    if (task->map) {
        mr_map_task_close(task->map);
    }
    if (task->reduce) {
        (void)!mr_stage_close_reduce(tasks->stage, task->reduce, has_failed, &failure);
    }
    pthread_mutex_lock(&tasks->lock);
    if (failure.code) {
        mr_tasks_fail(tasks, &failure);
        has_failed = true;
    }
    tasks->partitions_done += task->reduce != NULL;
    report_task(tasks, &task->attempt, has_failed ? tasks->err.code : MR_OK);
    pthread_mutex_unlock(&tasks->lock);
    free(task);
}

int mr_tasks_open_round(struct mr_tasks *tasks, struct mr_stage *stage) {
    bool is_first = tasks->opened == 0;
    struct mr_core_event event = {.kind = is_first ? MR_CORE_SUBMIT : MR_CORE_ROUND_CLOSED,
                                  .job = MR_TASKS_JOB,
                                  .shape = {.map_tasks = mr_stage_map_tasks(stage),
                                            .reduce_tasks = stage->contexts.partitions},
                                  .max_attempts = 1,
                                  .round = is_first ? 0 : tasks->opened - 1,
                                  .has_next = true};
    tasks->opened++;
    tasks->stage = stage;
    tasks->maps_done = false;
    tasks->round_done = false;
    tasks->consumed = 0;
    tasks->records = 0;
    tasks->partitions_done = 0;
    return mr_tasks_apply(tasks, &event);
}

int mr_tasks_end_rounds(struct mr_tasks *tasks) {
    struct mr_core_event event = {
        .kind = MR_CORE_ROUND_CLOSED, .job = MR_TASKS_JOB, .round = tasks->opened - 1};
    return mr_tasks_apply(tasks, &event);
}

void mr_tasks_abandon(struct mr_tasks *tasks) {
    struct mr_core_event cancel = {
        .kind = MR_CORE_CANCEL, .job = MR_TASKS_JOB, .status = tasks->err.code};
    (void)!mr_tasks_apply(tasks, &cancel);
    while (tasks->ready_begin < tasks->ready_end) {
        struct mr_core_attempt attempt = tasks->ready[tasks->ready_begin++];
        report_task(tasks, &attempt, tasks->err.code);
    }
}

uint64_t mr_tasks_consumed(const struct mr_tasks *tasks) {
    uint64_t consumed = tasks->consumed;
    for (const struct mr_task *task = tasks->running; task; task = task->next) {
        consumed += consumed_bytes(task);
    }
    return consumed;
}

uint64_t mr_tasks_records(const struct mr_tasks *tasks) {
    uint64_t records = tasks->records;
    for (const struct mr_task *task = tasks->running; task; task = task->next) {
        records += records_read(task);
    }
    return records;
}

double mr_tasks_partitions(const struct mr_tasks *tasks) {
    double done = tasks->partitions_done;
    for (const struct mr_task *task = tasks->running; task; task = task->next) {
        done += task->reduce ? mr_reduce_task_fraction(task->reduce->task) : 0;
    }
    return done;
}
