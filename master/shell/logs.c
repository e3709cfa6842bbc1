/* logs: brings what attempts wrote from the workers that have it. */
#include "master/shell/logs.h"

#include "lib/base/error.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/sessions.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_BYTES_MAX ((size_t)4 << 20) /* a worker keeps less */
#define ROUND_UNDER_WAY UINT32_MAX
#define FIRST_FAILURE 3

struct mr_logs_request {
    struct mr_logs_request *next;
    struct mr_session *client; /* NULL: it is for this master: */
    mr_logs_came came;
    struct mr_session *worker;
    struct mr_core_attempt told;
    struct mr_buffer bytes; /* for this master */
};

static void destroy(struct mr_logs_request *request) {
    mr_buffer_fini(&request->bytes);
    free(request);
}

static struct mr_logs_request *request(struct mr_session *worker, struct mr_session *client,
                                       const char *id, const struct mr_core_attempt *told) {
    struct mr_master *master = worker->master;
    struct mr_logs_request *made = calloc(1, sizeof *made);
    if (!made) {
        return NULL;
    }
    *made = (struct mr_logs_request){
        .next = master->log_requests, .client = client, .worker = worker, .told = *told};
    master->log_requests = made;
    struct mr_wire_ask_log message = {.job = id,
                                      .phase = (uint64_t)told->phase,
                                      .round = told->round,
                                      .task = told->task,
                                      .attempt = told->attempt};
    mr_sessions_send(worker, MR_WIRE_ASK_LOG, &message);
    return made;
}

void mr_logs_fetch(struct mr_session *worker, const char *id, const struct mr_core_attempt *told,
                   mr_logs_came came) {
    struct mr_logs_request *made = request(worker, NULL, id, told);
    if (made) {
        made->came = came;
    } else {
        came(worker->master, told, (struct mr_bytes){0});
    }
}

/* ---- answers ----------------------------------------------------------------------------------*/

static bool is_of(const struct mr_logs_request *request, const struct mr_session *worker,
                  const struct mr_wire_log *log) {
    return request->worker == worker && request->told.job == log->job &&
           request->told.round == log->round && (uint64_t)request->told.phase == log->phase &&
           request->told.task == log->task && request->told.attempt == log->attempt;
}

/* Adds to what has come for a job's end; true: that was all. */
static bool gather(struct mr_logs_request *request, const struct mr_wire_log *log) {
    struct mr_error err = {0};
    if (log->bytes.len && request->bytes.len < LOG_BYTES_MAX) {
        (void)!mr_buffer_append(&request->bytes, log->bytes.data, log->bytes.len, &err);
    }
    return !log->follows;
}

void mr_logs_arrived(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    struct mr_wire_log log = message->log_;
    struct mr_logs_request *ready = NULL; /* for jobs' ends, taken out of the list */
    struct mr_logs_request **at = &master->log_requests;
    (void)frame;
    log.node = session->node ? session->node->name : NULL;
    while (*at) {
        struct mr_logs_request *request = *at;
        bool is_whole = false;
        if (is_of(request, session, &log) && request->client) {
            mr_sessions_send(request->client, MR_WIRE_LOG, &log);
            is_whole = !log.follows;
        } else if (is_of(request, session, &log)) {
            is_whole = gather(request, &log);
        }
        if (!is_whole) {
            at = &request->next;
            continue;
        }
        *at = request->next;
        request->next = ready;
        ready = request;
    }
    while (ready) {
        struct mr_logs_request *request = ready;
        ready = request->next;
        if (!request->client) { /* it may be empty */
            const char *bytes = request->bytes.len ? request->bytes.data : "";
            request->came(master, &request->told, (struct mr_bytes){bytes, request->bytes.len});
        }
        destroy(request);
    }
}

void mr_logs_disconnected(struct mr_session *session) {
    struct mr_master *master = session->master;
    struct mr_logs_request *gone = NULL;
    struct mr_logs_request **at = &master->log_requests;
    while (*at) {
        struct mr_logs_request *request = *at;
        if (request->client != session && request->worker != session) {
            at = &request->next;
            continue;
        }
        *at = request->next;
        request->next = gone;
        gone = request;
    }
    while (gone) {
        struct mr_logs_request *request = gone;
        gone = request->next;
        if (!request->client) {
            request->came(master, &request->told,
                          (struct mr_bytes){request->bytes.data, request->bytes.len});
        } else if (request->client != session) {
            struct mr_error err = {0};
            mr_error_set(&err, MR_ERR_CLUSTER, "the worker that has the log is gone");
            mr_sessions_answer(request->client, &err);
        }
        destroy(request);
    }
}

void mr_logs_fini(struct mr_master *master) {
    while (master->log_requests) {
        struct mr_logs_request *request = master->log_requests;
        master->log_requests = request->next;
        destroy(request);
    }
}

/* ---- requests ---------------------------------------------------------------------------------*/

/* Where an attempt ran. */
struct place {
    struct mr_core_attempt attempt; /* as the core has it */
    uint32_t node;
};

/* The first failure of the round under way, of any task, or of one. */
static bool find_failure(const struct mr_master *master, const struct mr_jobs_row *job,
                         const struct mr_core_attempt *wanted, bool is_any, struct place *place) {
    size_t count;
    const struct mr_fact *facts =
        mr_notes_first(master->journal, job->number, MR_NOTES_FAILURE, &count);
    for (size_t i = 0; i < count; i++) {
        uint32_t round;
        uint32_t attempt;
        uint64_t key = mr_notes_key((uint32_t)wanted->phase, wanted->task);
        if ((is_any || facts[i].key == key) &&
            sscanf(facts[i].bytes, "%" SCNu32 " %" SCNu32 " %" SCNu32, &round, &attempt,
                   &place->node) == 3 &&
            (is_any || !wanted->attempt || wanted->attempt == attempt)) {
            place->attempt =
                (struct mr_core_attempt){job->number, round, (enum mr_phase)(facts[i].key >> 32),
                                         (uint32_t)facts[i].key, attempt};
            return true;
        }
    }
    return false;
}

