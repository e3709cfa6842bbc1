/* resume: begins a run whose tasks hand files to one another: anew, or where a process left it. */
#include "master/local/files/resume.h"

#include "lib/base/error.h"
#include "lib/output/tree.h"
#include "master/local/files/closing.h"
#include "master/local/files/turns.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is still there of a round that is under way. */
struct findings {
    struct mr_core_attempt *held; /* map outputs that are whole */
    uint32_t held_count;
    struct mr_core_attempt *lost; /* parts, or pairs, that are not */
    uint32_t lost_count;
    uint32_t *parts; /* the winner of each reduce task, 0: none, or lost */
    uint32_t part_count;
};

static void findings_fini(struct findings *findings) {
    free(findings->held);
    free(findings->lost);
    free(findings->parts);
}

static struct mr_core_attempt winner_of(const struct mr_slots *run, uint32_t round,
                                        enum mr_phase phase, uint32_t task) {
    uint32_t attempt = mr_core_winner(run->core, run->ledger.job, phase, task).attempt;
    return (struct mr_core_attempt){run->ledger.job, round, phase, task, attempt};
}

/* Whether what a reduce task's winner left is whole. */
static int check_reduce(const struct mr_slots *run, const struct mr_core_attempt *id,
                        bool *is_whole, struct mr_error *err) {
    struct mr_account account;
    bool is_there;
    *is_whole = false;
    if (mr_ledger_get(&run->ledger, MR_LEDGER_REDUCE, id->round, id->task, &account, &is_there,
                      err) ||
        !is_there || account.attempt != id->attempt) {
        mr_account_fini(&account);
        return err->code;
    }
    struct mr_error why = {0};
    struct mr_orders_task name = mr_slots_name(run, id);
    if (name.is_last) {
        struct mr_run_part part = {account.records_out, account.part_bytes, account.part_xxh3};
        (void)!mr_commit_check(run->commit, id->task, id->attempt, &part, is_whole, err);
    } else {
        *is_whole = mr_workplace_check(&run->place, &name, &why) == MR_OK;
    }
    mr_account_fini(&account);
    return err->code;
}

static int check_reduces(const struct mr_slots *run, const struct mr_core_job_view *view,
                         struct findings *found, struct mr_error *err) {
    for (uint32_t task = 0; task < view->reduce_tasks && !err->code; task++) {
        struct mr_core_attempt id = winner_of(run, view->round, MR_PHASE_REDUCE, task);
        bool is_whole = false;
        if (id.attempt == 0 || check_reduce(run, &id, &is_whole, err)) {
            continue;
        }
        if (is_whole) {
            found->parts[task] = id.attempt;
        } else {
            found->lost[found->lost_count++] = id;
        }
    }
    return err->code;
}

/* An output that was damaged is made again; one that is gone, too. */
static void check_maps(const struct mr_slots *run, const struct mr_core_job_view *view,
                       struct findings *found) {
    for (uint32_t task = 0; task < view->map_tasks; task++) {
        struct mr_core_attempt id = winner_of(run, view->round, MR_PHASE_MAP, task);
        struct mr_orders_task name = mr_slots_name(run, &id);
        struct mr_error why = {0};
        if (id.attempt && mr_workplace_check(&run->place, &name, &why) == MR_OK) {
            found->held[found->held_count++] = id;
        }
    }
}

/* A loop that is being published needs nothing but its lines, of which the part can be made. */
static int look_at_part(struct mr_slots *run, struct findings *found, struct mr_error *err) {
    bool is_whole = false;
    found->parts = calloc(2, sizeof *found->parts);
    if (!found->parts) {
        return mr_error_nomem(err, "going on with a run");
    }
    found->part_count = 1;
    if (!mr_turns_take_up_part(run->turns, &is_whole, err) && !is_whole) {
        (void)!mr_turns_finish(run->turns, err);
    }
    found->parts[0] = 1;
    run->tasks_kept = mr_slots_view(run).map_tasks + mr_slots_view(run).reduce_tasks;
    return err->code;
}

