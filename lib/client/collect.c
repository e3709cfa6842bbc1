/* collect: brings a job's output to this machine: into a directory, or to a stream.
 *
 * The master says which attempts' parts are the output's and which nodes hold them. They go to a
 * sink (sink.h), which shows nothing before all are there.
 *
 * A worker that is out of reach may come back, or the master may notice that it is lost and have
 * its parts made again: the parts are asked for anew, for as long as patience lasts. A part that a
 * worker hasn't, or not as it was written, is reported, and made again. */
#include "lib/client/collect.h"

#include "lib/base/error.h"
#include "lib/client/download.h"
#include "lib/client/fetch.h"
#include "lib/client/holders.h"
#include "lib/client/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 300 /* until the parts are asked for again */
#define MANIFEST_MAX ((uint64_t)256 << 20)
#define SIDE_MAX ((uint64_t)1 << 30) /* of side files and a loop's lines */

struct mr_collect {
    const struct mr_collect_target *target;
    char id[MR_WIRE_ID_MAX];
    struct mr_sink_place place;
    struct mr_sink *sink;
    struct mr_watch *watch;
    struct mr_client *client;
    struct mr_fetch *fetch;
    struct mr_holders holders;
    struct mr_wire_row_part *here; /* parts that are; attempt 0: not yet */
    size_t here_count;
    uint64_t waited_ms;
};

int mr_collect_open(const struct mr_collect_target *target, const char *id,
                    struct mr_collect **collect, struct mr_error *err) {
    struct mr_collect *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "collecting the output");
    }
    made->target = target;
    made->place = (struct mr_sink_place){target->output, target->output_fd, target->overwrite};
    snprintf(made->id, sizeof made->id, "%s", id);
    if (mr_sink_open(&made->place, id, &made->sink, err)) {
        mr_collect_close(made);
        return err->code;
    }
    *collect = made;
    return MR_OK;
}

void mr_collect_close(struct mr_collect *collect) {
    if (collect) {
        mr_sink_close(collect->sink);
        mr_holders_fini(&collect->holders);
        free(collect->here);
        free(collect);
    }
}

/* ---- one part ---------------------------------------------------------------------------------*/

struct coming {
    struct mr_collect *collect;
    const struct mr_wire_row_part *row;
};

static int fetch(void *arg, mr_sink_write write, void *to, struct mr_error *err) {
    const struct coming *coming = arg;
    const struct mr_collect *collect = coming->collect;
    const struct mr_wire_row_part *row = coming->row;
    const struct mr_holders_row *node = mr_holders_find(&collect->holders, row->node);
    if (!node) {
        return mr_error_set(err, MR_ERR_CLOSED, "part %" PRIu64 ": node %" PRIu64 " is gone",
                            row->task, row->node);
    }
    struct mr_fetch_part part = {.id = collect->id,
                                 .part = row,
                                 .node = node->name,
                                 .address = node->address,
                                 .write = write,
                                 .arg = to,
                                 .interrupted = collect->watch->interrupted,
                                 .interrupted_arg = collect->watch->arg};
    return mr_fetch_run(collect->fetch, &part, err);
}

static int fetch_part(struct mr_collect *collect, const struct mr_wire_row_part *row,
                      struct mr_error *err) {
    struct coming coming = {collect, row};
    struct mr_sink_part part = {(uint32_t)row->task, (uint32_t)row->attempt, fetch, &coming};
    struct mr_run_part done;
    return mr_sink_take(collect->sink, &part, &done, err);
}

/* ---- all parts --------------------------------------------------------------------------------*/

static bool is_same(const struct mr_wire_row_part *a, const struct mr_wire_row_part *b) {
    return a->attempt == b->attempt && a->xxh3 == b->xxh3 && a->bytes == b->bytes;
}

static int make_room(struct mr_collect *collect, struct mr_error *err) {
    size_t count = collect->watch->part_count;
    if (count <= collect->here_count) {
        return MR_OK;
    }
    struct mr_wire_row_part *rows = realloc(collect->here, count * sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "collecting the output");
    }
    memset(rows + collect->here_count, 0, (count - collect->here_count) * sizeof *rows);
    collect->here = rows;
    collect->here_count = count;
    return MR_OK;
}

/* Tells the master of a part that is to be made again. */
static int report_lost(struct mr_collect *collect, const struct mr_wire_row_part *row,
                       const struct mr_error *why, struct mr_error *err) {
    struct mr_wire_collected collected = {.job = collect->id,
                                          .status = (uint64_t)-why->code,
                                          .why = why->text,
                                          .has_lost = 1,
                                          .lost_task = row->task,
                                          .lost_attempt = row->attempt};
    return mr_client_send(collect->client, MR_WIRE_COLLECTED, &collected, err);
}

