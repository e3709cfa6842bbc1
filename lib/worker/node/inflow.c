/* inflow: what tasks read that other attempts left: who won, where it lies, and brings it here. */
#include "lib/worker/node/inflow.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/worker/node/stock.h"
#include "lib/worker/piece.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define RETRY_MS 300
#define TRIES_MAX 2
#define TOTAL_MAX ((uint32_t)1 << 22)

/* One output that is brought. */
struct transfer {
    uv_work_t work;
    struct mr_inflow *inflow;
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

struct mr_inflow {
    struct mr_inflow_options options;
    uint32_t node;
    struct mr_stock_table *tables;
    uv_timer_t timer;
    bool is_closing;
    bool is_timer_closed;
    unsigned transfers;
    struct mr_error no_words;
    void (*closed)(void *user);
    void *user;
};

/* ---- tables -----------------------------------------------------------------------------------*/

static void destroy_table(struct mr_inflow *inflow, struct mr_stock_table *table) {
    struct mr_dossier *job = table->job;
    mr_stock_close(&inflow->tables, table);
    mr_docket_leave(inflow->options.docket, job);
}

static void drop_table(struct mr_inflow *inflow, struct mr_stock_table *table) {
    table->is_dropped = true;
    if (table->transfers == 0) {
        destroy_table(inflow, table);
    }
}

static void look_again(struct mr_inflow *inflow, uint64_t after_ms);

int mr_inflow_take(struct mr_inflow *inflow, struct mr_dossier *job,
                   const struct mr_wire_sources *message, struct mr_error *err) {
    struct mr_stock_table *table =
        mr_stock_find(inflow->tables, job, (uint32_t)message->round, (uint32_t)message->phase);
    bool is_wrong = message->total > TOTAL_MAX || (message->phase == 0 && message->round == 0) ||
                    (table && table->total != message->total);
    for (size_t i = 0; i < message->sources_count; i++) {
        is_wrong |= message->sources[i].task >= message->total;
    }
    if (is_wrong) {
        return mr_error_set(err, MR_ERR_IO, "the master says of a round what can't be");
    }
    if (!table) {
        if (mr_stock_open(&inflow->tables, job, message, &table, err)) {
            return err->code;
        }
        mr_docket_use(job);
    }
    for (size_t i = 0; i < message->sources_count; i++) {
        const struct mr_wire_row_source *row = &message->sources[i];
        mr_stock_replace(table, (uint32_t)row->task, (uint32_t)row->attempt, (uint32_t)row->node);
    }
    look_again(inflow, 0);
    inflow->options.changed(inflow->options.user, job);
    return MR_OK;
}

/* ---- bringing ---------------------------------------------------------------------------------*/

static void end_transfer(struct transfer *transfer) {
    struct mr_inflow *inflow = transfer->inflow;
    struct mr_stock_table *table = transfer->table;
    if (transfer->fd >= 0) {
        (void)close(transfer->fd);
    }
    free(transfer->partitions);
    free(transfer);
    inflow->transfers--;
    if (--table->transfers == 0 && table->is_dropped) {
        destroy_table(inflow, table);
    }
}

static void finish_close(struct mr_inflow *inflow);

/* The transfer ended, well or not: what follows for the row, and for those who wait. */
static void settle(struct transfer *transfer, const struct mr_error *err, bool is_damaged) {
    struct mr_inflow *inflow = transfer->inflow;
    struct mr_stock_table *table = transfer->table;
    struct mr_dossier *job = table->job;
    struct mr_stock_row *row = &table->rows[transfer->task];
    /* An attempt may be withdrawn and win again meanwhile: its file was removed with the first. */
    bool is_void = table->is_dropped || row->attempt != transfer->attempt ||
                   row->clearings != transfer->clearings;
    row->is_busy = false;
    if (is_void) { /* nobody wants it any more */
        struct mr_wire_row_held name = mr_stock_name(table, transfer->task, transfer->attempt);
        mr_dossier_discard(job, &name, NULL);
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
        row->not_before = uv_now(mr_net_loop(inflow->options.net)) + (is_damaged ? 0 : RETRY_MS);
        mr_stock_want(table, row);
    } else {
        mr_stock_lose(table, row, is_damaged, err);
        row->is_local = transfer->is_local;
    }
    mr_docket_use(job); /* the table may be the last that keeps it */
    end_transfer(transfer);
    if (!is_void) {
        inflow->options.changed(inflow->options.user, job);
    }
    mr_docket_leave(inflow->options.docket, job);
    if (inflow->is_closing) {
        finish_close(inflow);
    } else {
        look_again(inflow, 0);
    }
}

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
    if (failure.code || transfer->inflow->is_closing) {
        settle(transfer, &failure, false);
        return;
    }
    transfer->work.data = transfer;
    if (uv_queue_work(mr_net_loop(transfer->inflow->options.net), &transfer->work, check,
                      checked) != 0) {
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

static int ask(struct mr_inflow *inflow, struct mr_stock_table *table, uint32_t task,
               const struct mr_peers_about *peer, struct mr_error *err) {
    struct mr_stock_row *row = &table->rows[task];
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) {
        return mr_error_nomem(err, "fetching");
    }
    *transfer = (struct transfer){.inflow = inflow,
                                  .table = table,
                                  .task = task,
                                  .attempt = row->attempt,
                                  .clearings = row->clearings,
                                  .fd = -1};
    bool is_near = strcmp(peer->host, inflow->options.host) == 0;
    int codec = inflow->options.codec < 0 ? (int)table->job->spec.codec : inflow->options.codec;
    inflow->transfers++;
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
        if (!is_nothing && !mr_peers_ask(inflow->options.peers, &request, err)) {
            return MR_OK;
        }
        row->is_busy = false;
    }
    end_transfer(transfer);
    return err->code;
}

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
static bool link_near(struct mr_inflow *inflow, struct mr_stock_table *table, uint32_t task,
                      const struct mr_peers_about *peer) {
    struct mr_stock_row *row = &table->rows[task];
    struct mr_wire_row_held name = mr_stock_name(table, task, row->attempt);
    struct mr_error ignored = {0};
    char dir[MR_DOSSIER_DIR_MAX];
    char from[MR_ORDERS_PATH_MAX];
    char to[MR_ORDERS_PATH_MAX];
    if (strcmp(peer->host, inflow->options.host) != 0 || !*peer->scratch ||
        mr_stock_has_any(table, row)) {
        return false;
    }
    snprintf(dir, sizeof dir, "%.4000s/jobs/%s", peer->scratch, table->job->id);
    if (mr_dossier_path(table->job, dir, &name, from, &ignored) ||
        mr_dossier_path(table->job, table->job->dir, &name, to, &ignored)) {
        return false;
    }
    if (link(from, to) != 0 && !(errno == EEXIST && unlink(to) == 0 && link(from, to) == 0)) {
        return false; /* what was in its place was of an earlier try */
    }
    mr_stock_set_row_state(row, MR_STOCK_HERE);
    return true;
}

