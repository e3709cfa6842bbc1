/* stock: tables of what tasks read: for each output its winner, its node, and what of it is here.
 */
#include "lib/worker/node/stock.h"

#include "lib/base/error.h"
#include <stdlib.h>

void mr_stock_set_row_state(struct mr_stock_row *row, enum mr_stock_row_state state) {
    row->state = state;
}

struct mr_stock_table *mr_stock_find(struct mr_stock_table *tables, const struct mr_dossier *job,
                                     uint32_t round, uint32_t phase) {
    struct mr_stock_table *table = tables;
    while (table && (table->job != job || table->round != round || table->phase != phase ||
                     table->is_dropped)) {
        table = table->next;
    }
    return table;
}

struct mr_wire_row_held mr_stock_name(const struct mr_stock_table *table, uint32_t task,
                                      uint32_t attempt) {
    bool is_reduce = table->phase == 1;
    return (struct mr_wire_row_held){.round = is_reduce ? table->round : table->round - 1,
                                     .phase = is_reduce ? MR_DOSSIER_MAP : MR_DOSSIER_PAIRS,
                                     .task = task,
                                     .attempt = attempt};
}

void mr_stock_clear(struct mr_stock_row *row) {
    free(row->have);
    free(row->want);
    free(row->why);
    row->have = row->want = NULL;
    row->why = NULL;
    row->is_wanted = row->wants_all = row->is_damaged = row->is_local = false;
    row->tries = 0;
    row->clearings++;
    row->not_before = 0;
    mr_stock_set_row_state(row, MR_STOCK_ABSENT);
}

int mr_stock_open(struct mr_stock_table **tables, struct mr_dossier *job,
                  const struct mr_wire_sources *message, struct mr_stock_table **table,
                  struct mr_error *err) {
    uint32_t total = (uint32_t)message->total;
    struct mr_stock_table *made = calloc(1, sizeof *made);
    struct mr_stock_row *rows = calloc((size_t)total + 1, sizeof *rows);
    if (!made || !rows) {
        free(made);
        free(rows);
        return mr_error_nomem(err, "noting what tasks read");
    }
    *made = (struct mr_stock_table){.next = *tables,
                                    .job = job,
                                    .round = (uint32_t)message->round,
                                    .phase = (uint32_t)message->phase,
                                    .total = total,
                                    .rows = rows};
    *tables = made;
    *table = made;
    return MR_OK;
}

void mr_stock_close(struct mr_stock_table **tables, struct mr_stock_table *table) {
    for (struct mr_stock_table **at = tables; *at; at = &(*at)->next) {
        if (*at == table) {
            *at = table->next;
            break;
        }
    }
    for (uint32_t i = 0; i < table->total; i++) {
        mr_stock_clear(&table->rows[i]);
    }
    free(table->standing);
    free(table->rows);
    free(table);
}

/* Wants of a row what stands; what there is no memory for is asked for by those who look. */
static void want_standing(struct mr_stock_table *table, struct mr_stock_row *row) {
    size_t bytes = mr_stock_partitions(table) / 8 + 1;
    bool is_open = (table->standing || table->stands_all) && row->attempt &&
                   row->state == MR_STOCK_ABSENT && !row->is_busy;
    if (!is_open || !mr_stock_make_bits(table, row)) {
        return;
    }
    row->wants_all |= table->stands_all;
    for (size_t i = 0; table->standing && i < bytes; i++) {
        row->want[i] |= table->standing[i];
    }
    mr_stock_want(table, row);
}

void mr_stock_replace(struct mr_stock_table *table, uint32_t task, uint32_t attempt,
                      uint32_t node) {
    struct mr_stock_row *row = &table->rows[task];
    if (row->attempt != attempt) {
        bool is_wanted = row->is_wanted || row->is_busy;
        struct mr_wire_row_held old = mr_stock_name(table, task, row->attempt);
        if (row->attempt && !mr_dossier_holds(table->job, &old)) {
            mr_dossier_discard(table->job, &old, NULL);
        }
        mr_stock_clear(row);
        if (is_wanted && attempt) {
            mr_stock_want(table, row);
        }
    } else if (row->node != node && row->state == MR_STOCK_LOST) {
        mr_stock_clear(row);
    }
    table->known += attempt && !row->attempt;
    table->known -= !attempt && row->attempt;
    row->attempt = attempt;
    row->node = node;
    want_standing(table, row);
}

bool mr_stock_stand(struct mr_stock_table *table, uint32_t partition) {
    size_t bytes = mr_stock_partitions(table) / 8 + 1;
    if (partition == MR_MAP_OUTPUT_ALL) {
        table->stands_all = true;
        return true;
    }
    table->standing = table->standing ? table->standing : calloc(1, bytes);
    if (table->standing) {
        mr_stock_set_bit(table->standing, partition, true);
    }
    return table->standing != NULL;
}

/* ---- bits -------------------------------------------------------------------------------------*/

bool mr_stock_has_bit(const unsigned char *bits, uint32_t at) {
    return bits && (bits[at / 8] >> at % 8 & 1);
}

void mr_stock_set_bit(unsigned char *bits, uint32_t at, bool value) {
    unsigned char mask = (unsigned char)(1u << at % 8);
    bits[at / 8] = (unsigned char)(value ? bits[at / 8] | mask : bits[at / 8] & ~mask);
}

uint32_t mr_stock_partitions(const struct mr_stock_table *table) {
    struct mr_wire_row_held name = mr_stock_name(table, 0, 1);
    struct mr_orders_task order = mr_dossier_order(table->job, &name);
    return table->phase == 1 && order.round < table->job->spec.rounds_count
               ? (uint32_t)table->job->spec.rounds[order.round].partitions
               : 1;
}

bool mr_stock_make_bits(struct mr_stock_table *table, struct mr_stock_row *row) {
    size_t bytes = mr_stock_partitions(table) / 8 + 1;
    row->have = row->have ? row->have : calloc(1, bytes);
    row->want = row->want ? row->want : calloc(1, bytes);
    return row->have && row->want;
}

void mr_stock_want(struct mr_stock_table *table, struct mr_stock_row *row) {
    uint32_t task = (uint32_t)(row - table->rows);
    bool is_first = table->wanted_begin == table->wanted_end;
    row->is_wanted = true;
    table->wanted_begin = is_first || task < table->wanted_begin ? task : table->wanted_begin;
    table->wanted_end = is_first || task >= table->wanted_end ? task + 1 : table->wanted_end;
}

void mr_stock_lose(struct mr_stock_table *table, struct mr_stock_row *row, bool is_damaged,
                   const struct mr_error *why) {
    mr_stock_clear(row);
    table->has_lost = true;
    row->is_damaged = is_damaged;
    row->why = malloc(sizeof *row->why);
    if (row->why) {
        *row->why = *why;
    }
    mr_stock_set_row_state(row, MR_STOCK_LOST);
}

bool mr_stock_has_any(const struct mr_stock_table *table, const struct mr_stock_row *row) {
    for (uint32_t i = 0; row->have && i < mr_stock_partitions(table) / 8 + 1; i++) {
        if (row->have[i]) {
            return true;
        }
    }
    return false;
}

bool mr_stock_is_here(const struct mr_stock_row *row, uint32_t partition) {
    return row->state == MR_STOCK_HERE ||
           (partition != MR_MAP_OUTPUT_ALL && row->state == MR_STOCK_ABSENT &&
            mr_stock_has_bit(row->have, partition));
}
