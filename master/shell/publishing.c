/* publishing: has outputs appear, by a reducer that does the last step, or by who collects. */
#include "master/shell/publishing.h"

#include "lib/base/error.h"
#include "master/shell/clearing.h"
#include "master/shell/following.h"
#include "master/shell/inside.h"
#include "master/shell/outcome.h"
#include "master/shell/sessions.h"
#include "master/shell/supply.h"
#include "master/shell/workers.h"
#include <stdlib.h>

#define PARTS_A_MESSAGE ((size_t)MR_WIRE_ROWS_MAX)
#define PARTS_LOST_MAX 64u /* of a job, at this step: whatever takes them does not cease */

static bool is_publishing(const struct mr_master *master, const struct mr_jobs_row *job) {
    return !job->is_over && job->publishes &&
           mr_core_job(master->core, job->number).state == MR_CORE_JOB_PUBLISHING;
}

/* ---- where the parts are ----------------------------------------------------------------------*/

/* A piece of the list, to who publishes them or who collects them. */
static void send_piece(struct mr_session *session, const struct mr_jobs_row *job,
                       const struct mr_wire_parts *list) {
    struct mr_wire_publish publish = {.job = job->number,
                                      .parts = list->parts,
                                      .parts_count = list->parts_count,
                                      .parts_follow = list->follows,
                                      .manifest_high = list->manifest_high,
                                      .manifest_low = list->manifest_low,
                                      .aside_high = list->aside_high,
                                      .aside_low = list->aside_low,
                                      .lines_high = list->lines_high,
                                      .lines_low = list->lines_low};
    if (session->is_worker) {
        mr_sessions_send(session, MR_WIRE_PUBLISH, &publish);
    } else {
        mr_sessions_send(session, MR_WIRE_PARTS, list);
    }
}

static void send_parts(struct mr_session *session, const struct mr_jobs_row *job) {
    struct mr_master *master = session->master;
    struct mr_wire_row_part *parts = NULL;
    struct mr_hash_128 blobs[3];
    size_t count = 0;
    size_t sent = 0;
    struct mr_error err = {0};
    if (mr_outcome_parts(master, job, &parts, &count, &err)) {
        mr_inside_fail(master, &err);
        free(parts);
        return;
    }
    (void)mr_outcome_find(master, job->number, blobs);
    for (size_t i = 0; i < count && !session->is_worker; i++) {
        mr_supply_tell_peer(session, (uint32_t)parts[i].node);
    }
    do {
        bool follows = count - sent > PARTS_A_MESSAGE;
        struct mr_wire_parts list = {.parts = parts + sent,
                                     .parts_count = follows ? PARTS_A_MESSAGE : count - sent,
                                     .follows = follows,
                                     .manifest_high = blobs[0].high,
                                     .manifest_low = blobs[0].low,
                                     .aside_high = blobs[1].high,
                                     .aside_low = blobs[1].low,
                                     .lines_high = blobs[2].high,
                                     .lines_low = blobs[2].low};
        sent += list.parts_count;
        send_piece(session, job, &list);
    } while (sent < count);
    free(parts);
}

/* ---- to a reducer -----------------------------------------------------------------------------*/

static void send_publish(struct mr_session *session, const struct mr_jobs_row *job) {
    mr_supply_tell_job(session, job);
    send_parts(session, job);
}

/* The first reducer from that number on that is ready and connected; NULL: none. */
static struct mr_session *choose(const struct mr_master *master, uint32_t from) {
    uint32_t count = master->roster.count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)(((uint64_t)from + i) % count);
        struct mr_core_node_view view = mr_core_node(master->core, number);
        struct mr_session *session =
            mr_sessions_of(master, (struct mr_core_worker){number, view.incarnation});
        bool may_do = view.state == MR_CORE_NODE_READY || view.state == MR_CORE_NODE_SET_ASIDE;
        if (session && may_do && ((int)view.roles & MR_CORE_REDUCES)) {
            return session;
        }
    }
    return NULL;
}

static void give(struct mr_master *master, struct mr_jobs_row *job) {
    bool is_first = job->published_last == MR_CORE_NONE;
    struct mr_session *session = choose(master, is_first ? job->number : job->published_last + 1);
    if (session) {
        job->publisher = job->published_last = session->node->number;
        job->publisher_incarnation = mr_core_node(master->core, job->publisher).incarnation;
        send_publish(session, job);
    }
}

/* Whether a worker that lives publishes the job; and its connection, or NULL. */
static bool is_published(const struct mr_master *master, struct mr_jobs_row *job,
                         struct mr_session **session) {
    struct mr_core_worker worker = {job->publisher, job->publisher_incarnation};
    struct mr_core_node_view view = mr_core_node(master->core, worker.node);
    bool is_there = job->publisher != MR_CORE_NONE && view.state != MR_CORE_NODE_GONE &&
                    view.incarnation == worker.incarnation;
    *session = is_there ? mr_sessions_of(master, worker) : NULL;
    job->publisher = is_there ? job->publisher : MR_CORE_NONE;
    return is_there;
}

static void go_on(struct mr_master *master, struct mr_jobs_row *job) {
    struct mr_session *session;
    if (!is_published(master, job, &session)) {
        give(master, job);
    } else if (session && session->is_back) {
        send_publish(session, job);
    }
}

/* ---- how it went ------------------------------------------------------------------------------*/

static void end(struct mr_master *master, struct mr_jobs_row *job, const struct mr_error *how) {
    struct mr_core_event event = {.kind = how->code ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED,
                                  .job = job->number,
                                  .status = how->code};
    struct mr_error err = {0};
    if (how->code) {
        (void)!mr_jobs_give_up(job, master->journal, how, &err);
    }
    if (mr_inside_check(master, &err)) {
        (void)mr_inside_apply(master, &event, NULL);
    }
}

