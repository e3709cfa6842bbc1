/* inflow: what tasks read that other attempts left: who won, and what of it is wanted here. */
#include "lib/worker/node/inflow.h"

#include "lib/base/error.h"
#include "lib/worker/node/carrier.h"
#include "lib/worker/node/stock.h"
#include <stdlib.h>
#include <uv.h>

#define TOTAL_MAX ((uint32_t)1 << 22)

struct mr_inflow {
    struct mr_inflow_options options;
    struct mr_carrier carrier;
    struct mr_stock_table *tables;
    uv_timer_t timer;
    bool is_closing;
    bool is_timer_closed;
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

static void finish_close(struct mr_inflow *inflow);

static void transfer_ended(void *user, struct mr_stock_table *table, bool is_void) {
    struct mr_inflow *inflow = user;
    struct mr_dossier *job = table->job;
    mr_docket_use(job); /* the table may be the last that keeps it */
    if (table->is_dropped) {
        drop_table(inflow, table); /* it goes, if nothing more is under way */
    }
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
            mr_carrier_bring(&inflow->carrier, table, i);
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
    inflow->carrier.node = node;
}

int mr_inflow_create(const struct mr_inflow_options *options, struct mr_inflow **inflow,
                     struct mr_error *err) {
    struct mr_inflow *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    *made = (struct mr_inflow){.options = *options,
                               .carrier = {.loop = mr_net_loop(options->net),
                                           .peers = options->peers,
                                           .host = options->host,
                                           .node = UINT32_MAX,
                                           .codec = options->codec,
                                           .ended = transfer_ended,
                                           .user = made}};
    mr_error_set(&made->no_words, MR_ERR_NOMEM, "it could not be had");
    uv_timer_init(mr_net_loop(options->net), &made->timer);
    made->timer.data = made;
    *inflow = made;
    return MR_OK;
}

static bool is_bringing(const struct mr_inflow *inflow) {
    const struct mr_stock_table *table = inflow->tables;
    while (table && table->transfers == 0) {
        table = table->next;
    }
    return table != NULL;
}

static void finish_close(struct mr_inflow *inflow) {
    if (inflow->is_timer_closed && !is_bringing(inflow)) {
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