static int look(struct mr_slots *run, struct findings *found, struct mr_error *err) {
    struct mr_core_job_view view = mr_slots_view(run);
    if (run->turns && view.state == MR_CORE_JOB_PUBLISHING) {
        return look_at_part(run, found, err);
    }
    found->held = calloc((size_t)view.map_tasks + 1, sizeof *found->held);
    found->lost = calloc((size_t)view.reduce_tasks + 1, sizeof *found->lost);
    found->parts = calloc((size_t)view.reduce_tasks + 1, sizeof *found->parts);
    found->part_count = view.reduce_tasks;
    if (!found->held || !found->lost || !found->parts) {
        return mr_error_nomem(err, "going on with a run");
    }
    if (check_reduces(run, &view, found, err)) {
        return err->code;
    }
    uint32_t maps = view.map_tasks;
    if (view.state == MR_CORE_JOB_RUNNING || found->lost_count > 0) {
        check_maps(run, &view, found);
        maps = found->held_count;
    }
    run->tasks_kept = maps + view.reduce_tasks - view.reduces_open - found->lost_count;
    return MR_OK;
}

/* ---- what nobody needs ----------------------------------------------------------------------- */

struct sweep {
    const struct mr_slots *run;
    uint32_t round;
    int dir_fd;
};

/* The numbers in a file's name, behind these letters: pass (of a loop), round, task, attempt. */
static bool read_name(const struct mr_slots *run, const char *name, const char *letters,
                      struct mr_core_attempt *id) {
    uint64_t pass = 1;
    uint32_t round;
    size_t len = strlen(letters);
    bool is_read = run->turns
                       ? sscanf(name + len, "%" SCNu64 "-%u-%u-%u", &pass, &round, &id->task,
                                &id->attempt) == 4
                       : sscanf(name + len, "%u-%u-%u", &round, &id->task, &id->attempt) == 3;
    id->round = (uint32_t)((pass - 1) * run->plan->round_count) + round;
    return is_read;
}

/* Whether the file is of an attempt that won, in this round or the one before; or a turn's. */
static bool is_needed(const struct sweep *sweep, const char *name) {
    struct mr_account account = {0};
    struct mr_error ignored = {0};
    struct mr_core_attempt id = {0};
    bool is_there = false;
    if (strncmp(name, "map-", 4) == 0) {
        return read_name(sweep->run, name, "map-", &id) && id.round == sweep->round &&
               winner_of(sweep->run, id.round, MR_PHASE_MAP, id.task).attempt == id.attempt;
    }
    if (strncmp(name, "pairs-", 6) != 0) {
        return sweep->run->turns && mr_turns_needs(sweep->run->turns, name);
    }
    bool is_won = read_name(sweep->run, name, "pairs-", &id) && id.round + 1 >= sweep->round &&
                  !mr_ledger_get(&sweep->run->ledger, MR_LEDGER_REDUCE, id.round, id.task, &account,
                                 &is_there, &ignored) &&
                  is_there && account.attempt == id.attempt;
    mr_account_fini(&account);
    return is_won;
}

static int visit(void *arg, const char *name, struct mr_error *err) {
    const struct sweep *sweep = arg;
    (void)err; /* what stays does no harm */
    if (!is_needed(sweep, name)) {
        (void)unlinkat(sweep->dir_fd, name, 0);
    }
    return 0;
}

