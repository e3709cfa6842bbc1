/* fleet: the embedded engine's task processes: a shell around master/core that acts on its effects.
 */
#include "master/local/fleet.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/worker/hand.h"
#include "master/core/core.h"
#include "master/local/books.h"
#include "master/local/fleet_loop.h"
#include "master/local/fleet_tasks.h"
#include "master/local/scratch.h"
#include "task/session.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 100
#define JOB 1
#define WORKER ((struct mr_core_worker){.node = 0, .incarnation = 1})

/* A slot: a thread of ours, and the process that it waits for. */
struct slot {
    struct mr_fleet *fleet;
    pthread_t thread;
    struct mr_hand hand;
    struct mr_core_attempt attempt; /* under way; attempt.attempt 0: none */
};

/* Behind the lock, but for what is set before the threads start. */
struct mr_fleet {
    struct mr_stage_source source;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct mr_core *core;
    struct mr_scratch scratch;
    struct mr_orders_job job;
    struct mr_hand_source hands;
    struct slot *slots;
    unsigned thread_count;
    bool quits;

    struct mr_fleet_loop *loop;  /* NULL: the job doesn't loop */
    uint32_t opened;             /* rounds so far, as the core counts them */
    struct mr_fleet_tasks tasks; /* of the round */
    struct mr_fleet_queue ready; /* started by the core, taken by nobody */
    struct mr_fleet_failures failures;
    struct mr_hand_outcome *answering; /* what the core is being asked about */
    bool maps_done;
    bool round_done;
    bool is_finished; /* the job has failed */
    struct mr_core_attempt blamed;
    struct mr_error err; /* what failed besides the tasks */
    struct mr_books books;
    double started;
    double phase_started;
    struct timespec look; /* when to look after things next: of all rounds, which may be short */
};

/* ---- the core, with the lock held -------------------------------------------------------------*/

static void fail(struct mr_fleet *fleet, const struct mr_error *err) {
    if (!fleet->err.code) {
        fleet->err = *err;
    }
    pthread_cond_broadcast(&fleet->changed);
}

/* An attempt that is not wanted: whoever runs it sees it, or it was not taken yet. */
static void stop_attempt(struct mr_fleet *fleet, const struct mr_core_attempt *attempt) {
    for (unsigned i = 0; i < fleet->thread_count; i++) {
        if (mr_fleet_tasks_same(&fleet->slots[i].attempt, attempt)) {
            atomic_store(&fleet->slots[i].hand.stop, true);
        }
    }
    mr_fleet_tasks_unwant(&fleet->ready, attempt);
}

/* The core took a result: it enters the books. */
static void accept(struct mr_fleet *fleet, const struct mr_core_attempt *attempt) {
    struct mr_error err = {0};
    if (fleet->answering &&
        mr_fleet_tasks_accept(&fleet->tasks, attempt, fleet->answering, &fleet->books, &err)) {
        fail(fleet, &err);
    }
}

static void tell(const struct mr_fleet *fleet, const struct mr_core_effect *effect) {
    const struct mr_error *why = mr_fleet_tasks_blame(&fleet->failures, &effect->attempt);
    if (fleet->source.spec->verbose && effect->news == MR_CORE_TELL_RETRYING && why) {
        fprintf(stderr, "millrace: %s; trying again\n", why->text);
    }
}

static void act_on(struct mr_fleet *fleet, const struct mr_core_effect *effect) {
    switch (effect->kind) {
    case MR_CORE_START:
        mr_fleet_tasks_push(&fleet->ready, &effect->attempt);
        break;
    case MR_CORE_STOP:
        stop_attempt(fleet, &effect->attempt);
        break;
    case MR_CORE_ANSWER:
        if (effect->is_accepted) {
            accept(fleet, &effect->attempt);
        }
        break;
    case MR_CORE_MAPS_DONE:
        fleet->maps_done = true;
        fleet->books.seconds_map = mr_clock_seconds() - fleet->phase_started;
        fleet->phase_started = mr_clock_seconds();
        break;
    case MR_CORE_ROUND_DONE:
        fleet->round_done = true;
        break;
    case MR_CORE_TELL:
        tell(fleet, effect);
        break;
    case MR_CORE_FINISHED:
        fleet->is_finished = true;
        fleet->blamed = effect->attempt;
        break;
    default: /* the others: what is not needed goes with the scratch directory */
        break;
    }
}

