/* worker: what one thread of the crew does in a round: map, seal, reduce. */
#include "master/local/threads/worker.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "master/local/common/crash.h"

static void fail_worker(struct mr_worker_round *round, const struct mr_error *err) {
    pthread_mutex_lock(&round->tasks.lock);
    mr_tasks_fail(&round->tasks, err);
    pthread_mutex_unlock(&round->tasks.lock);
}

static void map_phase(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    struct mr_task *task;
    while ((task = mr_tasks_take(&round->tasks, MR_PHASE_MAP))) {
        double start = mr_clock_seconds();
        (void)!mr_map_task_work(task->map, worker->collector, &worker->block,
                                round->stage.source->stop, &worker->books.map);
        worker->books.map_seconds += mr_clock_seconds() - start;
        mr_tasks_leave(&round->tasks, task, &mr_collector_context(worker->collector)->err);
    }
}

void mr_worker_fini(struct mr_worker *worker) {
    mr_collector_destroy(worker->collector);
    worker->collector = NULL;
    mr_reader_block_fini(&worker->block);
}

/* Adds up the collector's account and lets it go, in a loop with the memory that it takes little
 * of. */
static void close_collector(struct mr_worker *worker) {
    struct mr_collector *collector = worker->collector;
    worker->books.emitted += mr_collector_emitted(collector);
    worker->books.combined += mr_collector_combined(collector);
    mr_books_take_counters(&worker->books, &mr_collector_context(collector)->counters);
    if (worker->round->stage.contexts.pass) {
        mr_collector_rest(&worker->collector);
    } else {
        mr_worker_fini(worker);
    }
}

/* The last worker to seal merges what must be merged before reduce can start. */
static void settle(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    struct mr_context context;
    mr_context_init(&context, &round->stage.contexts, MR_PHASE_REDUCE);
    if (!mr_context_setup(&context)) {
        struct mr_record_rules rules = mr_context_rules(&context);
        (void)!mr_run_store_settle(round->stage.store,
                                   round->stage.source->plan->memory.merge_bytes, &rules,
                                   &context.err);
    }
    pthread_mutex_lock(&round->tasks.lock);
    if (context.err.code) {
        mr_tasks_fail(&round->tasks, &context.err);
    }
    mr_books_take_store(&round->books, round->stage.store, round->stage.contexts.partitions);
    round->books.seconds_map = mr_clock_seconds() - round->phase_started;
    round->phase_started = mr_clock_seconds();
    round->is_settled = true;
    pthread_cond_broadcast(&round->tasks.changed);
    pthread_mutex_unlock(&round->tasks.lock);
    mr_context_fini(&context);
}

static void seal_phase(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    double start = mr_clock_seconds();
    if (worker->collector) {
        if (!atomic_load(&round->tasks.stop) && mr_collector_finish(worker->collector)) {
            fail_worker(round, &mr_collector_context(worker->collector)->err);
        }
        close_collector(worker);
    }
    worker->books.map_seconds += mr_clock_seconds() - start;
    pthread_mutex_lock(&round->tasks.lock);
    bool is_last = ++round->sealed == round->workers;
    pthread_mutex_unlock(&round->tasks.lock);
    if (is_last && !atomic_load(&round->tasks.stop)) {
        settle(worker);
    }
}

static void reduce_phase(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    struct mr_context *context = mr_reducer_context(worker->reducer);
    struct mr_task *task;
    while ((task = mr_tasks_take(&round->tasks, MR_PHASE_REDUCE))) {
        double start = mr_clock_seconds();
        if (mr_reduce_task_work(task->reduce->task, worker->reducer, round->stage.source->stop,
                                &worker->books.reduce)) {
            mr_reduce_task_fail(task->reduce->task);
        }
        worker->books.reduce_seconds += mr_clock_seconds() - start;
        mr_tasks_leave(&round->tasks, task, &context->err);
    }
    mr_books_take_counters(&worker->books, &context->counters);
}

void mr_worker_map(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    struct mr_error err = {0};
    struct mr_collector_options options = {.source = round->stage.contexts,
                                           .store = round->stage.store,
                                           .pool = round->pool,
                                           .budget_bytes =
                                               round->stage.source->plan->memory.collector_bytes,
                                           .stop = round->stage.source->stop};
    worker->books = (struct mr_books){0};
    if (mr_collector_wake(&options, &worker->collector, &err)) {
        fail_worker(round, &err);
    } else {
        map_phase(worker);
    }
    seal_phase(worker);
}

void mr_worker_reduce(struct mr_worker *worker) {
    struct mr_worker_round *round = worker->round;
    struct mr_error err = {0};
    if (!atomic_load(&round->tasks.stop)) {
        if (mr_reducer_create(&round->stage.contexts, &worker->reducer, &err)) {
            fail_worker(round, &err);
        } else {
            reduce_phase(worker);
        }
    }
    mr_reducer_destroy(worker->reducer);
    worker->reducer = NULL;
    pthread_mutex_lock(&round->tasks.lock);
    mr_books_add(&round->books, &worker->books, &err);
    if (err.code) {
        mr_tasks_fail(&round->tasks, &err);
    }
    round->done++;
    pthread_cond_broadcast(&round->tasks.changed);
    pthread_mutex_unlock(&round->tasks.lock);
}

/* Waits for the next round; false: there is none. */
static bool wait_for_round(struct mr_worker_round *round, uint64_t number) {
    pthread_mutex_lock(&round->tasks.lock);
    while (round->opened < number && !round->quits) {
        pthread_cond_wait(&round->tasks.changed, &round->tasks.lock);
    }
    bool quits = round->quits;
    pthread_mutex_unlock(&round->tasks.lock);
    return !quits;
}

static void wait_for_reduce(struct mr_worker_round *round) {
    pthread_mutex_lock(&round->tasks.lock);
    while (!round->reduce_is_open && !atomic_load(&round->tasks.stop)) {
        pthread_cond_wait(&round->tasks.changed, &round->tasks.lock);
    }
    pthread_mutex_unlock(&round->tasks.lock);
}

void *mr_worker_main(void *arg) {
    struct mr_worker *worker = arg;
    mr_crash_thread_start();
    for (uint64_t number = 1; wait_for_round(worker->round, number); number++) {
        mr_worker_map(worker);
        wait_for_reduce(worker->round);
        mr_worker_reduce(worker);
    }
    mr_crash_thread_end();
    return NULL;
}
