/* watch: waits for the end of a job, or for the parts of its output, and tells how it goes on. */
#include "lib/client/watch.h"

#include "lib/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_watch *watch = arg;
    struct mr_wire_follow follow = {.job = watch->job};
    struct mr_wire_collect collect = {.job = watch->job};
    watch->part_count = 0;
    if (watch->begin) {
        return watch->begin(client, watch->begin_arg, err);
    }
    if (mr_client_send(client, MR_WIRE_FOLLOW, &follow, err)) {
        return err->code;
    }
    return watch->collects ? mr_client_send(client, MR_WIRE_COLLECT, &collect, err) : MR_OK;
}

static void copy(char *to, size_t size, const char *text) {
    snprintf(to, size, "%s", text ? text : "");
}

static void keep_id(struct mr_watch *watch, const struct mr_wire_row_job_line *line) {
    copy(watch->id, sizeof watch->id, line->id);
}

static int take_progress(struct mr_watch *watch, const struct mr_wire_progress *progress) {
    if (progress->jobs_count == 1) {
        keep_id(watch, progress->jobs);
        if (watch->progress) {
            watch->progress(watch->arg, progress);
        }
    }
    return 0;
}

static int take_ended(struct mr_watch *watch, const struct mr_wire_ended *ended,
                      struct mr_error *err) {
    struct mr_watch_end *end = &watch->end;
    if (ended->jobs_count != 1) {
        return mr_error_set(err, MR_ERR_CLUSTER, "the master says that no job ended");
    }
    const struct mr_wire_row_job_line *line = ended->jobs;
    keep_id(watch, line);
    *end = (struct mr_watch_end){.status = mr_client_status(line->status),
                                 .job = (uint32_t)line->job,
                                 .seconds = (double)line->seconds_us / 1e6,
                                 .records = line->records,
                                 .skipped = line->skipped,
                                 .input_bytes = line->bytes_total,
                                 .failed = (uint32_t)line->failed,
                                 .manifest = {ended->manifest_high, ended->manifest_low}};
    copy(end->why, sizeof end->why, line->why);
    copy(end->log, sizeof end->log, ended->log);
    copy(end->id, sizeof end->id, line->id);
    copy(end->label, sizeof end->label, line->label);
    return 1;
}

static int take_parts(struct mr_watch *watch, const struct mr_wire_parts *parts,
                      struct mr_error *err) {
    uint64_t first = parts->parts_count ? parts->parts[0].task : watch->part_count;
    if (first == 0) { /* a list begins */
        watch->part_count = 0;
    }
    size_t count = watch->part_count + parts->parts_count;
    if (!watch->collects || first != watch->part_count) {
        return 0; /* an earlier question's, or the rest of it */
    }
    if (count > 0) {
        struct mr_wire_row_part *rows = realloc(watch->parts, count * sizeof *rows);
        if (!rows) {
            return mr_error_nomem(err, "collecting the output");
        }
        watch->parts = rows;
        for (size_t i = 0; i < parts->parts_count; i++) {
            rows[watch->part_count++] = parts->parts[i];
        }
    }
    watch->manifest = (struct mr_hash_128){parts->manifest_high, parts->manifest_low};
    watch->aside = (struct mr_hash_128){parts->aside_high, parts->aside_low};
    watch->lines = (struct mr_hash_128){parts->lines_high, parts->lines_low};
    watch->has_parts = !parts->follows;
    return watch->has_parts;
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    struct mr_watch *watch = arg;
    (void)client;
    switch (message->kind) {
    case MR_WIRE_PROGRESS:
        return take_progress(watch, &message->as->progress_);
    case MR_WIRE_ENDED:
        return take_ended(watch, &message->as->ended_, err);
    case MR_WIRE_PARTS:
        return take_parts(watch, &message->as->parts_, err);
    case MR_WIRE_RESULT: /* a COLLECTED's goes well */
        return message->as->result_.status ? mr_client_result(&message->as->result_, err) : 0;
    default:
        return 0;
    }
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    struct mr_watch *watch = arg;
    return watch->interrupted(client, signal_number, watch->arg, err);
}

static int expired(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_watch *watch = arg;
    return watch->expired ? watch->expired(client, watch->arg, err) : 0;
}

int mr_watch_run(struct mr_watch *watch, struct mr_client *client, struct mr_error *err) {
    struct mr_client_call call = {.begin = begin,
                                  .take = take,
                                  .interrupted = watch->interrupted ? interrupted : NULL,
                                  .expired = expired,
                                  .arg = watch};
    watch->has_parts = false;
    return mr_client_run(client, &call, err);
}

void mr_watch_fini(struct mr_watch *watch) {
    free(watch->parts);
    watch->parts = NULL;
}
