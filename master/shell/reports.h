/* reports: what workers say of attempts: done, failed, an output lost. */
#ifndef MR_SHELL_REPORTS_H
#define MR_SHELL_REPORTS_H

#include "master/shell/jobs.h"
#include "master/shell/sessions.h"

/* Messages. */
void mr_reports_done(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame);
void mr_reports_failed(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame);
void mr_reports_lost(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame);

/* Of whom, and of what, a report is. */
struct mr_reports_about {
    struct mr_jobs_row *job;
    struct mr_core_worker worker;
    struct mr_core_attempt attempt; /* as the core has it */
};

/* Finds that out. False: the worker is void, or the job is over; it was answered. `told`: as on the
 * wire. */
bool mr_reports_find(struct mr_session *session, const struct mr_core_attempt *told,
                     struct mr_reports_about *about);

/* Whether this attempt has won its task already. */
bool mr_reports_has_won(const struct mr_master *master, const struct mr_core_attempt *attempt);

/* Applies ATTEMPT_DONE; true: it won just now, so what belongs to it is to be put. */
bool mr_reports_win(struct mr_master *master, const struct mr_reports_about *about,
                    uint64_t digest);

/* How an attempt failed. */
struct mr_reports_failure {
    int status;
    const char *why;
    bool is_fatal;
    bool is_uncounted;
    bool is_quiet; /* it was stopped: no news */
};
/* An attempt's process spoke as none does: true where that is not counted against the job, as the
 * first MR_HAND_BROKEN_MAX of a round aren't. */
bool mr_reports_forgives(struct mr_master *master, const struct mr_reports_about *about);

/* Applies ATTEMPT_FAILED, and gathers the first cause. */
void mr_reports_fail(struct mr_master *master, const struct mr_reports_about *about,
                     const struct mr_reports_failure *failure);

/* A map attempt, or a turn, has ended since it can't read the pairs of a task. */
void mr_reports_lose_pairs(struct mr_master *master, const struct mr_reports_about *about,
                           uint32_t lost_task, const char *why);

#endif
