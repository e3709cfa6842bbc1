/* work: one attempt at a task, from its order to its report. */
#include "master/local/files/work.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "lib/base/file.h"
#include "mapper/map_attempt.h"
#include "master/local/files/aside.h"
#include "master/local/files/failures.h"
#include "master/local/files/turns.h"
#include "reducer/reduce_attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The attempts that won the round's map tasks, shared by the orders of its reduce tasks. */
struct mr_work_winners {
    unsigned users; /* behind the lock */
    uint32_t count;
    uint32_t attempts[];
};

struct work {
    struct mr_slot *slot;
    struct mr_slots *run;
    struct mr_core_attempt id;
    struct mr_orders_task order;
    struct mr_work_winners *winners; /* that the order views */
    uint32_t before;                 /* likewise, of a map task behind the first round */
    char path[MR_ORDERS_PATH_MAX];   /* where a part goes */
    struct mr_hand_outcome outcome;
};

/* ---- the order, with the lock held ------------------------------------------------------------*/

static void let_go(struct mr_work_winners *winners) {
    if (winners && --winners->users == 0) {
        free(winners);
    }
}

void mr_work_drop_winners(struct mr_slots *run) {
    let_go(run->winners);
    run->winners = NULL;
}

static int list_winners(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    if (!run->winners) {
        uint32_t count = mr_slots_view(run).map_tasks;
        struct mr_work_winners *made = malloc(sizeof *made + count * sizeof *made->attempts);
        if (!made) {
            return mr_error_nomem(err, "starting a reduce task");
        }
        *made = (struct mr_work_winners){.users = 1, .count = count};
        for (uint32_t i = 0; i < count; i++) {
            made->attempts[i] = mr_core_winner(run->core, run->ledger.job, MR_PHASE_MAP, i).attempt;
        }
        run->winners = made;
    }
    work->winners = run->winners;
    work->winners->users++;
    work->order.winners = work->winners->attempts;
    work->order.winner_count = work->winners->count;
    return MR_OK;
}

/* Whose pairs a map task behind the first round reads. */
static int find_before(struct work *work, struct mr_error *err) {
    struct mr_account account = {0};
    bool is_there = false;
    if (!mr_ledger_get(&work->run->ledger, MR_LEDGER_REDUCE, work->id.round - 1, work->id.task,
                       &account, &is_there, err) &&
        !is_there) {
        mr_error_set(err, MR_ERR_INTERNAL, "a task of the round before has no account");
    }
    work->before = account.attempt;
    work->order.winners = &work->before;
    work->order.winner_count = 1;
    mr_account_fini(&account);
    return err->code;
}

static int write_order(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    work->order = mr_slots_name(run, &work->id);
    work->order.halvings = mr_failures_of(&run->ledger, work->id.phase, work->id.task).is_short;
    if (run->turns) {
        mr_turns_order(run->turns, &work->order);
    }
    if (work->id.phase == MR_PHASE_REDUCE) {
        return list_winners(work, err);
    }
    if (work->order.round > 0) {
        return find_before(work, err);
    }
    work->order.split = run->plan->splits.items[work->id.task];
    work->order.input = run->plan->inputs.items[work->order.split.input];
    mr_care_order(&run->search, &work->order);
    return MR_OK;
}

/* ---- the attempt, without the lock ------------------------------------------------------------*/

/* Makes the directory where a part is written, and names it. */
static int open_output(struct work *work, struct mr_error *err) {
    struct mr_orders_task *order = &work->order;
    if (!order->is_last || order->phase == MR_PHASE_MAP) {
        return MR_OK;
    }
    order->output = work->path;
    if (!work->run->commit) {
        snprintf(work->path, sizeof work->path, "%s/out-%u-%u", work->run->ledger.dir, order->task,
                 order->attempt);
        return mkdir(work->path, 0700) == 0
                   ? MR_OK
                   : mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", work->path);
    }
    int fd = -1;
    char link[64];
    if (mr_commit_attempt(work->run->commit, order->task, order->attempt, &fd, err)) {
        return err->code;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, work->path, sizeof work->path - 1);
    work->path[len > 0 ? len : 0] = '\0';
    if (len <= 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "find the directory of an attempt");
    }
    (void)close(fd); /* nothing was written through it */
    return err->code;
}

static void do_by_thread(struct work *work) {
    struct mr_hand_outcome *outcome = &work->outcome;
    struct mr_workplace place = work->run->place;
    struct mr_workplace_account account = {0};
    double started = mr_clock_seconds();
    place.stop = &work->slot->hand.stop;
    if (work->run->turns) {
        place.loop_state = mr_turns_borrow_state(work->run->turns);
    }
    (void)!(work->id.phase == MR_PHASE_MAP
                ? mr_map_attempt_run(&place, &work->order, &account, &outcome->err)
                : mr_reduce_attempt_run(&place, &work->order, &account, &outcome->err));
    outcome->is_fatal = outcome->err.code && outcome->err.code != MR_ERR_INTERRUPTED;
    outcome->result = account.result;
    outcome->result.busy_us = (uint64_t)((mr_clock_seconds() - started) * 1e6);
    outcome->counters = account.counters;
    outcome->lost = account.lost;
}

