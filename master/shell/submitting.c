/* submitting: takes up jobs: brings what they need, checks it, and journals them. */
#include "master/shell/submitting.h"

#include "lib/base/error.h"
#include "lib/output/manifest.h"
#include "master/shell/couriers.h"
#include "master/shell/inside.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse(struct mr_session *session, const struct mr_error *why) {
    session->has_submission = false;
    free(session->submission_blobs);
    session->submission_blobs = NULL;
    session->submission_blob_count = 0;
    session->master->has_to_sweep = true; /* what came for it */
    mr_sessions_answer(session, why);
}

static void say_submitted(struct mr_session *session, uint32_t number, const char *id,
                          bool was_known) {
    struct mr_wire_submitted submitted = {number, id, was_known};
    session->has_submission = false;
    free(session->submission_blobs);
    session->submission_blobs = NULL;
    session->submission_blob_count = 0;
    mr_sessions_send_later(session, MR_WIRE_SUBMITTED, &submitted);
}

/* ---- journaling -------------------------------------------------------------------------------*/

static void describe(struct mr_master *master, const struct mr_jobs_row *job,
                     struct mr_error *err) {
    const uint64_t spec[2] = {job->spec.high, job->spec.low};
    const uint64_t times[1] = {job->submitted_wall_ms};
    const struct {
        enum mr_notes_kind kind;
        const char *text;
    } texts[] = {{MR_NOTES_ID, job->id}, {MR_NOTES_LABEL, job->label}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !err->code; i++) {
        (void)!mr_journal_put(master->journal, job->number, (uint32_t)texts[i].kind, 0,
                              texts[i].text, strlen(texts[i].text), err);
    }
    if (!err->code &&
        !mr_notes_put_numbers(master->journal, job->number, MR_NOTES_SPEC, 0, spec, 2, err)) {
        (void)!mr_notes_put_numbers(master->journal, job->number, MR_NOTES_TIMES, 0, times, 1, err);
    }
}

/* Takes the row over. */
static void enter(struct mr_master *master, struct mr_jobs_row *job, struct mr_error *err) {
    struct mr_core_event submit = {.kind = MR_CORE_SUBMIT,
                                   .max_attempts = job->max_attempts,
                                   .weight = job->weight,
                                   .is_early = true,
                                   .is_strict = job->is_strict};
    if (job->loops) {
        submit.shape = (struct mr_core_shape){.reduce_tasks = 1}; /* the turn of start */
    } else {
        submit.shape =
            (struct mr_core_shape){.map_tasks = job->splits, .reduce_tasks = job->partitions[0]};
    }
    job->number = submit.job = master->jobs.history.last_number + 1;
    job->submitted_wall_ms = mr_inside_wall_ms();
    if (mr_jobs_add(&master->jobs, job, err)) {
        mr_jobs_destroy(job);
        return;
    }
    describe(master, job, err);
    if (!err->code && !mr_inside_apply(master, &submit, NULL)) {
        mr_error_set(err, MR_ERR_INTERNAL, "the scheduler refuses the job");
    }
}

/* ---- what it needs ----------------------------------------------------------------------------*/

/* The blobs that a spec names are asked for; false: some are missing. */
static bool has_blobs(struct mr_session *session, const struct mr_jobs_row *job) {
    bool has_all = true;
    for (size_t i = 0; i < job->blob_count; i++) {
        has_all &= mr_couriers_need(session, job->blobs[i]);
    }
    return has_all;
}

/* They are not swept as long as the submission waits. */
static void keep_names(struct mr_session *session, struct mr_jobs_row *job) {
    free(session->submission_blobs);
    session->submission_blobs = job->blobs;
    session->submission_blob_count = job->blob_count;
    job->blobs = NULL;
    job->blob_count = 0;
}

/* What the manifest will be made of is seen to be sound before the work, not after it. */
static int check_manifest(const struct mr_spec *spec, struct mr_error *err) {
    struct mr_run_result nothing = {0};
    struct mr_buffer description = {0};
    char *manifest = NULL;
    if (!mr_buffer_append(&description, spec->manifest.data, spec->manifest.len, err) &&
        !mr_buffer_append(&description, "", 1, err)) {
        (void)!mr_manifest_finish(description.data, &nothing, &manifest, err);
    }
    free(manifest);
    mr_buffer_fini(&description);
    return err->code;
}