static int apply(struct mr_fleet *fleet, const struct mr_core_event *event) {
    struct mr_core_effects effects = {0};
    struct mr_error err = {0};
    uint64_t now_ms = (uint64_t)((mr_clock_seconds() - fleet->started) * 1000);
    if (mr_core_apply(fleet->core, event, now_ms, &effects, &err)) {
        fail(fleet, &err);
        return err.code;
    }
    for (size_t i = 0; i < effects.count; i++) {
        act_on(fleet, &effects.items[i]);
    }
    pthread_cond_broadcast(&fleet->changed);
    return MR_OK;
}

static void cancel(struct mr_fleet *fleet, int status) {
    struct mr_core_event event = {.kind = MR_CORE_CANCEL, .job = JOB, .status = status};
    (void)!apply(fleet, &event);
}

/* ---- a slot -----------------------------------------------------------------------------------*/

/* Makes the directory where a part is written, and names it. Without the lock. */
static int open_output(struct mr_fleet *fleet, struct mr_orders_task *order,
                       char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    if (!order->is_last || order->phase == MR_PHASE_MAP) {
        return MR_OK;
    }
    order->output = path;
    if (!fleet->source.commit) {
        snprintf(path, MR_ORDERS_PATH_MAX, "%s/out-%u-%u", fleet->scratch.path, order->task,
                 order->attempt);
        return mkdir(path, 0700) == 0 ? MR_OK
                                      : mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
    }
    int fd = -1;
    char link[64];
    if (mr_commit_attempt(fleet->source.commit, order->task, order->attempt, &fd, err)) {
        return err->code;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, MR_ORDERS_PATH_MAX - 1);
    path[len > 0 ? len : 0] = '\0';
    if (len <= 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "find the directory of an attempt");
    }
    (void)close(fd); /* nothing was written through it */
    return err->code;
}

/* Without the lock. */
static void do_attempt(struct slot *slot, const struct mr_core_attempt *attempt,
                       struct mr_hand_outcome *outcome) {
    struct mr_fleet *fleet = slot->fleet;
    char path[MR_ORDERS_PATH_MAX];
    struct mr_orders_task order;
    struct mr_error err = {0};
    mr_fleet_tasks_order(&fleet->tasks, attempt, &order);
    if (fleet->loop) {
        mr_fleet_loop_order(fleet->loop, &order);
    }
    if (open_output(fleet, &order, path, &err)) {
        *outcome = (struct mr_hand_outcome){.err = err};
        return;
    }
    mr_hand_work(&slot->hand, &order, outcome);
}

static void report(struct mr_fleet *fleet, const struct mr_core_attempt *attempt,
                   struct mr_hand_outcome *outcome) {
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_DONE,
                                  .worker = WORKER,
                                  .attempt = *attempt,
                                  .digest = outcome->result.output_xxh3};
    if (outcome->err.code) {
        event.kind = MR_CORE_ATTEMPT_FAILED;
        event.status = outcome->err.code;
        event.is_uncounted = mr_fleet_tasks_judge(&fleet->tasks, attempt, outcome);
        event.is_fatal = outcome->is_fatal;
        mr_fleet_tasks_note(&fleet->failures, attempt, &outcome->err);
    }
    fleet->answering = outcome;
    (void)!apply(fleet, &event);
    fleet->answering = NULL;
}

/* With the lock held, which is let go meanwhile. */
static void run_attempt(struct slot *slot, const struct mr_core_attempt *attempt, bool is_wanted) {
    struct mr_fleet *fleet = slot->fleet;
    struct mr_hand_outcome outcome = {0};
    slot->attempt = *attempt;
    atomic_store(&slot->hand.stop, false);
    if (is_wanted) {
        pthread_mutex_unlock(&fleet->lock);
        do_attempt(slot, attempt, &outcome);
        pthread_mutex_lock(&fleet->lock);
    } else {
        mr_error_set(&outcome.err, MR_ERR_INTERRUPTED, "interrupted");
    }
    slot->attempt = (struct mr_core_attempt){0};
    report(fleet, attempt, &outcome);
    mr_hand_release(&outcome);
}

static void *slot_main(void *arg) {
    struct slot *slot = arg;
    struct mr_fleet *fleet = slot->fleet;
    pthread_mutex_lock(&fleet->lock);
    while (!fleet->quits) {
        struct mr_core_attempt attempt;
        bool is_wanted;
        if (mr_fleet_tasks_pop(&fleet->ready, &attempt, &is_wanted)) {
            run_attempt(slot, &attempt, is_wanted);
        } else {
            pthread_cond_wait(&fleet->changed, &fleet->lock);
        }
    }
    pthread_mutex_unlock(&fleet->lock);
    mr_hand_stop(&slot->hand);
    return NULL;
}

