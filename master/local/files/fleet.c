/* fleet: runs a job whose tasks hand files to one another: a shell around master/core. */
#include "master/local/files/fleet.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "master/local/files/closing.h"
#include "master/local/files/ending.h"
#include "master/local/files/resume.h"
#include "master/local/files/shift.h"
#include "master/local/files/turns.h"
#include "master/local/files/work.h"
#include <time.h>

#define LOOK_MS 100

struct fleet {
    struct mr_slots run;
    double watched; /* when it was last looked after from outside */
};

/* ---- watching, with the lock held -------------------------------------------------------------
 */

/* How far the maps under way are in their inputs. */
static uint64_t measure_running(const struct mr_slots *run) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < run->slot_count; i++) {
        const struct mr_slot *slot = &run->slots[i];
        if (slot->attempt.attempt && slot->attempt.phase == MR_PHASE_MAP) {
            const struct mr_split *split = &run->plan->splits.items[slot->attempt.task];
            uint64_t position = atomic_load(&slot->hand.position);
            bool is_plain = run->plan->inputs.items[split->input].kind == MR_INPUT_FILE;
            bytes += is_plain && position > split->begin ? position - split->begin : 0;
        }
    }
    return bytes;
}

static struct mr_run_progress measure(const struct fleet *fleet) {
    const struct mr_slots *run = &fleet->run;
    struct mr_core_job_view view = mr_slots_view(run);
    uint32_t round = mr_slots_round(run, view.round);
    struct mr_run_progress progress = {.job = run->plan->job->name,
                                       .round = run->plan->rounds[round].name,
                                       .phase = view.maps_open ? MR_PHASE_MAP : MR_PHASE_REDUCE,
                                       .records = run->records_read,
                                       .pass = mr_slots_pass(run, view.round),
                                       .seconds = mr_clock_seconds() - run->started};
    if (progress.phase == MR_PHASE_REDUCE && view.reduce_tasks) {
        uint32_t done = view.reduce_tasks - view.reduces_open;
        progress.bytes_total = run->run_bytes;
        progress.bytes_done = run->run_bytes / view.reduce_tasks * done;
    } else if (round == 0) {
        progress.bytes_total = run->plan->inputs.bytes;
        progress.bytes_done = run->bytes_mapped + measure_running(run);
    }
    if (progress.bytes_total && progress.bytes_done > progress.bytes_total) {
        progress.bytes_done = progress.bytes_total; /* a map that ran again */
    }
    return progress;
}

/* The lock is let go for the caller's function. */
static void watch(struct fleet *fleet) {
    struct mr_slots *run = &fleet->run;
    const struct mr_run_spec *spec = run->spec;
    fleet->watched = mr_clock_seconds();
    if (spec->progress) {
        struct mr_run_progress progress = measure(fleet);
        pthread_mutex_unlock(&run->scribe.lock);
        spec->progress(spec->progress_arg, &progress);
        pthread_mutex_lock(&run->scribe.lock);
    }
}

static void wait_a_while(struct mr_slots *run) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)!pthread_cond_timedwait(&run->scribe.changed, &run->scribe.lock, &until);
}

/* ---- the calling thread -----------------------------------------------------------------------
 */

/* What is to be done next, if anything is; else waits. */
static void take_step(struct fleet *fleet, struct mr_error *err) {
    struct mr_slots *run = &fleet->run;
    struct mr_core_job_view view = mr_slots_view(run);
    bool is_behind = run->scribe.applied > run->scribe.committed;
    if (mr_slots_is_stopped(run) && !run->is_failing) {
        mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
    } else if ((mr_clock_seconds() - fleet->watched) * 1000 >= LOOK_MS) {
        watch(fleet);
    } else if (run->scribe.err.code) {
        *err = run->scribe.err;
    } else if (view.state == MR_CORE_JOB_CLOSING &&
               (!is_behind || mr_closing_is_turn(run, &view))) {
        (void)!mr_closing_round(run, err);
    } else if (is_behind) {
        (void)!mr_scribe_commit(&run->scribe, err);
    } else if (view.state == MR_CORE_JOB_PUBLISHING) {
        (void)!mr_ending_publish(run, err);
    } else {
        wait_a_while(run);
    }
}

