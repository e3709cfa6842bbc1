/* crew: the embedded engine's threads: a shell around master/core that acts on its effects. */
#include "master/local/crew.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "master/local/books.h"
#include "master/local/crash.h"
#include "master/local/stage.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define PROGRESS_MS 100

/* A task under way, and the threads that work on it. */
struct running {
    struct running *next;
    struct mr_core_attempt attempt;
    struct mr_map_task *map;
    struct mr_stage_reduce *reduce;
    unsigned workers;
    bool has_failed;
};

struct worker {
    struct mr_crew *crew;
    pthread_t thread;
    struct mr_collector *collector;
    struct mr_block block;
    struct mr_reducer *reducer;
    struct mr_books books;
};

struct mr_crew {
    struct mr_crew_source source;
    struct mr_pool *pool;
    double started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct worker *workers;
    unsigned worker_count;
    unsigned thread_count; /* started */
    atomic_bool stop;      /* something failed, or somebody wants us to stop */

    /* Behind the lock. */
    struct mr_core *core;
    struct mr_error err;
    struct mr_stage stage;
    struct mr_books books; /* of the round */
    double phase_started;
    uint32_t rounds_opened;
    unsigned workers_sealed;
    unsigned workers_done;
    bool is_settled;
    bool reduce_is_open; /* the caller has been told that the phase begins */
    bool quits;
    struct mr_core_attempt *ready; /* started by the core, taken by nobody */
    size_t ready_begin;
    size_t ready_end;
    size_t ready_capacity;
    struct running *running;
    bool maps_done;
    bool round_done;
    uint64_t tasks_bytes; /* of the input, in tasks that are done */
    uint32_t partitions_done;
    uint32_t *winners;
};

/* ---- the core, with the lock held --------------------------------------------------------------------- */

static void fail_crew(struct mr_crew *crew, const struct mr_error *err) {
    if (!crew->err.code || (crew->err.code == MR_ERR_INTERRUPTED && err->code)) {
        crew->err = *err;
    }
    atomic_store(&crew->stop, true);
    pthread_cond_broadcast(&crew->changed);
}

static int push_ready(struct mr_crew *crew, const struct mr_core_attempt *attempt) {
    if (crew->ready_begin == crew->ready_end) {
        crew->ready_begin = crew->ready_end = 0;
    }
    if (crew->ready_end == crew->ready_capacity) {
        size_t capacity = crew->ready_capacity ? crew->ready_capacity * 2 : 16;
        struct mr_core_attempt *ready = realloc(crew->ready, capacity * sizeof *ready);
        if (!ready) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "starting a task");
            fail_crew(crew, &err);
            return err.code;
        }
        crew->ready = ready;
        crew->ready_capacity = capacity;
    }
    crew->ready[crew->ready_end++] = *attempt;
    return MR_OK;
}

static void act_on(struct mr_crew *crew, const struct mr_core_effect *effect) {
    switch (effect->kind) {
    case MR_CORE_START:
        (void)!push_ready(crew, &effect->attempt);
        break;
    case MR_CORE_MAPS_DONE:
        crew->maps_done = true;
        break;
    case MR_CORE_ROUND_DONE:
        crew->round_done = true;
        break;
    case MR_CORE_STOP: /* the threads see crew->stop */
    case MR_CORE_PUBLISH:
    case MR_CORE_FINISHED: /* mr_crew_run returns, and its caller acts */
        break;
    }
}

static int apply(struct mr_crew *crew, const struct mr_core_event *event) {
    struct mr_core_effects effects = {0};
    struct mr_error err = {0};
    if (mr_core_apply(crew->core, event, &effects, &err)) {
        fail_crew(crew, &err);
        return err.code;
    }
    for (size_t i = 0; i < effects.count; i++) {
        act_on(crew, &effects.items[i]);
    }
    pthread_cond_broadcast(&crew->changed);
    return MR_OK;
}

/* ---- tasks ---------------------------------------------------------------------------------------------- */

static int open_task(struct mr_crew *crew, struct running *task, struct mr_error *err) {
    const struct mr_core_attempt *attempt = &task->attempt;
    if (attempt->phase == MR_PHASE_MAP) {
        return mr_stage_open_map(&crew->stage, attempt->task, &task->map, err);
    }
    return mr_stage_open_reduce(&crew->stage, attempt->task, attempt->attempt, &task->reduce, err);
}

static void report_task(struct mr_crew *crew, const struct mr_core_attempt *attempt, int status) {
    struct mr_core_event event = {.kind = status ? MR_CORE_ATTEMPT_FAILED : MR_CORE_ATTEMPT_DONE,
                                  .attempt = *attempt,
                                  .status = status,
                                  .fatal = true};
    (void)!apply(crew, &event);
}

