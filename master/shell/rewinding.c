/* rewinding: begins a pass of a job again whose pairs are gone. */
#include "master/shell/rewinding.h"

#include "lib/base/error.h"
#include "master/shell/closing.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/sessions.h"

#define REPORTS_MAX 2
#define REWINDS_MAX                                                                                \
    64u /* of a job: its workers can't reach one another, whatever else is wrong                   \
         */

static void forget_pass(struct mr_master *master, const struct mr_jobs_row *job) {
    static const enum mr_notes_kind kinds[] = {MR_NOTES_MAP,   MR_NOTES_REDUCE,  MR_NOTES_ROUND,
                                               MR_NOTES_PAIRS, MR_NOTES_FAILURE, MR_NOTES_SHIFT};
    struct mr_error err = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !err.code; i++) {
        (void)!mr_journal_forget(master->journal, job->number, (uint32_t)kinds[i], &err);
    }
    (void)mr_inside_check(master, &err);
}

/* What the round's reduce tasks made would be in the way of those that do them again. */
static void discard_winners(struct mr_master *master, const struct mr_jobs_row *job) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    for (uint32_t task = 0; task < view.reduce_tasks; task++) {
        struct mr_core_winner winner =
            mr_core_winner(master->core, job->number, MR_PHASE_REDUCE, task);
        struct mr_session *session = mr_sessions_of(master, winner.worker);
        struct mr_core_attempt id = {job->number, view.round, MR_PHASE_REDUCE, task,
                                     winner.attempt};
        const struct mr_core_attempt told = mr_numbering_outward(job, &id);
        struct mr_wire_discard discard = {told.job, told.round, told.phase, told.task,
                                          told.attempt};
        if (winner.attempt && session) {
            mr_sessions_send_later(session, MR_WIRE_DISCARD, &discard);
        }
    }
}

static void begin_again(struct mr_master *master, struct mr_jobs_row *job, const char *why) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    struct mr_error err = {0};
    struct mr_core_event again = {.kind = MR_CORE_ROUND_AGAIN,
                                  .job = job->number,
                                  .round = mr_numbering_again_round(job, view.round)};
    if (job->rewinds++ == REWINDS_MAX) {
        struct mr_core_event cancel = {
            .kind = MR_CORE_CANCEL, .job = job->number, .status = MR_ERR_IO};
        struct mr_error end = {0};
        mr_error_set(&end, MR_ERR_IO,
                     "what a round made was lost %u times before the next had read it: %.300s",
                     REWINDS_MAX, why);
        (void)!mr_jobs_give_up(job, master->journal, &end, &err);
        (void)mr_inside_check(master, &err);
        (void)mr_inside_apply(master, &cancel, NULL);
        return;
    }
    mr_jobs_tell(job, "what round \"%s\" made is lost: %s; the job begins again%s",
                 job->round_names[mr_numbering_is_turn(job, view.round)
                                      ? job->rounds - 1
                                      : mr_numbering_list_round(job, view.round) - 1],
                 why, job->loops ? " at this pass" : "");
    discard_winners(master, job);
    forget_pass(master, job);
    job->bytes_done = 0;
    if (!mr_closing_shape(job, 0, &again.shape, &err)) {
        (void)mr_inside_apply(master, &again, NULL);
    }
    mr_closing_release_shape(&again.shape);
    (void)mr_inside_check(master, &err);
}

void mr_rewinding_report(struct mr_master *master, struct mr_jobs_row *job, uint32_t core_round,
                         uint32_t lost_task, const char *why) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    if (view.round != core_round || lost_task >= job->pairs.count) {
        return;
    }
    struct mr_core_node_view node = mr_core_node(master->core, job->pairs.rows[lost_task].node);
    job->lost_reports++;
    if (job->lost_reports >= REPORTS_MAX || node.state == MR_CORE_NODE_GONE) {
        begin_again(master, job, why);
    }
}
