/* crew: the embedded engine's threads: a shell around master/core that acts on its effects. */
#include "master/local/threads/crew.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "master/local/common/loop.h"
#include "master/local/threads/worker.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define PROGRESS_MS 100
#define REPLAY_BYTES ((size_t)1 << 20) /* of a small input, kept for the next passes of a loop */

struct mr_crew {
    struct mr_stage_source source;
    struct mr_worker_round round;
    struct mr_worker *workers;
    unsigned thread_count; /* started */
    double started;
    double shown;         /* when progress was last told */
    struct mr_loop *loop; /* NULL: the job doesn't loop */
    size_t replay_room;
    uint32_t *winners;
};

/* With the lock held: how far the round is. */
static struct mr_run_progress measure(struct mr_crew *crew) {
    const struct mr_plan *plan = crew->source.plan;
    struct mr_worker_round *round = &crew->round;
    struct mr_run_progress progress = {.job = plan->job->name,
                                       .round = plan->rounds[round->stage.round].name,
                                       .phase = round->is_settled ? MR_PHASE_REDUCE : MR_PHASE_MAP,
                                       .records = mr_tasks_records(&round->tasks),
                                       .pass = round->stage.contexts.pass,
                                       .seconds = mr_clock_seconds() - crew->started};
    if (progress.phase == MR_PHASE_MAP) {
        bool is_known = !plan->inputs.has_stream && round->stage.round == 0;
        progress.bytes_done = mr_tasks_consumed(&round->tasks);
        progress.bytes_total = is_known ? plan->inputs.bytes : 0;
    } else {
        double done = mr_tasks_partitions(&round->tasks) / round->stage.contexts.partitions;
        progress.bytes_done = (uint64_t)(done * (double)round->books.run_bytes);
        progress.bytes_total = round->books.run_bytes;
    }
    return progress;
}

/* Whether progress is to be told; of the many phases of a loop, ten times a second. */
static bool is_due(struct mr_crew *crew) {
    if (!crew->source.spec->progress) {
        return false;
    }
    double now = mr_clock_seconds();
    if (crew->loop && now - crew->shown < PROGRESS_MS / 1000.0) {
        return false;
    }
    crew->shown = now;
    return true;
}

/* With the lock held: looks after the round from outside. */
static void watch(struct mr_crew *crew) {
    const struct mr_run_spec *spec = crew->source.spec;
    if (spec->stop && atomic_load(spec->stop) && !atomic_load(&crew->round.tasks.stop)) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_INTERRUPTED, "interrupted");
        mr_tasks_fail(&crew->round.tasks, &err);
    }
    if (is_due(crew)) {
        struct mr_run_progress progress = measure(crew);
        pthread_mutex_unlock(&crew->round.tasks.lock);
        spec->progress(spec->progress_arg, &progress);
        pthread_mutex_lock(&crew->round.tasks.lock);
    }
}

/* With the lock held, in the thread that called mr_run: lets reduce begin, once its caller knows of
 * it. */
static void open_reduce(struct mr_crew *crew) {
    watch(crew);
    crew->round.reduce_is_open = true;
    pthread_cond_broadcast(&crew->round.tasks.changed);
}

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
    while (crew->round.done < crew->round.workers) {
        if (pthread_cond_timedwait(&crew->round.tasks.changed, &crew->round.tasks.lock, &until) ==
            ETIMEDOUT) {
            watch(crew);
            until = next_look();
        }
        if (crew->round.is_settled && !crew->round.reduce_is_open) {
            open_reduce(crew);
        }
    }
}

/* The first round of a pass reads the input, a later one the pairs of the one before it. */
static int open_round(struct mr_crew *crew, const struct mr_stage_turn *turn,
                      struct mr_error *err) {
    struct mr_worker_round *round = &crew->round;
    struct mr_stage_pairs pairs = {0};
    if (turn->round > 0) {
        pairs = round->stage.out;
        round->stage.out = (struct mr_stage_pairs){0};
    }
    if (mr_stage_open(&round->stage, &crew->source, round->pool, turn, &pairs, err)) {
        return err->code;
    }
    mr_books_fini(&round->books);
    round->is_settled = round->reduce_is_open = false;
    round->sealed = round->done = 0;
    round->phase_started = mr_clock_seconds();
    if (mr_tasks_open_round(&round->tasks, &round->stage)) {
        *err = round->tasks.err;
        return err->code;
    }
    round->opened++;
    return MR_OK;
}

