/* runs: the attempts that run, and where, since when, how far they are. */
#include "master/shell/runs.h"

#include <stdlib.h>

#define ROWS_MIN 64u

static uint32_t bucket_of(const struct mr_runs *runs, const struct mr_core_attempt *id) {
    uint64_t hash = ((uint64_t)id->job << 32 | id->task) * 0x9e3779b97f4a7c15u;
    hash ^=
        ((uint64_t)id->round << 34 | (uint64_t)id->phase << 32 | id->attempt) * 0xc2b2ae3d27d4eb4fu;
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32) & (runs->capacity - 1);
}

static bool is_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b) {
    return a->task == b->task && a->attempt == b->attempt && a->job == b->job &&
           a->round == b->round && a->phase == b->phase;
}

void mr_runs_fini(struct mr_runs *runs) {
    free(runs->rows);
    free(runs->buckets);
    *runs = (struct mr_runs){0};
}

static void put_in_bucket(struct mr_runs *runs, uint32_t at) {
    uint32_t bucket = bucket_of(runs, &runs->rows[at].attempt);
    runs->rows[at].next = runs->buckets[bucket];
    runs->buckets[bucket] = at;
}

/* Doubles the pool; a power of two. */
static bool grow(struct mr_runs *runs) {
    uint32_t before = runs->capacity;
    uint32_t capacity = before ? 2 * before : ROWS_MIN;
    struct mr_runs_row *rows = realloc(runs->rows, capacity * sizeof *rows);
    if (rows) {
        runs->rows = rows;
    }
    uint32_t *buckets = rows ? malloc(capacity * sizeof *buckets) : NULL;
    if (!buckets) {
        return false;
    }
    free(runs->buckets);
    runs->buckets = buckets;
    runs->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++) {
        buckets[i] = MR_CORE_NONE;
    }
    for (uint32_t i = 0; i < before; i++) { /* all are used: there was no free one */
        put_in_bucket(runs, i);
    }
    runs->first_free = before;
    for (uint32_t i = before; i < capacity; i++) {
        rows[i] = (struct mr_runs_row){.next = i + 1 < capacity ? i + 1 : MR_CORE_NONE};
    }
    return true;
}

struct mr_runs_row *mr_runs_find(const struct mr_runs *runs,
                                 const struct mr_core_attempt *attempt) {
    uint32_t at = runs->capacity ? runs->buckets[bucket_of(runs, attempt)] : MR_CORE_NONE;
    while (at != MR_CORE_NONE && !is_same(&runs->rows[at].attempt, attempt)) {
        at = runs->rows[at].next;
    }
    return at == MR_CORE_NONE ? NULL : &runs->rows[at];
}

struct mr_runs_row *mr_runs_add(struct mr_runs *runs, const struct mr_core_attempt *attempt,
                                struct mr_core_worker worker, uint64_t now_ms) {
    struct mr_runs_row *found = mr_runs_find(runs, attempt);
    if (found) {
        return found;
    }
    if (runs->count == runs->capacity && !grow(runs)) {
        return NULL;
    }
    uint32_t at = runs->first_free;
    runs->first_free = runs->rows[at].next;
    runs->rows[at] = (struct mr_runs_row){
        .attempt = *attempt, .worker = worker, .started_ms = now_ms, .is_used = true};
    runs->count++;
    put_in_bucket(runs, at);
    return &runs->rows[at];
}

void mr_runs_remove(struct mr_runs *runs, const struct mr_core_attempt *attempt) {
    if (!runs->capacity) {
        return;
    }
    uint32_t *link = &runs->buckets[bucket_of(runs, attempt)];
    while (*link != MR_CORE_NONE && !is_same(&runs->rows[*link].attempt, attempt)) {
        link = &runs->rows[*link].next;
    }
    uint32_t at = *link;
    if (at != MR_CORE_NONE) {
        *link = runs->rows[at].next;
        runs->rows[at] = (struct mr_runs_row){.next = runs->first_free};
        runs->first_free = at;
        runs->count--;
    }
}

void mr_runs_remove_all(struct mr_runs *runs, uint32_t job, uint32_t node) {
    for (uint32_t i = 0; i < runs->capacity; i++) {
        const struct mr_runs_row *row = &runs->rows[i];
        if (row->is_used && (job == 0 || row->attempt.job == job) &&
            (node == MR_CORE_NONE || row->worker.node == node)) {
            struct mr_core_attempt id = row->attempt;
            mr_runs_remove(runs, &id);
        }
    }
}
