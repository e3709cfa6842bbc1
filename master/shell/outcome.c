/* outcome: what a job came to, from the facts about it: its manifest, and what goes with it. */
#include "master/shell/outcome.h"

#include "lib/base/error.h"
#include "lib/output/manifest.h"
#include "master/local/common/books.h"
#include "master/local/files/aside.h"
#include "master/shell/inside.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX ((uint64_t)1 << 30)
#define ASIDE_HEAD (3 * sizeof(uint64_t))

/* A spec, read again for what is not kept of it. */
struct reading {
    struct mr_buffer bytes;
    struct mr_layout_held held;
    struct mr_spec spec;
};

static int read_spec(struct mr_master *master, const struct mr_jobs_row *job,
                     struct reading *reading, struct mr_error *err) {
    return mr_blobs_read(master->blobs, job->spec, &reading->bytes, err) ||
                   mr_spec_decode((struct mr_bytes){reading->bytes.data, reading->bytes.len},
                                  &reading->spec, &reading->held, err)
               ? err->code
               : MR_OK;
}

static void reading_fini(struct reading *reading) {
    mr_layout_release(&reading->held);
    mr_buffer_fini(&reading->bytes);
}

/* What can't be written ends the master, as the journal's failures do: the job has nothing to do
 * with it, and goes on when there is room. */
static int put_blob(struct mr_master *master, struct mr_bytes bytes, struct mr_hash_128 *hash,
                    struct mr_error *err) {
    if (mr_blobs_put(master->blobs, bytes, hash, err)) {
        mr_inside_fail(master, err);
    }
    return err->code;
}

/* ---- records set aside ------------------------------------------------------------------------*/

/* Steps to the next of a fact's records; false: there is none. */
static bool next_aside(const struct mr_fact *fact, size_t *at, struct mr_orders_skipped *skipped) {
    uint64_t head[3];
    if (fact->len - *at < ASIDE_HEAD) {
        return false;
    }
    memcpy(head, fact->bytes + *at, ASIDE_HEAD);
    *skipped = (struct mr_orders_skipped){.offset = le64toh(head[0]), .len = le64toh(head[1])};
    uint64_t shown = le64toh(head[2]);
    *at += ASIDE_HEAD;
    if (shown > fact->len - *at) {
        return false;
    }
    skipped->record = (struct mr_bytes){fact->bytes + *at, (size_t)shown};
    *at += (size_t)shown;
    return true;
}

static int add_aside(const struct mr_fact *fact, const struct mr_spec *spec, struct mr_buffer *text,
                     struct mr_error *err) {
    struct mr_orders_skipped skipped;
    const char *path =
        fact->key < spec->splits_count ? spec->inputs[spec->splits[fact->key].input].path : "?";
    for (size_t at = 0; !err->code && next_aside(fact, &at, &skipped);) {
        (void)!mr_aside_line(path, skipped.offset, skipped.record, text, err);
    }
    return err->code;
}