/* With a journal, makes durable what counts from here on: a part, and pairs that another round
 * reads. Map outputs, and the results that the end of a pass reads at once, are made again by who
 * loses them. */
static int keep_output(const struct work *work, struct mr_error *err) {
    const struct mr_slots *run = work->run;
    char path[MR_ORDERS_PATH_MAX];
    if (!run->ledger.journal || work->id.phase == MR_PHASE_MAP) {
        return MR_OK;
    }
    if (work->order.is_last) {
        return mr_commit_sync(run->commit, err);
    }
    if (work->order.round + 1 == run->plan->round_count) {
        return MR_OK;
    }
    return mr_orders_path(run->ledger.dir, &work->order, path, err)
               ? err->code
               : mr_ledger_sync(&run->ledger, path, err);
}

static void do_attempt(struct work *work) {
    struct mr_hand_outcome *outcome = &work->outcome;
    bool reads_input = work->id.phase == MR_PHASE_MAP && work->order.round == 0;
    if (open_output(work, &outcome->err)) {
        return;
    }
    if (work->run->spec->isolate) {
        mr_hand_work(&work->slot->hand, &work->order, outcome);
    } else {
        do_by_thread(work);
    }
    if (!outcome->err.code && reads_input &&
        mr_map_attempt_check_input(&work->order.input, &outcome->err)) {
        outcome->is_fatal = outcome->err.code == MR_ERR_INPUT;
    }
    if (!outcome->err.code) {
        (void)!keep_output(work, &outcome->err);
    }
    if (!outcome->err.code && work->id.phase == MR_PHASE_MAP) {
        MR_FAIL_POINT(map_output_made);
    } else if (!outcome->err.code) {
        MR_FAIL_POINT(part_synced);
    }
}

/* ---- the report, with the lock held -----------------------------------------------------------*/

/* A map output that could not be read, or a winner that is there no more, is listed anew. */
static void look_at_winners(struct mr_slots *run, const struct mr_core_attempt *id) {
    if (id->phase == MR_PHASE_MAP) {
        mr_work_drop_winners(run);
    }
}

static int note_account(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    const struct mr_orders_result *result = &work->outcome.result;
    bool is_map = work->id.phase == MR_PHASE_MAP;
    struct mr_account account = {.attempt = work->id.attempt};
    mr_account_take(&account, result, work->id.phase, work->order.is_last && !is_map);
    if (!mr_account_count(&account, &work->outcome.counters, err)) {
        (void)!mr_ledger_put(&run->ledger, is_map ? MR_LEDGER_MAP : MR_LEDGER_REDUCE,
                             work->id.round, work->id.task, &account, err);
    }
    mr_account_fini(&account);
    if (!err->code && is_map && run->spec->skip_bad_records) {
        (void)!mr_aside_note(&run->ledger, work->id.task, work->outcome.skipped,
                             work->outcome.skipped_count, err);
    }
    run->tasks_run++;
    run->bytes_mapped += result->bytes_read;
    run->records_read += result->records_read;
    run->run_bytes += is_map ? result->output_bytes : 0;
    return err->code;
}

static int report_done(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    struct mr_core_event event = {
        .kind = MR_CORE_ATTEMPT_DONE,
        .worker = run->worker,
        .attempt = work->id,
        .digest = work->id.phase == MR_PHASE_MAP ? work->outcome.result.output_xxh3 : 0};
    bool is_accepted = false;
    look_at_winners(run, &work->id);
    if (mr_scribe_apply(&run->scribe, &event, &is_accepted, err)) {
        return err->code;
    }
    if (is_accepted && note_account(work, err)) {
        mr_scribe_end(&run->scribe, err); /* a winner without its account is not to be written */
    }
    return err->code;
}

static int report_lost(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    struct mr_core_event event = {.kind = MR_CORE_OUTPUT_LOST,
                                  .worker = run->worker,
                                  .attempt = work->id,
                                  .lost_task = work->outcome.lost.task,
                                  .lost_attempt = work->outcome.lost.attempt};
    mr_work_drop_winners(run);
    return mr_scribe_apply(&run->scribe, &event, NULL, err);
}

/* What a failure means for the next attempts, which is noted. */
static int judge(struct work *work, bool *is_uncounted, struct mr_error *err) {
    struct mr_slots *run = work->run;
    struct mr_hand_outcome *outcome = &work->outcome;
    if (outcome->is_broken) {
        *is_uncounted = run->broken++ < MR_HAND_BROKEN_MAX;
    } else if (mr_care_judge(&run->search, &run->ledger, &work->id, outcome, is_uncounted, err)) {
        return err->code;
    }
    if (outcome->is_short && work->order.halvings && !*is_uncounted && !outcome->is_fatal) {
        outcome->is_fatal = true;
        mr_error_add(&outcome->err, "; with half the buffers, too");
    }
    struct mr_failures_row row = {.phase = work->id.phase,
                                  .task = work->id.task,
                                  .attempt = work->id.attempt,
                                  .counts = !*is_uncounted,
                                  .is_short = outcome->is_short,
                                  .why = &outcome->err};
    return mr_failures_note(&run->ledger, &row, err);
}

