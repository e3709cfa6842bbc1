/* sessions: sends to workers and clients. */
#include "master/shell/sessions.h"

#include "lib/base/error.h"
#include "lib/net/message.h"
#include "master/shell/inside.h"
#include <stdlib.h>

/* ---- their life -------------------------------------------------------------------------------*/

void mr_sessions_forget_held(struct mr_session *session) {
    free(session->held);
    free(session->held_ids);
    session->held = NULL;
    session->held_ids = NULL;
    session->held_count = session->held_capacity = session->held_id_count = 0;
}

void mr_sessions_forget_registering(struct mr_session *session) {
    mr_layout_release(&session->register_held);
    mr_buffer_fini(&session->register_body);
    free(session->registering);
    session->registering = NULL;
    session->register_held = (struct mr_layout_held){0};
    mr_sessions_forget_held(session);
}

void mr_sessions_ref(struct mr_session *session) {
    session->refs++;
}

void mr_sessions_unref(struct mr_session *session) {
    if (--session->refs > 0) {
        return;
    }
    mr_sessions_forget_registering(session);
    free(session->told.jobs);
    free(session->told.peers);
    free(session->told.sources);
    free(session->submission_blobs);
    free(session);
}

void mr_sessions_close_all(struct mr_master *master) {
    struct mr_session *session = master->sessions.first;
    while (session) {
        struct mr_session *after = session->after;
        mr_conn_close(session->conn);
        session = after;
    }
}

struct mr_session *mr_sessions_of(const struct mr_master *master, struct mr_core_worker worker) {
    const struct mr_roster_node *node = mr_roster_at(&master->roster, worker.node);
    struct mr_core_node_view view = mr_core_node(master->core, worker.node);
    bool is_that = node && node->session && node->session->is_welcome &&
                   view.incarnation == worker.incarnation && view.state != MR_CORE_NODE_GONE;
    return is_that ? node->session : NULL;
}

/* ---- what goes out ----------------------------------------------------------------------------*/

/* What a failed sending says of this process; a connection that is gone is no failure. */
static void judge(struct mr_session *session, const struct mr_error *err) {
    if (err->code == MR_ERR_NOMEM) {
        mr_inside_fail(session->master, err);
    } else if (err->code && err->code != MR_ERR_CLOSED) {
        mr_inside_log("%s", err->text);
    }
}

void mr_sessions_send_piece(struct mr_session *session, enum mr_wire_kind kind, const void *message,
                            struct mr_bytes piece) {
    struct mr_error err = {0};
    if (session && session->conn && !session->master->is_closing) {
        (void)!mr_wire_send_piece(session->conn, kind, message, piece, &err);
        judge(session, &err);
    }
}

void mr_sessions_send(struct mr_session *session, enum mr_wire_kind kind, const void *message) {
    mr_sessions_send_piece(session, kind, message, (struct mr_bytes){0});
}

struct later {
    struct mr_session *session;
    enum mr_wire_kind kind;
    struct mr_message *encoded;
    struct mr_bytes body;
};

static void send_now(void *arg, bool is_durable) {
    struct later *later = arg;
    struct mr_session *session = later->session;
    struct mr_error err = {0};
    if (is_durable && session->conn && !session->master->is_closing) {
        (void)!mr_conn_send(session->conn, (uint16_t)later->kind, later->body, &err);
        judge(session, &err);
    }
    mr_message_destroy(later->encoded);
    mr_sessions_unref(session);
    free(later);
}

void mr_sessions_send_later(struct mr_session *session, enum mr_wire_kind kind,
                            const void *message) {
    struct mr_error err = {0};
    struct later *later = calloc(1, sizeof *later);
    if (!later) {
        mr_error_nomem(&err, "writing a message");
        judge(session, &err);
        return;
    }
    later->session = session;
    later->kind = kind;
    if (mr_wire_encode(kind, message, &later->encoded, &later->body, &err)) {
        mr_message_destroy(later->encoded);
        free(later);
        judge(session, &err);
        return;
    }
    mr_sessions_ref(session);
    mr_pen_then(&session->master->pen, send_now, later);
}

void mr_sessions_answer(struct mr_session *session, const struct mr_error *how) {
    struct mr_wire_result result = {.status = (uint64_t)-how->code, .why = how->text};
    mr_sessions_send_later(session, MR_WIRE_RESULT, &result);
}
