/* durable: runs a job so that it survives its process: with a journal, and files from task to task.
 */
#include "master/local/durable.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"
#include "master/local/books.h"
#include "master/local/resume.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_MS 100

struct durable {
    struct mr_lasting run;
    const struct mr_durable_face *face;
    struct mr_run_result *result;
    double started;
    double watched; /* when it was last looked after progress */
};

static uint32_t partitions(const struct durable *durable, uint32_t round) {
    return mr_plan_partitions(durable->run.plan, durable->run.spec, round);
}

static struct mr_core_job_view view_of(const struct mr_lasting *run) {
    return mr_core_job(mr_journal_core(run->ledger.journal), run->ledger.job);
}

/* ---- rounds, with the lock held -------------------------------------------------------------- */

static int add_accounts(struct mr_lasting *run, enum mr_ledger_fact kind, uint32_t round,
                        uint32_t count, struct mr_account *sum, struct mr_error *err) {
    for (uint32_t task = 0; task < count && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        if (!mr_ledger_get(&run->ledger, kind, round, task, &account, &is_there, err)) {
            (void)!(is_there ? mr_account_add(sum, &account, err)
                             : mr_error_set(err, MR_ERR_INTERNAL,
                                            "the journal lacks the account of a task"));
        }
        mr_account_fini(&account);
    }
    return err->code;
}

/* Forgets what only the tasks of a round needed, and removes their files. */
static int forget_round(struct mr_lasting *run, const struct mr_core_job_view *view,
                        struct mr_error *err) {
    struct mr_core_attempt id = {.job = run->ledger.job, .round = view->round};
    struct mr_account account;
    bool is_there;
    for (id.task = 0; id.task < view->map_tasks && !err->code; id.task++) {
        if (!mr_ledger_get(&run->ledger, MR_LEDGER_MAP, id.round, id.task, &account, &is_there,
                           err)) {
            id.attempt = account.attempt;
            mr_attempt_discard(&run->attempts, &id);
        }
        mr_account_fini(&account);
    }
    return err->code ? err->code
                     : mr_journal_forget(run->ledger.journal, run->ledger.job, MR_LEDGER_MAP, err);
}

static int answer_round(struct durable *durable, const struct mr_core_job_view *view,
                        struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    bool has_next = view->round + 1 < run->plan->round_count;
    struct mr_core_event closed = {.kind = MR_CORE_ROUND_CLOSED,
                                   .job = run->ledger.job,
                                   .round = view->round,
                                   .has_next = has_next};
    if (has_next) {
        closed.shape = (struct mr_core_shape){.map_tasks = view->reduce_tasks,
                                              .reduce_tasks = partitions(durable, view->round + 1)};
    }
    return mr_scribe_apply(&run->scribe, &closed, NULL, err) ? err->code
                                                             : mr_scribe_commit(&run->scribe, err);
}

/* The books don't balance: the job ends by it. */
static int fail_round(struct mr_lasting *run, const struct mr_core_job_view *view,
                      const struct mr_error *why) {
    struct mr_error err = {0};
    struct mr_core_event failed = {.kind = MR_CORE_ROUND_FAILED,
                                   .job = run->ledger.job,
                                   .round = view->round,
                                   .status = why->code};
    run->is_failing = true;
    return mr_ledger_end(&run->ledger, why, &err) ||
                   mr_scribe_apply(&run->scribe, &failed, NULL, &err)
               ? err.code
               : mr_scribe_commit(&run->scribe, &err);
}

/* Adds up the round, sees that nothing was lost, and answers with the next. */
static int close_round(struct durable *durable, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    struct mr_core_job_view view = view_of(run);
    struct mr_account sum = {0};
    struct mr_books books = {0};
    run->round_is_done = false;
    if (!add_accounts(run, MR_LEDGER_MAP, view.round, view.map_tasks, &sum, err) &&
        !add_accounts(run, MR_LEDGER_REDUCE, view.round, view.reduce_tasks, &sum, err)) {
        mr_books_of_account(&sum, &books);
        (void)(mr_books_check(&books, run->plan->job->name, err)
                   ? fail_round(run, &view, err)
                   : mr_ledger_put(&run->ledger, MR_LEDGER_ROUND, view.round, 0, &sum, err) ||
                         answer_round(durable, &view, err) || forget_round(run, &view, err));
    }
    mr_account_fini(&sum);
    return err->code;
}

/* ---- publishing ------------------------------------------------------------------------------ */

