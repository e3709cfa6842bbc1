/* reports: what workers say of attempts: done, failed, an output lost. */
#include "master/shell/reports.h"

#include "lib/base/error.h"
#include "lib/worker/hand.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/rewinding.h"
#include "master/shell/workers.h"
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_OF(message)                                                                           \
    {                                                                                              \
        (uint32_t)(message)->job, (uint32_t)(message)->round, (enum mr_phase)(message)->phase,     \
            (uint32_t)(message)->task, (uint32_t)(message)->attempt                                \
    }

bool mr_reports_find(struct mr_session *session, const struct mr_core_attempt *told,
                     struct mr_reports_about *about) {
    struct mr_master *master = session->master;
    about->job = mr_jobs_find(&master->jobs, told->job);
    if (!mr_workers_identify(session, &about->worker)) {
        return false;
    }
    if (!about->job || !mr_numbering_inward(about->job, told, &about->attempt)) {
        struct mr_wire_answer answer = {told->job,  told->round,   (uint64_t)told->phase,
                                        told->task, told->attempt, 0};
        mr_sessions_send_later(session, MR_WIRE_ANSWER, &answer);
        return false;
    }
    return true;
}

bool mr_reports_has_won(const struct mr_master *master, const struct mr_core_attempt *attempt) {
    struct mr_core_job_view view = mr_core_job(master->core, attempt->job);
    return view.round == attempt->round &&
           mr_core_winner(master->core, attempt->job, attempt->phase, attempt->task).attempt ==
               attempt->attempt;
}

/* Whether it is this worker that runs it, and it is still wanted. */
static bool is_wanted(const struct mr_master *master, const struct mr_reports_about *about) {
    const struct mr_runs_row *row = mr_runs_find(&master->runs, &about->attempt);
    return row && !row->is_stopping && row->worker.node == about->worker.node;
}

/* The attempt has ended, if it is this worker that runs it: what others say of it is void. */
static void end_run(struct mr_master *master, const struct mr_reports_about *about) {
    const struct mr_runs_row *row = mr_runs_find(&master->runs, &about->attempt);
    if (row && row->worker.node == about->worker.node) {
        const struct mr_roster_node *node = mr_roster_at(&master->roster, about->worker.node);
        master->may_let_go = master->may_let_go || (node && node->is_leaving);
        mr_runs_remove(&master->runs, &about->attempt);
    }
}

/* ---- done -------------------------------------------------------------------------------------*/

bool mr_reports_win(struct mr_master *master, const struct mr_reports_about *about,
                    uint64_t digest) {
    struct mr_core_event done = {.kind = MR_CORE_ATTEMPT_DONE,
                                 .worker = about->worker,
                                 .attempt = about->attempt,
                                 .digest = digest};
    bool had_won = mr_reports_has_won(master, &about->attempt);
    bool is_accepted;
    if (!mr_inside_apply(master, &done, &is_accepted)) {
        return false;
    }
    end_run(master, about);
    return is_accepted && !had_won;
}