static void bring(struct mr_inflow *inflow, struct mr_stock_table *table, uint32_t task) {
    struct mr_stock_row *row = &table->rows[task];
    const struct mr_peers_about *peer = mr_peers_find(inflow->options.peers, row->node);
    struct mr_error err = {0};
    row->is_wanted = false;
    if (row->node == inflow->node) {
        look_at_own(table, task);
        return;
    }
    if (!peer) {
        mr_error_set(&err, MR_ERR_CLUSTER, "nothing is known of worker %u", row->node);
        mr_stock_lose(table, row, false, &err);
        return;
    }
    if (link_near(inflow, table, task, peer)) {
        return;
    }
    if (ask(inflow, table, task, peer, &err)) {
        mr_stock_lose(table, row, false, &err);
        row->is_local = err.code == MR_ERR_IO || err.code == MR_ERR_NOMEM;
    }
}

/* Brings what is wanted of a table; true: some of it is settled. Stores the time of the next try of
 * what has to wait, where it is before *next. */
static bool bring_wanted(struct mr_inflow *inflow, struct mr_stock_table *table, uint64_t now,
                         uint64_t *next) {
    bool is_settled = false;
    uint32_t begin = table->wanted_begin;
    uint32_t end = table->wanted_end;
    table->wanted_begin = table->wanted_end = 0;
    for (uint32_t i = begin; i < end; i++) {
        struct mr_stock_row *row = &table->rows[i];
        bool is_due = row->is_wanted && !row->is_busy && row->state == MR_STOCK_ABSENT &&
                      row->attempt && row->not_before <= now;
        if (is_due) {
            bring(inflow, table, i);
            is_settled |= row->state != MR_STOCK_ABSENT;
        } else if (row->is_wanted) {
            mr_stock_want(table, row); /* still */
            bool has_to_wait = !row->is_busy && row->attempt && row->not_before > now;
            *next = has_to_wait && row->not_before < *next ? row->not_before : *next;
        }
    }
    return is_settled;
}

