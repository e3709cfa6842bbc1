/* lasting: the threads of a run that survives its process, and what they share. */
#include "master/local/lasting.h"

#include "lib/base/error.h"
#include "master/local/crash.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

bool mr_lasting_may_pass(int status) {
    return status == MR_ERR_IO || status == MR_ERR_NOMEM || status == MR_ERR_INTERRUPTED ||
           status == MR_ERR_CLOSED;
}

void mr_lasting_pause(struct mr_lasting *run, const struct mr_error *err) {
    if (!run->err.code || (run->err.code == MR_ERR_INTERRUPTED && !run->is_failing)) {
        run->err = *err;
    }
    run->quits = true;
    atomic_store(&run->stop, true);
    pthread_cond_broadcast(&run->scribe.changed);
}

/* ---- effects, with the lock held ------------------------------------------------------------- */

static void push_ready(struct mr_lasting *run, const struct mr_core_attempt *attempt) {
    if (run->ready_begin == run->ready_end) {
        run->ready_begin = run->ready_end = 0;
    }
    if (run->ready_end == run->ready_capacity) {
        size_t capacity = run->ready_capacity ? run->ready_capacity * 2 : 16;
        struct mr_core_attempt *ready = realloc(run->ready, capacity * sizeof *ready);
        if (!ready) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "starting a task");
            mr_lasting_pause(run, &err);
            return;
        }
        run->ready = ready;
        run->ready_capacity = capacity;
    }
    run->ready[run->ready_end++] = *attempt;
}

static void perform(void *arg, const struct mr_core_effect *effect) {
    struct mr_lasting *run = arg;
    switch (effect->kind) {
    case MR_CORE_START:
        push_ready(run, &effect->attempt);
        break;
    case MR_CORE_DISCARD:
        if (run->commit && effect->attempt.job == run->ledger.job) {
            mr_attempt_discard(&run->attempts, &effect->attempt);
        }
        break;
    case MR_CORE_ROUND_DONE:
        run->round_is_done = true;
        break;
    case MR_CORE_PUBLISH:
        run->publishes = true;
        break;
    case MR_CORE_FINISHED:
        run->is_finished = effect->job == run->ledger.job;
        break;
    default: /* STOP: where the job fails; all attempts see `stop`. The others need nothing here */
        break;
    }
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* With the lock held: the winners of the round's map tasks; the caller frees them. */
static int list_winners(struct mr_lasting *run, uint32_t **winners, uint32_t *count,
                        struct mr_error *err) {
    const struct mr_core *core = mr_journal_core(run->ledger.journal);
    *count = mr_core_job(core, run->ledger.job).map_tasks;
    *winners = calloc((size_t)*count + 1, sizeof **winners);
    if (!*winners) {
        return mr_error_nomem(err, "starting a reduce task");
    }
    for (uint32_t i = 0; i < *count; i++) {
        (*winners)[i] = mr_core_winner(core, run->ledger.job, MR_PHASE_MAP, i).attempt;
    }
    return MR_OK;
}

/* With the lock held, which is let go meanwhile. */
static int do_map(struct mr_lasting *run, const struct mr_core_attempt *attempt,
                  struct mr_account *account, struct mr_error *err) {
    struct mr_account before = {0};
    bool is_there = true;
    if (attempt->round > 0 && (mr_ledger_get(&run->ledger, MR_LEDGER_REDUCE, attempt->round - 1,
                                             attempt->task, &before, &is_there, err) ||
                               !is_there)) {
        return mr_error_set(err, MR_ERR_INTERNAL, "the journal lost a task of the round before");
    }
    pthread_mutex_unlock(&run->scribe.lock);
    (void)!mr_attempt_map(&run->attempts, attempt, before.attempt, account, err);
    pthread_mutex_lock(&run->scribe.lock);
    mr_account_fini(&before);
    return err->code;
}

static int do_reduce(struct mr_lasting *run, const struct mr_core_attempt *attempt,
                     struct mr_account *account, struct mr_error *err) {
    uint32_t *winners = NULL;
    uint32_t count = 0;
    if (!list_winners(run, &winners, &count, err)) {
        pthread_mutex_unlock(&run->scribe.lock);
        (void)!mr_attempt_reduce(&run->attempts, attempt, winners, count, account, err);
        pthread_mutex_lock(&run->scribe.lock);
    }
    free(winners);
    return err->code;
}

/* The job ends by a failure, the first of which is kept. */
static int report_failure(struct mr_lasting *run, const struct mr_core_attempt *attempt,
                          const struct mr_error *why, struct mr_error *err) {
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_FAILED,
                                  .worker = run->worker,
                                  .attempt = *attempt,
                                  .status = why->code,
                                  .is_fatal = true};
    if (!run->is_failing) {
        run->err = *why;
        run->is_failing = true;
        atomic_store(&run->stop, true);
        if (mr_ledger_end(&run->ledger, why, err)) {
            return err->code;
        }
    }
    return mr_scribe_apply(&run->scribe, &event, NULL, err);
}