/* Until the job has ended, or this process can't go on. */
static void look_after(struct fleet *fleet) {
    struct mr_slots *run = &fleet->run;
    pthread_mutex_lock(&run->scribe.lock);
    watch(fleet);
    while (!run->is_finished && !run->quits) {
        struct mr_error err = {0};
        take_step(fleet, &err);
        if (err.code) {
            mr_slots_pause(run, &err);
        }
    }
    pthread_mutex_unlock(&run->scribe.lock);
}

/* What was done until the end of this process counts, where the journal still takes it. */
static void keep_the_rest(struct mr_slots *run) {
    struct mr_error ignored = {0};
    pthread_mutex_lock(&run->scribe.lock);
    (void)!mr_scribe_commit(&run->scribe, &ignored);
    pthread_mutex_unlock(&run->scribe.lock);
}

static int run_all(struct fleet *fleet, struct mr_error *err) {
    struct mr_slots *run = &fleet->run;
    bool is_published = false;
    if (run->ledger.standing == MR_LEDGER_DONE) {
        mr_ledger_clear(&run->ledger, false);
        return mr_ending_read_done(run, err);
    }
    if (mr_resume_begin(run, &is_published, err)) {
        return err->code;
    }
    if (is_published) {
        return mr_ending_appeared(run, err);
    }
    run->phase_started = mr_clock_seconds();
    if (!mr_shift_start(run, err)) {
        look_after(fleet);
        mr_shift_stop(run);
        *err = run->err;
        keep_the_rest(run);
    } else {
        mr_shift_stop(run); /* those that did start work on what is let go now */
    }
    return err->code;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

/* With a journal: a run that is over leaves nothing but it; one that goes on later, all. */
static void settle(struct mr_slots *run, struct mr_error *err) {
    bool goes_on = err->code && mr_slots_may_pass(err->code) && !run->is_finished;
    if (run->commit && err->code && !run->is_finished) {
        mr_commit_leave(run->commit);
    } else {
        mr_commit_end(run->commit);
        if (run->ledger.dir && run->is_finished) {
            mr_ledger_clear(&run->ledger, false);
        }
    }
    if (goes_on && run->commit) {
        mr_error_add(err, " (what is done is kept in \"%.200s\": the same command goes on)",
                     run->spec->state);
    }
}

static int check_spec(const struct mr_run_spec *spec, const struct mr_plan *plan,
                      struct mr_error *err) {
    if (!spec->output) {
        return mr_error_set(err, MR_ERR_USAGE, "--state needs -o DIR: a stream can't go on");
    }
    for (size_t i = 0; i < plan->inputs.count; i++) {
        if (plan->inputs.items[i].kind == MR_INPUT_STREAM ||
            strcmp(plan->inputs.items[i].path, "-") == 0) {
            return mr_error_set(err, MR_ERR_USAGE,
                                "--state needs inputs that can be read again, and \"%.200s\" is a "
                                "stream",
                                plan->inputs.items[i].path);
        }
    }
    return MR_OK;
}

/* The ledger: with a journal that of the state, else one for as long as the run. */
static int open_ledger(const struct mr_fleet_source *source, struct mr_slots *run,
                       struct mr_error *err) {
    const struct mr_run_spec *spec = source->spec;
    if (!spec->state) {
        run->commit = source->commit;
        return mr_scratch_make(&run->scratch, source->plan->tmp, source->id, err)
                   ? err->code
                   : mr_ledger_begin(&run->ledger, source->id, run->scratch.path, err);
    }
    if (check_spec(spec, source->plan, err) ||
        mr_ledger_open(&run->ledger, spec, source->plan, source->id, err)) {
        return err->code;
    }
    memcpy(source->id, run->ledger.id, sizeof run->ledger.id);
    return MR_OK;
}

int mr_fleet_run(const struct mr_fleet_source *source, struct mr_error *err) {
    struct fleet fleet = {0};
    struct mr_slots *run = &fleet.run;
    run->started = mr_clock_seconds();
    run->result = source->result;
    run->write_manifest = source->write_manifest;
    run->arg = source->arg;
    if (!open_ledger(source, run, err) && !mr_slots_init(run, source->spec, source->plan, err) &&
        !(source->plan->loops && mr_turns_create(run, &run->turns, err))) {
        (void)!run_all(&fleet, err);
        if (err->code) {
            mr_ending_report_partly(run);
        }
    }
    source->result->tasks_kept = run->tasks_kept;
    source->result->tasks_run = run->tasks_run;
    if (source->spec->state) {
        settle(run, err);
    }
    mr_turns_destroy(run->turns);
    mr_work_drop_winners(run);
    mr_slots_fini(run);
    return err->code;
}
