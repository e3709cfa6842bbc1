/* views: jobs, tasks and nodes as lines for people. */
#include "master/shell/views.h"

#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include <string.h>

/* ---- jobs -------------------------------------------------------------------------------------*/

/* Whether a worker is there that could do so. */
static bool has_worker(const struct mr_master *master, enum mr_core_role role) {
    for (uint32_t i = 0; i < master->roster.count; i++) {
        struct mr_core_node_view view = mr_core_node(master->core, i);
        if (view.state == MR_CORE_NODE_READY && ((int)view.roles & (int)role)) {
            return true;
        }
    }
    return false;
}

static bool runs_maps(const struct mr_master *master, uint32_t job) {
    for (uint32_t i = 0; i < master->runs.capacity; i++) {
        const struct mr_runs_row *row = &master->runs.rows[i];
        if (row->is_used && row->attempt.job == job && row->attempt.phase == MR_PHASE_MAP) {
            return true;
        }
    }
    return false;
}

/* Why nothing of it goes on; NULL: something does, or could. Reduce tasks that run wait for maps.
 */
static const char *why_waiting(const struct mr_master *master, uint32_t job,
                               const struct mr_core_job_view *view, bool *is_queued) {
    bool has_maps = has_worker(master, MR_CORE_MAPS);
    bool has_reduces = has_worker(master, MR_CORE_REDUCES);
    *is_queued = false;
    if (view->state != MR_CORE_JOB_RUNNING) {
        return NULL;
    }
    if (view->running > 0) {
        bool lacks = view->maps_open > 0 && !has_maps && !runs_maps(master, job);
        return lacks ? "no mapper is there" : NULL;
    }
    *is_queued = view->maps_open > 0 ? has_maps : has_reduces;
    if (*is_queued) {
        return "all slots are taken";
    }
    if (!has_maps && !has_reduces) {
        return "no worker is there";
    }
    return view->maps_open > 0 ? "no mapper is there" : "no reducer is there";
}

static const char *why_unpublished(const struct mr_master *master, const struct mr_jobs_row *job) {
    if (job->is_collected) {
        return "its output is to be collected";
    }
    bool lacks = job->publisher == MR_CORE_NONE && !has_worker(master, MR_CORE_REDUCES);
    return lacks ? "no reducer is there to put the output in place" : NULL;
}

static uint64_t bytes_under_way(const struct mr_master *master, const struct mr_jobs_row *job,
                                uint32_t round) {
    uint64_t bytes = 0;
    bool reads_input =
        !mr_numbering_is_turn(job, round) && mr_numbering_list_round(job, round) == 0;
    for (uint32_t i = 0; reads_input && i < master->runs.capacity; i++) {
        const struct mr_runs_row *row = &master->runs.rows[i];
        if (row->is_used && row->attempt.job == job->number && row->attempt.phase == MR_PHASE_MAP &&
            row->attempt.attempt == 1) {
            bytes += row->bytes;
        }
    }
    return bytes;
}

static void name_state(const struct mr_master *master, const struct mr_jobs_row *job,
                       const struct mr_core_job_view *view, struct mr_wire_row_job_line *line) {
    static const char *const names[MR_CORE_JOB_STATES] = {
        [MR_CORE_JOB_UNKNOWN] = "stopping",  [MR_CORE_JOB_RUNNING] = "running",
        [MR_CORE_JOB_CLOSING] = "closing",   [MR_CORE_JOB_PUBLISHING] = "publishing",
        [MR_CORE_JOB_STOPPING] = "stopping", [MR_CORE_JOB_FINISHED] = "stopping"};
    bool is_queued = false;
    line->state = names[view->state];
    line->why = why_waiting(master, job->number, view, &is_queued);
    if (line->why) {
        line->state = is_queued ? "queued" : "waiting";
    } else if (view->state == MR_CORE_JOB_PUBLISHING) {
        line->state = job->is_collected ? "uncollected" : line->state;
        line->why = why_unpublished(master, job);
    }
}

struct mr_wire_row_job_line mr_views_job(const struct mr_master *master,
                                         const struct mr_jobs_row *job) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    bool is_turn = mr_numbering_is_turn(job, view.round);
    uint64_t now = mr_inside_wall_ms();
    uint64_t bytes = job->bytes_done + bytes_under_way(master, job, view.round);
    struct mr_wire_row_job_line line = {
        .job = job->number,
        .id = job->id,
        .label = job->label,
        .round = is_turn ? job->rounds - 1 : mr_numbering_list_round(job, view.round),
        .rounds = job->rounds,
        .pass = job->pass,
        .map_tasks = view.map_tasks,
        .maps_done = view.map_tasks - view.maps_open,
        .reduce_tasks = view.reduce_tasks,
        .reduces_done = view.reduce_tasks - view.reduces_open,
        .running = view.running,
        .failed = job->failed,
        .bytes_done = bytes < job->input_bytes ? bytes : job->input_bytes,
        .bytes_total = job->input_bytes,
        .seconds_us = now > job->submitted_wall_ms ? (now - job->submitted_wall_ms) * 1000 : 0};
    name_state(master, job, &view, &line);
    return line;
}

const char *mr_views_end_word(int status) {
    return status == MR_ERR_INTERRUPTED ? "cancelled" : status ? "failed" : "done";
}

