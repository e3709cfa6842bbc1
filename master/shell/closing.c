/* closing: ends rounds: adds up what was done, checks the books, and opens the next. */
#include "master/shell/closing.h"

#include "lib/base/error.h"
#include "master/local/common/books.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/outcome.h"
#include "master/shell/winners.h"
#include <endian.h>
#include <stdlib.h>

/* ---- the next round ---------------------------------------------------------------------------*/

/* Of a round of the list: the first reads splits, which are near to where they were read before;
 * the others read pairs, which are with those who made them. */
int mr_closing_shape(const struct mr_jobs_row *job, uint32_t list_round,
                     struct mr_core_shape *shape, struct mr_error *err) {
    *shape = (struct mr_core_shape){.map_tasks = list_round == 0 ? job->splits
                                                                 : job->partitions[list_round - 1],
                                    .reduce_tasks = job->partitions[list_round]};
    size_t count = (size_t)shape->map_tasks * MR_CORE_HOSTS_OF_TASK;
    uint32_t *hosts = malloc((count + 1) * sizeof *hosts);
    if (!hosts) {
        return mr_error_nomem(err, "opening a round");
    }
    for (size_t i = 0; i < count; i++) {
        hosts[i] = MR_CORE_NONE;
    }
    for (uint32_t task = 0; task < shape->map_tasks; task++) {
        if (list_round == 0) {
            hosts[(size_t)task * MR_CORE_HOSTS_OF_TASK] = job->cached[task];
        } else if (task < job->pairs.count) {
            hosts[(size_t)task * MR_CORE_HOSTS_OF_TASK] = job->pairs.rows[task].node;
        }
    }
    shape->hosts = hosts;
    return MR_OK;
}

void mr_closing_release_shape(struct mr_core_shape *shape) {
    free((void *)(uintptr_t)shape->hosts);
    shape->hosts = NULL;
}

/* Notes who won the reduce tasks, and where: the next round reads what they made. */
static int put_pairs(struct mr_master *master, struct mr_jobs_row *job,
                     const struct mr_core_job_view *view, struct mr_error *err) {
    struct mr_sources_row *rows = calloc((size_t)view->reduce_tasks + 1, sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "closing a round");
    }
    for (uint32_t task = 0; task < view->reduce_tasks; task++) {
        struct mr_core_winner winner =
            mr_core_winner(master->core, job->number, MR_PHASE_REDUCE, task);
        rows[task] = (struct mr_sources_row){htole32(winner.attempt), htole32(winner.worker.node)};
    }
    (void)!mr_journal_put(master->journal, job->number, MR_NOTES_PAIRS, view->round, rows,
                          view->reduce_tasks * sizeof *rows, err);
    free(rows);
    return err->code;
}

/* ---- sums -------------------------------------------------------------------------------------*/

static int add_accounts(struct mr_master *master, const struct mr_jobs_row *job,
                        enum mr_phase phase, const struct mr_core_job_view *view,
                        struct mr_account *sum, struct mr_error *err) {
    bool is_map = phase == MR_PHASE_MAP;
    uint32_t count = is_map ? view->map_tasks : view->reduce_tasks;
    for (uint32_t task = 0; task < count && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        uint64_t key = mr_notes_key(view->round, task);
        uint32_t winner = mr_core_winner(master->core, job->number, phase, task).attempt;
        if (mr_notes_get_account(master->journal, job->number,
                                 is_map ? MR_NOTES_MAP : MR_NOTES_REDUCE, key, &account, &is_there,
                                 err)) {
            return err->code;
        }
        /* A map output that was lost when all had read it is being made again in vain: what it was
         * is what counts. */
        bool is_winners = account.attempt == winner || (is_map && winner == 0);
        if (!is_there || !is_winners) {
            mr_error_set(err, MR_ERR_INTERNAL, "the journal lacks the account of a winner");
        } else {
            (void)!mr_account_add(sum, &account, err);
        }
        mr_account_fini(&account);
    }
    return err->code;
}

