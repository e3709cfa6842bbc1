/* jobs: the jobs that have not ended. */
#include "master/shell/jobs.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "master/shell/notes.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a job ------------------------------------------------------------------------------------*/

void mr_jobs_destroy(struct mr_jobs_row *row) {
    if (!row) {
        return;
    }
    for (uint32_t i = 0; row->round_names && i < row->rounds; i++) {
        free(row->round_names[i]);
    }
    for (size_t i = 0; i < MR_JOBS_NEWS; i++) {
        free(row->news.lines[i]);
    }
    free(row->round_names);
    free(row->partitions);
    free(row->blobs);
    free(row->label);
    free(row->output);
    free(row->cached);
    free(row->lost_text);
    free(row->spent_ms[0]);
    free(row->spent_ms[1]);
    mr_search_fini(&row->search);
    mr_names_fini(&row->lines);
    mr_sources_fini(&row->maps);
    mr_sources_fini(&row->pairs);
    free(row);
}

static int take_blobs(struct mr_jobs_row *row, const struct mr_spec *spec, struct mr_error *err) {
    row->blobs = calloc(spec->params_count + 1, sizeof *row->blobs);
    if (!row->blobs) {
        return mr_error_nomem(err, "taking up a job");
    }
    if (spec->plugin_high || spec->plugin_low) {
        row->blobs[row->blob_count++] = (struct mr_hash_128){spec->plugin_high, spec->plugin_low};
    }
    for (size_t i = 0; i < spec->params_count; i++) {
        if (spec->params[i].is_file) {
            row->blobs[row->blob_count++] =
                (struct mr_hash_128){spec->params[i].file_high, spec->params[i].file_low};
        }
    }
    return MR_OK;
}

static int take_rounds(struct mr_jobs_row *row, const struct mr_spec *spec, struct mr_error *err) {
    row->rounds = (uint32_t)spec->rounds_count;
    row->partitions = calloc(row->rounds, sizeof *row->partitions);
    row->round_names = calloc(row->rounds, sizeof *row->round_names);
    bool has_all = row->partitions && row->round_names;
    for (uint32_t i = 0; has_all && i < row->rounds; i++) {
        row->partitions[i] = (uint32_t)spec->rounds[i].partitions;
        row->round_names[i] = strdup(spec->rounds[i].name ? spec->rounds[i].name : "");
        has_all = row->round_names[i] != NULL;
    }
    return has_all ? MR_OK : mr_error_nomem(err, "taking up a job");
}

static int take_splits(struct mr_jobs_row *row, const struct mr_spec *spec, struct mr_error *err) {
    row->splits = (uint32_t)spec->splits_count;
    row->cached = calloc((size_t)row->splits + 1, sizeof *row->cached);
    if (!row->cached) {
        return mr_error_nomem(err, "taking up a job");
    }
    for (uint32_t i = 0; i < row->splits; i++) {
        row->cached[i] = MR_CORE_NONE;
    }
    for (size_t i = 0; i < spec->inputs_count; i++) {
        row->input_bytes += spec->inputs[i].size;
    }
    return MR_OK;
}

static int check_spec(const struct mr_spec *spec, struct mr_error *err) {
    if (spec->rounds_count == 0 || spec->max_attempts == 0 ||
        spec->splits_count > MR_CORE_TASKS_MAX) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "a job has at least one round and one attempt, and at most %u splits",
                            MR_CORE_TASKS_MAX);
    }
    for (size_t i = 0; i < spec->rounds_count; i++) {
        if (spec->rounds[i].partitions == 0 || spec->rounds[i].partitions > MR_CORE_TASKS_MAX) {
            return mr_error_set(err, MR_ERR_USAGE, "a round has 1 to %u partitions",
                                MR_CORE_TASKS_MAX);
        }
    }
    return MR_OK;
}

int mr_jobs_make(const struct mr_spec *spec, const char *id, struct mr_hash_128 hash,
                 struct mr_jobs_row **row, struct mr_error *err) {
    if (check_spec(spec, err)) {
        return err->code;
    }
    struct mr_jobs_row *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "taking up a job");
    }
    *made = (struct mr_jobs_row){.spec = hash,
                                 .max_attempts = (uint32_t)spec->max_attempts,
                                 .weight = (uint32_t)spec->weight,
                                 .loops = spec->loops != 0,
                                 .is_strict = spec->is_strict != 0,
                                 .is_collected = spec->output == NULL,
                                 .started_seconds = spec->started_seconds,
                                 .started_nanoseconds = spec->started_nanoseconds,
                                 .publisher = MR_CORE_NONE,
                                 .published_last = MR_CORE_NONE};
    snprintf(made->id, sizeof made->id, "%s", id);
    mr_search_init(&made->search, (uint32_t)spec->splits_count, (uint32_t)spec->skip_bad_records);
    made->label = strdup(spec->label ? spec->label : "");
    made->output = spec->output ? strdup(spec->output) : NULL;
    if (!made->label || (spec->output && !made->output)) {
        mr_error_nomem(err, "taking up a job");
    }
    if (err->code || take_rounds(made, spec, err) || take_splits(made, spec, err) ||
        take_blobs(made, spec, err)) {
        mr_jobs_destroy(made);
        return err->code;
    }
    *row = made;
    return MR_OK;
}