/* The records that the winner set aside, as a fact: rows of offset, length, bytes shown, bytes. */
static void put_aside(struct mr_master *master, const struct mr_wire_done *done,
                      struct mr_error *err) {
    struct mr_buffer bytes = {0};
    for (size_t i = 0; i < done->aside_count && !err->code; i++) {
        const struct mr_wire_row_aside *row = &done->aside[i];
        uint64_t head[3] = {htole64(row->offset), htole64(row->len), htole64(row->record.len)};
        if (!mr_buffer_append(&bytes, head, sizeof head, err) && row->record.len) {
            (void)!mr_buffer_append(&bytes, row->record.data, row->record.len, err);
        }
    }
    if (!err->code && bytes.len) {
        (void)!mr_journal_put(master->journal, (uint32_t)done->job, MR_NOTES_ASIDE, done->task,
                              bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
}

static void put_account(struct mr_master *master, const struct mr_reports_about *about,
                        const struct mr_wire_done *done, const struct mr_account *account,
                        struct mr_error *err) {
    struct mr_jobs_row *job = about->job;
    bool is_map = about->attempt.phase == MR_PHASE_MAP;
    bool is_first = mr_numbering_list_round(job, about->attempt.round) == 0;
    enum mr_phase phase = about->attempt.phase;
    if (job->maps.round == about->attempt.round && about->attempt.task < job->spent_count[phase]) {
        uint64_t ms = done->seconds_us / 1000;
        job->spent_ms[phase][about->attempt.task] = ms < UINT32_MAX ? (uint32_t)ms + 1 : UINT32_MAX;
    }
    (void)!mr_journal_put(master->journal, job->number, is_map ? MR_NOTES_MAP : MR_NOTES_REDUCE,
                          mr_notes_key(about->attempt.round, about->attempt.task),
                          done->account.data, done->account.len, err);
    if (is_map && is_first) {
        job->bytes_done += account->bytes_read;
        put_aside(master, done, err);
    }
}

void mr_reports_done(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_done *done = &message->done_;
    const struct mr_core_attempt told = TOLD_OF(done);
    struct mr_reports_about about;
    struct mr_account account = {0};
    struct mr_error err = {0};
    (void)frame;
    if (told.phase == MR_PHASE_LOOP || !mr_reports_find(session, &told, &about)) {
        return;
    }
    if (mr_account_get(&account, done->account.data, done->account.len, &err) ||
        account.attempt != told.attempt) {
        struct mr_reports_failure failure = {.status = MR_ERR_INTERNAL,
                                             .why = "the worker's account of it is malformed"};
        mr_reports_fail(master, &about, &failure);
    } else if (mr_reports_win(master, &about, done->digest)) {
        put_account(master, &about, done, &account, &err);
        (void)mr_inside_check(master, &err);
    }
    mr_account_fini(&account);
}

/* ---- failed -----------------------------------------------------------------------------------*/

/* The first cause of a task's failures is a fact, so that the job's end can tell it. */
static void put_cause(struct mr_master *master, const struct mr_reports_about *about,
                      const struct mr_reports_failure *failure) {
    const struct mr_core_attempt *id = &about->attempt;
    uint64_t key = mr_notes_key((uint32_t)id->phase, id->task);
    struct mr_buffer text = {0};
    struct mr_error err = {0};
    bool is_known = mr_notes_text(master->journal, id->job, MR_NOTES_FAILURE, key) != NULL;
    if (is_known && !failure->is_fatal) {
        return;
    }
    if (!mr_buffer_printf(&text, &err, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n%s", id->round,
                          id->attempt, about->worker.node, failure->why ? failure->why : "")) {
        (void)!mr_journal_put(master->journal, id->job, MR_NOTES_FAILURE, key, text.data, text.len,
                              &err);
    }
    mr_buffer_fini(&text);
    (void)mr_inside_check(master, &err);
}

void mr_reports_fail(struct mr_master *master, const struct mr_reports_about *about,
                     const struct mr_reports_failure *failure) {
    const struct mr_roster_node *node = mr_roster_at(&master->roster, about->worker.node);
    struct mr_core_attempt told = mr_numbering_outward(about->job, &about->attempt);
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_FAILED,
                                  .worker = about->worker,
                                  .attempt = about->attempt,
                                  .status = failure->status < 0 ? failure->status : MR_ERR_INTERNAL,
                                  .is_fatal = failure->is_fatal,
                                  .is_uncounted = failure->is_uncounted};
    static const char *const phases[] = {"map task", "reduce task", "turn"};
    bool counts = is_wanted(master, about);
    if (counts && !failure->is_uncounted) {
        put_cause(master, about, failure);
    }
    if (counts && !failure->is_quiet) {
        about->job->failed++;
        mr_jobs_tell(about->job, "%s %u, attempt %u on \"%s\": %s", phases[told.phase], told.task,
                     told.attempt, node ? node->name : "?", failure->why ? failure->why : "failed");
    }
    (void)mr_inside_apply(master, &event, NULL);
    end_run(master, about);
}

bool mr_reports_forgives(struct mr_master *master, const struct mr_reports_about *about) {
    return is_wanted(master, about) && about->job->broken++ < MR_HAND_BROKEN_MAX;
}

/* An attempt that used more memory than it may is tried with half the buffers, once. */
static void take_memory(struct mr_master *master, const struct mr_reports_about *about,
                        struct mr_reports_failure *failure) {
    uint64_t key = mr_notes_key((uint32_t)about->attempt.phase, about->attempt.task);
    uint64_t shift = 0;
    struct mr_error err = {0};
    if (mr_notes_get_numbers(master->journal, about->job->number, MR_NOTES_SHIFT, key, &shift, 1)) {
        failure->is_fatal = true;
        return;
    }
    shift = 1;
    (void)!mr_notes_put_numbers(master->journal, about->job->number, MR_NOTES_SHIFT, key, &shift, 1,
                                &err);
    (void)mr_inside_check(master, &err);
}

void mr_reports_failed(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_failed *failed = &message->failed_;
    const struct mr_core_attempt told = TOLD_OF(failed);
    struct mr_reports_about about;
    struct mr_search_verdict verdict = {0};
    struct mr_error why = {0};
    struct mr_error err = {0};
    (void)frame;
    if (!mr_reports_find(session, &told, &about)) {
        return;
    }
    mr_error_set(&why, MR_ERR_JOB, "%s", failed->why ? failed->why : "it failed");
    struct mr_reports_failure failure = {.status = -(int)failed->status,
                                         .why = why.text,
                                         .is_fatal = failed->is_fatal,
                                         .is_uncounted = failed->is_stopped,
                                         .is_quiet = failed->is_stopped};
    bool counts = is_wanted(master, &about) && !failed->is_stopped;
    if (counts && failed->is_broken) {
        failure.is_uncounted = mr_reports_forgives(master, &about);
    } else if (counts && failed->is_memory) {
        take_memory(master, &about, &failure);
    } else if (counts && told.phase == MR_PHASE_MAP &&
               mr_numbering_list_round(about.job, about.attempt.round) == 0) {
        struct mr_search *search = &about.job->search;
        (void)!mr_suspects_judge(search, master->journal, failed, &verdict, &err);
        failure.is_fatal = failure.is_fatal || verdict.is_fatal;
        failure.is_uncounted = failure.is_uncounted || verdict.is_uncounted;
        mr_search_explain(search, &verdict, &why);
    }
    about.job->taught = mr_journal_stats(master->journal).sequence;
    if (mr_inside_check(master, &err)) {
        mr_reports_fail(master, &about, &failure);
    }
}

/* ---- lost -------------------------------------------------------------------------------------*/

void mr_reports_lose_pairs(struct mr_master *master, const struct mr_reports_about *about,
                           uint32_t lost_task, const char *why) {
    bool counts = is_wanted(master, about);
    struct mr_reports_failure failure = {.status = MR_ERR_IO,
                                         .why = why ? why : "what the round before made is lost",
                                         .is_uncounted = true};
    mr_reports_fail(master, about, &failure);
    if (counts) {
        mr_rewinding_report(master, about->job, about->attempt.round, lost_task, failure.why);
    }
}

void mr_reports_lost(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_lost *lost = &message->lost_;
    const struct mr_core_attempt told = TOLD_OF(lost);
    struct mr_reports_about about;
    (void)frame;
    if (told.phase == MR_PHASE_LOOP || !mr_reports_find(session, &told, &about)) {
        return;
    }
    if (told.phase == MR_PHASE_MAP) {
        mr_reports_lose_pairs(master, &about, (uint32_t)lost->lost_task, lost->why);
        return;
    }
    struct mr_core_event event = {.kind = MR_CORE_OUTPUT_LOST,
                                  .worker = about.worker,
                                  .attempt = about.attempt,
                                  .lost_task = (uint32_t)lost->lost_task,
                                  .lost_attempt = (uint32_t)lost->lost_attempt};
    free(about.job->lost_text);
    about.job->lost_text = lost->why ? strdup(lost->why) : NULL; /* without: less is said */
    mr_jobs_tell(about.job, "reduce task %u can't read the output of map task %u: %s", told.task,
                 event.lost_task, lost->why ? lost->why : "it is gone");
    (void)mr_inside_apply(master, &event, NULL);
    end_run(master, &about);
}