/* ---- the calling thread -----------------------------------------------------------------------*/

/* With the lock held: how far the round is. */
static struct mr_run_progress measure(struct mr_fleet *fleet) {
    const struct mr_plan *plan = fleet->source.plan;
    struct mr_fleet_tasks *tasks = &fleet->tasks;
    struct mr_run_progress progress = {.job = plan->job->name,
                                       .round = plan->rounds[tasks->round].name,
                                       .phase = fleet->maps_done ? MR_PHASE_REDUCE : MR_PHASE_MAP,
                                       .records = fleet->books.map.records_read,
                                       .pass = fleet->loop ? mr_fleet_loop_pass(fleet->loop) : 0,
                                       .seconds = mr_clock_seconds() - fleet->started};
    if (fleet->maps_done) {
        progress.bytes_total = fleet->books.run_bytes;
        progress.bytes_done = fleet->books.run_bytes / tasks->partitions * tasks->reduces_done;
        return progress;
    }
    progress.bytes_total = tasks->round == 0 ? plan->inputs.bytes : 0;
    progress.bytes_done = tasks->bytes_mapped;
    for (unsigned i = 0; i < fleet->thread_count && tasks->round == 0; i++) {
        const struct slot *slot = &fleet->slots[i];
        if (slot->attempt.attempt && slot->attempt.phase == MR_PHASE_MAP) {
            const struct mr_split *split = &plan->splits.items[slot->attempt.task];
            uint64_t position = atomic_load(&slot->hand.position);
            bool is_plain = plan->inputs.items[split->input].kind == MR_INPUT_FILE;
            progress.bytes_done +=
                is_plain && position > split->begin ? position - split->begin : 0;
        }
    }
    return progress;
}

/* With the lock held: looks after the round from outside. */
static void watch(struct mr_fleet *fleet) {
    const struct mr_run_spec *spec = fleet->source.spec;
    if (spec->stop && atomic_load(spec->stop) && !fleet->err.code) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_INTERRUPTED, "interrupted");
        fail(fleet, &err);
    }
    if (fleet->err.code && !fleet->is_finished) {
        cancel(fleet, fleet->err.code);
    }
    if (spec->progress) {
        struct mr_run_progress progress = measure(fleet);
        pthread_mutex_unlock(&fleet->lock);
        spec->progress(spec->progress_arg, &progress);
        pthread_mutex_lock(&fleet->lock);
    }
}

