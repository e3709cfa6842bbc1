/* jobs: the jobs that have not ended, and those that ended last. */
#include "master/shell/jobs.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "master/shell/notes.h"
#include <endian.h>
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
    free(row->cached);
    free(row->lost_text);
    free(row->spent_ms[0]);
    free(row->spent_ms[1]);
    mr_suspects_fini(&row->suspects);
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
                                 .skip_max = (uint32_t)spec->skip_bad_records,
                                 .loops = spec->loops != 0,
                                 .is_strict = spec->is_strict != 0,
                                 .is_collected = spec->output == NULL,
                                 .started_seconds = spec->started_seconds,
                                 .started_nanoseconds = spec->started_nanoseconds,
                                 .publisher = MR_CORE_NONE,
                                 .published_last = MR_CORE_NONE};
    snprintf(made->id, sizeof made->id, "%s", id);
    made->label = strdup(spec->label ? spec->label : "");
    if (!made->label) {
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

static void destroy_ended(struct mr_jobs_ended *ended) {
    if (ended) {
        free(ended->label);
        free(ended->why);

        free(ended);
    }
}

void mr_jobs_fini(struct mr_jobs *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        mr_jobs_destroy(jobs->rows[i]);
    }
    for (size_t i = 0; i < jobs->ended_count; i++) {
        destroy_ended(jobs->ended[i]);
    }
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
    jobs->last_number = row->number > jobs->last_number ? row->number : jobs->last_number;
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

struct mr_jobs_ended *mr_jobs_find_ended(const struct mr_jobs *jobs, uint32_t number) {
    for (size_t i = 0; i < jobs->ended_count; i++) {
        if (jobs->ended[i]->number == number) {
            return jobs->ended[i];
        }
    }
    return NULL;
}

struct mr_jobs_ended *mr_jobs_find_ended_id(const struct mr_jobs *jobs, const char *id) {
    for (size_t i = 0; i < jobs->ended_count; i++) {
        if (strcmp(jobs->ended[i]->id, id) == 0) {
            return jobs->ended[i];
        }
    }
    return NULL;
}

uint32_t mr_jobs_resolve(const struct mr_jobs *jobs, const char *text, struct mr_error *err) {
    uint64_t number;
    uint32_t found = 0;
    uint32_t matches = 0;
    if (mr_number_read_u64(text, &number) && number > 0 && number <= UINT32_MAX &&
        (mr_jobs_find(jobs, (uint32_t)number) || mr_jobs_find_ended(jobs, (uint32_t)number))) {
        return (uint32_t)number;
    }
    size_t len = strlen(text);
    for (size_t i = 0; len > 0 && i < jobs->count + jobs->ended_count; i++) {
        bool is_row = i < jobs->count;
        const char *id = is_row ? jobs->rows[i]->id : jobs->ended[i - jobs->count]->id;
        if (strncmp(id, text, len) == 0) {
            found = is_row ? jobs->rows[i]->number : jobs->ended[i - jobs->count]->number;
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
    struct mr_buffer text = {0};
    job->give_up = *why;
    if (!mr_buffer_printf(&text, err, "%s\n%s", mr_error_name(why->code), why->text)) {
        (void)!mr_journal_put(journal, job->number, MR_NOTES_WHY, 0, text.data, text.len, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

/* ---- those that ended -------------------------------------------------------------------------*/

/* Of "ERR_IO". */
static int status_of(const char *name, size_t len) {
    for (int status = 0; status > -64; status--) {
        const char *known = mr_error_name(status);
        if (known && strlen(known) == len && strncmp(known, name, len) == 0) {
            return status;
        }
    }
    return MR_ERR_INTERNAL;
}

static int fill_ended(struct mr_jobs_ended *ended, const struct mr_journal *journal,
                      struct mr_error *err) {
    uint32_t number = ended->number;
    uint64_t times[2] = {0, 0};
    uint64_t manifest[6] = {0};
    uint64_t log[7] = {0};
    const char *id = mr_notes_text(journal, number, MR_NOTES_ID, 0);
    const char *label = mr_notes_text(journal, number, MR_NOTES_LABEL, 0);
    const char *end = mr_notes_text(journal, number, MR_NOTES_END, 0);
    const char *why = end ? strchr(end, '\n') : NULL;
    snprintf(ended->id, sizeof ended->id, "%s", id ? id : "");
    ended->label = strdup(label ? label : "");
    ended->why = strdup(why ? why + 1 : "");
    ended->status = why ? status_of(end, (size_t)(why - end)) : MR_ERR_INTERNAL;
    if (mr_notes_get_numbers(journal, number, MR_NOTES_TIMES, 0, times, 2)) {
        ended->submitted_wall_ms = times[0];
        ended->ended_wall_ms = times[1];
    }
    if (mr_notes_get_numbers(journal, number, MR_NOTES_MANIFEST, 0, manifest, 6)) {
        ended->manifest = (struct mr_hash_128){manifest[0], manifest[1]};
    }
    if (mr_notes_get_numbers(journal, number, MR_NOTES_LOG, 0, log, 7)) {
        ended->log = (struct mr_hash_128){log[0], log[1]};
        ended->log_attempt = (struct mr_core_attempt){
            number, (uint32_t)log[2], (enum mr_phase)log[3], (uint32_t)log[4], (uint32_t)log[5]};
        ended->log_node = (uint32_t)log[6];
    }
    return ended->label && ended->why ? MR_OK : mr_error_nomem(err, "listing jobs that ended");
}

int mr_jobs_take_ended(struct mr_jobs *jobs, const struct mr_journal *journal, uint32_t number,
                       uint32_t *forgotten, struct mr_error *err) {
    struct mr_jobs_ended *ended = calloc(1, sizeof *ended);
    *forgotten = 0;
    if (!ended) {
        return mr_error_nomem(err, "listing jobs that ended");
    }
    ended->number = number;
    if (fill_ended(ended, journal, err)) {
        destroy_ended(ended);
        return err->code;
    }
    if (jobs->ended_count == MR_CORE_HISTORY) {
        /* The last number stays: after a restart the next job's is counted from it. */
        size_t at = jobs->ended[0]->number == jobs->last_number;
        *forgotten = jobs->ended[at]->number;
        destroy_ended(jobs->ended[at]);
        jobs->ended_count--;
        memmove(jobs->ended + at, jobs->ended + at + 1,
                (jobs->ended_count - at) * sizeof *jobs->ended);
    }
    jobs->ended[jobs->ended_count++] = ended;
    jobs->last_number = number > jobs->last_number ? number : jobs->last_number;
    return MR_OK;
}

/* ---- after a restart --------------------------------------------------------------------------*/

static int load_winners(struct mr_jobs_row *job, struct mr_journal *journal, struct mr_error *err) {
    const struct mr_core *core = mr_journal_core(journal);
    struct mr_core_job_view view = mr_core_job(core, job->number);
    if (mr_jobs_open_round(job, journal, view.round, &view, err)) {
        return err->code;
    }
    for (uint32_t task = 0; task < view.map_tasks && !err->code; task++) {
        struct mr_core_winner winner = mr_core_winner(core, job->number, MR_PHASE_MAP, task);
        struct mr_sources_row row = {winner.attempt, winner.worker.node};
        if (winner.attempt) {
            (void)!mr_sources_set(&job->maps, task, row, err);
        }
    }
    return err->code;
}

static void load_why(struct mr_jobs_row *job, const struct mr_journal *journal) {
    const char *text = mr_notes_text(journal, job->number, MR_NOTES_WHY, 0);
    const char *why = text ? strchr(text, '\n') : NULL;
    if (why) {
        mr_error_set(&job->give_up, status_of(text, (size_t)(why - text)), "%s", why + 1);
    }
}

static int load_state(struct mr_jobs_row *job, struct mr_journal *journal, struct mr_error *err) {
    uint64_t pass[5] = {0};
    uint64_t times[1] = {0};
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job->number, MR_NOTES_MAP, &count);
    if (mr_notes_get_numbers(journal, job->number, MR_NOTES_PASS, 0, pass, 5)) {
        job->pass = pass[0];
        job->again = pass[4] != 0;
        job->state = (struct mr_jobs_blob){{pass[1], pass[2]}, pass[3]};
    }
    if (mr_notes_get_numbers(journal, job->number, MR_NOTES_TIMES, 0, times, 1)) {
        job->submitted_wall_ms = times[0];
    }
    load_why(job, journal);
    for (size_t i = 0; i < count && !err->code; i++) {
        struct mr_account account = {0};
        if (!mr_account_get(&account, facts[i].bytes, facts[i].len, err)) {
            job->bytes_done += account.bytes_read;
        }
        mr_account_fini(&account);
    }
    return err->code || mr_suspects_load(&job->suspects, journal, job->number, err) ||
                   load_winners(job, journal, err)
               ? err->code
               : MR_OK;
}

static int load_job(struct mr_jobs *jobs, uint32_t number, struct mr_journal *journal,
                    struct mr_blobs *blobs, struct mr_error *err) {
    uint64_t hash[2];
    const char *id = mr_notes_text(journal, number, MR_NOTES_ID, 0);
    struct mr_jobs_row *row = NULL;
    struct mr_buffer bytes = {0};
    struct mr_layout_held held = {0};
    struct mr_spec spec;
    if (!id || !mr_notes_get_numbers(journal, number, MR_NOTES_SPEC, 0, hash, 2)) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "the journal is damaged: it does not tell what job %u is", number);
    }
    if (!mr_blobs_read(blobs, (struct mr_hash_128){hash[0], hash[1]}, &bytes, err) &&
        !mr_spec_decode((struct mr_bytes){bytes.data, bytes.len}, &spec, &held, err)) {
        (void)!mr_jobs_make(&spec, id, (struct mr_hash_128){hash[0], hash[1]}, &row, err);
    }
    mr_layout_release(&held);
    mr_buffer_fini(&bytes);
    if (!err->code) {
        row->number = number;
        if (load_state(row, journal, err) || mr_jobs_add(jobs, row, err)) {
            mr_jobs_destroy(row);
        }
    }
    return err->code ? mr_error_add(err, " (taking up job %u)", number) : MR_OK;
}

int mr_jobs_load(struct mr_jobs *jobs, struct mr_journal *journal, struct mr_blobs *blobs,
                 struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(journal, &count);
    uint32_t before = 0;
    for (size_t i = 0; i < count && !err->code; i++) {
        uint32_t number = facts[i].job;
        uint32_t forgotten;
        if (number == before) {
            continue;
        }
        before = number;
        if (mr_notes_text(journal, number, MR_NOTES_END, 0)) {
            (void)!mr_jobs_take_ended(jobs, journal, number, &forgotten, err);
        } else {
            (void)!load_job(jobs, number, journal, blobs, err);
        }
    }
    return err->code;
}

/* ---- blobs ------------------------------------------------------------------------------------*/

static bool is_hash(struct mr_hash_128 a, struct mr_hash_128 b) {
    return a.high == b.high && a.low == b.low;
}

/* Whether one of the facts, which begin with a blob's name, or two or three of them, has it. */
static bool is_in_facts(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                        size_t numbers, struct mr_hash_128 hash) {
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job, kind, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value[MR_NOTES_NUMBERS_MAX];
        bool has_all = mr_notes_get_numbers(journal, job, kind, facts[i].key, value, numbers);
        for (size_t at = 0; has_all && at + 1 < numbers; at += 2) {
            if (value[at] == hash.high && value[at + 1] == hash.low) {
                return true;
            }
        }
    }
    return false;
}

bool mr_jobs_names(const struct mr_jobs *jobs, const struct mr_journal *journal,
                   struct mr_hash_128 hash) {
    for (size_t i = 0; i < jobs->count; i++) {
        const struct mr_jobs_row *job = jobs->rows[i];
        if (is_hash(job->spec, hash) || is_hash(job->state.hash, hash) ||
            is_in_facts(journal, job->number, MR_NOTES_MANIFEST, 6, hash) ||
            is_in_facts(journal, job->number, MR_NOTES_LINES, 4, hash)) {
            return true;
        }
        for (size_t at = 0; at < job->blob_count; at++) {
            if (is_hash(job->blobs[at], hash)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < jobs->ended_count; i++) {
        if (is_hash(jobs->ended[i]->manifest, hash) || is_hash(jobs->ended[i]->log, hash)) {
            return true;
        }
    }
    return false;
}

/* ---- rounds -----------------------------------------------------------------------------------*/

/* The core's rounds of a pass. */
static uint32_t period(const struct mr_jobs_row *job) {
    return job->rounds + job->loops;
}

bool mr_jobs_is_turn(const struct mr_jobs_row *job, uint32_t core_round) {
    return job->loops && core_round % period(job) == 0;
}

uint32_t mr_jobs_list_round(const struct mr_jobs_row *job, uint32_t core_round) {
    return core_round % period(job) - job->loops;
}

bool mr_jobs_is_last(const struct mr_jobs_row *job, uint32_t core_round) {
    return !job->loops && mr_jobs_list_round(job, core_round) + 1 == job->rounds;
}

struct mr_core_attempt mr_jobs_outward(const struct mr_jobs_row *job,
                                       const struct mr_core_attempt *attempt) {
    struct mr_core_attempt told = *attempt;
    uint32_t passes = attempt->round / period(job);
    if (mr_jobs_is_turn(job, attempt->round)) {
        told.phase = MR_PHASE_LOOP;
        told.round = passes * job->rounds - 1; /* whose pairs it reads; of start: UINT32_MAX */
    } else if (job->loops) {
        told.round = passes * job->rounds + mr_jobs_list_round(job, attempt->round);
    }
    return told;
}

bool mr_jobs_inward(const struct mr_jobs_row *job, const struct mr_core_attempt *told,
                    struct mr_core_attempt *attempt) {
    uint64_t round = told->round;
    bool is_turn = told->phase == MR_PHASE_LOOP;
    *attempt = *told;
    if (is_turn) {
        uint32_t behind = told->round + 1; /* of start: 0 */
        round = (uint64_t)(behind / job->rounds) * period(job);
        attempt->phase = MR_PHASE_REDUCE;
        if (!job->loops || behind % job->rounds != 0 || told->task != 0) {
            return false;
        }
    } else if (job->loops) {
        round = (uint64_t)(told->round / job->rounds) * period(job) + told->round % job->rounds + 1;
    }
    attempt->round = (uint32_t)round;
    return round < MR_CORE_NONE && told->phase <= MR_PHASE_LOOP;
}

uint32_t mr_jobs_again_round(const struct mr_jobs_row *job, uint32_t core_round) {
    return (core_round / period(job) + 1) * period(job) + job->loops;
}

int mr_jobs_open_pairs(struct mr_jobs_row *job, const struct mr_journal *journal,
                       uint32_t core_round, struct mr_error *err) {
    const struct mr_fact *pairs = mr_journal_find(journal, job->number, MR_NOTES_PAIRS, core_round);
    size_t count = pairs ? pairs->len / sizeof(struct mr_sources_row) : 0;
    if (mr_sources_open(&job->pairs, core_round, (uint32_t)count, err)) {
        return err->code;
    }
    for (size_t task = 0; task < count && !err->code; task++) {
        struct mr_sources_row row;
        memcpy(&row, pairs->bytes + task * sizeof row, sizeof row);
        row = (struct mr_sources_row){le32toh(row.attempt), le32toh(row.node)};
        (void)!mr_sources_set(&job->pairs, (uint32_t)task, row, err);
    }
    return err->code;
}

static int open_times(struct mr_jobs_row *job, enum mr_phase phase, uint32_t count,
                      struct mr_error *err) {
    uint32_t *spent = calloc((size_t)count + 1, sizeof *spent);
    if (!spent) {
        return mr_error_nomem(err, "listing a round's tasks");
    }
    free(job->spent_ms[phase]);
    job->spent_ms[phase] = spent;
    job->spent_count[phase] = count;
    return MR_OK;
}

int mr_jobs_open_round(struct mr_jobs_row *job, const struct mr_journal *journal,
                       uint32_t core_round, const struct mr_core_job_view *view,
                       struct mr_error *err) {
    /* The core may be further than what is durable: then nobody asks for these tasks. */
    bool is_current = view->round == core_round;
    uint32_t maps = is_current ? view->map_tasks : 0;
    uint32_t reduces = is_current ? view->reduce_tasks : 0;
    job->lost_reports = 0;
    return mr_sources_open(&job->maps, core_round, maps, err) ||
                   open_times(job, MR_PHASE_MAP, maps, err) ||
                   open_times(job, MR_PHASE_REDUCE, reduces, err) ||
                   mr_jobs_open_pairs(job, journal, core_round - 1, err)
               ? err->code
               : MR_OK;
}