/* Fetches what is not here yet. *later: something is out of reach, or to be made again. */
static int fetch_all(struct mr_collect *collect, struct mr_error *later, struct mr_error *err) {
    const struct mr_watch *watch = collect->watch;
    if (make_room(collect, err) ||
        mr_holders_ask(&collect->holders, collect->client, watch->interrupted, watch->arg, err)) {
        return err->code;
    }
    for (size_t i = 0; i < watch->part_count && !later->code; i++) {
        const struct mr_wire_row_part *row = &watch->parts[i];
        struct mr_error why = {0};
        if (row->task != i || row->attempt == 0) {
            return mr_error_set(err, MR_ERR_CLUSTER, "the master's list of parts is malformed");
        }
        if (is_same(&collect->here[i], row)) {
            continue;
        }
        collect->here[i].attempt = 0;
        int status = fetch_part(collect, row, &why);
        if (status == MR_OK) {
            collect->here[i] = *row;
            collect->waited_ms = 0;
        } else if (status == MR_ERR_CLOSED || status == MR_ERR_INPUT) {
            *later = why;
            if (status == MR_ERR_INPUT && report_lost(collect, row, &why, err)) {
                return err->code;
            }
        } else {
            return mr_error_set(err, status, "%s", why.text);
        }
    }
    return MR_OK;
}

static int begin_rest(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)client;
    (void)arg;
    (void)err;
    return MR_OK;
}

static int take_nothing(struct mr_client *client, const struct mr_client_message *message,
                        void *arg, struct mr_error *err) {
    (void)message;
    return begin_rest(client, arg, err);
}

static int end_rest(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)begin_rest(client, arg, err);
    return 1;
}

static int interrupt_rest(struct mr_client *client, int signal_number, void *arg,
                          struct mr_error *err) {
    const struct mr_watch *watch = arg;
    return watch->interrupted(client, signal_number, watch->arg, err);
}

/* Waits a little before the parts are asked for again, or gives up. */
static int rest(struct mr_collect *collect, const struct mr_error *why, struct mr_error *err) {
    struct mr_client_call call = {.begin = begin_rest,
                                  .take = take_nothing,
                                  .interrupted =
                                      collect->watch->interrupted ? interrupt_rest : NULL,
                                  .expired = end_rest,
                                  .arg = collect->watch};
    if (collect->waited_ms >= collect->target->patience_ms) {
        return mr_error_set(err, MR_ERR_CLUSTER,
                            "%s; the job waits for: millrace wait %.8s --collect", why->text,
                            collect->id);
    }
    collect->waited_ms += AGAIN_MS;
    mr_client_set_clock(collect->client, AGAIN_MS);
    return mr_client_run(collect->client, &call, err);
}

/* ---- the output -------------------------------------------------------------------------------*/

static int write_lines(void *arg, mr_sink_write write, void *to, struct mr_error *err) {
    const struct mr_buffer *lines = arg;
    return write(to, (struct mr_bytes){lines->data, lines->len}, err);
}

/* The lines of a loop are its one part. */
static int put_lines(struct mr_collect *collect, struct mr_buffer *lines, struct mr_run_part *done,
                     struct mr_error *err) {
    struct mr_sink_part part = {0, 1, write_lines, lines};
    return mr_sink_take(collect->sink, &part, done, err);
}

/* Makes the output of what was taken; `line`: of a loop's lines, or NULL. */
static int put_out(struct mr_collect *collect, struct mr_sink_content *content,
                   const struct mr_run_part *line, struct mr_error *err) {
    size_t count = line ? 1 : collect->watch->part_count;
    struct mr_run_part *parts = calloc(count + 1, sizeof *parts);
    uint32_t *winners = calloc(count + 1, sizeof *winners);
    if (!parts || !winners) {
        (void)mr_error_nomem(err, "collecting the output");
    } else {
        for (size_t i = 0; i < count; i++) {
            const struct mr_wire_row_part *row = line ? NULL : &collect->watch->parts[i];
            parts[i] = row ? (struct mr_run_part){row->records, row->bytes, row->xxh3} : *line;
            winners[i] = row ? (uint32_t)row->attempt : 1;
        }
        content->parts = parts;
        content->winners = winners;
        content->count = count;
        (void)!mr_sink_finish(collect->sink, content, err);
    }
    free(parts);
    free(winners);
    return err->code;
}

