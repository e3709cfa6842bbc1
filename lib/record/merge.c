/* merge: steps through the records of several sorted runs in their common order. */
#include "lib/record/merge.h"

#include "lib/base/error.h"
#include "lib/record/fold.h"
#include <stdlib.h>

/* Orders two keys whose prefixes tie. */
static int compare_rest(struct mr_bytes a, struct mr_bytes b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 16 ? memcmp(a.data + 16, b.data + 16, common - 16) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool wins_tie(const struct mr_merge *merge, uint32_t a, uint32_t b) {
    const struct mr_cursor *left = &merge->cursors[a];
    const struct mr_cursor *right = &merge->cursors[b];
    if (left->at_end || right->at_end) {
        return right->at_end && (!left->at_end || a < b);
    }
    int order = compare_rest(left->key, right->key);
    if (!order && merge->order.placed) {
        order = memcmp(left->value.data, right->value.data, MR_FOLD_PLACE_BYTES);
    }
    return order ? order < 0 : a < b;
}

/* Whether the job's comparator decides between two records that both exist. */
static bool is_decided_by_job(struct mr_merge *merge, uint32_t a, uint32_t b, int *order) {
    const struct mr_cursor *left = &merge->cursors[a];
    const struct mr_cursor *right = &merge->cursors[b];
    if (!merge->order.compare || left->at_end || right->at_end || merge->err->code) {
        return false;
    }
    *order = 0;
    if (merge->order.compare(merge->order.arg, left->key, right->key, order)) {
        mr_error_set(merge->err, MR_ERR_JOB, "comparing two keys failed");
    }
    return *order != 0;
}

static inline bool wins(struct mr_merge *merge, uint32_t a, uint32_t b) {
    struct mr_prefix left = merge->cursors[a].prefix;
    struct mr_prefix right = merge->cursors[b].prefix;
    int order;
    if (merge->order.compare && is_decided_by_job(merge, a, b, &order)) {
        return order < 0;
    }
    if (left.hi != right.hi) {
        return left.hi < right.hi;
    }
    if (left.lo != right.lo) {
        return left.lo < right.lo;
    }
    return wins_tie(merge, a, b);
}

/* Plays the leaf `winner` up to the root. */
static void replay(struct mr_merge *merge, uint32_t winner) {
    uint32_t leaf = winner;
    for (uint32_t node = (leaf + merge->count) / 2; node > 0; node /= 2) {
        uint32_t other = merge->losers[node];
        if (wins(merge, other, winner)) {
            merge->losers[node] = winner;
            winner = other;
        }
    }
    merge->losers[0] = winner;
}

/* Plays the first tournament: returns the winner below `node`. */
static uint32_t play(struct mr_merge *merge, uint32_t node) {
    if (node >= merge->count) {
        return node - merge->count;
    }
    uint32_t left = play(merge, node * 2);
    uint32_t right = play(merge, node * 2 + 1);
    bool left_wins = wins(merge, left, right);
    merge->losers[node] = left_wins ? right : left;
    return left_wins ? left : right;
}

int mr_merge_open(struct mr_merge *merge, struct mr_run *const *runs, size_t count,
                  uint32_t partition, const struct mr_key_range *range,
                  const struct mr_order *order, struct mr_error *err) {
    *merge = (struct mr_merge){.order = *order};
    merge->cursors = calloc(count + 1, sizeof *merge->cursors);
    merge->losers = calloc(count + 1, sizeof *merge->losers);
    if (!merge->cursors || !merge->losers) {
        mr_error_nomem(err, "merging sorted runs");
    }
    for (size_t i = 0; i < count && !err->code; i++) {
        size_t begin;
        size_t end;
        mr_cursor_blocks(runs[i], partition, range, &begin, &end);
        if (begin == end) {
            continue;
        }
        struct mr_cursor *cursor = &merge->cursors[merge->count++];
        if (!mr_cursor_open(cursor, runs[i], partition, range, err) &&
            mr_cursor_step(cursor, err)) {
            break;
        }
    }
    if (err->code) {
        mr_merge_close(merge);
    }
    return err->code;
}

int mr_merge_next(struct mr_merge *merge, const struct mr_cursor **record, struct mr_error *err) {
    if (!merge->count) {
        return 0;
    }
    merge->err = err;
    if (merge->started) {
        uint32_t winner = merge->losers[0];
        if (mr_cursor_step(&merge->cursors[winner], err)) {
            return err->code;
        }
        replay(merge, winner);
    } else {
        merge->started = true;
        merge->losers[0] = play(merge, 1);
    }
    if (err->code) {
        return err->code;
    }
    const struct mr_cursor *first = &merge->cursors[merge->losers[0]];
    *record = first;
    return !first->at_end;
}

void mr_merge_close(struct mr_merge *merge) {
    for (uint32_t i = 0; merge->cursors && i < merge->count; i++) {
        mr_cursor_close(&merge->cursors[i]);
    }
    free(merge->cursors);
    free(merge->losers);
    *merge = (struct mr_merge){0};
}