/* Fills in a round's row from its sum. */
static int report_round(struct durable *durable, uint32_t round, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    struct mr_account sum;
    struct mr_books books;
    bool is_there;
    if (!mr_ledger_get(&run->ledger, MR_LEDGER_ROUND, round, 0, &sum, &is_there, err)) {
        mr_books_of_account(&sum, &books);
        mr_books_report(&books, &durable->result->rounds[round]);
        durable->result->rounds[round].name = run->plan->rounds[round].name;
        durable->result->round_count = round + 1;
        (void)!mr_books_merge_counters(&books.counters, durable->result, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

/* Fills in what the facts tell of the whole job. */
static int report_all(struct durable *durable, uint32_t *winners, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    uint32_t last = run->plan->round_count - 1;
    for (uint32_t round = 0; round <= last && !err->code; round++) {
        (void)!report_round(durable, round, err);
    }
    for (uint32_t task = 0; task < durable->result->part_count && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        if (!mr_ledger_get(&run->ledger, MR_LEDGER_REDUCE, last, task, &account, &is_there, err)) {
            durable->result->parts[task] =
                (struct mr_run_part){account.records_out, account.part_bytes, account.part_xxh3};
            winners[task] = account.attempt;
        }
        mr_account_fini(&account);
    }
    return err->code;
}

/* Journals how publishing went, and that the job ended. */
static int report_published(struct mr_lasting *run, const struct mr_error *how,
                            struct mr_error *err) {
    struct mr_core_event event = {.kind = how->code ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED,
                                  .job = run->ledger.job,
                                  .status = how->code};
    pthread_mutex_lock(&run->scribe.lock);
    (void)(mr_ledger_end(&run->ledger, how, err) ||
           mr_scribe_apply(&run->scribe, &event, NULL, err) || mr_scribe_commit(&run->scribe, err));
    pthread_mutex_unlock(&run->scribe.lock);
    return err->code;
}

/* With the lock held, which is let go meanwhile: nothing else is left to do. */
static int publish(struct durable *durable, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    struct mr_run_result *result = durable->result;
    uint32_t *winners = calloc(result->part_count + 1, sizeof *winners);
    struct mr_error how = {0};
    run->publishes = false;
    if (!winners) {
        return mr_error_nomem(err, "publishing");
    }
    if (!report_all(durable, winners, err)) {
        pthread_mutex_unlock(&run->scribe.lock);
        (void)(durable->face->write_manifest(durable->face->arg, &how) ||
               mr_commit_publish(run->commit, result->parts, winners, result->part_count,
                                 result->manifest, &how));
        if (how.code && mr_lasting_may_pass(how.code)) {
            *err = how;
        } else if (!report_published(run, &how, err) && how.code) {
            *err = how;
            run->is_failing = true;
        }
        pthread_mutex_lock(&run->scribe.lock);
    }
    free(winners);
    return err->code;
}

/* ---- done already ---------------------------------------------------------------------------- */

/* Reads what the output that is there says of itself. */
static int read_done(struct durable *durable, struct mr_error *err) {
    struct mr_run_result *result = durable->result;
    int dir_fd = open(durable->run.spec->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd < 0 ? -1 : openat(dir_fd, MR_MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    size_t got = 0;
    if (size < 0 || (size_t)size > MR_MANIFEST_READ_BYTES_MAX) {
        mr_error_errno(err, MR_ERR_IO, errno, "read the manifest of \"%.300s\"",
                       durable->run.spec->output);
    } else if (!(result->manifest = calloc(1, (size_t)size + 1))) {
        mr_error_nomem(err, "reading the manifest");
    } else if (!mr_file_read(fd, 0, result->manifest, (size_t)size, MR_MANIFEST_NAME, &got, err)) {
        free(result->parts);
        result->parts = NULL;
        (void)!mr_manifest_read_text(result->manifest, got, &result->parts, &result->part_count,
                                     err);
    }
    if (fd >= 0) {
        (void)close(fd); /* nothing was written */
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    for (size_t i = 0; i < result->part_count && !err->code; i++) {
        result->output_records += result->parts[i].records;
        result->output_bytes += result->parts[i].bytes;
    }
    result->was_done = true;
    return err->code;
}

/* The output appeared, and the process died before it could say so. */
static int report_appeared(struct durable *durable, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    struct mr_error fine = {0};
    /* Not publishing: the journal lost its last transactions, to a damaged end of its log. */
    (void)!(view_of(run).state == MR_CORE_JOB_PUBLISHING ? report_published(run, &fine, err)
                                                         : mr_resume_give_up(run, &fine, err));
    run->is_finished = !err->code;
    return err->code ? err->code : read_done(durable, err);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* With the lock held, which is let go for the caller's function. */
static void watch(struct durable *durable) {
    struct mr_lasting *run = &durable->run;
    const struct mr_run_spec *spec = run->spec;
    durable->watched = mr_clock_seconds();
    if (spec->stop && atomic_load(spec->stop)) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_INTERRUPTED, "interrupted");
        mr_lasting_pause(run, &err);
    }
    if (spec->progress) {
        struct mr_core_job_view view = view_of(run);
        bool is_map = view.maps_open > 0;
        struct mr_run_progress progress = {
            .job = run->plan->job->name,
            .round = run->plan->rounds[view.round].name,
            .phase = is_map ? MR_PHASE_MAP : MR_PHASE_REDUCE,
            .bytes_done = is_map ? run->bytes_done : view.reduce_tasks - view.reduces_open,
            .bytes_total = is_map ? run->plan->inputs.bytes : view.reduce_tasks,
            .seconds = mr_clock_seconds() - durable->started};
        pthread_mutex_unlock(&run->scribe.lock);
        spec->progress(spec->progress_arg, &progress);
        pthread_mutex_lock(&run->scribe.lock);
    }
}

static void wait_a_while(struct durable *durable) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PROGRESS_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)!pthread_cond_timedwait(&durable->run.scribe.changed, &durable->run.scribe.lock, &until);
}

/* Until the job has ended, or this process can't go on. */
static void look_after(struct durable *durable) {
    struct mr_lasting *run = &durable->run;
    pthread_mutex_lock(&run->scribe.lock);
    watch(durable);
    while (!run->is_finished && !run->quits) {
        struct mr_error err = {0};
        if ((mr_clock_seconds() - durable->watched) * 1000 >= PROGRESS_MS) {
            watch(durable);
        } else if (run->scribe.applied > run->scribe.committed) {
            (void)!mr_scribe_commit(&run->scribe, &err);
        } else if (run->round_is_done) {
            (void)!close_round(durable, &err);
        } else if (run->publishes) {
            (void)!publish(durable, &err);
        } else if (run->scribe.err.code) {
            err = run->scribe.err;
        } else {
            wait_a_while(durable);
        }
        if (err.code) {
            mr_lasting_pause(run, &err);
        }
    }
    pthread_mutex_unlock(&run->scribe.lock);
}

/* What was done until the end of this process counts, where the journal still takes it. */
static void keep_the_rest(struct mr_lasting *run) {
    struct mr_error ignored = {0};
    pthread_mutex_lock(&run->scribe.lock);
    (void)!mr_scribe_commit(&run->scribe, &ignored);
    pthread_mutex_unlock(&run->scribe.lock);
}

static int run_all(struct durable *durable, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    bool is_published = false;
    if (run->ledger.standing == MR_LEDGER_DONE) {
        mr_ledger_clear(&run->ledger, false);
        return read_done(durable, err);
    }
    if (mr_resume_begin(run, &is_published, err)) {
        return err->code;
    }
    if (is_published) {
        return report_appeared(durable, err);
    }
    if (!mr_lasting_start(run, err)) {
        look_after(durable);
        mr_lasting_stop(run);
        *err = run->err;
        keep_the_rest(run);
    } else {
        mr_lasting_stop(run); /* those that did start work on what is let go now */
    }
    return err->code;
}

/* A run that is over leaves nothing but its journal; one that goes on later, all. */
static void settle(struct durable *durable, struct mr_error *err) {
    struct mr_lasting *run = &durable->run;
    bool goes_on = err->code && mr_lasting_may_pass(err->code) && !run->is_finished;
    if (run->commit && (goes_on || (err->code && !run->is_finished))) {
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
    if (spec->isolate || plan->loops) {
        return mr_error_set(err, MR_ERR_USAGE, "--state and %s don't go together yet",
                            spec->isolate ? "--isolate" : "jobs that loop");
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

int mr_durable_run(const struct mr_run_spec *spec, const struct mr_plan *plan,
                   const struct mr_durable_face *face, struct mr_run_result *result,
                   struct mr_error *err) {
    struct durable durable = {.face = face, .result = result, .started = mr_clock_seconds()};
    if (check_spec(spec, plan, err)) {
        return err->code;
    }
    if (!mr_ledger_open(&durable.run.ledger, spec, plan, face->id, err)) {
        memcpy(face->id, durable.run.ledger.id, sizeof durable.run.ledger.id);
        if (!mr_lasting_init(&durable.run, spec, plan, err)) {
            (void)!run_all(&durable, err);
        }
    }
    result->tasks_kept = durable.run.tasks_kept;
    result->tasks_run = durable.run.tasks_run;
    settle(&durable, err);
    mr_lasting_fini(&durable.run);
    return err->code;
}
