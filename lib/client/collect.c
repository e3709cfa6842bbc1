/* collect: brings a job's output to this machine: into a directory, or to a stream.
 *
 * The master says which attempts' parts are the output's and which nodes hold them. A directory is
 * made as any output is (lib/output/commit.h): parts into directories of their attempts, then all
 * appears at once. A stream gets its part only when that is here and right: nobody sees half of one
 * that is then made again.
 *
 * A worker that is out of reach may come back, or the master may notice that it is lost and have
 * its parts made again: the parts are asked for anew, for as long as patience lasts. A part that a
 * worker hasn't, or not as it was written, is reported, and made again. */
#include "lib/client/collect.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/client/ask.h"
#include "lib/client/fetch.h"
#include "lib/output/commit.h"
#include "lib/output/part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 300 /* until the parts are asked for again */
#define MANIFEST_MAX ((uint64_t)256 << 20)
#define SIDE_MAX ((uint64_t)1 << 30) /* of side files and a loop's lines */
#define ASIDE_NAME "_skipped"
#define COPY_BYTES ((size_t)1 << 20)

/* A worker, as the master knows it. */
struct node {
    uint32_t number;
    char name[MR_WIRE_NAME_MAX];
    char address[MR_WIRE_NAME_MAX];
};

struct mr_collect {
    const struct mr_collect_target *target;
    char id[MR_WIRE_ID_MAX];
    struct mr_commit *commit; /* of a directory */
    bool is_enough;           /* it is collected, though not as was wished: who reads standard
                                 output went away, or it is kept beside DIR, which has appeared */
    bool is_done;             /* an earlier collector made it, and told nobody */
    struct mr_watch *watch;
    struct mr_client *client;
    struct mr_fetch *fetch;
    struct node *nodes;
    size_t node_count;
    struct mr_wire_row_part *here; /* parts that are; attempt 0: not yet */
    size_t here_count;
    int stream_fd; /* a scratch file with the part of a stream; -1: none */
    uint64_t waited_ms;
};

int mr_collect_open(const struct mr_collect_target *target, const char *id,
                    struct mr_collect **collect, struct mr_error *err) {
    struct mr_collect *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "collecting the output");
    }
    made->target = target;
    made->stream_fd = -1;
    snprintf(made->id, sizeof made->id, "%s", id);
    if (target->output && !mr_commit_is_done(target->output, id, &made->is_done, err) &&
        !made->is_done) {
        (void)!mr_commit_begin(target->output, target->overwrite, id, &made->commit, err);
    }
    if (err->code) {
        mr_collect_close(made);
        return err->code;
    }
    *collect = made;
    return MR_OK;
}

void mr_collect_close(struct mr_collect *collect) {
    if (!collect) {
        return;
    }
    if (collect->stream_fd >= 0) {
        (void)close(collect->stream_fd); /* a scratch file */
    }
    mr_commit_end(collect->commit);
    free(collect->nodes);
    free(collect->here);
    free(collect);
}

/* ---- the nodes --------------------------------------------------------------------------------*/

static void forget_nodes(void *arg) {
    ((struct mr_collect *)arg)->node_count = 0;
}

static int take_nodes(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    struct mr_collect *collect = arg;
    const struct mr_wire_nodes *nodes = &answer->nodes_;
    size_t count = collect->node_count + nodes->nodes_count;
    struct node *rows = realloc(collect->nodes, (count + 1) * sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "collecting the output");
    }
    collect->nodes = rows;
    for (size_t i = 0; i < nodes->nodes_count; i++) {
        const struct mr_wire_row_node_line *line = &nodes->nodes[i];
        struct node *node = &rows[collect->node_count++];
        node->number = (uint32_t)line->node;
        snprintf(node->name, sizeof node->name, "%s", line->name ? line->name : "?");
        snprintf(node->address, sizeof node->address, "%s", line->address ? line->address : "");
    }
    return !nodes->follows;
}

static int ask_nodes(struct mr_collect *collect, struct mr_error *err) {
    struct mr_wire_ask_nodes question = {.all = 1};
    struct mr_ask ask = {.question = MR_WIRE_ASK_NODES,
                         .message = &question,
                         .answer = MR_WIRE_NODES,
                         .take = take_nodes,
                         .restart = forget_nodes,
                         .arg = collect,
                         .interrupted = collect->watch->interrupted,
                         .interrupted_arg = collect->watch->arg};
    return mr_ask(collect->client, &ask, err);
}