/* Adds to the sum under a key. */
static int add_to(struct mr_master *master, uint32_t job, enum mr_notes_kind kind, uint64_t key,
                  const struct mr_account *more, struct mr_error *err) {
    struct mr_account sum;
    bool is_there;
    if (!mr_notes_get_account(master->journal, job, kind, key, &sum, &is_there, err) &&
        !mr_account_add(&sum, more, err)) {
        (void)!mr_notes_put_account(master->journal, job, kind, key, &sum, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

/* A pass of a loop is done: its sums go to those of the passes before. */
static int add_pass(struct mr_master *master, const struct mr_jobs_row *job, struct mr_error *err) {
    for (uint32_t round = 0; round < job->rounds && !err->code; round++) {
        struct mr_account sum;
        bool is_there;
        if (!mr_notes_get_account(master->journal, job->number, MR_NOTES_ROUND,
                                  mr_notes_key(round, 0), &sum, &is_there, err) &&
            is_there) {
            (void)!add_to(master, job->number, MR_NOTES_TOTAL, mr_notes_key(round, 0), &sum, err);
        }
        mr_account_fini(&sum);
    }
    return err->code;
}

/* What only the tasks of a round needed. Not of the last: a part may be lost until it is published,
 * and then the round is closed once more. */
static void forget_round(struct mr_master *master, struct mr_jobs_row *job, struct mr_error *err) {
    static const enum mr_notes_kind kinds[] = {MR_NOTES_CARE, MR_NOTES_MAP, MR_NOTES_REDUCE,
                                               MR_NOTES_FAILURE, MR_NOTES_SHIFT};
    if (job->loops) {
        mr_search_clear(&job->search); /* nothing is known of another pass */
    }
    /* Of a job that doesn't loop, records stay set aside if it has to begin again. */
    for (size_t i = !job->loops; i < sizeof kinds / sizeof *kinds && !err->code; i++) {
        (void)!mr_journal_forget(master->journal, job->number, (uint32_t)kinds[i], err);
    }
}

/* ---- closing ----------------------------------------------------------------------------------*/

static void fail_round(struct mr_master *master, struct mr_jobs_row *job, uint32_t round,
                       const struct mr_error *why) {
    struct mr_core_event failed = {
        .kind = MR_CORE_ROUND_FAILED, .job = job->number, .round = round, .status = why->code};
    struct mr_error err = {0};
    (void)!mr_jobs_give_up(job, master->journal, why, &err);
    if (mr_inside_check(master, &err)) {
        (void)mr_inside_apply(master, &failed, NULL);
    }
}

/* Answers the core with the next round, of the list, or the turn behind the last. */
static void open_next(struct mr_master *master, struct mr_jobs_row *job, uint32_t round,
                      uint32_t list_round, struct mr_error *err) {
    struct mr_core_event closed = {
        .kind = MR_CORE_ROUND_CLOSED, .job = job->number, .round = round, .has_next = true};
    if (list_round == job->rounds) {
        closed.shape = (struct mr_core_shape){.reduce_tasks = 1};
    } else if (mr_closing_shape(job, list_round, &closed.shape, err)) {
        return;
    }
    (void)mr_inside_apply(master, &closed, NULL);
    if (list_round < job->rounds) {
        mr_closing_release_shape(&closed.shape);
    }
}

static void close_last(struct mr_master *master, struct mr_jobs_row *job, uint32_t round,
                       struct mr_error *err) {
    struct mr_core_event closed = {
        .kind = MR_CORE_ROUND_CLOSED, .job = job->number, .round = round};
    if (!mr_outcome_note(master, job, err)) {
        (void)mr_inside_apply(master, &closed, NULL);
    }
}

static void close_turn(struct mr_master *master, struct mr_jobs_row *job,
                       const struct mr_core_job_view *view, struct mr_error *err) {
    struct mr_account sum = {0};
    if (!add_accounts(master, job, MR_PHASE_REDUCE, view, &sum, err) &&
        !add_to(master, job->number, MR_NOTES_TOTAL, mr_notes_key(job->rounds, 0), &sum, err) &&
        !add_pass(master, job, err) &&
        !mr_journal_forget(master->journal, job->number, MR_NOTES_ROUND, err) &&
        !mr_journal_forget(master->journal, job->number, MR_NOTES_PAIRS, err)) {
        job->bytes_done = 0;
        if (job->again) {
            open_next(master, job, view->round, 0, err);
        } else {
            close_last(master, job, view->round, err);
        }
    }
    mr_account_fini(&sum);
    if (!err->code) {
        forget_round(master, job, err);
    }
}

static void close_list_round(struct mr_master *master, struct mr_jobs_row *job,
                             const struct mr_core_job_view *view, struct mr_error *err) {
    uint32_t round = mr_numbering_list_round(job, view->round);
    struct mr_account sum = {0};
    struct mr_books books;
    struct mr_error why = {0};
    if (add_accounts(master, job, MR_PHASE_MAP, view, &sum, err) ||
        add_accounts(master, job, MR_PHASE_REDUCE, view, &sum, err) ||
        mr_notes_put_account(master->journal, job->number, MR_NOTES_ROUND, mr_notes_key(round, 0),
                             &sum, err)) {
        mr_account_fini(&sum);
        return;
    }
    mr_books_of_account(&sum, &books);
    if (mr_books_check(&books, job->label, &why)) {
        fail_round(master, job, view->round, &why);
    } else if (mr_numbering_is_last(job, view->round)) {
        close_last(master, job, view->round, err);
    } else if (!put_pairs(master, job, view, err) &&
               !mr_winners_open_pairs(job, master->journal, view->round, err)) {
        open_next(master, job, view->round, round + 1, err); /* of the shape that was just put */
    }
    mr_account_fini(&sum);
    if (!err->code && !why.code && !mr_numbering_is_last(job, view->round)) {
        forget_round(master, job, err);
    }
}

static void close_one(struct mr_master *master, struct mr_jobs_row *job) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    struct mr_error err = {0};
    if (view.state != MR_CORE_JOB_CLOSING || job->is_over) {
        return;
    }
    job->is_dirty = true;
    if (mr_numbering_is_turn(job, view.round)) {
        close_turn(master, job, &view, &err);
    } else {
        close_list_round(master, job, &view, &err);
    }
    if (err.code && err.code != MR_ERR_NOMEM && !master->pen.err.code && !master->is_closing) {
        fail_round(master, job, view.round, &err); /* the job's own: its spec, a job's name */
        err = (struct mr_error){0};
    }
    (void)mr_inside_check(master, &err);
}

void mr_closing_close(struct mr_master *master) {
    while (master->has_to_close && !master->pen.err.code &&
           !master->is_closing) { /* an empty round is done at once */
        master->has_to_close = false;
        for (size_t i = 0; i < master->jobs.count && !master->pen.err.code; i++) {
            close_one(master, master->jobs.rows[i]);
        }
    }
}
