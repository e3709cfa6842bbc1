/* stock: tables of what tasks read: for each output its winner, its node, and what of it is here.
 */
#ifndef MR_NODE_STOCK_H
#define MR_NODE_STOCK_H

#include "lib/worker/node/dossier.h"

enum mr_stock_row_state {
    MR_STOCK_ABSENT, /* nothing of it is here, but the partitions that `have` has */
    MR_STOCK_HERE,   /* all of it */
    MR_STOCK_LOST,   /* it can't be had */
};

/* An output that tasks read. */
struct mr_stock_row {
    uint32_t attempt; /* 0: none has won */
    uint32_t node;
    enum mr_stock_row_state state;
    bool is_busy;   /* it is being brought or checked */
    bool is_wanted; /* it is to be brought */
    bool wants_all;
    bool is_damaged; /* lost: it came, and is wrong */
    bool is_local;   /* lost: it could not be kept here */
    unsigned tries;
    unsigned clearings;  /* so far: what was begun before the last is void */
    uint64_t not_before; /* loop's time of the next try */
    unsigned char *have; /* bits, by partition; NULL: none */
    unsigned char *want;
    struct mr_error *why; /* lost; NULL: there was no memory to say it */
};

/* What the tasks of a round and phase read. */
struct mr_stock_table {
    struct mr_stock_table *next;
    struct mr_dossier *job;
    uint32_t round;
    uint32_t phase;
    uint32_t total;
    struct mr_stock_row *rows;
    uint32_t wanted_begin; /* no row that is wanted stands outside of this range */
    uint32_t wanted_end;
    uint32_t known;          /* rows that have a winner */
    unsigned char *standing; /* bits of partitions that are wanted of every row; NULL: none */
    bool stands_all;         /* whole files are */
    bool has_lost;           /* some row may be LOST */
    unsigned transfers;      /* of its rows, under way */
    bool is_dropped;         /* nobody needs it: it goes when they have ended */
};

/* One that is not dropped; NULL: there is none. */
struct mr_stock_table *mr_stock_find(struct mr_stock_table *tables, const struct mr_dossier *job,
                                     uint32_t round, uint32_t phase);
/* Adds one, as SOURCES describes it; and removes one. The job is borrowed. */
MR_MUST_USE int mr_stock_open(struct mr_stock_table **tables, struct mr_dossier *job,
                              const struct mr_wire_sources *message, struct mr_stock_table **table,
                              struct mr_error *err);
void mr_stock_close(struct mr_stock_table **tables, struct mr_stock_table *table);

/* The name of an output of a table's. */
struct mr_wire_row_held mr_stock_name(const struct mr_stock_table *table, uint32_t task,
                                      uint32_t attempt);
/* Partitions of the outputs that a table lists. */
uint32_t mr_stock_partitions(const struct mr_stock_table *table);

/* An output's winner is another, or none: what is here of the one before goes. */
void mr_stock_replace(struct mr_stock_table *table, uint32_t task, uint32_t attempt, uint32_t node);
/* The only one who writes it. */
void mr_stock_set_row_state(struct mr_stock_row *row, enum mr_stock_row_state state);
/* Nothing is known, had or wanted of it. */
void mr_stock_clear(struct mr_stock_row *row);
void mr_stock_lose(struct mr_stock_table *table, struct mr_stock_row *row, bool is_damaged,
                   const struct mr_error *why);
/* This partition (MR_MAP_OUTPUT_ALL: the whole file) is wanted of every row that will have another
 * winner; false: no memory. */
bool mr_stock_stand(struct mr_stock_table *table, uint32_t partition);
/* It is to be brought. */
void mr_stock_want(struct mr_stock_table *table, struct mr_stock_row *row);

/* Room for `have` and `want`; false: no memory. */
bool mr_stock_make_bits(struct mr_stock_table *table, struct mr_stock_row *row);
bool mr_stock_has_bit(const unsigned char *bits, uint32_t at);
void mr_stock_set_bit(unsigned char *bits, uint32_t at, bool value);
/* Whether any partition is here; whether this one is (MR_MAP_OUTPUT_ALL: the whole file). */
bool mr_stock_has_any(const struct mr_stock_table *table, const struct mr_stock_row *row);
bool mr_stock_is_here(const struct mr_stock_row *row, uint32_t partition);

#endif
