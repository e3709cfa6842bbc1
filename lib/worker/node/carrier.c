/* carrier: brings here an output that tasks read: the own, a neighbour's, or one that is fetched.
 */
#include "lib/worker/node/carrier.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/worker/piece.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define RETRY_MS 300
#define TRIES_MAX 2

/* One output that is fetched. */
struct transfer {
    uv_work_t work;
    const struct mr_carrier *carrier;
    struct mr_stock_table *table;
    uint32_t task;
    uint32_t attempt;
    unsigned clearings; /* of the row, when it began */
    int fd;
    bool is_all;
    uint32_t *partitions;
    size_t count;
    bool is_local;       /* what failed is this worker's disk, or memory */
    struct mr_error err; /* of the check */
};

/* ---- the end of one ---------------------------------------------------------------------------*/

static void destroy(struct transfer *transfer) {
    if (transfer->fd >= 0) {
        (void)close(transfer->fd);
    }
    transfer->table->transfers--;
    free(transfer->partitions);
    free(transfer);
}

/* What follows for the row; what nobody wants any more is removed. */
static void settle_row(const struct transfer *transfer, bool is_void, const struct mr_error *err,
                       bool is_damaged) {
    struct mr_stock_table *table = transfer->table;
    struct mr_stock_row *row = &table->rows[transfer->task];
    row->is_busy = false;
    if (is_void) {
        struct mr_wire_row_held name = mr_stock_name(table, transfer->task, transfer->attempt);
        mr_dossier_discard(table->job, &name, NULL);
    } else if (!err->code && transfer->is_all) {
        mr_stock_set_row_state(row, MR_STOCK_HERE);
        row->is_wanted = false;
    } else if (!err->code) {
        for (size_t i = 0; i < transfer->count; i++) {
            mr_stock_set_bit(row->have, transfer->partitions[i], true);
            mr_stock_set_bit(row->want, transfer->partitions[i], false);
        }
        row->tries = 0;
    } else if (++row->tries < TRIES_MAX) {
        row->not_before = uv_now(transfer->carrier->loop) + (is_damaged ? 0 : RETRY_MS);
        mr_stock_want(table, row);
    } else {
        mr_stock_lose(table, row, is_damaged, err);
        row->is_local = transfer->is_local;
    }
}

/* The transfer ended, well or not. */
static void settle(struct transfer *transfer, const struct mr_error *err, bool is_damaged) {
    const struct mr_carrier *carrier = transfer->carrier;
    struct mr_stock_table *table = transfer->table;
    const struct mr_stock_row *row = &table->rows[transfer->task];
    /* An attempt may be withdrawn and win again meanwhile: its file was removed with the first. */
    bool is_void = table->is_dropped || row->attempt != transfer->attempt ||
                   row->clearings != transfer->clearings;
    settle_row(transfer, is_void, err, is_damaged);
    destroy(transfer);
    carrier->ended(carrier->user, table, is_void);
}

/* ---- fetching ---------------------------------------------------------------------------------*/

/* In a thread of its own: is what came the output that was asked for? */
static void check(uv_work_t *work) {
    struct transfer *transfer = work->data;
    struct mr_stock_table *table = transfer->table;
    struct mr_wire_row_held name = mr_stock_name(table, transfer->task, transfer->attempt);
    struct mr_map_output *output = NULL;
    if (mr_dossier_open(table->job, table->job->dir, &name, &output, &transfer->err)) {
        return;
    }
    if (transfer->is_all) {
        (void)!mr_map_output_check(output, MR_MAP_OUTPUT_ALL, &transfer->err);
    }
    for (size_t i = 0; i < transfer->count && !transfer->err.code; i++) {
        (void)!mr_map_output_check(output, transfer->partitions[i], &transfer->err);
    }
    mr_map_output_close(output);
}

static void checked(uv_work_t *work, int status) {
    struct transfer *transfer = work->data;
    struct mr_error err = transfer->err;
    (void)status; /* it is never cancelled */
    settle(transfer, &err, err.code == MR_ERR_IO);
}

/* Those that wait for their turn need no file yet: there may be more than descriptors. */
static int open_file(struct transfer *transfer, struct mr_error *err) {
    struct mr_stock_table *table = transfer->table;
    struct mr_wire_row_held name = mr_stock_name(table, transfer->task, transfer->attempt);
    char path[MR_ORDERS_PATH_MAX];
    if (mr_dossier_path(table->job, table->job->dir, &name, path, err)) {
        return err->code;
    }
    if (!mr_stock_has_any(table, &table->rows[transfer->task])) {
        (void)unlink(path); /* of an earlier try */
    }
    transfer->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return transfer->fd >= 0 ? MR_OK
                             : mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
}

static int take_piece(void *user, uint64_t offset, struct mr_bytes bytes, struct mr_error *err) {
    struct transfer *transfer = user;
    transfer->is_local =
        (transfer->fd < 0 && open_file(transfer, err)) ||
        mr_file_write_at(transfer->fd, offset, bytes.data, bytes.len, "a fetched map output", err);
    return err->code;
}

static void fetched(void *user, uint64_t size, const struct mr_error *err) {
    struct transfer *transfer = user;
    struct mr_error failure = *err;
    if (!failure.code && transfer->fd < 0) {
        mr_error_set(&failure, MR_ERR_IO, "nothing came of a map output");
    }
    if (!failure.code && ftruncate(transfer->fd, (off_t)size) != 0) {
        mr_error_errno(&failure, MR_ERR_IO, errno, "keep a fetched map output");
        transfer->is_local = true;
    }
    if (failure.code) {
        settle(transfer, &failure, false);
        return;
    }
    transfer->work.data = transfer;
    if (uv_queue_work(transfer->carrier->loop, &transfer->work, check, checked) != 0) {
        mr_error_nomem(&failure, "checking a map output");
        transfer->is_local = true;
        settle(transfer, &failure, false);
    }
}

