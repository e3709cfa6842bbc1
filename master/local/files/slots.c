/* slots: who does the tasks of a run that hand files to one another, and what they share. */
#include "master/local/files/slots.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "task/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AHEAD 8 /* attempts that are started for each slot, with a journal */

bool mr_slots_may_pass(int status) {
    return status == MR_ERR_IO || status == MR_ERR_NOMEM || status == MR_ERR_INTERRUPTED ||
           status == MR_ERR_CLOSED;
}

bool mr_slots_is_stopped(const struct mr_slots *run) {
    return run->spec->stop && atomic_load(run->spec->stop);
}

uint32_t mr_slots_round(const struct mr_slots *run, uint32_t round) {
    return round % run->plan->round_count;
}

uint64_t mr_slots_pass(const struct mr_slots *run, uint32_t round) {
    return run->plan->loops ? round / run->plan->round_count + 1 : 0;
}

uint32_t mr_slots_offered(const struct mr_slots *run) {
    return run->plan->threads * (run->ledger.journal ? AHEAD : 1);
}

struct mr_core_job_view mr_slots_view(const struct mr_slots *run) {
    return mr_core_job(run->core, run->ledger.job);
}

struct mr_orders_task mr_slots_name(const struct mr_slots *run, const struct mr_core_attempt *id) {
    uint32_t round = mr_slots_round(run, id->round);
    return (struct mr_orders_task){.phase = id->phase,
                                   .pass = mr_slots_pass(run, id->round),
                                   .round = round,
                                   .task = id->task,
                                   .attempt = id->attempt,
                                   .partitions = mr_plan_partitions(run->plan, run->spec, round),
                                   .is_last = mr_plan_is_output(run->plan, round)};
}

void mr_slots_discard(const struct mr_slots *run, const struct mr_core_attempt *id) {
    struct mr_orders_task name = mr_slots_name(run, id);
    struct mr_error ignored = {0}; /* what stays goes with the folder */
    char path[MR_ORDERS_PATH_MAX];
    if (id->phase == MR_PHASE_REDUCE && name.is_last) {
        (void)!(run->commit ? mr_commit_discard(run->commit, id->task, id->attempt, &ignored)
                            : MR_OK);
    } else if (!mr_orders_path(run->ledger.dir, &name, path, &ignored)) {
        (void)unlink(path);
    }
}

/* ---- how it ends, with the lock held --------------------------------------------------------- */

static void stop_all(struct mr_slots *run) {
    for (unsigned i = 0; i < run->slot_count; i++) {
        atomic_store(&run->slots[i].hand.stop, true);
    }
    pthread_cond_broadcast(&run->scribe.changed);
}

void mr_slots_pause(struct mr_slots *run, const struct mr_error *err) {
    if (!run->err.code || (run->err.code == MR_ERR_INTERRUPTED && !run->is_failing)) {
        run->err = *err;
    }
    run->quits = true;
    stop_all(run);
}

int mr_slots_fail(struct mr_slots *run, const struct mr_error *why, struct mr_error *err) {
    if (run->is_failing) {
        return MR_OK;
    }
    run->err = *why;
    run->is_failing = true;
    stop_all(run);
    return run->ledger.journal ? mr_ledger_end(&run->ledger, why, err) : MR_OK;
}

int mr_slots_keep(struct mr_slots *run, struct mr_error *err) {
    if (run->ledger.journal && mr_journal_commit(run->ledger.journal, err)) {
        mr_scribe_end(&run->scribe, err);
    }
    return err->code;
}

int mr_slots_give_up(struct mr_slots *run, const struct mr_error *how, struct mr_error *err) {
    struct mr_core_event lost = {.kind = MR_CORE_NODE_LOST,
                                 .worker = {0, mr_core_node(run->core, 0).incarnation}};
    bool publishes = mr_slots_view(run).state == MR_CORE_JOB_PUBLISHING;
    struct mr_core_event cancel = {.kind = publishes ? MR_CORE_PUBLISH_FAILED : MR_CORE_CANCEL,
                                   .job = run->ledger.job,
                                   .status = how->code ? how->code : MR_ERR_INTERRUPTED};
    return mr_ledger_end(&run->ledger, how, err) ||
                   mr_scribe_apply(&run->scribe, &lost, NULL, err) ||
                   mr_scribe_apply(&run->scribe, &cancel, NULL, err) ||
                   mr_scribe_commit(&run->scribe, err)
               ? err->code
               : MR_OK;
}

/* ---- effects, with the lock held ------------------------------------------------------------- */

/* Whoever runs it sees it, or it was not taken yet. */
static void stop_attempt(struct mr_slots *run, const struct mr_core_attempt *attempt) {
    for (unsigned i = 0; i < run->slot_count; i++) {
        if (mr_queue_is_same(&run->slots[i].attempt, attempt)) {
            atomic_store(&run->slots[i].hand.stop, true);
        }
    }
    mr_queue_unwant(&run->ready, attempt);
}

static void tell(const struct mr_slots *run, const struct mr_core_effect *effect) {
    bool is_task = effect->news == MR_CORE_TELL_OUTPUT_AGAIN ||
                   effect->news == MR_CORE_TELL_PART_AGAIN ||
                   effect->news == MR_CORE_TELL_NOT_DETERMINISTIC;
    if (run->spec->verbose && is_task) {
        fprintf(stderr, "millrace: %s task %u: %s\n",
                effect->attempt.phase == MR_PHASE_MAP ? "map" : "reduce", effect->attempt.task,
                mr_terms_news_words(effect->news));
    }
}

