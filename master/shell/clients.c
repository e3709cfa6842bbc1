/* clients: what people ask of the cluster: how jobs and nodes stand; cancel, drain. */
#include "master/shell/clients.h"

#include "lib/base/error.h"
#include "master/shell/following.h"
#include "master/shell/inside.h"
#include "master/shell/publishing.h"
#include "master/shell/views.h"
#include "master/shell/workers.h"
#include <stdlib.h>
#include <string.h>

#define LINES_A_MESSAGE 1024
#define BYTES_A_MESSAGE ((size_t)256 << 10) /* of texts, about */
#define LINE_BYTES 128                      /* of a line without its texts */

static size_t length_of(const char *text) {
    return text ? strlen(text) : 0;
}

/* ---- jobs -------------------------------------------------------------------------------------*/

/* Lines that gather until a message is full. */
struct lines {
    struct mr_session *session;
    struct mr_wire_row_job_line rows[LINES_A_MESSAGE];
    size_t count;
    size_t bytes;
};

static void send_lines(struct lines *lines, bool follows) {
    struct mr_wire_jobs message = {
        .jobs = lines->rows, .jobs_count = lines->count, .follows = follows};
    mr_sessions_send(lines->session, MR_WIRE_JOBS, &message);
    lines->count = lines->bytes = 0;
}

static void add_line(struct lines *lines, const struct mr_wire_row_job_line *line) {
    size_t bytes = LINE_BYTES + length_of(line->label) + length_of(line->why);
    if (lines->count == LINES_A_MESSAGE || lines->bytes + bytes > BYTES_A_MESSAGE) {
        send_lines(lines, true);
    }
    lines->rows[lines->count++] = *line;
    lines->bytes += bytes;
}

static void send_all(struct lines *lines, const struct mr_master *master) {
    for (size_t i = 0; i < master->jobs.history.count; i++) {
        struct mr_wire_row_job_line line = mr_views_ended(master->jobs.history.rows[i]);
        add_line(lines, &line);
    }
    for (size_t i = 0; i < master->jobs.count; i++) {
        struct mr_wire_row_job_line line = mr_views_job(master, master->jobs.rows[i]);
        add_line(lines, &line);
    }
    send_lines(lines, false);
}

/* Sends a page of a job's tasks; false: there are no more. */
static bool send_tasks(struct mr_session *session) {
    struct mr_master *master = session->master;
    const struct mr_jobs_row *job = mr_jobs_find(&master->jobs, session->listing);
    struct mr_wire_row_task_line *rows = malloc(LINES_A_MESSAGE * sizeof *rows);
    struct mr_wire_jobs message = {.tasks = rows, .follows = 1};
    if (!rows) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "listing a job's tasks");
        mr_inside_fail(master, &err);
        return false;
    }
    size_t count = job ? mr_views_tasks(master, job, session->listed, rows, LINES_A_MESSAGE) : 0;
    size_t bytes = 0;
    while (message.tasks_count < count && bytes < BYTES_A_MESSAGE) {
        const struct mr_wire_row_task_line *row = &rows[message.tasks_count++];
        bytes += LINE_BYTES + length_of(row->node) + length_of(row->why);
    }
    session->listed += message.tasks_count;
    message.follows = message.tasks_count > 0;
    mr_sessions_send(session, MR_WIRE_JOBS, &message);
    free(rows);
    return message.follows;
}

void mr_clients_go_on(struct mr_session *session) {
    while (session->listing && session->conn && !mr_conn_is_full(session->conn)) {
        if (!send_tasks(session)) {
            session->listing = 0;
        }
    }
}

void mr_clients_ask_jobs(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_ask_jobs *said = &message->ask_jobs_;
    struct mr_error err = {0};
    (void)frame;
    struct lines *lines = calloc(1, sizeof *lines);
    uint32_t number = said->job ? mr_jobs_resolve(&master->jobs, said->job, &err) : 0;
    if (!lines) {
        mr_error_nomem(&err, "listing jobs");
    }
    if (err.code) {
        mr_sessions_answer(session, &err);
        free(lines);
        return;
    }
    lines->session = session;
    if (!said->job) {
        send_all(lines, master);
    } else {
        struct mr_wire_row_job_line line;
        bool lists = said->tasks && mr_jobs_find(&master->jobs, number);
        (void)mr_views_find(master, number, &line);
        add_line(lines, &line);
        send_lines(lines, lists);
        session->listing = lists ? number : 0;
        session->listed = 0;
        mr_clients_go_on(session);
    }
    free(lines);
}

/* ---- cancel -----------------------------------------------------------------------------------*/