void mr_jobs_tell(struct mr_jobs_row *job, const char *format, ...) {
    char text[MR_WIRE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *line = strdup(text);
    char **place = &job->news.lines[job->news.count % MR_JOBS_NEWS];
    if (line) {
        free(*place);
        *place = line;
        job->news.count++;
        job->is_dirty = true;
    }
}

/* ---- the lists --------------------------------------------------------------------------------*/

void mr_jobs_fini(struct mr_jobs *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        mr_jobs_destroy(jobs->rows[i]);
    }
    mr_history_fini(&jobs->history);
    free(jobs->rows);
    *jobs = (struct mr_jobs){0};
}

int mr_jobs_add(struct mr_jobs *jobs, struct mr_jobs_row *row, struct mr_error *err) {
    if (jobs->count == jobs->capacity) {
        size_t capacity = 2 * jobs->capacity + 8;
        struct mr_jobs_row **rows = realloc(jobs->rows, capacity * sizeof *rows);
        if (!rows) {
            return mr_error_nomem(err, "taking up a job");
        }
        jobs->rows = rows;
        jobs->capacity = capacity;
    }
    jobs->rows[jobs->count++] = row;
    jobs->history.last_number =
        row->number > jobs->history.last_number ? row->number : jobs->history.last_number;
    return MR_OK;
}

/* Where the number is, or would be. */
static size_t place_of(const struct mr_jobs *jobs, uint32_t number) {
    size_t begin = 0;
    size_t end = jobs->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (jobs->rows[middle]->number < number) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

struct mr_jobs_row *mr_jobs_find(const struct mr_jobs *jobs, uint32_t number) {
    size_t at = place_of(jobs, number);
    return at < jobs->count && jobs->rows[at]->number == number ? jobs->rows[at] : NULL;
}

void mr_jobs_remove(struct mr_jobs *jobs, struct mr_jobs_row *row) {
    size_t at = place_of(jobs, row->number);
    jobs->count--;
    memmove(&jobs->rows[at], &jobs->rows[at + 1], (jobs->count - at) * sizeof *jobs->rows);
    mr_jobs_destroy(row);
}

struct mr_jobs_row *mr_jobs_find_id(const struct mr_jobs *jobs, const char *id) {
    for (size_t i = 0; i < jobs->count; i++) {
        if (strcmp(jobs->rows[i]->id, id) == 0) {
            return jobs->rows[i];
        }
    }
    return NULL;
}

uint32_t mr_jobs_resolve(const struct mr_jobs *jobs, const char *text, struct mr_error *err) {
    uint64_t number;
    uint32_t found = 0;
    uint32_t matches = 0;
    if (mr_number_read_u64(text, &number) && number > 0 && number <= UINT32_MAX &&
        (mr_jobs_find(jobs, (uint32_t)number) ||
         mr_history_find(&jobs->history, (uint32_t)number))) {
        return (uint32_t)number;
    }
    size_t len = strlen(text);
    for (size_t i = 0; len > 0 && i < jobs->count + jobs->history.count; i++) {
        bool is_row = i < jobs->count;
        const char *id = is_row ? jobs->rows[i]->id : jobs->history.rows[i - jobs->count]->id;
        if (strncmp(id, text, len) == 0) {
            found = is_row ? jobs->rows[i]->number : jobs->history.rows[i - jobs->count]->number;
            matches++;
        }
    }
    if (matches != 1) {
        mr_error_set(err, MR_ERR_USAGE,
                     matches ? "\"%.100s\" is what the ids of several jobs begin with"
                             : "the cluster knows no job \"%.100s\"",
                     text);
        return 0;
    }
    return found;
}

int mr_jobs_give_up(struct mr_jobs_row *job, struct mr_journal *journal, const struct mr_error *why,
                    struct mr_error *err) {
    job->give_up = *why;
    return mr_notes_put_error(journal, job->number, MR_NOTES_WHY, why, err);
}

/* ---- blobs ------------------------------------------------------------------------------------*/

static bool is_in_manifest(const struct mr_journal *journal, uint32_t job,
                           struct mr_hash_128 hash) {
    uint64_t names[6];
    bool is_there = mr_notes_get_numbers(journal, job, MR_NOTES_MANIFEST, 0, names, 6);
    for (size_t i = 0; is_there && i < 6; i += 2) {
        if (mr_hash_128_is((struct mr_hash_128){names[i], names[i + 1]}, hash)) {
            return true;
        }
    }
    return false;
}

bool mr_jobs_names(const struct mr_jobs *jobs, const struct mr_journal *journal,
                   struct mr_hash_128 hash) {
    for (size_t i = 0; i < jobs->count; i++) {
        const struct mr_jobs_row *job = jobs->rows[i];
        if (mr_hash_128_is(job->spec, hash) || mr_hash_128_is(job->state.hash, hash) ||
            mr_names_has(&job->lines, hash) || is_in_manifest(journal, job->number, hash)) {
            return true;
        }
        for (size_t at = 0; at < job->blob_count; at++) {
            if (mr_hash_128_is(job->blobs[at], hash)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < jobs->history.count; i++) {
        if (mr_hash_128_is(jobs->history.rows[i]->manifest, hash) ||
            mr_hash_128_is(jobs->history.rows[i]->log, hash)) {
            return true;
        }
    }
    return false;
}