static int make_aside(struct mr_master *master, const struct mr_jobs_row *job,
                      const struct mr_spec *spec, struct mr_hash_128 *hash, struct mr_error *err) {
    size_t count;
    struct mr_buffer text = {0};
    const struct mr_fact *facts =
        mr_notes_first(master->journal, job->number, MR_NOTES_ASIDE, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        (void)!add_aside(&facts[i], spec, &text, err);
    }
    if (!err->code && text.len) {
        (void)!put_blob(master, (struct mr_bytes){text.data, text.len}, hash, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

/* ---- the lines of a loop ----------------------------------------------------------------------*/

static int make_lines(struct mr_master *master, const struct mr_jobs_row *job,
                      struct mr_run_result *result, struct mr_hash_128 *hash,
                      struct mr_error *err) {
    size_t count;
    struct mr_buffer text = {0};
    const struct mr_fact *facts =
        mr_notes_first(master->journal, job->number, MR_NOTES_LINES, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t lines[4] = {0};
        (void)mr_notes_get_numbers(master->journal, job->number, MR_NOTES_LINES, facts[i].key,
                                   lines, 4);
        if (text.len + lines[2] > LINES_MAX) {
            mr_error_set(err, MR_ERR_JOB, "a loop's lines are more than 1 GiB");
        } else {
            result->parts[0].records += lines[3];
            (void)!mr_blobs_read(master->blobs, (struct mr_hash_128){lines[0], lines[1]}, &text,
                                 err);
        }
    }
    if (!err->code) {
        result->parts[0].bytes = text.len;
        result->parts[0].xxh3 = mr_hash_xxh3(text.data, text.len);
        (void)!put_blob(master, (struct mr_bytes){text.data, text.len}, hash, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

/* ---- the result -------------------------------------------------------------------------------*/

static int report_round(struct mr_master *master, const struct mr_jobs_row *job, uint32_t round,
                        struct mr_run_result *result, struct mr_error *err) {
    struct mr_account sum;
    struct mr_books books;
    bool is_there;
    enum mr_notes_kind kind = job->loops ? MR_NOTES_TOTAL : MR_NOTES_ROUND;
    if (!mr_notes_get_account(master->journal, job->number, kind, mr_notes_key(round, 0), &sum,
                              &is_there, err)) {
        mr_books_of_account(&sum, &books);
        if (round < job->rounds) { /* else of a loop's turns: counters alone */
            mr_books_report(&books, &result->rounds[round]);
            result->rounds[round].name = job->round_names[round];
        }
        (void)!mr_books_merge_counters(&books.counters, result, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

static unsigned count_slots(const struct mr_master *master) {
    unsigned slots = 0;
    for (uint32_t i = 0; i < master->roster.count; i++) {
        struct mr_core_node_view view = mr_core_node(master->core, i);
        slots += view.state == MR_CORE_NODE_GONE ? 0 : view.slots;
    }
    return slots;
}

static int report_parts(struct mr_master *master, const struct mr_jobs_row *job,
                        struct mr_run_result *result, struct mr_error *err) {
    struct mr_wire_row_part *parts = NULL;
    size_t count = 0;
    if (!mr_outcome_parts(master, job, &parts, &count, err)) {
        result->parts = calloc(count + 1, sizeof *result->parts);
        result->part_count = job->loops ? 1 : count;
        if (!result->parts) {
            mr_error_nomem(err, "closing a job");
        }
    }
    for (size_t i = 0; i < count && !err->code; i++) {
        result->parts[i] = (struct mr_run_part){parts[i].records, parts[i].bytes, parts[i].xxh3};
    }
    free(parts);
    return err->code;
}

static int fill_result(struct mr_master *master, const struct mr_jobs_row *job,
                       struct mr_run_result *result, struct mr_error *err) {
    result->rounds = calloc(job->rounds, sizeof *result->rounds);
    result->round_count = job->rounds;
    result->input_bytes = job->input_bytes;
    result->threads = count_slots(master);
    uint64_t now = mr_inside_wall_ms();
    result->seconds =
        now > job->submitted_wall_ms ? (double)(now - job->submitted_wall_ms) / 1e3 : 0;
    if (!result->rounds) {
        return mr_error_nomem(err, "closing a job");
    }
    for (uint32_t round = 0; round < job->rounds + job->loops && !err->code; round++) {
        (void)!report_round(master, job, round, result, err);
    }
    if (job->loops) {
        result->loop =
            (struct mr_run_loop){.passes = job->pass,
                                 .state_bytes = job->state.len,
                                 .state_xxh3 = {job->state.hash.high, job->state.hash.low}};
    }
    return err->code ? err->code : report_parts(master, job, result, err);
}

int mr_outcome_parts(const struct mr_master *master, const struct mr_jobs_row *job,
                     struct mr_wire_row_part **parts, size_t *count, struct mr_error *err) {
    struct mr_core_job_view view = mr_core_job(master->core, job->number);
    uint32_t tasks = job->loops ? 0 : view.reduce_tasks;
    struct mr_wire_row_part *made = calloc((size_t)tasks + 1, sizeof *made);
    *parts = made;
    *count = 0;
    if (!made) {
        return mr_error_nomem(err, "listing an output's parts");
    }
    for (uint32_t task = 0; task < tasks && !err->code; task++) {
        struct mr_account account;
        bool is_there;
        struct mr_core_winner winner =
            mr_core_winner(master->core, job->number, MR_PHASE_REDUCE, task);
        if (!mr_notes_get_account(master->journal, job->number, MR_NOTES_REDUCE,
                                  mr_notes_key(view.round, task), &account, &is_there, err)) {
            made[(*count)++] = (struct mr_wire_row_part){task,
                                                         account.attempt,
                                                         account.records_out,
                                                         account.part_bytes,
                                                         account.part_xxh3,
                                                         winner.worker.node,
                                                         view.round};
        }
        mr_account_fini(&account);
    }
    return err->code;
}

/* ---- as blobs ---------------------------------------------------------------------------------*/

static int make_manifest(struct mr_master *master, const struct mr_spec *spec,
                         struct mr_run_result *result, struct mr_hash_128 *hash,
                         struct mr_error *err) {
    struct mr_buffer description = {0};
    for (size_t i = 0; i < result->part_count; i++) {
        result->output_records += result->parts[i].records;
        result->output_bytes += result->parts[i].bytes;
    }
    if (!mr_buffer_append(&description, spec->manifest.data, spec->manifest.len, err) &&
        !mr_buffer_append(&description, "", 1, err) &&
        !mr_manifest_finish(description.data, result, &result->manifest, err)) {
        (void)!put_blob(master, (struct mr_bytes){result->manifest, strlen(result->manifest)}, hash,
                        err);
    }
    mr_buffer_fini(&description);
    return err->code;
}

int mr_outcome_note(struct mr_master *master, struct mr_jobs_row *job, struct mr_error *err) {
    struct reading reading = {0};
    struct mr_run_result result = {0};
    struct mr_hash_128 blobs[3] = {{0, 0}, {0, 0}, {0, 0}};
    if (!read_spec(master, job, &reading, err) && !fill_result(master, job, &result, err) &&
        (!job->loops || !make_lines(master, job, &result, &blobs[2], err)) &&
        !make_aside(master, job, &reading.spec, &blobs[1], err) &&
        !make_manifest(master, &reading.spec, &result, &blobs[0], err)) {
        uint64_t names[6] = {blobs[0].high, blobs[0].low,  blobs[1].high,
                             blobs[1].low,  blobs[2].high, blobs[2].low};
        const struct mr_run_books *books = &result.rounds[0].books;
        uint64_t sum[3] = {books->records_read, books->records_skipped, job->input_bytes};
        (void)!(mr_notes_put_numbers(master->journal, job->number, MR_NOTES_MANIFEST, 0, names, 6,
                                     err) ||
                mr_notes_put_numbers(master->journal, job->number, MR_NOTES_SUM, 0, sum, 3, err));
    }
    mr_run_result_fini(&result);
    reading_fini(&reading);
    return err->code;
}

bool mr_outcome_find(const struct mr_master *master, uint32_t job, struct mr_hash_128 blobs[3]) {
    uint64_t names[6] = {0};
    bool is_there = mr_notes_get_numbers(master->journal, job, MR_NOTES_MANIFEST, 0, names, 6);
    for (size_t i = 0; i < 3; i++) {
        blobs[i] = (struct mr_hash_128){names[2 * i], names[2 * i + 1]};
    }
    return is_there;
}