static int sweep(const struct mr_slots *run, const struct findings *found, struct mr_error *err) {
    struct mr_core_job_view view = mr_slots_view(run);
    struct sweep all = {run, view.round, open(run->ledger.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct mr_error ignored = {0};
    if (all.dir_fd >= 0) {
        (void)!mr_tree_each(all.dir_fd, visit, &all, &ignored);
        (void)close(all.dir_fd); /* nothing was written */
    }
    bool has_parts = mr_plan_is_output(run->plan, mr_slots_round(run, view.round)) ||
                     (run->turns && view.state == MR_CORE_JOB_PUBLISHING);
    return mr_commit_sweep(run->commit, found->parts, has_parts ? found->part_count : 0, err);
}

/* ---- the first transaction ------------------------------------------------------------------- */

static int offer(struct mr_slots *run, const struct findings *found, struct mr_error *err) {
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = run->worker,
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = mr_slots_offered(run),
                               .held = found->held,
                               .held_count = found->held_count};
    if (mr_scribe_apply(&run->scribe, &up, NULL, err)) {
        return err->code;
    }
    for (uint32_t i = 0; i < found->lost_count && !err->code; i++) {
        struct mr_core_event lost = {.kind = MR_CORE_PART_LOST, .attempt = found->lost[i]};
        (void)!mr_scribe_apply(&run->scribe, &lost, NULL, err);
    }
    return err->code;
}

static int submit(struct mr_slots *run, struct mr_error *err) {
    const struct mr_plan *plan = run->plan;
    uint32_t most = run->spec->max_attempts;
    struct mr_core_event event = {.kind = MR_CORE_SUBMIT,
                                  .job = run->ledger.job,
                                  .shape = {.map_tasks = (uint32_t)plan->splits.count,
                                            .reduce_tasks = mr_plan_partitions(plan, run->spec, 0)},
                                  .max_attempts = most ? most : MR_RUN_MAX_ATTEMPTS};
    return (run->ledger.journal && mr_ledger_describe(&run->ledger, run->spec, plan, err)) ||
                   mr_scribe_apply(&run->scribe, &event, NULL, err)
               ? err->code
               : MR_OK;
}

static int take_up_output(struct mr_slots *run, bool *is_published, struct mr_error *err) {
    enum mr_commit_standing standing;
    if (mr_commit_take_up(run->spec->output, run->spec->overwrite, run->ledger.id,
                          run->ledger.owner, &run->commit, &standing, err)) {
        return err->code;
    }
    *is_published = standing == MR_COMMIT_PUBLISHED;
    return *is_published ? MR_OK : mr_ledger_make_dir(&run->ledger, err);
}

static int begin(struct mr_slots *run, const struct findings *found, struct mr_error *err) {
    bool is_new = run->ledger.standing == MR_LEDGER_NEW;
    return offer(run, found, err) || (is_new && submit(run, err)) ||
                   mr_scribe_commit(&run->scribe, err)
               ? err->code
               : MR_OK;
}

/* The loop, where the job is one, as it was, or from its start. */
static int begin_loop(struct mr_slots *run, bool *has_started, struct mr_error *err) {
    *has_started = true;
    return run->turns ? mr_turns_begin(run->turns, has_started, err) : MR_OK;
}

/* The job first, then its output: a crash in between leaves nothing that no journal knows of. */
static int begin_new(struct mr_slots *run, bool *is_published, struct mr_error *err) {
    struct findings nothing = {0};
    bool has_started;
    if (begin(run, &nothing, err)) {
        return err->code;
    }
    if (run->ledger.journal && take_up_output(run, is_published, err)) {
        struct mr_error ignored = {0}; /* the next run is told the first failure again */
        if (!mr_slots_may_pass(err->code)) {
            (void)!mr_slots_give_up(run, err, &ignored);
        }
        return err->code;
    }
    return begin_loop(run, &has_started, err) || has_started ? err->code
                                                             : mr_closing_start(run, err);
}

/* What can't go on for want of a place for its output waits for one. */
static int take_up_old_output(struct mr_slots *run, bool *is_published, struct mr_error *err) {
    if (take_up_output(run, is_published, err) == MR_ERR_USAGE) {
        mr_error_add(err,
                     "; the unfinished run is kept in \"%.200s\": without that output the same "
                     "command goes on",
                     run->spec->state);
    }
    return err->code;
}

static int begin_old(struct mr_slots *run, bool *is_published, struct mr_error *err) {
    struct findings found = {0};
    bool has_started;
    if (take_up_old_output(run, is_published, err) || *is_published) {
        return err->code;
    }
    if (!begin_loop(run, &has_started, err) && !look(run, &found, err) &&
        !sweep(run, &found, err)) {
        (void)!begin(run, &found, err);
    }
    findings_fini(&found);
    if (err->code == MR_ERR_INPUT) { /* what a loop left is damaged: it can't go on, ever */
        struct mr_error ignored = {0};
        (void)!mr_slots_give_up(run, err, &ignored);
    }
    return err->code || has_started ? err->code : mr_closing_start(run, err);
}

int mr_resume_begin(struct mr_slots *run, bool *is_published, struct mr_error *err) {
    *is_published = false;
    pthread_mutex_lock(&run->scribe.lock);
    (void)!(run->ledger.standing == MR_LEDGER_NEW ? begin_new(run, is_published, err)
                                                  : begin_old(run, is_published, err));
    pthread_mutex_unlock(&run->scribe.lock);
    return err->code;
}
