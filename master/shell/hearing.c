/* hearing: takes in connections, and hands what is said on them to whom it concerns. */
#include "master/shell/hearing.h"

#include "lib/base/error.h"
#include "master/shell/clearing.h"
#include "master/shell/clients.h"
#include "master/shell/couriers.h"
#include "master/shell/following.h"
#include "master/shell/inside.h"
#include "master/shell/logs.h"
#include "master/shell/publishing.h"
#include "master/shell/reports.h"
#include "master/shell/sessions.h"
#include "master/shell/submitting.h"
#include "master/shell/turning.h"
#include "master/shell/workers.h"
#include <stdlib.h>

/* ---- what comes in ----------------------------------------------------------------------------*/

typedef void (*handler)(struct mr_session *session, union mr_wire_any *message,
                        const struct mr_frame *frame);

enum allowed { WORKERS = 1, CLIENTS = 2, ANYBODY = 3 };

/* X(kind, who may say it, who hears it) */
#define HANDLER_TABLE(X)                                                                           \
    X(REGISTER, WORKERS, mr_workers_register)                                                      \
    X(MORE_HELD, WORKERS, mr_workers_more_held)                                                    \
    X(HEARTBEAT, WORKERS, mr_workers_heartbeat)                                                    \
    X(LEAVE, WORKERS, mr_workers_leave)                                                            \
    X(DONE, WORKERS, mr_reports_done)                                                              \
    X(FAILED, WORKERS, mr_reports_failed)                                                          \
    X(LOST, WORKERS, mr_reports_lost)                                                              \
    X(TURNED, WORKERS, mr_turning_turned)                                                          \
    X(PUBLISHED, WORKERS, mr_publishing_published)                                                 \
    X(CLEARED, WORKERS, mr_clearing_cleared)                                                       \
    X(LOG, WORKERS, mr_logs_arrived)                                                               \
    X(WANT, ANYBODY, mr_couriers_wanted)                                                           \
    X(BLOB, ANYBODY, mr_couriers_arrived)                                                          \
    X(SUBMIT, CLIENTS, mr_submitting_submit)                                                       \
    X(ASK_JOBS, CLIENTS, mr_clients_ask_jobs)                                                      \
    X(FOLLOW, CLIENTS, mr_following_follow)                                                        \
    X(COLLECT, CLIENTS, mr_publishing_collect)                                                     \
    X(COLLECTED, CLIENTS, mr_publishing_collected)                                                 \
    X(CANCEL, CLIENTS, mr_clients_cancel)                                                          \
    X(ASK_NODES, CLIENTS, mr_clients_ask_nodes)                                                    \
    X(DRAIN, CLIENTS, mr_clients_drain)                                                            \
    X(DEAD, CLIENTS, mr_clients_dead)                                                              \
    X(ASK_LOG, CLIENTS, mr_logs_ask)

static const struct {
    uint16_t kind;
    uint8_t allowed;
    handler hear;
} handlers[] = {
#define HANDLER_ROW(kind, who, hear) {MR_WIRE_##kind, who, hear},
    HANDLER_TABLE(HANDLER_ROW)
#undef HANDLER_ROW
};

static handler find_handler(unsigned kind, bool is_worker) {
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (handlers[i].kind == kind) {
            return handlers[i].allowed & (is_worker ? WORKERS : CLIENTS) ? handlers[i].hear : NULL;
        }
    }
    return NULL;
}

static void on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct mr_session *session = user;
    union mr_wire_any message;
    struct mr_layout_held held;
    struct mr_error err = {0};
    if (session->master->is_closing) {
        return;
    }
    handler hear = find_handler(frame->kind, session->is_worker);
    if (mr_wire_decode(frame->kind, frame->body, &message, &held, &err)) {
        mr_error_add(&err, " (from %s)", mr_conn_peer(conn)->address);
    } else if (!hear) {
        mr_error_set(&err, MR_ERR_IO, "%s says %s, which is not for it to say",
                     mr_conn_peer(conn)->address, mr_wire_about(frame->kind)->name);
    } else {
        hear(session, &message, frame);
    }
    mr_layout_release(&held);
    if (err.code && session->conn) {
        mr_inside_log("%s", err.text);
        mr_conn_drop(conn, &err);
    } else if (!session->is_worker && mr_conn_is_full(conn)) {
        mr_conn_pause(conn); /* who does not take its answers asks no more; workers must be heard */
    }
}

static void on_drained(struct mr_conn *conn, void *user) {
    mr_conn_resume(conn);
    mr_couriers_go_on(user);
    mr_clients_go_on(user);
}

/* ---- their life -------------------------------------------------------------------------------*/

static void on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    struct mr_session *session = user;
    struct mr_master *master = session->master;
    (void)conn;
    (void)by_peer;
    if (why && why->code && !master->is_closing && session->is_worker) { /* clients come and go */
        mr_inside_log("%s", why->text);
    }
    session->conn = NULL;
    if (session->before) {
        session->before->after = session->after;
    } else {
        master->sessions.first = session->after;
    }
    if (session->after) {
        session->after->before = session->before;
    }
    *(session->is_worker ? &master->sessions.workers : &master->sessions.clients) -= 1;
    if (!master->is_closing) {
        master->has_to_sweep = master->has_to_sweep || session->has_submission;
        mr_workers_disconnected(session);
        mr_logs_disconnected(session);
    }
    mr_couriers_disconnected(session);
    mr_sessions_unref(session);
    mr_inside_closed(master);
}

static const struct mr_conn_events conn_events = {
    .frame = on_frame, .drained = on_drained, .closed = on_closed};

static int on_accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                       struct mr_error *err) {
    struct mr_master *master = user;
    enum mr_net_role role = mr_conn_peer(conn)->role;
    bool is_worker = role == MR_NET_MAPPER || role == MR_NET_REDUCER;
    struct mr_sessions *all = &master->sessions;
    (void)listener;
    if (!is_worker && role != MR_NET_CLIENT) {
        return mr_error_set(err, MR_ERR_CLUSTER, "a master takes in workers and clients");
    }
    if (master->is_closing || (!is_worker && all->clients >= MR_SESSIONS_CLIENTS_MAX) ||
        (is_worker && all->workers >= MR_CORE_NODES_MAX)) {
        return mr_error_set(err, MR_ERR_CLUSTER,
                            master->is_closing ? "this master is ending"
                                               : "this master has as many connections as it takes; "
                                                 "try again later");
    }
    struct mr_session *session = calloc(1, sizeof *session);
    if (!session) {
        return mr_error_nomem(err, "taking in a connection");
    }
    *session = (struct mr_session){.master = master,
                                   .conn = conn,
                                   .is_worker = is_worker,
                                   .refs = 1,
                                   .after = all->first,
                                   .blobs = {.fd = -1}};
    if (all->first) {
        all->first->before = session;
    }
    all->first = session;
    *(is_worker ? &all->workers : &all->clients) += 1;
    mr_conn_set_owner(conn, &conn_events, session);
    return MR_OK;
}

static void on_turned_away(struct mr_listener *listener, const struct mr_error *why, void *user) {
    (void)listener;
    (void)user;
    mr_inside_log("%s", why->text);
}

static void on_listener_closed(struct mr_listener *listener, void *user) {
    (void)listener;
    struct mr_master *master = user;
    master->listener = NULL;
    mr_inside_closed(master);
}

const struct mr_listener_events mr_hearing_events = {
    .accepted = on_accepted, .turned_away = on_turned_away, .closed = on_listener_closed};