static const struct node *find_node(const struct mr_collect *collect, uint64_t number) {
    for (size_t i = 0; i < collect->node_count; i++) {
        if (collect->nodes[i].number == number && collect->nodes[i].address[0]) {
            return &collect->nodes[i];
        }
    }
    return NULL;
}

/* ---- one part ---------------------------------------------------------------------------------*/

static int write_part(void *arg, struct mr_bytes bytes, struct mr_error *err) {
    return mr_part_write(arg, bytes.data, bytes.len, err);
}

static int write_stream(void *arg, struct mr_bytes bytes, struct mr_error *err) {
    return mr_file_write(*(const int *)arg, bytes.data, bytes.len, "a scratch file", err);
}

/* Fetches a part to where `write` puts it. */
static int fetch_to(struct mr_collect *collect, const struct mr_wire_row_part *row,
                    int (*write)(void *arg, struct mr_bytes bytes, struct mr_error *err), void *arg,
                    struct mr_error *err) {
    const struct node *node = find_node(collect, row->node);
    if (!node) {
        return mr_error_set(err, MR_ERR_CLOSED, "part %" PRIu64 ": node %" PRIu64 " is gone",
                            row->task, row->node);
    }
    struct mr_fetch_part part = {.id = collect->id,
                                 .part = row,
                                 .node = node->name,
                                 .address = node->address,
                                 .write = write,
                                 .arg = arg,
                                 .interrupted = collect->watch->interrupted,
                                 .interrupted_arg = collect->watch->arg};
    return mr_fetch_run(collect->fetch, &part, err);
}

static int fetch_to_directory(struct mr_collect *collect, const struct mr_wire_row_part *row,
                              struct mr_error *err) {
    struct mr_part part = {.fd = -1};
    struct mr_run_part done = {0};
    char name[MR_PART_NAME_MAX];
    int dir_fd = -1;
    uint32_t task = (uint32_t)row->task;
    uint32_t attempt = (uint32_t)row->attempt;
    mr_part_name(name, sizeof name, task);
    if (mr_commit_discard(collect->commit, task, attempt, err) || /* of an earlier try */
        mr_commit_attempt(collect->commit, task, attempt, &dir_fd, err)) {
        return err->code;
    }
    if (!mr_part_create(&part, dir_fd, name, err) &&
        !fetch_to(collect, row, write_part, &part, err) && !mr_part_finish(&part, &done, err)) {
        (void)!mr_file_sync(dir_fd, name, err);
    }
    mr_part_abandon(&part);
    (void)close(dir_fd); /* nothing was written through it */
    return err->code;
}

static int fetch_to_scratch(struct mr_collect *collect, const struct mr_wire_row_part *row,
                            struct mr_error *err) {
    const char *tmp = getenv("TMPDIR");
    if (collect->stream_fd < 0 &&
        mr_file_scratch(tmp && *tmp ? tmp : "/tmp", &collect->stream_fd, err)) {
        return err->code;
    }
    if (ftruncate(collect->stream_fd, 0) != 0 || lseek(collect->stream_fd, 0, SEEK_SET) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "empty a scratch file");
    }
    return fetch_to(collect, row, write_stream, &collect->stream_fd, err);
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

static int fetch_part(struct mr_collect *collect, const struct mr_wire_row_part *row,
                      struct mr_error *err) {
    return collect->commit ? fetch_to_directory(collect, row, err)
                           : fetch_to_scratch(collect, row, err);
}

