/* supply: tells workers what to run, and all that they must know for it, once a connection. */
#include "master/shell/supply.h"

#include "lib/base/error.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/winners.h"
#include <stdlib.h>
#include <string.h>

#define ROWS_A_MESSAGE 8192

/* Grows an array by one; false: the master ends for want of memory. */
static bool grow(struct mr_session *session, void **items, size_t *capacity, size_t count,
                 size_t size) {
    if (count < *capacity) {
        return true;
    }
    size_t wanted = 2 * count + 16;
    void *grown = realloc(*items, wanted * size);
    if (!grown) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "starting tasks");
        mr_inside_fail(session->master, &err);
        return false;
    }
    *items = grown;
    *capacity = wanted;
    return true;
}

/* ---- what a worker must know ------------------------------------------------------------------*/

void mr_supply_tell_job(struct mr_session *session, const struct mr_jobs_row *job) {
    struct mr_sessions_told *told = &session->told;
    for (size_t i = told->job_count; i > 0; i--) {
        if (told->jobs[i - 1] == job->number) {
            return;
        }
    }
    if (grow(session, (void **)&told->jobs, &told->job_capacity, told->job_count,
             sizeof *told->jobs)) {
        struct mr_wire_job message = {job->number, job->id, job->spec.high, job->spec.low};
        told->jobs[told->job_count++] = job->number;
        mr_sessions_send(session, MR_WIRE_JOB, &message);
    }
}

static void send_peer(struct mr_session *session, const struct mr_roster_node *node) {
    struct mr_wire_peer peer = {node->number, node->incarnation, node->name,
                                node->host,   node->address,     node->scratch};
    session->told.peers[node->number] = node->version;
    mr_sessions_send(session, MR_WIRE_PEER, &peer);
}

void mr_supply_tell_peer(struct mr_session *session, uint32_t number) {
    struct mr_sessions_told *told = &session->told;
    const struct mr_roster_node *node = mr_roster_at(&session->master->roster, number);
    if (!node || !node->address) {
        return; /* it has not come back since this master began: PEER follows when it does */
    }
    if (number >= told->peer_capacity) {
        size_t before = told->peer_capacity;
        if (!grow(session, (void **)&told->peers, &told->peer_capacity, number,
                  sizeof *told->peers)) {
            return;
        }
        memset(told->peers + before, 0, (told->peer_capacity - before) * sizeof *told->peers);
    }
    if (told->peers[number] != node->version) {
        send_peer(session, node);
    }
}

void mr_supply_renew_peer(struct mr_session *session, const struct mr_roster_node *node) {
    bool was_told = node->number < session->told.peer_capacity && session->told.peers[node->number];
    bool is_awaited = false; /* it holds what this worker reads, and could not be told of before */
    for (size_t i = 0; !was_told && !is_awaited && i < session->told.source_count; i++) {
        const struct mr_sessions_sources *told = &session->told.sources[i];
        const struct mr_jobs_row *job = mr_jobs_find(&session->master->jobs, told->job);
        const struct mr_sources *sources = !job ? NULL : told->is_pairs ? &job->pairs : &job->maps;
        for (uint32_t task = 0; sources && !is_awaited && task < sources->count; task++) {
            is_awaited = sources->rows[task].attempt && sources->rows[task].node == node->number;
        }
    }
    if (was_told || is_awaited) {
        mr_supply_tell_peer(session, node->number);
    }
}

/* ---- sources ----------------------------------------------------------------------------------*/

void mr_supply_open_round(struct mr_master *master, struct mr_jobs_row *job, uint32_t round) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    struct mr_error err = {0};
    if (!job->maps.is_open || job->maps.round != round) {
        (void)!mr_winners_open_round(job, master->journal, round, &view, &err);
        (void)mr_inside_check(master, &err);
    }
}

