/* clearing: has removed what is left beside the output of a job that did not succeed. */
#include "master/shell/clearing.h"

#include "lib/base/error.h"
#include "master/shell/sessions.h"
#include "master/shell/workers.h"
#include <string.h>

int mr_clearing_note(struct mr_master *master, const struct mr_jobs_row *job,
                     struct mr_error *err) {
    return job->output ? mr_journal_put(master->journal, job->number, MR_NOTES_CLEAR, 0,
                                        job->output, strlen(job->output), err)
                       : MR_OK;
}

static void ask(struct mr_session *session, const struct mr_history_row *job) {
    const char *output = mr_notes_text(session->master->journal, job->number, MR_NOTES_CLEAR, 0);
    if (output) {
        struct mr_wire_clear clear = {.id = job->id, .output = output};
        mr_sessions_send(session, MR_WIRE_CLEAR, &clear);
    }
}

/* The connection to that node, where it is a reducer that is there. */
static struct mr_session *reducer(const struct mr_master *master, uint32_t number) {
    struct mr_core_node_view view = mr_core_node(master->core, number);
    return (int)view.roles & MR_CORE_REDUCES
               ? mr_sessions_of(master, (struct mr_core_worker){number, view.incarnation})
               : NULL;
}

/* Asks the first reducer from that node on; where there is none, the next that comes is asked. */
static void ask_from(struct mr_master *master, uint32_t first, const struct mr_history_row *job) {
    struct mr_session *session = NULL;
    for (uint32_t i = first; i < master->roster.count && !session; i++) {
        session = reducer(master, i);
    }
    if (session) {
        ask(session, job);
    }
}

void mr_clearing_begin(struct mr_master *master, uint32_t job) {
    const struct mr_history_row *ended = mr_history_find(&master->jobs.history, job);
    if (ended) {
        ask_from(master, 0, ended);
    }
}

void mr_clearing_all(struct mr_session *session) {
    struct mr_master *master = session->master;
    for (size_t i = 0;
         reducer(master, session->node->number) == session && i < master->jobs.history.count; i++) {
        ask(session, master->jobs.history.rows[i]);
    }
}

void mr_clearing_cleared(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_cleared *said = &message->cleared_;
    const struct mr_history_row *job =
        said->id ? mr_history_find_id(&master->jobs.history, said->id) : NULL;
    struct mr_core_worker worker;
    struct mr_error err = {0};
    (void)frame;
    if (!mr_workers_identify(session, &worker) || !job ||
        !mr_notes_text(master->journal, job->number, MR_NOTES_CLEAR, 0)) {
        return;
    }
    if (said->is_done) {
        (void)!mr_journal_forget(master->journal, job->number, MR_NOTES_CLEAR, &err);
    } else {
        ask_from(master, worker.node + 1, job);
    }
    (void)mr_inside_check(master, &err);
}
