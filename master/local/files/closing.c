/* closing: ends a round: adds it up, sees that nothing was lost, and opens the next. */
#include "master/local/files/closing.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "master/local/common/books.h"
#include "master/local/files/turns.h"
#include "master/local/files/work.h"
#include <stdlib.h>

bool mr_closing_is_turn(const struct mr_slots *run, const struct mr_core_job_view *view) {
    return run->turns && mr_slots_round(run, view->round) + 1 == run->plan->round_count;
}

/* ---- the sum ----------------------------------------------------------------------------------
 */

static int add_accounts(const struct mr_slots *run, enum mr_phase phase, uint32_t round,
                        uint32_t count, struct mr_account *sum, struct mr_error *err) {
    enum mr_ledger_fact kind = phase == MR_PHASE_MAP ? MR_LEDGER_MAP : MR_LEDGER_REDUCE;
    for (uint32_t task = 0; task < count && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        if (mr_core_winner(run->core, run->ledger.job, phase, task).attempt &&
            !mr_ledger_get(&run->ledger, kind, round, task, &account, &is_there, err)) {
            (void)!(is_there ? mr_account_add(sum, &account, err)
                             : mr_error_set(err, MR_ERR_INTERNAL,
                                            "the account of a task that is done is not there"));
            mr_account_fini(&account);
        }
    }
    return err->code;
}

int mr_closing_sum(const struct mr_slots *run, const struct mr_core_job_view *view,
                   struct mr_account *sum, struct mr_error *err) {
    return add_accounts(run, MR_PHASE_MAP, view->round, view->map_tasks, sum, err) ||
                   add_accounts(run, MR_PHASE_REDUCE, view->round, view->reduce_tasks, sum, err)
               ? err->code
               : MR_OK;
}

/* Keeps the round's sum; of a loop, that of all passes. */
static int note_sum(struct mr_slots *run, uint32_t round, struct mr_account *sum,
                    struct mr_error *err) {
    struct mr_account before = {0};
    bool is_there = false;
    uint32_t own = mr_slots_round(run, round);
    if (mr_ledger_get(&run->ledger, MR_LEDGER_ROUND, own, 0, &before, &is_there, err)) {
        return err->code;
    }
    if (!mr_account_add(sum, &before, err)) {
        (void)!mr_ledger_put(&run->ledger, MR_LEDGER_ROUND, own, 0, sum, err);
    }
    mr_account_fini(&before);
    return err->code;
}

/* ---- what only the round's tasks needed -------------------------------------------------------
 */

struct files {
    struct mr_core_attempt *ids;
    size_t count;
};

static int list_files(const struct mr_slots *run, enum mr_ledger_fact kind, uint32_t round,
                      struct files *files, struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_ledger_all(&run->ledger, kind, &count);
    struct mr_core_attempt *ids = realloc(files->ids, (files->count + count + 1) * sizeof *ids);
    if (!ids) {
        return mr_error_nomem(err, "closing a round");
    }
    files->ids = ids;
    for (size_t i = 0; i < count && !err->code; i++) {
        struct mr_account account;
        if (facts[i].key >> 32 == round &&
            !mr_account_get(&account, facts[i].bytes, facts[i].len, err)) {
            ids[files->count++] = (struct mr_core_attempt){
                run->ledger.job, round, kind == MR_LEDGER_MAP ? MR_PHASE_MAP : MR_PHASE_REDUCE,
                (uint32_t)facts[i].key, account.attempt};
            mr_account_fini(&account);
        }
    }
    return err->code;
}

/* Map outputs, and the pairs that the round read; of a pass's last, also those that its end read.
 */
static int list_all(const struct mr_slots *run, const struct mr_core_job_view *view,
                    struct files *files, struct mr_error *err) {
    bool has_before = mr_slots_round(run, view->round) > 0;
    return list_files(run, MR_LEDGER_MAP, view->round, files, err) ||
                   (has_before && list_files(run, MR_LEDGER_REDUCE, view->round - 1, files, err)) ||
                   (mr_closing_is_turn(run, view) &&
                    list_files(run, MR_LEDGER_REDUCE, view->round, files, err))
               ? err->code
               : MR_OK;
}

static int forget(struct mr_slots *run, bool ends_pass, struct mr_error *err) {
    mr_search_clear(&run->search);
    return mr_ledger_forget(&run->ledger, MR_LEDGER_MAP, err) ||
                   mr_ledger_forget(&run->ledger, MR_LEDGER_CARE, err) ||
                   mr_ledger_forget(&run->ledger, MR_LEDGER_FAILED, err) ||
                   (ends_pass && mr_ledger_forget(&run->ledger, MR_LEDGER_REDUCE, err))
               ? err->code
               : MR_OK;
}

/* ---- closing ----------------------------------------------------------------------------------
 */

