/* following: tells clients how jobs go on, and that they ended. */
#include "master/shell/following.h"

#include "lib/base/error.h"
#include "master/shell/inside.h"
#include "master/shell/views.h"

#define PERIOD_MS 100

static void send_progress(struct mr_session *session, struct mr_sessions_follow *follow,
                          const struct mr_jobs_row *job) {
    struct mr_wire_row_job_line line = mr_views_job(session->master, job);
    struct mr_wire_progress progress = {
        .jobs = &line, .jobs_count = 1, .nodes = mr_views_ready(session->master)};
    uint64_t oldest = job->news.count > MR_JOBS_NEWS ? job->news.count - MR_JOBS_NEWS : 0;
    follow->news = follow->news < oldest ? oldest : follow->news;
    do {
        bool has_news = follow->news < job->news.count;
        progress.news = has_news ? job->news.lines[follow->news % MR_JOBS_NEWS] : NULL;
        follow->news += has_news;
        mr_sessions_send(session, MR_WIRE_PROGRESS, &progress);
    } while (follow->news < job->news.count);
    follow->is_new = false;
}

static void send_ended(struct mr_session *session, const struct mr_history_row *ended,
                       const char *log) {
    struct mr_wire_row_job_line line = mr_views_ended(ended);
    struct mr_wire_ended message = {.jobs = &line,
                                    .jobs_count = 1,
                                    .manifest_high = ended->manifest.high,
                                    .manifest_low = ended->manifest.low,
                                    .log = log};
    mr_sessions_send_later(session, MR_WIRE_ENDED, &message);
}

void mr_following_add(struct mr_session *session, uint32_t number) {
    struct mr_master *master = session->master;
    const struct mr_history_row *ended = mr_history_find(&master->jobs.history, number);
    if (ended && !ended->is_awaited) {
        session->collects = session->collects == number ? 0 : session->collects;
        send_ended(session, ended, NULL);
        return;
    }
    for (size_t i = 0; i < session->follow_count; i++) {
        if (session->follows[i].job == number) {
            return;
        }
    }
    if (session->follow_count == MR_SESSIONS_FOLLOWS_MAX) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_USAGE, "one connection follows at most %u jobs",
                     MR_SESSIONS_FOLLOWS_MAX);
        mr_sessions_answer(session, &err);
        return;
    }
    session->follows[session->follow_count++] =
        (struct mr_sessions_follow){.job = number, .is_new = true};
    if (!master->is_following) {
        master->is_following = true;
        (void)uv_timer_start(&master->follow, mr_following_on_timer, 0, PERIOD_MS);
    }
}

void mr_following_follow(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_error err = {0};
    const char *text = message->follow_.job;
    (void)frame;
    uint32_t number = mr_jobs_resolve(&session->master->jobs, text ? text : "", &err);
    if (!number) {
        mr_sessions_answer(session, &err);
    } else {
        mr_following_add(session, number);
    }
}

void mr_following_end(struct mr_master *master, uint32_t number, const char *log) {
    const struct mr_history_row *ended = mr_history_find(&master->jobs.history, number);
    for (struct mr_session *at = master->sessions.first; ended && at; at = at->after) {
        size_t kept = 0;
        for (size_t i = 0; i < at->follow_count; i++) {
            if (at->follows[i].job == number) {
                at->collects = at->collects == number ? 0 : at->collects;
                send_ended(at, ended, log);
            } else {
                at->follows[kept++] = at->follows[i];
            }
        }
        at->follow_count = kept;
    }
}

void mr_following_touch(struct mr_master *master) {
    for (size_t i = 0; i < master->jobs.count; i++) {
        master->jobs.rows[i]->is_dirty = true;
    }
}

void mr_following_on_timer(uv_timer_t *timer) {
    struct mr_master *master = timer->data;
    bool is_followed = false;
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        for (size_t i = 0; i < at->follow_count; i++) {
            struct mr_sessions_follow *follow = &at->follows[i];
            const struct mr_jobs_row *job = mr_jobs_find(&master->jobs, follow->job);
            if (job && (job->is_dirty || follow->is_new) && !mr_conn_is_full(at->conn)) {
                send_progress(at, follow, job);
            }
        }
        is_followed = is_followed || at->follow_count > 0;
    }
    for (size_t i = 0; i < master->jobs.count; i++) {
        master->jobs.rows[i]->is_dirty = false;
    }
    if (!is_followed) {
        master->is_following = false;
        (void)uv_timer_stop(timer);
    }
}