/* Starts the first ready task of the phase; with the lock held, which is let go meanwhile. NULL: there was none, or it failed. */
static struct running *start_task(struct mr_crew *crew, enum mr_phase phase) {
    if (crew->ready_begin == crew->ready_end || crew->ready[crew->ready_begin].phase != phase) {
        return NULL;
    }
    struct mr_core_attempt attempt = crew->ready[crew->ready_begin++];
    pthread_mutex_unlock(&crew->lock);
    struct mr_error err = {0};
    struct running *task = calloc(1, sizeof *task);
    if (task) {
        task->attempt = attempt;
        task->workers = 1;
        (void)!open_task(crew, task, &err);
    } else {
        mr_error_nomem(&err, "starting a task");
    }
    pthread_mutex_lock(&crew->lock);
    if (err.code) {
        free(task);
        fail_crew(crew, &err);
        report_task(crew, &attempt, err.code);
        return NULL;
    }
    task->next = crew->running;
    crew->running = task;
    pthread_cond_broadcast(&crew->changed); /* others may help */
    return task;
}

static struct running *help_task(struct mr_crew *crew, enum mr_phase phase) {
    for (struct running *task = crew->running; task; task = task->next) {
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
static struct running *find_work(struct mr_crew *crew, enum mr_phase phase) {
    struct running *task = NULL;
    pthread_mutex_lock(&crew->lock);
    while (!atomic_load(&crew->stop)) {
        task = start_task(crew, phase);
        if (!task && !atomic_load(&crew->stop)) {
            task = help_task(crew, phase);
        }
        bool is_over = phase == MR_PHASE_MAP ? crew->maps_done : crew->round_done;
        if (task || is_over) {
            break;
        }
        if (!atomic_load(&crew->stop)) {
            pthread_cond_wait(&crew->changed, &crew->lock);
        }
    }
    pthread_mutex_unlock(&crew->lock);
    return task;
}

static void remove_running(struct mr_crew *crew, struct running *task) {
    struct running **link = &crew->running;
    while (*link != task) {
        link = &(*link)->next;
    }
    *link = task->next;
}

static uint64_t consumed_bytes(const struct running *task) {
    return task->map ? mr_map_task_consumed(task->map) : 0;
}

/* Leaves a task; the last to leave ends it. */
static void leave_task(struct mr_crew *crew, struct running *task, const struct mr_error *err) {
    struct mr_error failure = *err;
    pthread_mutex_lock(&crew->lock);
    if (failure.code) {
        task->has_failed = true;
        fail_crew(crew, &failure);
    }
    bool is_last = --task->workers == 0;
    if (is_last) {
        remove_running(crew, task);
        crew->tasks_bytes += consumed_bytes(task);
    }
    pthread_mutex_unlock(&crew->lock);
    if (!is_last) {
        return;
    }
    bool has_failed = task->has_failed || atomic_load(&crew->stop);
    failure = (struct mr_error){0};
    if (task->map) {
        mr_map_task_close(task->map);
    }
    if (task->reduce) {
        (void)!mr_stage_close_reduce(&crew->stage, task->reduce, has_failed, &failure);
    }
    pthread_mutex_lock(&crew->lock);
    if (failure.code) {
        fail_crew(crew, &failure);
        has_failed = true;
    }
    crew->partitions_done += task->reduce != NULL;
    report_task(crew, &task->attempt, has_failed ? crew->err.code : MR_OK);
    pthread_mutex_unlock(&crew->lock);
    free(task);
}

/* ---- watching -------------------------------------------------------------------------------------------- */

/* With the lock held: how far the round is. */
static struct mr_run_progress measure(struct mr_crew *crew) {
    const struct mr_plan *plan = crew->source.plan;
    struct mr_run_progress progress = {.job = plan->job->name,
                                       .round = plan->job->rounds[crew->stage.round].name,
                                       .phase = crew->is_settled ? MR_PHASE_REDUCE : MR_PHASE_MAP,
                                       .seconds = mr_clock_seconds() - crew->started};
    if (progress.phase == MR_PHASE_MAP) {
        progress.bytes_done = crew->tasks_bytes;
        progress.bytes_total =
            plan->inputs.has_stream || crew->stage.round ? 0 : plan->inputs.bytes;
        for (struct running *task = crew->running; task; task = task->next) {
            progress.bytes_done += consumed_bytes(task);
        }
        return progress;
    }
    double done = crew->partitions_done;
    for (struct running *task = crew->running; task; task = task->next) {
        done += task->reduce ? mr_reduce_task_fraction(task->reduce->task) : 0;
    }
    progress.bytes_total = crew->books.run_bytes;
    progress.bytes_done = (uint64_t)(done / crew->stage.contexts.partitions *
                                     (double)crew->books.run_bytes);
    return progress;
}

/* With the lock held: looks after the round from outside. */
static void watch(struct mr_crew *crew) {
    const struct mr_run_spec *spec = crew->source.spec;
    if (spec->stop && atomic_load(spec->stop) && !atomic_load(&crew->stop)) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_INTERRUPTED, "interrupted");
        fail_crew(crew, &err);
    }
    if (spec->progress) {
        struct mr_run_progress progress = measure(crew);
        pthread_mutex_unlock(&crew->lock);
        spec->progress(spec->progress_arg, &progress);
        pthread_mutex_lock(&crew->lock);
    }
}

