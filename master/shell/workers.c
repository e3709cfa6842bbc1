/* workers: how they come, prove that they live, and go. */
#include "master/shell/workers.h"

#include "lib/base/error.h"
#include "master/shell/following.h"
#include "master/shell/holdings.h"
#include "master/shell/inside.h"
#include "master/shell/logs.h"
#include "master/shell/numbering.h"
#include "master/shell/supply.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEATS_ALIVE 2 /* who lives is heard of at least once in so many */

/* ---- who speaks -------------------------------------------------------------------------------*/

/* The connection is no worker's any more, until it registers again. */
static void detach(struct mr_session *session) {
    if (session->node) {
        mr_logs_disconnected(session);
        if (session->node->session == session) {
            session->node->session = NULL;
        }
        session->node = NULL;
    }
    session->is_welcome = false;
}

static void fence(struct mr_session *session, const char *why) {
    struct mr_wire_fenced fenced = {.why = why};
    detach(session);
    mr_sessions_send_later(session, MR_WIRE_FENCED, &fenced);
}

bool mr_workers_identify(struct mr_session *session, struct mr_core_worker *worker) {
    const struct mr_roster_node *node = session->node;
    if (!node) {
        return false; /* it was fenced, or has not registered */
    }
    struct mr_core_node_view view = mr_core_node(session->master->core, node->number);
    *worker = (struct mr_core_worker){node->number, view.incarnation};
    if (view.state == MR_CORE_NODE_GONE) {
        fence(session, "the master gave this worker up");
        return false;
    }
    return true;
}

/* ---- registering ------------------------------------------------------------------------------*/

static void refuse(struct mr_session *session, const struct mr_error *err) {
    mr_inside_log("%s", err->text);
    if (err->code == MR_ERR_NOMEM) {
        mr_inside_fail(session->master, err);
    } else if (session->conn) {
        mr_conn_drop(session->conn, err);
    }
}

/* All that the worker shall do: it may have been said before. */
static void welcome(void *arg, bool is_durable) {
    struct mr_session *session = arg;
    struct mr_master *master = session->master;
    if (is_durable && session->conn && session->node) {
        struct mr_wire_registered registered = {.node = session->node->number,
                                                .epoch = master->epochs.number,
                                                .start = master->epochs.random,
                                                .sequence = master->pen.sequence,
                                                .lease_ms = master->lease_ms,
                                                .heartbeat_ms = master->heartbeat_ms,
                                                .cluster = master->cluster};
        session->is_welcome = true;
        mr_sessions_send(session, MR_WIRE_REGISTERED, &registered);
        mr_holdings_answer(session);
        mr_supply_all(session);
        session->is_back = true; /* what it shall publish is said again */
        master->has_to_publish = true;
    }
    mr_sessions_unref(session);
}

/* Everybody who was told where it was is told where it is. */
static void tell_place(struct mr_master *master, const struct mr_roster_node *node) {
    for (struct mr_session *session = master->sessions.first; session; session = session->after) {
        if (session->is_welcome && session->node != node) {
            mr_supply_renew_peer(session, node);
        }
    }
}

/* A new life of a worker: the core loses the one before, with what it doesn't hold any more. */
static int take_in(struct mr_session *session, struct mr_roster_node *node, struct mr_error *err) {
    struct mr_master *master = session->master;
    const struct mr_wire_register *said = session->registering;
    struct mr_core_attempt *held = NULL;
    struct mr_core_event up = {
        .kind = MR_CORE_NODE_UP,
        .worker = {node->number, mr_core_node(master->core, node->number).incarnation + 1},
        .host = node->number,
        .roles = (enum mr_core_role)said->roles,
        .slots = (uint32_t)said->slots};
    if (mr_holdings_offer(session, &held, &up.held_count, err)) {
        free(held);
        return err->code;
    }
    up.held = held;
    mr_runs_remove_all(&master->runs, 0, node->number);
    master->has_to_publish = true; /* by somebody else, what it published */
    if (mr_inside_apply(master, &up, NULL) &&
        !mr_roster_take_in(node, said->incarnation, master->journal, err)) {
        mr_holdings_report_missing(session);
    } else if (!err->code) {
        mr_error_set(err, MR_ERR_CLUSTER, "the scheduler can't take in \"%.100s\"", node->name);
    }
    free(held);
    return err->code;
}