static int close_round(struct mr_crew *crew, const struct mr_stage_turn *turn,
                       struct mr_error *err) {
    struct mr_run_result *result = crew->source.result;
    struct mr_run_round *row = &result->rounds[turn->round];
    crew->round.books.seconds_reduce = mr_clock_seconds() - crew->round.phase_started;
    mr_books_report(&crew->round.books, row);
    row->name = crew->source.plan->rounds[turn->round].name;
    if (turn->pass <= 1) {
        result->round_count = turn->round + 1;
    }
    if (turn->round == 0 && turn->pass <= 1) { /* a stream's bytes are known now */
        result->input_bytes = mr_tasks_consumed(&crew->round.tasks);
    }
    if (crew->round.tasks.err.code) {
        mr_tasks_abandon(&crew->round.tasks);
        *err = crew->round.tasks.err;
        return err->code;
    }
    if (mr_books_check(&crew->round.books, crew->source.plan->job->name, err) ||
        mr_books_merge_counters(&crew->round.books.counters, result, err)) {
        return err->code;
    }
    return MR_OK;
}

/* With the lock held, which is let go meanwhile: does the round in the calling thread. */
static void work_inline(struct mr_crew *crew) {
    pthread_mutex_unlock(&crew->round.tasks.lock);
    mr_worker_map(&crew->workers[0]);
    pthread_mutex_lock(&crew->round.tasks.lock);
    open_reduce(crew);
    pthread_mutex_unlock(&crew->round.tasks.lock);
    mr_worker_reduce(&crew->workers[0]);
    pthread_mutex_lock(&crew->round.tasks.lock);
    watch(crew);
}

static int run_round(struct mr_crew *crew, const struct mr_stage_turn *turn, struct mr_error *err) {
    pthread_mutex_lock(&crew->round.tasks.lock);
    int status = open_round(crew, turn, err);
    if (!status && !crew->thread_count) {
        work_inline(crew);
    } else if (!status) {
        wait_for_round(crew);
    }
    status = status ? status : close_round(crew, turn, err);
    pthread_mutex_unlock(&crew->round.tasks.lock);
    return status;
}

/* Runs all rounds once: the job, or a pass of its loop. */
static int run_rounds(struct mr_crew *crew, uint64_t pass, struct mr_error *err) {
    struct mr_stage_turn turn = {.pass = pass};
    if (crew->loop) {
        turn.loop_state = mr_loop_borrow_state(crew->loop);
    }
    for (; turn.round < crew->source.plan->round_count; turn.round++) {
        if (run_round(crew, &turn, err)) {
            return err->code;
        }
    }
    return MR_OK;
}

/* Tells the core that the loop failed. */
static int fail_loop(struct mr_crew *crew, struct mr_error *err) {
    struct mr_tasks *tasks = &crew->round.tasks;
    pthread_mutex_lock(&tasks->lock);
    mr_tasks_fail(tasks, err);
    mr_tasks_abandon(tasks);
    pthread_mutex_unlock(&tasks->lock);
    return err->code;
}

static int run_loop(struct mr_crew *crew, struct mr_error *err) {
    const struct mr_stage_pairs *out = &crew->round.stage.out;
    bool again;
    (void)!mr_loop_turn(crew->loop, 0, NULL, 0, &again, err);
    again = true;
    for (uint64_t pass = 1; again && !err->code; pass++) {
        if (run_rounds(crew, pass, err)) {
            return err->code; /* the core knows */
        }
        (void)!mr_loop_turn(crew->loop, pass, out->runs, out->count, &again, err);
    }
    if (!err->code) {
        (void)!mr_loop_finish(crew->loop, err);
    }
    return err->code ? fail_loop(crew, err) : MR_OK;
}

static int keep_winners(struct mr_crew *crew, struct mr_error *err) {
    uint32_t count = mr_plan_parts(crew->source.plan, crew->source.spec);
    crew->winners = calloc(count, sizeof *crew->winners);
    if (!crew->winners) {
        return mr_error_nomem(err, "publishing");
    }
    for (uint32_t i = 0; i < count; i++) {
        crew->winners[i] =
            crew->loop
                ? 1
                : mr_core_winner(crew->round.tasks.core, MR_TASKS_JOB, MR_PHASE_REDUCE, i).attempt;
    }
    return MR_OK;
}