/* With the lock held, in the thread that called mr_run: lets reduce begin, once its caller knows of it. */
static void open_reduce(struct mr_crew *crew) {
    watch(crew);
    crew->reduce_is_open = true;
    pthread_cond_broadcast(&crew->changed);
}

/* ---- a worker's round ------------------------------------------------------------------------------------- */

static void fail_worker(struct mr_crew *crew, const struct mr_error *err) {
    pthread_mutex_lock(&crew->lock);
    fail_crew(crew, err);
    pthread_mutex_unlock(&crew->lock);
}

static void map_phase(struct worker *worker) {
    struct mr_crew *crew = worker->crew;
    struct running *task;
    while ((task = find_work(crew, MR_PHASE_MAP))) {
        double start = mr_clock_seconds();
        (void)!mr_map_task_work(task->map, worker->collector, &worker->block, crew->source.stop,
                                &worker->books.map);
        worker->books.map_seconds += mr_clock_seconds() - start;
        leave_task(crew, task, &mr_collector_context(worker->collector)->err);
    }
}

/* Adds up the collector's account and lets it go. */
static void close_collector(struct worker *worker) {
    struct mr_collector *collector = worker->collector;
    worker->books.emitted += mr_collector_emitted(collector);
    worker->books.combined += mr_collector_combined(collector);
    mr_books_take_counters(&worker->books, &mr_collector_context(collector)->counters);
    mr_collector_destroy(collector);
    worker->collector = NULL;
    mr_reader_block_fini(&worker->block);
}

/* The last worker to seal merges what must be merged before reduce can start. */
static void settle(struct worker *worker) {
    struct mr_crew *crew = worker->crew;
    struct mr_context context;
    mr_context_init(&context, &crew->stage.contexts, MR_PHASE_REDUCE);
    if (!mr_context_setup(&context)) {
        struct mr_record_rules rules = mr_context_rules(&context);
        (void)!mr_run_store_settle(crew->stage.store, crew->source.plan->memory.merge_bytes,
                                   &rules, &context.err);
    }
    pthread_mutex_lock(&crew->lock);
    if (context.err.code) {
        fail_crew(crew, &context.err);
    }
    mr_books_take_store(&crew->books, crew->stage.store, crew->stage.contexts.partitions);
    crew->books.seconds_map = mr_clock_seconds() - crew->phase_started;
    crew->phase_started = mr_clock_seconds();
    crew->is_settled = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    mr_context_fini(&context);
}