static int check_said(const struct mr_wire_register *said, struct mr_error *err) {
    bool is_whole = said->name && *said->name && said->host && said->address && said->scratch &&
                    said->incarnation && said->identity && said->roles && said->slots;
    return is_whole ? MR_OK
                    : mr_error_set(err, MR_ERR_IO,
                                   "a worker registers without a name, a place, roles or slots");
}

/* Whether what it saw is of this journal, or it accepts that it is not. */
static bool is_of_journal(struct mr_session *session, struct mr_roster_node *node) {
    struct mr_master *master = session->master;
    const struct mr_wire_register *said = session->registering;
    const struct mr_epochs_seen seen = {said->epoch, said->start, said->sequence};
    struct mr_error why = {0};
    bool is_of_cluster = said->cluster && strcmp(said->cluster, master->cluster) == 0;
    if (!is_of_cluster || mr_epochs_fits(master->journal, &seen, &why)) {
        return true;
    }
    if (said->accepts_older) {
        mr_inside_log("worker \"%s\" goes on with another journal than it saw: %s", node->name,
                      "--accept-older-journal");
        return true;
    }
    struct mr_wire_refused refused = {.why = why.text};
    detach(session);
    mr_sessions_send(session, MR_WIRE_REFUSED, &refused);
    if (!node->is_refused) { /* it comes again and again */
        mr_inside_log("worker \"%s\" is refused: %s", node->name, why.text);
        node->is_refused = true;
    }
    return false;
}

/* Its connection before this one is void. */
static void take_over(struct mr_session *session, struct mr_roster_node *node) {
    struct mr_session *other = node->session;
    if (other && other != session) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_ERR_CLOSED, "worker \"%.100s\" has connected anew", node->name);
        detach(other);
        if (other->conn) {
            mr_conn_drop(other->conn, &err);
        }
    }
    detach(session);
    node->session = session;
    session->node = node;
    mr_supply_forget(session);
    session->renewed_sent = session->renewed_acked = 0;
}

/* It is connected and was heard of as one is that lives: a machine that died takes no leave. */
static bool lives(const struct mr_roster_node *node) {
    const struct mr_session *session = node->session;
    return session && session->conn &&
           uv_now(session->master->loop) - mr_conn_heard_ms(session->conn) <=
               HEARTBEATS_ALIVE * (uint64_t)session->master->heartbeat_ms;
}

/* Whether another worker has the name: one with another folder that was heard of, and may live. It
 * goes on undisturbed. If it is connected, and speaks, the newcomer is sent away for good; else it
 * may be the same whose machine died and lost its folder, and comes again until the lease has
 * ended. */
static bool is_taken(struct mr_session *session, const struct mr_roster_node *node) {
    const struct mr_wire_register *said = session->registering;
    bool is_gone = mr_core_node(session->master->core, node->number).state == MR_CORE_NODE_GONE;
    char why[MR_ERROR_TEXT_MAX];
    if (is_gone || !node->identity || node->identity == said->identity) {
        return false;
    }
    snprintf(
        why, sizeof why,
        "another worker named \"%.100s\" is here (at %.100s, in \"%.300s\"): each needs a name "
        "of its own (--name)",
        node->name, node->address, node->scratch);
    if (lives(node)) {
        struct mr_wire_refused refused = {.why = why, .is_final = 1};
        mr_inside_log("a worker at %s is refused: %s", said->address, why);
        mr_sessions_send(session, MR_WIRE_REFUSED, &refused);
    } else {
        struct mr_wire_fenced fenced = {.why = why};
        snprintf(why + strlen(why), sizeof why - strlen(why), "; its lease has not ended");
        mr_sessions_send(session, MR_WIRE_FENCED, &fenced);
    }
    mr_sessions_forget_held(session);
    return true;
}