struct mr_wire_row_job_line mr_views_ended(const struct mr_history_row *ended) {
    uint64_t lasted = ended->ended_wall_ms > ended->submitted_wall_ms
                          ? ended->ended_wall_ms - ended->submitted_wall_ms
                          : 0;
    return (struct mr_wire_row_job_line){.job = ended->number,
                                         .id = ended->id,
                                         .label = ended->label,
                                         .state = mr_views_end_word(ended->status),
                                         .round = ended->last.round,
                                         .rounds = ended->last.rounds,
                                         .pass = ended->last.pass,
                                         .map_tasks = ended->last.map_tasks,
                                         .maps_done = ended->last.maps_done,
                                         .reduce_tasks = ended->last.reduce_tasks,
                                         .reduces_done = ended->last.reduces_done,
                                         .failed = ended->last.failed,
                                         .bytes_done = ended->input_bytes,
                                         .bytes_total = ended->input_bytes,
                                         .records = ended->records,
                                         .skipped = ended->skipped,
                                         .seconds_us = lasted * 1000,
                                         .status = (uint64_t)-ended->status,
                                         .why = ended->status ? ended->why : NULL};
}

bool mr_views_find(const struct mr_master *master, uint32_t number,
                   struct mr_wire_row_job_line *line) {
    const struct mr_jobs_row *job = mr_jobs_find(&master->jobs, number);
    const struct mr_history_row *ended = mr_history_find(&master->jobs.history, number);
    if (job) {
        *line = mr_views_job(master, job);
    } else if (ended) {
        *line = mr_views_ended(ended);
    }
    return job || ended;
}

/* ---- tasks ------------------------------------------------------------------------------------*/

static const char *name_of(const struct mr_master *master, uint32_t number) {
    const struct mr_roster_node *node = mr_roster_at(&master->roster, number);
    return node ? node->name : NULL;
}

static struct mr_wire_row_task_line view_task(const struct mr_master *master,
                                              const struct mr_jobs_row *job, uint32_t round,
                                              enum mr_phase phase, uint32_t task) {
    struct mr_core_attempt id = {job->number, round, phase, task, 0};
    const struct mr_core_attempt told = mr_numbering_outward(job, &id);
    struct mr_core_winner winner = mr_core_winner(master->core, job->number, phase, task);
    const char *text = mr_notes_text(master->journal, job->number, MR_NOTES_FAILURE,
                                     mr_notes_key((uint32_t)phase, task));
    const char *why = text ? strchr(text, '\n') : NULL;
    bool is_timed = job->maps.round == round && task < job->spent_count[phase];
    return (struct mr_wire_row_task_line){
        .round = told.round,
        .phase = told.phase,
        .task = task,
        .attempt = winner.attempt,
        .state = winner.attempt ? "done" : "ready",
        .node = winner.attempt ? name_of(master, winner.worker.node) : NULL,
        .seconds_us = is_timed ? (uint64_t)job->spent_ms[phase][task] * 1000 : 0,
        .permille = winner.attempt ? 1000 : 0,
        .why = why ? why + 1 : NULL};
}

/* Fills in what runs, in one pass through all that runs. */
static void view_runs(const struct mr_master *master, const struct mr_jobs_row *job,
                      struct mr_wire_row_task_line *lines, size_t count,
                      const struct mr_core_job_view *view, uint64_t from) {
    for (uint32_t i = 0; i < master->runs.capacity; i++) {
        const struct mr_runs_row *row = &master->runs.rows[i];
        uint64_t at = row->attempt.task +
                      (row->attempt.phase == MR_PHASE_REDUCE ? (uint64_t)view->map_tasks : 0);
        if (!row->is_used || row->attempt.job != job->number || row->attempt.round != view->round ||
            at < from || at - from >= count) {
            continue;
        }
        struct mr_wire_row_task_line *line = &lines[at - from];
        if (strcmp(line->state, "done") != 0 && row->attempt.attempt > line->attempt) {
            line->state = "running";
            line->attempt = row->attempt.attempt;
            line->node = name_of(master, row->worker.node);
            line->permille = row->permille;
            line->seconds_us = (uv_now(master->loop) - row->started_ms) * 1000;
        }
    }
}

size_t mr_views_tasks(const struct mr_master *master, const struct mr_jobs_row *job, uint64_t from,
                      struct mr_wire_row_task_line *lines, size_t most) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    uint64_t all = (uint64_t)view.map_tasks + view.reduce_tasks;
    size_t count = 0;
    for (uint64_t at = from; at < all && count < most; at++) {
        bool is_map = at < view.map_tasks;
        lines[count++] = view_task(master, job, view.round, is_map ? MR_PHASE_MAP : MR_PHASE_REDUCE,
                                   (uint32_t)(is_map ? at : at - view.map_tasks));
    }
    view_runs(master, job, lines, count, &view, from);
    return count;
}

/* ---- nodes ------------------------------------------------------------------------------------*/

struct mr_wire_row_node_line mr_views_node(const struct mr_master *master,
                                           const struct mr_roster_node *node) {
    static const char *const names[MR_CORE_NODE_STATES] = {[MR_CORE_NODE_GONE] = "gone",
                                                           [MR_CORE_NODE_READY] = "ready",
                                                           [MR_CORE_NODE_DRAINING] = "draining",
                                                           [MR_CORE_NODE_SET_ASIDE] = "set aside"};
    struct mr_core_node_view view = mr_core_node(master->core, node->number);
    uint64_t heard = 0;
    if (node->session && node->session->conn) {
        heard = uv_now(master->loop) - mr_conn_heard_ms(node->session->conn);
    }
    return (struct mr_wire_row_node_line){.node = node->number,
                                          .name = node->name,
                                          .state = names[view.state],
                                          .roles = (uint64_t)view.roles,
                                          .slots = view.slots,
                                          .busy = view.busy,
                                          .held = view.held,
                                          .address = node->address,
                                          .heard_ms = heard};
}

uint32_t mr_views_ready(const struct mr_master *master) {
    uint32_t ready = 0;
    for (uint32_t i = 0; i < master->roster.count; i++) {
        ready += mr_core_node(master->core, i).state == MR_CORE_NODE_READY;
    }
    return ready;
}