static int list_partitions(struct mr_stock_table *table, struct mr_stock_row *row,
                           struct transfer *transfer, struct mr_error *err) {
    uint32_t partitions = mr_stock_partitions(table);
    transfer->is_all = row->wants_all;
    transfer->partitions = calloc(transfer->is_all ? 1 : (size_t)partitions, sizeof(uint32_t));
    if (!transfer->partitions) {
        return mr_error_nomem(err, "fetching");
    }
    for (uint32_t i = 0; i < partitions && !transfer->is_all && transfer->count < MR_WIRE_ROWS_MAX;
         i++) {
        if (mr_stock_has_bit(row->want, i) && !mr_stock_has_bit(row->have, i)) {
            transfer->partitions[transfer->count++] = i;
        }
    }
    return MR_OK;
}

static int fetch(const struct mr_carrier *carrier, struct mr_stock_table *table, uint32_t task,
                 bool is_near, struct mr_error *err) {
    struct mr_stock_row *row = &table->rows[task];
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) {
        return mr_error_nomem(err, "fetching");
    }
    *transfer = (struct transfer){.carrier = carrier,
                                  .table = table,
                                  .task = task,
                                  .attempt = row->attempt,
                                  .clearings = row->clearings,
                                  .fd = -1};
    int codec = carrier->codec < 0 ? (int)table->job->spec.codec : carrier->codec;
    table->transfers++;
    if (!list_partitions(table, row, transfer, err)) {
        struct mr_peers_request request = {.job = table->job,
                                           .row = mr_stock_name(table, task, row->attempt),
                                           .node = row->node,
                                           .codec = is_near ? MR_PIECE_NONE : (unsigned)codec,
                                           .partitions = transfer->partitions,
                                           .partition_count = transfer->count,
                                           .piece = take_piece,
                                           .ended = fetched,
                                           .user = transfer};
        bool is_nothing = !transfer->is_all && transfer->count == 0; /* all of it came meanwhile */
        row->is_busy = !is_nothing;
        if (!is_nothing && !mr_peers_ask(carrier->peers, &request, err)) {
            return MR_OK;
        }
        row->is_busy = false;
    }
    destroy(transfer);
    return err->code;
}

/* ---- bringing ---------------------------------------------------------------------------------*/

/* An output of this worker's own. Whether it is as it was, the task finds out that reads it. */
static void look_at_own(struct mr_stock_table *table, uint32_t task) {
    struct mr_stock_row *row = &table->rows[task];
    struct mr_wire_row_held name = mr_stock_name(table, task, row->attempt);
    struct mr_error err = {0};
    char path[MR_ORDERS_PATH_MAX];
    if (!mr_dossier_path(table->job, table->job->dir, &name, path, &err) &&
        access(path, R_OK) != 0) {
        mr_error_errno(&err, MR_ERR_IO, errno, "open the map output \"%s\"", path);
    }
    if (err.code) {
        mr_stock_lose(table, row, false, &err);
        return;
    }
    mr_stock_set_row_state(row, MR_STOCK_HERE);
}

/* Gives the file of a worker on the same machine a second name here. Likewise. */
static bool link_near(struct mr_stock_table *table, uint32_t task,
                      const struct mr_peers_about *peer) {
    struct mr_stock_row *row = &table->rows[task];
    struct mr_wire_row_held name = mr_stock_name(table, task, row->attempt);
    struct mr_error ignored = {0};
    char dir[MR_DOSSIER_DIR_MAX];
    char from[MR_ORDERS_PATH_MAX];
    char to[MR_ORDERS_PATH_MAX];
    if (!*peer->scratch || mr_stock_has_any(table, row)) {
        return false;
    }
    snprintf(dir, sizeof dir, "%.4000s/jobs/%s", peer->scratch, table->job->id);
    if (mr_dossier_path(table->job, dir, &name, from, &ignored) ||
        mr_dossier_path(table->job, table->job->dir, &name, to, &ignored)) {
        return false;
    }
    if (mr_file_link(from, to) != 0) { /* what was in its place was of an earlier try */
        return false;
    }
    mr_stock_set_row_state(row, MR_STOCK_HERE);
    return true;
}

void mr_carrier_bring(const struct mr_carrier *carrier, struct mr_stock_table *table,
                      uint32_t task) {
    struct mr_stock_row *row = &table->rows[task];
    const struct mr_peers_about *peer = mr_peers_find(carrier->peers, row->node);
    struct mr_error err = {0};
    row->is_wanted = false;
    if (row->node == carrier->node) {
        look_at_own(table, task);
        return;
    }
    if (!peer) {
        mr_error_set(&err, MR_ERR_CLUSTER, "nothing is known of worker %u", row->node);
        mr_stock_lose(table, row, false, &err);
        return;
    }
    bool is_near = strcmp(peer->host, carrier->host) == 0;
    if (is_near && link_near(table, task, peer)) {
        return;
    }
    if (fetch(carrier, table, task, is_near, &err)) {
        mr_stock_lose(table, row, false, &err);
        row->is_local = err.code == MR_ERR_IO || err.code == MR_ERR_NOMEM;
    }
}