static int complete(struct mr_session *session, struct mr_error *err) {
    struct mr_master *master = session->master;
    const struct mr_wire_register *said = session->registering;
    struct mr_roster_node *node;
    bool is_elsewhere = false;
    if (check_said(said, err) ||
        mr_roster_add(&master->roster, said->name, master->journal, &node, err)) {
        return err->code;
    }
    if (is_taken(session, node)) {
        return MR_OK;
    }
    if (!is_of_journal(session, node)) {
        mr_sessions_forget_held(session);
        return MR_OK;
    }
    node->is_refused = false;
    struct mr_core_node_view view = mr_core_node(master->core, node->number);
    bool is_known = node->incarnation == said->incarnation;
    bool is_void = node->before == said->incarnation && !is_known;
    if (is_void || (is_known && view.state == MR_CORE_NODE_GONE)) {
        fence(session, is_void ? "another worker came under its name: each needs its own (--name)"
                               : "the master gave this worker up");
        mr_sessions_forget_held(session);
        return MR_OK;
    }
    take_over(session, node);
    node->identity = said->identity;
    mr_sessions_ref(session);
    mr_pen_then(&master->pen, welcome, session); /* before what the core wants of it */
    if (mr_epochs_note(&master->epochs, master->journal, err) ||
        mr_roster_place(node, said->host, said->address, said->scratch, &is_elsewhere, err) ||
        (!is_known && take_in(session, node, err))) {
        return err->code;
    }
    if (!is_known) {
        mr_roster_set_leaving(&master->roster, node, false);
        mr_inside_log("worker \"%s\" is node %u: %u slot%s, %s", node->name, node->number,
                      (unsigned)said->slots, said->slots == 1 ? "" : "s",
                      said->roles == MR_CORE_MAPS      ? "maps"
                      : said->roles == MR_CORE_REDUCES ? "reduces"
                                                       : "maps and reduces");
    }
    if (is_elsewhere || !is_known) {
        tell_place(master, node);
    }
    mr_following_touch(master);
    master->has_to_publish = true; /* it may do that */
    return MR_OK;
}

static void go_on_registering(struct mr_session *session, bool is_whole, struct mr_error *err) {
    if (!err->code && is_whole) {
        (void)!complete(session, err);
        mr_layout_release(&session->register_held);
        mr_buffer_fini(&session->register_body);
        free(session->registering);
        session->registering = NULL;
        session->register_held = (struct mr_layout_held){0};
    }
    if (err->code) {
        refuse(session, err);
    }
}

void mr_workers_register(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_error err = {0};
    union mr_wire_any *own = malloc(sizeof *own);
    mr_sessions_forget_registering(session);
    if (!own) {
        mr_error_nomem(&err, "registering a worker");
    } else if (!mr_buffer_append(&session->register_body, frame->body.data, frame->body.len,
                                 &err) &&
               !mr_wire_decode(
                   frame->kind,
                   (struct mr_bytes){session->register_body.data, session->register_body.len}, own,
                   &session->register_held, &err)) {
        (void)!mr_holdings_add(session, own->register_.held, own->register_.held_count, &err);
    }
    session->registering = (struct mr_wire_register *)own; /* every member begins there */
    go_on_registering(session, !message->register_.held_follows, &err);
}

void mr_workers_more_held(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame) {
    struct mr_error err = {0};
    (void)frame;
    if (!session->registering) {
        mr_error_set(&err, MR_ERR_IO, "a worker says what it holds before it registers");
    } else {
        (void)!mr_holdings_add(session, message->more_held_.held, message->more_held_.held_count,
                               &err);
    }
    go_on_registering(session, !message->more_held_.held_follows, &err);
}

/* ---- living -----------------------------------------------------------------------------------*/

