/* ending: makes the output of a run appear, and says what the run came to. */
#include "master/local/files/ending.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"
#include "master/local/common/books.h"
#include "master/local/common/outlet.h"
#include "master/local/files/aside.h"
#include "master/local/files/closing.h"
#include "master/local/files/lines.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what it came to --------------------------------------------------------------------------
 */

/* Adds a sum to a round's row. */
static void add_to_row(const struct mr_slots *run, uint32_t round, const struct mr_account *sum,
                       struct mr_books *books) {
    struct mr_run_result *result = run->result;
    mr_books_of_account(sum, books);
    books->seconds_map = run->seconds[round][MR_PHASE_MAP];
    books->seconds_reduce = run->seconds[round][MR_PHASE_REDUCE];
    mr_books_report(books, &result->rounds[round]);
    result->rounds[round].name = run->plan->rounds[round].name;
    result->round_count = result->round_count > round ? result->round_count : round + 1;
}

static int report_round(const struct mr_slots *run, uint32_t round, struct mr_error *err) {
    struct mr_account sum;
    struct mr_books books;
    bool is_there;
    if (!mr_ledger_get(&run->ledger, MR_LEDGER_ROUND, round, 0, &sum, &is_there, err)) {
        add_to_row(run, round, &sum, &books);
        (void)!mr_books_merge_counters(&books.counters, run->result, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

static int report_parts(const struct mr_slots *run, uint32_t *winners, struct mr_error *err) {
    uint32_t round = mr_slots_view(run).round;
    for (uint32_t task = 0; task < run->result->part_count && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        if (!mr_ledger_get(&run->ledger, MR_LEDGER_REDUCE, round, task, &account, &is_there, err)) {
            run->result->parts[task] =
                (struct mr_run_part){account.records_out, account.part_bytes, account.part_xxh3};
            winners[task] = account.attempt;
        }
        mr_account_fini(&account);
    }
    return err->code;
}

/* Fills in what the facts tell of the whole job. */
static int report_all(struct mr_slots *run, uint32_t *winners, struct mr_error *err) {
    for (uint32_t round = 0; round < run->plan->round_count && !err->code; round++) {
        (void)!report_round(run, round, err);
    }
    if (err->code || !run->turns) {
        return err->code ? err->code : report_parts(run, winners, err);
    }
    winners[0] = 1; /* a loop's part is written once */
    return run->ledger.journal ? mr_lines_report(&run->ledger, run->result, err) : MR_OK;
}

void mr_ending_report_partly(struct mr_slots *run) {
    struct mr_core_job_view view = mr_slots_view(run);
    struct mr_account sum = {0};
    struct mr_books books;
    struct mr_error ignored = {0};
    for (uint32_t round = 0; round < run->plan->round_count; round++) {
        if (mr_ledger_find(&run->ledger, MR_LEDGER_ROUND, mr_ledger_key(round, 0))) {
            (void)!report_round(run, round, &ignored);
        }
    }
    if (view.state != MR_CORE_JOB_UNKNOWN && !mr_closing_sum(run, &view, &sum, &ignored)) {
        add_to_row(run, mr_slots_round(run, view.round), &sum, &books);
    }
    mr_account_fini(&sum);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

/* Adds the file of the records that were set aside to the output. */
static int add_aside(const struct mr_slots *run, struct mr_error *err) {
    struct mr_buffer text = {0};
    if (!mr_aside_text(&run->ledger, run->plan, &text, err) && text.len) {
        (void)!mr_commit_add(run->commit, MR_ASIDE_NAME, (struct mr_bytes){text.data, text.len},
                             err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

/* Without an output directory: what the one part holds goes to the stream. */
static int write_stream(const struct mr_slots *run, struct mr_error *err) {
    struct mr_outlet_source to = {.output_fd = run->spec->output_fd, .stop = run->spec->stop};
    char path[MR_ORDERS_PATH_MAX];
    if (run->turns) {
        return MR_OK; /* its lines are written */
    }
    snprintf(path, sizeof path, "%s/out-0-%u/part-00000", run->ledger.dir,
             mr_core_winner(run->core, run->ledger.job, MR_PHASE_REDUCE, 0).attempt);
    return mr_outlet_copy(&to, path, err);
}

static int appear(const struct mr_slots *run, const uint32_t *winners, struct mr_error *err) {
    struct mr_run_result *result = run->result;
    if (!run->commit) {
        return write_stream(run, err) ? err->code : run->write_manifest(run->arg, err);
    }
    return run->write_manifest(run->arg, err) || add_aside(run, err) ||
                   mr_commit_publish(run->commit, result->parts, winners, result->part_count,
                                     result->manifest, err)
               ? err->code
               : MR_OK;
}

/* Tells the core how publishing went, and that the job ended. */
static int report_published(struct mr_slots *run, const struct mr_error *how,
                            struct mr_error *err) {
    struct mr_core_event event = {.kind = how->code ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED,
                                  .job = run->ledger.job,
                                  .status = how->code};
    bool is_journaled = run->ledger.journal != NULL;
    return (is_journaled && mr_ledger_end(&run->ledger, how, err)) ||
                   mr_scribe_apply(&run->scribe, &event, NULL, err) ||
                   mr_scribe_commit(&run->scribe, err)
               ? err->code
               : MR_OK;
}

/* With a journal: whether the same command may yet publish. */
static bool goes_on(const struct mr_slots *run, int status) {
    return run->ledger.journal && (mr_slots_may_pass(status) || status == MR_ERR_USAGE);
}

int mr_ending_publish(struct mr_slots *run, struct mr_error *err) {
    uint32_t *winners = calloc(run->result->part_count + 1, sizeof *winners);
    struct mr_error how = {0};
    if (!winners) {
        return mr_error_nomem(err, "publishing");
    }
    if (!report_all(run, winners, err)) {
        pthread_mutex_unlock(&run->scribe.lock);
        (void)!appear(run, winners, &how);
        pthread_mutex_lock(&run->scribe.lock);
        if (how.code == MR_ERR_USAGE && goes_on(run, how.code)) {
            mr_error_add(&how, "; or without that output the same command publishes it");
        }
        if (how.code && goes_on(run, how.code)) {
            *err = how;
        } else if (!report_published(run, &how, err) && how.code) {
            *err = how;
            run->is_failing = true;
        }
    }
    free(winners);
    return err->code;
}

/* ---- done already -----------------------------------------------------------------------------
 */

int mr_ending_read_done(const struct mr_slots *run, struct mr_error *err) {
    struct mr_run_result *result = run->result;
    int dir_fd = open(run->spec->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd < 0 ? -1 : openat(dir_fd, MR_MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    size_t got = 0;
    if (size < 0 || (size_t)size > MR_MANIFEST_READ_BYTES_MAX) {
        mr_error_errno(err, MR_ERR_IO, errno, "read the manifest of \"%.300s\"", run->spec->output);
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

int mr_ending_appeared(struct mr_slots *run, struct mr_error *err) {
    struct mr_error fine = {0};
    mr_commit_end(run->commit); /* first: behind the last transaction nobody would look for it */
    run->commit = NULL;
    pthread_mutex_lock(&run->scribe.lock);
    /* Not publishing: the journal lost its last transactions, to a damaged end of its log. */
    (void)!(mr_slots_view(run).state == MR_CORE_JOB_PUBLISHING ? report_published(run, &fine, err)
                                                               : mr_slots_give_up(run, &fine, err));
    pthread_mutex_unlock(&run->scribe.lock);
    return err->code ? err->code : mr_ending_read_done(run, err);
}
