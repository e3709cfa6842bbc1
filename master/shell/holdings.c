/* holdings: what a worker that registers says it holds: what of it is needed, and what is missing.
 *
 * Map outputs are the core's to judge where the worker is a new incarnation. Pairs for the next
 * round, and parts that wait to be collected, are to the core committed parts, of which it does not
 * know that they lie on a node: that is known here. */
#include "master/shell/holdings.h"

#include "lib/base/error.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/supply.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELD_MAP = 0,
    HELD_PAIRS = 1,
    HELD_NOTHING = 2,
    HELD_PART = 3
}; /* phases as the wire has them */

/* ---- gathering --------------------------------------------------------------------------------*/

/* The place of an id in the list, where it is put unless it is the last one: the same ids come in a
 * row, and a list of any order takes no more than its length. */
static int place_id(struct mr_session *session, const char *id, uint32_t *place,
                    struct mr_error *err) {
    size_t count = session->held_id_count;
    if (count > 0 && strcmp(session->held_ids[count - 1], id) == 0) {
        *place = (uint32_t)(count - 1);
        return MR_OK;
    }
    if ((count & (count + 1)) == 0) { /* it is full: capacities are 1, 3, 7 ... */
        char(*ids)[MR_ORDERS_ID_LEN + 1] =
            realloc(session->held_ids, (2 * count + 1) * sizeof *ids);
        if (!ids) {
            return mr_error_nomem(err, "registering a worker");
        }
        session->held_ids = ids;
    }
    snprintf(session->held_ids[count], sizeof *session->held_ids, "%s", id);
    *place = (uint32_t)session->held_id_count++;
    return MR_OK;
}

int mr_holdings_add(struct mr_session *session, const struct mr_wire_row_held *rows, size_t count,
                    struct mr_error *err) {
    if (session->held_count + count > MR_SESSIONS_HELD_MAX) {
        return mr_error_set(err, MR_ERR_IO, "a worker offers more outputs than a job can have");
    }
    if (session->held_count + count > session->held_capacity) {
        size_t capacity = 2 * (session->held_count + count);
        struct mr_core_attempt *held = realloc(session->held, capacity * sizeof *held);
        if (!held) {
            return mr_error_nomem(err, "registering a worker");
        }
        session->held = held;
        session->held_capacity = capacity;
    }
    for (size_t i = 0; i < count && !err->code; i++) {
        struct mr_core_attempt *held = &session->held[session->held_count];
        const struct mr_wire_row_held *row = &rows[i];
        if (row->id && !place_id(session, row->id, &held->job, err)) {
            held->round = (uint32_t)row->round;
            held->phase = (enum mr_phase)row->phase;
            held->task = (uint32_t)row->task;
            held->attempt = (uint32_t)row->attempt;
            session->held_count++;
        }
    }
    return err->code;
}

/* ---- judging ----------------------------------------------------------------------------------*/

static struct mr_jobs_row *job_of(const struct mr_session *session,
                                  const struct mr_core_attempt *held) {
    return mr_jobs_find_id(&session->master->jobs, session->held_ids[held->job]);
}

/* As the core has the attempt; false: there can be no such. */
static bool attempt_of(const struct mr_jobs_row *job, const struct mr_core_attempt *held,
                       struct mr_core_attempt *attempt) {
    struct mr_core_attempt told = *held;
    told.job = job->number;
    told.phase = (int)held->phase == HELD_MAP ? MR_PHASE_MAP : MR_PHASE_REDUCE;
    return mr_numbering_inward(job, &told, attempt);
}

int mr_holdings_offer(struct mr_session *session, struct mr_core_attempt **held, uint32_t *count,
                      struct mr_error *err) {
    struct mr_core_attempt *offered = calloc(session->held_count + 1, sizeof *offered);
    *held = offered;
    *count = 0;
    if (!offered) {
        return mr_error_nomem(err, "registering a worker");
    }
    const struct mr_jobs_row *job = NULL;
    for (size_t i = 0; i < session->held_count; i++) {
        const struct mr_core_attempt *at = &session->held[i];
        job = i > 0 && session->held[i - 1].job == at->job ? job : job_of(session, at);
        if (job && (int)at->phase == HELD_MAP && attempt_of(job, at, &offered[*count])) {
            (*count)++;
        }
    }
    return MR_OK;
}

/* Whether the parts of a job's current round lie on the nodes that made them. */
static bool lie_on_nodes(const struct mr_jobs_row *job, uint32_t round) {
    return !mr_numbering_is_turn(job, round) &&
           (!mr_numbering_is_last(job, round) || job->is_collected);
}

/* Whether parts of a job that lie on nodes are needed. */
static bool may_lose(const struct mr_jobs_row *job, const struct mr_core_job_view *view) {
    bool is_under_way = view->state == MR_CORE_JOB_RUNNING || view->state == MR_CORE_JOB_CLOSING ||
                        view->state == MR_CORE_JOB_PUBLISHING;
    return is_under_way && lie_on_nodes(job, view->round);
}

/* Has those parts of a job made again that lie on the node, but for those in `kept` (by task: the
 * attempt; or NULL). */