static void take_progress(struct mr_session *session, struct mr_core_worker worker,
                          const struct mr_wire_row_moved *moved) {
    struct mr_master *master = session->master;
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, (uint32_t)moved->job);
    struct mr_core_attempt told = {(uint32_t)moved->job, (uint32_t)moved->round,
                                   (enum mr_phase)moved->phase, (uint32_t)moved->task,
                                   (uint32_t)moved->attempt};
    struct mr_core_event event = {
        .kind = MR_CORE_PROGRESS, .worker = worker, .permille = (uint32_t)moved->permille};
    if (!job || !mr_numbering_inward(job, &told, &event.attempt)) {
        return;
    }
    struct mr_runs_row *row = mr_runs_find(&master->runs, &event.attempt);
    if (row && row->worker.node == worker.node) {
        job->is_dirty = job->is_dirty || row->permille != event.permille;
        row->permille = event.permille;
        row->bytes = moved->bytes;
        (void)mr_inside_apply(master, &event, NULL);
    }
}

void mr_workers_heartbeat(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_heartbeat *said = &message->heartbeat_;
    struct mr_core_worker worker;
    (void)frame;
    if (!session->is_welcome || !mr_workers_identify(session, &worker)) {
        return;
    }
    /* Only an acknowledged renewal extends the lease: so both sides notice a one-way cut. */
    if (said->renewed > session->renewed_acked && said->renewed <= session->renewed_sent) {
        struct mr_core_event heard = {.kind = MR_CORE_HEARD, .worker = worker};
        session->renewed_acked = said->renewed;
        (void)mr_inside_apply(master, &heard, NULL);
    }
    for (size_t i = 0; i < said->moved_count; i++) {
        take_progress(session, worker, &said->moved[i]);
    }
    struct mr_wire_renewed renewed = {said->number, master->epochs.number, master->pen.sequence};
    session->renewed_sent =
        said->number > session->renewed_sent ? said->number : session->renewed_sent;
    mr_sessions_send(session, MR_WIRE_RENEWED, &renewed);
}

/* ---- going ------------------------------------------------------------------------------------*/

void mr_workers_leave(struct mr_session *session, union mr_wire_any *message,
                      const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    struct mr_core_event drain = {.kind = MR_CORE_NODE_DRAIN};
    (void)message;
    (void)frame;
    if (mr_workers_identify(session, &drain.worker) && mr_inside_apply(master, &drain, NULL)) {
        mr_roster_set_leaving(&master->roster, session->node, true);
        master->may_let_go = true;
    }
}

void mr_workers_let_go(struct mr_master *master) {
    bool looks = master->roster.leaving > 0 && master->may_let_go;
    master->may_let_go = false;
    for (uint32_t i = 0; looks && i < master->roster.count; i++) {
        struct mr_roster_node *node = master->roster.nodes[i];
        struct mr_core_node_view view = mr_core_node(master->core, i);
        if (node->is_leaving && !node->is_told && node->session && view.busy == 0 &&
            view.held == 0 && !mr_holdings_is_needed(master, i)) {
            struct mr_wire_drained drained = {i};
            node->is_told = true;
            mr_sessions_send_later(node->session, MR_WIRE_DRAINED, &drained);
        }
    }
}

void mr_workers_lost(struct mr_master *master, uint32_t number) {
    struct mr_roster_node *node = mr_roster_at(&master->roster, number);
    if (!node || mr_core_node(master->core, number).state != MR_CORE_NODE_GONE) {
        return;
    }
    mr_inside_log("worker \"%s\" (node %u) is lost", node->name, number);
    mr_runs_remove_all(&master->runs, 0, number);
    mr_roster_set_leaving(&master->roster, node, false);
    if (node->session) {
        fence(node->session, "the lease ended: no renewal was acknowledged");
    }
    mr_holdings_lost(master, number);
    mr_following_touch(master);
    master->has_to_publish = true; /* by somebody else, what it published; and cleared */
}

void mr_workers_disconnected(struct mr_session *session) {
    struct mr_master *master = session->master;
    struct mr_roster_node *node = session->node;
    detach(session);
    if (node && node->is_told) { /* it was let go, and went */
        struct mr_core_event lost = {
            .kind = MR_CORE_NODE_LOST,
            .worker = {node->number, mr_core_node(master->core, node->number).incarnation}};
        if (mr_inside_apply(master, &lost, NULL)) {
            mr_workers_lost(master, node->number);
        }
    }
}