static struct timespec next_look(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

/* With the lock held. */
static void wait_for_round(struct mr_fleet *fleet) {
    while (!fleet->round_done && !fleet->is_finished) {
        if (pthread_cond_timedwait(&fleet->changed, &fleet->lock, &fleet->look) == ETIMEDOUT) {
            watch(fleet);
            fleet->look = next_look();
        }
    }
}

/* With the lock held. Opens a round, the one before being closed by it. */
static int open_round(struct mr_fleet *fleet, uint32_t round, struct mr_error *err) {
    if (mr_fleet_tasks_open(&fleet->tasks, &fleet->source, round, err)) {
        return err->code;
    }
    mr_books_fini(&fleet->books);
    fleet->maps_done = fleet->round_done = false;
    fleet->phase_started = mr_clock_seconds();
    uint32_t max_attempts = fleet->source.spec->max_attempts;
    struct mr_core_event event = {
        .kind = fleet->opened == 0 ? MR_CORE_SUBMIT : MR_CORE_ROUND_CLOSED,
        .job = JOB,
        .round = fleet->opened == 0 ? 0 : fleet->opened - 1,
        .has_next = true,
        .max_attempts = max_attempts ? max_attempts : MR_RUN_MAX_ATTEMPTS,
        .shape = {.map_tasks = fleet->tasks.maps, .reduce_tasks = fleet->tasks.partitions}};
    fleet->opened++;
    if (apply(fleet, &event)) {
        *err = fleet->err;
    }
    return err->code;
}

/* The sentence of a job that failed: the first cause, and how often it was tried. */
static int say_failure(struct mr_fleet *fleet, struct mr_error *err) {
    const struct mr_error *blamed = mr_fleet_tasks_blame(&fleet->failures, &fleet->blamed);
    if (fleet->err.code || !blamed) {
        *err = fleet->err;
        return mr_error_set(err, MR_ERR_INTERNAL, "the job failed without a cause");
    }
    *err = *blamed;
    size_t count = mr_fleet_tasks_count(&fleet->failures, &fleet->blamed);
    if (count > 1) {
        mr_error_add(err, " (%s%zu attempts that failed)",
                     fleet->blamed.attempt == 1 ? "the first of " : "", count);
    }
    return err->code;
}

static int close_round(struct mr_fleet *fleet, uint32_t round, struct mr_error *err) {
    const struct mr_plan *plan = fleet->source.plan;
    struct mr_run_result *result = fleet->source.result;
    fleet->books.seconds_reduce = mr_clock_seconds() - fleet->phase_started;
    mr_books_report(&fleet->books, &result->rounds[round]);
    result->rounds[round].name = plan->rounds[round].name;
    result->round_count = result->round_count > round ? result->round_count : round + 1;
    if (fleet->is_finished || fleet->err.code) {
        return say_failure(fleet, err);
    }
    if (mr_books_check(&fleet->books, plan->job->name, err) ||
        mr_books_merge_counters(&fleet->books.counters, result, err)) {
        return err->code;
    }
    return MR_OK;
}

/* Without an output directory: what the one part holds goes to the stream. */
static int write_stream(struct mr_fleet *fleet, struct mr_error *err) {
    const struct mr_run_spec *spec = fleet->source.spec;
    struct mr_outlet_source to = {.output_fd = spec->output_fd, .stop = spec->stop};
    char path[MR_ORDERS_PATH_MAX];
    snprintf(path, sizeof path, "%s/out-0-%u/part-00000", fleet->scratch.path,
             fleet->tasks.reduce_winners[0]);
    return mr_outlet_copy(&to, path, err);
}

static int run_rounds(struct mr_fleet *fleet, struct mr_error *err) {
    const struct mr_plan *plan = fleet->source.plan;
    for (uint32_t round = 0; round < plan->round_count && !err->code; round++) {
        pthread_mutex_lock(&fleet->lock);
        if (!open_round(fleet, round, err)) {
            wait_for_round(fleet);
            (void)!close_round(fleet, round, err);
        }
        pthread_mutex_unlock(&fleet->lock);
    }
    return err->code;
}

/* Tells the core that the loop failed. */
static int fail_loop(struct mr_fleet *fleet, const struct mr_error *err) {
    pthread_mutex_lock(&fleet->lock);
    fail(fleet, err);
    cancel(fleet, err->code);
    pthread_mutex_unlock(&fleet->lock);
    return err->code;
}

static int run_loop(struct mr_fleet *fleet, struct mr_error *err) {
    bool again = true;
    if (mr_fleet_loop_turn(fleet->loop, 0, NULL, &again, err)) {
        return err->code; /* the core has not heard of the job yet */
    }
    again = true;
    for (uint64_t pass = 1; again; pass++) {
        if (run_rounds(fleet, err)) {
            return err->code;
        }
        if (mr_fleet_loop_turn(fleet->loop, pass, fleet->tasks.reduce_winners, &again, err)) {
            return fail_loop(fleet, err);
        }
    }
    return mr_fleet_loop_finish(fleet->loop, err) ? fail_loop(fleet, err) : MR_OK;
}

int mr_fleet_run(struct mr_fleet *fleet, struct mr_error *err) {
    if (fleet->loop) {
        return run_loop(fleet, err);
    }
    bool is_done = !run_rounds(fleet, err);
    return is_done && !fleet->source.commit ? write_stream(fleet, err) : err->code;
}

int mr_fleet_published(struct mr_fleet *fleet, int status, struct mr_error *err) {
    struct mr_core_event closed = {
        .kind = MR_CORE_ROUND_CLOSED, .job = JOB, .round = fleet->opened - 1};
    struct mr_core_event event = {
        .kind = status ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED, .job = JOB, .status = status};
    pthread_mutex_lock(&fleet->lock);
    if (apply(fleet, &closed) || apply(fleet, &event)) {
        *err = fleet->err;
    }
    pthread_mutex_unlock(&fleet->lock);
    return err->code;
}

int mr_fleet_aside(struct mr_fleet *fleet, struct mr_buffer *text, struct mr_error *err) {
    return mr_aside_text(&fleet->tasks.aside, text, err);
}

const uint32_t *mr_fleet_winners(const struct mr_fleet *fleet) {
    static const uint32_t first = 1; /* a loop's part is written once */
    return fleet->loop ? &first : fleet->tasks.reduce_winners;
}

/* ---- beginning and end ------------------------------------------------------------------------*/

/* What the processes are told of the job. */
static void describe_job(struct mr_fleet *fleet, const char *id) {
    const struct mr_run_spec *spec = fleet->source.spec;
    const struct mr_plan *plan = fleet->source.plan;
    const struct mr_plan_memory *memory = &plan->memory;
    fleet->job = (struct mr_orders_job){
        .id = id,
        .job = spec->job_name,
        .params = (struct mr_run_param *)(uintptr_t)spec->params, /* only read */
        .param_count = spec->param_count,
        .files_xxh3 = mr_session_files_xxh3(plan->job, plan->params),
        .rounds = plan->round_count,
        .verbose = spec->verbose,
        .scratch = fleet->scratch.path,
        .memory = {.block_bytes = memory->block_bytes,
                   .collector_bytes = memory->collector_bytes,
                   .pool_limit = memory->pool_limit,
                   .merge_bytes = memory->merge_bytes,
                   .range_bytes = memory->range_bytes,
                   .buffered_max = memory->buffered_max,
                   .fan_in = memory->fan_in,
                   .record_bytes_max = plan->record_bytes_max,
                   .state_max = memory->state_max}};
    fleet->hands = (struct mr_hand_source){.program = spec->task_program,
                                           .job = &fleet->job,
                                           .job_name = plan->job->name,
                                           .id = id,
                                           .memory_bytes = spec->task_memory_bytes,
                                           .timeout = spec->task_timeout > 0 ? spec->task_timeout
                                                                             : MR_RUN_TASK_TIMEOUT,
                                           .echoes = spec->verbose};
}

static int start_threads(struct mr_fleet *fleet, struct mr_error *err) {
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    for (unsigned i = 0; i < fleet->source.plan->threads && !err->code; i++) {
        struct slot *slot = &fleet->slots[i];
        slot->fleet = fleet;
        slot->hand.source = &fleet->hands;
        slot->hand.number = i;
        int failure = pthread_create(&slot->thread, NULL, slot_main, slot);
        if (failure) {
            mr_error_errno(err, MR_ERR_IO, failure, "start a thread");
        } else {
            fleet->thread_count++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

static int offer_slots(struct mr_fleet *fleet, struct mr_error *err) {
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = WORKER,
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = fleet->source.plan->threads};
    pthread_mutex_lock(&fleet->lock);
    if (apply(fleet, &up)) {
        *err = fleet->err;
    }
    pthread_mutex_unlock(&fleet->lock);
    return err->code;
}

int mr_fleet_create(const struct mr_stage_source *source, const char *id, struct mr_fleet **fleet,
                    struct mr_error *err) {
    struct mr_fleet *made = calloc(1, sizeof *made);
    pthread_condattr_t monotonic;
    if (!made) {
        return mr_error_nomem(err, "starting task processes");
    }
    made->source = *source;
    made->started = mr_clock_seconds();
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    made->slots = calloc(source->plan->threads, sizeof *made->slots);
    if (!made->slots) {
        mr_error_nomem(err, "starting task processes");
    }
    if (err->code || mr_fleet_tasks_reserve(&made->ready, source->plan->threads, err) ||
        mr_core_create(NULL, &made->core, err) ||
        mr_scratch_make(&made->scratch, source->plan->tmp, id, err)) {
        mr_fleet_destroy(made);
        return err->code;
    }
    describe_job(made, id);
    if ((source->plan->loops &&
         mr_fleet_loop_create(&made->source, &made->hands, &made->scratch, &made->loop, err)) ||
        start_threads(made, err) || offer_slots(made, err)) {
        mr_fleet_destroy(made);
        return err->code;
    }
    *fleet = made;
    return MR_OK;
}

void mr_fleet_destroy(struct mr_fleet *fleet) {
    if (!fleet) {
        return;
    }
    pthread_mutex_lock(&fleet->lock);
    fleet->quits = true;
    for (unsigned i = 0; i < fleet->thread_count; i++) {
        atomic_store(&fleet->slots[i].hand.stop, true);
    }
    pthread_cond_broadcast(&fleet->changed);
    pthread_mutex_unlock(&fleet->lock);
    for (unsigned i = 0; i < fleet->thread_count; i++) {
        pthread_join(fleet->slots[i].thread, NULL);
    }
    mr_fleet_loop_destroy(fleet->loop);
    mr_scratch_remove(&fleet->scratch);
    mr_fleet_tasks_close(&fleet->tasks);
    mr_fleet_tasks_forget(&fleet->failures, &fleet->ready);
    mr_books_fini(&fleet->books);
    mr_core_destroy(fleet->core);
    pthread_cond_destroy(&fleet->changed);
    pthread_mutex_destroy(&fleet->lock);
    free(fleet->slots);
    free(fleet);
}