static void end_maps(struct mr_slots *run, uint32_t round) {
    double now = mr_clock_seconds();
    run->seconds[mr_slots_round(run, round)][MR_PHASE_MAP] += now - run->phase_started;
    run->phase_started = now;
}

static void perform(void *arg, const struct mr_core_effect *effect) {
    struct mr_slots *run = arg;
    switch (effect->kind) {
    case MR_CORE_START:
        mr_queue_push(&run->ready, &effect->attempt);
        break;
    case MR_CORE_STOP:
        stop_attempt(run, &effect->attempt);
        break;
    case MR_CORE_DISCARD:
        if (effect->attempt.job == run->ledger.job) {
            mr_slots_discard(run, &effect->attempt);
        }
        break;
    case MR_CORE_MAPS_DONE:
        end_maps(run, effect->round);
        break;
    case MR_CORE_TELL:
        tell(run, effect);
        break;
    case MR_CORE_FINISHED:
        run->is_finished |= effect->job == run->ledger.job;
        break;
    default: /* the state says that a round is done, or that it is time to publish */
        break;
    }
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static struct mr_orders_memory share_memory(const struct mr_plan *plan) {
    const struct mr_plan_memory *memory = &plan->memory;
    return (struct mr_orders_memory){.block_bytes = memory->block_bytes,
                                     .collector_bytes = memory->collector_bytes,
                                     .pool_limit = memory->pool_limit,
                                     .merge_bytes = memory->merge_bytes,
                                     .range_bytes = memory->range_bytes,
                                     .buffered_max = memory->buffered_max,
                                     .fan_in = memory->fan_in,
                                     .record_bytes_max = plan->record_bytes_max,
                                     .state_max = memory->state_max};
}

/* What attempts by threads work with. */
static void furnish(struct mr_slots *run) {
    const struct mr_plan *plan = run->plan;
    run->place = (struct mr_workplace){.job = plan->job,
                                       .params = plan->params,
                                       .rounds = plan->rounds,
                                       .round_count = plan->round_count,
                                       .verbose = run->spec->verbose,
                                       .scratch = run->ledger.dir,
                                       .tmp = plan->tmp,
                                       .memory = share_memory(plan),
                                       .threads = plan->threads,
                                       .pool = run->pool,
                                       .large = &run->large,
                                       .windows = &run->windows};
    mr_orders_id_bytes(run->ledger.id, run->place.id);
}

/* What processes are told of the job. */
static void describe_job(struct mr_slots *run) {
    const struct mr_run_spec *spec = run->spec;
    const struct mr_plan *plan = run->plan;
    run->job = (struct mr_orders_job){
        .id = run->ledger.id,
        .job = spec->job_name,
        .params = (struct mr_run_param *)(uintptr_t)spec->params, /* only read */
        .param_count = spec->param_count,
        .files_xxh3 = mr_session_files_xxh3(plan->job, plan->params),
        .rounds = plan->round_count,
        .verbose = spec->verbose,
        .scratch = run->ledger.dir,
        .memory = share_memory(plan)};
    run->hands = (struct mr_hand_source){.program = spec->task_program,
                                         .job = &run->job,
                                         .job_name = plan->job->name,
                                         .id = run->ledger.id,
                                         .memory_bytes = spec->task_memory_bytes,
                                         .timeout = spec->task_timeout > 0 ? spec->task_timeout
                                                                           : MR_RUN_TASK_TIMEOUT,
                                         .echoes = spec->verbose};
}

int mr_slots_init(struct mr_slots *run, const struct mr_run_spec *spec, const struct mr_plan *plan,
                  struct mr_error *err) {
    struct mr_journal *journal = run->ledger.journal;
    run->spec = spec;
    run->plan = plan;
    mr_scribe_init(&run->scribe);
    pthread_mutex_init(&run->large, NULL);
    if ((!journal && mr_core_create(NULL, &run->own_core, err)) ||
        mr_pool_create(&run->pool, err)) {
        return err->code;
    }
    mr_windows_init(&run->windows, run->pool, plan->memory.windows_max);
    run->core = journal ? mr_journal_core(journal) : run->own_core;
    run->worker = (struct mr_core_worker){0, journal ? mr_journal_epoch(journal) : 1};
    run->scribe.journal = journal;
    run->scribe.core = run->core;
    run->scribe.perform = perform;
    run->scribe.arg = run;
    run->slots = calloc(plan->threads, sizeof *run->slots);
    run->seconds = calloc(plan->round_count, sizeof *run->seconds);
    if (!run->slots || !run->seconds) {
        return mr_error_nomem(err, "starting threads");
    }
    furnish(run);
    if (spec->isolate) {
        describe_job(run);
    }
    mr_search_init(&run->search, (uint32_t)plan->splits.count, spec->skip_bad_records);
    return mr_queue_reserve(&run->ready, mr_slots_offered(run), err) ||
                   mr_care_load(&run->search, &run->ledger, err)
               ? err->code
               : MR_OK;
}

void mr_slots_fini(struct mr_slots *run) {
    if (run->plan) {
        mr_queue_fini(&run->ready);
        mr_search_fini(&run->search);
        free(run->slots);
        free(run->seconds);
        if (run->core) {
            mr_windows_fini(&run->windows);
        }
        mr_pool_destroy(run->pool);
        pthread_mutex_destroy(&run->large);
        mr_scribe_fini(&run->scribe);
        mr_core_destroy(run->own_core);
    }
    mr_scratch_remove(&run->scratch);
    mr_ledger_close(&run->ledger);
}