static int answer(struct mr_slots *run, const struct mr_core_job_view *view, bool has_next,
                  struct mr_error *err) {
    uint32_t next = mr_slots_round(run, view->round + 1);
    struct mr_core_event closed = {.kind = MR_CORE_ROUND_CLOSED,
                                   .job = run->ledger.job,
                                   .round = view->round,
                                   .has_next = has_next};
    if (has_next) {
        closed.shape = (struct mr_core_shape){
            .map_tasks = next == 0 ? (uint32_t)run->plan->splits.count : view->reduce_tasks,
            .reduce_tasks = mr_plan_partitions(run->plan, run->spec, next)};
    }
    return mr_scribe_apply(&run->scribe, &closed, NULL, err);
}

/* The round can't be closed: the job ends by it. */
static int fail_round(struct mr_slots *run, const struct mr_core_job_view *view,
                      const struct mr_error *why, struct mr_error *err) {
    struct mr_core_event failed = {.kind = MR_CORE_ROUND_FAILED,
                                   .job = run->ledger.job,
                                   .round = view->round,
                                   .status = why->code};
    return mr_slots_fail(run, why, err) || mr_scribe_apply(&run->scribe, &failed, NULL, err) ||
                   mr_scribe_commit(&run->scribe, err)
               ? err->code
               : MR_OK;
}

static void begin_round(struct mr_slots *run, uint32_t round) {
    double now = mr_clock_seconds();
    run->seconds[mr_slots_round(run, round)][MR_PHASE_REDUCE] += now - run->phase_started;
    run->phase_started = now;
    run->bytes_mapped = run->records_read = run->run_bytes = 0;
    run->broken = 0;
    mr_work_drop_winners(run);
}

/* All that the end of the round is, in one transaction; then what is not needed is removed. */
static int close(struct mr_slots *run, const struct mr_core_job_view *view, bool has_next,
                 struct mr_account *sum, struct mr_error *err) {
    bool ends_pass = mr_closing_is_turn(run, view);
    struct files files = {0};
    begin_round(run, view->round);
    if (list_all(run, view, &files, err) || note_sum(run, view->round, sum, err) ||
        forget(run, ends_pass, err) || answer(run, view, has_next, err) ||
        mr_scribe_commit(&run->scribe, err)) {
        mr_scribe_end(&run->scribe, err); /* half of it is not to be written */
    }
    for (size_t i = 0; i < files.count && !err->code; i++) {
        mr_slots_discard(run, &files.ids[i]);
    }
    if (run->turns && !err->code) {
        mr_turns_tidy(run->turns);
    }
    free(files.ids);
    return err->code;
}

/* The turn of a pass. *is_done: the round can be closed now. */
static int take_turn(struct mr_slots *run, const struct mr_core_job_view *view, bool *has_next,
                     bool *is_done, struct mr_error *err) {
    struct mr_core_attempt lost;
    struct mr_error why = {0};
    uint64_t pass = mr_slots_pass(run, view->round);
    *is_done = false;
    (void)!mr_turns_do(run->turns, pass, view->round, has_next, &lost, &why);
    if (lost.attempt) {
        struct mr_core_event event = {.kind = MR_CORE_PART_LOST, .attempt = lost};
        return mr_scribe_apply(&run->scribe, &event, NULL, err);
    }
    bool may_pass = run->ledger.journal && mr_slots_may_pass(why.code);
    if (!why.code && !*has_next && mr_turns_finish(run->turns, &why)) {
        may_pass = run->ledger.journal && mr_slots_may_pass(why.code);
        if (may_pass) { /* what the turn noted is not to be written without its end */
            mr_scribe_end(&run->scribe, &why);
        }
    }
    if (may_pass) {
        *err = why;
        return err->code;
    }
    *is_done = !why.code;
    return why.code ? fail_round(run, view, &why, err) : MR_OK;
}

int mr_closing_round(struct mr_slots *run, struct mr_error *err) {
    struct mr_core_job_view view = mr_slots_view(run);
    struct mr_account sum = {0};
    struct mr_books books = {0};
    struct mr_error why = {0};
    bool has_next = mr_slots_round(run, view.round) + 1 < run->plan->round_count;
    bool is_done = true;
    if (mr_closing_sum(run, &view, &sum, err)) {
        mr_account_fini(&sum);
        return err->code;
    }
    mr_books_of_account(&sum, &books);
    if (mr_books_check(&books, run->plan->job->name, &why)) {
        (void)!fail_round(run, &view, &why, err);
    } else if (!mr_closing_is_turn(run, &view) ||
               (!take_turn(run, &view, &has_next, &is_done, err) && is_done)) {
        (void)!close(run, &view, has_next, &sum, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

int mr_closing_start(struct mr_slots *run, struct mr_error *err) {
    struct mr_core_attempt lost;
    bool ignored;
    if (!mr_turns_do(run->turns, 0, 0, &ignored, &lost, err)) {
        return mr_slots_keep(run, err);
    }
    if (run->ledger.journal && !mr_slots_may_pass(err->code)) {
        struct mr_error giving_up = {0};
        (void)!mr_slots_give_up(run, err, &giving_up);
    }
    return err->code;
}