/* Sends changes from the cursor on, and the PEERs they speak of before them. */
static void send_changes(struct mr_session *session, struct mr_jobs_row *job,
                         struct mr_sessions_sources *told) {
    const struct mr_sources *sources = told->is_pairs ? &job->pairs : &job->maps;
    struct mr_wire_row_source *rows = malloc(ROWS_A_MESSAGE * sizeof *rows);
    struct mr_core_attempt id = {job->number, told->round,
                                 told->is_pairs ? MR_PHASE_MAP : MR_PHASE_REDUCE, 0, 1};
    bool is_turn = mr_numbering_is_turn(job, told->round);
    id = mr_numbering_outward(job, &id);
    struct mr_wire_sources message = {job->number,
                                      is_turn ? id.round + 1 : id.round,
                                      told->is_pairs ? MR_PHASE_MAP : MR_PHASE_REDUCE,
                                      sources->count,
                                      rows,
                                      0};
    if (!rows) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "starting tasks");
        mr_inside_fail(session->master, &err);
        return;
    }
    do { /* once at least: who reads of no tasks must know that */
        message.sources_count = 0;
        while (told->cursor < sources->change_count && message.sources_count < ROWS_A_MESSAGE) {
            uint32_t task = sources->changes[told->cursor++];
            struct mr_sources_row row = sources->rows[task];
            rows[message.sources_count++] =
                (struct mr_wire_row_source){task, row.attempt, row.attempt ? row.node : 0};
            if (row.attempt) {
                mr_supply_tell_peer(session, row.node);
            }
        }
        mr_sessions_send(session, MR_WIRE_SOURCES, &message);
    } while (told->cursor < sources->change_count);
    free(rows);
}

/* Sees to it that the worker knows, and will go on to know, what an attempt reads. */
static void tell_sources(struct mr_session *session, struct mr_jobs_row *job, uint32_t round,
                         bool is_pairs) {
    struct mr_sessions_told *told = &session->told;
    size_t kept = 0;
    for (size_t i = 0; i < told->source_count; i++) {
        const struct mr_sessions_sources *at = &told->sources[i];
        if (at->job == job->number && at->round == round && at->is_pairs == is_pairs) {
            return;
        }
        if (at->job != job->number || at->round == round) { /* else of a round that is closed */
            told->sources[kept++] = *at;
        }
    }
    told->source_count = kept;
    if (grow(session, (void **)&told->sources, &told->source_capacity, kept,
             sizeof *told->sources)) {
        struct mr_sessions_sources *added = &told->sources[told->source_count++];
        *added = (struct mr_sessions_sources){job->number, round, is_pairs, 0};
        send_changes(session, job, added);
    }
}

void mr_supply_changes(struct mr_master *master) {
    struct mr_session *session = master->sessions.first;
    for (; master->has_changed_sources && session; session = session->after) {
        for (size_t i = 0; session->is_welcome && i < session->told.source_count; i++) {
            struct mr_sessions_sources *told = &session->told.sources[i];
            struct mr_jobs_row *job = mr_jobs_find(&master->jobs, told->job);
            const struct mr_sources *sources = job && !told->is_pairs ? &job->maps : NULL;
            if (sources && sources->round == told->round && told->cursor < sources->change_count) {
                send_changes(session, job, told);
            }
        }
    }
    master->has_changed_sources = false;
}

/* ---- attempts ---------------------------------------------------------------------------------*/

static void send_turn(struct mr_session *session, const struct mr_jobs_row *job,
                      const struct mr_core_attempt *told) {
    struct mr_wire_turn turn = {.job = job->number,
                                .round = told->round,
                                .attempt = told->attempt,
                                .pass = job->pass,
                                .partitions = job->partitions[job->rounds - 1],
                                .state_len = job->state.len,
                                .state_high = job->state.hash.high,
                                .state_low = job->state.hash.low};
    mr_sessions_send(session, MR_WIRE_TURN, &turn);
}

static void send_start(struct mr_session *session, const struct mr_jobs_row *job,
                       const struct mr_core_attempt *attempt) {
    struct mr_master *master = session->master;
    const struct mr_core_attempt told = mr_numbering_outward(job, attempt);
    uint32_t round = mr_numbering_list_round(job, attempt->round);
    bool may_skip = round == 0 && attempt->phase == MR_PHASE_MAP;
    const struct mr_search_task *care =
        mr_search_of(&job->search, may_skip ? attempt->task : MR_CORE_NONE);
    uint64_t shift = 0;
    (void)mr_notes_get_numbers(master->journal, job->number, MR_NOTES_SHIFT,
                               mr_notes_key((uint32_t)attempt->phase, attempt->task), &shift, 1);
    struct mr_wire_start start = {.job = job->number,
                                  .round = told.round,
                                  .phase = told.phase,
                                  .task = told.task,
                                  .attempt = told.attempt,
                                  .partitions = job->partitions[round],
                                  .is_last = mr_numbering_is_last(job, attempt->round),
                                  .care_block = care->block,
                                  .skips = (const void *)care->skips,
                                  .skips_count = care->skip_count,
                                  .pass = job->loops ? job->pass : 0,
                                  .state_len = job->state.len,
                                  .state_high = job->state.hash.high,
                                  .state_low = job->state.hash.low,
                                  .memory_shift = shift};
    mr_sessions_send(session, MR_WIRE_START, &start);
}