static void seal_phase(struct worker *worker) {
    struct mr_crew *crew = worker->crew;
    double start = mr_clock_seconds();
    if (worker->collector) {
        if (!atomic_load(&crew->stop) && mr_collector_finish(worker->collector)) {
            fail_worker(crew, &mr_collector_context(worker->collector)->err);
        }
        close_collector(worker);
    }
    worker->books.map_seconds += mr_clock_seconds() - start;
    pthread_mutex_lock(&crew->lock);
    bool is_last = ++crew->workers_sealed == crew->worker_count;
    pthread_mutex_unlock(&crew->lock);
    if (is_last && !atomic_load(&crew->stop)) {
        settle(worker);
    }
    pthread_mutex_lock(&crew->lock);
    if (!crew->thread_count) {
        open_reduce(crew);
    }
    while (!crew->reduce_is_open && !atomic_load(&crew->stop)) {
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
}

static void reduce_phase(struct worker *worker) {
    struct mr_crew *crew = worker->crew;
    struct mr_context *context = mr_reducer_context(worker->reducer);
    struct running *task;
    while ((task = find_work(crew, MR_PHASE_REDUCE))) {
        double start = mr_clock_seconds();
        if (mr_reduce_task_work(task->reduce->task, worker->reducer, crew->source.stop,
                                &worker->books.reduce)) {
            mr_reduce_task_fail(task->reduce->task);
        }
        worker->books.reduce_seconds += mr_clock_seconds() - start;
        leave_task(crew, task, &context->err);
    }
    mr_books_take_counters(&worker->books, &context->counters);
}

static void work_round(struct worker *worker) {
    struct mr_crew *crew = worker->crew;
    const struct mr_plan *plan = crew->source.plan;
    struct mr_error err = {0};
    struct mr_collector_options options = {.source = crew->stage.contexts,
                                           .store = crew->stage.store,
                                           .pool = crew->pool,
                                           .budget_bytes = plan->memory.collector_bytes};
    worker->books = (struct mr_books){0};
    if (mr_collector_create(&options, &worker->collector, &err)) {
        fail_worker(crew, &err);
    } else {
        map_phase(worker);
    }
    seal_phase(worker);
    if (!atomic_load(&crew->stop)) {
        if (mr_reducer_create(&crew->stage.contexts, &worker->reducer, &err)) {
            fail_worker(crew, &err);
        } else {
            reduce_phase(worker);
        }
    }
    mr_reducer_destroy(worker->reducer);
    worker->reducer = NULL;
    pthread_mutex_lock(&crew->lock);
    mr_books_add(&crew->books, &worker->books, &err);
    if (err.code) {
        fail_crew(crew, &err);
    }
    crew->workers_done++;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

static void *work(void *arg) {
    struct worker *worker = arg;
    struct mr_crew *crew = worker->crew;
    mr_crash_thread_start();
    for (uint32_t round = 1;; round++) {
        pthread_mutex_lock(&crew->lock);
        while (crew->rounds_opened < round && !crew->quits) {
            pthread_cond_wait(&crew->changed, &crew->lock);
        }
        bool quits = crew->quits;
        pthread_mutex_unlock(&crew->lock);
        if (quits) {
            break;
        }
        work_round(worker);
    }
    mr_crash_thread_end();
    return NULL;
}

/* ---- the main thread ---------------------------------------------------------------------------------------- */

static struct timespec next_look(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PROGRESS_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

/* With the lock held: looks after the round ten times a second until all workers are done. */
static void wait_for_round(struct mr_crew *crew) {
    struct timespec until = next_look();
    while (crew->workers_done < crew->worker_count) {
        if (pthread_cond_timedwait(&crew->changed, &crew->lock, &until) == ETIMEDOUT) {
            watch(crew);
            until = next_look();
        }
        if (crew->is_settled && !crew->reduce_is_open) {
            open_reduce(crew);
        }
    }
}

/* Tells the core of what will not run any more, so that it ends. */
static void abandon_round(struct mr_crew *crew) {
    struct mr_core_event cancel = {.kind = MR_CORE_CANCEL, .status = crew->err.code};
    (void)!apply(crew, &cancel);
    while (crew->ready_begin < crew->ready_end) {
        struct mr_core_attempt attempt = crew->ready[crew->ready_begin++];
        report_task(crew, &attempt, crew->err.code);
    }
}

static int open_round(struct mr_crew *crew, uint32_t round, struct mr_error *err) {
    struct mr_stage_pairs pairs = crew->stage.out;
    crew->stage.out = (struct mr_stage_pairs){0};
    mr_stage_close(&crew->stage);
    if (mr_stage_open(&crew->stage, &crew->source, crew->pool, round, &pairs, err)) {
        return err->code;
    }
    mr_books_fini(&crew->books);
    crew->maps_done = crew->round_done = crew->is_settled = crew->reduce_is_open = false;
    crew->workers_sealed = crew->workers_done = 0;
    crew->partitions_done = 0;
    crew->tasks_bytes = 0;
    crew->phase_started = mr_clock_seconds();
    struct mr_core_event event = {.kind = MR_CORE_ROUND_OPEN,
                                  .map_tasks = mr_stage_map_tasks(&crew->stage),
                                  .reduce_tasks = crew->stage.contexts.partitions};
    if (apply(crew, &event)) {
        *err = crew->err;
        return err->code;
    }
    crew->rounds_opened++;
    pthread_cond_broadcast(&crew->changed);
    return MR_OK;
}

static int close_round(struct mr_crew *crew, uint32_t round, struct mr_error *err) {
    struct mr_run_result *result = crew->source.result;
    crew->books.seconds_reduce = mr_clock_seconds() - crew->phase_started;
    mr_books_report(&crew->books, &result->rounds[round]);
    result->rounds[round].name = crew->source.plan->job->rounds[round].name;
    result->round_count = round + 1;
    if (crew->err.code) {
        abandon_round(crew);
        *err = crew->err;
        return err->code;
    }
    if (mr_books_check(&crew->books, crew->source.plan->job->name, err) ||
        mr_books_merge_counters(&crew->books, result, err)) {
        return err->code;
    }
    return MR_OK;
}

static int run_round(struct mr_crew *crew, uint32_t round, struct mr_error *err) {
    pthread_mutex_lock(&crew->lock);
    int status = open_round(crew, round, err);
    if (!status && !crew->thread_count) {
        pthread_mutex_unlock(&crew->lock);
        work_round(&crew->workers[0]);
        pthread_mutex_lock(&crew->lock);
        watch(crew);
    } else if (!status) {
        wait_for_round(crew);
    }
    status = status ? status : close_round(crew, round, err);
    pthread_mutex_unlock(&crew->lock);
    return status;
}

static int keep_winners(struct mr_crew *crew, struct mr_error *err) {
    uint32_t count = crew->stage.contexts.partitions;
    crew->winners = calloc(count, sizeof *crew->winners);
    if (!crew->winners) {
        return mr_error_nomem(err, "publishing");
    }
    for (uint32_t i = 0; i < count; i++) {
        crew->winners[i] = mr_core_winner(crew->core, MR_PHASE_REDUCE, i);
    }
    return MR_OK;
}

int mr_crew_run(struct mr_crew *crew, struct mr_error *err) {
    const struct mr_plan *plan = crew->source.plan;
    for (uint32_t round = 0; round < plan->rounds; round++) {
        if (run_round(crew, round, err)) {
            return err->code;
        }
    }
    return keep_winners(crew, err);
}

int mr_crew_published(struct mr_crew *crew, int status, struct mr_error *err) {
    struct mr_core_event event = {
        .kind = status ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED, .status = status};
    pthread_mutex_lock(&crew->lock);
    if (apply(crew, &event)) {
        *err = crew->err;
    }
    pthread_mutex_unlock(&crew->lock);
    return err->code;
}

const uint32_t *mr_crew_winners(const struct mr_crew *crew) {
    return crew->winners;
}

/* Starts the threads, every signal but a crash's blocked in them. */
static int start_threads(struct mr_crew *crew, struct mr_error *err) {
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    for (unsigned i = 0; i < crew->worker_count && !err->code; i++) {
        int failure = pthread_create(&crew->workers[i].thread, NULL, work, &crew->workers[i]);
        if (failure) {
            mr_error_errno(err, MR_ERR_IO, failure, "start a thread");
        } else {
            crew->thread_count++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

/* Submits the job and offers the slots. */
static int submit(struct mr_crew *crew, struct mr_error *err) {
    const struct mr_plan *plan = crew->source.plan;
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP, .slots = plan->threads};
    struct mr_core_event job = {
        .kind = MR_CORE_SUBMIT, .rounds = plan->rounds, .max_attempts = 1};
    if (mr_core_create(&crew->core, err)) {
        return err->code;
    }
    if (apply(crew, &up) || apply(crew, &job)) {
        *err = crew->err;
    }
    return err->code;
}

int mr_crew_create(const struct mr_crew_source *source, struct mr_crew **crew,
                   struct mr_error *err) {
    const struct mr_plan *plan = source->plan;
    struct mr_crew *made = calloc(1, sizeof *made);
    if (made) {
        made->workers = calloc(plan->threads, sizeof *made->workers);
    }
    if (!made || !made->workers) {
        free(made);
        return mr_error_nomem(err, "starting threads");
    }
    made->source = *source;
    /* Without threads nobody watches spec->stop meanwhile: the tasks look at it themselves. */
    made->source.stop = plan->is_inline && source->spec->stop ? source->spec->stop : &made->stop;
    made->worker_count = plan->threads;
    made->started = mr_clock_seconds();
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < plan->threads; i++) {
        made->workers[i].crew = made;
    }
    if (mr_pool_create(&made->pool, err) || submit(made, err) ||
        (!plan->is_inline && start_threads(made, err))) {
        mr_crew_destroy(made);
        return err->code;
    }
    *crew = made;
    return MR_OK;
}

void mr_crew_destroy(struct mr_crew *crew) {
    if (!crew) {
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->quits = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->thread_count; i++) {
        pthread_join(crew->workers[i].thread, NULL);
    }
    mr_stage_close(&crew->stage);
    mr_books_fini(&crew->books);
    mr_core_destroy(crew->core);
    mr_pool_destroy(crew->pool);
    pthread_mutex_destroy(&crew->lock);
    pthread_cond_destroy(&crew->changed);
    free(crew->ready);
    free(crew->winners);
    free(crew->workers);
    free(crew);
}