static void report_lost(struct mr_master *master, struct mr_jobs_row *job, uint32_t node,
                        const uint32_t *kept) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    bool looks = may_lose(job, &view);
    for (uint32_t task = 0; looks && task < view.reduce_tasks && !master->pen.err.code; task++) {
        struct mr_core_winner winner =
            mr_core_winner(master->core, job->number, MR_PHASE_REDUCE, task);
        if (winner.attempt && winner.worker.node == node &&
            !(kept && kept[task] == winner.attempt)) {
            struct mr_core_event lost = {
                .kind = MR_CORE_PART_LOST,
                .attempt = {job->number, view.round, MR_PHASE_REDUCE, task, winner.attempt}};
            (void)mr_inside_apply(master, &lost, NULL);
            mr_inside_withdraw(master, job);
        }
    }
}

void mr_holdings_lost(struct mr_master *master, uint32_t node) {
    for (size_t i = 0; i < master->jobs.count; i++) {
        report_lost(master, master->jobs.rows[i], node, NULL);
    }
}

void mr_holdings_report_missing(struct mr_session *session) {
    struct mr_master *master = session->master;
    for (size_t i = 0; i < master->jobs.count; i++) {
        struct mr_jobs_row *job = master->jobs.rows[i];
        struct mr_core_job_view view = mr_core_job(master->core, job->number);
        if (!may_lose(job, &view)) {
            continue;
        }
        uint32_t *kept = calloc((size_t)view.reduce_tasks + 1, sizeof *kept);
        if (!kept) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "registering a worker");
            mr_inside_fail(master, &err);
            return;
        }
        for (size_t at = 0; at < session->held_count; at++) {
            struct mr_core_attempt id;
            int phase = (int)session->held[at].phase;
            if (phase != HELD_MAP && phase != HELD_NOTHING &&
                strcmp(session->held_ids[session->held[at].job], job->id) == 0 &&
                attempt_of(job, &session->held[at], &id) && id.round == view.round &&
                id.task < view.reduce_tasks) {
                kept[id.task] = id.attempt;
            }
        }
        report_lost(master, job, session->node->number, kept);
        free(kept);
    }
}

/* Whether the pairs are read by the round under way. */
static bool is_read(const struct mr_jobs_row *job, const struct mr_core_attempt *id,
                    uint32_t round) {
    return id->phase == MR_PHASE_REDUCE && id->round + 1 == round && id->task < job->pairs.count &&
           job->pairs.rows[id->task].attempt == id->attempt;
}

static bool is_needed(struct mr_session *session, const struct mr_jobs_row *job,
                      const struct mr_core_attempt *id) {
    struct mr_master *master = session->master;
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    if (job->is_over || view.state == MR_CORE_JOB_STOPPING) {
        return false;
    }
    if (mr_runs_find(&master->runs, id) || is_read(job, id, view.round)) {
        return true;
    }
    if (id->round != view.round) {
        return false;
    }
    struct mr_core_winner winner = mr_core_winner(master->core, job->number, id->phase, id->task);
    return winner.attempt == id->attempt && winner.worker.node == session->node->number;
}

/* Judged by the core, which may be ahead of the disk: so it is said when that is durable too. What
 * nobody needs then nobody will need again. */
void mr_holdings_answer(struct mr_session *session) {
    const struct mr_jobs_row *job = NULL;
    uint32_t forgotten = MR_CORE_NONE; /* the place of the last id */
    for (size_t i = 0; i < session->held_count; i++) {
        const struct mr_core_attempt *held = &session->held[i];
        struct mr_core_attempt id;
        job = i > 0 && held[-1].job == held->job ? job : job_of(session, held);
        if (!job && held->job != forgotten) {
            struct mr_wire_forget forget = {0, session->held_ids[held->job]};
            mr_sessions_send_later(session, MR_WIRE_FORGET, &forget);
            forgotten = held->job;
        } else if (job && (int)held->phase != HELD_NOTHING &&
                   (!attempt_of(job, held, &id) || !is_needed(session, job, &id))) {
            struct mr_wire_discard discard = {job->number, held->round,
                                              (int)held->phase == HELD_MAP ? MR_PHASE_MAP
                                                                           : MR_PHASE_REDUCE,
                                              held->task, held->attempt};
            mr_supply_tell_job(session, job);
            mr_sessions_send_later(session, MR_WIRE_DISCARD, &discard);
        }
    }
    mr_sessions_forget_held(session);
}

bool mr_holdings_is_needed(const struct mr_master *master, uint32_t node) {
    for (size_t i = 0; i < master->jobs.count; i++) {
        const struct mr_jobs_row *job = master->jobs.rows[i];
        struct mr_core_job_view view = mr_core_job(master->core, job->number);
        bool has_pairs = job->pairs.is_open && job->pairs.round + 1 == view.round;
        if (job->is_over || view.state == MR_CORE_JOB_STOPPING) {
            continue;
        }
        if (job->publisher == node) {
            return true;
        }
        for (uint32_t task = 0; has_pairs && task < job->pairs.count; task++) {
            if (job->pairs.rows[task].node == node) {
                return true;
            }
        }
        for (uint32_t task = 0; lie_on_nodes(job, view.round) && task < view.reduce_tasks; task++) {
            struct mr_core_winner winner =
                mr_core_winner(master->core, job->number, MR_PHASE_REDUCE, task);
            if (winner.attempt && winner.worker.node == node) {
                return true;
            }
        }
    }
    return false;
}
