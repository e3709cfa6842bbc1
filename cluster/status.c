/* status: `millrace status [JOB]`: shows the jobs of a cluster, or one with its tasks. */
#include "cluster/status.h"

#include "cluster/connect.h"
#include "cluster/json.h"
#include "cluster/table.h"
#include "lib/client/ask.h"
#include "lib/term/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const job_columns[] = {"JOB",     "ID",     "STATE", "ROUND",   "MAPS",
                                          "REDUCES", "FAILED", "TIME",  "COMMAND", NULL};
static const char *const task_columns[] = {"TASK", "ROUND", "STATE", "ATTEMPT",
                                           "NODE", "TIME",  "CAUSE", NULL};

struct state {
    bool json;
    bool is_one;           /* job, with its tasks */
    struct mr_page page;   /* JSON */
    struct mr_page tail;   /* its list of tasks */
    struct mr_page causes; /* why jobs fail or wait */
    struct mr_table jobs;
    struct mr_table tasks;
};

static void restart(void *arg) {
    struct state *state = arg;
    state->page.text.len = 0;
    state->tail.text.len = 0;
    state->causes.text.len = 0;
    mr_table_clear(&state->jobs);
    mr_table_clear(&state->tasks);
}

static void seconds_text(char *out, size_t size, uint64_t microseconds) {
    mr_units_seconds(out, size, (double)microseconds / 1e6);
}

/* ---- jobs -------------------------------------------------------------------------------------*/

static void job_json(struct mr_page *page, const struct mr_wire_row_job_line *line) {
    mr_json_open(page, NULL, '{');
    mr_json_number(page, "job", line->job);
    mr_json_text(page, "id", line->id);
    mr_json_text(page, "command", line->label);
    mr_json_text(page, "state", line->state);
    mr_json_number(page, "round", line->round + 1);
    mr_json_number(page, "rounds", line->rounds);
    mr_json_number(page, "pass", line->pass);
    mr_json_number(page, "map_tasks", line->map_tasks);
    mr_json_number(page, "maps_done", line->maps_done);
    mr_json_number(page, "reduce_tasks", line->reduce_tasks);
    mr_json_number(page, "reduces_done", line->reduces_done);
    mr_json_number(page, "running", line->running);
    mr_json_number(page, "failed_attempts", line->failed);
    mr_json_number(page, "bytes_done", line->bytes_done);
    mr_json_number(page, "bytes_total", line->bytes_total);
    mr_json_number(page, "records_read", line->records);
    mr_json_number(page, "records_skipped", line->skipped);
    mr_json_seconds(page, "seconds", line->seconds_us);
    mr_json_number(page, "status", line->status);
    mr_json_text(page, "why", line->why);
}

static int job_row(struct state *state, const struct mr_wire_row_job_line *line,
                   struct mr_error *err) {
    char number[32];
    char id[16];
    char round[64];
    char maps[64];
    char reduces[64];
    char failed[32];
    char time[MR_UNITS_TEXT_MAX];
    snprintf(number, sizeof number, "%" PRIu64, line->job);
    snprintf(id, sizeof id, "%.8s", line->id ? line->id : "");
    bool is_known = line->map_tasks + line->reduce_tasks > 0; /* not of one that has long ended */
    if (line->pass) {
        snprintf(round, sizeof round, "pass %" PRIu64, line->pass);
    } else {
        snprintf(round, sizeof round, "%" PRIu64 "/%" PRIu64, line->round + 1, line->rounds);
    }
    snprintf(maps, sizeof maps, "%" PRIu64 "/%" PRIu64, line->maps_done, line->map_tasks);
    snprintf(reduces, sizeof reduces, "%" PRIu64 "/%" PRIu64, line->reduces_done,
             line->reduce_tasks);
    snprintf(failed, sizeof failed, "%" PRIu64, line->failed);
    seconds_text(time, sizeof time, line->seconds_us);
    const char *const cells[] = {number,
                                 id,
                                 line->state,
                                 is_known ? round : NULL,
                                 is_known ? maps : NULL,
                                 is_known ? reduces : NULL,
                                 failed,
                                 time,
                                 line->label};
    bool is_cancelled = strcmp(line->state ? line->state : "", "cancelled") == 0;
    if (line->why && !is_cancelled) { /* which says it all */
        bool is_uncollected = line->state && strcmp(line->state, "uncollected") == 0;
        mr_page_printf(&state->causes, "job %s %s: %s%s%s%s\n", number,
                       line->status ? "failed" : "waits", line->why,
                       is_uncollected ? ": millrace wait " : "", is_uncollected ? number : "",
                       is_uncollected ? " --collect" : "");
    }
    return mr_table_add(&state->jobs, cells, err);
}

static int add_job(struct state *state, const struct mr_wire_row_job_line *line,
                   struct mr_error *err) {
    if (!state->json) {
        return job_row(state, line, err);
    }
    job_json(&state->page, line);
    if (!state->is_one) {
        mr_json_close(&state->page, '{');
    }
    return MR_OK;
}