/* A START that waits until what it says is durable. */
struct waiting {
    struct mr_session *session;
    struct mr_core_attempt attempt;
};

static void start_waiting(void *arg, bool is_durable) {
    struct waiting *waiting = arg;
    struct mr_session *session = waiting->session;
    struct mr_runs_row *row = mr_runs_find(&session->master->runs, &waiting->attempt);
    if (is_durable && session->is_welcome && row && !row->is_stopping &&
        row->worker.node == session->node->number) {
        mr_supply_start(session, row);
    }
    mr_sessions_unref(session);
    free(waiting);
}

static void start_later(struct mr_session *session, const struct mr_core_attempt *attempt) {
    struct waiting *waiting = malloc(sizeof *waiting);
    if (!waiting) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "starting tasks");
        mr_inside_fail(session->master, &err);
        return;
    }
    *waiting = (struct waiting){session, *attempt};
    mr_sessions_ref(session);
    mr_pen_then(&session->master->pen, start_waiting, waiting);
}

/* The attempt is durable; what else is told with it may be ahead of the disk. */
void mr_supply_start(struct mr_session *session, const struct mr_runs_row *row) {
    struct mr_master *master = session->master;
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, row->attempt.job);
    struct mr_core_job_view view = mr_core_job(master->core, row->attempt.job);
    uint32_t round = row->attempt.round;
    if (!job || job->maps.round != round || !job->maps.is_open || view.round != round ||
        view.state != MR_CORE_JOB_RUNNING) {
        return; /* the round was closed meanwhile: its STOP follows */
    }
    if (job->taught > master->pen.sequence) {
        start_later(session, &row->attempt);
        return;
    }
    bool is_turn = mr_numbering_is_turn(job, round);
    mr_supply_tell_job(session, job);
    if (is_turn) {
        const struct mr_core_attempt told = mr_numbering_outward(job, &row->attempt);
        if (job->pass > 0) {
            tell_sources(session, job, round, true);
        }
        send_turn(session, job, &told);
        return;
    }
    bool is_map = row->attempt.phase == MR_PHASE_MAP;
    if (!is_map || mr_numbering_list_round(job, round) > 0) {
        tell_sources(session, job, round, is_map);
    }
    send_start(session, job, &row->attempt);
}

void mr_supply_stop(struct mr_session *session, const struct mr_core_attempt *attempt) {
    const struct mr_jobs_row *job = mr_jobs_find(&session->master->jobs, attempt->job);
    if (job) {
        const struct mr_core_attempt told = mr_numbering_outward(job, attempt);
        struct mr_wire_stop stop = {told.job, told.round, told.phase, told.task, told.attempt};
        mr_sessions_send(session, MR_WIRE_STOP, &stop);
    }
}

void mr_supply_all(struct mr_session *session) {
    const struct mr_runs *runs = &session->master->runs;
    for (uint32_t i = 0; i < runs->capacity; i++) {
        const struct mr_runs_row *row = &runs->rows[i];
        if (row->is_used && row->worker.node == session->node->number && row->is_stopping) {
            mr_supply_stop(session, &row->attempt);
        } else if (row->is_used && row->worker.node == session->node->number) {
            mr_supply_start(session, row);
        }
    }
}

/* ---- forgetting -------------------------------------------------------------------------------*/

void mr_supply_forget_job(struct mr_master *master, const struct mr_jobs_row *job) {
    struct mr_wire_forget forget = {job->number, job->id};
    for (struct mr_session *session = master->sessions.first; session; session = session->after) {
        struct mr_sessions_told *told = &session->told;
        size_t kept = 0;
        for (size_t i = 0; i < told->job_count; i++) {
            told->jobs[kept] = told->jobs[i];
            kept += told->jobs[i] != job->number;
        }
        told->job_count = kept;
        kept = 0;
        for (size_t i = 0; i < told->source_count; i++) {
            told->sources[kept] = told->sources[i];
            kept += told->sources[i].job != job->number;
        }
        told->source_count = kept;
        if (session->is_welcome) {
            mr_sessions_send(session, MR_WIRE_FORGET, &forget);
        }
    }
}

void mr_supply_forget(struct mr_session *session) {
    session->told.job_count = session->told.source_count = 0;
    if (session->told.peer_capacity) {
        memset(session->told.peers, 0, session->told.peer_capacity * sizeof *session->told.peers);
    }
}