/* Brings what is wanted, all that was gathered since. */
static void work(uv_timer_t *timer) {
    struct mr_inflow *inflow = timer->data;
    uint64_t now = uv_now(timer->loop);
    uint64_t next = UINT64_MAX;
    for (struct mr_stock_table *table = inflow->tables; table; table = table->next) {
        /* Where some is settled, tables may change under it: the rest is done later. */
        if (!table->is_dropped && bring_wanted(inflow, table, now, &next)) {
            look_again(inflow, 0);
            inflow->options.changed(inflow->options.user, table->job);
            return;
        }
    }
    if (next != UINT64_MAX) {
        look_again(inflow, next - now);
    }
}

static void look_again(struct mr_inflow *inflow, uint64_t after_ms) {
    if (!inflow->is_closing && (after_ms == 0 || !uv_is_active((uv_handle_t *)&inflow->timer))) {
        uv_timer_start(&inflow->timer, work, after_ms, 0);
    }
}

/* ---- asking -----------------------------------------------------------------------------------*/

uint32_t mr_inflow_total(const struct mr_inflow *inflow, const struct mr_inflow_want *want) {
    const struct mr_stock_table *table =
        mr_stock_find(inflow->tables, want->job, want->round, want->phase);
    return table ? table->total : 0;
}

void mr_inflow_begin(struct mr_inflow *inflow, const struct mr_inflow_want *want) {
    struct mr_stock_table *table =
        mr_stock_find(inflow->tables, want->job, want->round, want->phase);
    for (uint32_t i = 0; table && table->has_lost && i < table->total; i++) {
        if (table->rows[i].state == MR_STOCK_LOST) {
            mr_stock_clear(&table->rows[i]);
        }
    }
    if (table) {
        table->has_lost = false;
    }
}

bool mr_inflow_is_worth_a_look(struct mr_inflow *inflow, const struct mr_inflow_want *want) {
    struct mr_stock_table *table =
        mr_stock_find(inflow->tables, want->job, want->round, want->phase);
    return table && (table->known == table->total || table->has_lost ||
                     !mr_stock_stand(table, want->partition));
}

/* Notes the wish; false for want of memory. */
static bool want_it(struct mr_inflow *inflow, struct mr_stock_table *table,
                    struct mr_stock_row *row, uint32_t partition) {
    bool is_new =
        partition == MR_INFLOW_ALL ? !row->wants_all : !mr_stock_has_bit(row->want, partition);
    if (!mr_stock_make_bits(table, row)) {
        return false;
    }
    if (partition == MR_INFLOW_ALL) {
        row->wants_all = true;
    } else {
        mr_stock_set_bit(row->want, partition, true);
    }
    if (is_new || (!row->is_busy && !row->is_wanted)) {
        mr_stock_want(table, row);
        look_again(inflow, 0);
    }
    return true;
}