/* ---- tasks ------------------------------------------------------------------------------------*/

static void task_name(char *out, size_t size, const struct mr_wire_row_task_line *line) {
    static const char *const phases[] = {"map", "reduce", "loop"};
    snprintf(out, size, "%s-%" PRIu64, phases[line->phase % 3], line->task);
}

static int add_task(struct state *state, const struct mr_wire_row_task_line *line,
                    struct mr_error *err) {
    char name[32];
    char round[32];
    char attempt[32];
    char time[MR_UNITS_TEXT_MAX];
    task_name(name, sizeof name, line);
    if (state->json) {
        struct mr_page *page = &state->tail;
        mr_json_open(page, NULL, '{');
        mr_json_text(page, "task", name);
        mr_json_number(page, "round", line->round + 1);
        mr_json_text(page, "state", line->state);
        mr_json_number(page, "attempt", line->attempt);
        mr_json_text(page, "node", line->node);
        mr_json_seconds(page, "seconds", line->seconds_us);
        mr_json_number(page, "permille", line->permille);
        mr_json_text(page, "why", line->why);
        mr_json_close(page, '{');
        return MR_OK;
    }
    snprintf(round, sizeof round, "%" PRIu64, line->round + 1);
    snprintf(attempt, sizeof attempt, "%" PRIu64, line->attempt);
    seconds_text(time, sizeof time, line->seconds_us);
    const char *const cells[] = {name,
                                 round,
                                 line->state,
                                 line->attempt ? attempt : NULL,
                                 line->node,
                                 line->seconds_us ? time : NULL,
                                 line->why ? line->why : ""};
    return mr_table_add(&state->tasks, cells, err);
}

static int take(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    struct state *state = arg;
    const struct mr_wire_jobs *message = &answer->jobs_;
    for (size_t i = 0; i < message->jobs_count && !err->code; i++) {
        (void)!add_job(state, &message->jobs[i], err);
    }
    for (size_t i = 0; i < message->tasks_count && !err->code; i++) {
        (void)!add_task(state, &message->tasks[i], err);
    }
    return err->code ? err->code : !message->follows;
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int show_json(struct state *state, struct mr_error *err) {
    struct mr_page all = {.err = err};
    const char *jobs = state->page.text.len ? state->page.text.data : "";
    const char *tasks = state->tail.text.len ? state->tail.text.data : "";
    int jobs_len = (int)state->page.text.len;
    int tasks_len = (int)state->tail.text.len;
    if (state->is_one) {
        mr_page_printf(&all, "%.*s, \"tasks\": [%.*s]}\n", jobs_len, jobs, tasks_len, tasks);
    } else {
        mr_page_printf(&all, "[%.*s]\n", jobs_len, jobs);
    }
    int status = mr_page_write(&all, STDOUT_FILENO, "standard output");
    mr_page_fini(&all);
    return status;
}

static int show_text(struct state *state, struct mr_error *err) {
    struct mr_page all = {.err = err};
    if (state->jobs.count == 0) {
        mr_page_put(&all, "no jobs: millrace submit has one run\n");
    } else {
        mr_table_print(&state->jobs, &all);
    }
    mr_page_printf(&all, "%.*s", (int)state->causes.text.len,
                   state->causes.text.len ? state->causes.text.data : "");
    if (state->tasks.count > 0) {
        mr_page_put(&all, "\n");
        mr_table_print(&state->tasks, &all);
    }
    int status = mr_page_write(&all, STDOUT_FILENO, "standard output");
    mr_page_fini(&all);
    return status;
}

int mr_status_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[MR_CONNECT_OPTIONS_MAX] = {{0}};
    struct mr_client *client = NULL;
    if (mr_connect_begin(command, args, 1, NULL, values, &client, err) || !client) {
        return err->code;
    }
    struct state state = {.json = mr_commands_value(command, values, "json")->given,
                          .is_one = args[0] != NULL,
                          .page = {.err = err},
                          .tail = {.err = err},
                          .causes = {.err = err},
                          .jobs = {.columns = job_columns},
                          .tasks = {.columns = task_columns}};
    struct mr_wire_ask_jobs question = {.job = args[0], .tasks = args[0] != NULL};
    struct mr_ask ask = {.question = MR_WIRE_ASK_JOBS,
                         .message = &question,
                         .answer = MR_WIRE_JOBS,
                         .take = take,
                         .restart = restart,
                         .arg = &state};
    if (!mr_ask(client, &ask, err)) {
        (void)!(state.json ? show_json(&state, err) : show_text(&state, err));
    }
    mr_table_fini(&state.jobs);
    mr_table_fini(&state.tasks);
    mr_page_fini(&state.page);
    mr_page_fini(&state.tail);
    mr_page_fini(&state.causes);
    return mr_connect_close(client, err);
}