int mr_crew_run(struct mr_crew *crew, struct mr_error *err) {
    int status = crew->loop ? run_loop(crew, err) : run_rounds(crew, 0, err);
    return status ? status : keep_winners(crew, err);
}

int mr_crew_published(struct mr_crew *crew, int status, struct mr_error *err) {
    struct mr_core_event event = {.kind = status ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED,
                                  .job = MR_TASKS_JOB,
                                  .status = status};
    pthread_mutex_lock(&crew->round.tasks.lock);
    if (mr_tasks_end_rounds(&crew->round.tasks) || mr_tasks_apply(&crew->round.tasks, &event)) {
        *err = crew->round.tasks.err;
    }
    pthread_mutex_unlock(&crew->round.tasks.lock);
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
    for (unsigned i = 0; i < crew->round.workers && !err->code; i++) {
        int failure =
            pthread_create(&crew->workers[i].thread, NULL, mr_worker_main, &crew->workers[i]);
        if (failure) {
            mr_error_errno(err, MR_ERR_IO, failure, "start a thread");
        } else {
            crew->thread_count++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

/* Offers the threads to the core. */
static int offer_slots(struct mr_crew *crew, struct mr_error *err) {
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = MR_TASKS_WORKER,
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = crew->source.plan->threads};
    if (mr_tasks_apply(&crew->round.tasks, &up)) {
        *err = crew->round.tasks.err;
    }
    return err->code;
}

/* What a job that loops has besides. */
static int prepare_loop(struct mr_crew *crew, struct mr_error *err) {
    const struct mr_plan *plan = crew->source.plan;
    if (!plan->loops) {
        return MR_OK;
    }
    if (plan->is_inline) {
        crew->replay_room = REPLAY_BYTES;
        crew->source.replays = calloc(plan->splits.count + 1, sizeof *crew->source.replays);
        if (!crew->source.replays) {
            return mr_error_nomem(err, "making a loop");
        }
        for (size_t i = 0; i < plan->splits.count; i++) {
            crew->source.replays[i].room = &crew->replay_room;
        }
    }
    struct mr_loop_source source = {.spec = crew->source.spec,
                                    .plan = plan,
                                    .result = crew->source.result,
                                    .commit = crew->source.commit};
    return mr_loop_create(&source, &crew->loop, err);
}

static void fini_loop(struct mr_crew *crew) {
    mr_loop_destroy(crew->loop);
    for (size_t i = 0; crew->source.replays && i < crew->source.plan->splits.count; i++) {
        mr_replay_fini(&crew->source.replays[i]);
    }
    free(crew->source.replays);
}

int mr_crew_create(const struct mr_stage_source *source, struct mr_crew **crew,
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
    made->source.stop =
        plan->is_inline && source->spec->stop ? source->spec->stop : &made->round.tasks.stop;
    pthread_mutex_init(&made->round.large, NULL);
    made->source.large = &made->round.large;
    made->round.workers = plan->threads;
    made->started = mr_clock_seconds();
    for (unsigned i = 0; i < plan->threads; i++) {
        made->workers[i].round = &made->round;
    }
    (void)!mr_tasks_init(&made->round.tasks, err);
    (void)(err->code || mr_pool_create(&made->round.pool, err));
    mr_windows_init(&made->round.windows, made->round.pool, plan->memory.windows_max);
    made->source.windows = &made->round.windows;
    if (err->code || offer_slots(made, err) || prepare_loop(made, err) ||
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
    pthread_mutex_lock(&crew->round.tasks.lock);
    crew->round.quits = true;
    pthread_cond_broadcast(&crew->round.tasks.changed);
    pthread_mutex_unlock(&crew->round.tasks.lock);
    for (unsigned i = 0; i < crew->thread_count; i++) {
        pthread_join(crew->workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < crew->round.workers; i++) {
        mr_worker_fini(&crew->workers[i]);
    }
    fini_loop(crew);
    mr_stage_close(&crew->round.stage);
    mr_books_fini(&crew->round.books);
    mr_tasks_fini(&crew->round.tasks);
    pthread_mutex_destroy(&crew->round.large);
    mr_windows_fini(&crew->round.windows);
    mr_pool_destroy(crew->round.pool);
    free(crew->winners);
    free(crew->workers);
    free(crew);
}
