/* clearing: has removed what is left beside the output of a job that did not succeed. */
#include "master/shell/clearing.h"

#include "lib/base/error.h"
#include "lib/output/pending.h"
#include "master/shell/sessions.h"
#include "master/shell/workers.h"
#include <string.h>

#define PATIENCE_LEASES 10 /* for an answer; and from one time round to the next */

int mr_clearing_note(struct mr_master *master, const struct mr_jobs_row *job,
                     struct mr_error *err) {
    return job->output ? mr_journal_put(master->journal, job->number, MR_NOTES_CLEAR, 0,
                                        job->output, strlen(job->output), err)
                       : MR_OK;
}

/* What is to be cleared for that job; NULL: nothing. */
static const char *output_of(const struct mr_master *master, const struct mr_history_row *job) {
    return mr_notes_text(master->journal, job->number, MR_NOTES_CLEAR, 0);
}

static void ask(struct mr_session *session, struct mr_history_row *job) {
    struct mr_wire_clear clear = {.id = job->id, .output = output_of(session->master, job)};
    job->clearing.is_asked = true;
    job->clearing.node = session->node->number;
    job->clearing.since_ms = uv_now(session->master->loop);
    mr_sessions_send(session, MR_WIRE_CLEAR, &clear);
}

/* The connection to that node, where it is a reducer that is there; one that may come back is
 * counted among those that can't tell. */
static struct mr_session *reducer(const struct mr_master *master, uint32_t number,
                                  struct mr_history_row *job) {
    struct mr_core_node_view view = mr_core_node(master->core, number);
    if (view.state == MR_CORE_NODE_GONE || !((int)view.roles & MR_CORE_REDUCES)) {
        return NULL;
    }
    struct mr_session *session =
        mr_sessions_of(master, (struct mr_core_worker){number, view.incarnation});
    job->clearing.can_not_tell = job->clearing.can_not_tell || !session;
    return session;
}

static void forget(struct mr_master *master, struct mr_history_row *job) {
    struct mr_error err = {0};
    job->clearing = (struct mr_history_clearing){0};
    (void)!mr_journal_forget(master->journal, job->number, MR_NOTES_CLEAR, &err);
    (void)mr_inside_check(master, &err);
}

/* Asks the first reducer from that node on; behind the last, all that are there have answered. */
static void ask_from(struct mr_master *master, uint32_t first, struct mr_history_row *job) {
    struct mr_history_clearing *clearing = &job->clearing;
    for (uint32_t i = first; i < master->roster.count; i++) {
        struct mr_session *session = reducer(master, i, job);
        if (session) {
            ask(session, job);
            return;
        }
    }
    clearing->is_asked = false;
    clearing->since_ms = uv_now(master->loop);
    if (clearing->sees_nothing && !clearing->can_not_tell) {
        forget(master, job);
    }
}

static void begin(struct mr_master *master, struct mr_history_row *job) {
    if (output_of(master, job)) {
        job->clearing = (struct mr_history_clearing){0};
        ask_from(master, 0, job);
    }
}

/* Who was asked has no answer. */
static void pass_over(struct mr_master *master, struct mr_history_row *job) {
    job->clearing.can_not_tell = true;
    ask_from(master, job->clearing.node + 1, job);
}

void mr_clearing_begin(struct mr_master *master, uint32_t job) {
    struct mr_history_row *ended = mr_history_find(&master->jobs.history, job);
    if (ended) {
        begin(master, ended);
    }
}

void mr_clearing_all(struct mr_session *session) {
    struct mr_master *master = session->master;
    uint32_t number = session->node->number;
    struct mr_core_node_view view = mr_core_node(master->core, number);
    for (size_t i = 0; (int)view.roles & MR_CORE_REDUCES && i < master->jobs.history.count; i++) {
        struct mr_history_row *job = master->jobs.history.rows[i];
        struct mr_history_clearing *clearing = &job->clearing;
        if (!clearing->is_asked) {
            begin(master, job);
        } else if (clearing->node == number) { /* it may not have heard that */
            ask(session, job);
        } else if (clearing->node > number) { /* it was passed by: the next time round */
            clearing->can_not_tell = true;
        }
    }
}

void mr_clearing_pass_over_lost(struct mr_master *master) {
    for (size_t i = 0; i < master->jobs.history.count; i++) {
        struct mr_history_row *job = master->jobs.history.rows[i];
        if (job->clearing.is_asked &&
            mr_core_node(master->core, job->clearing.node).state == MR_CORE_NODE_GONE) {
            pass_over(master, job);
        }
    }
}

void mr_clearing_look(struct mr_master *master) {
    uint64_t now = uv_now(master->loop);
    uint64_t patience = PATIENCE_LEASES * (uint64_t)master->lease_ms;
    for (size_t i = 0; i < master->jobs.history.count; i++) {
        struct mr_history_row *job = master->jobs.history.rows[i];
        if (now - job->clearing.since_ms < patience) {
            continue;
        }
        if (job->clearing.is_asked) {
            pass_over(master, job);
        } else {
            begin(master, job);
        }
    }
}

void mr_clearing_cleared(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_cleared *said = &message->cleared_;
    struct mr_history_row *job =
        said->id ? mr_history_find_id(&master->jobs.history, said->id) : NULL;
    struct mr_core_worker worker;
    (void)frame;
    if (!mr_workers_identify(session, &worker) || !job || !output_of(master, job)) {
        return;
    }
    struct mr_history_clearing *clearing = &job->clearing;
    if (said->found == MR_PENDING_DROPPED) {
        forget(master, job);
    } else if (clearing->is_asked && clearing->node == worker.node) {
        clearing->sees_nothing = clearing->sees_nothing || said->found == MR_PENDING_NOTHING;
        clearing->can_not_tell = clearing->can_not_tell || said->found != MR_PENDING_NOTHING;
        ask_from(master, worker.node + 1, job);
    }
}