/* The last attempt at a task that runs, or the winner, or the one that failed first. */
static bool find_attempt(const struct mr_master *master, const struct mr_jobs_row *job,
                         const struct mr_core_attempt *wanted, struct place *place) {
    bool is_found = false;
    for (uint32_t i = 0; i < master->runs.capacity; i++) {
        const struct mr_runs_row *row = &master->runs.rows[i];
        const struct mr_core_attempt *id = &row->attempt;
        if (row->is_used && id->job == job->number && id->round == wanted->round &&
            id->phase == wanted->phase && id->task == wanted->task &&
            (!wanted->attempt || id->attempt == wanted->attempt) &&
            (!is_found || id->attempt > place->attempt.attempt)) {
            *place = (struct place){*id, row->worker.node};
            is_found = true;
        }
    }
    if (is_found) {
        return true;
    }
    struct mr_core_winner winner =
        mr_core_winner(master->core, job->number, wanted->phase, wanted->task);
    if (winner.attempt && (!wanted->attempt || wanted->attempt == winner.attempt)) {
        *place = (struct place){*wanted, winner.worker.node};
        place->attempt.attempt = winner.attempt;
        return true;
    }
    return find_failure(master, job, wanted, false, place);
}

/* Of a job that has not ended. */
static void ask_worker(struct mr_session *session, const struct mr_jobs_row *job,
                       const struct mr_wire_ask_log *said, struct mr_error *err) {
    struct mr_master *master = session->master;
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    struct place place;
    struct mr_core_attempt wanted = {job->number, view.round,
                                     said->phase == 0 ? MR_PHASE_MAP : MR_PHASE_REDUCE,
                                     (uint32_t)said->task, (uint32_t)said->attempt};
    bool is_first = said->phase == FIRST_FAILURE;
    bool is_found = is_first ? find_failure(master, job, &wanted, true, &place)
                             : find_attempt(master, job, &wanted, &place);
    if (!is_found) {
        mr_error_set(err, MR_ERR_USAGE,
                     is_first ? "no attempt of job %u has failed in this round"
                              : "no such attempt of job %u is known in this round",
                     job->number);
        return;
    }
    const struct mr_core_attempt told = mr_numbering_outward(job, &place.attempt);
    struct mr_session *worker = mr_sessions_of(
        master,
        (struct mr_core_worker){place.node, mr_core_node(master->core, place.node).incarnation});
    if (!worker || !request(worker, session, job->id, &told)) {
        mr_error_set(err, MR_ERR_CLUSTER, "the worker that has the log is not there");
    }
}

/* Of a job that has: the log of the attempt that it failed by is kept. */
static void send_kept(struct mr_session *session, const struct mr_history_row *ended,
                      const struct mr_wire_ask_log *said, struct mr_error *err) {
    struct mr_master *master = session->master;
    const struct mr_core_attempt *id = &ended->log_attempt;
    const struct mr_roster_node *node = mr_roster_at(&master->roster, ended->log_node);
    struct mr_buffer bytes = {0};
    size_t sent = 0;
    bool is_kept = !mr_hash_128_is_none(ended->log);
    bool is_that = said->phase == FIRST_FAILURE ||
                   (said->phase == (uint64_t)id->phase && said->task == id->task &&
                    (!said->attempt || said->attempt == id->attempt));
    if (!is_kept || !is_that) {
        mr_error_set(err, MR_ERR_USAGE,
                     "job %u has ended: of its logs, none is kept but that of the attempt by which "
                     "a job fails",
                     ended->number);
    } else {
        (void)!mr_blobs_read(master->blobs, ended->log, &bytes, err);
    }
    while (!err->code) {
        struct mr_wire_log log = {.job = ended->number,
                                  .round = id->round,
                                  .phase = (uint64_t)id->phase,
                                  .task = id->task,
                                  .attempt = id->attempt,
                                  .node = node ? node->name : NULL,
                                  .total = bytes.len};
        size_t left = bytes.len - sent;
        log.bytes = (struct mr_bytes){bytes.data + sent,
                                      left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX};
        sent += log.bytes.len;
        log.follows = sent < bytes.len;
        mr_sessions_send(session, MR_WIRE_LOG, &log);
        if (!log.follows) {
            break;
        }
    }
    mr_buffer_fini(&bytes);
}

void mr_logs_ask(struct mr_session *session, union mr_wire_any *message,
                 const struct mr_frame *frame) {
    struct mr_master *master = session->master;
    const struct mr_wire_ask_log *said = &message->ask_log_;
    struct mr_error err = {0};
    (void)frame;
    uint32_t number = mr_jobs_resolve(&master->jobs, said->job ? said->job : "", &err);
    const struct mr_jobs_row *job = mr_jobs_find(&master->jobs, number);
    const struct mr_history_row *ended = mr_history_find(&master->jobs.history, number);
    if (job) {
        ask_worker(session, job, said, &err);
    } else if (ended) {
        send_kept(session, ended, said, &err);
    }
    if (err.code) {
        mr_sessions_answer(session, &err);
    }
}