static void cancel(struct mr_master *master, struct mr_jobs_row *job, struct mr_error *how) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    struct mr_core_event event = {
        .kind = MR_CORE_CANCEL, .job = job->number, .status = MR_ERR_INTERRUPTED};
    struct mr_error why = {0};
    mr_error_set(&why, MR_ERR_INTERRUPTED, "it was cancelled");
    if (view.state == MR_CORE_JOB_PUBLISHING && job->is_collected) {
        mr_publishing_give_up(master, job, &why);
    } else if (view.state == MR_CORE_JOB_PUBLISHING) {
        mr_error_set(how, MR_ERR_USAGE, "too late: the output of job %u is being put in place",
                     job->number);
    } else if (view.state == MR_CORE_JOB_STOPPING || job->is_over) {
        mr_error_set(how, MR_ERR_USAGE, "job %u ends already", job->number);
    } else {
        struct mr_error err = {0};
        (void)!mr_jobs_give_up(job, master->journal, &why, &err);
        if (mr_inside_check(master, &err)) {
            (void)mr_inside_apply(master, &event, NULL);
        }
    }
}

void mr_clients_cancel(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    struct mr_error how = {0};
    (void)frame;
    const char *text = message->cancel_.job;
    uint32_t number = mr_jobs_resolve(&master->jobs, text ? text : "", &how);
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, number);
    if (job) {
        cancel(master, job, &how);
    } else if (number) {
        mr_error_set(&how, MR_ERR_USAGE, "job %u has ended", number);
    }
    mr_sessions_answer(session, &how);
}

/* ---- nodes ------------------------------------------------------------------------------------*/

void mr_clients_ask_nodes(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    (void)frame;
    struct mr_wire_row_node_line *rows = malloc(LINES_A_MESSAGE * sizeof *rows);
    struct mr_wire_nodes nodes = {.nodes = rows};
    if (!rows) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "listing nodes");
        mr_inside_fail(master, &err);
        return;
    }
    for (uint32_t i = 0; i < master->roster.count; i++) {
        bool is_gone = mr_core_node(master->core, i).state == MR_CORE_NODE_GONE;
        if (is_gone && !message->ask_nodes_.all) {
            continue;
        }
        if (nodes.nodes_count == LINES_A_MESSAGE) {
            nodes.follows = 1;
            mr_sessions_send(session, MR_WIRE_NODES, &nodes);
            nodes.nodes_count = 0;
        }
        rows[nodes.nodes_count++] = mr_views_node(master, master->roster.nodes[i]);
    }
    nodes.follows = 0;
    mr_sessions_send(session, MR_WIRE_NODES, &nodes);
    free(rows);
}

void mr_clients_drain(struct mr_session *session, union mr_wire_any *message,
                      const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_drain *said = &message->drain_;
    struct mr_error how = {0};
    (void)frame;
    const struct mr_roster_node *node = mr_roster_resolve(&master->roster, said->node);
    struct mr_core_node_view view = {.state = MR_CORE_NODE_GONE};
    if (node) {
        view = mr_core_node(master->core, node->number);
    }
    if (!node) {
        mr_error_set(&how, MR_ERR_USAGE, "the cluster knows no node \"%.100s\"",
                     said->node ? said->node : "");
    } else if (view.state == MR_CORE_NODE_GONE) {
        mr_error_set(&how, MR_ERR_USAGE, "node \"%.100s\" is gone", node->name);
    } else if (said->back && node->is_leaving) {
        mr_error_set(&how, MR_ERR_USAGE, "node \"%.100s\" is leaving", node->name);
    } else {
        struct mr_core_event event = {.kind = said->back ? MR_CORE_NODE_BACK : MR_CORE_NODE_DRAIN,
                                      .worker = {node->number, view.incarnation}};
        (void)mr_inside_apply(master, &event, NULL);
        mr_following_touch(master);
    }
    mr_sessions_answer(session, &how);
}

/* Only the life of the worker that the word is about: one that came back serves elsewhere. */
void mr_clients_dead(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_dead *said = &message->dead_;
    struct mr_error how = {0};
    (void)frame;
    const struct mr_roster_node *node =
        said->name ? mr_roster_find(&master->roster, said->name) : NULL;
    struct mr_core_event lost = {.kind = MR_CORE_NODE_LOST};
    if (node) {
        struct mr_core_node_view view = mr_core_node(master->core, node->number);
        lost.worker = (struct mr_core_worker){node->number, view.incarnation};
        bool is_it = view.state != MR_CORE_NODE_GONE && node->address && said->address &&
                     strcmp(node->address, said->address) == 0;
        if (is_it && mr_inside_apply(master, &lost, NULL)) {
            mr_workers_lost(master, node->number);
        }
    }
    mr_sessions_answer(session, &how); /* of another there is nothing to be done */
}