static int report_failure(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    struct mr_hand_outcome *outcome = &work->outcome;
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_FAILED,
                                  .worker = run->worker,
                                  .attempt = work->id,
                                  .status = outcome->err.code};
    bool was_stopped = outcome->err.code == MR_ERR_INTERRUPTED;
    if (!was_stopped && judge(work, &event.is_uncounted, err)) {
        return err->code;
    }
    event.is_fatal = outcome->is_fatal;
    if (!mr_scribe_apply(&run->scribe, &event, NULL, err) && run->spec->verbose && !was_stopped &&
        mr_slots_view(run).state == MR_CORE_JOB_RUNNING) {
        fprintf(stderr, "millrace: %s; trying again\n", outcome->err.text);
    }
    return err->code;
}

/* The job has failed by this report: why, is noted beside it. */
static int note_end(struct work *work, struct mr_error *err) {
    struct mr_slots *run = work->run;
    const struct mr_hand_outcome *outcome = &work->outcome;
    struct mr_core_job_view view = mr_slots_view(run);
    bool has_failed =
        view.state == MR_CORE_JOB_STOPPING || (view.state == MR_CORE_JOB_FINISHED && view.status);
    if (!has_failed || run->is_failing) {
        return MR_OK;
    }
    struct mr_failures failures = mr_failures_of(&run->ledger, work->id.phase, work->id.task);
    struct mr_error why;
    mr_failures_say(&failures, outcome->is_fatal || !failures.attempt ? &outcome->err : NULL, &why);
    return mr_slots_fail(run, &why, err);
}

/* With a journal: whether this failure ends the process and not the job. In a process of its own
 * the code may have caused it, so that it is tried as often as others. */
static bool is_passing(const struct work *work) {
    const struct mr_slots *run = work->run;
    uint32_t most = run->spec->max_attempts ? run->spec->max_attempts : MR_RUN_MAX_ATTEMPTS;
    if (!run->ledger.journal || run->is_failing || !mr_slots_may_pass(work->outcome.err.code)) {
        return false;
    }
    return !run->spec->isolate ||
           mr_failures_of(&run->ledger, work->id.phase, work->id.task).count + 1 >= most;
}

static void report(struct work *work) {
    struct mr_slots *run = work->run;
    struct mr_hand_outcome *outcome = &work->outcome;
    struct mr_error err = {0};
    bool is_lost = outcome->lost.is_known && outcome->err.code == MR_ERR_IO;
    if (run->quits && outcome->err.code) {
        return; /* this process ends already; but what is done is done */
    }
    if (outcome->err.code == MR_ERR_INTERRUPTED && mr_slots_is_stopped(run)) {
        err = outcome->err;
    } else if (!outcome->err.code) {
        (void)!report_done(work, &err);
    } else if (is_lost && work->id.phase == MR_PHASE_REDUCE) {
        (void)!report_lost(work, &err);
    } else {
        if (is_lost) {
            outcome->is_fatal = true;
            mr_error_add(&outcome->err,
                         ": what the round before left is damaged, and that round is closed");
        }
        if (!is_lost && outcome->err.code != MR_ERR_INTERRUPTED && is_passing(work)) {
            err = outcome->err;
        } else {
            (void)!report_failure(work, &err);
        }
    }
    if (!err.code && !note_end(work, &err) && mr_slots_is_stopped(run) && !run->is_failing) {
        mr_error_set(&err, MR_ERR_INTERRUPTED, "interrupted");
    }
    if (err.code) {
        mr_slots_pause(run, &err);
    }
}

void mr_work_do(struct mr_slot *slot, const struct mr_core_attempt *attempt, bool is_wanted) {
    struct mr_slots *run = slot->run;
    struct work work = {.slot = slot, .run = run, .id = *attempt};
    slot->attempt = *attempt;
    atomic_store(&slot->hand.stop, false);
    if (!is_wanted || mr_slots_is_stopped(run)) {
        mr_error_set(&work.outcome.err, MR_ERR_INTERRUPTED, "interrupted");
    } else if (!write_order(&work, &work.outcome.err)) {
        pthread_mutex_unlock(&run->scribe.lock);
        do_attempt(&work);
        pthread_mutex_lock(&run->scribe.lock);
    }
    slot->attempt = (struct mr_core_attempt){0};
    report(&work);
    let_go(work.winners);
    mr_hand_release(&work.outcome);
    if (run->ledger.journal || run->quits) {          /* else the scribe has said what came of it */
        pthread_cond_broadcast(&run->scribe.changed); /* there is something to commit */
    }
}