/* The part is made again, and the output published then. */
static void lose_part(struct mr_master *master, struct mr_jobs_row *job, uint32_t task,
                      uint32_t attempt, const char *why) {
    struct mr_error how = {0};
    if (job->parts_lost++ == PARTS_LOST_MAX) {
        mr_error_set(&how, MR_ERR_IO, "parts of the output were lost %u times: %.300s",
                     PARTS_LOST_MAX, why);
        end(master, job, &how);
        return;
    }
    mr_jobs_tell(job, "%s", why);
    uint32_t round = mr_core_job(master->core, job->number).round;
    struct mr_core_event lost = {.kind = MR_CORE_PART_LOST,
                                 .attempt = {job->number, round, MR_PHASE_REDUCE, task, attempt}};
    mr_inside_withdraw(master, job);
    (void)mr_inside_apply(master, &lost, NULL);
    if (mr_core_job(master->core, job->number).state == MR_CORE_JOB_PUBLISHING) {
        job->publishes = true; /* no such part is known: it was another that was lost */
        master->has_to_publish = true;
    }
}

/* Whether another reducer may do better. */
static bool may_pass(int status) {
    return status == MR_ERR_IO || status == MR_ERR_NOMEM || status == MR_ERR_INTERRUPTED ||
           status == MR_ERR_CLUSTER;
}

void mr_publishing_published(struct mr_session *session, union mr_wire_any *message,
                             const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_published *said = &message->published_;
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, (uint32_t)said->job);
    struct mr_core_worker worker;
    struct mr_error how = {0};
    (void)frame;
    if (!mr_workers_identify(session, &worker) || !job || !is_publishing(master, job) ||
        job->publisher != worker.node || job->publisher_incarnation != worker.incarnation) {
        return; /* somebody else does it by now, or it is done */
    }
    job->publisher = MR_CORE_NONE;
    if (said->status) {
        mr_error_set(&how, -(int)said->status, "%s (by \"%s\")",
                     said->why ? said->why : "the output can't be put in place",
                     session->node->name);
    }
    if (said->status && said->has_lost && !job->loops) {
        lose_part(master, job, (uint32_t)said->lost_task, (uint32_t)said->lost_attempt, how.text);
        return;
    }
    if (how.code && !job->publish_err.code) {
        job->publish_err = how; /* the first cause is what the job fails by */
    }
    if (how.code && may_pass(how.code) && ++job->publish_tries < job->max_attempts) {
        mr_jobs_tell(job, "%s; it is tried again", how.text);
        master->has_to_publish = true;
        return;
    }
    end(master, job, how.code ? &job->publish_err : &how);
}

/* ---- to a client ------------------------------------------------------------------------------*/

/* To each client that waits for the job's parts and was not told of these. */
static void offer(struct mr_master *master, const struct mr_jobs_row *job) {
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        if (at->collects == job->number && !at->has_parts) {
            at->has_parts = true;
            send_parts(at, job);
        }
    }
}

void mr_publishing_collect(struct mr_session *session, union mr_wire_any *message,
                           const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const char *text = message->collect_.job;
    struct mr_error err = {0};
    (void)frame;
    uint32_t number = mr_jobs_resolve(&master->jobs, text ? text : "", &err);
    const struct mr_jobs_row *job = mr_jobs_find(&master->jobs, number);
    if (job && !job->is_collected) {
        mr_error_set(&err, MR_ERR_USAGE, "job %u writes its output to a directory", number);
    }
    if (err.code) {
        mr_sessions_answer(session, &err);
        return;
    }
    session->collects = number; /* of a job that has ended: following tells so */
    session->has_parts = false;
    mr_following_add(session, number);
    if (job && is_publishing(master, job)) {
        offer(master, job);
    }
}

void mr_publishing_collected(struct mr_session *session, union mr_wire_any *message,
                             const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_collected *said = &message->collected_;
    struct mr_error err = {0};
    struct mr_error how = {0};
    (void)frame;
    uint32_t number = mr_jobs_resolve(&master->jobs, said->job ? said->job : "", &err);
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, number);
    if (!job || !job->is_collected || job->is_over) {
        return; /* it is over already: ENDED tells */
    }
    job->is_gathered = job->is_gathered || said->status == 0;
    if (!is_publishing(master, job)) {
        return; /* a part was lost behind the client's back, and is being made again */
    }
    if (said->status && said->has_lost && !job->loops) {
        session->has_parts = false;
        lose_part(master, job, (uint32_t)said->lost_task, (uint32_t)said->lost_attempt,
                  said->why ? said->why : "a part can't be had");
        return;
    }
    if (said->status) {
        mr_error_set(&how, -(int)said->status, "%s",
                     said->why ? said->why : "the output can't be collected");
    }
    end(master, job, &how);
}

void mr_publishing_give_up(struct mr_master *master, struct mr_jobs_row *job,
                           const struct mr_error *why) {
    end(master, job, why);
}

/* ---- all of them ------------------------------------------------------------------------------*/

void mr_publishing_go_on(struct mr_master *master) {
    master->has_to_publish = false;
    for (size_t i = 0; i < master->jobs.count; i++) {
        struct mr_jobs_row *job = master->jobs.rows[i];
        if (!is_publishing(master, job)) {
            continue;
        }
        if (job->is_collected && job->is_gathered) {
            struct mr_error well = {0};
            end(master, job, &well);
        } else if (job->is_collected) {
            offer(master, job);
        } else {
            go_on(master, job);
        }
    }
    mr_clearing_pass_over_lost(master);
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        if (at->is_back && at->node) {
            mr_clearing_all(at);
        }
        at->is_back = false;
    }
}