/* Fetches what is not here yet. *later: something is out of reach, or to be made again. */
static int fetch_all(struct mr_collect *collect, struct mr_error *later, struct mr_error *err) {
    const struct mr_watch *watch = collect->watch;
    if (make_room(collect, err) || ask_nodes(collect, err)) {
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

static bool is_none(struct mr_hash_128 hash) {
    return hash.high == 0 && hash.low == 0;
}

/* Its reader may have seen enough, as `head` has: MR_ERR_CLOSED. */
static int put_out(struct mr_collect *collect, const void *data, size_t len, struct mr_error *err) {
    int status = mr_file_write(collect->target->output_fd, data, len, "standard output", err);
    collect->is_enough = status == MR_ERR_CLOSED;
    return status;
}

static int copy_stream(struct mr_collect *collect, struct mr_error *err) {
    struct mr_buffer piece = {0};
    uint64_t at = 0;
    size_t got = 1;
    if (mr_buffer_reserve(&piece, COPY_BYTES, err)) {
        return err->code;
    }
    for (; got > 0 && !err->code; at += got) {
        got = 0;
        if (!mr_file_read(collect->stream_fd, (int64_t)at, piece.data, COPY_BYTES, "a scratch file",
                          &got, err)) {
            (void)!put_out(collect, piece.data, got, err);
        }
    }
    mr_buffer_fini(&piece);
    return err->code;
}

/* The lines of a loop are its one part. */
static int put_lines(struct mr_collect *collect, const struct mr_buffer *lines,
                     struct mr_run_part *done, struct mr_error *err) {
    struct mr_part part = {.fd = -1};
    char name[MR_PART_NAME_MAX];
    int dir_fd = -1;
    if (!collect->commit) {
        return put_out(collect, lines->data, lines->len, err);
    }
    mr_part_name(name, sizeof name, 0);
    if (mr_commit_discard(collect->commit, 0, 1, err) ||
        mr_commit_attempt(collect->commit, 0, 1, &dir_fd, err)) {
        return err->code;
    }
    if (!mr_part_create(&part, dir_fd, name, err) &&
        !mr_part_write(&part, lines->data, lines->len, err)) {
        (void)!mr_part_finish(&part, done, err);
    }
    mr_part_abandon(&part);
    (void)close(dir_fd); /* nothing was written through it */
    return err->code;
}

static int publish(struct mr_collect *collect, const char *manifest, const struct mr_run_part *line,
                   struct mr_error *err) {
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
        int status = mr_commit_publish(collect->commit, parts, winners, count, manifest, err);
        collect->is_enough = status == MR_ERR_USAGE;
    }
    free(parts);
    free(winners);
    return err->code;
}

/* Gets what lies with the master, if there is such. */
static int download(const struct mr_collect *collect, struct mr_hash_128 hash, uint64_t most,
                    struct mr_buffer *bytes, struct mr_error *err) {
    struct mr_client_blob blob = {.hash = hash,
                                  .most = most,
                                  .interrupted = collect->watch->interrupted,
                                  .interrupted_arg = collect->watch->arg};
    return is_none(hash) ? MR_OK : mr_client_download(collect->client, &blob, bytes, err);
}

/* Gets what lies with the master, and makes the output of all. */
static int finish(struct mr_collect *collect, char **manifest, struct mr_error *err) {
    const struct mr_watch *watch = collect->watch;
    struct mr_buffer text = {0};
    struct mr_buffer aside = {0};
    struct mr_buffer lines = {0};
    struct mr_run_part line = {0};
    bool has_lines = !is_none(watch->lines);
    bool wants_manifest = collect->commit || collect->target->wants_manifest;
    struct mr_hash_128 none = {0, 0};
    if (!download(collect, wants_manifest ? watch->manifest : none, MANIFEST_MAX, &text, err) &&
        !download(collect, watch->aside, SIDE_MAX, &aside, err) &&
        !download(collect, watch->lines, SIDE_MAX, &lines, err) &&
        !mr_buffer_append(&text, "", 1, err)) { /* its end */
        (void)!(has_lines ? put_lines(collect, &lines, &line, err) : MR_OK);
        if (!err->code && collect->commit && aside.len > 0) {
            struct mr_bytes bytes = {aside.data, aside.len};
            (void)!mr_commit_add(collect->commit, ASIDE_NAME, bytes, err);
        }
        if (!err->code && collect->commit) {
            (void)!publish(collect, text.data, has_lines ? &line : NULL, err);
        } else if (!err->code && collect->stream_fd >= 0) {
            (void)!copy_stream(collect, err);
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
    return collect->commit || count <= 1
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
    bool is_here = collect->is_done;
    mr_client_keep_signals(client, collect->commit != NULL && watch->interrupted != NULL);
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
    } else if (collect->is_enough) {
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