struct mr_inflow_row mr_inflow_look(struct mr_inflow *inflow, const struct mr_inflow_want *want,
                                    uint32_t task) {
    struct mr_stock_table *table =
        mr_stock_find(inflow->tables, want->job, want->round, want->phase);
    struct mr_inflow_row found = {.standing = MR_INFLOW_UNKNOWN};
    if (!table || task >= table->total || !table->rows[task].attempt) {
        return found;
    }
    struct mr_stock_row *row = &table->rows[task];
    found.attempt = row->attempt;
    if (mr_stock_is_here(row, want->partition)) {
        found.standing = MR_INFLOW_HERE;
    } else if (row->state == MR_STOCK_LOST) {
        found.standing = MR_INFLOW_LOST;
        found.is_damaged = row->is_damaged;
        found.is_local = row->is_local;
        found.why = row->why ? row->why : &inflow->no_words;
    } else {
        found.standing = MR_INFLOW_COMING;
        if (!want_it(inflow, table, row, want->partition)) {
            mr_error_nomem(&inflow->no_words, "fetching");
            mr_stock_lose(table, row, false, &inflow->no_words);
            row->is_local = found.is_local = true;
            found.standing = MR_INFLOW_LOST;
            found.why = &inflow->no_words;
        }
    }
    return found;
}

void mr_inflow_distrust(struct mr_inflow *inflow, const struct mr_inflow_want *want, uint32_t task,
                        uint32_t attempt) {
    struct mr_stock_table *table =
        mr_stock_find(inflow->tables, want->job, want->round, want->phase);
    if (!table || task >= table->total || table->rows[task].attempt != attempt ||
        table->rows[task].is_busy) {
        return;
    }
    struct mr_wire_row_held name = mr_stock_name(table, task, attempt);
    mr_stock_clear(&table->rows[task]);
    if (!mr_dossier_holds(table->job, &name)) { /* the own one is the master's to discard */
        mr_dossier_discard(table->job, &name, NULL);
    }
}

/* ---- the end ----------------------------------------------------------------------------------*/

void mr_inflow_drop_round(struct mr_inflow *inflow, struct mr_dossier *job, uint32_t round,
                          uint32_t phase) {
    struct mr_stock_table *table = mr_stock_find(inflow->tables, job, round, phase);
    if (table) {
        drop_table(inflow, table);
    }
}

void mr_inflow_drop(struct mr_inflow *inflow, struct mr_dossier *job) {
    for (struct mr_stock_table *table = inflow->tables, *next; table; table = next) {
        next = table->next;
        if (table->job == job && !table->is_dropped) {
            drop_table(inflow, table);
        }
    }
}

void mr_inflow_set_node(struct mr_inflow *inflow, uint32_t node) {
    inflow->node = node;
}

int mr_inflow_create(const struct mr_inflow_options *options, struct mr_inflow **inflow,
                     struct mr_error *err) {
    struct mr_inflow *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    *made = (struct mr_inflow){.options = *options, .node = UINT32_MAX};
    mr_error_set(&made->no_words, MR_ERR_NOMEM, "it could not be had");
    uv_timer_init(mr_net_loop(options->net), &made->timer);
    made->timer.data = made;
    *inflow = made;
    return MR_OK;
}

static void finish_close(struct mr_inflow *inflow) {
    if (inflow->transfers == 0 && inflow->is_timer_closed) {
        void (*closed)(void *user) = inflow->closed;
        void *user = inflow->user;
        while (inflow->tables) {
            destroy_table(inflow, inflow->tables);
        }
        free(inflow);
        closed(user);
    }
}

static void timer_closed(uv_handle_t *handle) {
    struct mr_inflow *inflow = handle->data;
    inflow->is_timer_closed = true;
    finish_close(inflow);
}

void mr_inflow_close(struct mr_inflow *inflow, void (*closed)(void *user), void *user) {
    inflow->is_closing = true;
    inflow->closed = closed;
    inflow->user = user;
    uv_close((uv_handle_t *)&inflow->timer, timer_closed);
}