/* Gets what lies with the master, if there is such. */
static int download(const struct mr_collect *collect, struct mr_hash_128 hash, uint64_t most,
                    struct mr_buffer *bytes, struct mr_error *err) {
    struct mr_download blob = {.hash = hash,
                               .most = most,
                               .interrupted = collect->watch->interrupted,
                               .interrupted_arg = collect->watch->arg};
    return mr_hash_128_is_none(hash) ? MR_OK : mr_download_run(collect->client, &blob, bytes, err);
}

/* Gets what lies with the master, and makes the output of all. */
static int finish(struct mr_collect *collect, char **manifest, struct mr_error *err) {
    const struct mr_watch *watch = collect->watch;
    struct mr_buffer text = {0};
    struct mr_buffer aside = {0};
    struct mr_buffer lines = {0};
    struct mr_run_part line = {0};
    bool has_lines = !mr_hash_128_is_none(watch->lines);
    bool wants_manifest = mr_sink_is_directory(collect->sink) || collect->target->wants_manifest;
    struct mr_hash_128 none = {0, 0};
    if (!download(collect, wants_manifest ? watch->manifest : none, MANIFEST_MAX, &text, err) &&
        !download(collect, watch->aside, SIDE_MAX, &aside, err) &&
        !download(collect, watch->lines, SIDE_MAX, &lines, err) &&
        !mr_buffer_append(&text, "", 1, err)) { /* its end */
        struct mr_sink_content content = {.manifest = text.data, .aside = {aside.data, aside.len}};
        if (!has_lines || !put_lines(collect, &lines, &line, err)) {
            (void)!put_out(collect, &content, has_lines ? &line : NULL, err);
        }
    }
    if (!err->code && text.len > 1) {
        *manifest = text.data;
        text.data = NULL;
    }
    free(text.data);
    mr_buffer_fini(&aside);
    mr_buffer_fini(&lines);
    return err->code;
}

/* ---- the end ----------------------------------------------------------------------------------*/

/* Tells the master that all is here, and waits until it knows. */
static int begin_end(struct mr_client *client, void *arg, struct mr_error *err) {
    const struct mr_collect *collect = arg;
    struct mr_wire_collected collected = {.job = collect->id};
    struct mr_wire_follow follow = {.job = collect->id};
    return mr_client_send(client, MR_WIRE_COLLECTED, &collected, err)
               ? err->code
               : mr_client_send(client, MR_WIRE_FOLLOW, &follow, err);
}

static int end(struct mr_collect *collect, struct mr_error *err) {
    struct mr_watch *watch = collect->watch;
    watch->collects = false;
    watch->begin = begin_end;
    watch->begin_arg = collect;
    return mr_watch_run(watch, collect->client, err);
}

static int check_shape(const struct mr_collect *collect, struct mr_error *err) {
    size_t count = collect->watch->part_count;
    return mr_sink_is_directory(collect->sink) || count <= 1
               ? MR_OK
               : mr_error_set(err, MR_ERR_USAGE,
                              "the output has %zu parts: name a directory to make (-o DIR)", count);
}

int mr_collect_run(struct mr_collect *collect, struct mr_watch *watch, struct mr_client *client,
                   char **manifest, struct mr_error *err) {
    collect->watch = watch;
    collect->client = client;
    watch->collects = true;
    if (mr_fetch_create(client, &collect->fetch, err)) {
        return err->code;
    }
    bool is_here = mr_sink_is_done(collect->sink);
    mr_client_keep_signals(client,
                           mr_sink_is_directory(collect->sink) && watch->interrupted != NULL);
    while (!err->code && !is_here && !mr_watch_run(watch, client, err) && watch->has_parts) {
        struct mr_error later = {0};
        if (check_shape(collect, err) || fetch_all(collect, &later, err)) {
            break;
        }
        is_here = !later.code;
        (void)!(is_here ? finish(collect, manifest, err) : rest(collect, &later, err));
    }
    if (!err->code && is_here) {
        (void)!end(collect, err);
    } else if (mr_sink_is_enough(collect->sink)) {
        struct mr_error ignored = {0}; /* *err says why it ended early */
        (void)!end(collect, &ignored);
    } else if (!err->code && !watch->end.status) {
        mr_error_set(err, MR_ERR_USAGE,
                     "there is nothing to collect of job %u: it was submitted with an -o of its "
                     "own, or has been collected",
                     watch->end.job);
    }
    mr_client_keep_signals(client, false);
    mr_fetch_destroy(collect->fetch);
    collect->fetch = NULL;
    return err->code;
}