static int report_done(struct mr_lasting *run, const struct mr_core_attempt *attempt,
                       const struct mr_account *account, struct mr_error *err) {
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_DONE,
                                  .worker = run->worker,
                                  .attempt = *attempt,
                                  .digest = account->digest};
    bool is_map = attempt->phase == MR_PHASE_MAP;
    bool is_accepted = false;
    if (mr_scribe_apply(&run->scribe, &event, &is_accepted, err)) {
        return err->code;
    }
    if (is_accepted && mr_ledger_put(&run->ledger, is_map ? MR_LEDGER_MAP : MR_LEDGER_REDUCE,
                                     attempt->round, attempt->task, account, err)) {
        mr_scribe_end(&run->scribe, err); /* a winner without its account is not to be written */
        return err->code;
    }
    run->tasks_run += is_accepted;
    run->bytes_done += is_map && attempt->round == 0 ? account->bytes_read : 0;
    return MR_OK;
}

/* With the lock held, which is let go meanwhile. */
static void work(struct mr_lasting *run, const struct mr_core_attempt *attempt) {
    struct mr_account account = {0};
    struct mr_error why = {0};
    struct mr_error err = {0};
    bool is_map = attempt->phase == MR_PHASE_MAP;
    (void)!(is_map ? do_map(run, attempt, &account, &why)
                   : do_reduce(run, attempt, &account, &why));
    if (!why.code && run->spec->stop && atomic_load(run->spec->stop)) {
        mr_error_set(&why, MR_ERR_INTERRUPTED, "interrupted");
    }
    if (why.code && mr_lasting_may_pass(why.code) && !run->is_failing) {
        mr_lasting_pause(run, &why);
    } else if (why.code) {
        (void)!report_failure(run, attempt, &why, &err);
    } else if (!run->quits) {
        (void)!report_done(run, attempt, &account, &err);
    }
    if (err.code) {
        mr_lasting_pause(run, &err);
    }
    pthread_cond_broadcast(&run->scribe.changed); /* there is something to commit */
    mr_account_fini(&account);
}

static void *main_of_thread(void *arg) {
    struct mr_lasting *run = arg;
    mr_crash_thread_start();
    pthread_mutex_lock(&run->scribe.lock);
    while (!run->quits) {
        if (run->ready_begin == run->ready_end) {
            pthread_cond_wait(&run->scribe.changed, &run->scribe.lock);
            continue;
        }
        struct mr_core_attempt attempt = run->ready[run->ready_begin++];
        if (run->is_failing) { /* what was started will not run any more */
            struct mr_error err = {0};
            if (report_failure(run, &attempt, &run->err, &err)) {
                mr_lasting_pause(run, &err);
            }
            pthread_cond_broadcast(&run->scribe.changed);
        } else {
            work(run, &attempt);
        }
    }
    pthread_mutex_unlock(&run->scribe.lock);
    mr_crash_thread_end();
    return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void read_id(const char *text, unsigned char *id) {
    for (size_t i = 0; i < MR_MAP_OUTPUT_JOB_BYTES; i++) {
        unsigned value = 0;
        (void)sscanf(text + 2 * i, "%2x", &value);
        id[i] = (unsigned char)value;
    }
}

int mr_lasting_init(struct mr_lasting *run, const struct mr_run_spec *spec,
                    const struct mr_plan *plan, struct mr_error *err) {
    run->spec = spec;
    run->plan = plan;
    run->worker = (struct mr_core_worker){0, mr_journal_epoch(run->ledger.journal)};
    mr_scribe_init(&run->scribe);
    run->scribe.journal = run->ledger.journal;
    run->scribe.perform = perform;
    run->scribe.arg = run;
    pthread_mutex_init(&run->large, NULL);
    if (mr_pool_create(&run->pool, err)) {
        return err->code;
    }
    mr_windows_init(&run->windows, run->pool, plan->memory.windows_max);
    run->threads = calloc(plan->threads, sizeof *run->threads);
    if (!run->threads) {
        return mr_error_nomem(err, "starting threads");
    }
    run->attempts = (struct mr_attempt_source){.spec = spec,
                                               .plan = plan,
                                               .pool = run->pool,
                                               .large = &run->large,
                                               .windows = &run->windows,
                                               .stop = &run->stop,
                                               .dir = run->ledger.dir};
    read_id(run->ledger.id, run->attempts.id);
    return MR_OK;
}

/* Every signal but a crash's is blocked in them. */
int mr_lasting_start(struct mr_lasting *run, struct mr_error *err) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        sigdelset(&blocked, crashes[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    for (unsigned i = 0; i < run->plan->threads && !err->code; i++) {
        int failure = pthread_create(&run->threads[i], NULL, main_of_thread, run);
        if (failure) {
            mr_error_errno(err, MR_ERR_IO, failure, "start a thread");
        } else {
            run->thread_count++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

void mr_lasting_stop(struct mr_lasting *run) {
    pthread_mutex_lock(&run->scribe.lock);
    run->quits = true;
    pthread_cond_broadcast(&run->scribe.changed);
    pthread_mutex_unlock(&run->scribe.lock);
    for (; run->thread_count > 0; run->thread_count--) {
        pthread_join(run->threads[run->thread_count - 1], NULL);
    }
}

void mr_lasting_fini(struct mr_lasting *run) {
    if (run->plan) {
        mr_lasting_stop(run);
        free(run->threads);
        free(run->ready);
        if (run->pool) {
            mr_windows_fini(&run->windows);
        }
        mr_pool_destroy(run->pool);
        pthread_mutex_destroy(&run->large);
        mr_scribe_fini(&run->scribe);
    }
    mr_ledger_close(&run->ledger);
}