/* The built-in jobs of another version, or its way to plan, may be others. */
static int check_version(const struct mr_spec *spec, struct mr_error *err) {
    return strcmp(spec->version, MR_VERSION) == 0
               ? MR_OK
               : mr_error_set(err, MR_ERR_CLUSTER,
                              "the job was planned by Millrace %.63s, and this master is Millrace "
                              "%s: install the same version on both machines",
                              spec->version, MR_VERSION);
}

static int read_row(struct mr_session *session, struct mr_jobs_row **row, struct mr_error *err) {
    struct mr_master *master = session->master;
    struct mr_buffer bytes = {0};
    struct mr_layout_held held = {0};
    struct mr_spec spec;
    if (!mr_blobs_read(master->blobs, session->submission_spec, &bytes, err) &&
        !mr_spec_decode((struct mr_bytes){bytes.data, bytes.len}, &spec, &held, err) &&
        !check_version(&spec, err) && !check_manifest(&spec, err)) {
        (void)!mr_jobs_make(&spec, session->submission_id, session->submission_spec, row, err);
    }
    mr_layout_release(&held);
    mr_buffer_fini(&bytes);
    return err->code;
}

static bool was_submitted(struct mr_session *session) {
    const struct mr_jobs *jobs = &session->master->jobs;
    const struct mr_jobs_row *row = mr_jobs_find_id(jobs, session->submission_id);
    const struct mr_history_row *ended = mr_history_find_id(&jobs->history, session->submission_id);
    if (row || ended) {
        say_submitted(session, row ? row->number : ended->number, session->submission_id, true);
    }
    return row || ended;
}

/* What is known to be needed, before the spec is read again. */
static bool has_named(struct mr_session *session) {
    bool has_all = mr_couriers_need(session, session->submission_spec);
    for (size_t i = 0; i < session->submission_blob_count; i++) {
        has_all &= mr_couriers_need(session, session->submission_blobs[i]);
    }
    return has_all;
}

static void go_on(struct mr_session *session) {
    struct mr_master *master = session->master;
    struct mr_jobs_row *row = NULL;
    struct mr_error err = {0};
    if (was_submitted(session) || !has_named(session)) {
        return;
    }
    if (master->jobs.count >= MR_CORE_JOBS_MAX) {
        mr_error_set(&err, MR_ERR_CLUSTER, "the cluster has %u jobs, and takes no more for now",
                     MR_CORE_JOBS_MAX);
    } else if (!read_row(session, &row, &err) && !has_blobs(session, row)) {
        keep_names(session, row);
        mr_jobs_destroy(row);
        return;
    }
    if (!err.code) {
        enter(master, row, &err);
    }
    if (err.code == MR_ERR_NOMEM || err.code == MR_ERR_INTERNAL) {
        mr_inside_fail(master, &err);
    } else if (err.code) {
        refuse(session, &err);
    } else {
        say_submitted(session, row->number, row->id, false);
    }
}

void mr_submitting_submit(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame) {
    const struct mr_wire_submit *said = &message->submit_;
    struct mr_error err = {0};
    (void)frame;
    bool is_id = said->id && strlen(said->id) == MR_ORDERS_ID_LEN &&
                 strspn(said->id, "0123456789abcdef") == MR_ORDERS_ID_LEN;
    if (!is_id) {
        mr_error_set(&err, MR_ERR_USAGE, "a job's id has %d hexadecimal digits", MR_ORDERS_ID_LEN);
    } else if (session->has_submission && strcmp(session->submission_id, said->id) != 0) {
        mr_error_set(&err, MR_ERR_USAGE, "one job after the other: another is being submitted");
    }
    if (err.code) {
        mr_sessions_answer(session, &err);
        return;
    }
    session->has_submission = true;
    session->submission_spec = (struct mr_hash_128){said->spec_high, said->spec_low};
    snprintf(session->submission_id, sizeof session->submission_id, "%s", said->id);
    go_on(session);
}

void mr_submitting_look(struct mr_master *master) {
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        if (at->has_submission && at->conn) {
            go_on(at);
        }
    }
}

bool mr_submitting_names(const struct mr_master *master, struct mr_hash_128 hash) {
    for (const struct mr_session *at = master->sessions.first; at; at = at->after) {
        bool is_spec = at->has_submission && at->submission_spec.high == hash.high &&
                       at->submission_spec.low == hash.low;
        for (size_t i = 0; !is_spec && i < at->submission_blob_count; i++) {
            is_spec = at->submission_blobs[i].high == hash.high &&
                      at->submission_blobs[i].low == hash.low;
        }
        if (is_spec) {
            return true;
        }
    }
    return false;
}
