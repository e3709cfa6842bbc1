/* held: the outputs of one job that a worker made and keeps: a set. */
#include "lib/worker/node/held.h"

#include "lib/base/error.h"
#include <stdlib.h>

#define NONE UINT32_MAX
#define ROWS_MIN 16

static bool is_same(const struct mr_wire_row_held *a, const struct mr_wire_row_held *b) {
    return a->phase == b->phase && a->task == b->task && a->attempt == b->attempt &&
           a->round == b->round;
}

/* The head of the row's bucket. */
static uint32_t *bucket(const struct mr_held *held, const struct mr_wire_row_held *row) {
    uint64_t hash = (row->task << 32 ^ row->attempt << 2 ^ row->phase) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ row->round) * 0xc2b2ae3d27d4eb4fu;
    return &held->buckets[(hash >> 32) & (held->capacity - 1)];
}

/* The link to the row, in its bucket; to NONE where it is not there. */
static uint32_t *find(const struct mr_held *held, const struct mr_wire_row_held *row) {
    uint32_t *at = bucket(held, row);
    while (*at != NONE && !is_same(&held->rows[*at], row)) {
        at = &held->next[*at];
    }
    return at;
}

bool mr_held_has(const struct mr_held *held, const struct mr_wire_row_held *row) {
    return held->count > 0 && *find(held, row) != NONE;
}

static void put_in_bucket(struct mr_held *held, uint32_t at) {
    uint32_t *head = bucket(held, &held->rows[at]);
    held->next[at] = *head;
    *head = at;
}

static int grow(struct mr_held *held, struct mr_error *err) {
    size_t capacity = held->capacity ? 2 * held->capacity : ROWS_MIN;
    struct mr_wire_row_held *rows = realloc(held->rows, capacity * sizeof *rows);
    held->rows = rows ? rows : held->rows;
    uint32_t *next = realloc(held->next, capacity * sizeof *next);
    held->next = next ? next : held->next;
    uint32_t *buckets = rows && next ? malloc(capacity * sizeof *buckets) : NULL;
    if (!buckets) {
        return mr_error_nomem(err, "noting an output");
    }
    free(held->buckets);
    held->buckets = buckets;
    held->capacity = capacity;
    for (size_t i = 0; i < capacity; i++) {
        buckets[i] = NONE;
    }
    for (uint32_t i = 0; i < held->count; i++) {
        put_in_bucket(held, i);
    }
    return MR_OK;
}

int mr_held_add(struct mr_held *held, const struct mr_wire_row_held *row, struct mr_error *err) {
    if (mr_held_has(held, row)) {
        held->rows[*find(held, row)] = *row;
        return MR_OK;
    }
    if (held->count == held->capacity && grow(held, err)) {
        return err->code;
    }
    held->rows[held->count] = *row;
    put_in_bucket(held, (uint32_t)held->count++);
    return MR_OK;
}

void mr_held_remove(struct mr_held *held, const struct mr_wire_row_held *row) {
    if (!mr_held_has(held, row)) {
        return;
    }
    uint32_t *link = find(held, row);
    uint32_t at = *link;
    uint32_t last = (uint32_t)held->count - 1;
    *link = held->next[at];
    if (at != last) { /* which takes its place */
        uint32_t *moved = find(held, &held->rows[last]);
        held->rows[at] = held->rows[last];
        held->next[at] = held->next[last];
        *moved = at;
    }
    held->count--;
}

void mr_held_fini(struct mr_held *held) {
    free(held->rows);
    free(held->next);
    free(held->buckets);
    *held = (struct mr_held){0};
}
